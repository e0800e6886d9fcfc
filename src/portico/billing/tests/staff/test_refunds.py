"""Refunds on the desk: asked for on a payment's page, agreed by a colleague, each with its state and end."""

from collections.abc import Callable

from django.test import Client

from portico.accounts.models import User
from portico.billing.actions import pay
from portico.billing.models import Refund, RefundRules
from portico.billing.tests.my.pages import queries_of, rows_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/staff/refunds/"
IBAN = "FR76 3000 6000 0112 3456 7890 189"


def test_a_refund_is_asked_for_agreed_and_sent(world: World, client_for: Browser) -> None:
    payment = pay.book_transfer(
        customer=world.fontaine, amount_minor=200_000, received_on=world.now.date(), payer_name="A", by=world.omar,
        now=world.now,
    )  # fmt: skip
    client = client_for(world.omar)
    where = f"{LIST}new/?payment={payment.pk}"
    assert "Give money back" in text_of(client.get(f"/staff/payments/{payment.pk}/"))
    form = main_form(client.get(where))
    assert form["amount"] == "2,000.00"
    for wrong in ({"amount": "x"}, {"amount": "0"}, {"iban": "FR00"}, {"reason": ""}):
        assert client.post(f"{LIST}new/", form | {"iban": IBAN, "reason": "Twice."} | wrong).status_code == 400
    more = form | {"iban": IBAN, "reason": "Twice.", "amount": "2000.01"}
    told = client.post(f"{LIST}new/", more)
    assert (told.status_code, main_form(told)["reason"]) == (400, "Twice.")
    assert "At most €2,000.00 can go back." in text_of(told)
    answer = client.post(f"{LIST}new/", form | {"iban": IBAN, "reason": "Twice."})
    assert answer.status_code == 302
    made = Refund.objects.get()
    page = f"{LIST}{made.pk}/"
    assert rows_of(client.get(LIST, {"status": "waiting"})) == [(str(made.pk), "waiting")]
    assert "a colleague of finance must agree" in text_of(client.get(page))
    assert client.post(page, {"do": "agree"}).status_code == 403
    assert client.post(page, {"do": "?"}).status_code == 400
    olga = User.objects.create_user("olga@northwind.example", name="Olga", staff_role="finance", staff_of=world.seller)
    other = client_for(olga)
    assert other.post(page, {"do": "agree"}).status_code == 302
    assert other.post(page, {"do": "agree"}).status_code == 409
    assert client.post(page, {"do": "sent"}).status_code == 302
    assert rows_of(client.get(LIST)) == [(str(made.pk), "succeeded")]
    assert queries_of(client, LIST) <= 4
    assert b"Given back" in b"".join(client.get(LIST, {"format": "csv"}))
    assert "Given back" in text_of(client.get(f"/staff/payments/{payment.pk}/"))
    assert client.get(where).status_code == 409, "nothing is left"
    assert client_for(world.hanna).get(LIST).status_code == 403
    assert client.get(f"{LIST}new/?payment=x").status_code == 400
    assert client.get(f"{LIST}new/?payment=00000000-0000-4000-8000-000000000000").status_code == 404


def test_a_form_that_is_sent_twice_gives_back_once(world: World, client_for: Browser) -> None:
    payment = pay.book_transfer(
        customer=world.fontaine, amount_minor=50_000, received_on=world.now.date(), payer_name="A", by=world.omar,
        now=world.now,
    )  # fmt: skip
    client, where = client_for(world.omar), f"{LIST}new/?payment={payment.pk}"
    form = main_form(client.get(where)) | {"iban": IBAN, "reason": "Twice.", "amount": "100"}
    assert client.post(f"{LIST}new/", form).status_code == 302
    again = client.post(f"{LIST}new/", form)
    assert (again.status_code, "has changed meanwhile" in text_of(again)) == (409, True)
    assert Refund.objects.count() == 1
    anew = main_form(client.get(where)) | {"iban": IBAN, "reason": "Twice.", "amount": "100"}
    assert client.post(f"{LIST}new/", anew).status_code == 302, "the control: meant again, it is done"
    assert Refund.objects.count() == 2


def test_the_limit_is_the_administrators(world: World, client_for: Browser) -> None:
    assert client_for(world.omar).get(f"{LIST}limit/").status_code == 403
    client = client_for(world.admin)
    form = main_form(client.get(f"{LIST}limit/"))
    assert form["above"] == "1,000.00"
    assert client.post(f"{LIST}limit/", form | {"above": "x"}).status_code == 400
    assert client.post(f"{LIST}limit/", form | {"above": "250"}).status_code == 302
    assert RefundRules.of(world.seller).second_look_above_minor == 25_000
    assert client.post(f"{LIST}limit/", form | {"above": ""}).status_code == 302
    assert RefundRules.of(world.seller).second_look_above_minor is None
