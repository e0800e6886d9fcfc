"""Bank statements on the desk: sent, read, and every movement with its end; what does not fit by itself is decided here."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer
from portico.billing.actions import bank, returns
from portico.billing.models import BankEntry, BankFile, Invoice
from portico.billing.staff.desk import by_id, customers_offered
from portico.billing.statements.table import DAY_FORMATS, HOLDS, Reading, cut, guess
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.htmx import is_fragment
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked
from portico.statuses import status_of

STATUSES = {
    "open": lazy("To be decided"),
    "booked": lazy("Booked"),
    "aside": lazy("Set aside"),
    "new": lazy("Being looked at"),
}
SORTS = {
    "newest": Sort(lazy("Newest first"), ["-booked_on", "-id"]),
    "amount": Sort(lazy("Amount, highest first"), ["-amount_minor", "-id"]),
}
COLUMNS = (
    column(lazy("Date"), "booked_on"),
    column(lazy("Payer"), "payer_name"),
    column(lazy("Remittance text"), "words"),
    column(lazy("Currency"), "currency"),
    amount(lazy("Amount"), "amount_minor"),
    Column(lazy("Status"), lambda row: status_of("bank", row["state"])[2]),
    column(lazy("To review"), "said"),
    column(lazy("Customer"), "payment__customer__legal_name"),
)
PREVIEW = 8


@staff("finance")
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """Every movement, each with its state; `?status=open` is the work list."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    rows = BankEntry.objects.filter(seller=request.seller)
    if q:
        rows = rows.filter(
            Q(payer_name__icontains=q)
            | Q(words__icontains=q)
            | Q(payer_iban__iexact="".join(q.split()))
            | Q(payment__customer__legal_name__icontains=q)
        )
    if status:
        rows = rows.filter(state=status)
    found = listing(
        rows.values(
            "id", "booked_on", "payer_name", "words", "amount_minor", "currency", "state", "why", "note", "payment_id",
            "by_itself", "payment__customer__legal_name", "reversal__payment__customer__legal_name",
        ),
        request.GET,
        q=q, status=status, statuses=STATUSES, sorts=SORTS,
    )  # fmt: skip

    def complete(row: dict[str, Any]) -> None:
        reason: str = row["why"]
        row["said"] = _(reason) if reason and row["state"] == BankEntry.State.OPEN else row["note"]

    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "bank", complete)
    for row in found.rows:
        complete(row)
    return render(request, "billing/staff/bank/index.html", {"list": found})


# Files -----------------------------------------------------------------------------------------------------------------


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: StaffRequest) -> HttpResponse:
    """Send a statement, and see those that were sent."""
    error, other = "", False
    if request.method == "POST":
        sent = request.FILES.get("statement")
        try:
            if sent is None:
                raise Invalid(_("Choose a file first."))
            if (sent.size or 0) > bank.LARGEST_BYTES:
                raise Invalid(_("The file is larger than 10 MB. Cut it by days."))
            taken = bank.take_file(
                seller=request.seller,
                name=sent.name or "",
                content=sent.read(),
                by=request.user,
                now=timezone.now(),
                nevertheless="nevertheless" in request.POST,
            )
        except Invalid as refusal:
            error, other = refusal.message, isinstance(refusal, bank.OtherAccount)
        else:
            if not request.seller.iban:
                messages.warning(
                    request,
                    _(
                        "Nobody looked at whether this statement is of your account: your IBAN is not set. "
                        "Set it under Settings, Bank account."
                    ),
                )
            view = "bank.columns" if taken.state == BankFile.State.WAITING else "bank.file"
            return HttpResponseRedirect(reverse(f"staff:{view}", args=[taken.pk]))
    sent_before = BankFile.objects.filter(seller=request.seller).select_related("uploaded_by")[:20]
    context = {"error": error, "other": other, "files": sent_before, "zone": request.seller.zone}
    return render(request, "billing/staff/bank/upload.html", context, status=400 if error else 200)


def find_file(request: StaffRequest, key: int) -> BankFile:
    """The file of this id; Missing."""
    rows = BankFile.objects.filter(seller=request.seller, pk=key if key < 2**63 else 0)
    found = rows.select_related("seller", "file", "uploaded_by").first()
    if found is None:
        raise Missing(_("There is no such file."))
    return found


@staff("finance")
@require_safe
def file(request: StaffRequest, key: int) -> HttpResponse:
    """How far a file has come; asked again every two seconds while movements are looked at."""
    one = find_file(request, key)
    counted = dict(one.rows.order_by().values_list("state").annotate(n=Count("pk")))
    by_itself = one.rows.filter(by_itself=True).count()
    done = one.entries - counted.get(BankEntry.State.NEW, 0)
    context = {"file": one, "counted": counted, "by_itself": by_itself, "done": done, "zone": request.seller.zone}
    template = "billing/staff/bank/_progress.html" if is_fragment(request) else "billing/staff/bank/file.html"
    return render(request, template, context)


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def columns(request: StaffRequest, key: int) -> HttpResponse:
    """Say what the columns of a CSV hold; a proposal stands there, with the first lines beside it."""
    one = find_file(request, key)
    if one.state != BankFile.State.WAITING:
        raise Conflict(_("This file was read already. Nothing was taken twice."))
    table = cut(one.file.read())
    reading, error, other = guess(table), "", False
    if request.method == "POST":
        try:
            reading = read_form(request, len(table.heading))
            bank.read_columns(
                bank_file=one, reading=reading, by=request.user, now=timezone.now(),
                nevertheless="nevertheless" in request.POST,
            )  # fmt: skip
        except Invalid as refusal:
            error, other = refusal.message, isinstance(refusal, bank.OtherAccount)
        else:
            messages.success(request, _("The columns are remembered for the next file of this kind."))
            return HttpResponseRedirect(reverse("staff:bank.file", args=[one.pk]))
    places = {place: holds for holds, place in reading.columns.items()}
    context = {
        "file": one,
        "heading": [(place, name, places.get(place, "")) for place, name in enumerate(table.heading)],
        "rows": table.rows[:PREVIEW],
        "reading": reading,
        "holds": [("", _("Not used")), *HOLDS.items()],
        "day_formats": list(DAY_FORMATS.items()),
        "error": error,
        "other": other,
    }
    return render(request, "billing/staff/bank/columns.html", context, status=400 if error else 200)


def read_form(request: StaffRequest, width: int) -> Reading:
    """The columns as they were chosen; Invalid when one is chosen twice."""
    chosen: dict[str, int] = {}
    for place in range(width):
        holds = request.POST.get(f"column-{place}", "")
        if not holds:
            continue
        if holds not in HOLDS or holds in chosen:
            raise Invalid(_("Choose each kind of column once."))
        chosen[holds] = place
    point, form = request.POST.get("decimal_point", ","), request.POST.get("day_format", "")
    if point not in {",", "."} or form not in DAY_FORMATS:
        raise Invalid(_("Choose the decimal sign and how days are written."))
    return Reading(chosen, point, form)


# Movements -------------------------------------------------------------------------------------------------------------


def find(request: StaffRequest, number: int) -> BankEntry:
    """The movement of this id; Missing."""
    rows = BankEntry.objects.filter(seller=request.seller, pk=number if number < 2**63 else 0)
    found = rows.select_related(
        "bank_file", "seller", "payment__customer", "reversal__payment__customer", "decided_by"
    ).first()
    if found is None:
        raise Missing(_("There is no such movement."))
    return found


@staff("finance")
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """One movement: what the bank says, what it may be for, or how it ended."""
    return page(request, find(request, number))


def page(request: StaffRequest, entry: BankEntry, *, error: str = "", is_double: bool = False) -> HttpResponse:
    """The page of a movement, with what was wrong with what was posted."""
    undecided = entry.state in BankEntry.UNDECIDED
    offered = bank.candidates_for(entry) if undecided else []
    customer: Customer | None = None
    if undecided and (request.GET.get("customer") or request.POST.get("customer")):
        own = Customer.objects.filter(seller=request.seller)
        customer = by_id(own, request.POST.get("customer") or request.GET["customer"])
    invoices = (
        list(Invoice.objects.open().filter(customer=customer, currency=entry.currency).order_by("due_on", "id")[:50])
        if customer
        else []
    )
    context = {
        "entry": entry,
        "why": _(entry.why) if entry.why else "",
        "candidates": offered,
        "arrivals": returns.arrivals_for(entry) if undecided else [],
        "customer": customer,
        "invoices": invoices,
        "customers": customers_offered(request) if undecided and entry.amount_minor > 0 and customer is None else [],
        "undecided": undecided,
        "error": error,
        "is_double": is_double,
        "chosen": request.POST.get("for", ""),
        "zone": request.seller.zone,
    }
    status = 409 if is_double else (400 if error else 200)
    return render(request, "billing/staff/bank/detail.html", context, status=status)


def back(request: StaffRequest, entry: BankEntry) -> HttpResponse:
    """To the page of the movement, with what the address asks."""
    return HttpResponseRedirect(f"{reverse('staff:bank.detail', args=[entry.pk])}?{request.GET.urlencode()}")


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def book(request: StaffRequest, number: int) -> HttpResponse:
    """Book the movement for what was chosen: a candidate, invoices of a customer, or the customer's credit."""
    entry = find(request, number)
    if request.method != "POST":
        return back(request, entry)
    form: Mapping[str, Any] = {"invoices": request.POST.getlist("invoices")}
    try:
        chosen = bank.candidate_of(request.seller, request.POST.get("for", ""), bank.candidates_for(entry), form)
        bank.book_entry(
            entry=entry, candidate=chosen, by=request.user, now=timezone.now(), again="again" in request.POST
        )
    except Invalid as refusal:
        return page(request, entry, error=refusal.message)
    except Conflict as refusal:
        entry.refresh_from_db()
        if entry.state not in BankEntry.UNDECIDED:
            raise
        return page(request, entry, error=refusal.message, is_double=True)
    messages.success(request, _("The movement is booked."))
    return HttpResponseRedirect(reverse("staff:bank.detail", args=[entry.pk]))


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def take_back(request: StaffRequest, number: int) -> HttpResponse:
    """The movement takes back the payment that was chosen among those it may be."""
    entry = find(request, number)
    if request.method != "POST":
        return back(request, entry)
    chosen = request.POST.get("payment", "")
    payment = next((one.payment for one in returns.arrivals_for(entry) if str(one.payment.pk) == chosen), None)
    if entry.state not in BankEntry.UNDECIDED:
        raise Conflict(_("This movement was decided already, perhaps in another tab. Nothing was booked twice."))
    if payment is None:
        return page(request, entry, error=_("Choose the payment that was taken back. Nothing was changed."))
    returns.take_back(entry=entry, payment=payment, by=request.user, now=timezone.now())
    messages.success(request, _("The payment is taken back. What it had paid is due again, and its payers are told."))
    return HttpResponseRedirect(reverse("staff:bank.detail", args=[entry.pk]))


@staff("finance")
@require_http_methods(["GET", "HEAD", "POST"])
def aside(request: StaffRequest, number: int) -> HttpResponse:
    """Say that the movement is no payment of a customer."""
    entry = find(request, number)
    if request.method != "POST":
        return back(request, entry)
    try:
        bank.set_aside(entry=entry, note=request.POST.get("note", ""), by=request.user, now=timezone.now())
    except Invalid as refusal:
        return page(request, entry, error=refusal.message)
    messages.success(request, _("The movement is set aside."))
    return HttpResponseRedirect(reverse("staff:bank.index") + "?status=open")


urlpatterns = [
    path("bank/", index, name="bank.index"),
    path("bank/upload/", upload, name="bank.upload"),
    path("bank/files/<int:key>/", file, name="bank.file"),
    path("bank/files/<int:key>/columns/", columns, name="bank.columns"),
    path("bank/<int:number>/", detail, name="bank.detail"),
    path("bank/<int:number>/book/", book, name="bank.book"),
    path("bank/<int:number>/take-back/", take_back, name="bank.take_back"),
    path("bank/<int:number>/aside/", aside, name="bank.aside"),
]
