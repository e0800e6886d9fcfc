"""What the frame shows on every page of a customer: how much is open. One query a page, and only where it is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Count, Exists, F, FilteredRelation, Min, Q, Subquery, Sum
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone

from portico.accounts.access import MemberRequest
from portico.accounts.models import Customer, Membership
from portico.billing.models import Invoice, Quotation, QuotationVersion
from portico.kit.periods import today
from portico.kit.prepared import prepared


@dataclass(frozen=True)
class Balance:
    """What a customer owes in one currency, minor units. `open` is what can be paid now; overdue is a part of it.

    What is on its way, of a part too, is in payment and nothing else.
    """

    currency: str
    open_minor: int
    open_count: int
    overdue_minor: int
    overdue_count: int
    overdue_since: Any
    """The oldest due date that has passed; None without one."""
    in_payment_minor: int
    disputed_minor: int


@prepared
def frame(customer: Any, day: Any, user: Any, member: Any) -> Any:
    """What `Nav` reads, as one statement."""
    return framed(customer, day, user, member)


@prepared
def frame_of_limited(customer: Any, day: Any, user: Any, member: Any) -> Any:
    """The same for a member that sees chosen databases alone."""
    return framed(
        customer,
        day,
        user,
        member,
        quotations={"quotation__in": Quotation.objects.visible_to_member(customer, member).values("pk")},
        invoices={"unpaid__in": Invoice.objects.visible_to_member(customer, member).values("pk")},
    )


def framed(
    customer: Any,
    day: Any,
    user: Any,
    member: Any,
    *,
    quotations: Mapping[str, Any] | None = None,
    invoices: Mapping[str, Any] | None = None,
) -> Any:
    """The statement, with what further conditions quotations and invoices must meet."""
    to_decide = QuotationVersion.objects.filter(
        quotation__customer=customer, state__in=QuotationVersion.OPEN, valid_until__gte=day, **quotations or {}
    )
    others = Membership.objects.filter(user=user).exclude(pk=member)
    seen = Q(**invoices or {})
    payable = seen & Q(unpaid__payment_state__in=Invoice.PAYABLE)
    late = payable & Q(unpaid__due_on__lt=day)
    disputed = seen & Q(unpaid__payment_state=Invoice.PaymentState.DISPUTED)
    left = F("unpaid__amount_due_minor") - F("unpaid__on_its_way_minor")
    return (
        Customer.objects.filter(pk=customer)
        .annotate(unpaid=FilteredRelation("invoices", condition=Q(invoices__amount_due_minor__gt=0)))
        .order_by()
        .values("unpaid__currency")
        .annotate(
            open_minor=Coalesce(Sum(left, filter=payable), 0),
            open_count=Count("unpaid", filter=payable),
            overdue_minor=Coalesce(Sum(left, filter=late), 0),
            late_in_parts=Count("unpaid", filter=late & Q(unpaid__instalment_count__gt=0)),
            overdue_count=Count("unpaid", filter=late),
            overdue_since=Min("unpaid__due_on", filter=late),
            in_payment_minor=Coalesce(Sum("unpaid__on_its_way_minor", filter=seen), 0),
            disputed_minor=Coalesce(Sum(left, filter=disputed), 0),
            to_decide=Subquery(to_decide.order_by().values("quotation__customer").annotate(n=Count("pk")).values("n")),
            several=Exists(others),
        )
        .order_by("unpaid__currency")
    )


class Nav:
    """The counts of the frame and the balances behind them, read once when something first asks."""

    def __init__(self, member: Membership) -> None:
        self.member = member

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        """One row per currency in which something is unpaid, or one row without a currency; the counts stand on each."""
        customer = self.member.customer
        ask = frame if self.member.sees_all else frame_of_limited
        return ask(
            customer=customer.pk,
            day=today(timezone.now(), customer.seller.zone),
            user=self.member.user_id,
            member=self.member.pk,
        )

    @cached_property
    def _later(self) -> dict[str, int]:
        """What of the overdue invoices is not due yet, minor units by currency; asked only where one in parts is overdue."""
        if not any(row["late_in_parts"] for row in self._rows):
            return {}
        day, later = today(timezone.now(), self.member.customer.seller.zone), dict[str, int]()
        rows = Invoice.objects.visible_to(self.member).filter(payment_state__in=Invoice.PAYABLE, due_on__lt=day)
        parts = rows.by_part().filter(instalment_count__gt=0, part_due_on__gte=day).order_by("pk")
        for currency, minor in parts.values_list("currency", "part_left_minor"):
            later[currency] = later.get(currency, 0) + minor
        return later

    @property
    def quotations(self) -> int:
        """Quotations that wait for a decision."""
        return int(self._rows[0]["to_decide"] or 0)

    @property
    def invoices(self) -> int:
        """Invoices that can be paid now."""
        return sum(row["open_count"] for row in self._rows)

    @property
    def several_customers(self) -> bool:
        """Whether the person works for more than one company."""
        return bool(self._rows[0]["several"])

    @cached_property
    def balances(self) -> list[Balance]:
        """What is unpaid, per currency; the customer's own currency first."""
        own = self.member.customer.currency
        found = [
            Balance(
                currency=row["unpaid__currency"],
                **{name: row[name] for name in Balance.__dataclass_fields__ if name != "currency"}
                | {"overdue_minor": row["overdue_minor"] - self._later.get(row["unpaid__currency"], 0)},
            )
            for row in self._rows
            if row["unpaid__currency"]
            and (self.member.sees_all or row["open_minor"] or row["in_payment_minor"] or row["disputed_minor"])
        ]
        return sorted(found, key=lambda balance: (balance.currency != own, balance.currency))


def nav_of(request: MemberRequest) -> Nav:
    """The counts of this request, the same object for the view and for the frame."""
    found: Nav | None = getattr(request, "nav", None)
    if found is None:
        found = Nav(request.member)
        request.nav = found  # type: ignore[attr-defined]  # kept with the request so that it is read once
    return found


def nav(request: HttpRequest) -> dict[str, Nav | None]:
    """Context processor: `nav` for a customer's person, else None."""
    return {"nav": nav_of(request) if hasattr(request, "member") else None}  # type: ignore[arg-type]  # a member is there
