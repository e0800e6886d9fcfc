"""What happened with a customer, across all its documents: who, what, when, the latest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer, Event, User
from portico.billing.models import Invoice, Order, Quotation, Subscription
from portico.conversation.sentences import SENTENCES, Sentence, read_out
from portico.conversation.timeline import name_of, of_integration
from portico.kit import formats
from portico.kit.errors import Missing
from portico.kit.htmx import is_fragment
from portico.kit.pagination import paginate

INLINED = 12
"""How many entries stand on the customer's own page; the page of its own goes on, page by page."""
FOUND_BY: dict[str, tuple[Any, str, str]] = {
    "quotation": (Quotation, "number", "staff:quotations.detail"),
    "order": (Order, "number", "staff:orders.detail"),
    "invoice": (Invoice, "number", "staff:invoices.detail"),
    "credit_note": (Invoice, "number", "staff:invoices.detail"),
    "subscription": (Subscription, "database__name", "staff:subscriptions.thread"),
}
"""By the noun of an event: where its thing is kept, what it is called, and its page."""


@dataclass(frozen=True)
class Entry:
    """One thing that happened, with the paper it is about."""

    at: datetime
    sentence: str
    icon: str
    paper: str
    url: str


@staff()
@require_safe
def timeline(request: StaffRequest, number: int) -> HttpResponse:
    """The entries of one customer; htmx takes the latest few into the customer's page."""
    customer = Customer.objects.filter(seller=request.seller, pk=number).first() if number < 2**63 else None
    if customer is None:
        raise Missing(_("There is no such customer."))
    fragment = is_fragment(request)
    fields = "id at name noun object_id actor_kind actor__name actor__email integration__name data".split()
    page = paginate(
        Event.objects.filter(customer=customer).values(*fields),
        ["-at", "-id"],
        request.GET,
        size=INLINED if fragment else None,
    )
    context = {
        "customer": customer,
        "entries": entries_of(page.rows, customer, request.seller.short_name),
        "page": page,
        "zone": request.seller.zone,
        "fragment": fragment,
    }
    return render(request, "conversation/staff/customers/timeline.html", context)


def entries_of(rows: Iterable[dict[str, Any]], customer: Customer, seller_name: str) -> list[Entry]:
    """The events as sentences; the papers they are about are read in one statement for each kind."""
    rows = list(rows)
    papers = papers_of(rows)
    language = translation.get_language() or "en"

    def money(minor: int, currency: str) -> str:
        return formats.money(minor, currency or customer.currency, language)

    entries = []
    for row in rows:
        paper, url = papers.get((row["noun"], row["object_id"]), ("", ""))
        if row["noun"] == "payment":
            paper, url = _("Payment"), reverse("staff:payments.detail", args=[row["object_id"]])
        entries.append(
            Entry(
                at=row["at"],
                sentence=read_out(row["name"], row["data"], who=who_of(row, seller_name), money=money),
                icon=SENTENCES.get(row["name"], Sentence("")).icon,
                paper=paper,
                url=url,
            )
        )
    return entries


def who_of(row: dict[str, Any], seller_name: str) -> str:
    """Who did it; empty for what happened by itself."""
    if row["integration__name"]:
        return of_integration(row["integration__name"])
    if row["actor_kind"] not in {Event.ActorKind.STAFF, Event.ActorKind.MEMBER}:
        return ""
    person = User(name=row["actor__name"], email=row["actor__email"]) if row["actor__email"] else None
    return name_of(person, from_staff=row["actor_kind"] == Event.ActorKind.STAFF, seller_name=seller_name)[0]


def papers_of(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], tuple[str, str]]:
    """Name and address of each paper, by noun and id."""
    wanted: dict[str, set[str]] = {}
    for row in rows:
        if row["noun"] in FOUND_BY:
            wanted.setdefault(row["noun"], set()).add(row["object_id"])
    found = {}
    for noun, keys in wanted.items():
        model, name, page = FOUND_BY[noun]
        for pk, called in model.objects.filter(pk__in=keys).values_list("pk", name):
            if called:
                found[noun, str(pk)] = (called, reverse(page, args=[called]))
    return found


urlpatterns = [path("customers/<int:number>/timeline/", timeline, name="customers.timeline")]
