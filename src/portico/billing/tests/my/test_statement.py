"""The statement of account: it adds up to what is open, agrees with the books on any day, is paid as one, and can be kept."""

import csv
import io
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from django.test import Client
from lxml import html

from portico.billing.actions import pay
from portico.billing.actions.dispute import dispute_invoice
from portico.billing.models import Invoice, Payment
from portico.billing.statement import Cut, Statement, ages_of, open_by_state, statement_of
from portico.billing.tests.my.pages import form_of, queries_of, sums_of, text_of
from portico.cast import World
from portico.kit import formats
from portico.kit.periods import today

Browser = Callable[..., Client]
PAGE = "/my/statement/"
ALWAYS = date(2020, 1, 1)


def whole(world: World, start: date = ALWAYS, days: int = 0) -> Statement:
    day = today(world.now, world.seller.zone) + timedelta(days=days)
    return statement_of(world.fontaine, Cut("EUR", start, day), now=world.now)


def bring(world: World, amount_minor: int = 50_000) -> Payment:
    """Money that nobody knows what it is for."""
    return pay.book_transfer(
        customer=world.fontaine, amount_minor=amount_minor, received_on=world.now.date(), payer_name="=ATELIER",
        by=world.omar, now=world.now,
    )  # fmt: skip


def test_the_closing_balance_is_what_is_open_less_what_is_credit(world: World) -> None:
    bring(world)
    made = whole(world)
    due = sum(Invoice.objects.filter(customer=world.fontaine).open().values_list("amount_due_minor", flat=True))
    waiting = sum(
        amount
        for amount in Payment.objects.filter(
            customer=world.fontaine, allocations__request__isnull=False, allocations__invoice=None
        ).values_list("allocations__amount_minor", flat=True)
    )
    assert made.opening_minor == 0
    assert made.open_minor == due > 0
    assert made.credit_minor >= 50_000
    assert made.closing_minor == made.open_minor - made.credit_minor - waiting


def test_any_cut_joins_the_next_one(world: World) -> None:
    """What one statement closes with, the next one opens with, whichever day is between them."""
    made = whole(world)
    days = sorted({entry["on"] for entry in made.entries})
    assert len(days) > 5
    for day in days:
        before = statement_of(world.fontaine, Cut("EUR", ALWAYS, day - timedelta(days=1)), now=world.now)
        after = whole(world, day)
        assert before.closing_minor == after.opening_minor
        assert after.closing_minor == made.closing_minor
        assert len(before.entries) + len(after.entries) == len(made.entries)


def test_what_is_open_is_told_by_how_late_it_is(world: World) -> None:
    day = today(world.now, world.seller.zone)
    open_ones = Invoice.objects.filter(customer=world.fontaine, currency="EUR").open().order_by("pk")
    wanted = dict.fromkeys(["0", "1-30", "31-60", "61-90", "90+"], 0)
    for late, (key, invoice) in zip(
        (0, 1, 30, 31, 90, 91),
        zip(("0", "1-30", "1-30", "31-60", "61-90", "90+"), open_ones, strict=False),
        strict=False,
    ):
        Invoice.objects.filter(pk=invoice.pk).update(due_on=day - timedelta(days=late))
        wanted[key] += invoice.amount_due_minor
    assert open_ones.count() <= 6
    assert {age.key: age.minor for age in ages_of(open_by_state(world.fontaine, "EUR", now=world.now))} == wanted


def test_what_of_the_open_balance_is_on_its_way_or_disputed_is_said(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    told = text_of(client.get(PAGE))
    assert "of it in payment: €432.00" in told
    assert "of it disputed" not in told
    invoice = world.invoice("On-site training in Lyon")
    dispute_invoice(invoice=invoice, by=world.hanna, reason="amount", now=world.now)
    made = statement_of(world.fontaine, Cut("EUR", date(2025, 12, 1), world.now.date()), now=world.now)
    assert (made.in_payment_minor, made.disputed_minor) == (43_200, invoice.amount_due_minor)
    assert "of it disputed: €1,872.00" in text_of(client.get(PAGE))
    balances = html.fromstring(client.get("/my/invoices/").content.decode()).xpath("//dl[@class='facts']")[0]
    rest = formats.money(made.open_minor - made.in_payment_minor - made.disputed_minor, "EUR", "en")
    assert "Disputed€1,872.00" in " ".join(balances.text_content().split()).replace(" ", "")
    assert rest in balances.text_content(), "the list names what can be paid, and the two make the same"


def test_the_list_leads_to_paying_all_that_is_overdue(world: World, client_for: Browser) -> None:
    page = html.fromstring(client_for(world.julien).get("/my/invoices/").content.decode())
    where = page.xpath("//a[contains(., 'Pay all that is overdue')]/@href")
    assert where == ["/my/invoices/pay/?due=overdue&currency=EUR"]
    assert "Pay 2 invoices" in text_of(client_for(world.julien).get(where[0]))


def test_the_page_shows_it_and_all_that_is_overdue_is_paid_at_once(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    answer = client.get(PAGE)
    made = statement_of(world.fontaine, Cut("EUR", date(2025, 12, 1), world.now.date()), now=world.now)
    assert sums_of(answer, "total") == {(made.closing_minor, "EUR")}
    assert sums_of(answer, "due") == {(made.open_minor, "EUR")}
    link = html.fromstring(answer.content.decode()).xpath("//a[contains(@href, 'due=overdue')]/@href")[0]
    paying = client.get(link)
    assert "Pay 2 invoices" in text_of(paying)
    asked = form_of(paying) | {"provider": "bank_transfer", "part": "2000"}
    assert client.post("/my/invoices/pay/", asked | {"number": numbers(paying)}).status_code == 302
    payment = Payment.objects.latest("created_at")
    late = (
        Invoice.objects.filter(customer=world.fontaine).of_status("overdue", world.now.date()).order_by("due_on", "pk")
    )
    first, second = late
    assert [(one.invoice_id, one.amount_minor) for one in payment.targets.order_by("pk")] == [
        (first.pk, first.amount_due_minor), (second.pk, 200_000 - first.amount_due_minor),
    ]  # fmt: skip
    assert payment.amount_minor == 200_000


def numbers(answer: object) -> list[str]:
    found = html.fromstring(answer.content.decode()).xpath("//input[@name='number']/@value")  # type: ignore[attr-defined]
    return [str(number) for number in found]


@pytest.mark.parametrize("part", ["0", "-1", "999999"])
def test_a_part_beyond_its_limits_begins_nothing(world: World, client_for: Browser, part: str) -> None:
    client, before = client_for(world.julien), Payment.objects.count()
    paying = client.get("/my/invoices/pay/?due=open")
    asked = form_of(paying) | {"provider": "sandbox", "part": part, "number": numbers(paying)}
    assert client.post("/my/invoices/pay/", asked).status_code == 400
    assert Payment.objects.count() == before


def test_the_file_has_every_entry_and_no_formula(world: World, client_for: Browser) -> None:
    Invoice.objects.filter(pk=world.invoice("Boutique theme").pk).update(title='=HYPERLINK("x")')
    answer = client_for(world.julien).get(PAGE, {"format": "csv", "from": "2025-12-01", "to": "2026-11-09"})
    rows = list(csv.reader(io.StringIO(b"".join(answer).decode("utf-8-sig"))))
    made = statement_of(world.fontaine, Cut("EUR", date(2025, 12, 1), date(2026, 11, 9)), now=world.now)
    assert len(rows) == len(made.entries) + 1
    assert rows[-1][-1] == f"{made.closing_minor / 100:.2f}"
    assert any(cell.startswith("'=HYPERLINK") for row in rows for cell in row)
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row)


@pytest.mark.parametrize(
    "query", ["from=2026-12-01&to=2026-01-01", "from=x", "to=1999-01-01", "from=2001-01-01", "currency=XXX"]
)
def test_days_and_currencies_that_cannot_be_are_400(world: World, client_for: Browser, query: str) -> None:
    assert client_for(world.julien).get(f"{PAGE}?{query}").status_code == 400


def test_an_empty_account_is_a_statement_too(people: World, client_for: Browser) -> None:
    answer = client_for(people.camille).get(PAGE)
    assert sums_of(answer, "total") == {(0, "EUR")}


def test_both_sides_see_the_same_and_it_costs_few_statements(world: World, client_for: Browser) -> None:
    own, staff = f"{PAGE}?from=2025-12-01", f"/staff/customers/{world.fontaine.pk}/statement/?from=2025-12-01"
    assert sums_of(client_for(world.omar).get(staff), "total") == sums_of(client_for(world.camille).get(own), "total")
    assert queries_of(client_for(world.camille), own) <= 10
    assert queries_of(client_for(world.omar), staff) <= 10
    assert client_for(world.lena).get(own).status_code == 200


def test_own_credit_settles_an_invoice_and_money_to_be_looked_at_does_not(world: World, client_for: Browser) -> None:
    invoice, client = world.invoice("Go-live support, day 1"), client_for(world.julien)
    where = f"/my/invoices/{invoice.number}/use-credit/"
    payment = bring(world)
    assert client.post(where).status_code == 409, "staff must look at it first"
    assert "to your credit" not in text_of(client.get(f"/my/invoices/{invoice.number}/pay/"))
    pay.review_payment(payment=payment, by=world.omar, now=world.now)
    assert "You have €500.00 to your credit." in text_of(client.get(f"/my/invoices/{invoice.number}/pay/"))
    assert "€568.00" in text_of(client.get(where))
    assert client.post(where).status_code == 302
    invoice.refresh_from_db()
    assert (invoice.payment_state, invoice.amount_due_minor) == ("partially_paid", 56_800)
    assert client.post(where).status_code == 409, "it is used up"
    assert client_for(world.lena).post(where).status_code == 404


def test_a_receipt_names_what_was_paid(world: World, client_for: Browser) -> None:
    payment = bring(world, 120_000)
    invoice = world.invoice("Go-live support, day 1")
    pay.allocate_credit(payment=payment, invoice=invoice, by=world.omar, now=world.now)
    client, where = client_for(world.julien), f"/my/payments/{payment.pk}/"
    told = text_of(client.get(f"{where}receipt/"))
    for words in ("Receipt", str(invoice.number), "1,068.00", "Your credit", "132.00", "1,200.00"):
        assert words in told
    assert client.get(f"{where}pdf/").content.startswith(b"%PDF")
    assert client_for(world.lena).get(f"{where}receipt/").status_code == 404
    waiting = pay.start_payment(
        by=world.member(world.julien), provider="bank_transfer", invoices=[world.invoice("On-site training in Lyon")],
        now=world.now,
    )  # fmt: skip
    assert client.get(f"/my/payments/{waiting.pk}/receipt/").status_code == 409
