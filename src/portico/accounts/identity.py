"""Another name or VAT id for a customer whose papers were issued: the customer asks, staff confirms or refuses.

Papers that were issued never change: they hold a frozen copy. What is issued from then on says the new.
"""

from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from portico.accounts import letters
from portico.accounts.models import Customer, Event, IdentityRequest, Membership, User
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.text import one_line
from portico.kit.vat_ids import check_vat_id

LONGEST_NAME, LONGEST_WORDS = 160, 500
STAFF = {User.StaffRole.SALES, User.StaffRole.FINANCE, User.StaffRole.ADMIN}
CHECKS = {Customer.VatCheck.NONE, Customer.VatCheck.VIES, Customer.VatCheck.STAFF}


def ask(*, customer: Customer, legal_name: str, vat_id: str, reason: str, by: User, now: datetime) -> IdentityRequest:
    """An owner asks for another name or VAT id; staff is told by mail.

    Raises Forbidden for others than owners, Invalid for what cannot be or is the same, Conflict while another one is open or
    when nothing is locked yet.
    """
    if not Membership.objects.filter(user=by, customer=customer, is_owner=True).exists():
        raise Forbidden(_("Owners ask for another name or VAT number."))
    if customer.identity_locked_at is None:
        raise Conflict(_("Nothing is locked yet: change name and VAT number on your billing details."))
    name, reason = one_line(legal_name), one_line(reason)
    number = check_vat_id(vat_id) if one_line(vat_id) else ""
    if not name or len(name) > LONGEST_NAME:
        raise Invalid(_("Enter the company's legal name."))
    if not reason or len(reason) > LONGEST_WORDS:
        raise Invalid(_("Say in at most %(most)d characters why it changes.") % {"most": LONGEST_WORDS})
    if (name, number) == (customer.legal_name, customer.vat_id):
        raise Invalid(_("Name and VAT number are these already."))
    try:
        with transaction.atomic():
            request = IdentityRequest.objects.create(
                customer=customer, legal_name=name, vat_id=number, old_legal_name=customer.legal_name,
                old_vat_id=customer.vat_id, reason=reason, asked_at=now, asked_by=by,
            )  # fmt: skip
            letters.identity_asked(request, now=now)
            Event.record("customer.identity_asked", customer, now=now, by=by, customer=customer, request=request.pk)
    except IntegrityError:
        raise Conflict(_("You have asked already. Wait for the answer, or withdraw that first.")) from None
    return request


def withdraw(*, request: IdentityRequest, by: User, now: datetime) -> None:
    """The customer no longer wants it. Conflict when it was decided."""
    with transaction.atomic():
        _end(request, IdentityRequest.State.WITHDRAWN, by=by, now=now)
        customer = request.customer
        Event.record("customer.identity_withdrawn", customer, now=now, by=by, customer=customer, request=request.pk)


def confirm(*, request: IdentityRequest, vat_check: str, by: User, now: datetime) -> None:
    """Staff takes the new name and VAT id over; `vat_check` says how the VAT id was checked today, empty for not at all.

    Raises Forbidden, Invalid, and Conflict when it was decided or the customer has changed since.
    """
    _refuse_others(by)
    if vat_check not in CHECKS:
        raise Invalid(_("Say how the VAT number was checked."))
    with transaction.atomic():
        _end(request, IdentityRequest.State.CONFIRMED, by=by, now=now)
        day = now.astimezone(request.customer.seller.zone).date()
        if not request.customer.change_identity(
            legal_name=request.legal_name, vat_id=request.vat_id, vat_check=vat_check, day=day,
            before=(request.old_legal_name, request.old_vat_id),
        ):  # fmt: skip
            raise Conflict(_("The customer has another name or VAT number by now. Nothing was changed."))
        letters.identity_decided(request, now=now)
        customer = request.customer
        Event.record("customer.identity_changed", customer, now=now, by=by, customer=customer, request=request.pk)


def refuse(*, request: IdentityRequest, answer: str, by: User, now: datetime) -> None:
    """Staff says no, and why. Raises as `confirm`, and Invalid without words."""
    _refuse_others(by)
    words = one_line(answer)
    if not words or len(words) > LONGEST_WORDS:
        raise Invalid(_("Say in at most %(most)d characters why not.") % {"most": LONGEST_WORDS})
    with transaction.atomic():
        _end(request, IdentityRequest.State.REFUSED, by=by, now=now, answer=words)
        letters.identity_decided(request, now=now)
        customer = request.customer
        Event.record("customer.identity_refused", customer, now=now, by=by, customer=customer, request=request.pk)


def _end(request: IdentityRequest, state: str, *, by: User, now: datetime, answer: str = "") -> None:
    if not request.end(state, by=by, now=now, answer=answer):
        raise Conflict(_("This request was decided already. Nothing was changed."))


def _refuse_others(by: User) -> None:
    if by.staff_role not in STAFF:
        raise Forbidden(_("Names and VAT numbers are decided by sales, finance and administrators."))
