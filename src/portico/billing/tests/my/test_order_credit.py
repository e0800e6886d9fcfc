"""A customer puts its credit towards what an order asks: all of it, a part, who may, and two tabs at once."""

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.test import Client

from portico.accounts.models import Event, Membership, User
from portico.billing import books
from portico.billing.actions import pay, prepay, settle
from portico.billing.actions.access import choose_databases
from portico.billing.actions.prepay import use_money_on_order
from portico.billing.models import Allocation, Order, Payment, PaymentRequest, Subscription
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.actions.test_bank import only
from portico.billing.tests.attempts import checkout_of, payer
from portico.billing.tests.banks import credit
from portico.billing.tests.my.pages import at_once, form_of, queries_of, statuses_of, sums_of, text_of
from portico.billing.tests.my.pages import books as rows
from portico.cast import World, accept, line, offer
from portico.kit.errors import Conflict, Forbidden, Missing
from portico.kit.models import Letter

Browser = Callable[..., Client]
AWAITING, DEPOSIT = "Second workshop", 273_600


def bring(world: World, amount_minor: int, *, looked_at: bool = True, days_ago: int = 0) -> Payment:
    """Money of which nobody knows what it is for."""
    payment = pay.book_transfer(
        customer=world.fontaine, amount_minor=amount_minor, received_on=world.now.date() - timedelta(days_ago),
        payer_name="ATELIER F.", by=world.omar, now=world.now,
    )  # fmt: skip
    if looked_at:
        pay.review_payment(payment=payment, by=world.omar, now=world.now)
    return payment


def where(world: World, tail: str = "") -> str:
    return f"/my/orders/{world.order(AWAITING).number}/{tail}"


def used(world: World, order: Order | None = None) -> int:
    return use_money_on_order(order=order or world.order(AWAITING), by=payer(world), now=world.now)


def begun(world: World) -> Payment:
    return pay.start_payment(by=payer(world), provider="sandbox", order=world.order(AWAITING), now=world.now)


def test_all_that_is_asked_is_covered_with_one_click_and_the_order_goes_on(world: World, client_for: Browser) -> None:
    payment, client = bring(world, 300_000), client_for(world.julien)
    page = client.get(where(world, "pay/"))
    told = text_of(page)
    assert "You have €3,000.00 to your credit." in told
    assert "the order goes on at once" in told
    assert "Use €2,736.00 of your credit" in told
    answer = client.post(where(world, "use-credit/"), form_of(page, "/use-credit/"))
    assert answer.headers["Location"] == where(world)
    assert "€2,736.00 of your credit is used." in text_of(client.get(where(world)))
    order = world.order(AWAITING)
    invoice = order.invoices.get()
    assert (order.state, invoice.kind, invoice.payment_state) == ("confirmed", "deposit", "paid")
    assert payment.unallocated_minor == 300_000 - DEPOSIT
    assert client.post(where(world, "use-credit/")).status_code == 409, "nothing is asked any more"
    assert books.verify() == []


def test_by_credit_the_same_follows_as_by_a_payment(world: World) -> None:
    """Two orders alike, one paid, one settled by credit: the same papers, the same events, the same letters beside money's."""

    def bought(title: str) -> Order:
        quotation = offer(world, world.fontaine, title, [line(world, "training")], world.now, payment_policy="full")
        return accept(world, quotation, world.now)

    def told(order: Order, letters: set[int]) -> tuple[Any, ...]:
        order.refresh_from_db()
        invoice = order.invoices.get()
        events = Event.objects.filter(noun="order", object_id=order.pk) | Event.objects.filter(
            noun="invoice", object_id=invoice.pk
        )
        mails = Letter.objects.exclude(pk__in=letters).exclude(event__startswith="payment_")
        return (
            order.state, invoice.kind, invoice.payment_state, invoice.amount_due_minor,
            sorted(events.values_list("name", flat=True)), sorted(mails.values_list("event", "person", "why")),
        )  # fmt: skip

    def so_far() -> set[int]:
        return set(Letter.objects.values_list("pk", flat=True))

    paid, by_credit = bought("By card"), bought("By credit")
    before = so_far()
    attempt = pay.start_payment(by=payer(world), provider="sandbox", order=paid, now=world.now)
    gateway.pay(checkout_of(attempt), now=world.now)
    pay.lookup_payment(payment=attempt, now=world.now)
    by_card = told(paid, before)
    assert {"order.confirmed", "invoice.issued", "invoice.paid"} <= set(by_card[4])
    asked = by_credit.payment_requests.get().amount_minor
    bring(world, asked)
    before = so_far()
    assert used(world, by_credit) == asked
    assert told(by_credit, before) == by_card
    assert books.verify() == []


def test_a_part_is_put_towards_it_and_the_rest_is_asked(world: World, client_for: Browser) -> None:
    payment, client = bring(world, 100_000), client_for(world.julien)
    page = client.get(where(world, "pay/"))
    assert "It is put towards this order; you pay the rest." in text_of(page)
    assert client.post(where(world, "use-credit/"), form_of(page, "/use-credit/")).status_code == 302
    assert payment.unallocated_minor == 0
    assert world.order(AWAITING).state == "awaiting_payment"
    page = client.get(where(world, "pay/"))
    assert sums_of(page, "due") == {(DEPOSIT - 100_000, "EUR")}
    assert "to your credit" not in text_of(page)
    attempt = begun(world)
    assert attempt.amount_minor == DEPOSIT - 100_000
    gateway.pay(checkout_of(attempt), now=world.now)
    pay.lookup_payment(payment=attempt, now=world.now)
    order = world.order(AWAITING)
    assert (order.state, order.invoices.get().payment_state) == ("confirmed", "paid")
    assert books.verify() == []


def test_several_payments_are_used_the_oldest_first(world: World) -> None:
    second, first = bring(world, 200_000, days_ago=1), bring(world, 150_000, days_ago=2)
    assert used(world) == DEPOSIT
    assert (first.unallocated_minor, second.unallocated_minor) == (0, 76_400)
    assert books.verify() == []


def test_money_that_staff_must_look_at_first_is_not_offered(world: World, client_for: Browser) -> None:
    bring(world, 100_000, looked_at=False)
    client, before = client_for(world.julien), rows()
    assert "to your credit" not in text_of(client.get(where(world, "pay/")))
    assert client.post(where(world, "use-credit/")).status_code == 409
    assert rows() == before


def test_an_open_checkout_is_ended_first_and_one_on_its_way_stops_it(world: World) -> None:
    payment, attempt = bring(world, 100_000), begun(world)
    assert used(world) == 100_000
    attempt.refresh_from_db()
    assert (attempt.state, checkout_of(attempt).state) == ("cancelled", "expired")
    payment, attempt = bring(world, 50_000), begun(world)
    gateway.go_silent(checkout_of(attempt), now=world.now)
    with pytest.raises(Conflict, match="not known yet"):
        used(world)
    assert payment.unallocated_minor == 50_000
    assert books.verify() == []


def announced(world: World) -> Payment:
    return pay.start_payment(by=payer(world), provider="bank_transfer", order=world.order(AWAITING), now=world.now)


def test_an_announced_transfer_asks_for_what_the_credit_left(world: World, client_for: Browser) -> None:
    transfer, client = announced(world), client_for(world.julien)
    there = f"/my/payments/{transfer.pk}/"
    bring(world, 100_000)
    used(world)
    page = client.get(there)
    assert "Transfer €1,736.00" in text_of(page)
    assert "Of the €2,736.00 that you announced only this is left to pay." in text_of(page)
    assert "Amount€1,736.00" in text_of(page)
    assert queries_of(client, there) <= 8
    entry = only(world, credit(DEPOSIT - 100_000, words=transfer.reference))
    assert (entry.state, entry.by_itself) == ("booked", True)
    order = world.order(AWAITING)
    assert (order.state, order.invoices.get().payment_state) == ("confirmed", "paid")
    assert books.verify() == []


def test_an_announced_transfer_is_not_asked_for_when_credit_has_paid_all(world: World, client_for: Browser) -> None:
    transfer, client = announced(world), client_for(world.julien)
    there = f"/my/payments/{transfer.pk}/"
    assert "We book it when it arrives" in text_of(client.get(where(world))), "the control"
    assert client.get(f"{there}qr/").status_code == 200
    bring(world, 300_000)
    used(world)
    told = text_of(client.get(there))
    assert "The transfer of €2,736.00 is not needed any more" in told
    assert "Please do not transfer it." in told
    assert "IBAN" not in told
    assert client.get(f"{there}qr/").status_code == 404
    assert "We book it when it arrives" not in text_of(client.get(where(world)))
    entry = only(world, credit(DEPOSIT, words=transfer.reference))
    assert entry.payment is not None
    assert (entry.state, entry.payment.unallocated_minor) == ("booked", DEPOSIT), "sent all the same: its credit"
    assert books.verify() == []


@pytest.mark.parametrize("arrives", [True, False])
def test_what_an_order_asks_is_not_asked_again_while_it_is_on_its_way(
    world: World, client_for: Browser, arrives: bool
) -> None:
    attempt, client = begun(world), client_for(world.julien)
    number = world.order(AWAITING).number
    asks = f"Order {number} awaits your payment"
    money = bring(world, 100_000)
    assert asks in text_of(client.get("/my/"))
    assert f'href="{where(world, "pay/")}"' in client.get(where(world)).content.decode()
    assert client.get(where(world, "pay/")).status_code == 200
    gateway.pay_late(checkout_of(attempt), now=world.now, after=timedelta(days=30))
    pay.lookup_payment(payment=attempt, now=world.now)
    told = client.get(where(world))
    assert "In payment: €2,736.00" in text_of(told)
    assert f'href="{where(world, "pay/")}"' not in told.content.decode()
    answer = client.get(where(world, "pay/"))
    assert answer.status_code == 409
    assert "is on its way already" in text_of(answer)
    assert asks not in text_of(client.get("/my/"))
    assert client.post(where(world, "use-credit/")).status_code == 409
    assert money.unallocated_minor == 100_000
    if arrives:
        gateway.pass_time(world.now + timedelta(days=31))
        pay.lookup_payment(payment=attempt, now=world.now)
        assert world.order(AWAITING).state == "confirmed"
    else:
        pay.fail_payment(payment=attempt, failure_code="insufficient_funds", now=world.now)
        assert asks in text_of(client.get("/my/"))
        assert client.get(where(world, "pay/")).status_code == 200
    assert books.verify() == []


def test_who_may_and_whose_order(world: World, client_for: Browser) -> None:
    payment = bring(world, 100_000)
    viewer = User.objects.create_user("paul@fontaine.example", name="Paul")
    viewer.switch_to(Membership.objects.create(user=viewer, customer=world.fontaine, is_approver=True))
    before = rows()
    assert client_for(viewer).post(where(world, "use-credit/")).status_code == 403
    assert client_for(world.lena).post(where(world, "use-credit/")).status_code == 404
    assert client_for(world.julien).get(where(world, "use-credit/")).status_code == 405
    order = world.order(AWAITING)
    with pytest.raises(Forbidden):
        use_money_on_order(order=order, by=world.member(viewer), now=world.now)
    with pytest.raises(Missing):
        use_money_on_order(order=order, by=world.member(world.lena), now=world.now)
    assert rows() == before
    assert payment.unallocated_minor == 100_000


def test_who_sees_a_part_of_the_company_does_not_spend_its_credit(world: World, client_for: Browser) -> None:
    payment, order = bring(world, 100_000), world.order(AWAITING)
    user = User.objects.create_user("bea@fontaine.example", name="Bea")
    made = Membership.objects.create(user=user, customer=world.fontaine, is_billing=True)
    user.switch_to(made)
    choose_databases(membership=made, names=["atelier-fontaine"], by=world.camille, now=world.now)
    Order.objects.filter(pk=order.pk).update(
        subscription=Subscription.objects.get(database__name="atelier-fontaine", customer=world.fontaine)
    )
    client, before = client_for(user), rows()
    assert "to your credit" not in text_of(client.get(where(world, "pay/")))
    assert "to your credit" in text_of(client_for(world.julien).get(where(world, "pay/"))), "the control"
    assert client.post(where(world, "use-credit/")).status_code == 403
    with pytest.raises(Forbidden, match="whole company"):
        use_money_on_order(order=order, by=Membership.objects.get(pk=made.pk), now=world.now)
    assert rows() == before
    assert payment.unallocated_minor == 100_000


def test_the_page_costs_few_statements(world: World, client_for: Browser) -> None:
    bring(world, 100_000)
    assert queries_of(client_for(world.julien), where(world, "pay/")) <= 8


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: what is left was read before the lock"])
def test_of_two_tabs_at_once_the_credit_is_used_once(
    world: World, client_for: Browser, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = bring(world, 100_000)
    clients, there = [client_for(world.julien), client_for(world.camille)], where(world, "use-credit/")
    both, read = Barrier(2, timeout=20), prepay.own_money

    def read_by_both(*args: Any) -> list[Payment]:
        found = read(*args)
        both.wait()
        return found

    monkeypatch.setattr(prepay, "own_money", read_by_both)
    if not guarded:
        monkeypatch.setattr(Payment, "unallocated_minor", property(lambda self: 100_000 - taken.get(id(self), 0)))
        taken: dict[int, int] = {}
        allocate = settle.allocate_to_request

        def blind(source: Payment, request: PaymentRequest, *args: Any, **options: Any) -> int:
            due = settle.request_due_minor(request)
            left = allocate(source, request, *args, **options)
            taken[id(source)] = due - left
            return left

        monkeypatch.setattr(settle, "allocate_to_request", blind)
    answers = at_once(*(lambda one=one: one.post(there) for one in clients))
    monkeypatch.undo()
    assert statuses_of(answers) == ([302, 409] if guarded else [302, 302])
    on_order = Allocation.objects.filter(payment=payment, request__order=world.order(AWAITING))
    assert sum(one.amount_minor for one in on_order) == (100_000 if guarded else 200_000)
