"""The settings of the installation: what the first run asks, step by step, each of which can wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.mail import send_mail
from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_safe

from portico.accounts.accent import contrast
from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer, Seller
from portico.billing.actions import report, setup
from portico.billing.models import ChangePolicy, NumberSeries, Product
from portico.kit.errors import Conflict, Invalid
from portico.kit.periods import today


@dataclass(frozen=True)
class Stage:
    """One step of the first run."""

    name: str
    title: str | Promise
    why: str | Promise
    icon: str


STAGES = (
    Stage("company", lazy("Company"), lazy("Name, address and registrations: they stand on every paper."), "store"),
    Stage("look", lazy("Look"), lazy("Your colour and your logo."), "contrast"),
    Stage("vat", lazy("VAT rates"), lazy("What you charge at home."), "calculator"),
    Stage("numbering", lazy("Numbering"), lazy("Where the numbers of this year begin."), "file-check"),
    Stage("bank", lazy("Bank account"), lazy("Where customers transfer to; it stands on invoices."), "landmark"),
    Stage("mail", lazy("Mail"), lazy("Send yourself a test mail."), "mail"),
    Stage("product", lazy("First product"), lazy("Something to sell, with its price."), "package"),
    Stage("customer", lazy("First customer"), lazy("A company that buys, and the person who is invited."), "users"),
)

KEPT = (
    (
        "layers",
        "admin:billing_product_changelist",
        lazy("Products and prices"),
        lazy("What you sell, and what it costs."),
    ),
    (
        "tags",
        "admin:billing_coupon_changelist",
        lazy("Coupons"),
        lazy("Codes that take something off."),
    ),
    (
        "calculator",
        "admin:billing_vatrate_changelist",
        lazy("VAT rates"),
        lazy("What you charge at home, the usual one first."),
    ),
    (
        "landmark",
        "admin:billing_exchangerate_changelist",
        lazy("Exchange rates"),
        lazy("For the VAT in your currency on invoices in another."),
    ),
    (
        "file-pen-line",
        "admin:billing_quotationtemplate_changelist",
        lazy("Quotation templates"),
        lazy("Rename or throw away."),
    ),
    (
        "users",
        "admin:accounts_user_changelist",
        lazy("Colleagues"),
        lazy("Invite somebody, choose a role, end an access."),
    ),
    ("store", "admin:accounts_seller_changelist", lazy("Company"), lazy("Everything about it in one form.")),
    (
        "file-check",
        "admin:billing_numberseries_changelist",
        lazy("Number series"),
        lazy("How far the numbers have come."),
    ),
    (
        "layers",
        "staff:settings.changes",
        lazy("Reported changes"),
        lazy("What happens when a database reports an added user or application."),
    ),
    (
        "key-round",
        "staff:api_keys.index",
        lazy("API keys"),
        lazy("Which of your own systems may ask, and what each may do."),
    ),
    (
        "calendar-range",
        "staff:renewal_rules.index",
        lazy("Renewals"),
        lazy("How long ahead they are offered, and what happens when nobody pays."),
    ),
    (
        "credit-card",
        "staff:payment_rules.index",
        lazy("Paying a part"),
        lazy("The least amount that may be paid of an invoice."),
    ),
    ("send", "staff:webhooks.index", lazy("Webhooks"), lazy("What your own systems are told, and whether it arrives.")),
)
"""What is kept elsewhere, most of it in the admin: icon, page, title, what for."""


def is_done(seller: Seller) -> dict[str, bool]:
    """By step, whether its work is there: told from the rows, so that nobody has to tick anything off."""
    return {
        "company": bool(seller.street and seller.city and (seller.vat_id or seller.tax_registration)),
        "look": bool(seller.logo) or seller.accent != Seller._meta.get_field("accent").default,
        "vat": seller.vat_rates.exists(),
        "numbering": NumberSeries.objects.filter(seller=seller).exists(),
        "bank": bool(seller.iban),
        "mail": False,
        "product": Product.objects.filter(seller=seller).exists(),
        "customer": Customer.objects.filter(seller=seller).exists(),
    }


def after(name: str) -> str:
    """Where a step leads: to the next one, and from the last one to the list."""
    names = [stage.name for stage in STAGES]
    place = names.index(name) + 1
    return reverse(f"staff:settings.{names[place]}" if place < len(names) else "staff:settings.index")


def answer(
    request: StaffRequest, name: str, typed: Mapping[str, Any], errors: Mapping[str, str] | None = None, **more: Any
) -> HttpResponse:
    """The page of one step."""
    stage = next(stage for stage in STAGES if stage.name == name)
    number = STAGES.index(stage) + 1
    context = {"stage": stage, "number": number, "count": len(STAGES), "after": after(name), "typed": typed, **more}
    context |= {"errors": errors or {}, "languages": setup.LANGUAGES}
    return render(request, f"home/staff/settings/{name}.html", context, status=400 if errors else 200)


def posted(request: StaffRequest, step: type[setup.Step]) -> tuple[dict[str, str], setup.Step]:
    """What was typed, and the step that reads it."""
    typed = {name: request.POST.get(name, "") for name in step.base_fields}
    return typed, step(typed)


@staff("admin")
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """All steps, with what is done and what can wait."""
    done = is_done(request.seller)
    rows = [(stage, done[stage.name]) for stage in STAGES]
    return render(request, "home/staff/settings/index.html", {"rows": rows, "more": KEPT})


def _of_seller(request: StaffRequest, name: str, step: type[setup.Step], **more: Any) -> HttpResponse:
    """A step whose fields are the seller's own."""
    if request.method != "POST":
        return answer(request, name, {field: getattr(request.seller, field) for field in step.base_fields}, **more)
    typed, form = posted(request, step)
    if not form.is_valid():
        return answer(request, name, typed, form.messages, **more)
    setup.save_seller(request.seller, form.values())
    messages.success(request, _("Saved."))
    return HttpResponseRedirect(after(name))


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def company(request: StaffRequest) -> HttpResponse:
    """Name, address, registrations, currency, addresses for help and privacy."""
    return _of_seller(request, "company", setup.CompanyStep)


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def look(request: StaffRequest) -> HttpResponse:
    """The accent and the logo; says how well the accent can be read."""
    step = setup.LookStep
    typed = {"accent": request.seller.accent, "logo": request.seller.logo}
    if request.method == "POST":
        typed = {"accent": request.POST.get("accent", ""), "logo": request.seller.logo}
        if "remove" in request.POST:
            typed["logo"] = ""
        upload = request.FILES.get("logo")
        if upload is not None:
            typed["logo"] = upload.read(64_001).decode(errors="replace")
        form = step(typed)
        if form.is_valid():
            setup.save_seller(request.seller, form.values())
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(after("look"))
        return answer(request, "look", typed, form.messages, contrast=None)
    return answer(request, "look", typed, contrast=contrast(request.seller.accent))


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def vat(request: StaffRequest) -> HttpResponse:
    """The rates charged at home."""
    if request.method != "POST":
        rates = ", ".join(f"{one.rate.normalize():f}" for one in request.seller.vat_rates.all())
        return answer(request, "vat", {"rates": rates})
    typed, form = posted(request, setup.VatStep)
    if not form.is_valid():
        return answer(request, "vat", typed, form.messages)
    setup.save_rates(request.seller, form.values()["rates"])
    messages.success(request, _("Saved."))
    return HttpResponseRedirect(after("vat"))


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def numbering(request: StaffRequest) -> HttpResponse:
    """The first numbers of this year's series."""
    year = today(timezone.now(), request.seller.zone).year
    if request.method != "POST":
        begun = {one.series: one.first_number for one in NumberSeries.objects.filter(seller=request.seller, year=year)}
        return answer(request, "numbering", {kind: begun.get(one, 1) for kind, one in setup.SERIES.items()}, year=year)
    typed, form = posted(request, setup.NumberingStep)
    errors = form.messages
    if not errors:
        try:
            setup.save_numbering(request.seller, form.values(), now=timezone.now())
        except Conflict as refusal:
            errors = {"": refusal.message}
    if errors:
        return answer(request, "numbering", typed, errors, year=year)
    messages.success(request, _("Saved."))
    return HttpResponseRedirect(after("numbering"))


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def bank(request: StaffRequest) -> HttpResponse:
    """The account that stands on invoices."""
    return _of_seller(request, "bank", setup.BankStep, references=setup.REFERENCES)


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def mail(request: StaffRequest) -> HttpResponse:
    """Sends a test mail to whoever asks; the mail server itself is set on the server."""
    if request.method != "POST":
        return answer(request, "mail", {})
    subject = _("Test mail from %(company)s") % {"company": request.seller.short_name}
    try:
        send_mail(subject, _("Mail works: this is the test you asked for."), None, [request.user.email])
    except OSError as fault:
        said = _("The mail server did not take it (%(fault)s). Check PORTICO_MAIL_URL on the server.")
        return answer(request, "mail", {}, {"": said % {"fault": type(fault).__name__}})
    messages.success(request, _("A test mail is on its way to %(address)s.") % {"address": request.user.email})
    return HttpResponseRedirect(after("mail"))


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def product(request: StaffRequest) -> HttpResponse:
    """A product with its price."""
    rates = [(f"{one.rate.normalize():f}", f"{one.rate.normalize():f} %") for one in request.seller.vat_rates.all()]
    more: dict[str, Any] = {
        "kinds": setup.KINDS,
        "terms": setup.TERMS,
        "rates": [*rates, ("0", _("No VAT (zero-rated)"))],
    }
    if request.method != "POST":
        return answer(request, "product", dict.fromkeys(setup.ProductStep.base_fields, ""), **more)
    typed, form = posted(request, setup.ProductStep)
    if not form.is_valid():
        return answer(request, "product", typed, form.messages, **more)
    try:
        made = setup.add_product(request.seller, form.values())
    except Conflict as refusal:
        return answer(request, "product", typed, {"name": refusal.message}, **more)
    messages.success(request, _("%(name)s is in the catalogue.") % {"name": made.name})
    return HttpResponseRedirect(after("product"))


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def customer(request: StaffRequest) -> HttpResponse:
    """A customer and its owner, who is invited by mail."""
    if request.method != "POST":
        usual = {"country": request.seller.country, "currency": request.seller.currency}
        blank = dict.fromkeys(setup.CustomerStep.base_fields, "")
        return answer(request, "customer", blank | usual | {"language": request.seller.language})
    typed, form = posted(request, setup.CustomerStep)
    if not form.is_valid():
        return answer(request, "customer", typed, form.messages)
    made = setup.add_customer(request.seller, form.values(), by=request.user, now=timezone.now())
    messages.success(request, _("%(email)s is invited by mail.") % {"email": made.user.email})
    return HttpResponseRedirect(reverse("staff:customers.detail", args=[made.customer_id]))


@staff("admin")
@require_http_methods(["GET", "HEAD", "POST"])
def changes(request: StaffRequest) -> HttpResponse:
    """What becomes of a change that a database reports."""
    standing, error = ChangePolicy.of(request.seller), ""
    typed = {"policy": standing.policy, "grace_days": str(standing.grace_days)}
    if request.method == "POST":
        typed = {name: request.POST.get(name, "") for name in typed}
        days = typed["grace_days"].strip()
        try:
            report.set_policy(
                seller=request.seller,
                policy=typed["policy"],
                grace_days=int(days) if days.isascii() and days.isdigit() and len(days) < 4 else 0,
                by=request.user,
                now=timezone.now(),
            )
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Saved."))
            return HttpResponseRedirect(reverse("staff:settings.index"))
    context = {"typed": typed, "error": error}
    return render(request, "home/staff/settings/changes.html", context, status=400 if error else 200)


def is_begun(seller: Seller) -> bool:
    """Whether there is something to sell and somebody to sell it to; until then Today points here."""
    return not Seller.objects.filter(pk=seller.pk).filter(Q(products=None) | Q(customers=None)).exists()


urlpatterns = [
    path("settings/", index, name="settings.index"),
    path("settings/changes/", changes, name="settings.changes"),
    *(path(f"settings/{stage.name}/", globals()[stage.name], name=f"settings.{stage.name}") for stage in STAGES),
]
