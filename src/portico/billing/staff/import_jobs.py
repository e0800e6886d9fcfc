"""Imports of invoices that another system made: send files, watch them being read, and see what became of each."""

from typing import Any

from django.contrib import messages
from django.db.models import BigIntegerField, Count, F, Func, OuterRef, Q, Subquery
from django.http import HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.actions import importing
from portico.billing.documents.reading import MOST_BYTES
from portico.billing.documents.reading.reasons import what_is_wrong, what_to_do
from portico.billing.models import ImportFile, ImportJob
from portico.kit.addresses import absolute
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked
from portico.statuses import status_of

STATES = ImportFile.State
STATUSES = {
    "imported": lazy("Imported"),
    "known": lazy("Known before"),
    "refused": lazy("Refused"),
    "waiting": lazy("Waiting"),
}
SORTS = {
    "sent": Sort(lazy("As sent"), ["id"]),
    "name": Sort(lazy("Name"), ["name", "id"]),
}
NEWEST = {"newest": Sort(lazy("Newest first"), ["-id"])}
COLUMNS = (
    column(lazy("File"), "shown_name"),
    Column(lazy("Status"), lambda row: status_of("import_file", row["state"])[2]),
    column(lazy("Number"), "number"),
    column(lazy("Customer"), "invoice__customer__legal_name"),
    Column(lazy("New customer"), lambda row: _("yes") if row["customer_made"] else ""),
    column(lazy("Currency"), "invoice__currency"),
    amount(lazy("Total"), "invoice__total_minor", "invoice__currency"),
    amount(lazy("Due"), "due_minor", "invoice__currency"),
    column(lazy("Reason"), "reason"),
    column(lazy("What to do"), "advice"),
    column(lazy("Link"), "link"),
)
SENT_COLUMNS = (
    column(lazy("Number"), "id"),
    column(lazy("Sent at"), "sent_at"),
    column(lazy("Sent by"), "sent_by__name"),
    column(lazy("Ended at"), "finished_at"),
    column(lazy("Files"), "files_n"),
    column(lazy("Imported"), "imported_n"),
    column(lazy("Known before"), "known_n"),
    column(lazy("Refused"), "refused_n"),
)


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: StaffRequest) -> HttpResponseBase:
    """Send files, and see the imports before; nothing is read here."""
    error, status = "", 200
    if request.method == "POST":
        try:
            job = importing.start_import(
                seller=request.seller, sent=request.FILES.getlist("files"), by=request.user, now=timezone.now()
            )
        except (Invalid, Conflict) as refusal:
            error, status = refusal.message, refusal.status
        else:
            messages.success(request, _("The files are stored and are being read. You can leave this page."))
            return HttpResponseRedirect(reverse("staff:import_jobs.detail", args=[job.pk]))
    rows = ImportJob.objects.filter(seller=request.seller).annotate(
        files_n=_number(~Q(state=STATES.UNPACKED)),
        imported_n=_number(Q(state=STATES.IMPORTED)),
        known_n=_number(Q(state=STATES.KNOWN)),
        refused_n=_number(Q(state=STATES.REFUSED)),
    )
    found = listing(
        rows.values(
            "id", "sent_at", "sent_by__name", "finished_at", "files_n", "imported_n", "known_n", "refused_n"
        ),
        request.GET, statuses={}, sorts=NEWEST,
    )  # fmt: skip
    if is_asked(request.GET):
        return as_file(request.GET, found, SENT_COLUMNS, "imports")
    for row in found.rows:
        row["status"] = status_of_job(row["finished_at"], row["refused_n"], row["files_n"])
    context = {
        "list": found,
        "error": error,
        "zone": request.seller.zone,
        "most_files": importing.MOST_FILES,
        "most_members": importing.MOST_MEMBERS,
        "most_megabytes": MOST_BYTES // importing.MEGABYTE,
        "most_archive": importing.MOST_ARCHIVE_BYTES // importing.MEGABYTE,
        "most_sent": importing.MOST_SENT_BYTES // importing.MEGABYTE,
        "kept_days": importing.KEPT.days,
    }
    return render(request, "billing/staff/import_jobs/index.html", context, status=status)


def _number(condition: Q) -> Subquery:
    """How many files of an import are so."""
    rows = ImportFile.objects.filter(condition, job=OuterRef("pk")).order_by()
    counted = rows.annotate(n=Func(F("pk"), function="COUNT", output_field=BigIntegerField()))
    return Subquery(counted.values("n"))


@staff("finance")
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponseBase:
    """One import: how far it is, and what became of each file; asked again every two seconds while it is under way."""
    job = find(request, number)
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    rows = ImportFile.objects.filter(job=job).exclude(state=STATES.UNPACKED)
    if q:
        rows = rows.filter(
            Q(name__icontains=q)
            | Q(invoice__printed_number__icontains=q)
            | Q(invoice__customer__legal_name__icontains=q)
        )
    if status:
        rows = rows.filter(state=status)
    found = listing(
        rows.values(
            "id", "name", "archive__name", "state", "code", "about", "customer_made", "due_minor", "invoice__number",
            "invoice__printed_number", "invoice__currency", "invoice__total_minor", "invoice__kind",
            "invoice__customer__legal_name", "invoice__customer_id", "invoice__customer__to_review",
        ),
        request.GET, q=q, status=status, statuses=STATUSES, sorts=SORTS,
    )  # fmt: skip
    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, f"import-{job.pk}", complete)
    for row in found.rows:
        complete(row)
    done = job.files_n - job.waiting_n
    context = {
        "job": job,
        "list": found,
        "status": status_of_job(job.finished_at, job.refused_n, job.files_n),
        "done": done,
        "percent": 100 if job.finished_at else min(100 * done // max(job.files_n, 1), 99),
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/import_jobs/detail.html", context)


def complete(row: dict[str, Any]) -> None:
    """What is shown beside a file: its name with the ZIP it came in, its number, and why it was refused."""
    row["shown_name"] = f"{row['archive__name']} / {row['name']}" if row["archive__name"] else row["name"]
    row["number"] = row["invoice__printed_number"] or row["invoice__number"] or ""
    row["reason"] = what_is_wrong(row["code"], row["about"]) if row["code"] else ""
    row["advice"] = what_to_do(row["code"]) if row["code"] else ""
    row["link"] = (
        absolute(reverse("staff:invoices.detail", args=[row["invoice__number"]])) if row["invoice__number"] else ""
    )


def status_of_job(finished_at: object, refused: int, files: int) -> str:
    """How an import of so many files stands, of which so many were refused."""
    if finished_at is None:
        return "running"
    if files and refused == files:
        return "refused"
    return "refusals" if refused else "done"


def find(request: StaffRequest, number: int) -> Any:
    """The import with its figures, in one statement; Missing."""
    counts = {
        f"{name}_n": Count("files", filter=Q(files__state=name))
        for name in (STATES.WAITING, STATES.IMPORTED, STATES.KNOWN, STATES.REFUSED)
    }
    rows = ImportJob.objects.filter(seller=request.seller, pk=number if number < 2**63 else 0)
    found = (
        rows.select_related("sent_by")
        .annotate(
            files_n=Count("files", filter=~Q(files__state=STATES.UNPACKED)),
            made_n=Count("files", filter=Q(files__customer_made=True)),
            **counts,
        )
        .first()
    )
    if found is None:
        raise Missing(_("There is no such import."))
    return found


urlpatterns = [
    path("invoices/import/", index, name="import_jobs.index"),
    path("invoices/import/<int:number>/", detail, name="import_jobs.detail"),
]
