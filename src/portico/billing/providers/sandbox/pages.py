"""The sandbox company's hosted page: the payer chooses what happens. It exists only where the sandbox is offered."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import public
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout
from portico.kit.errors import Conflict, Invalid, Missing

Choice = Callable[[Checkout, datetime], None]
CHOICES: dict[str, Choice] = {
    "confirm": lambda found, now: gateway.confirm(found, now=now),
    "pay": lambda found, now: gateway.pay(found, now=now),
    "decline": lambda found, now: gateway.decline(found, now=now),
    "late": lambda found, now: gateway.pay_late(found, now=now),
    "returned": lambda found, now: gateway.pay_and_return(found, now=now),
    "silent": lambda found, now: gateway.go_silent(found, now=now),
    "answer_paid": lambda found, now: gateway.answer(found, paid=True, now=now),
    "answer_unpaid": lambda found, now: gateway.answer(found, paid=False, now=now),
} | {
    f"save_{card}": partial(lambda card, found, now: gateway.save(found, card, now=now), card) for card in gateway.CARDS
}


ENDS = {"decline", "silent", "answer_paid", "answer_unpaid"}
FITTING: dict[str, set[str]] = {
    Checkout.Mode.PAYMENT: ENDS | {"pay", "late", "returned"},
    Checkout.Mode.CHARGE: {"confirm", "decline"},
    Checkout.Mode.SETUP: {"decline"} | {f"save_{card}" for card in gateway.CARDS},
}
"""What a payer may choose in each mode."""


@public
@require_http_methods(["GET", "HEAD", "POST"])
def checkout(request: HttpRequest, token: str) -> HttpResponse:
    """`/sandbox/checkout/<token>/`: GET shows what is asked; POST with `choice` decides and sends the payer back."""
    found = Checkout.objects.filter(token=token).first() if "sandbox" in settings.PORTICO_PROVIDERS else None
    if found is None:
        raise Missing(_("There is no such checkout."))
    if request.method != "POST":
        return render(request, "billing/sandbox/checkout.html", {"checkout": found, "states": Checkout.State})
    choice = request.POST.get("choice", "")
    choose = CHOICES.get(choice) if choice in FITTING[found.mode] else None
    if choose is None:
        raise Invalid(_("Choose one of the buttons. Nothing was charged."))
    try:
        choose(found, timezone.now())
    except gateway.Closed:
        raise Conflict(_("This checkout was decided before. Nothing was charged a second time.")) from None
    return HttpResponseRedirect(found.return_url)


urlpatterns = [path("checkout/<str:token>/", checkout, name="checkout")]
