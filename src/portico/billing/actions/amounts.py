"""How much of what is due is paid now: a part that is due, all that is due by now, everything, or an amount of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Membership, Seller, User
from portico.billing.instalments import Left, due_by, overdue_on
from portico.billing.models import ExchangeRate, Invoice, PaymentRequest, PaymentRules
from portico.billing.models.instalment import standing_of
from portico.kit import formats
from portico.kit.errors import Forbidden, Invalid
from portico.kit.periods import today


@dataclass(frozen=True)
class Due:
    """One paper that is to be paid, and what is left to pay of it."""

    paper: Invoice | PaymentRequest
    amount_minor: int
    currency: str
    number: str

    @property
    def key(self) -> tuple[str, int]:
        """Which paper it is."""
        return type(self.paper).__name__, self.paper.pk


@dataclass(frozen=True)
class Offer:
    """An amount that the payer may choose. `key`: next, overdue, due or all; `due_on` is the day of the next part."""

    key: str
    amount_minor: int
    due_on: date | None = None


def open_parts(chosen: Sequence[Due]) -> list[tuple[Due, Left]]:
    """What is open of these invoices part by part, the earliest due day first."""
    found = [
        (due, part)
        for due in chosen
        if isinstance(due.paper, Invoice)
        for part in standing_of(due.paper)
        if part.left_minor
    ]
    return sorted(found, key=lambda one: (one[1].due_on, one[0].paper.pk, one[1].position))


def offers_of(chosen: Sequence[Due], day: date) -> list[Offer]:
    """What may be paid of these papers on `day`, from the next part to everything; everything alone without parts.

    Nothing where all of it is on its way.
    """
    everything = Offer("all", sum(due.amount_minor for due in chosen))
    parts = open_parts(chosen)
    if not any(isinstance(due.paper, Invoice) and due.paper.instalment_count for due in chosen):
        return [everything]
    left = [part for _due, part in parts]
    found = [Offer("next", left[0].left_minor, left[0].due_on)] if len(chosen) == 1 and left else []
    found += [Offer("overdue", overdue_on(left, day)), Offer("due", due_by(left, day)), everything]
    by_amount: dict[int, Offer] = {}
    for one in found:
        by_amount.setdefault(one.amount_minor, one)
    return [one for one in by_amount.values() if one.amount_minor]


def part_of(chosen: Sequence[Due], amount_minor: int | None) -> list[Due]:
    """The amounts to be paid: all that is due, or a part of invoices, of which what is due first is paid first."""
    if amount_minor is None:
        return list(chosen)
    if not all(isinstance(due.paper, Invoice) for due in chosen):
        raise Invalid(_("A part can be paid of invoices only. Nothing was charged."))
    if not 0 < amount_minor <= sum(due.amount_minor for due in chosen):
        raise Invalid(_("Choose an amount above zero and no more than is due. Nothing was charged."))
    taken, left = dict.fromkeys((due.key for due in chosen), 0), amount_minor
    for due, part in open_parts(chosen):
        taken[due.key] += min(left, part.left_minor)
        left -= min(left, part.left_minor)
    return [Due(due.paper, taken[due.key], due.currency, due.number) for due in chosen if taken[due.key]]


def refuse_too_little(by: Membership, chosen: Sequence[Due], amount_minor: int | None, *, now: datetime) -> None:
    """Invalid for an amount of one's own below the least that the seller takes. A part that is due is never too little.

    In another currency the least counts at the seller's exchange rate of the day; without a rate there is none.
    """
    seller = by.customer.seller
    day = today(now, seller.zone)
    least = PaymentRules.of(seller).least_part_minor
    if amount_minor is None or least is None or amount_minor in {one.amount_minor for one in offers_of(chosen, day)}:
        return
    currency = chosen[0].currency
    rate = ExchangeRate.on(seller, currency, day) if currency != seller.currency else None
    if currency != seller.currency and rate is None:
        return
    at_home = rate.at_home(amount_minor) if rate else amount_minor
    if at_home < least:
        raise Invalid(
            _("Pay at least %(least)s, or everything that is due. Nothing was charged.")
            % {"least": formats.money(least, seller.currency, by.user.language)}
        )


def change_least_part(*, seller: Seller, least_minor: int | None, by: User, now: datetime) -> None:
    """The least that a payer may choose, minor units of the seller's currency; None: any amount. Opens a transaction.

    Raises Forbidden without the finance role, Invalid for an amount that is not above zero.
    """
    if by.staff_role not in {User.StaffRole.FINANCE, User.StaffRole.ADMIN}:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))
    if least_minor is not None and least_minor <= 0:
        raise Invalid(_("The amount must be above zero."))
    with transaction.atomic():
        PaymentRules.objects.update_or_create(seller=seller, defaults={"least_part_minor": least_minor})
        Event.record("seller.least_part_changed", seller, now=now, by=by, visible=False)
