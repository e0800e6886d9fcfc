"""The customer's sales orders through their pages: found, read, paid; and what nobody may do to them."""

from collections.abc import Callable
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from portico import cast
from portico.accounts.models import Membership, User
from portico.billing.actions import order as orders
from portico.billing.actions import pay
from portico.billing.models import Invoice, Order, Payment, PaymentTarget
from portico.billing.providers.sandbox.models import Checkout
from portico.billing.tests.my.pages import (
    at_once,
    books,
    form_of,
    queries_of,
    rows_of,
    statuses_of,
    sums_of,
    text_of,
)
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/my/orders/"
AWAITING = "Second workshop"
TOTAL, DEPOSIT = 684000, 273600
"""Six days at 890.00 and 360.00, with 20 percent VAT; 40 percent of it first."""


def where(world: World, title: str = AWAITING, tail: str = "") -> str:
    return f"{LIST}{world.order(title).number}/{tail}"


def begun(client: Client, address: str, provider: str = "sandbox") -> Any:
    """Begin to pay with the form as the page has it."""
    return client.post(address, form_of(client.get(address)) | {"provider": provider})


# The list --------------------------------------------------------------------------------------------------------------


def test_the_list_shows_each_order_with_its_state_and_what_is_left(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(LIST)
    shown = dict(rows_of(answer))
    for title, status in (
        (AWAITING, "awaiting_payment"), ("Showroom configuration", "confirmed"), ("Trade fair stand", "cancelled"),
        ("Go-live support, day 1", "fulfilled"),
    ):  # fmt: skip
        assert shown[world.order(title).number] == status
        assert title in text_of(answer)
    assert len(shown) == Order.objects.filter(customer=world.fontaine).count()
    assert (TOTAL, "EUR") in sums_of(answer, "total")
    assert "Awaiting payment" in text_of(answer)


@pytest.mark.parametrize("status", ["awaiting_payment", "confirmed", "fulfilled", "cancelled"])
def test_a_filter_leaves_its_status_and_loses_no_row(world: World, client_for: Browser, status: str) -> None:
    client = client_for(world.camille)
    kept = rows_of(client.get(LIST, {"status": status}))
    assert kept == [row for row in rows_of(client.get(LIST, {"size": "100"})) if row[1] == status]
    assert kept


@pytest.mark.parametrize(
    ("q", "title"),
    [
        ("second WORK", AWAITING),
        ("€6,840.00", AWAITING),
        ("2736", AWAITING),
        ("atelier-fontaine", "Atelier database, first year"),
    ],
)
def test_a_search_finds_title_total_what_is_left_and_database(
    world: World, client_for: Browser, q: str, title: str
) -> None:
    found = rows_of(client_for(world.camille).get(LIST, {"q": q}))
    assert [number for number, _status in found] == [world.order(title).number]


def test_a_search_for_another_company_s_order_finds_nothing(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(LIST, {"q": "Oven scale"})
    assert rows_of(answer) == []
    assert "Nothing matches" in text_of(answer)


@pytest.mark.parametrize(
    ("sort", "field"), [("newest", "-pk"), ("oldest", "pk"), ("total", "-total_minor"), ("-total", "total_minor")]
)
def test_the_list_is_sorted_as_asked(world: World, client_for: Browser, sort: str, field: str) -> None:
    numbers = [number for number, _status in rows_of(client_for(world.camille).get(LIST, {"sort": sort}))]
    tie = "-pk" if field.startswith("-") else "pk"
    own = Order.objects.filter(customer=world.fontaine).order_by(field, tie)
    assert numbers == list(own.values_list("number", flat=True))


@pytest.mark.parametrize("query", ["sort=colour", "status=lost", "size=1000", "after=xyz", "q=%00"])
def test_a_list_asked_for_what_it_has_not_is_400(world: World, client_for: Browser, query: str) -> None:
    assert client_for(world.camille).get(f"{LIST}?{query}").status_code == 400


def test_list_and_page_cost_few_statements_however_many_rows(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    few = queries_of(client, f"{LIST}?size=100")
    assert few <= 4
    assert queries_of(client, where(world)) <= 8
    many = [cast.line(world, "training", name=f"Session {n}") for n in range(40)]
    for n in range(5):
        quotation = cast.offer(world, world.fontaine, f"Many {n}", many, world.now, payment_policy="full")
        cast.accept(world, quotation, world.now)
    assert queries_of(client, f"{LIST}?size=100") == few
    assert queries_of(client, where(world, "Many 0")) <= 8


# The order -------------------------------------------------------------------------------------------------------------


def test_an_order_that_awaits_payment_asks_for_its_deposit(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(where(world))
    assert sums_of(answer, "due") == {(DEPOSIT, "EUR")}
    for words in ("Awaiting payment", "Deposit of 40%", "Pay €2,736.00", "Payment request", "€6,840.00"):
        assert words in text_of(answer)


def test_an_order_in_delivery_tells_what_was_delivered_and_invoiced(world: World, client_for: Browser) -> None:
    told = text_of(client_for(world.camille).get(where(world, "Showroom configuration")))
    for words in ("Delivered: 2 of 4 days", "Delivered: 1 of 2 sessions", "Still to invoice", "Nothing is to be paid"):
        assert words in told
    assert "Pay €" not in told


def test_a_cancelled_order_says_so_and_takes_no_money(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    told = text_of(client.get(where(world, "Trade fair stand")))
    assert "This order was cancelled on" in told
    assert "There is nothing to pay." in told
    before = books()
    for answer in (
        client.get(where(world, "Trade fair stand", "pay/")),
        client.post(where(world, "Trade fair stand", "pay/"), {"seen_minor": "213600", "provider": "sandbox"}),
    ):
        assert answer.status_code == 409
        assert "This order was cancelled. There is nothing to pay, and nothing was charged." in text_of(answer)
    assert books() == before


def test_a_paid_order_links_its_invoice_and_takes_no_more(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    title = "Atelier database, first year"
    answer = client.get(where(world, title))
    assert "Nothing is to be paid at the moment." in text_of(answer)
    assert str(world.invoice(title).number) in text_of(answer)
    before = books()
    answer = client.post(where(world, title, "pay/"), {"seen_minor": "537600", "provider": "sandbox"})
    assert answer.status_code == 409
    assert "There is nothing left to pay on this order. Nothing was charged." in text_of(answer)
    assert books() == before


def test_an_order_whose_money_is_on_its_way_takes_no_second(world: World, client_for: Browser) -> None:
    before = books()
    title = "Label printer on the packing bench"
    answer = client_for(world.julien).post(where(world, title, "pay/"), {"seen_minor": "43200", "provider": "sandbox"})
    assert answer.status_code == 409
    assert "A payment of this order is on its way already. Nothing was charged a second time." in text_of(answer)
    assert books() == before


def test_a_disputed_invoice_is_not_paid_from_its_order(world: World, client_for: Browser) -> None:
    before = books()
    answer = client_for(world.lena).post(
        where(world, "Oven scale integration", "pay/"), {"seen_minor": "133500", "provider": "sandbox"}
    )
    assert answer.status_code == 409
    assert "is being looked into" in text_of(answer)
    assert books() == before


def test_words_that_people_wrote_stand_on_the_page_as_text(world: World, client_for: Browser) -> None:
    hostile = "<script>alert(1)</script> {{7*7}} שלום"
    line = cast.line(world, "training", name=hostile, detail=hostile)
    quotation = cast.offer(world, world.fontaine, hostile, [line], world.now)
    cast.accept(world, quotation, world.now, po_number="<script>alert(2)")
    client = client_for(world.camille)
    for page in (LIST, where(world, hostile), "/my/invoices/", "/my/"):
        raw = client.get(page).content.decode()
        assert "<script>alert" not in raw
        assert "{{7*7}}" in raw
        assert "שלום" in raw


# Files -----------------------------------------------------------------------------------------------------------------


def test_order_and_payment_request_come_as_pdf(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    number = world.order(AWAITING).number
    for tail, name in (("pdf/", f"{number}.pdf"), ("payment-request/", f"{number}-payment-request.pdf")):
        answer = client.get(where(world, tail=tail))
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.content.startswith(b"%PDF")
        assert name in answer.headers["Content-Disposition"]


def test_an_order_without_a_payment_request_has_no_pdf_of_one(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(where(world, "Showroom configuration", "payment-request/"))
    assert answer.status_code == 404
    assert "This order has no payment request." in text_of(answer)


# Paying ----------------------------------------------------------------------------------------------------------------


def test_the_deposit_is_paid_through_the_sandbox_and_the_order_starts(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    page = client.get(where(world, tail="pay/"))
    assert sums_of(page, "due") == {(DEPOSIT, "EUR")}
    answer = begun(client, where(world, tail="pay/"))
    payment = Payment.objects.latest("created_at")
    assert answer.headers["Location"] == payment.checkout_url
    assert (payment.state, payment.amount_minor, payment.created_by) == ("pending", DEPOSIT, world.julien)
    checkout = urlsplit(payment.checkout_url).path
    assert client.get(checkout).status_code == 200
    back = client.post(checkout, {"choice": "pay"})
    assert urlsplit(back.headers["Location"]).path == f"/my/payments/{payment.pk}/"
    pay.lookup_payment(payment=payment, now=world.now)
    order = world.order(AWAITING)
    assert order.state == "confirmed"
    invoice = order.invoices.get()
    assert (invoice.kind, invoice.total_minor, invoice.payment_state) == ("deposit", DEPOSIT, "paid")
    answer = client.get(where(world))
    assert str(invoice.number) in text_of(answer)
    assert client.get(where(world, tail="pay/")).status_code == 409


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"seen_minor": ""}, 400, "The form was not complete. Nothing was charged."),
        ({"seen_minor": "NaN"}, 400, "The form was not complete. Nothing was charged."),
        ({"seen_minor": "-273600"}, 400, "The form was not complete. Nothing was charged."),
        ({"seen_minor": "9" * 40}, 400, "The form was not complete. Nothing was charged."),
        ({"seen_minor": "2736.00"}, 400, "The form was not complete. Nothing was charged."),
        ({"seen_minor": "1"}, 409, "The amount due is now €2,736.00. Nothing was charged."),
        ({"provider": ""}, 400, "Choose how you want to pay. Nothing was charged."),
        ({"provider": "gold"}, 400, "This way to pay is not offered for this amount."),
        ({"provider": "sand\x00box"}, 400, "cannot be read"),
    ],
)
def test_a_payment_form_that_is_not_ours_begins_nothing(
    world: World, client_for: Browser, changes: dict[str, str], status: int, said: str
) -> None:
    client = client_for(world.julien)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox"} | changes
    before = books()
    answer = client.post(where(world, tail="pay/"), sent)
    assert answer.status_code == status
    assert said in text_of(answer)
    assert books() == before


def test_a_forged_part_of_an_order_changes_no_amount(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox", "part": "1", "amount_minor": "1"}
    assert client.post(where(world, tail="pay/"), sent).status_code == 302
    assert Payment.objects.latest("created_at").amount_minor == DEPOSIT


def test_an_order_cancelled_under_an_open_form_is_not_paid(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox"}
    orders.cancel_order(order=world.order(AWAITING), by=world.hanna, now=world.now)
    before = books()
    answer = client.post(where(world, tail="pay/"), sent)
    assert answer.status_code == 409
    assert "This order was cancelled." in text_of(answer)
    assert books() == before


def test_of_two_tabs_that_pay_one_after_the_other_only_the_last_can_be_charged(
    world: World, client_for: Browser
) -> None:
    first, second = client_for(world.julien), client_for(world.camille)
    begun(first, where(world, tail="pay/"))
    old = Payment.objects.latest("created_at")
    begun(second, where(world, tail="pay/"))
    new = Payment.objects.undecided().get(targets__request__order=world.order(AWAITING))
    old.refresh_from_db()
    assert (old.state, new.state) == ("cancelled", "pending")
    answer = first.post(urlsplit(old.checkout_url).path, {"choice": "pay"})
    assert answer.status_code == 409
    assert "Nothing was charged a second time." in text_of(answer)
    assert second.post(urlsplit(new.checkout_url).path, {"choice": "pay"}).status_code == 302
    taken = Checkout.objects.filter(state="succeeded", merchant_reference__in=[str(old.pk), str(new.pk)])
    assert [(one.merchant_reference, one.taken_minor) for one in taken] == [(str(new.pk), DEPOSIT)]


def paid_at_once(world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two tabs begin to pay; both have found no other attempt before either writes its own down."""
    clients, address = [client_for(world.julien), client_for(world.camille)], where(world, tail="pay/")
    forms = [form_of(client.get(address)) | {"provider": "sandbox"} for client in clients]
    ready, write_down = Barrier(2, timeout=60), pay.write_down

    def wait_and_write(*args: Any, **options: Any) -> Any:
        ready.wait()
        return write_down(*args, **options)

    monkeypatch.setattr(pay, "write_down", wait_and_write)
    return at_once(*(lambda c=c, f=f: c.post(address, f) for c, f in zip(clients, forms, strict=True)))


@pytest.mark.django_db(transaction=True)
def test_of_two_who_pay_at_the_same_moment_one_begins(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = paid_at_once(world, client_for, monkeypatch)
    assert statuses_of(answers) == [302, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert "A payment for this was begun at the same moment, perhaps in another tab." in text_of(loser)
    held = Payment.objects.filter(targets__request__order=world.order(AWAITING))
    assert [payment.state for payment in held] == ["pending"]
    assert Checkout.objects.filter(merchant_reference__in=[str(payment.pk) for payment in held]).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_control_without_the_database_s_rule_begins_two_payments(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold_nothing(payment: Payment, parts: list[pay.Due]) -> None:
        for due in parts:
            paper: dict[str, Any] = {"invoice" if isinstance(due.paper, Invoice) else "request": due.paper}
            PaymentTarget.objects.create(
                payment=payment, amount_minor=due.amount_minor, open=False, holds=False, **paper
            )

    monkeypatch.setattr(pay, "hold", hold_nothing)
    answers = paid_at_once(world, client_for, monkeypatch)
    assert statuses_of(answers) == [302, 302]
    assert Payment.objects.filter(targets__request__order=world.order(AWAITING), state="pending").count() == 2


# Who may ---------------------------------------------------------------------------------------------------------------

PAGES = ["", "pdf/", "payment-request/", "pay/"]


@pytest.mark.parametrize("number", ["SO-1999-00001", "nothing", "Q-2026-00001", "x" * 300, "%F0%9F%92%A9"])
def test_an_order_that_is_not_there_is_404_like_a_foreign_one(world: World, client_for: Browser, number: str) -> None:
    client = client_for(world.camille)
    foreign = world.order("Oven scale integration").number
    before = books()
    for key in (number, foreign):
        for tail in PAGES:
            answer = client.get(f"{LIST}{key}/{tail}")
            assert answer.status_code == 404, (key, tail)
            assert "There is no order of this number." in text_of(answer)
            assert "Oven" not in text_of(answer)
        answer = client.post(f"{LIST}{key}/pay/", {"seen_minor": "133500", "provider": "sandbox"})
        assert answer.status_code == 404
    assert books() == before


def test_a_customer_has_no_way_to_cancel_or_deliver_an_order(world: World, client_for: Browser) -> None:
    before = books()
    for tail in ("cancel/", "deliver/", "invoice/"):
        assert client_for(world.camille).post(where(world, tail=tail)).status_code == 404
        staff = where(world, tail=tail).replace("/my/", "/staff/")
        assert client_for(world.camille).post(staff).status_code == 404
    assert books() == before


@pytest.mark.parametrize("roles", [{"is_viewer": True}, {"is_approver": True}])
def test_who_may_not_pay_reads_and_is_told_who_may(world: World, client_for: Browser, roles: dict[str, bool]) -> None:
    user = User.objects.create_user("paul@fontaine.example", name="Paul")
    user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, **roles))
    client = client_for(user)
    told = text_of(client.get(where(world)))
    assert "An owner, or a colleague with the billing role, can pay this." in told
    assert "Pay €2,736.00" not in told
    before = books()
    answer = client.post(where(world, tail="pay/"), {"seen_minor": str(DEPOSIT), "provider": "sandbox"})
    assert answer.status_code == 403
    assert "Ask an owner" in text_of(answer)
    assert books() == before


def test_an_approver_who_accepts_lands_on_the_order_and_not_on_its_payment(world: World, client_for: Browser) -> None:
    user = User.objects.create_user("paul@fontaine.example", name="Paul")
    user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, is_approver=True))
    client = client_for(user)
    address = f"/my/quotations/{world.quotation('Workshop and showroom roll-out').number}/accept/"
    sent = form_of(client.get(address), "/accept/") | {"consent": "on", "signature_typed": "Paul"}
    answer = client.post(address, sent)
    assert answer.headers["Location"] == where(world, "Workshop and showroom roll-out")
    assert client.get(answer.headers["Location"]).status_code == 200


def test_a_form_without_its_token_is_refused_and_with_it_is_taken(world: World, client_for: Browser) -> None:
    client = client_for(world.julien, csrf=True)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox"}
    before = books()
    lost = {name: value for name, value in sent.items() if name != "csrfmiddlewaretoken"}
    answer = client.post(where(world, tail="pay/"), lost)
    assert answer.status_code == 403
    assert "This form was open for too long" in text_of(answer)
    assert books() == before
    assert client.post(where(world, tail="pay/"), sent).status_code == 302


@pytest.mark.parametrize(
    ("method", "tail"),
    [("post", ""), ("put", ""), ("delete", ""), ("post", "pdf/"), ("post", "payment-request/"), ("put", "pay/")],
)
def test_a_method_that_is_not_declared_is_405(world: World, client_for: Browser, method: str, tail: str) -> None:
    before = books()
    assert getattr(client_for(world.camille), method)(where(world, tail=tail)).status_code == 405
    assert books() == before
