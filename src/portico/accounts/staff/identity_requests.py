"""Customers that ask for another name or VAT number: to decide, and those decided before."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts import identity
from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer, IdentityRequest
from portico.kit.errors import Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing

STATUSES = {
    "open": lazy("To decide"),
    "confirmed": lazy("Confirmed"),
    "refused": lazy("Refused"),
    "withdrawn": lazy("Withdrawn"),
}
SORTS = {"newest": Sort(lazy("Newest first"), ["-id"])}
CHECKS = (
    (Customer.VatCheck.VIES, lazy("Checked in VIES today")),
    (Customer.VatCheck.STAFF, lazy("Confirmed by us today")),
    (Customer.VatCheck.NONE, lazy("Not checked: VAT is charged until it is")),
)


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """All requests."""
    status = chosen_status(request.GET, STATUSES)
    rows = IdentityRequest.objects.filter(customer__seller=request.seller)
    if status:
        rows = rows.filter(state=status)
    fields = ("id", "old_legal_name", "legal_name", "old_vat_id", "vat_id", "state", "asked_at")
    found = listing(rows.values(*fields), request.GET, status=status, statuses=STATUSES, sorts=SORTS)
    context = {"list": found, "zone": request.seller.zone}
    return render(request, "accounts/staff/identity_requests/index.html", context)


@staff()
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """What was, what is wanted, and why."""
    return page(request, find(request, number))


def page(request: StaffRequest, one: IdentityRequest, error: str = "") -> HttpResponse:
    """The page of a request."""
    context = {"one": one, "error": error, "checks": CHECKS, "zone": request.seller.zone}
    template = "accounts/staff/identity_requests/detail.html"
    return render(request, template, context, status=400 if error else 200)


def find(request: StaffRequest, number: int) -> IdentityRequest:
    """The request of this id; Missing."""
    rows = IdentityRequest.objects.select_related("customer__seller", "asked_by", "decided_by")
    found = rows.filter(customer__seller=request.seller, pk=min(number, 2**63 - 1)).first()
    if found is None:
        raise Missing(_("There is no such request."))
    return found


@staff("sales", "finance")
@require_http_methods(["GET", "HEAD", "POST"])
def confirm(request: StaffRequest, number: int) -> HttpResponse:
    """Take the new name and VAT number over."""
    one = find(request, number)
    if request.method == "POST":
        try:
            check = request.POST.get("vat_check", "?" if one.vat_id else "")
            identity.confirm(request=one, vat_check=check, by=request.user, now=timezone.now())
        except Invalid as refusal:
            return page(request, one, refusal.message)
        messages.success(request, _("Changed. It counts for papers from now on; the customer is told."))
    return HttpResponseRedirect(reverse("staff:identity_requests.detail", args=[number]))


@staff("sales", "finance")
@require_http_methods(["GET", "HEAD", "POST"])
def refuse(request: StaffRequest, number: int) -> HttpResponse:
    """Say no, with the reason."""
    one = find(request, number)
    if request.method == "POST":
        try:
            identity.refuse(request=one, answer=request.POST.get("answer", ""), by=request.user, now=timezone.now())
        except Invalid as refusal:
            return page(request, one, refusal.message)
        messages.success(request, _("Refused. The customer is told why."))
    return HttpResponseRedirect(reverse("staff:identity_requests.detail", args=[number]))


urlpatterns = [
    path("identity-requests/", index, name="identity_requests.index"),
    path("identity-requests/<int:number>/", detail, name="identity_requests.detail"),
    path("identity-requests/<int:number>/confirm/", confirm, name="identity_requests.confirm"),
    path("identity-requests/<int:number>/refuse/", refuse, name="identity_requests.refuse"),
]
