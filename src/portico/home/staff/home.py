"""The start page of the desk: how the business stands, and what waits for somebody, most urgent first."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext, ngettext_lazy
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Seller
from portico.billing.models import Invoice, Quotation, QuotationVersion
from portico.home.my.home import greeting
from portico.home.staff.waiting import Kind, Waiting, waiting
from portico.kit import formats
from portico.kit.listing import plain
from portico.kit.periods import today


@dataclass(frozen=True)
class Look:
    """How a kind of work is shown: tone and icon, heading by number, what to do, and the list that has all."""

    tone: str
    icon: str
    title: Any
    action: str | Promise
    list: str = ""
    query: str = ""

    @property
    def url(self) -> str:
        """The list; empty where the page itself has all."""
        return reverse(f"staff:{self.list}.index") + (f"?{self.query}" if self.query else "") if self.list else ""


LOOKS = {
    "requests": Look(
        "warn", "message-square",
        ngettext_lazy("%(n)d change request to answer", "%(n)d change requests to answer", "n"),
        lazy("Answer"), "quotations", "status=changes_requested",
    ),
    "questions": Look(
        "warn", "mail", ngettext_lazy("%(n)d question to answer", "%(n)d questions to answer", "n"), lazy("Reply")
    ),
    "review": Look(
        "danger", "landmark", ngettext_lazy("%(n)d payment to review", "%(n)d payments to review", "n"),
        lazy("Review"), "payments", "status=review",
    ),
    "disputes": Look(
        "warn", "circle-alert", ngettext_lazy("%(n)d disputed invoice", "%(n)d disputed invoices", "n"),
        lazy("Solve"), "invoices", "status=disputed",
    ),
    "held_back": Look(
        "danger", "file-code",
        ngettext_lazy("%(n)d e-invoice is held back", "%(n)d e-invoices are held back", "n"),
        lazy("See why"), "invoices", "status=held_back",
    ),
    "renewals": Look(
        "danger", "layers",
        ngettext_lazy("%(n)d subscription could not be renewed", "%(n)d subscriptions could not be renewed", "n"),
        lazy("Look"), "subscriptions", "status=active",
    ),
    "reports": Look(
        "warn", "clock",
        ngettext_lazy("%(n)d installation ended unpaid", "%(n)d installations ended unpaid", "n"),
        lazy("Look"), "subscriptions",
    ),
    "leaving": Look(
        "warn", "circle-x",
        ngettext_lazy("%(n)d subscription is cancelled", "%(n)d subscriptions are cancelled", "n"),
        lazy("Look"), "subscriptions",
    ),
    "identities": Look(
        "warn", "badge-check",
        ngettext_lazy("%(n)d name or VAT number to change", "%(n)d names or VAT numbers to change", "n"),
        lazy("Decide"), "identity_requests", "status=open",
    ),
    "customers": Look(
        "warn", "store",
        ngettext_lazy("%(n)d imported customer to review", "%(n)d imported customers to review", "n"),
        lazy("Review"), "customers", "status=to_review",
    ),
    "letters": Look(
        "danger", "circle-alert",
        ngettext_lazy("%(n)d letter was not delivered", "%(n)d letters were not delivered", "n"),
        lazy("Look at it"), "letters", "status=failed",
    ),
    "webhooks": Look(
        "danger", "send",
        ngettext_lazy("%(n)d webhook endpoint no longer works", "%(n)d webhook endpoints no longer work", "n"),
        lazy("Look at it"), "webhooks",
    ),
    "overdue": Look(
        "danger", "triangle-alert", ngettext_lazy("%(n)d overdue invoice", "%(n)d overdue invoices", "n"),
        lazy("See invoice"), "invoices", "status=overdue&sort=due",
    ),
    "expiring": Look(
        "warn", "hourglass", ngettext_lazy("%(n)d quotation expires soon", "%(n)d quotations expire soon", "n"),
        lazy("See quotation"), "quotations", "status=sent&sort=valid_until",
    ),
    "viewed": Look(
        "accent", "circle-user",
        ngettext_lazy("%(n)d quotation opened and not decided", "%(n)d quotations opened and not decided", "n"),
        lazy("See quotation"), "quotations", "status=sent",
    ),
    "deliver": Look(
        "accent", "package", ngettext_lazy("%(n)d order to deliver", "%(n)d orders to deliver", "n"),
        lazy("See order"), "orders", "status=confirmed",
    ),
    "invoice": Look(
        "accent", "receipt-text", ngettext_lazy("%(n)d order to invoice", "%(n)d orders to invoice", "n"),
        lazy("See order"), "orders",
    ),
    "drafts": Look(
        "", "file-pen-line", ngettext_lazy("%(n)d draft", "%(n)d drafts", "n"),
        lazy("Go on writing"), "quotations", "status=draft",
    ),
    "unopened": Look(
        "", "send", ngettext_lazy("%(n)d quotation sent and not opened", "%(n)d quotations sent and not opened", "n"),
        lazy("See quotation"), "quotations", "status=sent",
    ),
}  # fmt: skip

UNDER_WAY = ("deliver", "invoice", "drafts", "viewed", "unopened")
"""What goes its way without anybody being late."""


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """How the business stands and what is to be done today, in three statements whatever there is."""
    seller, now = request.seller, timezone.now()
    day = today(now, seller.zone)
    kinds = waiting(seller, day)
    counts = {kind.name: kind.count for kind in kinds}
    context = {
        "greeting": greeting(now.astimezone(seller.zone).hour) % {"name": request.user.get_short_name()},
        "today": day,
        "balances": balances_of(seller, day),
        "to_decide": to_decide(seller, day),
        "to_review": counts.get("review", 0),
        "urgent": [shown(kind, day, request.user.language) for kind in kinds if kind.name not in UNDER_WAY],
        "under_way": [shown(kind, day, request.user.language) for kind in kinds if kind.name in UNDER_WAY],
    }
    return render(request, "home/staff/home/index.html", context)


# How the business stands -------------------------------------------------------------------------------------------------


def balances_of(seller: Seller, day: date) -> list[dict[str, Any]]:
    """By currency what is open and what of it is overdue, the seller's own currency first."""
    late = Q(part_due_on__lt=day, payment_state__in=Invoice.PAYABLE)
    rows = (
        Invoice.objects.filter(seller=seller)
        .with_parts()
        .filter(part_unpaid_minor__gt=0)
        .order_by()
        .values("currency")
        .annotate(
            open_minor=Sum("part_unpaid_minor"),
            open_count=Count("pk", distinct=True),
            overdue_minor=Coalesce(Sum("part_left_minor", filter=late), 0),
            overdue_count=Count("pk", filter=late, distinct=True),
        )
    )
    return sorted(plain(rows), key=lambda row: (row["currency"] != seller.currency, row["currency"]))


def to_decide(seller: Seller, day: date) -> list[dict[str, Any]]:
    """By currency how many quotations wait for a customer's decision, and what they come to."""
    rows = (
        Quotation.objects.filter(seller=seller, current__state__in=QuotationVersion.OPEN, current__valid_until__gte=day)
        .order_by()
        .values("current__currency")
        .annotate(count=Count("pk"), minor=Sum("current__total_minor"))
    )
    return sorted(plain(rows), key=lambda row: (row["current__currency"] != seller.currency, row["current__currency"]))


# What waits --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shown:
    """A kind of work as the page draws it: its heading, its look, and the first of it, each with what there is to say."""

    name: str
    title: str
    look: Look
    rows: list[tuple[Waiting, str]]
    count: int

    @property
    def more(self) -> int:
        """How many are not named."""
        return self.count - len(self.rows)


def shown(kind: Kind, day: date, language: str) -> Shown:
    """A kind of work with its words."""
    look = LOOKS[kind.name]
    rows = [(row, why(kind.name, row, day, language)) for row in kind.first]
    return Shown(kind.name, str(look.title % {"n": kind.count}), look, rows, kind.count)


def why(kind: str, row: Waiting, day: date, language: str) -> str:
    """What there is to say about a row beside its title and customer."""
    on = formats.day(row.on, language)
    if kind == "overdue":
        days = (day - row.on).days
        return ngettext("%(num)s day late", "%(num)s days late", days) % {"num": days}
    if kind == "review":
        return _("since %(date)s") % {"date": on}
    return {
        "requests": _("asked on %(date)s"),
        "questions": _("asked on %(date)s"),
        "disputes": _("disputed on %(date)s"),
        "held_back": _("issued on %(date)s"),
        "renewals": _("due on %(date)s"),
        "leaving": _("ends on %(date)s"),
        "reports": _("ended on %(date)s"),
        "identities": _("asked on %(date)s"),
        "customers": _("imported on %(date)s"),
        "letters": _("written on %(date)s"),
        "webhooks": _("since %(date)s"),
        "expiring": _("Valid Until %(date)s"),
        "viewed": _("Valid Until %(date)s"),
        "unopened": _("Valid Until %(date)s"),
        "deliver": _("ordered on %(date)s"),
        "invoice": _("ordered on %(date)s"),
        "drafts": _("begun on %(date)s"),
    }[kind] % {"date": on}


urlpatterns = [path("", index, name="home.index")]
