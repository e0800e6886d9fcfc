"""Companies that buy, as the seller's people and systems write them: created and edited, each in one transaction.

What stands on issued papers stays: name and VAT id are free until the first invoice.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts import members
from portico.accounts.models import Actor, ApiKey, Customer, Event, Seller, User
from portico.accounts.terms import LONGEST_TERMS_DAYS, checked_plan, kept, plan_of
from portico.kit.errors import Forbidden, Invalid, Missing
from portico.kit.money import exponent
from portico.kit.text import one_line
from portico.kit.vat_ids import check_vat_id

LENGTHS = {
    "legal_name": 160,
    "street": 160,
    "street_2": 160,
    "postcode": 20,
    "city": 80,
    "region": 80,
    "electronic_address": 100,
}
ADDRESS = ("street", "street_2", "postcode", "city", "region", "country", "electronic_address")
TERMS = ("language", "payment_terms_days", "payment_parts")


def create(
    *, seller: Seller, values: Mapping[str, Any], owner: tuple[str, str] | None, by: Actor, now: datetime
) -> Customer:
    """A new customer; `owner`, an e-mail address and a name, is invited by mail.

    `values` are fields of Customer: legal_name and country, which must be there, the address, vat_id, currency, language,
    payment_terms_days, payment_parts. Raises Forbidden, Invalid, and for the owner what `members.invite` raises.
    """
    _refuse_others(by, seller)
    fields = checked(values)
    if not fields.get("legal_name") or not fields.get("country"):
        raise Invalid(_("Name and country of the company must be there."))
    usual = {"currency": seller.currency, "language": seller.language}
    with transaction.atomic():
        customer = Customer.objects.create(seller=seller, created_at=now, **usual | fields)
        Event.record("customer.created", customer, now=now, by=by, customer=customer, visible=False)
        if owner is not None:
            email, name = owner
            members.invite(customer=customer, email=email, name=name, roles=["owner"], by=by, now=now)
    return customer


def edit(*, customer: Customer, values: Mapping[str, Any], by: Actor, now: datetime) -> None:
    """Change some of legal_name, vat_id, the address, language, payment_terms_days, payment_parts; the others
    stay.

    Raises Forbidden, Invalid, Missing, and Conflict for name or VAT id once an invoice was issued.
    """
    _refuse_others(by, customer.seller)
    fields = checked(values)
    if "legal_name" in fields and not fields["legal_name"]:
        raise Invalid(_("Enter the company's legal name."))
    with transaction.atomic():
        current = Customer.objects.select_for_update().filter(pk=customer.pk).first()
        if current is None:
            raise Missing(_("There is no such customer."))
        identity = {name: fields.get(name, getattr(current, name)) for name in ("legal_name", "vat_id")}
        if identity != {"legal_name": current.legal_name, "vat_id": current.vat_id}:
            current.rename(**identity)
        address = {name: fields[name] for name in ADDRESS if name in fields}
        if address:
            current.edit_address(**address)
        terms = {name: fields[name] for name in TERMS if name in fields}
        if terms:
            current.edit_terms(**terms)
        Event.record("customer.edited", current, now=now, by=by, customer=current)
    customer.refresh_from_db()


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are kept; Invalid for one that cannot be."""
    fields = dict(values)
    for name, longest in LENGTHS.items():
        if name in fields:
            fields[name] = one_line(fields[name])
            if len(fields[name]) > longest:
                raise Invalid(_("At most %(longest)d characters.") % {"longest": longest})
    if "country" in fields and not re.fullmatch(r"[A-Z]{2}", fields["country"]):
        raise Invalid(_("Two letters, such as FR or DE."))
    if "currency" in fields:
        exponent(fields["currency"])
    if "language" in fields and fields["language"] not in dict(settings.LANGUAGES):
        raise Invalid(_("Choose one of the languages."))
    if "payment_terms_days" in fields and not 0 <= fields["payment_terms_days"] <= LONGEST_TERMS_DAYS:
        raise Invalid(_("Payment terms are between 0 and %(most)d days.") % {"most": LONGEST_TERMS_DAYS})
    if "payment_parts" in fields:
        fields["payment_parts"] = kept(checked_plan(plan_of(fields["payment_parts"])))
    if fields.get("vat_id"):
        fields["vat_id"] = check_vat_id(fields["vat_id"])
    return fields


def _refuse_others(by: Actor, seller: Seller) -> None:
    if isinstance(by, ApiKey):
        allowed = by.seller_id == seller.pk and by.allows("customers:write")
    else:
        allowed = by.staff_role in {User.StaffRole.SALES, User.StaffRole.ADMIN}
    if not allowed:
        raise Forbidden(_("Customers are written by sales and administrators."))
