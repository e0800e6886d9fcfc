"""Money that is on its way counts with its amount: the rest stays due, is reminded of, and can be paid beside it."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from threading import Barrier, BrokenBarrierError
from threading import Event as Flag
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portico.billing import books, jobs
from portico.billing.actions import bank, charge, dunning, pay, receive, reverse
from portico.billing.actions.spend import use_own_credit
from portico.billing.models import Invoice, Payment, PaymentTarget, Reminder
from portico.billing.providers.base import ReversalReport, ReversalSaid
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout
from portico.billing.statement import Cut, statement_of
from portico.billing.tests.actions.test_autopay import of, renewed, sweep
from portico.billing.tests.actions.test_bank import only
from portico.billing.tests.attempts import OPEN, begin, checkout_of, payer, saved_by
from portico.billing.tests.banks import credit as credited
from portico.billing.tests.my.pages import at_once, form_of, queries_of, statuses_of, text_of
from portico.billing.tests.parts import in_parts
from portico.cast import World
from portico.kit import formats
from portico.kit.errors import Conflict, Invalid
from portico.kit.models import Letter
from portico.kit.outbox import render
from portico.kit.periods import today

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
Browser = Callable[..., Client]
Clock = time_machine.Traveller
DUE = 106_800


def confirmed(world: World, invoice: Invoice, amount_minor: int | None, *, now: datetime | None = None) -> Payment:
    """The payer confirms a payment of so much (None: of what is left), which arrives in a month."""
    now = now or world.now
    payment = pay.start_payment(
        by=payer(world), provider="sandbox", invoices=[invoice], amount_minor=amount_minor, now=now
    )
    gateway.pay_late(checkout_of(payment), now=now, after=timedelta(days=30))
    pay.lookup_payment(payment=payment, now=now)
    invoice.refresh_from_db()
    return payment


def arrives(payment: Payment) -> None:
    """What was on its way is there."""
    checkout, now = checkout_of(payment), payment.created_at
    if checkout.state == "open":
        gateway.pay(checkout, now=now)
    Checkout.objects.filter(pk=checkout.pk, state="processing").update(next_at=now)
    pay.lookup_payment(payment=payment, now=now)


def fails(payment: Payment) -> None:
    """The payer's bank does not let it go."""
    pay.fail_payment(payment=payment, failure_code="insufficient_funds", now=payment.created_at)


def stands(invoice: Invoice) -> tuple[str, int, int]:
    """Payment state, amount due, what of it is on its way."""
    invoice.refresh_from_db()
    return invoice.payment_state, invoice.amount_due_minor, invoice.on_its_way_minor


# What it counts for ----------------------------------------------------------------------------------------------------


def test_a_euro_on_its_way_leaves_the_rest_due_overdue_and_reminded_of(world: World) -> None:
    invoice = world.invoice(OPEN)
    assert invoice.due_on is not None
    confirmed(world, invoice, 100)
    assert stands(invoice) == ("not_paid", DUE, 100)
    assert invoice.left_to_pay_minor == DUE - 100
    late = datetime.combine(invoice.due_on, world.now.timetz()) + timedelta(days=8)
    assert invoice.is_overdue(today(late, world.seller.zone))
    assert Invoice.objects.of_status("overdue", late.date()).filter(pk=invoice.pk).exists()
    dunning.remind_due(late)
    assert [(one.stage, one.due_minor) for one in Reminder.objects.filter(invoice=invoice)] == [("late", DUE - 100)]
    letter = Letter.objects.filter(event="invoice_overdue", about=f"invoice:{invoice.pk}").earliest("id")
    drawn = render(letter)
    assert drawn is not None
    assert formats.money(DUE - 100, "EUR", letter.language) in drawn.text
    assert books.verify() == []


def test_all_of_it_on_its_way_is_in_payment_and_nothing_more_can_be_paid(world: World) -> None:
    invoice = world.invoice(OPEN)
    confirmed(world, invoice, None)
    assert stands(invoice) == ("in_payment", DUE, DUE)
    with pytest.raises(Conflict, match=r"is on its way already\. Nothing was charged a second time"):
        begin(world, now=world.now)
    with pytest.raises(Conflict, match="is on its way already"):
        pay.start_payment(by=payer(world), provider="sandbox", order=invoice.order, now=world.now)
    assert Payment.objects.filter(targets__invoice=invoice).count() == 1


def test_part_and_rest_arrive_and_pay_it_exactly(world: World) -> None:
    invoice = world.invoice(OPEN)
    part = confirmed(world, invoice, 100)
    with pytest.raises(Invalid, match="no more than is due"):
        pay.start_payment(by=payer(world), provider="sandbox", invoices=[invoice], amount_minor=DUE - 99, now=world.now)
    rest = begin(world, now=world.now)
    assert rest.amount_minor == DUE - 100
    assert stands(invoice) == ("not_paid", DUE, 100)
    gateway.pay_late(checkout_of(rest), now=world.now)
    pay.lookup_payment(payment=rest, now=world.now)
    assert stands(invoice) == ("in_payment", DUE, DUE)
    arrives(rest)
    assert stands(invoice) == ("in_payment", 100, 100)
    arrives(part)
    assert stands(invoice) == ("paid", 0, 0)
    for payment in (part, rest):
        payment.refresh_from_db()
        assert (payment.unallocated_minor, payment.review) == (0, "")
    assert books.verify() == []


def test_what_does_not_arrive_is_due_again(world: World) -> None:
    invoice = world.invoice(OPEN)
    part = confirmed(world, invoice, 60_000)
    rest = begin(world, now=world.now)
    fails(part)
    assert stands(invoice) == ("not_paid", DUE, 0)
    arrives(rest)
    assert stands(invoice) == ("partially_paid", 60_000, 0)
    confirmed(world, invoice, None)
    assert stands(invoice) == ("in_payment", 60_000, 60_000)
    assert books.verify() == []


def test_what_is_taken_back_is_due_beside_what_is_on_its_way(world: World) -> None:
    invoice = world.invoice(OPEN)
    part = confirmed(world, invoice, 60_000)
    arrives(part)
    confirmed(world, invoice, None)
    assert stands(invoice) == ("in_payment", DUE - 60_000, DUE - 60_000)
    part.refresh_from_db()
    report = ReversalReport(ReversalSaid.LOST, "du_1", part.charge_reference, 60_000, "EUR", "insufficient_funds")
    reverse.apply_reversal(payment=part, report=report, now=world.now)
    assert stands(invoice) == ("not_paid", DUE, DUE - 60_000)
    assert begin(world, now=world.now).amount_minor == 60_000
    assert books.verify() == []


def test_a_second_attempt_holds_the_rest_alone(world: World) -> None:
    """Two that are not confirmed are never open at once: the older is ended, and the database allows no other."""
    invoice = world.invoice(OPEN)
    confirmed(world, invoice, 100)
    first = begin(world, now=world.now)
    second = begin(world, now=world.now + timedelta(minutes=5))
    first.refresh_from_db()
    assert (first.state, second.state) == ("cancelled", "pending")
    with pytest.raises(IntegrityError), transaction.atomic():
        PaymentTarget.objects.filter(payment=first).update(open=True, holds=True)
    assert books.verify() == []


def test_what_is_not_known_holds_all_of_it_though_its_payer_was_done(world: World, clock: Clock) -> None:
    invoice = world.invoice(OPEN)
    part = confirmed(world, invoice, 100)
    pay.not_known(part, now=world.now)
    Checkout.objects.filter(merchant_reference=str(part.pk)).update(state="silent")
    clock.shift(timedelta(minutes=5))
    with pytest.raises(Conflict, match="So that you never pay twice"):
        begin(world, now=world.now + timedelta(minutes=5))
    assert stands(invoice) == ("not_paid", DUE, 100)
    Checkout.objects.filter(merchant_reference=str(part.pk)).update(state="processing")
    with pytest.raises(Conflict, match="already on its way"):
        begin(world, now=world.now + timedelta(minutes=5))
    assert begin(world, now=world.now + timedelta(minutes=6)).amount_minor == DUE - 100
    assert books.verify() == []


def test_a_payment_request_stays_held_until_its_end(world: World) -> None:
    order = world.order("Second workshop")
    payment = pay.start_payment(by=payer(world), provider="sandbox", order=order, now=world.now)
    gateway.pay_late(checkout_of(payment), now=world.now)
    pay.lookup_payment(payment=payment, now=world.now)
    assert PaymentTarget.objects.get(payment=payment).holds
    with pytest.raises(Conflict, match="already on its way"):
        pay.start_payment(by=payer(world), provider="sandbox", order=order, now=world.now)
    assert books.verify() == []


def test_credit_settles_what_is_not_on_its_way(world: World) -> None:
    invoice = world.invoice(OPEN)
    confirmed(world, invoice, 100_000)
    money = pay.book_transfer(
        customer=world.fontaine, amount_minor=50_000, received_on=world.now.date(), payer_name="ATELIER F.",
        by=world.omar, now=world.now,
    )  # fmt: skip
    money.reviewed(now=world.now)
    assert use_own_credit(invoice=invoice, by=payer(world), now=world.now) == 6_800
    assert stands(invoice) == ("in_payment", 100_000, 100_000)
    money.refresh_from_db()
    assert money.unallocated_minor == 50_000 - 6_800
    assert books.verify() == []


def test_a_transfer_pays_what_is_left_of_all_before_what_is_on_its_way(world: World) -> None:
    first, second = world.invoice(OPEN), in_parts(world)
    part = confirmed(world, first, 100_000)
    money = pay.book_transfer(
        customer=world.fontaine, invoices=[first, second], amount_minor=126_800 + 50_000, received_on=world.now.date(),
        payer_name="ATELIER F.", by=world.omar, now=world.now,
    )  # fmt: skip
    assert [one.amount_minor for one in money.targets.order_by("pk")] == [56_800, 120_000]
    assert stands(first) == ("in_payment", 50_000, 50_000)
    assert stands(second) == ("paid", 0, 0)
    arrives(part)
    part.refresh_from_db()
    assert (stands(first), part.unallocated_minor) == (("paid", 0, 0), 50_000)
    assert books.verify() == []


@pytest.mark.parametrize("amount", [DUE - 100, DUE])
def test_a_transfer_of_the_rest_or_of_all_that_is_due_is_booked_by_itself(world: World, amount: int) -> None:
    invoice = world.invoice(OPEN)
    confirmed(world, invoice, 100)
    entry = only(world, credited(amount, words=f"Invoice {invoice.number}"))
    assert (entry.state, entry.by_itself) == ("booked", True)
    assert stands(invoice) == ((("in_payment", 100, 100)) if amount < DUE else ("paid", 0, 0))
    assert books.verify() == []


@pytest.mark.parametrize(("amount", "state"), [(36_000, "open"), (120_000, "booked")])
def test_a_transfer_for_parts_that_are_all_on_their_way_is_looked_at(
    world: World, client_for: Browser, amount: int, state: str
) -> None:
    """It names an invoice of which nothing is left to pay: no part of it is next."""
    invoice = in_parts(world)
    confirmed(world, invoice, None)
    entry = only(world, credited(amount, words=f"Invoice {invoice.number}"))
    assert entry.state == state
    assert str(invoice.number) in text_of(client_for(world.omar).get(f"/staff/bank/{entry.pk}/"))
    assert books.verify() == []


@pytest.mark.parametrize("amount", [DUE - 100, DUE])
def test_without_a_number_the_amount_leads_to_it_too(world: World, amount: int) -> None:
    invoice = world.invoice(OPEN)
    confirmed(world, invoice, 100)
    entry = only(world, credited(amount, words="Thank you"))
    assert entry.state == "open"
    assert bank.candidates_for(entry)[0].invoices == (invoice,)


# Parts -----------------------------------------------------------------------------------------------------------------


def test_the_next_day_is_that_of_the_part_that_is_not_on_its_way(world: World) -> None:
    invoice = in_parts(world)
    first = invoice.due_on
    assert first is not None
    part = confirmed(world, invoice, 36_000)
    assert (stands(invoice), invoice.due_on) == (("not_paid", 120_000, 36_000), first + timedelta(days=30))
    later = world.now + timedelta(days=8)
    assert not invoice.is_overdue(later.date())
    dunning.remind_due(later)
    assert not Reminder.objects.filter(invoice=invoice).exists()
    assert books.verify() == []
    fails(part)
    assert (stands(invoice), invoice.due_on) == (("not_paid", 120_000, 0), first)
    dunning.remind_due(later)
    assert [one.due_minor for one in Reminder.objects.filter(invoice=invoice)] == [36_000]
    assert books.verify() == []


def test_of_a_part_that_is_half_on_its_way_the_other_half_is_overdue(world: World) -> None:
    invoice = in_parts(world)
    confirmed(world, invoice, 20_000)
    later = world.now + timedelta(days=8)
    rows = Invoice.objects.filter(pk=invoice.pk).with_parts().order_by("part")
    assert list(rows.values_list("part", "part_unpaid_minor", "part_left_minor")) == [
        (1, 36_000, 16_000), (2, 84_000, 84_000),
    ]  # fmt: skip
    dunning.remind_due(later)
    assert [one.due_minor for one in Reminder.objects.filter(invoice=invoice)] == [16_000]
    cut = Cut("EUR", world.now.date() - timedelta(days=300), later.date())
    before = statement_of(world.fontaine, cut, now=world.now)
    made = statement_of(world.fontaine, cut, now=later)
    assert made.open_minor == before.open_minor
    assert made.in_payment_minor == 43_200 + 20_000
    assert made.late_in_payment_minor >= 20_000
    assert made.overdue_minor == sum(one.minor for one in made.ages if one.key != "0") - made.late_in_payment_minor


# Auto-pay --------------------------------------------------------------------------------------------------------------


def test_auto_pay_charges_the_rest_and_what_did_not_arrive(world: World, clock: Clock) -> None:
    saved_by(payer(world), now=world.now)
    invoice = renewed(world)
    due = invoice.amount_due_minor
    part = confirmed(world, invoice, 100)
    sweep(world.now)
    own = Payment.objects.get(collection=of(invoice))
    assert (own.state, own.amount_minor) == ("succeeded", due - 100)
    assert stands(invoice) == ("in_payment", 100, 100)
    for hours in (1, 2, 30):
        clock.move_to(world.now + timedelta(hours=hours))
        jobs.collections(world.now + timedelta(hours=hours))
    assert Payment.objects.filter(collection=of(invoice)).count() == 1
    fails(part)
    clock.move_to(world.now + timedelta(days=3))
    jobs.collections(world.now + timedelta(days=3))
    assert stands(invoice) == ("paid", 0, 0)
    assert of(invoice).state == "paid"
    assert books.verify() == []


# At once ---------------------------------------------------------------------------------------------------------------


def the_rest_at_once(world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch) -> tuple[Invoice, list[Any]]:
    """A part is on its way; two tabs charge the rest. Both have found nothing in their way before either writes."""
    invoice = world.invoice(OPEN)
    confirmed(world, invoice, 100)
    method = saved_by(payer(world), now=world.now)
    clients, address = [client_for(world.julien), client_for(world.camille)], f"/my/invoices/{invoice.number}/pay/"
    forms = [form_of(client.get(address)) | {"provider": f"saved-{method.pk}"} for client in clients]
    assert [one["seen_minor"] for one in forms] == [str(DUE - 100)] * 2
    ready, written, write_down = Barrier(2, timeout=60), Barrier(2, timeout=3), pay.write_down

    def wait_and_write(*args: Any, **options: Any) -> Any:
        ready.wait()
        payment = write_down(*args, **options)
        with suppress(BrokenBarrierError):  # where the other is refused, as it should be, nobody else comes
            written.wait()
        return payment

    monkeypatch.setattr(pay, "write_down", wait_and_write)
    return invoice, at_once(*(lambda c=c, f=f: c.post(address, f) for c, f in zip(clients, forms, strict=True)))


@pytest.mark.django_db(transaction=True)
def test_of_two_tabs_that_pay_the_rest_one_is_charged(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice, answers = the_rest_at_once(world, client_for, monkeypatch)
    assert statuses_of(answers) == [302, 409]
    assert Checkout.objects.filter(mode="charge", state="succeeded").count() == 1
    assert stands(invoice) == ("in_payment", 100, 100)
    assert books.verify() == []


@pytest.mark.django_db(transaction=True)
def test_the_control_without_the_hold_charges_the_rest_twice(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold_nothing(payment: Payment, parts: list[pay.Due]) -> None:
        for due in parts:
            PaymentTarget.objects.create(
                payment=payment, amount_minor=due.amount_minor, holds=False, invoice_id=due.paper.pk
            )

    monkeypatch.setattr(pay, "hold", hold_nothing)
    _invoice, answers = the_rest_at_once(world, client_for, monkeypatch)
    assert statuses_of(answers) == [302, 302]
    assert Checkout.objects.filter(mode="charge", state="succeeded").count() == 2


def confirmed_while_another_begins(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Invoice, list[Any]]:
    """A part is confirmed by its payer in the moment in which a second attempt, for all that was left, is written down."""
    invoice = world.invoice(OPEN)
    part = pay.start_payment(
        by=payer(world), provider="sandbox", invoices=[invoice], amount_minor=60_000, now=world.now
    )
    gateway.pay_late(checkout_of(part), now=world.now, after=timedelta(days=30))
    method = saved_by(payer(world), now=world.now)
    found, told, write_down = Barrier(2, timeout=60), Barrier(2, timeout=60), pay.write_down

    def wait_and_write(*args: Any, **options: Any) -> Any:
        found.wait()
        told.wait()
        return write_down(*args, **options)

    monkeypatch.setattr(pay, "write_down", wait_and_write)
    monkeypatch.setattr(pay, "undecided_for", lambda _chosen: [])  # as if the notice came right after it had looked

    def notice() -> str:
        found.wait()
        pay.payment_processing(payment=part, now=world.now)
        told.wait()
        return "told"

    def begins() -> Payment:
        return charge.pay_with_saved(by=payer(world), method=method, invoices=[invoice], now=world.now)

    return invoice, at_once(begins, notice)


@pytest.mark.django_db(transaction=True)
def test_what_begins_its_way_meanwhile_is_counted_under_the_lock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice, (begun, _told) = confirmed_while_another_begins(world, monkeypatch)
    assert isinstance(begun, Conflict)
    assert "The amount due is now" in begun.message
    assert Payment.objects.filter(targets__invoice=invoice).count() == 1
    assert stands(invoice) == ("not_paid", DUE, 60_000)
    assert books.verify() == []


@pytest.mark.django_db(transaction=True)
def test_the_control_that_does_not_look_again_charges_more_than_is_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Invoice, "left_to_pay_minor", property(lambda self: self.amount_due_minor))
    invoice, (begun, _told) = confirmed_while_another_begins(world, monkeypatch)
    assert isinstance(begun, Payment), begun
    assert begun.amount_minor + 60_000 > DUE
    assert Payment.objects.filter(targets__invoice=invoice).count() == 2


ENDS: dict[str, Callable[..., Payment]] = {
    "declined": partial(pay.fail_payment, failure_code="card_declined"),
    "given up": pay.cancel_payment,
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ends", list(ENDS))
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "control: it ends before its papers are locked"])
def test_a_notice_and_a_look_up_that_contradict_each_other_do_not_wait_for_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch, ends: str, guarded: bool
) -> None:
    """One says that it is on its way, the other that it has ended: both are heard, whichever comes first."""
    payment = begin(world, now=world.now)
    locked, ended, lock, end = Flag(), Flag(), receive.lock_targets, Payment.end

    def lock_and_wait(one: Payment) -> Any:
        if one.failure_code == "blind":
            return []
        found = lock(one)
        locked.set()
        ended.wait(0.5)
        return found

    def end_and_wait(one: Payment, *args: Any, **changes: Any) -> bool:
        done = end(one, *args, **changes)
        ended.set()
        locked.wait(0.5)
        return done

    monkeypatch.setattr(receive, "lock_targets", lock_and_wait)
    monkeypatch.setattr(Payment, "end", end_and_wait)
    one, other = Payment.objects.get(pk=payment.pk), Payment.objects.get(pk=payment.pk)
    other.failure_code = "" if guarded else "blind"
    answers = at_once(
        lambda: pay.payment_processing(payment=one, now=world.now), lambda: ENDS[ends](payment=other, now=world.now)
    )
    faults = [type(answer) for answer in answers if isinstance(answer, Exception)]
    assert faults == ([OperationalError] if not guarded and connection.vendor == "postgresql" else [])
    if guarded:
        payment.refresh_from_db()
        assert payment.state in {"failed", "cancelled"}
        assert stands(world.invoice(OPEN)) == ("not_paid", DUE, 0)
        assert books.verify() == []


# Pages -----------------------------------------------------------------------------------------------------------------


def test_the_pages_say_what_is_on_its_way_in_few_statements(world: World, client_for: Browser) -> None:
    invoice, client = world.invoice(OPEN), client_for(world.julien)
    confirmed(world, invoice, 100)
    page = f"/my/invoices/{invoice.number}/"
    for address in (page, f"{page}pay/"):
        client.get(address)
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(address)
        assert len(asked) <= 8, [one["sql"][:200] for one in asked]
        assert "€1.00 of it is on its way since" in text_of(answer)
    assert form_of(client.get(f"{page}pay/"))["seen_minor"] == str(DUE - 100)
    assert "€1.00 on its way" in text_of(client.get("/my/invoices/"))
    desk = client_for(world.omar)
    assert "€1.00 of it is on its way since" in text_of(desk.get(f"/staff/invoices/{invoice.number}/"))


def test_the_same_of_an_invoice_in_parts_beside_credit_and_a_saved_way_to_pay(
    world: World, client_for: Browser
) -> None:
    saved_by(payer(world), now=world.now)
    money = pay.book_transfer(
        customer=world.fontaine, amount_minor=50_000, received_on=world.now.date(), payer_name="A", by=world.omar,
        now=world.now,
    )  # fmt: skip
    pay.review_payment(payment=money, by=world.omar, now=world.now)
    invoices = in_parts(world), in_parts(world)
    for invoice in invoices:
        confirmed(world, invoice, 10_000)
    client, desk = client_for(world.julien), client_for(world.omar)
    one, both = f"/my/invoices/{invoices[0].number}/pay/", "&".join(f"number={invoice.number}" for invoice in invoices)
    for address in (one, f"/my/invoices/pay/?{both}"):
        assert queries_of(client, address) <= 8
    assert "You have €500.00 to your credit." in text_of(client.get(one))
    there = f"/staff/invoices/{invoices[0].number}/"
    assert queries_of(desk, there) <= 8
    assert "€100.00 of it is on its way since 9 Nov 2026" in text_of(desk.get(there))


# Rows of before --------------------------------------------------------------------------------------------------------


def test_rows_of_before_count_what_is_on_its_way(world: World) -> None:
    plain, parts, whole = world.invoice(OPEN), in_parts(world), in_parts(world, title="Whole")
    pay.book_transfer(
        customer=world.fontaine, invoices=[plain], amount_minor=800, received_on=world.now.date(), payer_name="A",
        by=world.omar, now=world.now,
    )  # fmt: skip
    for invoice, amount in ((plain, 100), (parts, 36_000), (whole, None)):
        confirmed(world, invoice, amount)
    begin(world, now=world.now)

    def rows() -> list[Any]:
        names = ("pk", "payment_state", "on_its_way_minor", "due_on")
        targets = PaymentTarget.objects.order_by("pk").values_list("pk", "open", "holds")
        return [*Invoice.objects.order_by("pk").values_list(*names), *targets]

    made = rows()
    Invoice.objects.filter(pk=plain.pk).update(payment_state="in_payment")
    Invoice.objects.filter(pk__in=[parts.pk, whole.pk]).update(payment_state="in_payment", due_on=world.now.date())
    Invoice.objects.update(on_its_way_minor=0)
    PaymentTarget.objects.update(holds=False)
    assert rows() != made
    import_module("portico.billing.migrations.0033_on_its_way").count_what_is_on_its_way(apps, None)
    assert rows() == made
    assert books.verify() == []
