"""Invoices and credit notes on the desk, through the pages: found, read, credited in part and whole, and what is refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import time_machine
from django.test import Client
from lxml import html

from portico.accounts.models import Event
from portico.billing.actions.dispute import dispute_invoice
from portico.billing.models import Invoice, InvoiceLine, Payment
from portico.billing.tests.my.pages import books, queries_of, rows_of, sums_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.cast import World, line, sold

Browser = Callable[..., Client]
LIST = "/staff/invoices/"
OVERDUE = "On-site training in Lyon"
"""Three sessions, nothing paid, overdue: €1,872.00."""
PARTLY = "Manufacturing set-up"
CREDITED = "Training, invoiced twice"
WHOLE = {"scope": "full", "reason": "Sent by mistake.", "again": "no"}


def where(world: World, title: str = OVERDUE, tail: str = "") -> str:
    return f"{LIST}{world.invoice(title).number}/{tail}"


def line_of(world: World, title: str = OVERDUE) -> InvoiceLine:
    return world.invoice(title).lines.get(kind="line")


def some(world: World, quantity: str, **changes: str) -> dict[str, str]:
    """The form that credits a quantity of the overdue invoice's one line."""
    typed = {f"quantity-{line_of(world).pk}": quantity}
    return WHOLE | {"scope": "lines"} | typed | changes


# The list --------------------------------------------------------------------------------------------------------------


def test_the_list_has_every_issued_paper_with_its_status_and_amount_due(world: World, client_for: Browser) -> None:
    answer = client_for(world.hanna).get(f"{LIST}?size=100")
    shown = dict(rows_of(answer))
    assert set(shown) == set(Invoice.objects.filter(state="issued").values_list("number", flat=True))
    for title, status in (
        (OVERDUE, "overdue"),
        (PARTLY, "overdue"),
        (CREDITED, "credited"),
        ("Oven scale integration", "disputed"),
        ("Label printer on the packing bench", "in_payment"),
        ("Go-live support, day 1", "not_paid"),
        ("Boutique theme", "paid"),
    ):
        assert shown[str(world.invoice(title).number)] == status
    note = world.invoice(CREDITED, "credit_note")
    assert shown[str(note.number)] == "credit_note"
    tree = html.fromstring(answer.content.decode())
    late = {row.get("data-number") for row in tree.xpath("//tr[@data-overdue]")}
    assert late == {world.invoice(OVERDUE).number, world.invoice(PARTLY).number}
    heads = [head.text_content() for head in tree.xpath("//thead//th")]
    assert heads[-2:] == ["Status", "Amount Due"], "the status stands just before Amount Due"
    assert (163_972, "EUR") in sums_of(answer, "due")
    assert (-31_200, "EUR") in sums_of(answer, "total"), "a credit note counts downwards"


def test_a_draft_of_an_invoice_is_not_in_the_list(world: World, client_for: Browser) -> None:
    kept = Invoice.objects.create(
        seller=world.seller, customer=world.fontaine, kind="invoice", series="INV", title="Not issued", currency="EUR",
        created_at=world.now,
    )  # fmt: skip
    answer = client_for(world.hanna).get(f"{LIST}?size=100")
    assert kept.number is None
    assert "Not issued" not in text_of(answer)


@pytest.mark.parametrize(
    ("status", "titles"),
    [
        ("overdue", {OVERDUE, PARTLY}),
        ("not_paid", {"Go-live support, day 1"}),
        ("partially_paid", set()),
        ("in_payment", {"Label printer on the packing bench"}),
        ("credited", {CREDITED}),
        ("disputed", {"Oven scale integration"}),
    ],
)
def test_a_filter_leaves_what_the_list_calls_so(
    world: World, client_for: Browser, status: str, titles: set[str]
) -> None:
    found = rows_of(client_for(world.omar).get(f"{LIST}?status={status}"))
    assert set(found) == {(world.invoice(title).number, status) for title in titles}


def test_credit_notes_have_a_filter_of_their_own(world: World, client_for: Browser) -> None:
    found = rows_of(client_for(world.omar).get(f"{LIST}?status=credit_note"))
    assert found == [(world.invoice(CREDITED, "credit_note").number, "credit_note")]


def test_search_finds_number_title_purchase_order_and_customer(world: World, client_for: Browser) -> None:
    client, invoice = client_for(world.omar), world.invoice("Oven scale integration")
    Invoice.objects.filter(pk=invoice.pk).update(po_number="PO-77/B")
    for words in (str(invoice.number), "oven scale", "po-77"):
        assert [number for number, _status in rows_of(client.get(LIST, {"q": words}))] == [invoice.number]
    bakery = {number for number, _status in rows_of(client.get(LIST, {"q": "bäckerei"}))}
    assert bakery == set(Invoice.objects.filter(customer=world.lindner).values_list("number", flat=True))
    assert "Nothing matches" in text_of(client.get(LIST, {"q": "%"}))


@pytest.mark.parametrize(
    ("sort", "keys"),
    [
        ("newest", ["-id"]),
        ("due", ["due_on", "-id"]),
        ("amount_due", ["-amount_due_minor", "-id"]),
        ("customer", ["customer__legal_name", "-id"]),
    ],
)
def test_every_sort_reads_each_row_once_page_by_page(
    world: World, client_for: Browser, sort: str, keys: list[str]
) -> None:
    client, asked = client_for(world.omar), f"?sort={sort}&size=4"
    seen: list[str] = []
    while asked:
        answer = client.get(LIST + asked)
        seen += [number for number, _status in rows_of(answer)]
        links = html.fromstring(answer.content.decode()).xpath("//a[contains(@href, 'after=')]/@href")
        asked = links[-1] if links else ""
    rows = Invoice.objects.filter(state="issued")
    wanted = [one.number for one in rows.order_by(*keys) if sort != "due" or one.due_on]
    without = [one.number for one in rows.order_by("-id") if sort == "due" and not one.due_on]
    assert seen == wanted + without


@pytest.mark.parametrize("asked", ["status=late", "sort=random", "size=101", "after=forged", f"q={'x' * 101}"])
def test_a_list_asked_for_nonsense_says_what_is_wrong(world: World, client_for: Browser, asked: str) -> None:
    answer = client_for(world.omar).get(f"{LIST}?{asked}")
    assert answer.status_code == 400
    assert "This could not be done" in text_of(answer)


def test_the_list_costs_the_same_however_long_it_is(world: World, client_for: Browser) -> None:
    client, asked = client_for(world.omar), f"{LIST}?size=100"
    few, rows = queries_of(client, asked), len(rows_of(client.get(asked)))
    for at in range(5):
        for _moment in sold(world, world.fontaine, f"More {at}", [line(world, "training")], world.now):
            pass
    assert len(rows_of(client.get(asked))) == rows + 5
    assert queries_of(client, asked) == few <= 4


# One invoice -----------------------------------------------------------------------------------------------------------


def test_the_page_tells_what_settled_it_and_what_is_left(world: World, client_for: Browser) -> None:
    invoice = world.invoice(PARTLY)
    told = text_of(client_for(world.omar).get(where(world, PARTLY)))
    for words in ("€3,639.72", "€1,639.72", "€2,000.00", "Bank transfer", "37 days late", "Book a payment"):
        assert words in told
    assert invoice.order is not None
    assert invoice.order.number in told


def test_an_invoice_and_its_credit_note_lead_to_each_other(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    invoice, note = world.invoice(CREDITED), world.invoice(CREDITED, "credit_note")
    told = text_of(client.get(where(world, CREDITED)))
    assert f"Credit note {note.number}" in told
    assert "The session was invoiced twice." in told
    assert "Make a credit note" not in told, "nothing is left to credit"
    page = client.get(f"{LIST}{note.number}/")
    assert f"Invoice {invoice.number}" in text_of(page)
    assert "Book a payment" not in text_of(page)


def test_a_page_of_one_paper_costs_few_statements(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    for title in (OVERDUE, PARTLY, CREDITED):
        assert queries_of(client, where(world, title)) <= 8
    assert queries_of(client, f"{LIST}{world.invoice(CREDITED, 'credit_note').number}/") <= 8
    assert queries_of(client, where(world, PARTLY, "credit/")) <= 8


def test_the_issued_file_is_made_once_and_stays_the_same(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, OVERDUE, "pdf/")
    first = client.get(here)
    assert first.content.startswith(b"%PDF-")
    assert first["Cache-Control"] == "private, no-store"
    world.fontaine.legal_name = "Renamed SARL"
    world.fontaine.save()
    assert client.get(here).content == first.content
    assert world.invoice(OVERDUE).pdf is not None


@pytest.mark.parametrize("tail", ["", "credit/", "pdf/"])
def test_an_invoice_on_the_desk_is_not_there_for_a_customer_nor_for_nobody(
    world: World, client_for: Browser, tail: str
) -> None:
    here, before = where(world, OVERDUE, tail), books()
    for answer in (client_for(world.camille).get(here), client_for(world.camille).post(here, WHOLE)):
        assert answer.status_code == 404
        assert OVERDUE not in text_of(answer)
    assert Client().post(here, WHOLE).headers["Location"] == f"/account/login/?next={here}"
    assert client_for(world.omar).get(f"{LIST}INV-1999-00001/{tail}").status_code == 404
    assert books() == before


def test_sales_reads_invoices_and_credits_none(world: World, client_for: Browser) -> None:
    client, before = client_for(world.hanna), books()
    told = text_of(client.get(where(world)))
    assert "Make a credit note" not in told
    assert "Book a payment" not in told
    for answer in (client.get(where(world, OVERDUE, "credit/")), client.post(where(world, OVERDUE, "credit/"), WHOLE)):
        assert answer.status_code == 403
        assert "Your role does not allow this" in text_of(answer)
    assert books() == before


# Credit notes ----------------------------------------------------------------------------------------------------------


def test_a_whole_invoice_is_credited_once(world: World, client_for: Browser) -> None:
    client, here = client_for(world.omar), where(world, OVERDUE, "credit/")
    answer = client.post(here, main_form(client.get(here)) | WHOLE)
    note = Invoice.objects.latest("id")
    assert answer.headers["Location"] == f"{LIST}{note.number}/"
    assert (note.number, note.kind, note.refers_to) == ("CN-2026-00002", "credit_note", world.invoice(OVERDUE))
    assert (note.total_minor, note.reason, note.issued_by) == (187_200, "Sent by mistake.", world.omar)
    invoice = world.invoice(OVERDUE)
    assert (invoice.amount_due_minor, invoice.payment_state) == (0, "credited")
    assert "Credit note CN-2026-00002 is issued." in text_of(client.get(answer.headers["Location"]))
    before = books()
    for again in (client.get(here), client.post(here, WHOLE)):
        assert again.status_code == 409
        assert "left to credit" in text_of(again)
    assert books() == before, "a second click takes no second number"


def test_parts_are_credited_to_the_cent_until_nothing_is_left(world: World, client_for: Browser) -> None:
    client, here = client_for(world.omar), where(world, OVERDUE, "credit/")
    assert client.post(here, some(world, "1")).status_code == 302
    invoice = world.invoice(OVERDUE)
    assert (invoice.amount_due_minor, invoice.payment_state) == (124_800, "partially_paid")
    left = client.get(here)
    assert "2" in html.fromstring(left.content.decode()).xpath("string(//td[@data-label='Left'])")
    assert client.post(here, some(world, "0.3333")).status_code == 302
    assert client.post(here, WHOLE).status_code == 302, "the rest"
    notes = list(Invoice.objects.filter(kind="credit_note", refers_to=invoice).order_by("id"))
    assert [one.total_minor for one in notes][:1] == [62_400]
    assert sum(one.total_minor for one in notes) == invoice.total_minor
    assert sum(one.net_minor for one in notes) == invoice.net_minor
    credited = line_of(world).credited_by.values_list("quantity", flat=True)
    assert sorted(credited) == [Decimal("0.3333"), Decimal(1), Decimal("1.6667")]
    assert world.invoice(OVERDUE).payment_state == "credited"


@pytest.mark.parametrize("scope", ["lines", "amount"])
def test_a_form_that_is_sent_twice_makes_one_credit_note(world: World, client_for: Browser, scope: str) -> None:
    client, here = client_for(world.omar), where(world, OVERDUE, "credit/")
    wanted = some(world, "1") if scope == "lines" else WHOLE | {"scope": "amount", "amount": "200.50"}
    form = main_form(client.get(here)) | wanted
    assert client.post(here, form).status_code == 302
    before = books()
    again = client.post(here, form)
    assert (again.status_code, "credited meanwhile" in text_of(again)) == (409, True)
    assert books() == before
    assert client.post(here, main_form(client.get(here)) | wanted).status_code == 302, (
        "the control: meant again, it is made"
    )


def test_an_amount_is_credited_and_the_page_says_what_is_left(world: World, client_for: Browser) -> None:
    client, here = client_for(world.omar), where(world, OVERDUE, "credit/")
    by_amount = WHOLE | {"scope": "amount", "reason": "Goodwill"}
    assert client.post(here, by_amount | {"amount": "200.50"}).status_code == 302
    note, invoice = Invoice.objects.latest("id"), world.invoice(OVERDUE)
    assert (note.total_minor, note.vat_minor, invoice.amount_due_minor) == (20_050, 3_342, 187_200 - 20_050)
    assert "At most €1,671.50 is left to credit" in text_of(client.get(here))
    before = books()
    for amount, changes, told in (
        ("1671.51", {}, "no more than €1,671.50 is left"),
        ("0", {}, "above zero"),
        ("-5", {}, "above zero"),
        ("", {}, "Enter the amount to credit"),
        ("1.005", {}, "has no such small part"),
        ("5", {"again": "yes"}, "credited for good"),
    ):
        answer = client.post(here, by_amount | {"amount": amount} | changes)
        assert (answer.status_code, told in text_of(answer)) == (400, True), amount
        assert main_form(answer)["amount"] == amount
    assert books() == before, "no number was taken"
    assert client.post(here, WHOLE).status_code == 302
    assert world.invoice(OVERDUE).payment_state == "credited"
    assert client.get(here).status_code == 409


@pytest.mark.parametrize(
    ("quantity", "changes", "told"),
    [
        ("3.0001", {}, "no more than 3 is left to credit"),
        ("4", {}, "no more than 3 is left to credit"),
        ("-1", {}, "Look at the quantities again"),
        ("0", {}, "for at least one line"),
        ("", {}, "for at least one line"),
        ("one", {}, "is not a number"),
        ("1.00001", {}, "is not a number"),
        ("1", {"reason": ""}, "Say why the credit note is made"),
        ("1", {"reason": " \u202e\n "}, "Say why the credit note is made"),
        ("1", {"reason": "x" * 301}, "at most 300 characters"),
        ("1", {"scope": "half"}, "Choose how much is credited"),
        ("1", {"again": ""}, "whether it will be invoiced again"),
        ("1", {"again": "maybe"}, "whether it will be invoiced again"),
    ],
)
def test_a_credit_note_that_cannot_be_is_refused_and_takes_no_number(
    world: World, client_for: Browser, quantity: str, changes: dict[str, str], told: str
) -> None:
    client, here, before = client_for(world.omar), where(world, OVERDUE, "credit/"), books()
    answer = client.post(here, some(world, quantity, **changes))
    assert answer.status_code == 400
    assert told in text_of(answer)
    assert books() == before
    assert main_form(answer)[f"quantity-{line_of(world).pk}"] == (quantity if "scope" in changes or quantity else "")


def test_no_more_is_credited_than_an_earlier_credit_note_left(world: World, client_for: Browser) -> None:
    client, here = client_for(world.omar), where(world, OVERDUE, "credit/")
    client.post(here, some(world, "2"))
    before = books()
    answer = client.post(here, some(world, "2"))
    assert answer.status_code == 400
    assert "no more than 1 is left to credit" in text_of(answer)
    assert books() == before


def test_lines_of_another_invoice_are_not_credited(world: World, client_for: Browser) -> None:
    foreign, before = line_of(world, "Oven scale integration"), books()
    answer = client_for(world.omar).post(
        where(world, OVERDUE, "credit/"), WHOLE | {"scope": "lines", f"quantity-{foreign.pk}": "1"}
    )
    assert answer.status_code == 400
    assert books() == before


def test_an_invoice_leads_to_the_payments_that_settled_it(world: World, client_for: Browser) -> None:
    paid = Payment.objects.filter(provider="sandbox", allocations__invoice__isnull=False).latest("created_at")
    invoice = paid.allocations.get().invoice
    assert invoice is not None
    page = client_for(world.omar).get(f"{LIST}{invoice.number}/")
    assert f'<a href="/staff/payments/{paid.pk}/">Pay online (test mode)</a>' in page.content.decode()


def test_what_was_paid_becomes_the_customer_s_credit(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    title = "Boutique theme"
    assert client.post(where(world, title, "credit/"), WHOLE).status_code == 302
    invoice = world.invoice(title)
    assert (invoice.payment_state, invoice.amount_due_minor) == ("paid", 0)
    page = text_of(client.get(f"/staff/customers/{world.fontaine.pk}/"))
    assert "€423.96" in page


def test_a_credit_note_is_not_credited_nor_a_deposit_that_was_deducted(world: World, client_for: Browser) -> None:
    client, before = client_for(world.omar), books()
    note = world.invoice(CREDITED, "credit_note")
    for answer in (client.get(f"{LIST}{note.number}/credit/"), client.post(f"{LIST}{note.number}/credit/", WHOLE)):
        assert answer.status_code == 409
    deposit = world.invoice(PARTLY, "deposit")
    answer = client.post(f"{LIST}{deposit.number}/credit/", WHOLE)
    assert answer.status_code == 409
    assert "credit that one instead" in text_of(answer)
    assert books() == before


def test_a_wrong_invoice_is_credited_and_its_quantities_are_free_again(world: World, client_for: Browser) -> None:
    client, title = client_for(world.omar), "Go-live support, day 1"
    order = world.order(title)
    assert client.get(f"/staff/orders/{order.number}/invoice/").status_code == 409
    assert client.post(where(world, title, "credit/"), WHOLE | {"again": "yes"}).status_code == 302
    assert client.post(f"/staff/orders/{order.number}/invoice/").status_code == 302
    again = Invoice.objects.filter(kind="invoice", order=order).latest("id")
    assert (again.total_minor, again.amount_due_minor) == (106_800, 106_800)


# Disputes --------------------------------------------------------------------------------------------------------------


def test_a_disputed_invoice_is_not_overdue_and_its_dispute_is_noted_once(world: World, client_for: Browser) -> None:
    dispute_invoice(invoice=world.invoice(OVERDUE), by=world.omar, now=world.now)
    client = client_for(world.omar)
    assert (world.invoice(OVERDUE).number, "disputed") in rows_of(client.get(f"{LIST}?status=disputed"))
    told = text_of(client.get(where(world)))
    assert "Disputed" in told
    assert "days late" not in told
    assert Event.objects.filter(name="invoice.disputed", object_id=str(world.invoice(OVERDUE).pk)).count() == 1


def test_staff_note_a_dispute_and_finance_answers_it(world: World, client_for: Browser) -> None:
    sales, finance = client_for(world.hanna), client_for(world.omar)
    here = where(world, OVERDUE, "dispute/")
    assert here in sales.get(where(world)).content.decode()
    said = {"reason": "faulty", "message": "She called: the room was <too> small."}
    assert sales.post(here, main_form(sales.get(here)) | said).headers["Location"] == where(world)
    told = text_of(sales.get(where(world)))
    for words in ("Disputed", "What we received is not as agreed", "the room was <too> small.", "Finance answers it."):
        assert words in told
    assert "Solve the dispute" not in told
    assert world.invoice(OVERDUE).title in text_of(sales.get("/staff/"))
    solving = where(world, OVERDUE, "solve/")
    assert sales.get(solving).status_code == 403
    form = main_form(finance.get(solving))
    answer = finance.post(solving, form | {"scope": "stands", "answer": "It was the room you chose."})
    assert answer.headers["Location"] == where(world)
    assert "the customer gets your answer" in text_of(finance.get(where(world)))
    assert (world.invoice(OVERDUE).number, "overdue") in rows_of(finance.get(f"{LIST}?status=overdue"))
    before = books()
    for again in (finance.get(solving), finance.post(solving, form | {"scope": "stands", "answer": "Again."})):
        assert again.status_code == 409
        assert "not disputed any more" in text_of(again)
    assert books() == before


def test_a_dispute_ends_with_a_credit_note_for_some_of_it(world: World, client_for: Browser) -> None:
    dispute_invoice(invoice=world.invoice(OVERDUE), by=world.omar, now=world.now)
    client, solving = client_for(world.omar), where(world, OVERDUE, "solve/")
    typed = main_form(client.get(solving)) | some(world, "1") | {"answer": "One session did not take place."}
    assert client.post(solving, typed).status_code == 302
    invoice = world.invoice(OVERDUE)
    assert (invoice.disputed_at, invoice.payment_state, invoice.amount_due_minor) == (None, "partially_paid", 124_800)
    assert f"credit note {invoice.credit_notes.get().number} is issued" in text_of(client.get(where(world)))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"answer": "  "}, "Write an answer"),
        ({"scope": ""}, "Choose how the dispute ends"),
        ({"scope": "full", "reason": ""}, "Say why the credit note is made"),
        ({"scope": "lines"}, "for at least one line"),
        ({"scope": "full", "again": ""}, "whether it will be invoiced again"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_and_what_was_typed_stays(
    world: World, client_for: Browser, changes: dict[str, str], told: str
) -> None:
    dispute_invoice(invoice=world.invoice(OVERDUE), by=world.omar, now=world.now)
    client, solving, before = client_for(world.omar), where(world, OVERDUE, "solve/"), books()
    typed = {"scope": "stands", "answer": "It stands.", "reason": "Wrong.", "again": "no"} | changes
    answer = client.post(solving, typed)
    assert answer.status_code == 400
    assert told in text_of(answer)
    assert main_form(answer)["answer"].strip() == typed["answer"].strip()
    assert books() == before


def test_an_invoice_is_overdue_when_its_due_day_has_ended_in_the_seller_s_zone(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    number = world.invoice("Go-live support, day 1").number
    for moment, status in (
        (datetime(2026, 12, 6, 22, 59, 59, tzinfo=UTC), "not_paid"),
        (datetime(2026, 12, 6, 23, 0, tzinfo=UTC), "overdue"),
    ):
        clock.move_to(moment)
        client = client_for(world.omar)
        assert (number, status) in rows_of(client.get(f"{LIST}?size=100"))
        assert (number, status) in rows_of(client.get(f"{LIST}?status={status}"))
        assert ("1 day late" in text_of(client.get(f"{LIST}{number}/"))) == (status == "overdue")
