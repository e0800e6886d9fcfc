"""The customer's quotations: look, choose, accept, ask for changes, reject."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import F, Q
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing import pricing
from portico.billing.actions import decide, send
from portico.billing.documents import build
from portico.billing.documents.certificate import certificate_pdf
from portico.billing.documents.changes import compare
from portico.billing.documents.offer import deposit_of, price_selection
from portico.billing.documents.render import render_pdf
from portico.billing.models import Order, Quotation, QuotationLine, QuotationVersion
from portico.billing.my import choosing
from portico.billing.my.lists import matching
from portico.kit.answers import pdf_answer
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.periods import today
from portico.kit.prepared import Asked, Prepared, prepared
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked
from portico.statuses import status_of

State = QuotationVersion.State
STATUSES = {
    "sent": lazy("To decide"),
    "changes_requested": lazy("Changes requested"),
    "accepted": lazy("Accepted"),
    "rejected": lazy("Rejected"),
    "expired": lazy("Expired"),
    "withdrawn": lazy("Withdrawn"),
}
SORTS = {
    "newest": Sort(lazy("Newest first"), ["-id"]),
    "oldest": Sort(lazy("Oldest first"), ["id"]),
    "valid_until": Sort(lazy("Valid Until, soonest first"), ["valid_until", "id"]),
    "-valid_until": Sort(lazy("Valid Until, latest first"), ["-valid_until", "-id"]),
    "total": Sort(lazy("Total, highest first"), ["-total_minor", "-id"]),
    "-total": Sort(lazy("Total, lowest first"), ["total_minor", "id"]),
}
COLUMNS = (
    column(lazy("Number"), "number"),
    column(lazy("Version"), "version"),
    column(lazy("Title"), "title"),
    column(lazy("Date"), "sent_at"),
    column(lazy("Valid Until"), "valid_until"),
    Column(lazy("Status"), lambda row: status_of("quotation", row["status"])[2]),
    column(lazy("Currency"), "currency"),
    amount(lazy("Total incl. VAT"), "total_minor"),
)
WARN_DAYS = 7


# The list --------------------------------------------------------------------------------------------------------------


@member()
@require_safe
def index(request: MemberRequest) -> HttpResponseBase:
    """All quotations that were sent to the customer, rejected ones included."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    day = today(timezone.now(), request.member.customer.seller.zone)
    found = listing(
        Asked(rows_of, (status,), {"customer": request.member.customer_id, "member": request.member.pk, "day": day}),
        request.GET,
        q=q,
        status=status,
        statuses=STATUSES,
        sorts=SORTS,
        search=matching(request, q, ("number", "title"), ("total_minor",)) if q else None,
    )

    def complete(row: dict[str, Any]) -> None:
        row["status"] = (
            "expired" if row["state"] in QuotationVersion.OPEN and row["valid_until"] < day else row["state"]
        )
        row["days_left"] = (row["valid_until"] - day).days if row["status"] in QuotationVersion.OPEN else None

    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "quotations", complete)
    for row in found.rows:
        complete(row)
    return render(request, "billing/my/quotations/index.html", {"list": found, "warn_days": WARN_DAYS})


def rows_of(status: str, *, customer: Any, member: Any, day: Any) -> Any:
    """The rows of the list: what was sent to `customer`, of one status or of all."""
    rows = Quotation.objects.visible_to_member(customer, member).annotate(
        valid_until=F("current__valid_until"),
        total_minor=F("current__total_minor"),
        title=F("current__title"),
        currency=F("current__currency"),
        state=F("current__state"),
        version=F("current__version"),
        sent_at=F("current__sent_at"),
    )
    if status:
        rows = rows.filter(of_status(status, day))
    return rows.values("id", "number", "title", "version", "state", "sent_at", "valid_until", "currency", "total_minor")


def of_status(status: str, day: Any) -> Q:
    """Quotations of one status as the customer sees it: an open one whose day is over is expired."""
    if status == "expired":
        return Q(state__in=QuotationVersion.OPEN, valid_until__lt=day)
    found = Q(state=status)
    return found & Q(valid_until__gte=day) if status in QuotationVersion.OPEN else found


# The quotation ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offer:
    """A quotation as its page shows it: the version, its lines, what is chosen, and what may be done."""

    quotation: Quotation
    version: QuotationVersion
    versions: list[QuotationVersion]
    lines: list[QuotationLine]
    choices: Mapping[int, Decimal]
    priced: pricing.Priced
    now: datetime

    @property
    def status(self) -> str:
        """As the customer sees it."""
        return self.version.status(self.now)

    @property
    def is_open(self) -> bool:
        """Whether it can be accepted, changed or rejected now."""
        return self.status in QuotationVersion.OPEN

    @property
    def days_left(self) -> int:
        """Days until Valid Until, today excluded."""
        return build.days_left(self.version, self.now)

    @property
    def days_valid(self) -> int:
        """Days of validity altogether."""
        sent = (self.version.sent_at or self.now).astimezone(self.quotation.seller.zone).date()
        return max((self.version.valid_until - sent).days, 1) if self.version.valid_until else 1

    @property
    def deposit_minor(self) -> int:
        """What is to be paid on acceptance: the deposit, everything, or nothing."""
        policy = QuotationVersion.PaymentPolicy
        if self.version.payment_policy == policy.DEPOSIT:
            return deposit_of(self.version, self.priced)
        return self.priced.total_minor if self.version.payment_policy == policy.FULL else 0

    @property
    def accept_label(self) -> str:
        """What accepting takes: Accept, sign, pay."""
        signs, pays = self.version.signature_required, self.deposit_minor > 0
        if signs and pays:
            return _("Accept, Sign & Pay")
        if signs:
            return _("Accept & Sign")
        return _("Accept & Pay") if pays else _("Accept")

    @property
    def is_editable(self) -> bool:
        """Whether there is anything to choose."""
        return self.is_open and any(line.optional or line.quantity_min is not None for line in self.lines)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The choice as hidden fields."""
        return choosing.fields_of(self.choices, self.lines)

    @property
    def approval(self) -> Any:
        """The first of two approvals, while the second is missing."""
        return getattr(self.version, "first_approval", None) if self.is_open else None

    @property
    def order(self) -> Order | None:
        """The order it became."""
        return getattr(self.version, "order", None)

    @property
    def acceptance(self) -> Any:
        """The evidence of its acceptance."""
        return getattr(self.version, "acceptance", None)


@prepared
def of_number(customer: Any, member: Any, number: Any) -> Any:
    """The quotation of this number that was sent to `customer`, with what its pages name."""
    return (
        Quotation.objects.visible_to_member(customer, member)
        .select_related(
            "salesperson",
            "contact",
            "subscription__database",
            "current__acceptance__selection",
            "current__acceptance__accepted_by",
            "current__order",
            "current__first_approval__selection",
            "current__first_approval__by",
            "current__rejected_by",
        )
        .filter(number=number)
    )


@prepared
def versions_of(quotation: Any) -> Any:
    """The versions that were sent, the newest first."""
    sent = QuotationVersion.objects.filter(quotation=quotation).exclude(state=State.DRAFT)
    return sent.select_related("sent_by").order_by("-version")


@prepared
def lines_of(one: Any, other: Any) -> Any:
    """The lines of two versions, as printed."""
    return QuotationLine.objects.filter(Q(version=one) | Q(version=other)).order_by("position")


@prepared
def alone_of_number(customer: Any, member: Any, number: Any) -> Any:
    """The same quotation, without what its pages name."""
    return Quotation.objects.visible_to_member(customer, member).filter(number=number)


def find(request: MemberRequest, number: str, read: Prepared[Any] = of_number) -> Quotation:
    """The quotation of this number that was sent to the customer; Missing for a foreign one, a draft, and none alike."""
    found: Quotation | None = read.first(customer=request.member.customer_id, member=request.member.pk, number=number)
    if found is None:
        raise Missing(_("There is no quotation of this number."))
    found.customer, found.seller = request.member.customer, request.member.customer.seller
    return found


def open_offer(
    request: MemberRequest, quotation: Quotation, fields: Mapping[str, str], *, at: int | None = None
) -> Offer:
    """The offer of the current version, or of version `at`, with the choice that `fields` hold."""
    versions: list[QuotationVersion] = versions_of(quotation=quotation.pk)
    current = quotation.current
    version = (
        current
        if at is None or (current and current.version == at)
        else next((v for v in versions if v.version == at), None)
    )
    if version is None:
        raise Missing(_("There is no such version of this quotation."))
    version.quotation = quotation
    before = next((v for v in versions if v.version < version.version), None)
    rows: list[QuotationLine] = lines_of(one=version.pk, other=(before or version).pk)
    for one in (version, before):
        if one is not None:
            one.know_lines(row for row in rows if row.version_id == one.pk)  # both versions in one query
    versions = [
        version if one.pk == version.pk else (before if before and one.pk == before.pk else one) for one in versions
    ]
    lines = [row for row in rows if row.version_id == version.pk]
    acceptance, approval = getattr(version, "acceptance", None), getattr(version, "first_approval", None)
    if acceptance is not None:
        choices = decide.choices_of(acceptance.selection)
    elif approval is not None and not fields.get("chosen"):
        choices = decide.choices_of(approval.selection)
    else:
        choices = choosing.choices_from(fields, lines)
    priced = price_selection(version, choices, lines=lines)
    return Offer(quotation, version, versions, lines, choices, priced, timezone.now())


@member()
@require_safe
def detail(request: MemberRequest, number: str) -> HttpResponse:
    """The quotation as a sheet with its rail; the choice in the address is priced and drawn."""
    quotation = find(request, number)
    problem = ""
    try:
        offer = open_offer(request, quotation, request.GET)
    except Invalid as refusal:
        problem = refusal.message
        offer = open_offer(request, quotation, {})
    if request.method == "GET":
        note_view(request, offer)
    return show(request, offer, problem=problem, status=400 if problem else 200)


@member()
@require_safe
def version(request: MemberRequest, number: str, at: int) -> HttpResponse:
    """One version as it was sent, read only."""
    offer = open_offer(request, find(request, number), {}, at=at)
    if offer.quotation.current_id == offer.version.pk:
        return HttpResponseRedirect(reverse("my:quotations.detail", args=[number]))
    return show(request, offer)


def note_view(request: MemberRequest, offer: Offer) -> None:
    """Record that a member looked: the only thing that opening a page writes."""
    origin = choosing.origin_of(request)
    send.record_view(version=offer.version, by=request.user, ip=origin.ip, user_agent=origin.user_agent, now=offer.now)


def show(request: MemberRequest, offer: Offer, *, problem: str = "", status: int = 200) -> HttpResponse:
    """The page of an offer."""
    before = next((one for one in offer.versions if one.version < offer.version.version), None)
    context = {
        "offer": offer,
        "paper": build.quotation_sheet(offer.version, offer.choices, now=offer.now, stamped=True),
        "before": before,
        "changes": compare(before.lines.all(), offer.lines, offer.version.currency, request.user.language)
        if before
        else [],
        "is_current": offer.quotation.current_id == offer.version.pk,
        "may_decide": request.member.may_decide,
        "problem": problem,
        "warn_days": WARN_DAYS,
        "wishes": offer.version.change_requests.last()
        if offer.version.changes_requested_at or offer.status == "expired"
        else None,
    }
    return render(request, "billing/my/quotations/detail.html", context, status=status)


@member()
@require_safe
def pdf(request: MemberRequest, number: str) -> HttpResponse:
    """The quotation as a PDF with the choice of the address; once accepted, the file exactly as it was accepted."""
    offer = open_offer(request, find(request, number), request.GET)
    name = f"{offer.quotation.number}-v{offer.version.version}.pdf"
    if offer.acceptance is not None:
        return pdf_answer(offer.acceptance.pdf.read(), name)
    sheet = build.quotation_sheet(offer.version, offer.choices, now=offer.now, stamped=True)
    return pdf_answer(render_pdf(sheet, accent=offer.quotation.seller.accent, logo=offer.quotation.seller.logo), name)


@member()
@require_safe
def certificate(request: MemberRequest, number: str) -> HttpResponse:
    """The certificate of its acceptance, with the accepted paper inside; Missing before it is accepted."""
    quotation = find(request, number)
    version = quotation.current
    if version is None or not hasattr(version, "acceptance"):
        raise Missing(_("This quotation is not accepted: there is no certificate yet."))
    version.quotation = quotation
    return pdf_answer(certificate_pdf(version.acceptance), f"{quotation.number}-certificate.pdf")


# Deciding --------------------------------------------------------------------------------------------------------------


@member("approver")
@require_http_methods(["GET", "HEAD", "POST"])
def accept(request: MemberRequest, number: str) -> HttpResponse:
    """Review what was chosen, sign where asked, accept. The order follows, and its payment where one is due."""
    if request.method != "POST":
        offer = open_offer(request, find(request, number), request.GET)
        refuse_closed(offer)
        return accept_page(request, offer)
    quotation = find(request, number, alone_of_number)
    shown = decide.shown_of(quotation)
    try:
        done = decide.accept_quotation(
            quotation=quotation,
            shown=shown,
            by=request.member,
            version=choosing.version_from(request.POST),
            choices=chosen_of(shown, request.POST),
            seen_total_minor=choosing.whole(request.POST.get("seen_total_minor", "")),
            consent=request.POST.get("consent") == "on",
            signature=choosing.signature_from(request.POST, request),
            po_number=choosing.words(request.POST.get("po_number", ""), 60),
            origin=choosing.origin_of(request),
            now=timezone.now(),
        )
    except Invalid as refusal:
        offer = open_offer(request, find(request, number), request.POST)
        refuse_closed(offer)
        return accept_page(request, offer, problem=refusal.message)
    if done.order is None:
        messages.success(request, _("Your approval is recorded. A second approver must accept it now."))
        return HttpResponseRedirect(reverse("my:quotations.detail", args=[number]))
    messages.success(request, _("Quotation %(number)s is accepted. Thank you.") % {"number": number})
    waits = done.order.state == Order.State.AWAITING_PAYMENT
    return HttpResponseRedirect(
        reverse("my:orders.pay" if waits and request.member.may_pay else "my:orders.detail", args=[done.order.number])
    )


def chosen_of(version: QuotationVersion, fields: Mapping[str, str]) -> Mapping[int, Decimal]:
    """The choice that a form holds; where it holds none, that of the first of two approvals."""
    approval = None if fields.get("chosen") else decide.first_approval_of(version)
    return (
        choosing.choices_from(fields, version.lines.all())
        if approval is None
        else decide.choices_of(approval.selection)
    )


def accept_page(request: MemberRequest, offer: Offer, *, problem: str = "") -> HttpResponse:
    """The page on which one accepts; after a refusal with what was entered."""
    context = {
        "offer": offer,
        "paper": build.quotation_sheet(offer.version, offer.choices, now=offer.now),
        "consent": _(decide.CONSENT).format(company=request.member.customer.legal_name),
        "second": decide.needs_second_approval(offer.version, offer.priced.total_minor) and offer.approval is None,
        "posted": request.POST,
        "problem": problem,
    }
    return render(request, "billing/my/quotations/accept.html", context, status=400 if problem else 200)


def refuse_closed(offer: Offer) -> None:
    """Conflict with the reason when the quotation can no longer be decided."""
    if offer.is_open:
        return
    raise Conflict(
        {
            "accepted": _("This quotation has already been accepted. Nothing else was changed."),
            "rejected": _("This quotation was rejected. Reopen it first. Nothing was changed."),
            "expired": _("This quotation has expired. Nothing was changed. Ask for a new quotation."),
            "withdrawn": _("This quotation was withdrawn by the seller. Nothing was changed."),
        }.get(offer.status, _("This version can no longer be decided. Nothing was changed."))
    )


@member("approver")
@require_http_methods(["GET", "HEAD", "POST"])
def changes(request: MemberRequest, number: str) -> HttpResponse:
    """Ask for changes: a message and wishes for single lines."""
    offer = open_offer(request, find(request, number), {})
    problem = ""
    if request.method == "POST":
        try:
            decide.ask_for_changes(
                quotation=offer.quotation,
                by=request.member,
                version=choosing.version_from(request.POST),
                message=choosing.short(request.POST.get("message", "")),
                wishes=choosing.wishes_from(request.POST, offer.lines, request.user.language),
                now=timezone.now(),
            )
        except Invalid as refusal:
            problem = refusal.message
        else:
            messages.success(
                request, _("Your request is sent. This quotation stays as it is until a new version comes.")
            )
            return HttpResponseRedirect(reverse("my:quotations.detail", args=[number]))
    refuse_closed(offer)
    lines = [line for line in offer.lines if line.kind == "line"]
    context = {"offer": offer, "lines": lines, "posted": request.POST, "problem": problem}
    return render(request, "billing/my/quotations/changes.html", context, status=400 if problem else 200)


@member("approver")
@require_http_methods(["GET", "HEAD", "POST"])
def reject(request: MemberRequest, number: str) -> HttpResponse:
    """Reject with a reason."""
    offer = open_offer(request, find(request, number), {})
    problem = ""
    if request.method == "POST":
        try:
            decide.reject_quotation(
                quotation=offer.quotation,
                by=request.member,
                version=choosing.version_from(request.POST),
                reason=request.POST.get("reason", ""),
                comment=choosing.short(request.POST.get("comment", ""), 2000),
                now=timezone.now(),
            )
        except Invalid as refusal:
            problem = refusal.message
        else:
            messages.success(request, _("The quotation is rejected. You can reopen it until it expires."))
            return HttpResponseRedirect(reverse("my:quotations.detail", args=[number]))
    refuse_closed(offer)
    context = {"offer": offer, "reasons": reasons(), "posted": request.POST, "problem": problem}
    return render(request, "billing/my/quotations/reject.html", context, status=400 if problem else 200)


def reasons() -> list[tuple[str, str, str]]:
    """Why somebody rejects, as choices."""
    reason = QuotationVersion.RejectedReason
    return [
        (reason.PRICE, _("The price is too high"), ""),
        (reason.NOT_NOW, _("Not now; the budget has moved"), ""),
        (reason.OTHER_SOLUTION, _("We chose another solution"), ""),
        (reason.OTHER, _("Another reason"), ""),
    ]


@member("approver")
@require_POST
def reopen(request: MemberRequest, number: str) -> HttpResponse:
    """Reopen what was rejected, until Valid Until."""
    decide.reopen_quotation(quotation=find(request, number), by=request.member, now=timezone.now())
    messages.success(request, _("The quotation is open again."))
    return HttpResponseRedirect(reverse("my:quotations.detail", args=[number]))


@member("approver")
@require_POST
def renew(request: MemberRequest, number: str) -> HttpResponse:
    """Ask for a new quotation in place of an expired one."""
    decide.ask_for_new_quotation(
        quotation=find(request, number),
        by=request.member,
        message=choosing.short(request.POST.get("message", "")),
        now=timezone.now(),
    )
    messages.success(request, _("Your request is sent. We prepare a new quotation."))
    return HttpResponseRedirect(reverse("my:quotations.detail", args=[number]))


urlpatterns = [
    path("quotations/", index, name="quotations.index"),
    path("quotations/<str:number>/", detail, name="quotations.detail"),
    path("quotations/<str:number>/v<int:at>/", version, name="quotations.version"),
    path("quotations/<str:number>/pdf/", pdf, name="quotations.pdf"),
    path("quotations/<str:number>/certificate/", certificate, name="quotations.certificate"),
    path("quotations/<str:number>/accept/", accept, name="quotations.accept"),
    path("quotations/<str:number>/changes/", changes, name="quotations.changes"),
    path("quotations/<str:number>/reject/", reject, name="quotations.reject"),
    path("quotations/<str:number>/reopen/", reopen, name="quotations.reopen"),
    path("quotations/<str:number>/renew/", renew, name="quotations.renew"),
]
