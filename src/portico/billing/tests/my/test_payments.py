"""The page of one attempt to pay: each state in words, and nothing on it settles anything."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from lxml import html

from portico import cast
from portico.accounts.models import Membership, User
from portico.billing.actions import pay, refund
from portico.billing.actions.credit import credit_invoice
from portico.billing.actions.reverse import apply_reversal
from portico.billing.models import Payment, Refund
from portico.billing.providers.base import ReversalReport, ReversalSaid
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.my.pages import books, form_of, queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
OPEN = "Go-live support, day 1"


def begun(world: World, client_for: Browser, provider: str = "sandbox") -> Payment:
    client, address = client_for(world.julien), f"/my/invoices/{world.invoice(OPEN).number}/pay/"
    assert client.post(address, form_of(client.get(address)) | {"provider": provider}).status_code == 302
    return Payment.objects.latest("created_at")


def choose(payment: Payment, choice: str) -> None:
    assert Client().post(urlsplit(payment.checkout_url).path, {"choice": choice}).status_code == 302


def page(client: Client, payment: Payment) -> str:
    answer = client.get(f"/my/payments/{payment.pk}/")
    assert answer.status_code == 200
    return text_of(answer)


def test_an_attempt_just_begun_can_be_gone_on_with(world: World, client_for: Browser) -> None:
    payment = begun(world, client_for)
    before = books()
    answer = client_for(world.camille).get(f"/my/payments/{payment.pk}/")
    told = text_of(answer)
    assert "€1,068.00: not finished yet" in told
    assert "We have not heard yet that you paid." in told
    assert "Nothing was charged" not in told, "the notice may be on its way"
    assert payment.checkout_url in answer.content.decode()
    assert str(world.invoice(OPEN).number) in told
    assert books() == before, "looking settles nothing"


@pytest.mark.parametrize(
    ("choice", "state", "said", "retry"),
    [
        ("pay", "succeeded", ["Payment received: €1,068.00", "The money has arrived."], False),
        ("decline", "failed", ["The payment of €1,068.00 failed", "Nothing was charged."], True),
        ("late", "pending", ["€1,068.00: in payment", "You confirmed the payment."], False),
        ("silent", "unknown", ["we are asking the provider", "Please do not pay in another way meanwhile"], False),
    ],
)
def test_each_choice_of_the_payer_is_told_as_it_is(
    world: World, client_for: Browser, choice: str, state: str, said: list[str], retry: bool
) -> None:
    payment = begun(world, client_for)
    choose(payment, choice)
    payment = pay.lookup_payment(payment=payment, now=world.now)
    assert payment.state == state
    told = page(client_for(world.julien), payment)
    for words in said:
        assert words in told
    assert ("Try again" in told) is retry
    paid = world.invoice(OPEN).payment_state
    assert paid == {"pay": "paid", "late": "in_payment"}.get(choice, "not_paid")


def test_late_money_is_told_when_it_has_come(world: World, client_for: Browser, clock: time_machine.Traveller) -> None:
    payment = begun(world, client_for)
    choose(payment, "late")
    pay.lookup_payment(payment=payment, now=world.now)
    later = world.now + timedelta(minutes=1)
    clock.move_to(later)
    gateway.pass_time(later)
    payment.refresh_from_db()
    pay.lookup_payment(payment=payment, now=later)
    assert "Payment received: €1,068.00" in page(client_for(world.julien), payment)
    assert world.invoice(OPEN).payment_state == "paid"


def test_an_attempt_that_another_one_replaced_says_that_nothing_was_charged(world: World, client_for: Browser) -> None:
    old = begun(world, client_for)
    begun(world, client_for, "bank_transfer")
    old.refresh_from_db()
    assert old.state == "cancelled"
    told = page(client_for(world.julien), old)
    assert "The payment of €1,068.00 was ended" in told
    assert "Nothing was charged." in told


def test_a_transfer_shows_account_reference_and_code(world: World, client_for: Browser) -> None:
    payment = begun(world, client_for, "bank_transfer")
    told = page(client_for(world.julien), payment)
    for words in ("Transfer €1,068.00", "Northwind Software SAS", "FR76 3000 6000", "Reference", "€1,068.00"):
        assert words in told
    instructions = pay.instructions_for(payment)
    assert instructions is not None
    assert instructions.reference_text in told
    picture = client_for(world.julien).get(f"/my/payments/{payment.pk}/qr/")
    assert picture.status_code == 200
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert b"<svg" in picture.content
    assert begun(world, client_for, "bank_transfer") == payment, "the same transfer is not announced twice"


def test_money_beyond_what_was_due_is_shown_as_credit(world: World, client_for: Browser) -> None:
    invoice = world.invoice(OPEN)
    cast.transfer(world, invoice, 110000, world.now)
    payment = Payment.objects.filter(customer=world.fontaine).latest("created_at")
    told = page(client_for(world.julien), payment)
    assert "Payment received: €1,100.00" in told
    assert "€32.00 is your credit." in told


def test_money_that_is_for_no_paper_has_its_page_too(world: World, client_for: Browser) -> None:
    pay.book_transfer(
        customer=world.fontaine, invoices=[], amount_minor=5000, received_on=world.now.date(),
        payer_name="Atelier Fontaine SARL", by=world.omar, now=world.now,
    )  # fmt: skip
    payment = Payment.objects.filter(customer=world.fontaine, targets=None).get()
    told = page(client_for(world.julien), payment)
    assert "Payment received: €50.00" in told
    assert "€50.00 is your credit." in told


def test_a_piece_of_the_page_asks_again_only_while_something_may_still_come(world: World, client_for: Browser) -> None:
    payment, client = begun(world, client_for), client_for(world.julien)
    piece = client.get(f"/my/payments/{payment.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in piece
    assert 'hx-trigger="every 2s"' in piece
    choose(payment, "pay")
    pay.lookup_payment(payment=payment, now=world.now)
    piece = client.get(f"/my/payments/{payment.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert "every 2s" not in piece
    assert 'data-state="succeeded"' in piece


def test_the_page_costs_few_statements(world: World, client_for: Browser) -> None:
    payment = begun(world, client_for)
    assert queries_of(client_for(world.julien), f"/my/payments/{payment.pk}/") <= 8


def test_a_payment_that_is_not_there_is_404_like_a_foreign_one(world: World, client_for: Browser) -> None:
    foreign = Payment.objects.filter(customer=world.lindner).latest("created_at")
    client = client_for(world.camille)
    before = books()
    for key in (foreign.pk, uuid4()):
        for tail in ("", "qr/"):
            answer = client.get(f"/my/payments/{key}/{tail}")
            assert answer.status_code == 404
            assert "There is no payment of this number." in text_of(answer)
            assert "Lindner" not in text_of(answer)
    assert client.get("/my/payments/1/").status_code == 404
    assert client.get("/my/payments/nothing/").status_code == 404
    assert books() == before


def test_a_payment_online_has_no_code(world: World, client_for: Browser) -> None:
    payment = begun(world, client_for)
    answer = client_for(world.julien).get(f"/my/payments/{payment.pk}/qr/")
    assert answer.status_code == 404
    assert "This payment has no QR code." in text_of(answer)


def test_who_may_not_pay_sees_the_attempt_but_no_way_on(world: World, client_for: Browser) -> None:
    payment = begun(world, client_for)
    user = User.objects.create_user("paul@fontaine.example", name="Paul")
    user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, is_viewer=True))
    told = page(client_for(user), payment)
    assert "not finished yet" in told
    assert "Go on to pay" not in told
    assert "Choose another way to pay" not in told


@pytest.mark.parametrize("method", ["put", "delete", "patch"])
def test_a_method_that_is_not_declared_is_405(world: World, client_for: Browser, method: str) -> None:
    payment = begun(world, client_for)
    before = books()
    assert getattr(client_for(world.julien), method)(f"/my/payments/{payment.pk}/").status_code == 405
    assert books() == before


# What became of the money ---------------------------------------------------------------------------------------------


def given_back(world: World, payment: Payment, amount_minor: int) -> Refund:
    """A refund by transfer of what the payment has to its customer's credit, or a credit note freed."""
    return refund.ask_refund(
        payment=payment, amount_minor=amount_minor, way="transfer", iban="FR7630006000011234567890189",
        reason="Twice.", by=world.omar, now=world.now,
    )  # fmt: skip


def test_a_transfer_for_several_papers_says_what_each_of_them_got(world: World, client_for: Browser) -> None:
    papers = [world.invoice("On-site training in Lyon"), world.invoice(OPEN)]
    payment = pay.book_transfer(
        customer=world.fontaine, amount_minor=200_000, received_on=world.now.date(), payer_name="A", invoices=papers,
        by=world.omar, now=world.now,
    )  # fmt: skip
    told = page(client_for(world.julien), payment)
    assert told.count("€2,000.00") == 2, "the page's name and its heading alone"
    assert "€1,872.00" in told
    assert "€128.00" in told


def test_money_that_went_back_is_told_on_page_and_receipt(world: World, client_for: Browser) -> None:
    """A part of a paid invoice is credited and goes back: neither is it the customer's credit, nor does it pay anything."""
    client, payment = client_for(world.julien), begun(world, client_for)
    choose(payment, "pay")
    payment = pay.lookup_payment(payment=payment, now=world.now)
    with transaction.atomic():
        credit_invoice(
            invoice=world.invoice(OPEN), quantities=None, amount_minor=30_000, reason="Goodwill", invoice_again=False,
            by=world.omar, now=world.now,
        )  # fmt: skip
    asked = given_back(world, payment, 30_000)
    told = page(client, payment)
    assert "Set aside to be given back€300.00" in told
    assert "was given back" not in told, "it was not sent yet"
    refund.transfer_done(refund=asked, sent=True, by=world.omar, now=world.now)
    receipt = text_of(client.get(f"/my/payments/{payment.pk}/receipt/"))
    for words in (page(client, payment), receipt):
        assert "Given back" in words
        assert "300.00" in words
        assert "768.00" in words, "what it still pays"
        assert "our credit" not in words
    assert "€300.00 was given back to you." in page(client, payment)
    assert "−" not in receipt, "each paper stands there once, with what it got"


def test_what_waits_for_a_second_person_is_not_said_to_be_on_its_way(world: World, client_for: Browser) -> None:
    payment = pay.book_transfer(
        customer=world.fontaine, invoices=[], amount_minor=500_000, received_on=world.now.date(), payer_name="A",
        by=world.omar, now=world.now,
    )  # fmt: skip
    assert given_back(world, payment, 400_000).state == "waiting"
    told = page(client_for(world.julien), payment)
    assert "Set aside to be given back€4,000.00" in told
    assert "was given back" not in told
    assert "€1,000.00 is your credit." in told


def test_money_of_which_nothing_is_left_has_its_receipt_still(world: World, client_for: Browser) -> None:
    payment = pay.book_transfer(
        customer=world.fontaine, invoices=[], amount_minor=5000, received_on=world.now.date(), payer_name="A",
        by=world.omar, now=world.now,
    )  # fmt: skip
    refund.transfer_done(refund=given_back(world, payment, 5000), sent=True, by=world.omar, now=world.now)
    client = client_for(world.julien)
    payment.refresh_from_db()
    assert payment.state == "refunded"
    assert "The payment of €50.00 was refunded" in page(client, payment)
    receipt = text_of(client.get(f"/my/payments/{payment.pk}/receipt/"))
    assert "Given back" in receipt
    assert "Received" in receipt


def test_what_the_bank_took_back_is_neither_paid_nor_credit(world: World, client_for: Browser) -> None:
    client, payment = client_for(world.julien), begun(world, client_for)
    choose(payment, "pay")
    payment = pay.lookup_payment(payment=payment, now=world.now)
    report = ReversalReport(ReversalSaid.OPENED, "dp_1", "", amount_minor=40_000, currency="EUR", reason="general")
    apply_reversal(payment=payment, report=report, now=world.now)
    for words in (page(client, payment), text_of(client.get(f"/my/payments/{payment.pk}/receipt/"))):
        assert "Taken back by the bank" in words
        assert "400.00" in words
        assert "668.00" in words
        assert "our credit" not in words


def test_an_invoice_leads_to_its_payment_and_so_to_the_receipt(world: World, client_for: Browser) -> None:
    client, payment = client_for(world.julien), begun(world, client_for)
    choose(payment, "pay")
    pay.lookup_payment(payment=payment, now=world.now)
    invoice = client.get(f"/my/invoices/{world.invoice(OPEN).number}/").content.decode()
    assert f'<a href="/my/payments/{payment.pk}/">' in invoice
    assert f"/my/payments/{payment.pk}/receipt/" in client.get(f"/my/payments/{payment.pk}/").content.decode()


def test_after_a_refusal_the_same_papers_are_paid_again(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    numbers = [str(world.invoice(title).number) for title in ("On-site training in Lyon", OPEN)]
    where = f"/my/invoices/pay/?number={numbers[0]}&number={numbers[1]}"
    answer = client.post("/my/invoices/pay/", form_of(client.get(where)) | {"number": numbers, "provider": "sandbox"})
    assert answer.status_code == 302
    payment = Payment.objects.latest("created_at")
    choose(payment, "decline")
    pay.lookup_payment(payment=payment, now=world.now)
    again = html.fromstring(client.get(f"/my/payments/{payment.pk}/").content.decode())
    assert again.xpath("string(//a[normalize-space()='Try again']/@href)") == where
