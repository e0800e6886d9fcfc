"""The runs of renewals on the desk: what is due, the run under way with its progress, a rehearsal first, and those before."""

from typing import Any

from django.contrib import messages
from django.db.models import Exists, F, OuterRef
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions import renew, run
from portico.billing.models import RenewalRun, Subscription
from portico.kit.errors import Missing
from portico.kit.listing import Sort, listing, plain
from portico.kit.periods import today
from portico.kit.spreadsheet import Column, as_file, column, decimal, is_asked

KINDS = {RenewalRun.Kind.REAL: lazy("Run"), RenewalRun.Kind.REHEARSAL: lazy("Rehearsal")}
SORTS = {"newest": Sort(lazy("Newest first"), ["-id"])}
COLUMNS = (
    "id", "kind", "day", "started_at", "finished_at", "due", "looked_at", "renewed", "invoiced", "failed", "amounts",
)  # fmt: skip
MOST_FAILURES = 100
CELLS = (
    column(lazy("Number"), "id"),
    Column(lazy("Kind"), lambda row: KINDS[row["kind"]]),
    column(lazy("Day"), "day"),
    Column(lazy("Begun by"), lambda row: row["by"] or _("the clock")),
    column(lazy("Begun at"), "started_at"),
    column(lazy("Ended at"), "finished_at"),
    column(lazy("Due"), "due"),
    column(lazy("Renewed"), "renewed"),
    column(lazy("Invoiced"), "invoiced"),
    column(lazy("Failed"), "failed"),
    Column(
        lazy("Totals incl. VAT"),
        lambda row: ", ".join(f"{decimal(minor, code)} {code}" for code, minor in sorted(row["amounts"].items())),
    ),
)


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """What is due today, and every run, the newest first."""
    now = timezone.now()
    rows = RenewalRun.objects.filter(seller=request.seller).values(*COLUMNS, by=F("started_by__name"))
    found = listing(rows, request.GET, statuses={}, sorts=SORTS)
    if is_asked(request.GET):
        return as_file(request.GET, found, CELLS, "renewals")
    for row in found.rows:
        row["kind_name"], row["status"] = KINDS[row["kind"]], status_of_run(row)
        row["seconds"] = max(((row["finished_at"] or now) - row["started_at"]).total_seconds(), 0.0)
    due = renew.due(request.seller, today(now, request.seller.zone)).count()
    under_way = {row["kind"]: row["id"] for row in found.rows if row["finished_at"] is None}
    context = {"list": found, "due": due, "under_way": under_way}
    return render(request, "billing/staff/renewals/index.html", context)


@staff()
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """One run: how far it is, its figures, and what could not be renewed, with the reason."""
    one, now = find(request, number), timezone.now()
    waiting = Subscription.objects.filter(pk=OuterRef("subscription")).exclude(renewal_problem="")
    failures = plain(
        one.failures.annotate(waits=Exists(waiting)).values(
            "problem", "waits", name=F("subscription__database__name"),
            customer=F("subscription__customer__legal_name"), on=F("subscription__period_end"),
        )[: MOST_FAILURES + 1]
    )  # fmt: skip
    seconds = one.seconds(now)
    context: dict[str, Any] = {
        "run": one,
        "kind_name": KINDS[RenewalRun.Kind(one.kind)],
        "status": status_of_run({"kind": one.kind, "finished_at": one.finished_at, "failed": one.failed}),
        "is_rehearsal": one.kind == RenewalRun.Kind.REHEARSAL,
        "failures": failures[:MOST_FAILURES],
        "more": len(failures) > MOST_FAILURES,
        "waiting": any(row["waits"] for row in failures),
        "seconds": seconds,
        "rate": one.looked_at / seconds if seconds >= 1 else None,
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/renewals/detail.html", context)


@staff("finance")
@require_POST
def start(request: StaffRequest) -> HttpResponse:
    """Begin a run now."""
    begun = run.start_run(seller=request.seller, by=request.user, now=timezone.now())
    return HttpResponseRedirect(reverse("staff:renewals.detail", args=[begun.pk]))


@staff("sales", "finance")
@require_POST
def rehearse(request: StaffRequest) -> HttpResponse:
    """Ask what a run would do today."""
    begun = run.start_rehearsal(seller=request.seller, by=request.user, now=timezone.now())
    return HttpResponseRedirect(reverse("staff:renewals.detail", args=[begun.pk]))


@staff("sales", "finance")
@require_POST
def again(request: StaffRequest, number: int) -> HttpResponse:
    """Let the next run take up all that this one could not renew."""
    count = run.try_all_again(run=find(request, number), by=request.user, now=timezone.now())
    said = ngettext(
        "%(num)s renewal is tried again within a minute.", "%(num)s renewals are tried again within a minute.", count
    )
    messages.success(request, said % {"num": count})
    return HttpResponseRedirect(reverse("staff:renewals.detail", args=[number]))


def find(request: StaffRequest, number: int) -> RenewalRun:
    """One run of the seller; Missing without it."""
    found = RenewalRun.objects.filter(seller=request.seller, pk=number).select_related("started_by").first()
    if found is None:
        raise Missing(_("There is no run of this number."))
    return found


def status_of_run(row: dict[str, Any]) -> str:
    """How a run stands."""
    if row["finished_at"] is None:
        return "running"
    return "failures" if row["failed"] else "done"


urlpatterns = [
    path("renewals/", index, name="renewals.index"),
    path("renewals/start/", start, name="renewals.start"),
    path("renewals/rehearse/", rehearse, name="renewals.rehearse"),
    path("renewals/<int:number>/", detail, name="renewals.detail"),
    path("renewals/<int:number>/again/", again, name="renewals.again"),
]
