"""Quotations on the desk: written, sent, answered, withdrawn."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import OuterRef, Prefetch, Q, Subquery, prefetch_related_objects
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer, Membership
from portico.billing.actions import draft, reuse
from portico.billing.actions.decide import choices_of
from portico.billing.actions.schedule import cancel_schedule, schedule_send
from portico.billing.actions.send import send_quotation, withdraw_quotation
from portico.billing.documents import build
from portico.billing.documents import render as papers
from portico.billing.documents.certificate import certificate_pdf
from portico.billing.documents.changes import compare as line_changes
from portico.billing.models import (
    Acceptance,
    Order,
    Quotation,
    QuotationLine,
    QuotationTemplate,
    QuotationVersion,
    Subscription,
)
from portico.billing.staff import editing
from portico.billing.staff.begin import KINDS, TERMS, begin, trial_days_offered
from portico.billing.staff.comparing import conditions
from portico.billing.staff.desk import by_id, customers_offered
from portico.billing.staff.wishes import waiting_requests
from portico.kit.answers import pdf_answer
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.periods import today
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked
from portico.kit.text import one_line
from portico.statuses import status_of

STATUSES = {
    "draft": lazy("Draft"),
    "sent": lazy("To decide"),
    "changes_requested": lazy("Changes requested"),
    "expired": lazy("Expired"),
    "accepted": lazy("Accepted"),
    "rejected": lazy("Rejected"),
    "withdrawn": lazy("Withdrawn"),
}
SORTS = {
    "newest": Sort(lazy("Newest first"), ["-id"]),
    "valid_until": Sort(lazy("Valid Until, soonest first"), ["current__valid_until", "-id"]),
    "total": Sort(lazy("Total, highest first"), ["-current__total_minor", "-id"]),
    "customer": Sort(lazy("Customer"), ["customer__legal_name", "-id"]),
}
COLUMNS = (
    column(lazy("Number"), "number"),
    column(lazy("Version"), "current__version"),
    column(lazy("Title"), "title"),
    column(lazy("Customer"), "customer__legal_name"),
    column(lazy("Salesperson"), "salesperson__name"),
    Column(lazy("Status"), lambda row: status_of("quotation", row["status"])[2]),
    column(lazy("Valid Until"), "current__valid_until"),
    column(lazy("Currency"), "currency"),
    amount(lazy("Total"), "total_minor"),
)
OPEN = QuotationVersion.OPEN


# The list --------------------------------------------------------------------------------------------------------------


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """All quotations, drafts too."""
    now = timezone.now()
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    day = today(now, request.seller.zone)
    drafted = QuotationVersion.objects.filter(quotation=OuterRef("pk"), state=QuotationVersion.State.DRAFT)
    rows = Quotation.objects.filter(seller=request.seller).annotate(
        written_version=Subquery(drafted.values("version")[:1]),
        written_title=Subquery(drafted.values("title")[:1]),
        written_total_minor=Subquery(drafted.values("total_minor")[:1]),
    )
    if q:
        rows = rows.filter(
            Q(number__icontains=q)
            | Q(current__title__icontains=q)
            | Q(written_title__icontains=q)
            | Q(customer__legal_name__icontains=q)
        )
    found = listing(
        with_status(rows, status, day).values(
            "id", "number", "kind", "customer__legal_name", "customer__currency", "salesperson__name", "created_at",
            "current__version", "current__title", "current__state", "current__valid_until", "current__total_minor",
            "current__currency", "written_version", "written_title", "written_total_minor",
        ),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
    )  # fmt: skip

    def complete(row: dict[str, Any]) -> None:
        expired = row["current__state"] in OPEN and row["current__valid_until"] < day
        row["status"] = "expired" if expired else row["current__state"] or "draft"
        row["title"] = row["current__title"] or row["written_title"] or ""
        sent = row["current__state"] is not None
        row["total_minor"] = row["current__total_minor"] if sent else row["written_total_minor"] or 0
        row["currency"] = row["current__currency"] or row["customer__currency"]

    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "quotations", complete)
    for row in found.rows:
        complete(row)
    return render(request, "billing/staff/quotations/index.html", {"list": found, "today": day})


def with_status(rows: Any, status: str, day: Any) -> Any:
    """The rows of one status as the list shows it: expired is computed, a draft may stand beside a version that was sent."""
    if status == "draft":
        return rows.filter(written_version__isnull=False)
    if status == "expired":
        return rows.filter(current__state__in=OPEN, current__valid_until__lt=day)
    if status in OPEN:
        return rows.filter(current__state=status, current__valid_until__gte=day)
    return rows.filter(current__state=status) if status else rows


# One quotation ---------------------------------------------------------------------------------------------------------


@staff()
@require_safe
def detail(request: StaffRequest, number: str) -> HttpResponse:
    """The quotation as the customer sees it, and what only the desk sees; `?version=` shows another version."""
    now = timezone.now()
    quotation = find(request, number)
    versions = versions_of(quotation)
    shown = chosen_version(request.GET, quotation, versions)
    drafted = next((one for one in versions if one.state == QuotationVersion.State.DRAFT), None)
    acceptance: Acceptance | None = getattr(shown, "acceptance", None)
    order: Order | None = getattr(shown, "order", None)
    choices = choices_of(acceptance.selection) if acceptance else {}
    context = {
        "quotation": quotation,
        "version": shown,
        "versions": versions,
        "draft": drafted,
        "is_current": shown.pk == quotation.current_id,
        "sheet": build.quotation_sheet(shown, choices, now=now, stamped=True),
        "status": shown.status(now),
        "days_left": build.days_left(shown, now) if shown.valid_until else None,
        "requests": waiting_requests(quotation),
        "acceptance": acceptance,
        "order": order,
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/quotations/detail.html", context)


def find(request: StaffRequest, number: str) -> Quotation:
    """The quotation of this number, with the people and companies that stand on it; Missing."""
    found = (
        Quotation.objects.filter(seller=request.seller, number=number)
        .select_related("seller", "customer", "salesperson", "contact", "current", "subscription__database")
        .first()
    )
    if found is None:
        raise Missing(_("There is no quotation of this number."))
    return found


def versions_of(quotation: Quotation) -> list[QuotationVersion]:
    """All versions, oldest first, with what became of each, in one statement."""
    related = ("acceptance__selection", "acceptance__accepted_by", "order", "sent_by", "first_approval__by")
    versions = list(quotation.versions.select_related(*related).order_by("version"))
    for version in versions:
        version.quotation = quotation
    return versions


def chosen_version(
    params: Mapping[str, str], quotation: Quotation, versions: Sequence[QuotationVersion]
) -> QuotationVersion:
    """The version of `?version=`, else what the customer sees, else the draft."""
    asked = params.get("version", "")
    for version in versions:
        if (str(version.version) == asked) if asked else version.pk == quotation.current_id:
            return version
    if asked:
        raise Missing(_("This quotation has no such version."))
    return versions[-1]


@staff()
@require_safe
def pdf(request: StaffRequest, number: str) -> HttpResponse:
    """The version as PDF: as accepted where it was accepted, else as it stands."""
    quotation = find(request, number)
    version = chosen_version(request.GET, quotation, versions_of(quotation))
    acceptance: Acceptance | None = getattr(version, "acceptance", None)
    if acceptance is not None:
        content = acceptance.pdf.read()
    else:
        sheet = build.quotation_sheet(version, {}, now=timezone.now())
        content = papers.render_pdf(sheet, accent=request.seller.accent, logo=request.seller.logo)
    return pdf_answer(content, f"{quotation.number}-v{version.version}.pdf")


@staff()
@require_safe
def certificate(request: StaffRequest, number: str) -> HttpResponse:
    """The certificate of the acceptance, with the accepted paper inside; Missing where nothing was accepted."""
    quotation = find(request, number)
    accepted = Acceptance.objects.select_related("version", "pdf", "accepted_by").filter(version__quotation=quotation)
    acceptance = accepted.first()
    if acceptance is None:
        raise Missing(_("This quotation is not accepted: there is no certificate yet."))
    acceptance.version.quotation = quotation
    return pdf_answer(certificate_pdf(acceptance), f"{quotation.number}-certificate.pdf")


# Beginning -------------------------------------------------------------------------------------------------------------


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: StaffRequest) -> HttpResponse:
    """Choose the customer, then what it is about; the editor follows."""
    asked = request.POST.get("customer", "") or request.GET.get("customer", "")
    customer = by_id(Customer.objects.filter(seller=request.seller), asked)
    if asked and customer is None:
        raise Missing(_("There is no such customer."))
    error = ""
    if request.method == "POST" and customer is not None:
        try:
            quotation = begin(request, customer)
        except Invalid as refusal:
            error = refusal.message
        else:
            return HttpResponseRedirect(reverse("staff:quotations.edit", args=[quotation.number]))
    context = {
        "customers": customers_offered(request) if customer is None else [],
        "customer": customer,
        "members": Membership.objects.filter(customer=customer).select_related("user") if customer else [],
        "subscriptions": Subscription.objects.filter(customer=customer).select_related("database") if customer else [],
        "templates": QuotationTemplate.objects.filter(seller=request.seller) if customer else [],
        "kinds": KINDS,
        "terms": TERMS,
        "trial_days": trial_days_offered(request.seller) if customer else 0,
        "typed": request.POST,
        "error": error,
    }
    return render(request, "billing/staff/quotations/new.html", context, status=400 if error else 200)


# Writing ---------------------------------------------------------------------------------------------------------------


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: StaffRequest, number: str) -> HttpResponse:
    """The editor of the draft (`editing`)."""
    quotation = find(request, number)
    version = quotation.draft_version
    if version is None:
        raise Conflict(_("Nothing of this quotation is being written. Draft a new version first."))
    version.quotation = quotation
    return editing.posted(request, version) if request.method == "POST" else editing.opened(request, version)


# Sending, answering, withdrawing -----------------------------------------------------------------------------------------


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def send(request: StaffRequest, number: str) -> HttpResponse:
    """Look at the draft once more as the customer will see it, and send it."""
    now = timezone.now()
    quotation = find(request, number)
    if request.method == "POST":
        version = send_quotation(quotation=quotation, by=request.user, now=now)
        messages.success(
            request,
            _("Version %(version)s is sent. %(customer)s sees it now.")
            % {"version": version.version, "customer": quotation.customer.legal_name},
        )
        return HttpResponseRedirect(reverse("staff:quotations.detail", args=[number]))
    drafted = quotation.draft_version
    if drafted is None:
        raise Conflict(_("There is no draft to send. Draft a new version first."))
    drafted.quotation = quotation
    return send_page(request, drafted)


def send_page(request: StaffRequest, drafted: QuotationVersion, *, typed: str = "", error: str = "") -> HttpResponse:
    """The draft as a sheet, and the ways to send it."""
    now, quotation = timezone.now(), drafted.quotation
    context = {
        "quotation": quotation,
        "version": drafted,
        "sheet": build.quotation_sheet(drafted, {}, now=now),
        "readers": Membership.objects.filter(customer=quotation.customer, user__is_active=True).select_related("user"),
        "zone": request.seller.zone,
        "typed_at": typed,
        "at_error": error,
    }
    return render(request, "billing/staff/quotations/send.html", context, status=400 if error else 200)


@staff("sales")
@require_POST
def schedule(request: StaffRequest, number: str) -> HttpResponse:
    """Send the draft later, at a moment by the seller's clock."""
    quotation = find(request, number)
    drafted = quotation.draft_version
    if drafted is None:
        raise Conflict(_("There is no draft to send. Draft a new version first."))
    drafted.quotation = quotation
    typed = request.POST.get("at", "").strip()[:30]
    try:
        at = datetime.fromisoformat(typed).replace(tzinfo=request.seller.zone)
        schedule_send(quotation=quotation, at=at, by=request.user, now=timezone.now())
    except ValueError:
        return send_page(request, drafted, typed=typed, error=_("Enter a day and a time."))
    except Invalid as refusal:
        return send_page(request, drafted, typed=typed, error=refusal.message)
    messages.success(request, _("The version is sent by itself at that moment. Until then you can take that back."))
    return HttpResponseRedirect(reverse("staff:quotations.detail", args=[number]))


@staff("sales")
@require_POST
def unschedule(request: StaffRequest, number: str) -> HttpResponse:
    """Not to be sent by itself any more."""
    cancel_schedule(quotation=find(request, number), by=request.user, now=timezone.now())
    messages.success(request, _("It is not sent by itself any more. You can go on writing."))
    return HttpResponseRedirect(reverse("staff:quotations.detail", args=[number]))


# Using it again ----------------------------------------------------------------------------------------------------------


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def duplicate(request: StaffRequest, number: str) -> HttpResponse:
    """Copy what is shown, for the same customer or another one; the editor follows."""
    quotation = find(request, number)
    version = chosen_version(request.GET, quotation, versions_of(quotation))
    asked = request.POST.get("customer", "") or request.GET.get("customer", "")
    customer = by_id(Customer.objects.filter(seller=request.seller), asked) if asked else quotation.customer
    if customer is None:
        raise Missing(_("There is no such customer."))
    if request.method == "POST":
        made = reuse.duplicate_quotation(version=version, customer=customer, by=request.user, now=timezone.now())
        messages.success(request, _("This is the copy, a draft under its own number."))
        return HttpResponseRedirect(reverse("staff:quotations.edit", args=[made.number]))
    context = {
        "quotation": quotation,
        "version": version,
        "customer": customer,
        "customers": customers_offered(request),
    }
    return render(request, "billing/staff/quotations/duplicate.html", context)


@staff("sales")
@require_POST
def template(request: StaffRequest, number: str) -> HttpResponse:
    """Keep a version as a template to begin others from."""
    quotation = find(request, number)
    version = chosen_version(request.POST, quotation, versions_of(quotation))
    name = one_line(request.POST.get("name", ""))
    reuse.save_template(version=version, name=name, by=request.user, now=timezone.now())
    messages.success(request, _("It is kept as the template “%(name)s”.") % {"name": name})
    return HttpResponseRedirect(reverse("staff:quotations.detail", args=[number]))


@staff()
@require_safe
def compare(request: StaffRequest, number: str) -> HttpResponse:
    """Two versions side by side, the last two unless `?old=` and `?new=` say otherwise."""
    quotation = find(request, number)
    versions = versions_of(quotation)
    known = {str(one.version): one for one in versions}
    last = versions[-1]
    before = versions[-2] if len(versions) > 1 else last
    old, new = (
        known.get(request.GET.get(name) or str(usual.version)) for name, usual in (("old", before), ("new", last))
    )
    if old is None or new is None:
        raise Missing(_("There is no such version of this quotation."))
    now, language = timezone.now(), request.user.language
    prefetch_related_objects([old, new], Prefetch("lines", QuotationLine.objects.order_by("position")))
    context = {
        "quotation": quotation,
        "versions": versions,
        "old": old,
        "new": new,
        "changes": line_changes(old.lines.all(), new.lines.all(), new.currency, language),
        "conditions": conditions(old, new, language),
        "papers": [(one, build.quotation_sheet(one, {}, now=now)) for one in (old, new)],
    }
    return render(request, "billing/staff/quotations/compare.html", context)


@staff("sales")
@require_POST
def version(request: StaffRequest, number: str) -> HttpResponse:
    """Draft the next version; with `apply` the customer's simple wishes are in it already."""
    quotation = find(request, number)
    draft.answer_request(quotation=quotation, apply_wishes="apply" in request.POST, by=request.user, now=timezone.now())
    return HttpResponseRedirect(reverse("staff:quotations.edit", args=[number]))


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: StaffRequest, number: str) -> HttpResponse:
    """Take an open quotation back, after a second look."""
    quotation = find(request, number)
    if request.method == "POST":
        withdraw_quotation(quotation=quotation, by=request.user, now=timezone.now())
        messages.success(request, _("The quotation is withdrawn. The customer can no longer accept it."))
        return HttpResponseRedirect(reverse("staff:quotations.detail", args=[number]))
    if quotation.current is None or quotation.current.state not in OPEN:
        raise Conflict(_("Only a quotation that waits for a decision can be withdrawn. Nothing was changed."))
    return render(
        request, "billing/staff/quotations/withdraw.html", {"quotation": quotation, "version": quotation.current}
    )


urlpatterns = [
    path("quotations/", index, name="quotations.index"),
    path("quotations/new/", new, name="quotations.new"),
    path("quotations/<str:number>/", detail, name="quotations.detail"),
    path("quotations/<str:number>/edit/", edit, name="quotations.edit"),
    path("quotations/<str:number>/send/", send, name="quotations.send"),
    path("quotations/<str:number>/schedule/", schedule, name="quotations.schedule"),
    path("quotations/<str:number>/unschedule/", unschedule, name="quotations.unschedule"),
    path("quotations/<str:number>/duplicate/", duplicate, name="quotations.duplicate"),
    path("quotations/<str:number>/template/", template, name="quotations.template"),
    path("quotations/<str:number>/compare/", compare, name="quotations.compare"),
    path("quotations/<str:number>/version/", version, name="quotations.version"),
    path("quotations/<str:number>/withdraw/", withdraw, name="quotations.withdraw"),
    path("quotations/<str:number>/pdf/", pdf, name="quotations.pdf"),
    path("quotations/<str:number>/certificate/", certificate, name="quotations.certificate"),
]
