"""The statement of account: what a customer owed at the beginning, what came and went, what it owes at the end; for both sides.

Debits raise what is owed (invoices, refunds), credits lower it (payments, credit notes). A balance below zero is the
customer's credit. The balance of today is what is open on its invoices, less what it has to its credit. A refund stands there
from the day its money left; until then, as while it waits for a second person, its money is credit that is set aside.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import BigIntegerField, Case, CharField, Count, F, Q, Sum, Value, When
from django.http import QueryDict
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Customer
from portico.billing.documents.account import Account, AccountEntry, account_sheet
from portico.billing.documents.render import render_pdf
from portico.billing.models import Allocation, Invoice, Payment, Refund, Reversal
from portico.kit.errors import Invalid
from portico.kit.money import exponent
from portico.kit.periods import add_months, end_of_day, today
from portico.kit.spreadsheet import Column, amount, column

LONGEST_DAYS = 366 * 3
MOST_SHOWN = 500
"""So many entries stand on the page; the file has them all."""
BUCKETS = (
    ("0", lazy("Not due yet"), None, 0),
    ("1-30", lazy("1 to 30 days late"), 1, 30),
    ("31-60", lazy("31 to 60 days late"), 31, 60),
    ("61-90", lazy("61 to 90 days late"), 61, 90),
    ("90+", lazy("More than 90 days late"), 91, None),
)
"""Key, name, first and last day late of each part of what is open."""
KINDS = {
    "invoice": lazy("Invoice"),
    "deposit": lazy("Deposit invoice"),
    "credit_note": lazy("Credit note"),
    "payment": lazy("Payment"),
    "refund": lazy("Refund"),
    "reversal": lazy("Taken back by the bank"),
}
SETTLES = F("total_minor") + F("rounding_minor") - F("prepaid_minor")
"""What a paper asks, or gives: what was paid before it was issued is not asked again."""
CSV = (
    column(lazy("Date"), "on"),
    Column(lazy("What"), lambda row: KINDS[row["kind"]]),
    Column(lazy("Number"), lambda row: row["shown"] or row["number"]),
    column(lazy("Title"), "title"),
    column(lazy("Due date"), "due_on"),
    column(lazy("Currency"), "currency"),
    amount(lazy("Debit"), "debit_minor"),
    amount(lazy("Credit"), "credit_minor"),
    amount(lazy("Running balance"), "balance_minor"),
)


@dataclass(frozen=True)
class Cut:
    """What was asked for: a currency, and the days from `start` through `end`."""

    currency: str
    start: date
    end: date


@dataclass(frozen=True)
class Age:
    """A part of what is open, by how late it is."""

    key: str
    label: Any
    minor: int
    count: int


@dataclass(frozen=True)
class Statement:
    """The account in one currency from `start` through `end`."""

    cut: Cut
    opening_minor: int
    entries: Sequence[dict[str, Any]]
    closing_minor: int
    ages: Sequence[Age]
    credit_minor: int
    """What of payments and credit notes settles nothing yet, today."""
    set_aside_minor: int = 0
    """The part of it that is to be given back and has not left yet."""
    in_payment_minor: int = 0
    """What of the open sum is on its way."""
    disputed_minor: int = 0
    """What of the rest is being looked into."""
    late_in_payment_minor: int = 0
    """What is on its way of parts whose day has passed: it is not overdue."""

    @property
    def open_minor(self) -> int:
        """What is open on invoices today."""
        return sum(age.minor for age in self.ages)

    @property
    def overdue_minor(self) -> int:
        """The part of it that is late and not on its way."""
        return sum(age.minor for age in self.ages if age.key != "0") - self.late_in_payment_minor

    @property
    def debit_minor(self) -> int:
        """What the entries add to what is owed."""
        return sum(entry["debit_minor"] or 0 for entry in self.entries)

    @property
    def credited_minor(self) -> int:
        """What they take off."""
        return sum(entry["credit_minor"] or 0 for entry in self.entries)


# What was asked --------------------------------------------------------------------------------------------------------


def read_cut(params: QueryDict, customer: Customer, *, now: datetime) -> Cut:
    """`?from=…&to=…&currency=…`; without them the last twelve months in the customer's currency. Raises Invalid."""
    day = today(now, customer.seller.zone)
    currency = params.get("currency", "") or customer.currency
    exponent(currency)
    end = _day(params.get("to", "")) or day
    start = _day(params.get("from", "")) or add_months(end.replace(day=1), -11)
    if start > end:
        raise Invalid(_("The first day lies after the last one. Choose the days again."))
    if (end - start).days > LONGEST_DAYS:
        raise Invalid(_("A statement covers three years at most. Choose fewer days."))
    return Cut(currency, start, end)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid(_("Enter the days such as %(example)s.") % {"example": "2026-11-23"}) from None
    if not 2000 <= day.year <= 2100:
        raise Invalid(_("Choose days from the year 2000 on."))
    return day


# The account -----------------------------------------------------------------------------------------------------------


def statement_of(customer: Customer, cut: Cut, *, now: datetime) -> Statement:
    """The statement. Reads in six statements at most, whatever the size."""
    back = _back(customer, cut)
    begins = end_of_day(cut.start - timedelta(days=1), customer.seller.zone)
    sums = _added(*_owed(customer, cut), *_credit(customer, cut.currency))
    opening = sums["owed"] + sum(row["minor"] for row in back if row["at"] < begins)
    entries = _entries(customer, cut, back)
    balance = opening
    for entry in entries:
        balance += (entry["debit_minor"] or 0) - (entry["credit_minor"] or 0)
        entry["balance_minor"] = balance
    states = Invoice.PaymentState
    held = open_by_state(customer, cut.currency, now=now)
    return Statement(
        cut,
        opening,
        entries,
        balance,
        ages_of(held),
        sums["credit"] + sums["set_aside"],
        set_aside_minor=sums["set_aside"],
        in_payment_minor=sum(row["minor"] - row["left_minor"] for row in held),
        disputed_minor=sum(row["left_minor"] for row in held if row["payment_state"] == states.DISPUTED),
        late_in_payment_minor=sum(row["minor"] - row["left_minor"] for row in held if row["bucket"] != "0"),
    )


def open_by_state(customer: Customer, currency: str, *, now: datetime) -> list[dict[str, Any]]:
    """What is open today by how late it is, each part by its own day, and by its state; one statement.

    `minor` is not paid, `left_minor` of that is not on its way either.
    """
    day = today(now, customer.seller.zone)
    late = [
        When(part_due_on__lt=day - timedelta(days=first - 1), then=Value(key))
        for key, _label, first, _last in reversed(BUCKETS)
        if first is not None
    ]
    rows = Invoice.objects.with_parts().filter(customer=customer, currency=currency, part_unpaid_minor__gt=0)
    return list(
        rows.annotate(bucket=Case(*late, default=Value("0"), output_field=CharField()))
        .order_by()
        .values("bucket", "payment_state")
        .annotate(minor=Sum("part_unpaid_minor"), left_minor=Sum("part_left_minor"), count=Count("pk", distinct=True))
    )


def ages_of(held: Iterable[dict[str, Any]]) -> list[Age]:
    """The same by how late it is alone; an invoice has one state, so that none is counted twice."""
    minor: dict[str, int] = defaultdict(int)
    count: dict[str, int] = defaultdict(int)
    for row in held:
        minor[row["bucket"]] += int(row["minor"])
        count[row["bucket"]] += int(row["count"])
    return [Age(key, label, minor[key], count[key]) for key, label, _first, _last in BUCKETS]


def _credit(customer: Customer, currency: str) -> tuple[Any, ...]:
    """The sums of what the customer has to its credit: money and credit notes, less what of them is used; and what is set
    aside to be given back, which is on no payment any more."""
    arrived = Payment.objects.filter(customer=customer, received_currency=currency)
    notes = _papers(customer, currency).filter(kind=Invoice.Kind.CREDIT_NOTE)
    used = Allocation.objects.filter(
        Q(payment__customer=customer, payment__received_currency=currency)
        | Q(credit_note__customer=customer, credit_note__currency=currency)
    )
    set_aside = Refund.objects.filter(payment__customer=customer, currency=currency, state__in=Refund.SET_ASIDE)
    return (
        _sum("credit", arrived, F("received_minor") - F("returned_minor")),
        _sum("set_aside", set_aside, F("amount_minor")),
        _sum("credit", notes, SETTLES),
        _sum("credit", used, -F("amount_minor")),
    )


def _sum(name: str, rows: Any, minor: Any) -> Any:
    """A query of one row at most: the name, and the sum of an amount over all rows."""
    named = rows.order_by().annotate(name=Value(name, output_field=CharField())).values("name")
    return named.annotate(minor=Sum(minor, output_field=BigIntegerField())).values_list("name", "minor")


def _added(*sums: Any) -> dict[str, int]:
    """The sums by their names, added up; one statement."""
    found: dict[str, int] = defaultdict(int)
    for name, minor in sums[0].union(*sums[1:], all=True):
        found[name] += int(minor or 0)
    return found


def currencies_of(customer: Customer) -> list[str]:
    """The currencies in which the customer has papers or money, its own one first; one statement."""
    papers = Invoice.objects.filter(customer=customer, state=Invoice.State.ISSUED).order_by().values_list("currency")
    money = Payment.objects.filter(customer=customer).exclude(received_currency="").order_by()
    found = {row[0] for row in papers.union(money.values_list("received_currency"))}
    return sorted(found | {customer.currency}, key=lambda one: (one != customer.currency, one))


def _papers(customer: Customer, currency: str) -> Any:
    return Invoice.objects.filter(customer=customer, state=Invoice.State.ISSUED, currency=currency)


def _money(customer: Customer, currency: str) -> Any:
    return Payment.objects.filter(customer=customer, state__in=Payment.ARRIVED, received_currency=currency)


def _owed(customer: Customer, cut: Cut) -> tuple[Any, ...]:
    """The sums of what was owed when the first day began."""
    begins = end_of_day(cut.start - timedelta(days=1), customer.seller.zone)
    note = Q(kind=Invoice.Kind.CREDIT_NOTE)
    papers = _papers(customer, cut.currency).filter(issued_on__lt=cut.start)
    money = _money(customer, cut.currency).filter(
        Q(received_on__lt=cut.start) | Q(received_on=None, ended_at__lt=begins)
    )
    return (
        _sum("owed", papers.exclude(note), SETTLES),
        _sum("owed", papers.filter(note), -SETTLES),
        _sum("owed", money, -F("received_minor")),
    )


def _back(customer: Customer, cut: Cut) -> list[dict[str, Any]]:
    """What went back to the customer or its bank until the last day, in the order of time; one statement."""
    own = {"payment__customer": customer, "currency": cut.currency}
    names = ("payment", "payment__provider", "minor", "at", "what")
    refunds = Refund.objects.filter(**own, state=Refund.State.SUCCEEDED).order_by()
    taken = Reversal.objects.filter(**own, taken_minor__gt=0).exclude(state=Reversal.State.WON).order_by()
    both = (
        refunds.annotate(minor=F("amount_minor"), at=F("ended_at"), what=Value("refund"))
        .values(*names)
        .union(
            taken.annotate(minor=F("taken_minor"), at=F("opened_at"), what=Value("reversal")).values(*names), all=True
        )
    )
    ends = end_of_day(cut.end, customer.seller.zone)
    return sorted((row for row in both if row["at"] < ends), key=lambda row: row["at"])


def _entries(customer: Customer, cut: Cut, back: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What came and went, in the order of days; on one day papers stand before money."""
    zone = customer.seller.zone
    begins, ends = end_of_day(cut.start - timedelta(days=1), zone), end_of_day(cut.end, zone)
    papers = _papers(customer, cut.currency).filter(issued_on__gte=cut.start, issued_on__lte=cut.end)
    rows = papers.order_by("issued_on", "id").values(
        "kind", "number", "printed_number", "title", "issued_on", "due_on", "amount_due_minor", "refers_to__number",
        "refers_to__printed_number", minor=SETTLES,
    )  # fmt: skip
    found = [
        _entry(
            row["kind"],
            row["issued_on"],
            cut.currency,
            debit=None if row["kind"] == Invoice.Kind.CREDIT_NOTE else row["minor"],
            credit=row["minor"] if row["kind"] == Invoice.Kind.CREDIT_NOTE else None,
            number=row["number"],
            shown=row["printed_number"],
            title=row["title"],
            due_on=None if row["kind"] == Invoice.Kind.CREDIT_NOTE else row["due_on"],
            open_minor=row["amount_due_minor"],
            about=row["refers_to__printed_number"] or row["refers_to__number"] or "",
        )
        for row in rows
    ]
    money = _money(customer, cut.currency).filter(
        Q(received_on__gte=cut.start, received_on__lte=cut.end)
        | Q(received_on=None, ended_at__gte=begins, ended_at__lt=ends)
    )
    payments = list(
        money.order_by("ended_at").values("id", "provider", "received_on", "ended_at", "received_minor", "reference")
    )
    paid = _paid_by(row["id"] for row in payments)
    found += [
        _entry(
            "payment",
            row["received_on"] or today(row["ended_at"], zone),
            cut.currency,
            credit=row["received_minor"],
            number=row["reference"],
            title=", ".join(paid.get(row["id"], [])),
            key=row["id"],
            provider=row["provider"],
        )
        for row in payments
    ]
    found += [
        _entry(
            row["what"],
            today(row["at"], zone),
            cut.currency,
            debit=row["minor"],
            key=row["payment"],
            provider=row["payment__provider"],
        )
        for row in back
        if row["at"] >= begins
    ]
    order = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(found, key=lambda entry: (entry["on"], order[entry["kind"]]))  # stable: papers stay by number


def _paid_by(payments: Iterable[Any]) -> dict[Any, list[str]]:
    """The numbers of what payments settled."""
    rows = Allocation.objects.filter(payment__in=list(payments)).order_by("id")
    found: dict[Any, list[str]] = {}
    names = ("payment", "invoice__printed_number", "invoice__number", "request__order__number")
    for payment, printed, invoice, order in rows.values_list(*names):
        found.setdefault(payment, []).append(printed or invoice or order or "")
    return {payment: list(dict.fromkeys(numbers)) for payment, numbers in found.items()}


def _entry(
    kind: str, on: date, currency: str, *, debit: int | None = None, credit: int | None = None, **more: Any
) -> dict[str, Any]:
    empty = {
        "number": "",
        "shown": "",
        "title": "",
        "due_on": None,
        "open_minor": 0,
        "about": "",
        "key": None,
        "provider": "",
    }
    return {"kind": kind, "on": on, "currency": currency, "debit_minor": debit, "credit_minor": credit} | empty | more


# On paper --------------------------------------------------------------------------------------------------------------


def is_paper_asked(params: QueryDict) -> bool:
    """Whether the statement is wanted as PDF: `?format=pdf`."""
    return params.get("format") == "pdf"


def statement_pdf(customer: Customer, statement: Statement, *, now: datetime) -> bytes:
    """The statement as PDF, of the same family as the invoices, in the customer's language."""
    cut, seller = statement.cut, customer.seller
    with translation.override(customer.language):
        entries = [
            AccountEntry(
                row["on"],
                " ".join(part for part in (str(KINDS[row["kind"]]), row["shown"] or row["number"]) if part),
                row["title"],
                row["due_on"],
                row["debit_minor"],
                row["credit_minor"],
                row["balance_minor"],
            )
            for row in statement.entries
        ]
        ages = [(str(age.label), age.minor) for age in statement.ages]
    account = Account(
        cut.currency, cut.start, cut.end, statement.opening_minor, entries, statement.closing_minor, ages,
        statement.open_minor, statement.credit_minor,
    )  # fmt: skip
    sheet = account_sheet(customer, account, on=today(now, seller.zone))
    return render_pdf(sheet, accent=seller.accent, logo=seller.logo)
