"""Company: what stands on the customer's papers, and who besides its members gets its invoices."""

from collections.abc import Mapping

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from portico.accounts import identity as identities
from portico.accounts.access import MemberRequest, member
from portico.accounts.models import Customer, Event, IdentityRequest, InvoiceRecipient
from portico.kit.electronic import electronic_address
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.text import one_line
from portico.kit.vat_ids import check_vat_id

DELIVERY = {"delivery": 8, "einvoice_profile": 9, "buyer_reference": 100}
ADDRESS = {"street": 160, "street_2": 160, "postcode": 20, "city": 80, "electronic_address": 100}
IDENTITY = {"legal_name": 160, "vat_id": 20}
MOST_RECIPIENTS = 20


@member("owner")
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: MemberRequest) -> HttpResponse:
    """Billing details; POST saves them. Name and VAT id only until the first invoice."""
    customer = request.member.customer
    locked = customer.identity_locked_at is not None
    fields = ADDRESS | DELIVERY | ({} if locked else IDENTITY)
    typed = {name: str(getattr(customer, name)) for name in fields}
    errors: dict[str, str] = {}
    if request.method == "POST":
        if locked and set(IDENTITY) & set(request.POST):
            raise Conflict(_("Name and VAT number stand on issued invoices and cannot change here. Nothing was saved."))
        typed = {name: one_line(request.POST.get(name, str(getattr(customer, name)))) for name in fields}
        errors = wrong(typed, fields)
        if not errors:
            save(request, customer, typed, locked=locked)
            messages.success(request, _("Your billing details are saved. Issued papers keep what they say."))
            return HttpResponseRedirect(reverse("my:company.index"))
    context = {
        "customer": customer,
        "typed": typed,
        "errors": errors,
        "locked": locked,
        "asked": IdentityRequest.objects.filter(customer=customer).first() if locked else None,
        "recipients": InvoiceRecipient.objects.filter(customer=customer),
        "languages": settings.LANGUAGES,
        "deliveries": [(value, label, "") for value, label in Customer.Delivery.choices],
        "profiles": Customer.Profile.choices,
    }
    return render(request, "accounts/my/company/index.html", context, status=400 if errors else 200)


@member("owner")
@require_http_methods(["GET", "HEAD", "POST"])
def identity(request: MemberRequest) -> HttpResponse:
    """Ask for another name or VAT number when both stand on issued invoices."""
    customer = request.member.customer
    if customer.identity_locked_at is None and request.method != "POST":
        return HttpResponseRedirect(reverse("my:company.index"))
    typed = {"legal_name": customer.legal_name, "vat_id": customer.vat_id, "reason": ""}
    error = ""
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in typed}
        try:
            identities.ask(customer=customer, by=request.user, now=timezone.now(), **typed)
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Asked. You get the answer by mail."))
            return HttpResponseRedirect(reverse("my:company.index"))
    context = {"customer": customer, "typed": typed, "error": error}
    return render(request, "accounts/my/company/identity.html", context, status=400 if error else 200)


@member("owner")
@require_POST
def withdraw(request: MemberRequest) -> HttpResponse:
    """Take the open request back."""
    asked = IdentityRequest.objects.filter(customer=request.member.customer, state=IdentityRequest.State.OPEN).first()
    if asked is None:
        raise Conflict(_("This request was decided already. Nothing was changed."))
    identities.withdraw(request=asked, by=request.user, now=timezone.now())
    messages.success(request, _("Withdrawn."))
    return HttpResponseRedirect(reverse("my:company.index"))


def wrong(typed: Mapping[str, str], fields: Mapping[str, int]) -> dict[str, str]:
    """By field what is wrong with it."""
    errors = {
        name: _("At most %(longest)d characters.") % {"longest": longest}
        for name, longest in fields.items()
        if len(typed[name]) > longest
    }
    if "legal_name" in fields and not typed["legal_name"]:
        errors["legal_name"] = _("Enter the company's legal name.")
    return errors | wrong_delivery(typed) | wrong_vat_id(typed)


def wrong_delivery(typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with how papers are to be delivered, the same for the customer and for staff."""
    errors = {}
    if typed["delivery"] not in Customer.Delivery:
        errors["delivery"] = _("Choose how your invoices reach you.")
    if typed["einvoice_profile"] not in Customer.Profile:
        errors["einvoice_profile"] = _("Choose one of the profiles.")
    address = typed["electronic_address"]
    if address and not electronic_address(address)[0]:
        errors["electronic_address"] = _("Enter an e-mail address, or scheme and identifier such as 9930:DE123456789.")
    networks = {Customer.Profile.XRECHNUNG, Customer.Profile.PEPPOL}
    if typed["einvoice_profile"] in networks and not address:
        errors["electronic_address"] = _("This profile needs an address for e-invoices.")
    if typed["einvoice_profile"] == Customer.Profile.XRECHNUNG and not typed["buyer_reference"]:
        errors["buyer_reference"] = _("XRechnung needs a buyer reference (Leitweg-ID).")
    return errors


def wrong_vat_id(typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the VAT number, if one was typed."""
    errors = {}
    if typed.get("vat_id"):
        try:
            check_vat_id(typed["vat_id"])
        except Invalid as refusal:
            errors["vat_id"] = refusal.message
    return errors


def save(request: MemberRequest, customer: Customer, typed: Mapping[str, str], *, locked: bool) -> None:
    """All of it or nothing; a new VAT id has to be checked again before VAT is left out."""
    with transaction.atomic():
        if not locked:
            vat_id = check_vat_id(typed["vat_id"]) if typed["vat_id"] else ""
            customer.rename(legal_name=typed["legal_name"], vat_id=vat_id)
        customer.edit_address(**{name: typed[name] for name in ADDRESS})
        customer.choose_delivery(**{name: typed[name] for name in DELIVERY})
        Event.record("customer.edited", customer, now=timezone.now(), by=request.user, customer=customer)


@member("owner", "billing", whole=True)
@require_POST
def recipients(request: MemberRequest) -> HttpResponse:
    """Add an address that gets the invoices without a login, or remove one (`remove=<id>`)."""
    customer = request.member.customer
    gone = request.POST.get("remove", "")
    if gone:
        rows = InvoiceRecipient.objects.filter(customer=customer)
        found = rows.filter(pk=int(gone)).first() if gone.isascii() and gone.isdigit() and len(gone) < 19 else None
        if found is None:
            raise Missing(_("There is no such address."))
        found.delete()
        messages.success(request, _("This address gets no more invoices."))
    else:
        email = one_line(request.POST.get("email", "")).lower()
        language = request.POST.get("language", customer.language)
        add(customer, email, language)
        messages.success(request, _("%(email)s gets your invoices from now on.") % {"email": email})
    return HttpResponseRedirect(reverse("my:account.index" if not request.member.is_owner else "my:company.index"))


def add(customer: Customer, email: str, language: str) -> None:
    """One more address. Invalid, Conflict."""
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid(_("This is not an e-mail address. Nothing was saved.")) from None
    if len(email) > 254 or language not in dict(settings.LANGUAGES):
        raise Invalid(_("This is not an e-mail address. Nothing was saved."))
    if InvoiceRecipient.objects.filter(customer=customer).count() >= MOST_RECIPIENTS:
        raise Conflict(_("There are as many addresses as there can be. Remove one first."))
    try:
        with transaction.atomic():
            InvoiceRecipient.objects.create(customer=customer, email=email, language=language)
    except IntegrityError:
        raise Conflict(_("This address gets your invoices already.")) from None


urlpatterns = [
    path("account/company/", index, name="company.index"),
    path("account/company/identity/", identity, name="company.identity"),
    path("account/company/withdraw/", withdraw, name="company.withdraw"),
    path("account/company/recipients/", recipients, name="company.recipients"),
]
