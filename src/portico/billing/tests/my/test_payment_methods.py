"""The page of saved ways to pay, and the switch of auto-pay, as a person uses them, without JavaScript."""

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.test import Client

from portico.accounts.models import User
from portico.billing.models import AutoPay, Enrolment, Payment, SavedMethod
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.attempts import OPEN, payer, saved_by
from portico.billing.tests.my.pages import books, form_of, text_of
from portico.cast import World

pytestmark = pytest.mark.usefixtures("clock")
Browser = Callable[[User], Client]
PAGE = "/my/account/payment-methods/"


def test_one_is_saved_made_default_and_removed(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    assert "Nothing is saved." in text_of(client.get(PAGE))
    assert client.post(f"{PAGE}add/", {"provider": "sandbox"}).status_code == 400
    asked = client.get(f"{PAGE}add/")
    answer = client.post(f"{PAGE}add/", form_of(asked) | {"consent": "on"})
    assert answer.status_code == 302
    hosted = urlsplit(str(answer.headers["Location"])).path
    back = client.post(hosted, {"choice": "save_good"})
    enrolment = Enrolment.objects.get()
    returned = urlsplit(str(back.headers["Location"])).path
    assert returned == f"{PAGE}saving/{enrolment.pk}/"
    before = books()
    page = client.get(returned)
    assert "We wait for the payment provider." in text_of(page)
    assert b'hx-trigger="every 2s"' in page.content
    assert books() == before, "coming back saves nothing"
    gateway.deliver(world.now, post_here)
    assert "Your way to pay is saved" in text_of(client.get(returned))
    saved_by(payer(world), "late", now=world.now)
    page = client.get(PAGE)
    assert "Visa •••• 4242 Default" in text_of(page)
    assert "Good until" in text_of(page)
    second = SavedMethod.objects.get(kind="sepa_debit")
    client.post(f"{PAGE}{second.pk}/default/")
    assert SavedMethod.objects.get(is_default=True) == second
    client.post(f"{PAGE}{second.pk}/remove/")
    assert "Bank account" not in text_of(client.get(PAGE))
    assert client.post(f"{PAGE}{second.pk}/remove/").status_code == 404


def post_here(body: bytes, signature: str) -> int:
    """The company's notice at our own door."""
    headers = {"Sandbox-Signature": signature}
    return Client().post("/webhooks/sandbox/", body, content_type="application/json", headers=headers).status_code


def test_a_card_about_to_expire_and_one_that_has_are_named(world: World, client_for: Browser) -> None:
    method = saved_by(payer(world), now=world.now)
    for day, word in (("2026-11-30", "Expires soon"), ("2026-10-31", "Expired")):
        SavedMethod.objects.filter(pk=method.pk).update(expires_on=day)
        assert word in text_of(client_for(world.camille).get(PAGE))


def test_an_invoice_is_paid_with_a_saved_card_from_its_page(world: World, client_for: Browser) -> None:
    method = saved_by(payer(world), now=world.now)
    client, where = client_for(world.julien), f"/my/invoices/{world.invoice(OPEN).number}/pay/"
    page = client.get(where)
    assert "Visa •••• 4242" in text_of(page)
    form = form_of(page)
    assert form["provider"] == f"saved-{method.pk}"
    for wrong in ("saved-nonsense", "saved-00000000-0000-4000-8000-000000000000"):
        assert client.post(where, form | {"provider": wrong}).status_code == 404
    answer = client.post(where, form)
    payment = Payment.objects.get(method=method)
    assert answer.headers["Location"] == f"/my/payments/{payment.pk}/"
    assert "Payment received" in text_of(client.get(answer.headers["Location"]))


def test_what_the_bank_asks_goes_on_at_the_bank(world: World, client_for: Browser) -> None:
    saved_by(payer(world), "asks", now=world.now)
    client, where = client_for(world.julien), f"/my/invoices/{world.invoice(OPEN).number}/pay/"
    answer = client.post(where, form_of(client.get(where)))
    payment = Payment.objects.latest("created_at")
    assert "/sandbox/checkout/" in answer.headers["Location"]
    page = client.get(f"/my/payments/{payment.pk}/")
    assert "your bank asks you to confirm" in text_of(page)
    assert "In payment" not in text_of(page)
    again = client.post(f"/my/payments/{payment.pk}/authenticate/")
    assert again.headers["Location"] == answer.headers["Location"]
    client.post(urlsplit(again.headers["Location"]).path, {"choice": "confirm"})
    gateway.deliver(world.now, post_here)
    assert "Payment received" in text_of(client.get(f"/my/payments/{payment.pk}/"))
    assert client.post(f"/my/payments/{payment.pk}/authenticate/").status_code == 409


def test_paying_saves_the_card_when_the_box_is_ticked(world: World, client_for: Browser) -> None:
    client, where = client_for(world.julien), f"/my/invoices/{world.invoice(OPEN).number}/pay/"
    form = form_of(client.get(where))
    assert "save" not in form, "never ticked for the payer"
    answer = client.post(where, form | {"save": "1", "provider": "sandbox"})
    client.post(urlsplit(answer.headers["Location"]).path, {"choice": "pay"})
    gateway.deliver(world.now, post_here)
    assert "Northwind Software SAS keeps this way to pay" in SavedMethod.objects.get().consent


def test_the_switch_is_on_the_subscription_s_page(world: World, client_for: Browser) -> None:
    client, where = client_for(world.julien), "/my/subscriptions/atelier-fontaine/auto-pay/"
    assert where in client.get("/my/subscriptions/atelier-fontaine/").content.decode()
    assert "Save one first." in text_of(client.get(where))
    saved_by(payer(world), now=world.now)
    page = client.get(where)
    assert "It charges: Visa •••• 4242" in text_of(page)
    assert client.post(where, {"switch": "on"}).status_code == 400
    assert client.post(where, form_of(page) | {"switch": "on", "consent": "on"}).status_code == 302
    shown = text_of(client.get(where))
    assert "Auto-pay is on." in shown
    assert AutoPay.objects.get().consent in shown
    assert "atelier-fontaine" in text_of(client.get(PAGE))
    assert client.post(where, {"switch": "off"}).status_code == 302
    assert AutoPay.objects.get().off_by == world.julien
    assert client.post(where, {"switch": "off"}).status_code == 409
