"""Customers that an import made: staff says that they are new, or which known customer they are.

Merging moves the imported papers, whose frozen copies and originals stay as they came. It is possible only while nothing else
was decided for the new customer; the history of both goes on under the one that stays.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import ForeignObjectRel, Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Customer, Event, Membership, User
from portico.billing.actions.take_in import letters_of
from portico.billing.models import Invoice, NumberSeries, OtherName
from portico.kit.errors import Conflict, Forbidden, Invalid

MOST_OFFERED = 10
ANYBODYS = {
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com", "yahoo.fr", "icloud.com", "gmx.de",
    "gmx.net", "web.de", "t-online.de", "orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "proton.me",
}  # fmt: skip
"""Mail domains that say nothing of the company."""
MAY_STAY = {Invoice, Event, OtherName}
"""What may refer to a customer that is merged: it moves."""


@dataclass(frozen=True)
class Candidate:
    """A customer that the imported one may be, and why it may."""

    customer: Customer
    reasons: tuple[str | Promise, ...]


def candidates_for(customer: Customer, domains: Collection[str] | None = None) -> list[Candidate]:
    """Customers of the same seller that it may be, those with most in common first. `domains` as `domains_of` says."""
    domains = set(domains_of(customer) if domains is None else domains)
    vat_id, name = letters_of(customer.vat_id), customer.legal_name
    alike = Q(legal_name__iexact=name)
    if vat_id:
        alike |= Q(vat_id=customer.vat_id) | Q(vat_id=vat_id)
    if customer.electronic_address:
        alike |= Q(electronic_address__iexact=customer.electronic_address)
    for domain in domains:
        alike |= Q(memberships__user__email__iendswith=f"@{domain}") | Q(electronic_address__iendswith=f"@{domain}")
    if customer.postcode and name.split():
        alike |= Q(postcode__iexact=customer.postcode, legal_name__istartswith=name.split()[0])
    rows = Customer.objects.filter(alike, seller=customer.seller_id).exclude(pk=customer.pk)
    found = list(rows.distinct().order_by("id")[: 3 * MOST_OFFERED])
    mails: dict[int, set[str]] = {}
    for key, email in Membership.objects.filter(customer__in=found).values_list("customer", "user__email"):
        mails.setdefault(key, set()).add(domain_of(email))
    offered = [
        Candidate(one, tuple(_common(customer, one, domains & (mails.get(one.pk, set()) | set(domains_of(one))))))
        for one in found
    ]
    return sorted(offered, key=lambda one: -len(one.reasons))[:MOST_OFFERED]


def _common(new: Customer, old: Customer, domains: set[str]) -> Iterator[str | Promise]:
    if letters_of(new.vat_id) and letters_of(new.vat_id) == letters_of(old.vat_id):
        yield lazy("the same VAT id")
    if new.electronic_address and new.electronic_address.casefold() == old.electronic_address.casefold():
        yield lazy("the same electronic address")
    if new.legal_name.casefold() == old.legal_name.casefold():
        yield lazy("the same name")
    if new.postcode and new.postcode.casefold() == old.postcode.casefold():
        yield lazy("the same postcode")
    for domain in sorted(domains):
        yield _("mail addresses at %(domain)s") % {"domain": domain}


def domains_of(customer: Customer) -> Iterator[str]:
    """The mail domains that its imported papers and its electronic address name, but those that are anybody's."""
    buyers = (
        customer.invoices.filter(series=NumberSeries.Series.IMPORTED).order_by("-id").values_list("buyer", flat=True)
    )
    for address in (customer.electronic_address, *(str((buyer or {}).get("email", "")) for buyer in buyers[:20])):
        domain = domain_of(address)
        if domain and domain not in ANYBODYS:
            yield domain


def domain_of(address: str) -> str:
    """What stands behind the @, small; empty without one."""
    return address.rpartition("@")[2].strip().casefold() if "@" in address else ""


def confirm_customer(*, customer: Customer, by: User, now: datetime) -> None:
    """It is a customer of its own. Raises Forbidden, Conflict when somebody decided before."""
    _refuse_others(by)
    with transaction.atomic():
        if not customer.was_reviewed():
            raise Conflict(_("Somebody has decided about this customer already. Nothing was changed."))
        Event.record("customer.confirmed", customer, now=now, by=by, customer=customer, visible=False)


def merge_customer(*, customer: Customer, into: Customer, by: User, now: datetime) -> None:
    """The imported `customer` is `into`: its papers move, its name is remembered for the next import, its row goes.

    Raises Forbidden, Invalid for itself or another seller's, Conflict when somebody decided before or more than imported papers
    hangs on it.
    """
    _refuse_others(by)
    if into.pk == customer.pk or into.seller_id != customer.seller_id:
        raise Invalid(_("Choose another customer to merge into. Nothing was changed."))
    with transaction.atomic():
        if not customer.was_reviewed():
            raise Conflict(_("Somebody has decided about this customer already. Nothing was changed."))
        locked = Customer.objects.select_for_update().filter(pk=into.pk, to_review=False).first()
        if locked is None:
            raise Conflict(_("The other customer waits for a look itself. Decide about that one first."))
        _refuse_more(customer)
        OtherName.objects.filter(customer=customer).update(customer=into)
        OtherName.objects.create(
            customer=into, legal_name=customer.legal_name, postcode=customer.postcode,
            vat_id=letters_of(customer.vat_id), electronic_address=customer.electronic_address, created_at=now, created_by=by,
        )  # fmt: skip
        papers = customer.invoices.update(customer=into)
        Event.objects.filter(customer=customer).update(customer=into)
        Event.record(
            "customer.merged", into, now=now, by=by, customer=into, visible=False, merged=customer.pk, papers=papers
        )
        Customer.objects.get(pk=customer.pk).delete()


def _refuse_more(customer: Customer) -> None:
    """Conflict when anything but imported papers refers to it: then somebody has decided that it is a customer."""
    own = customer.invoices.exclude(series=NumberSeries.Series.IMPORTED).exists()
    others = [
        relation.related_model._default_manager.filter(**{relation.field.name: customer}).exists()
        for relation in Customer._meta.get_fields(include_hidden=True)
        if isinstance(relation, ForeignObjectRel) and relation.related_model not in MAY_STAY
    ]
    if own or any(others):
        raise Conflict(
            _(
                "This customer has more than imported invoices by now: people, payments, messages or papers of its own. "
                "It cannot be merged; nothing was changed."
            )
        )


def _refuse_others(by: User) -> None:
    if by.staff_role not in {User.StaffRole.SALES, User.StaffRole.FINANCE, User.StaffRole.ADMIN}:
        raise Forbidden(_("Customers are reviewed by sales, finance and administrators."))
