"""An invoice in parts on the customer's pages: what is due now and next, and paying it part by part."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from lxml import html

from portico.billing.actions import pay
from portico.billing.models import Invoice, Payment, PaymentRules
from portico.billing.statement import ages_of, open_by_state
from portico.billing.tests.attempts import payer
from portico.billing.tests.my.pages import Answer, queries_of, rows_of, text_of
from portico.billing.tests.parts import THIRDS, arrives, in_parts
from portico.cast import World
from portico.kit.errors import Invalid

Browser = Callable[..., Client]
Clock = time_machine.Traveller
pytestmark = pytest.mark.usefixtures("clock")


def offers(answer: Answer) -> list[tuple[str, bool]]:
    """What the pay page offers, and which is chosen."""
    tree = html.fromstring(answer.content.decode())
    return [(one.get("value"), one.get("checked") is not None) for one in tree.xpath("//input[@name='take']")]


def post(client: Client, invoice: Invoice, **form: Any) -> Any:
    """The pay form, sent as the page shows it."""
    fields = {"seen_minor": invoice.amount_due_minor, "provider": "bank_transfer", **form}
    return client.post(f"/my/invoices/{invoice.number}/pay/", fields)


def test_the_page_says_when_what_is_due_and_offers_the_next_part(world: World, client_for: Browser) -> None:
    invoice = in_parts(world)
    arrives(world, invoice, 36_000)
    client, page = client_for(world.julien), f"/my/invoices/{invoice.number}/"
    answer = client.get(page)
    tree = html.fromstring(answer.content.decode())
    found = [(one.get("data-part"), one.get("data-left")) for one in tree.xpath("//li[@data-part]")]
    assert found == [("1", "0"), ("2", "84000")]
    words = text_of(answer)
    assert "Due 9 Dec 2026" in words
    assert "Pay €840.00" in words
    assert queries_of(client, page) <= 8
    assert (invoice.number, "partially_paid") in rows_of(client.get("/my/invoices/"))


def test_the_pay_page_offers_next_due_and_everything(world: World, client_for: Browser, clock: Clock) -> None:
    invoice = in_parts(world, THIRDS)
    page = f"/my/invoices/{invoice.number}/pay/"
    assert offers(client_for(world.julien).get(page)) == [("next-40000", True), ("all-120000", False), ("other", False)]
    clock.move_to(world.now + timedelta(days=30))
    expected = [("next-40000", True), ("due-80000", False), ("all-120000", False), ("other", False)]
    assert offers(client_for(world.julien).get(page)) == expected
    clock.move_to(world.now + timedelta(days=61))
    assert offers(client_for(world.julien).get(page)) == [
        ("next-40000", True),
        ("overdue-120000", False),
        ("other", False),
    ]


@pytest.mark.parametrize(
    ("form", "paid"),
    [
        ({"take": "next-36000"}, 36_000),
        ({"take": "all-120000"}, 120_000),
        ({"take": "other", "part": "500"}, 50_000),
        ({}, 120_000),
    ],
)
def test_what_was_chosen_is_paid(world: World, client_for: Browser, form: dict[str, str], paid: int) -> None:
    invoice = in_parts(world)
    assert post(client_for(world.julien), invoice, **form).status_code == 302
    assert Payment.objects.filter(targets__invoice=invoice).get().amount_minor == paid


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"take": "next-35999"}, 409),
        ({"take": "due-84000"}, 409),
        ({"take": "nothing-1"}, 409),
        ({"take": "next-36000", "part": "500"}, 400),  # which of the two was meant is not guessed
        ({"take": "other"}, 400),
        ({"take": "other", "part": "0"}, 400),
        ({"take": "other", "part": "1200.01"}, 400),
    ],
)
def test_what_is_not_offered_is_not_paid(world: World, client_for: Browser, form: dict[str, str], status: int) -> None:
    invoice = in_parts(world)
    assert post(client_for(world.julien), invoice, **form).status_code == status
    assert not Payment.objects.filter(targets__invoice=invoice).exists()


def test_all_that_is_overdue_takes_no_part_that_is_not(world: World, client_for: Browser, clock: Clock) -> None:
    client = client_for(world.julien)
    client.get("/my/")
    Invoice.objects.filter(customer=world.fontaine).update(disputed_at=None)
    invoice = in_parts(world)
    clock.move_to(world.now + timedelta(days=2))
    answer = client.get("/my/invoices/pay/?due=overdue")
    others = sum(
        Invoice.objects.filter(customer=world.fontaine, currency="EUR")
        .of_status("overdue", (world.now + timedelta(days=2)).date())
        .exclude(pk=invoice.pk)
        .values_list("amount_due_minor", flat=True)
    )
    assert (f"overdue-{others + 36_000}", True) in offers(answer)
    tree = html.fromstring(answer.content.decode())
    form = {
        "number": tree.xpath("//input[@name='number']/@value"),
        "seen_minor": tree.xpath("//input[@name='seen_minor']/@value")[0],
        "take": f"overdue-{others + 36_000}",
        "provider": "bank_transfer",
    }
    assert client.post("/my/invoices/pay/", form).status_code == 302
    payment = Payment.objects.latest("created_at")
    assert payment.amount_minor == others + 36_000
    assert payment.targets.get(invoice=invoice).amount_minor == 36_000


def test_balance_home_and_ageing_count_each_part_by_its_own_day(
    world: World, client_for: Browser, clock: Clock
) -> None:
    before = {
        one.key: one.minor for one in ages_of(open_by_state(world.fontaine, "EUR", now=world.now + timedelta(days=2)))
    }
    invoice = in_parts(world)
    later = world.now + timedelta(days=2)
    after = {one.key: one.minor for one in ages_of(open_by_state(world.fontaine, "EUR", now=later))}
    grown = {key: after[key] - before[key] for key in after if after[key] != before[key]}
    assert sorted(grown.values()) == [36_000, 84_000]
    clock.move_to(later)
    Invoice.objects.filter(customer=world.fontaine).exclude(pk=invoice.pk).update(due_on=later.date())
    words = text_of(client_for(world.julien).get("/my/"))
    assert f"Invoice {invoice.number} is overdue" in words
    assert "€360.00" in words
    assert "€1,200.00 overdue" not in words


# The least part --------------------------------------------------------------------------------------------------------


def test_an_amount_of_ones_own_has_a_least_but_a_part_that_is_due_has_none(world: World) -> None:
    invoice = in_parts(world)
    PaymentRules.objects.create(seller=world.seller, least_part_minor=50_000)
    with pytest.raises(Invalid, match="Pay at least €500"):
        pay.start_payment(
            by=payer(world), provider="bank_transfer", invoices=[invoice], amount_minor=49_999, now=world.now
        )
    for amount in (36_000, 50_000, 120_000):
        payment = pay.start_payment(
            by=payer(world), provider="bank_transfer", invoices=[invoice], amount_minor=amount, now=world.now
        )
        assert payment.amount_minor == amount
