"""Money on the desk, through the pages: transfers booked, what fits nothing reviewed and assigned, and what is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.test import Client
from lxml import html

from portico.accounts.models import Customer
from portico.billing import jobs
from portico.billing.actions import pay, reverse
from portico.billing.books import verify
from portico.billing.models import Invoice, Payment, PaymentRequest
from portico.billing.providers.base import ReversalReport, ReversalSaid
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.attempts import begin, checkout_of
from portico.billing.tests.my.pages import books, queries_of, rows_of, sums_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.cast import World, line, sold
from portico.kit import formats

Browser = Callable[..., Client]
LIST = "/staff/payments/"
BOOK = "/staff/payments/book/"
GO_LIVE = "Go-live support, day 1"
"""An invoice of €1,068.00, not paid, not due yet."""
TRAINING = "On-site training in Lyon"
"""An invoice of €1,872.00, overdue."""


def booking(customer: Customer, amount: str, *papers: Invoice, **changes: str) -> dict[str, str | list[str]]:
    """The form of a transfer that arrived today."""
    typed: dict[str, str | list[str]] = {
        "customer": str(customer.pk),
        "amount": amount,
        "day": "2026-11-09",
        "payer": customer.legal_name,
        "reference": "",
        "invoices": [str(paper.pk) for paper in papers],
    }
    return typed | changes


def announced(world: World, *titles: str) -> Payment:
    """A transfer that the customer announced, with its reference."""
    invoices = [world.invoice(title) for title in titles]
    return pay.start_payment(by=world.member(world.julien), provider="bank_transfer", invoices=invoices, now=world.now)


def credit_of(world: World, amount_minor: int = 50_000) -> Payment:
    """Money of Fontaine's that nobody knows what it is for."""
    return pay.book_transfer(
        customer=world.fontaine, amount_minor=amount_minor, received_on=world.now.date(), payer_name="ATELIER F.",
        by=world.omar, now=world.now,
    )  # fmt: skip


# The list --------------------------------------------------------------------------------------------------------------


def test_the_list_has_every_payment_with_its_status(world: World, client_for: Browser) -> None:
    answer = client_for(world.hanna).get(f"{LIST}?size=100")
    wanted = {(str(key), state) for key, state in Payment.objects.values_list("id", "state")}
    assert set(rows_of(answer)) == wanted
    assert (3_081_600, "NOK") in sums_of(answer, "total")


@pytest.mark.parametrize("status", ["pending", "succeeded", "failed", "cancelled", "unknown"])
def test_a_filter_leaves_the_payments_of_its_status(world: World, client_for: Browser, status: str) -> None:
    Payment.objects.filter(state="pending").get().unknown(next_lookup_at=world.now)
    announced(world, GO_LIVE)
    found = rows_of(client_for(world.omar).get(f"{LIST}?status={status}"))
    rows = Payment.objects.filter(state=status).values_list("id", flat=True)
    assert {number for number, _status in found} == {str(key) for key in rows}
    assert len(found) == {"pending": 1, "unknown": 1, "succeeded": 7}.get(status, 0)


def test_the_list_to_review_has_what_fits_nothing_and_what_nobody_knows(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    assert rows_of(client.get(f"{LIST}?status=review")) == []
    unknown = Payment.objects.get(state="pending")
    unknown.unknown(next_lookup_at=world.now)
    stray = credit_of(world)
    answer = client.get(f"{LIST}?status=review")
    assert {number for number, _status in rows_of(answer)} == {str(unknown.pk), str(stray.pk)}
    assert "it is not known what it is for" in text_of(answer)


@pytest.mark.parametrize("by", ["reference", "payer", "customer", "invoice", "order"])
def test_search_finds_a_payment_by_what_the_statement_or_the_customer_says(
    world: World, client_for: Browser, by: str
) -> None:
    payment = announced(world, GO_LIVE)
    stray = credit_of(world)
    request = pay.start_payment(
        by=world.member(world.camille), provider="bank_transfer", order=world.order("Second workshop"), now=world.now
    )
    spaced = " ".join(payment.reference[at : at + 4] for at in range(0, len(payment.reference), 4)).lower()
    words, found = {
        "reference": (spaced, payment),
        "payer": ("atelier f.", stray),
        "customer": ("Fjord", Payment.objects.get(customer=world.fjord)),
        "invoice": (str(world.invoice(GO_LIVE).number), payment),
        "order": (world.order("Second workshop").number, request),
    }[by]
    assert [number for number, _ in rows_of(client_for(world.omar).get(LIST, {"q": words}))] == [str(found.pk)]


@pytest.mark.parametrize(
    ("sort", "keys"),
    [
        ("newest", ["-created_at", "-id"]),
        ("amount", ["-amount_minor", "-id"]),
        ("customer", ["customer__legal_name", "-id"]),
    ],
)
def test_every_sort_reads_each_row_once_page_by_page(
    world: World, client_for: Browser, sort: str, keys: list[str]
) -> None:
    client, asked = client_for(world.omar), f"?sort={sort}&size=3"
    seen: list[str] = []
    while asked:
        answer = client.get(LIST + asked)
        seen += [number for number, _status in rows_of(answer)]
        links = html.fromstring(answer.content.decode()).xpath("//a[contains(@href, 'after=')]/@href")
        asked = links[-1] if links else ""
    assert seen == [str(one.pk) for one in Payment.objects.order_by(*keys)]


@pytest.mark.parametrize("asked", ["status=lost", "sort=random", "size=x", "after=forged", f"q={'x' * 101}"])
def test_a_list_asked_for_nonsense_says_what_is_wrong(world: World, client_for: Browser, asked: str) -> None:
    answer = client_for(world.omar).get(f"{LIST}?{asked}")
    assert answer.status_code == 400
    assert "This could not be done" in text_of(answer)


def test_lists_and_pages_cost_few_statements(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    few = queries_of(client, f"{LIST}?size=100")
    for amount in range(1, 20):
        credit_of(world, amount)
    assert queries_of(client, f"{LIST}?size=100") == few <= 4
    assert queries_of(client, f"{LIST}?size=100&q=atelier&status=review") <= 4
    for payment in (announced(world, GO_LIVE, TRAINING), Payment.objects.get(received_minor=200_000)):
        assert queries_of(client, f"{LIST}{payment.pk}/") <= 8
        assert queries_of(client, f"{LIST}{payment.pk}/allocate/") <= 8
    assert queries_of(client, f"{BOOK}?customer={world.fontaine.pk}") <= 8


# Who may ---------------------------------------------------------------------------------------------------------------


def test_sales_looks_at_money_and_books_none(world: World, client_for: Browser) -> None:
    stray, client = credit_of(world), client_for(world.hanna)
    before = books()
    assert "Book a bank transfer" not in text_of(client.get(LIST))
    assert "Assign it" not in text_of(client.get(f"{LIST}{stray.pk}/"))
    sent = booking(world.fontaine, "1,068.00", world.invoice(GO_LIVE))
    for answer in (
        client.get(BOOK),
        client.post(BOOK, sent),
        client.post(f"{LIST}{stray.pk}/allocate/", {"do": "aside"}),
    ):
        assert answer.status_code == 403
        assert "Your role does not allow this" in text_of(answer)
    assert books() == before


def test_money_on_the_desk_is_not_there_for_a_customer_nor_for_nobody(world: World, client_for: Browser) -> None:
    own, client = Payment.objects.get(state="pending"), client_for(world.julien)
    before = books()
    for here in (LIST, BOOK, f"{LIST}{own.pk}/", f"{LIST}{own.pk}/allocate/"):
        assert client.get(here).status_code == 404
        assert client.post(here, booking(world.fontaine, "1")).status_code == 404
        assert Client().get(here).headers["Location"] == f"/account/login/?next={here}"
    assert books() == before
    assert client_for(world.omar).get(f"{LIST}{uuid4()}/").status_code == 404
    assert client_for(world.omar).post(f"{LIST}{uuid4()}/allocate/").status_code == 404


# Booking ---------------------------------------------------------------------------------------------------------------


def test_a_transfer_with_its_reference_settles_what_was_announced(world: World, client_for: Browser) -> None:
    payment, client = announced(world, GO_LIVE), client_for(world.omar)
    assert world.invoice(GO_LIVE).payment_state == "not_paid", "an announcement is no money"
    reference = payment.reference.lower()
    form = main_form(client.get(BOOK, {"reference": f"{reference[:4]} {reference[4:]}"}))
    assert form["customer"] == str(world.fontaine.pk)
    answer = client.post(BOOK, form | {"amount": "1,068.00"})
    assert answer.headers["Location"] == f"{LIST}{payment.pk}/"
    payment.refresh_from_db()
    assert (payment.state, payment.received_minor, payment.received_currency) == ("succeeded", 106_800, "EUR")
    assert payment.review == ""
    invoice = world.invoice(GO_LIVE)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("paid", 0)
    page = text_of(client.get(answer.headers["Location"]))
    assert "The payment is booked" in page
    assert str(invoice.number) in page
    assert payment.reference in page


@pytest.mark.parametrize("reference", ["RF00000000000000000", "hello", "'; DROP TABLE"])
def test_a_reference_that_nobody_announced_books_nothing(world: World, client_for: Browser, reference: str) -> None:
    client, before = client_for(world.omar), books()
    answer = client.get(BOOK, {"reference": reference})
    assert answer.status_code == 404
    assert "Choose the customer instead" in text_of(answer)
    answer = client.post(BOOK, booking(world.fontaine, "1,068.00", reference=reference))
    assert answer.status_code == 400
    assert "was announced with the reference" in text_of(answer)
    assert main_form(answer)["amount"] == "1,068.00"
    assert books() == before


def test_another_customer_s_reference_books_nothing(world: World, client_for: Browser) -> None:
    payment, client = announced(world, GO_LIVE), client_for(world.omar)
    before = books()
    answer = client.post(BOOK, booking(world.lindner, "1,068.00", reference=payment.reference))
    assert answer.status_code == 400
    assert "No transfer of this customer was announced" in text_of(answer)
    assert books() == before


def test_money_for_nothing_known_is_kept_as_credit_and_put_on_the_list(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    answer = client.post(BOOK, booking(world.lindner, "500"))
    payment = Payment.objects.latest("created_at")
    assert answer.headers["Location"] == f"{LIST}{payment.pk}/"
    assert (payment.customer, payment.received_minor, payment.unallocated_minor) == (world.lindner, 50_000, 50_000)
    assert "It is not known what it is for." in text_of(client.get(f"{LIST}{payment.pk}/"))
    assert [number for number, _ in rows_of(client.get(f"{LIST}?status=review"))] == [str(payment.pk)]


@pytest.mark.parametrize("amount", ["1,068.00", "1068", "1 068.00", "1068.0", " 1'068.00 "])
def test_an_amount_is_read_as_people_write_it(world: World, client_for: Browser, amount: str) -> None:
    answer = client_for(world.omar).post(BOOK, booking(world.fontaine, amount, world.invoice(GO_LIVE)))
    assert answer.status_code == 302
    assert Payment.objects.latest("created_at").received_minor == 106_800
    assert world.invoice(GO_LIVE).payment_state == "paid"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"amount": "1.068,00"}, "is not a number"),
        ({"amount": "1068,00"}, "is not a number"),
        ({"amount": "10,68.00"}, "is not a number"),
        ({"amount": "1068.001"}, "EUR has no such small part"),
        ({"amount": "0"}, "The amount must be above zero"),
        ({"amount": "-1068"}, "The amount must be above zero"),
        ({"amount": ""}, "Enter the amount that arrived"),
        ({"amount": "1e3"}, "is not a number"),
        ({"amount": "$1068"}, "is not a number"),
        ({"amount": "9" * 39}, "is not a number"),
        ({"day": ""}, "Enter the day"),
        ({"day": "09.11.2026"}, "Enter the day"),
        ({"day": "2026-11-31"}, "Enter the day"),
        ({"day": "2026-11-10"}, "lies in the future"),
        ({"day": "2016-01-01"}, "more than ten years back"),
        ({"day": "0001-01-01"}, "too long ago"),
        ({"payer": "x" * 141}, "At most 140 characters"),
        ({"order": "SO-1999-00001"}, "paid or cancelled meanwhile"),
    ],
)
def test_a_transfer_that_cannot_be_is_refused_and_what_was_typed_stays(
    world: World, client_for: Browser, changes: dict[str, str], told: str
) -> None:
    invoice, before = world.invoice(GO_LIVE), books()
    sent = booking(world.fontaine, "1,068.00", invoice) | changes
    answer = client_for(world.omar).post(BOOK, sent)
    assert answer.status_code == 400
    assert told in text_of(answer)
    kept = main_form(answer)
    assert (kept["amount"], kept["day"]) == (sent["amount"], sent["day"])
    assert kept["invoices"] == str(invoice.pk), "what was ticked stays ticked"
    assert books() == before


def test_a_point_groups_only_for_those_who_write_so(world: World, client_for: Browser) -> None:
    world.omar.language = "de"
    world.omar.save()
    client, before = client_for(world.omar), books()
    answer = client.post(BOOK, booking(world.fontaine, "1,068.00", world.invoice(GO_LIVE)))
    assert answer.status_code == 400
    assert books() == before
    assert client.post(BOOK, booking(world.fontaine, "1.068,00", world.invoice(GO_LIVE))).status_code == 302
    assert Payment.objects.latest("created_at").received_minor == 106_800


def test_too_little_leaves_the_rest_due_and_the_rest_settles_it(world: World, client_for: Browser) -> None:
    client, invoice = client_for(world.omar), world.invoice(GO_LIVE)
    assert client.post(BOOK, booking(world.fontaine, "1000", invoice)).status_code == 302
    invoice.refresh_from_db()
    assert (invoice.payment_state, invoice.amount_due_minor) == ("partially_paid", 6_800)
    form = main_form(client.get(BOOK, {"invoice": str(invoice.number)}))
    assert (form["amount"], form["invoices"]) == ("68.00", str(invoice.pk)), "the form proposes what is due"
    assert client.post(BOOK, form).status_code == 302
    invoice.refresh_from_db()
    assert (invoice.payment_state, invoice.amount_due_minor) == ("paid", 0)


def test_too_much_settles_the_oldest_first_and_the_rest_is_credit(world: World, client_for: Browser) -> None:
    client, old, young = client_for(world.omar), world.invoice(TRAINING), world.invoice(GO_LIVE)
    assert client.post(BOOK, booking(world.fontaine, "3,000", young, old)).status_code == 302
    payment = Payment.objects.latest("created_at")
    used = dict(payment.allocations.values_list("invoice", "amount_minor"))
    assert used == {old.pk: 187_200, young.pk: 106_800}
    assert (payment.unallocated_minor, payment.review) == (6_000, "more than was due")
    assert "€60.00" in text_of(client.get(f"{LIST}{payment.pk}/"))


def test_a_transfer_for_an_order_s_deposit_confirms_it(world: World, client_for: Browser) -> None:
    client, order = client_for(world.omar), world.order("Second workshop")
    form = main_form(client.get(BOOK, {"order": order.number}))
    assert form["order"] == order.number
    assert client.post(BOOK, form | {"amount": "2,736.00"}).status_code == 302
    order.refresh_from_db()
    assert order.state == "confirmed"
    assert PaymentRequest.objects.get(order=order).state == "settled"
    deposit = order.invoices.get()
    assert (deposit.kind, deposit.total_minor, deposit.payment_state) == ("deposit", 273_600, "paid")


def test_a_transfer_for_two_orders_at_once_is_asked_to_be_split(world: World, client_for: Browser) -> None:
    for _moment in sold(world, world.fontaine, "Third", [line(world, "training")], world.now, payment_policy="full"):
        pass
    numbers = [world.order("Second workshop").number, world.order("Third").number]
    before = books()
    answer = client_for(world.omar).post(BOOK, booking(world.fontaine, "3,360.00") | {"order": numbers})
    assert answer.status_code == 400
    assert "Choose one order at a time" in text_of(answer)
    assert books() == before


def test_the_same_arrival_twice_is_booked_once_unless_it_is_said_that_it_came_twice(
    world: World, client_for: Browser
) -> None:
    client, sent = client_for(world.omar), booking(world.fontaine, "100", world.invoice(TRAINING))
    assert client.post(BOOK, sent).status_code == 302
    before = books()
    answer = client.post(BOOK, sent)
    assert answer.status_code == 409
    assert "was booked for this day already" in text_of(answer)
    assert "It really came twice" in text_of(answer)
    assert books() == before
    assert client.post(BOOK, sent | {"again": "on"}).status_code == 302
    assert world.invoice(TRAINING).amount_due_minor == 187_200 - 20_000


@pytest.mark.parametrize("which", ["paid", "foreign", "unknown", "words"])
def test_papers_that_cannot_be_paid_now_are_not_booked_for(world: World, client_for: Browser, which: str) -> None:
    chosen = {
        "paid": str(world.invoice("Boutique theme").pk),
        "foreign": str(world.invoice("Oven scale integration").pk),
        "unknown": "999999",
        "words": "all",
    }[which]
    before = books()
    sent = booking(world.fontaine, "100", world.invoice(GO_LIVE))
    answer = client_for(world.omar).post(BOOK, sent | {"invoices": [str(world.invoice(GO_LIVE).pk), chosen]})
    assert answer.status_code == 400
    assert "Nothing was booked. Choose again." in text_of(answer)
    assert books() == before


def test_papers_of_two_currencies_are_not_booked_in_one(world: World, client_for: Browser) -> None:
    Customer.objects.filter(pk=world.fontaine.pk).update(currency="NOK")
    world.fontaine.refresh_from_db()
    for _moment in sold(world, world.fontaine, "In kroner", [line(world, "training", currency="NOK")], world.now):
        pass
    Customer.objects.filter(pk=world.fontaine.pk).update(currency="EUR")
    kroner, before = world.invoice("In kroner"), books()
    assert kroner.currency == "NOK"
    client = client_for(world.omar)
    answer = client.post(BOOK, booking(world.fontaine, "100", world.invoice(GO_LIVE), kroner))
    assert answer.status_code == 400
    assert "Choose invoices of one currency" in text_of(answer)
    assert books() == before
    form = html.fromstring(client.get(BOOK, {"invoice": str(kroner.number)}).content.decode())
    assert form.xpath("//select[@name='currency']/option[@selected]/@value") == ["NOK"]
    for wrong, told in (("EUR", "What you chose is in NOK"), ("", "Choose the currency that arrived")):
        answer = client.post(BOOK, booking(world.fontaine, "100", kroner, currency=wrong))
        assert (answer.status_code, told in text_of(answer)) == (400, True)
    assert books() == before, "a number is not booked in a currency that nobody said"
    assert client.post(BOOK, booking(world.fontaine, "100", kroner, currency="NOK")).status_code == 302
    assert Payment.objects.latest("created_at").received_currency == "NOK", "the money is of what it pays"


def test_money_of_another_currency_than_announced_settles_nothing_and_is_shown_as_it_came(
    world: World, client_for: Browser
) -> None:
    payment = announced(world, GO_LIVE)
    pay.book_transfer(
        customer=world.fontaine, reference=payment.reference, amount_minor=106_800, currency="USD",
        received_on=world.now.date(), payer_name="Atelier", by=world.omar, now=world.now,
    )  # fmt: skip
    assert world.invoice(GO_LIVE).amount_due_minor == 106_800
    client = client_for(world.omar)
    for page in (client.get(f"{LIST}?status=review"), client.get(f"{LIST}{payment.pk}/"), client.get("/staff/")):
        assert "US$1,068.00" in text_of(page)
    before = books()
    answer = client.post(f"{LIST}{payment.pk}/allocate/", {"for": str(world.invoice(GO_LIVE).number)})
    assert answer.status_code == 409
    assert "another currency" in text_of(answer)
    assert books() == before


@pytest.mark.parametrize("asked", ["customer=0", "customer=abc", "invoice=INV-1", "order=SO-1", f"customer={'9' * 30}"])
def test_a_booking_for_nobody_is_not_found(world: World, client_for: Browser, asked: str) -> None:
    client, before = client_for(world.omar), books()
    answer = client.get(f"{BOOK}?{asked}")
    assert answer.status_code == 404
    assert "Nobody is found by that" in text_of(answer)
    name, value = asked.split("=")
    assert client.post(BOOK, {name: value, "amount": "1"}).status_code == 404
    assert books() == before


def test_without_a_customer_the_page_first_asks_for_one(world: World, client_for: Browser) -> None:
    client, before = client_for(world.omar), books()
    for answer in (client.get(BOOK), client.post(BOOK, {"amount": "100", "day": "2026-11-09"})):
        assert "whose money is it?" in text_of(answer)
    assert books() == before


# Looking up ------------------------------------------------------------------------------------------------------------


def test_what_nobody_knows_is_looked_up_now_and_its_history_is_shown(world: World, client_for: Browser) -> None:
    payment = begin(world, now=world.now)
    gateway.go_silent(checkout_of(payment), now=world.now)
    pay.lookup_payment(payment=payment, now=world.now)
    client, here = client_for(world.omar), f"{LIST}{payment.pk}/"
    assert "No answer" in text_of(client.get(here))
    assert client.post(f"{here}lookup/").headers["Location"] == here
    told = text_of(client.get(here))
    for words in (
        "The provider gave no answer. Nothing has changed",
        "asked by Omar",
        "It is asked again by itself at",
    ):
        assert words in told
    gateway.answer(checkout_of(payment), paid=True, now=world.now)
    assert client.post(f"{here}lookup/").status_code == 302
    payment.refresh_from_db()
    assert (payment.state, world.invoice(GO_LIVE).payment_state) == ("succeeded", "paid")
    told = text_of(client.get(here))
    assert "The provider answered: Received." in told or "The provider answered: Paid." in told
    assert "Look it up now" not in told
    assert list(payment.asked.order_by("id").values_list("said", "by")) == [
        ("", None), ("", world.omar.pk), ("succeeded", world.omar.pk),
    ]  # fmt: skip
    before = books()
    assert client.post(f"{here}lookup/").status_code == 409
    assert books() == before
    assert verify() == []


def test_the_janitor_s_look_ups_are_kept_too(world: World, clock: time_machine.Traveller) -> None:
    payment = begin(world, now=world.now)
    then = world.now + timedelta(minutes=2)
    clock.move_to(then)
    assert jobs.undecided_payments(then) >= 1
    asked = payment.asked.get()
    assert (asked.said, asked.at, asked.by) == ("open", then, None)


def test_an_attempt_that_was_long_unknown_leaves_the_list_when_it_is_decided(world: World, client_for: Browser) -> None:
    payment = begin(world, now=world.now)
    payment.unknown(next_lookup_at=world.now)
    payment.ask_review("the provider has not said for two days what became of it")
    client = client_for(world.omar)
    assert str(payment.pk) in client.get(f"{LIST}?status=review").content.decode()
    gateway.pay(checkout_of(payment), now=world.now)
    client.post(f"{LIST}{payment.pk}/lookup/")
    assert str(payment.pk) not in client.get(f"{LIST}?status=review").content.decode()


def test_only_finance_looks_up_and_nobody_asks_about_a_transfer(world: World, client_for: Browser) -> None:
    payment, transfer = begin(world, now=world.now), announced(world, TRAINING)
    assert "Look it up now" not in text_of(client_for(world.hanna).get(f"{LIST}{payment.pk}/"))
    assert client_for(world.hanna).post(f"{LIST}{payment.pk}/lookup/").status_code == 403
    client = client_for(world.omar)
    assert "Look it up now" not in text_of(client.get(f"{LIST}{transfer.pk}/"))
    before = books()
    assert client.post(f"{LIST}{transfer.pk}/lookup/").status_code == 409
    assert client.get(f"{LIST}{payment.pk}/lookup/").status_code == 405
    assert books() == before


# Assigning -------------------------------------------------------------------------------------------------------------


def test_credit_is_assigned_to_an_invoice_and_leaves_the_list(world: World, client_for: Browser) -> None:
    stray, client, invoice = credit_of(world), client_for(world.omar), world.invoice(GO_LIVE)
    here = f"{LIST}{stray.pk}/allocate/"
    assert "€500.00" in text_of(client.get(here))
    answer = client.post(here, {"do": "allocate", "for": str(invoice.number)})
    assert answer.headers["Location"] == f"{LIST}{stray.pk}/"
    assert f"€500.00 is assigned to {invoice.number}." in text_of(client.get(answer.headers["Location"]))
    invoice.refresh_from_db()
    assert (invoice.payment_state, invoice.amount_due_minor) == ("partially_paid", 56_800)
    assert rows_of(client.get(f"{LIST}?status=review")) == []
    before = books()
    again = client.post(here, {"do": "allocate", "for": str(invoice.number)})
    assert again.status_code == 409
    assert "used up" in text_of(again)
    assert books() == before


def test_credit_pays_an_order_s_deposit(world: World, client_for: Browser) -> None:
    stray, order = credit_of(world, 300_000), world.order("Second workshop")
    answer = client_for(world.omar).post(f"{LIST}{stray.pk}/allocate/", {"for": order.number})
    assert answer.status_code == 302
    order.refresh_from_db()
    assert order.state == "confirmed"
    stray.refresh_from_db()
    assert stray.unallocated_minor == 300_000 - 273_600


def test_money_is_left_as_credit_once(world: World, client_for: Browser) -> None:
    stray, client = credit_of(world), client_for(world.omar)
    here = f"{LIST}{stray.pk}/allocate/"
    assert client.post(here, {"do": "aside"}).status_code == 302
    stray.refresh_from_db()
    assert (stray.reviewed_at, stray.unallocated_minor) == (world.now, 50_000)
    assert rows_of(client.get(f"{LIST}?status=review")) == []
    before = books()
    answer = client.post(here, {"do": "aside"})
    assert answer.status_code == 409
    assert "not on the review list any more" in text_of(answer)
    assert books() == before


def test_what_the_bank_took_back_is_told_and_taken_off_the_list(world: World, client_for: Browser) -> None:
    payment = begin(world, now=world.now)
    gateway.pay(checkout_of(payment), now=world.now)
    payment = pay.lookup_payment(payment=payment, now=world.now)
    report = ReversalReport(ReversalSaid.LOST, "dp_1", payment.charge_reference, 106_800, "EUR", "account_closed")
    reverse.apply_reversal(payment=payment, report=report, now=world.now)
    client, here = client_for(world.omar), f"{LIST}{payment.pk}/"
    told = text_of(client.get(here))
    for words in ("Taken back by the bank", "It is gone for good", "reason: account_closed", "I have looked at it"):
        assert words in told
    assert "I have looked at it" not in text_of(client_for(world.hanna).get(here))
    answer = client.post(f"{here}allocate/", {"do": "aside"}, follow=True)
    assert "It is off the list." in text_of(answer)
    payment.refresh_from_db()
    assert payment.reviewed_at is not None
    assert "I have looked at it" not in text_of(client.get(here))
    statement = text_of(client.get(f"/staff/customers/{world.fontaine.pk}/statement/"))
    assert "Taken back by the bank" in statement


@pytest.mark.parametrize("chosen", ["", "INV-1999-00001", "paid", "foreign", "credit note"])
def test_money_is_not_assigned_to_what_is_not_open_with_this_customer(
    world: World, client_for: Browser, chosen: str
) -> None:
    stray = credit_of(world)
    papers = {
        "paid": world.invoice("Boutique theme"),
        "foreign": world.invoice("Oven scale integration"),
        "credit note": world.invoice("Training, invoiced twice", "credit_note"),
    }
    number = str(papers[chosen].number) if chosen in papers else chosen
    before = books()
    answer = client_for(world.omar).post(f"{LIST}{stray.pk}/allocate/", {"do": "allocate", "for": number})
    assert answer.status_code == 400
    assert "Choose an invoice or an order that is still open" in text_of(answer)
    assert books() == before


def test_what_has_not_arrived_cannot_be_assigned(world: World, client_for: Browser) -> None:
    pending = Payment.objects.get(state="pending")
    before = books()
    answer = client_for(world.omar).post(
        f"{LIST}{pending.pk}/allocate/", {"do": "allocate", "for": str(world.invoice(GO_LIVE).number)}
    )
    assert answer.status_code == 409
    assert books() == before


def arrived(world: World, amount_minor: int, payer: str = "A", **what: Any) -> Payment:
    """A transfer of Fontaine's that Omar books today for what is named."""
    return pay.book_transfer(
        customer=world.fontaine, amount_minor=amount_minor, received_on=world.now.date(), payer_name=payer,
        by=world.omar, now=world.now, **what,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("amount_minor", "meant"),
    [
        (200_000, [187_200, 12_800]),
        (300_000, [187_200, 106_800]),  # the rest is credit, meant for neither
        (100_000, [100_000]),  # nothing of it reaches the second
    ],
)
def test_each_of_several_papers_holds_what_was_meant_for_it(
    world: World, client_for: Browser, amount_minor: int, meant: list[int]
) -> None:
    papers = [world.invoice(TRAINING), world.invoice(GO_LIVE)]
    payment = arrived(world, amount_minor, invoices=papers)
    held = list(payment.targets.order_by("pk").values_list("invoice", "amount_minor"))
    assert held == [(paper.pk, minor) for paper, minor in zip(papers, meant, strict=False)]
    assert held == list(payment.allocations.order_by("pk").values_list("invoice", "amount_minor"))
    told = text_of(client_for(world.omar).get(f"/staff/payments/{payment.pk}/")).partition("What it was for")[2]
    assert formats.money(amount_minor, "EUR", "en") not in told or len(meant) == 1
    for minor in meant:
        assert told.count(formats.money(minor, "EUR", "en")) == 2, "what it was for, and what it settled"
    assert verify() == []


def test_money_for_an_order_and_an_invoice_is_told_apart_too(world: World) -> None:
    order, invoice = world.order("Second workshop"), world.invoice(GO_LIVE)
    payment = arrived(world, 300_000, invoices=[invoice], order=order)
    assert list(payment.targets.order_by("pk").values_list("invoice", "request__order", "amount_minor")) == [
        (invoice.pk, None, 106_800), (None, order.pk, 193_200),
    ]  # fmt: skip


def test_money_for_what_is_paid_already_still_says_what_it_was_for(world: World) -> None:
    arrived(world, 106_800, "A", invoices=[world.invoice(GO_LIVE)])
    payment = arrived(world, 106_800, "B", invoices=[world.invoice(GO_LIVE)])
    target = payment.targets.get()
    assert (target.invoice, target.amount_minor) == (world.invoice(GO_LIVE), 106_800)
    assert (payment.unallocated_minor, payment.review) == (106_800, "more than was due")


def test_an_announced_transfer_keeps_what_was_announced_for_each(world: World) -> None:
    """Another one beside it, with its reference, is told apart as well."""
    payment = announced(world, TRAINING, GO_LIVE)
    said = dict(payment.targets.values_list("invoice", "amount_minor"))
    assert said == {world.invoice(TRAINING).pk: 187_200, world.invoice(GO_LIVE).pk: 106_800}
    arrived(world, 200_000, "A", reference=payment.reference)
    assert dict(payment.targets.values_list("invoice", "amount_minor")) == said
    more = arrived(world, 94_000, "B", reference=payment.reference)
    assert more.pk != payment.pk
    assert list(more.targets.values_list("invoice", "amount_minor")) == [(world.invoice(GO_LIVE).pk, 94_000)]
    assert world.invoice(GO_LIVE).amount_due_minor == 0
    assert verify() == []


def test_a_payment_for_one_paper_tells_its_sum(world: World, client_for: Browser) -> None:
    alone = Payment.objects.filter(provider="sandbox", targets__isnull=False).latest("created_at")
    told = text_of(client_for(world.omar).get(f"/staff/payments/{alone.pk}/"))
    assert formats.money(alone.targets.get().amount_minor, alone.currency, "en") in told.partition("What it was for")[2]
