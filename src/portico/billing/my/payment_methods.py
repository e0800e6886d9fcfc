"""Saved ways to pay: what there is, adding one, which is charged by itself, removing one."""

from datetime import timedelta
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.actions import methods
from portico.billing.models import AutoPay, Enrolment, SavedMethod
from portico.billing.providers import label_of
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.htmx import is_fragment
from portico.kit.periods import today

SOON = timedelta(days=30)
UNDER_WAY = timedelta(hours=1)
"""So long a saving that was begun is shown among what is saved; later it was probably left."""


@member("billing", whole=True)
@require_safe
def index(request: MemberRequest) -> HttpResponse:
    """What is saved, and what auto-pay charges."""
    customer = request.member.customer
    now = timezone.now()
    day = today(now, customer.seller.zone)
    found = list(SavedMethod.objects.visible_to(request.member))
    under_way = Enrolment.objects.filter(
        customer=customer, state=Enrolment.State.PENDING, created_at__gt=now - UNDER_WAY
    ).exclude(checkout_url="")
    switched_on = AutoPay.objects.filter(subscription__customer=customer, off_at=None)
    context = {
        "methods": [(one, label_of(one.provider), expiry(one, day)) for one in found],
        "auto_pay": switched_on.select_related("subscription__database").order_by("subscription__database__name"),
        "under_way": list(under_way.order_by("-created_at")[:3]),
        "may_add": bool(methods.ways_to_save(customer)),
        "has_default": any(one.is_default for one in found),
    }
    return render(request, "billing/my/payment_methods/index.html", context)


def expiry(method: SavedMethod, day: object) -> str:
    """Whether a card is still good: expired, soon, or nothing to say."""
    if method.expires_on is None:
        return ""
    if method.expires_on < day:  # type: ignore[operator]  # a day
        return "expired"
    return "soon" if method.expires_on <= day + SOON else ""  # type: ignore[operator]  # a day


@member("billing", whole=True)
@require_http_methods(["GET", "HEAD", "POST"])
def add(request: MemberRequest) -> HttpResponse:
    """What is agreed to, and with which provider; POST goes on to the provider's page."""
    customer = request.member.customer
    ways = methods.ways_to_save(customer)
    if not ways:
        raise Conflict(_("No way to pay can be saved here at the moment."))
    consent, error, status = methods.consent_to_save(customer), "", 200
    chosen = request.POST.get("provider", ways[0].name)
    if request.method == "POST":
        try:
            enrolment = methods.begin_saving(
                by=request.member,
                provider=chosen,
                consent=consent if "consent" in request.POST else "",
                now=timezone.now(),
            )
            return HttpResponseRedirect(enrolment.checkout_url)
        except Invalid as refusal:
            error, status = refusal.message, 400
    context = {"ways": ways, "chosen": chosen, "consent": consent, "error": error}
    return render(request, "billing/my/payment_methods/add.html", context, status=status)


@member("billing", whole=True)
@require_safe
def saving(request: MemberRequest, key: UUID) -> HttpResponse:
    """How a saving stands. The payer comes back here; the page asks again until that is known, and saves nothing itself."""
    rows = Enrolment.objects.filter(customer=request.member.customer).select_related("method")
    enrolment = rows.filter(pk=key).first()
    if enrolment is None:
        raise Missing(_("There is nothing at this address."))
    name = "_saving" if is_fragment(request) else "saving"
    return render(request, f"billing/my/payment_methods/{name}.html", {"enrolment": enrolment})


def find(request: MemberRequest, key: UUID) -> SavedMethod:
    """The saved method of this id; Missing for a foreign or removed one and for none alike."""
    found = SavedMethod.objects.visible_to(request.member).filter(pk=key).select_related("customer__seller").first()
    if found is None:
        raise Missing(_("This saved way to pay is not there any more."))
    return found


@member("billing", whole=True)
@require_POST
def default(request: MemberRequest, key: UUID) -> HttpResponse:
    """This one is charged by itself from now on."""
    methods.choose_default(method=find(request, key), by=request.member, now=timezone.now())
    messages.success(request, _("This is the default way to pay from now on."))
    return HttpResponseRedirect(reverse("my:payment_methods.index"))


@member("billing", whole=True)
@require_POST
def remove(request: MemberRequest, key: UUID) -> HttpResponse:
    """Remove one, here and at the provider."""
    methods.remove_method(method=find(request, key), by=request.member, now=timezone.now())
    messages.success(request, _("It is removed. Nothing is charged with it any more."))
    return HttpResponseRedirect(reverse("my:payment_methods.index"))


urlpatterns = [
    path("account/payment-methods/", index, name="payment_methods.index"),
    path("account/payment-methods/add/", add, name="payment_methods.add"),
    path("account/payment-methods/saving/<uuid:key>/", saving, name="payment_methods.saving"),
    path("account/payment-methods/<uuid:key>/default/", default, name="payment_methods.default"),
    path("account/payment-methods/<uuid:key>/remove/", remove, name="payment_methods.remove"),
]
