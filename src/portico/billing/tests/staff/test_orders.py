"""Sales orders on the desk, through the pages: found, delivered, invoiced, cancelled, and what is refused."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client
from lxml import html

from portico.accounts.models import Event
from portico.billing.models import Invoice, Order, OrderLine, PaymentRequest
from portico.billing.tests.my.pages import books, queries_of, rows_of, sums_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.cast import World, line, sold

Browser = Callable[..., Client]
LIST = "/staff/orders/"
SHOWROOM = "Showroom configuration"
"""Confirmed, 2 of 4 days and 1 of 2 sessions delivered, nothing invoiced."""
WAITING = "Second workshop"
"""A deposit is asked for and not paid."""
DONE = "Boutique theme"


def where(world: World, title: str = SHOWROOM, tail: str = "") -> str:
    return f"{LIST}{world.order(title).number}/{tail}"


def lines_of(world: World, title: str = SHOWROOM) -> list[OrderLine]:
    return list(world.order(title).lines.filter(kind="line").order_by("position"))


def delivered(world: World, title: str = SHOWROOM) -> list[Decimal]:
    return [one.delivered_quantity for one in lines_of(world, title)]


def quantities(world: World, *typed: str, title: str = SHOWROOM) -> dict[str, str]:
    return {f"quantity-{one.pk}": text for one, text in zip(lines_of(world, title), typed, strict=True)}


# The list --------------------------------------------------------------------------------------------------------------


def test_the_list_has_every_order_with_delivery_and_invoicing_apart(world: World, client_for: Browser) -> None:
    answer = client_for(world.omar).get(f"{LIST}?size=100")
    assert dict(rows_of(answer)) == dict(Order.objects.values_list("number", "state"))
    tree = html.fromstring(answer.content.decode())
    (row,) = tree.xpath("//tr[@data-number=$number]", number=world.order(SHOWROOM).number)
    assert "Partly delivered" in row.text_content()
    assert "Not invoiced" in row.text_content()
    assert (552_000, "EUR") in sums_of(answer, "total")


@pytest.mark.parametrize(
    ("status", "titles"),
    [("awaiting_payment", {WAITING}), ("cancelled", {"Trade fair stand"}), ("lost", None)],
)
def test_a_filter_leaves_the_orders_of_its_status(
    world: World, client_for: Browser, status: str, titles: set[str] | None
) -> None:
    answer = client_for(world.hanna).get(f"{LIST}?status={status}")
    if titles is None:
        assert answer.status_code == 400
        assert "no such filter" in text_of(answer)
    else:
        assert rows_of(answer) == [(world.order(title).number, status) for title in titles]


@pytest.mark.parametrize("by", ["number", "title", "po_number", "customer"])
def test_search_finds_number_title_purchase_order_and_customer(world: World, client_for: Browser, by: str) -> None:
    order = world.order("Oven scale integration")
    Order.objects.filter(pk=order.pk).update(po_number="PO-77/B")
    words = {"number": order.number, "title": "oven SCALE", "po_number": "po-77", "customer": "Bäckerei"}[by]
    found = {number for number, _status in rows_of(client_for(world.hanna).get(LIST, {"q": words}))}
    bakery = set(Order.objects.filter(customer=world.lindner).values_list("number", flat=True))
    assert found == (bakery if by == "customer" else {order.number})


@pytest.mark.parametrize(("sort", "order_by"), [("newest", "-id"), ("total", "-total_minor"), ("customer", "customer")])
def test_the_list_is_sorted_and_read_page_by_page(world: World, client_for: Browser, sort: str, order_by: str) -> None:
    client, asked = client_for(world.hanna), f"?sort={sort}&size=5"
    seen: list[str] = []
    while asked:
        answer = client.get(LIST + asked)
        seen += [number for number, _status in rows_of(answer)]
        links = html.fromstring(answer.content.decode()).xpath("//a[contains(@href, 'after=')]/@href")
        asked = links[-1] if links else ""
    keys = ["customer__legal_name", "-id"] if order_by == "customer" else [order_by, "-id"]
    assert seen == list(Order.objects.order_by(*keys).values_list("number", flat=True))


def test_the_list_costs_the_same_however_long_it_is(world: World, client_for: Browser) -> None:
    client, asked = client_for(world.hanna), f"{LIST}?size=100"
    few = queries_of(client, asked)
    for at in range(5):
        for _moment in sold(world, world.fontaine, f"More {at}", [line(world, "training")], world.now):
            pass
    assert len(rows_of(client.get(asked))) == Order.objects.count() == 19
    assert queries_of(client, asked) == few <= 4


# One order -------------------------------------------------------------------------------------------------------------


def test_the_page_shows_what_was_ordered_delivered_invoiced_and_paid(world: World, client_for: Browser) -> None:
    told = text_of(client_for(world.omar).get(where(world, "Manufacturing set-up")))
    order = world.order("Manufacturing set-up")
    assert order.version is not None
    for words in ("€5,199.60", "€1,559.88", "paid", "Deposit invoice", order.version.quotation.number):
        assert words in told
    for invoice in order.invoices.all():
        assert str(invoice.number) in told


def test_the_page_and_its_pdf_cost_few_statements(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    for title in (SHOWROOM, WAITING, "Manufacturing set-up", "Atelier database, first year"):
        assert queries_of(client, where(world, title)) <= 8
    pdf = client.get(where(world, SHOWROOM, "pdf/"))
    assert pdf.content.startswith(b"%PDF-")
    assert pdf["Content-Type"] == "application/pdf"
    assert pdf["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize("tail", ["", "deliver/", "invoice/", "cancel/", "pdf/"])
def test_an_order_on_the_desk_is_not_there_for_a_customer_nor_for_nobody(
    world: World, client_for: Browser, tail: str
) -> None:
    here, before = where(world, SHOWROOM, tail), books()
    for answer in (client_for(world.camille).get(here), client_for(world.camille).post(here)):
        assert answer.status_code == 404
        assert SHOWROOM not in text_of(answer)
    assert Client().post(here).headers["Location"] == f"/account/login/?next={here}"
    assert client_for(world.admin).get(f"{LIST}SO-1999-00001/{tail}").status_code == 404
    assert client_for(world.admin).post(f"{LIST}SO-1999-00001/{tail}").status_code in {404, 405}
    assert books() == before


def test_finance_invoices_but_neither_delivers_nor_cancels(world: World, client_for: Browser) -> None:
    client, before = client_for(world.omar), books()
    page = text_of(client.get(where(world)))
    assert "Invoice what was delivered" in page
    assert "Record a delivery" not in page
    assert "Cancel the order" not in page
    for tail in ("deliver/", "cancel/"):
        for answer in (client.get(where(world, SHOWROOM, tail)), client.post(where(world, SHOWROOM, tail))):
            assert answer.status_code == 403
    assert books() == before
    assert client.post(where(world, SHOWROOM, "invoice/")).status_code == 302


# Delivering ------------------------------------------------------------------------------------------------------------


def test_a_part_is_delivered_then_the_rest_and_then_it_is_fulfilled(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, SHOWROOM, "deliver/")
    form = main_form(client.get(here))
    assert {form[name] for name in form if name.startswith("quantity-")} == {""}, "the form proposes nothing"
    answer = client.post(here, quantities(world, "1.5", ""))
    assert answer.headers["Location"] == where(world)
    assert delivered(world) == [Decimal("3.5"), Decimal(1)]
    assert world.order(SHOWROOM).state == "confirmed"
    assert "The delivery is recorded" in text_of(client.get(where(world)))
    event = Event.objects.filter(name="order.delivered", object_id=str(world.order(SHOWROOM).pk)).latest("id")
    assert (event.actor, event.data["lines"]) == (world.hanna, {str(lines_of(world)[0].pk): "1.5"})
    assert client.post(here, quantities(world, "0.5", "1")).status_code == 302
    order = world.order(SHOWROOM)
    assert (order.state, order.fulfilled_at) == ("fulfilled", world.now)
    assert delivered(world) == [Decimal(4), Decimal(2)]
    before = books()
    for answer in (client.get(here), client.post(here, quantities(world, "1", ""))):
        assert answer.status_code == 409
        assert "Nothing was changed" in text_of(answer)
    assert books() == before


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (("2.0001", ""), "2 left to deliver"),
        (("2", "1.5"), "1 left to deliver"),
        (("3", ""), "2 left to deliver"),
        (("-1", ""), "Enter a number above zero"),
        (("1", "-1"), "Enter a number above zero"),
        (("0", "0"), "for at least one line"),
        (("", ""), "for at least one line"),
        (("two", ""), "is not a number"),
        (("1.00001", ""), "is not a number"),
        (("1e1", ""), "is not a number"),
        (("9" * 50, ""), "is not a number"),
        (("999999999999", ""), "2 left to deliver"),
    ],
)
def test_a_delivery_that_cannot_be_is_refused_whole(
    world: World, client_for: Browser, typed: tuple[str, str], told: str
) -> None:
    client, here, before = client_for(world.hanna), where(world, SHOWROOM, "deliver/"), books()
    answer = client.post(here, quantities(world, *typed))
    assert answer.status_code == 400
    assert told in text_of(answer)
    assert books() == before
    kept = main_form(answer)
    for name, text in quantities(world, *typed).items():
        assert kept[name] == text[:40], "what was typed stays"


def test_the_same_delivery_sent_twice_is_refused_when_nothing_is_left_of_it(world: World, client_for: Browser) -> None:
    client, here, sent = client_for(world.hanna), where(world, SHOWROOM, "deliver/"), quantities(world, "2", "")
    assert client.post(here, sent).status_code == 302
    before = books()
    answer = client.post(here, sent)
    assert answer.status_code == 400
    assert "0 left to deliver" in text_of(answer)
    assert books() == before


def test_the_same_form_sent_twice_is_recorded_once(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, SHOWROOM, "deliver/")
    sent = main_form(client.get(here)) | quantities(world, "0.5", "")
    assert client.post(here, sent).status_code == 302
    before = books()
    again = client.post(here, sent)
    assert again.status_code == 409
    assert "recorded meanwhile" in text_of(again)
    assert books() == before
    assert delivered(world) == [Decimal("2.5"), Decimal(1)]


def test_one_button_delivers_everything_that_is_left(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, SHOWROOM, "deliver/")
    assert "Everything left was delivered" in text_of(client.get(here))
    assert client.post(here, main_form(client.get(here)) | {"everything": "1"}).status_code == 302
    assert delivered(world) == [Decimal(4), Decimal(2)]
    assert world.order(SHOWROOM).state == "fulfilled"


def test_lines_of_another_order_are_not_delivered(world: World, client_for: Browser) -> None:
    foreign, before = lines_of(world, "Oven scale integration")[0], books()
    answer = client_for(world.hanna).post(where(world, SHOWROOM, "deliver/"), {f"quantity-{foreign.pk}": "1"})
    assert answer.status_code == 400
    assert books() == before


@pytest.mark.parametrize("title", [WAITING, "Trade fair stand", DONE])
def test_only_a_confirmed_order_is_delivered(world: World, client_for: Browser, title: str) -> None:
    client, here, before = client_for(world.hanna), where(world, title, "deliver/"), books()
    sent = {f"quantity-{one.pk}": "1" for one in lines_of(world, title)}
    for answer in (client.get(here), client.post(here, sent)):
        assert answer.status_code == 409
        assert "Nothing was changed" in text_of(answer)
    assert books() == before


# Invoicing -------------------------------------------------------------------------------------------------------------


def test_what_was_delivered_is_invoiced_once_and_the_rest_later(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, SHOWROOM, "invoice/")
    assert "Invoice what was delivered?" in text_of(client.get(here))
    answer = client.post(here)
    first = Invoice.objects.latest("id")
    assert answer.headers["Location"] == f"/staff/invoices/{first.number}/"
    assert (first.number, first.total_minor, first.order) == ("INV-2026-00012", 276_000, world.order(SHOWROOM))
    assert (first.issued_by, first.issued_on) == (world.hanna, world.now.date())
    assert "Invoice INV-2026-00012 is issued." in text_of(client.get(answer.headers["Location"]))
    before = books()
    for again in (client.get(here), client.post(here)):
        assert again.status_code == 409
    assert books() == before, "a second click takes no second number"
    assert client.post(where(world, SHOWROOM, "deliver/"), quantities(world, "2", "1")).status_code == 302
    assert client.post(here).status_code == 302, "what was delivered after the first invoice is the rest"
    rest = Invoice.objects.latest("id")
    order = world.order(SHOWROOM)
    assert first.total_minor + rest.total_minor == order.total_minor == 552_000
    assert [one.invoiced_quantity for one in lines_of(world)] == [Decimal(4), Decimal(2)]
    assert "INV-2026-00013" in text_of(client.get(where(world)))


@pytest.mark.parametrize("title", [WAITING, "Trade fair stand", DONE, "On-site training in Lyon"])
def test_where_nothing_is_delivered_and_open_no_number_is_taken(world: World, client_for: Browser, title: str) -> None:
    client, here, before = client_for(world.omar), where(world, title, "invoice/"), books()
    for answer in (client.get(here), client.post(here)):
        assert answer.status_code == 409
        assert "This has changed meanwhile" in text_of(answer)
    assert books() == before


# Cancelling ------------------------------------------------------------------------------------------------------------


def test_an_unpaid_order_is_cancelled_with_its_request_and_without_a_credit_note(
    world: World, client_for: Browser
) -> None:
    client, here, papers = client_for(world.hanna), where(world, WAITING, "cancel/"), Invoice.objects.count()
    look = client.get(here)
    assert "The payment asked for is cancelled with it" in text_of(look)
    answer = client.post(here, main_form(look))
    assert answer.headers["Location"] == where(world, WAITING)
    order = world.order(WAITING)
    assert (order.state, order.cancelled_by, order.cancelled_at) == ("cancelled", world.hanna, world.now)
    assert PaymentRequest.objects.get(order=order).state == "cancelled"
    assert Invoice.objects.count() == papers
    assert "Cancelled" in text_of(client.get(where(world, WAITING)))
    before = books()
    for again in (client.get(here), client.post(here)):
        assert again.status_code == 409
        assert "Nothing was changed" in text_of(again)
    assert books() == before


def test_a_confirmed_order_of_which_nothing_was_invoiced_may_be_cancelled(world: World, client_for: Browser) -> None:
    answer = client_for(world.admin).post(where(world, SHOWROOM, "cancel/"))
    assert answer.status_code == 302
    assert world.order(SHOWROOM).state == "cancelled"


def test_an_order_with_an_invoice_is_cancelled_only_after_the_credit_note(world: World, client_for: Browser) -> None:
    client, title = client_for(world.admin), "On-site training in Lyon"
    here, invoice, before = where(world, title, "cancel/"), world.invoice(title), books()
    look = client.get(here)
    assert "Credit it first" in text_of(look)
    assert invoice.number is not None
    assert invoice.number in text_of(look)
    answer = client.post(here)
    assert answer.status_code == 409
    assert f"Invoice {invoice.number} of this order stands." in text_of(answer)
    assert books() == before
    credited = {"scope": "full", "reason": "The order is cancelled.", "again": "no"}
    assert client.post(f"/staff/invoices/{invoice.number}/credit/", credited).status_code == 302
    assert client.post(here).status_code == 302
    assert world.order(title).state == "cancelled"


def test_a_fulfilled_order_is_not_cancelled(world: World, client_for: Browser) -> None:
    client, before = client_for(world.hanna), books()
    for answer in (client.get(where(world, DONE, "cancel/")), client.post(where(world, DONE, "cancel/"))):
        assert answer.status_code == 409
    assert books() == before
