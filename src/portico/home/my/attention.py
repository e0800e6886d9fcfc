"""What on the start page needs the customer's attention, most urgent first. Pure: rows in, at most five lines out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import chain, islice
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portico.accounts.models import Membership
from portico.billing.models import Payment, QuotationVersion, Subscription
from portico.kit import formats
from portico.kit.addresses import path_to

MOST = 5
EXPIRES_SOON_DAYS = 7
RENEWS_SOON_DAYS = 30

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Attention:
    """One line: why, how much, and the one thing to do."""

    tone: str
    icon: str
    title: str
    why: str
    url: str
    amount_minor: int
    currency: str
    amount_label: str
    action: str
    action_url: str
    primary: bool = False


@dataclass(frozen=True)
class Reader:
    """Who reads: the person's roles and language, and the day it is."""

    member: Membership
    language: str
    day: date

    def on(self, day: date) -> str:
        """A day as the person reads it."""
        return formats.day(day, self.language)


def attention(
    reader: Reader,
    *,
    invoices: Iterable[Row],
    quotations: Iterable[Row],
    orders: Iterable[Row],
    subscriptions: Iterable[Row],
) -> list[Attention]:
    """The lines, each kind in the order of its rows: overdue, not renewed, expiring, failed, awaiting payment, answered,
    renewing or ending."""
    invoices, quotations = list(invoices), list(quotations)
    overdue = sorted((row for row in invoices if row["is_overdue"]), key=lambda row: (row["due_on"], row["id"]))
    failed = [row for row in invoices if not row["is_overdue"] and row["is_payable"] and _failed(row)]
    until = reader.day + timedelta(days=EXPIRES_SOON_DAYS)
    open_ones = sorted(
        (row for row in quotations if row["status"] in QuotationVersion.OPEN),
        key=lambda row: (row["current__valid_until"], row["id"]),
    )
    expiring = [row for row in open_ones if row["current__valid_until"] <= until]
    answered = [row for row in open_ones if row["current__valid_until"] > until and row["answered"]]
    bound = [row for row in subscriptions if row["days_left"] is not None]
    late = [row for row in bound if row["days_left"] < 0 and not row["leave_asked_at"] and not row["pause_asked_at"]]
    renewing = [row for row in bound if 0 <= row["days_left"] <= RENEWS_SOON_DAYS]
    found = chain(
        (_overdue(reader, row) for row in overdue),
        (_not_renewed(reader, row) for row in late),
        (_expiring(reader, row) for row in expiring),
        (_failed_payment(reader, row) for row in failed),
        (_awaiting(reader, row) for row in orders if row["left_minor"] > 0),
        (_answered(reader, row) for row in answered),
        (_renewing(reader, row, owes=bool(overdue)) for row in renewing),
    )
    return [replace(line, primary=False) if place else line for place, line in enumerate(islice(found, MOST))]


def _failed(row: Row) -> bool:
    return bool(row["last_attempt"] == Payment.State.FAILED)


def _overdue(reader: Reader, row: Row) -> Attention:
    days = (reader.day - row["due_on"]).days
    why = ngettext(
        "%(title)s. It was due on %(date)s, %(days)d day ago.",
        "%(title)s. It was due on %(date)s, %(days)d days ago.",
        days,
    ) % {"title": row["title"] or row["number"], "date": reader.on(row["due_on"]), "days": days}
    if _failed(row):
        why += " " + _("The last payment failed; nothing was charged.")
    title = _("Invoice %(number)s is overdue") % {"number": row["number"]}
    return _invoice(reader, row, "danger", "triangle-alert", title, why)


def _failed_payment(reader: Reader, row: Row) -> Attention:
    why = _("%(title)s. Nothing was charged; it is due on %(date)s.") % {
        "title": row["title"] or row["number"],
        "date": reader.on(row["due_on"]),
    }
    title = _("The payment of invoice %(number)s failed") % {"number": row["number"]}
    return _invoice(reader, row, "warn", "circle-alert", title, why)


def _invoice(reader: Reader, row: Row, tone: str, icon: str, title: str, why: str) -> Attention:
    url = path_to("my:invoices.detail", row["number"])
    pays = reader.member.may_pay
    return Attention(
        tone=tone,
        icon=icon,
        title=title,
        why=why,
        url=url,
        amount_minor=row["amount_due_minor"]
        - row["on_its_way_minor"]
        - (row["later_minor"] if row["is_overdue"] else 0),
        currency=row["currency"],
        amount_label=_("Amount Due"),
        action=_("Pay now") if pays else _("See invoice"),
        action_url=path_to("my:invoices.pay", row["number"]) if pays else url,
        primary=pays and tone == "danger",
    )


def _expiring(reader: Reader, row: Row) -> Attention:
    days = (row["current__valid_until"] - reader.day).days
    number = {"number": row["number"], "days": days}
    title = (
        ngettext("Quotation %(number)s expires in %(days)d day", "Quotation %(number)s expires in %(days)d days", days)
        % number
        if days
        else _("Quotation %(number)s expires today") % number
    )
    why = _("%(title)s. Valid Until %(date)s.") % {
        "title": row["current__title"] or row["number"],
        "date": reader.on(row["current__valid_until"]),
    }
    return _quotation(reader, row, "warn", "hourglass", title, why)


def _answered(reader: Reader, row: Row) -> Attention:
    title = _("Version %(version)d of quotation %(number)s answers your request") % {
        "version": row["current__version"],
        "number": row["number"],
    }
    why = _("%(title)s. Valid Until %(date)s.") % {
        "title": row["current__title"] or row["number"],
        "date": reader.on(row["current__valid_until"]),
    }
    return _quotation(reader, row, "accent", "file-pen-line", title, why)


def _quotation(reader: Reader, row: Row, tone: str, icon: str, title: str, why: str) -> Attention:
    url = path_to("my:quotations.detail", row["number"])
    return Attention(
        tone=tone,
        icon=icon,
        title=title,
        why=why,
        url=url,
        amount_minor=row["current__total_minor"],
        currency=row["current__currency"],
        amount_label=_("Total"),
        action=_("Review and decide") if reader.member.may_decide else _("See quotation"),
        action_url=url,
    )


def _awaiting(reader: Reader, row: Row) -> Attention:
    url = path_to("my:orders.detail", row["number"])
    pays = reader.member.may_pay
    title = row["title"] or row["number"]
    return Attention(
        tone="warn",
        icon="clock",
        title=_("Order %(number)s awaits your payment") % {"number": row["number"]},
        why=(
            _("%(title)s. The last payment failed; nothing was charged.") % {"title": title}
            if _failed(row)
            else _("%(title)s. It starts when your payment has arrived.") % {"title": title}
        ),
        url=url,
        amount_minor=row["left_minor"],
        currency=row["currency"],
        amount_label=_("to pay"),
        action=_("Pay now") if pays else _("See order"),
        action_url=path_to("my:orders.pay", row["number"]) if pays else url,
    )


def _not_renewed(reader: Reader, row: Row) -> Attention:
    """Its period is over, and the next one has not begun."""
    title = _("%(name)s was to renew on %(date)s") % {"name": row["name"], "date": reader.on(row["renews_on"])}
    why = (
        _("It has not renewed by itself yet. We are looking at it; you need not do anything.")
        if row["auto_renew"]
        else _("It goes on when its renewal quotation is accepted.")
    )
    return _subscription(row, "danger", "triangle-alert", title, why, priced=True)


def _renewing(reader: Reader, row: Row, *, owes: bool) -> Attention:
    """It renews, pauses or ends soon; `owes`: something overdue can be paid, and is not on its way or disputed."""
    about = {"name": row["name"], "date": reader.on(row["renews_on"])}
    if row["leave_asked_at"]:
        why = _("Until then it runs, and you can take this back.")
        return _subscription(row, "warn", "circle-alert", _("%(name)s ends on %(date)s") % about, why, priced=False)
    if row["pause_asked_at"]:
        why = _("From then on nothing is invoiced.")
        return _subscription(row, "accent", "hourglass", _("%(name)s pauses on %(date)s") % about, why, priced=False)
    if row["state"] == Subscription.State.PAST_DUE:
        tone, icon, why = (
            "warn",
            "circle-alert",
            _("A payment for it is late. Pay its open invoices to keep it running.")
            if owes
            else _(
                "A payment for it is late, and nothing is left to pay now. It is in order again when the money is here."
            ),
        )
    elif row["auto_renew"]:
        tone, icon = "accent", "calendar-clock"
        why = _("It renews by itself. Nothing to do unless you want to change it.")
    else:
        tone, icon, why = "accent", "calendar-clock", _("It goes on when its renewal quotation is accepted.")
    return _subscription(row, tone, icon, _("%(name)s renews on %(date)s") % about, why, priced=True)


def _subscription(row: Row, tone: str, icon: str, title: str, why: str, *, priced: bool) -> Attention:
    """A line about a subscription; `priced`: with what its renewal costs, where that is known."""
    url = path_to("my:subscriptions.detail", row["name"])
    renewal = row["renewal"] if priced else None
    return Attention(
        tone=tone,
        icon=icon,
        title=title,
        why=why,
        url=url,
        amount_minor=renewal.total_minor if renewal else 0,
        currency=row["currency"],
        amount_label=row["term"]["per"] if renewal else "",
        action=_("See subscription"),
        action_url=url,
    )
