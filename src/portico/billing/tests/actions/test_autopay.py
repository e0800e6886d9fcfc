"""Auto-pay: charged when it is due, tried again as planned, stopped for good reasons, and never twice."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
import time_machine
from django.test import Client

from portico import cast
from portico.accounts.models import Customer
from portico.billing import books, jobs
from portico.billing.actions import autopay, charge, collect, dispute, dunning, methods, pay, renew
from portico.billing.models import AutoPay, Collection, Invoice, Payment, PaymentTarget, Subscription
from portico.billing.providers.base import Unanswered
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout
from portico.billing.providers.sandbox.provider import Sandbox
from portico.billing.tests.attempts import checkout_of, payer, saved_by
from portico.billing.tests.my.pages import at_once
from portico.billing.tests.parts import arrives
from portico.cast import World
from portico.kit import formats
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing
from portico.kit.models import Letter
from portico.kit.outbox import render

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]
Clock = time_machine.Traveller


def renewed(world: World, name: str = "renewing", *, switched_on: bool = True) -> Invoice:
    """The invoice of a subscription that renewed just now, with auto-pay on before that."""
    codes = [("plan-starter", "1"), ("users", "3")]
    one = cast.open_database(world, world.fontaine, name, codes, term=1, start_days_ago=45, state="active")
    Subscription.objects.filter(pk=one.pk).update(auto_renew=True)
    if switched_on:
        autopay.switch_on(subscription=one, by=payer(world), consent="I agree.", now=world.now)
    while renew.renew_due(world.seller, now=world.now):
        pass
    return Invoice.objects.get(period__subscription=one)


def sweep(now: datetime) -> int:
    """What the worker does."""
    return jobs.invoices_to_collect(now) + jobs.collections(now)


def letters(event: str) -> int:
    """How many of these one reader got."""
    return Letter.objects.filter(event=event, to_address="camille@fontaine.example").count()


def of(invoice: Invoice) -> Collection:
    return Collection.objects.get(invoice=invoice)


def attempts(invoice: Invoice) -> list[str]:
    return list(Payment.objects.filter(targets__invoice=invoice).order_by("created_at").values_list("state", flat=True))


# The switch ------------------------------------------------------------------------------------------------------------


def test_the_switch_keeps_wording_person_and_moment_and_is_revocable(world: World) -> None:
    subscription = world.subscription("atelier-fontaine")
    with pytest.raises(Conflict, match="Save one first"):
        autopay.switch_on(subscription=subscription, by=payer(world), consent="I agree.", now=world.now)
    saved_by(payer(world), now=world.now)
    with pytest.raises(Invalid):
        autopay.switch_on(subscription=subscription, by=payer(world), consent="", now=world.now)
    viewer = payer(world)
    viewer.is_owner = viewer.is_billing = False
    with pytest.raises(Forbidden):
        autopay.switch_on(subscription=subscription, by=viewer, consent="I agree.", now=world.now)
    with pytest.raises(Missing):
        autopay.switch_on(
            subscription=Subscription.objects.exclude(customer=world.fontaine)[0], by=payer(world), consent="I agree.",
            now=world.now,
        )  # fmt: skip
    made = autopay.switch_on(subscription=subscription, by=payer(world), consent="I agree.", now=world.now)
    assert (made.consent, made.on_by, made.on_at) == ("I agree.", world.julien, world.now)
    with pytest.raises(Conflict, match="on already"):
        autopay.switch_on(subscription=subscription, by=payer(world), consent="I agree.", now=world.now)
    later = world.now + timedelta(days=1)
    autopay.switch_off(subscription=subscription, by=payer(world), now=later)
    with pytest.raises(Conflict, match="off already"):
        autopay.switch_off(subscription=subscription, by=payer(world), now=later)
    kept = AutoPay.objects.get()
    assert (kept.consent, kept.off_at, kept.off_by) == ("I agree.", later, world.julien)


# Collecting ------------------------------------------------------------------------------------------------------------


def test_a_renewal_is_charged_on_the_day_of_its_invoice_and_once(world: World) -> None:
    saved_by(payer(world), now=world.now)
    invoice = renewed(world)
    for _again in range(3):
        sweep(world.now)
    invoice.refresh_from_db()
    assert (invoice.payment_state, of(invoice).state, attempts(invoice)) == ("paid", "paid", ["succeeded"])
    assert letters("payment_received") >= 1
    assert books.verify() == []


def test_what_was_issued_before_or_without_the_switch_is_not_touched(world: World) -> None:
    saved_by(payer(world), now=world.now)
    invoice = renewed(world, switched_on=False)
    subscription = Subscription.objects.get(periods__invoice=invoice)
    later = world.now + timedelta(minutes=1)
    autopay.switch_on(subscription=subscription, by=payer(world), consent="I agree.", now=later)
    assert sweep(later + timedelta(days=60)) == 0
    assert attempts(invoice) == []


def test_another_invoice_of_the_subscription_is_charged_on_its_due_day(world: World) -> None:
    saved_by(payer(world), now=world.now)
    invoice = Invoice.objects.open().filter(customer=world.fontaine, order__isnull=False, disputed_at=None)[0]
    subscription = world.subscription("atelier-fontaine")
    switched = autopay.switch_on(subscription=subscription, by=payer(world), consent="I agree.", now=world.now)
    AutoPay.objects.filter(pk=switched.pk).update(on_at=world.now - timedelta(days=900))
    assert invoice.order is not None
    type(invoice.order).objects.filter(pk=invoice.order.pk).update(subscription=subscription)
    Invoice.objects.filter(pk=invoice.pk).update(due_on=(world.now + timedelta(days=3)).date())
    sweep(world.now)
    assert not Collection.objects.filter(invoice=invoice).exists()
    sweep(world.now + timedelta(days=3))
    invoice.refresh_from_db()
    assert invoice.payment_state == "paid"


def test_each_part_is_charged_on_its_own_day_and_once(world: World) -> None:
    saved_by(payer(world), now=world.now)
    Customer.objects.filter(pk=world.fontaine.pk).update(payment_parts=[["30", 0], ["30", 10], ["40", 20]])
    invoice = renewed(world)
    parts = list(invoice.instalments.order_by("position").values_list("amount_minor", flat=True))
    assert (len(parts), sum(parts)) == (3, invoice.total_minor)
    for days in range(22):
        for _again in range(2):
            sweep(world.now + timedelta(days=days))
        paid = Payment.objects.filter(targets__invoice=invoice).order_by("created_at")
        assert list(paid.values_list("amount_minor", flat=True)) == parts[: 1 + (days >= 10) + (days >= 20)]
    invoice.refresh_from_db()
    assert (invoice.payment_state, of(invoice).state, attempts(invoice)) == ("paid", "paid", ["succeeded"] * 3)
    assert len(set(Payment.objects.filter(targets__invoice=invoice).values_list("idempotency_key"))) == 3
    assert books.verify() == []


def test_a_part_that_was_given_up_and_paid_otherwise_leaves_the_next_one_its_own_plan(world: World) -> None:
    method = saved_by(payer(world), "declines", now=world.now)
    Customer.objects.filter(pk=world.fontaine.pk).update(payment_parts=[["30", 0], ["70", 40]])
    invoice = renewed(world)
    first = formats.money(invoice.instalments.get(position=1).amount_minor, "EUR", "en")
    sweep(world.now)
    drawn = render(Letter.objects.filter(event="autopay_failed", to_address="camille@fontaine.example").latest("id"))
    assert drawn is not None
    for words in (drawn.subject, drawn.text, drawn.html):
        assert first in words
        assert formats.money(invoice.total_minor, "EUR", "en") not in words, "it is the part that was not charged"
    for days in range(25):
        sweep(world.now + timedelta(days=days))
    assert (of(invoice).state, set(attempts(invoice)), method.is_default) == ("stopped", {"failed"}, True)
    tries = len(attempts(invoice))
    arrives(world, invoice, invoice.instalments.get(position=1).amount_minor, now=world.now + timedelta(days=25))
    assert (of(invoice).state, of(invoice).tries) == ("waiting", 0)
    sweep(world.now + timedelta(days=39))
    assert attempts(invoice).count("failed") == tries
    sweep(world.now + timedelta(days=40))
    assert attempts(invoice).count("failed") == tries + 1


@pytest.mark.parametrize("switched_on", [True, False])
def test_nobody_is_asked_to_pay_what_auto_pay_will_charge(world: World, switched_on: bool) -> None:
    """Reminders before and on the due day; once auto-pay was stopped, and without it, they come as ever."""
    saved_by(payer(world), "lost", now=world.now)
    subscription = world.subscription("atelier-fontaine")
    if switched_on:
        autopay.switch_on(subscription=subscription, by=payer(world), consent="I agree.", now=world.now)
    Customer.objects.filter(pk=world.fontaine.pk).update(payment_terms_days=10)
    world.fontaine.refresh_from_db()
    about = {"subscription": subscription, "kind": "upsell"}
    lines = [cast.line(world, "consulting-day")]
    quotation = cast.offer(world, world.fontaine, "Stock count", lines, world.now, about=about)
    invoice = cast.accept(world, quotation, world.now).invoices.get()

    def reminded(days: int) -> list[str]:
        now = world.now + timedelta(days=days)
        dunning.remind_due(now)
        sweep(now)
        return list(invoice.reminders.order_by("id").values_list("stage", flat=True))

    assert reminded(7) == ([] if switched_on else ["before"])
    assert reminded(10) == ([] if switched_on else ["before", "due"])
    if switched_on:
        assert of(invoice).state == "stopped", "the card was reported lost"
        assert reminded(11) == ["due"]
    assert reminded(17)[-1:] == ["late"]


def test_a_declined_charge_is_tried_again_after_2_5_7_and_7_days_and_then_no_more(world: World, clock: Clock) -> None:
    saved_by(payer(world), "declines", now=world.now)
    invoice, now = renewed(world), world.now
    sweep(now)
    for number, days in enumerate((2, 5, 7, 7), start=1):
        one = of(invoice)
        assert (one.state, one.tries, one.why) == ("waiting", number, "insufficient_funds")
        assert one.next_at == now + timedelta(days=days)
        clock.move_to(one.next_at - timedelta(seconds=1))
        sweep(one.next_at - timedelta(seconds=1))
        assert len(attempts(invoice)) == number, "not before its time"
        now = one.next_at
        clock.move_to(now)
        sweep(now)
    assert (of(invoice).state, of(invoice).next_at) == ("stopped", None)
    assert attempts(invoice) == ["failed"] * 5
    sweep(now + timedelta(days=400))
    assert len(attempts(invoice)) == 5
    assert letters("autopay_failed") == 5
    assert letters("payment_failed") == 0, "one letter for one failure"
    assert books.verify() == []


def test_a_fatal_code_stops_at_once_and_a_new_default_method_is_tried_at_once(world: World) -> None:
    saved_by(payer(world), "lost", now=world.now)
    invoice = renewed(world)
    sweep(world.now)
    assert (of(invoice).state, of(invoice).why) == ("stopped", "lost_card")
    sweep(world.now + timedelta(days=30))
    assert attempts(invoice) == ["failed"]
    good = saved_by(payer(world), "good", now=world.now)
    sweep(world.now)
    assert attempts(invoice) == ["failed"], "it is saved, and not the default"
    methods.choose_default(method=good, by=payer(world), now=world.now)
    sweep(world.now)
    assert attempts(invoice) == ["failed", "succeeded"]
    assert of(invoice).state == "paid"


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "pickup_card", "do_not_try_again", "account_closed"])
def test_the_fatal_codes_are_known(code: str) -> None:
    assert code in collect.FATAL
    assert "insufficient_funds" not in collect.FATAL


def test_what_the_bank_asks_waits_for_the_payer_who_gets_a_letter(world: World) -> None:
    saved_by(payer(world), "asks", now=world.now)
    invoice = renewed(world)
    sweep(world.now)
    assert (of(invoice).state, attempts(invoice)) == ("action", ["pending"])
    assert letters("payment_action") == 1
    payment = Payment.objects.get(collection=of(invoice))
    gateway.confirm(checkout_of(payment), now=world.now)
    pay.lookup_payment(payment=payment, now=world.now)
    assert of(invoice).state == "paid"
    assert books.verify() == []


def test_a_confirmation_that_nobody_gives_is_ended_and_charged_anew_as_planned(world: World, clock: Clock) -> None:
    saved_by(payer(world), "asks", now=world.now)
    invoice, now = renewed(world), world.now
    sweep(now)
    for days in (2, 5, 7, 7):
        due = of(invoice).next_at
        assert due == now + timedelta(days=days)
        now = due
        clock.move_to(now)
        sweep(now)
    assert attempts(invoice) == ["cancelled"] * 4 + ["pending"]
    due = of(invoice).next_at
    assert due is not None
    clock.move_to(due)
    sweep(due)
    assert (of(invoice).state, attempts(invoice)) == ("stopped", ["cancelled"] * 5)
    assert letters("autopay_failed") == 1
    assert Checkout.objects.filter(mode="charge", state="open").count() == 0, "no page is left to confirm"


def test_without_a_method_the_payers_are_told_and_it_goes_on_with_the_first_saved_one(world: World) -> None:
    method = saved_by(payer(world), now=world.now)
    invoice = renewed(world)
    methods.remove_method(method=method, by=payer(world), now=world.now)
    sweep(world.now)
    assert (of(invoice).state, of(invoice).why) == ("stopped", "no_method")
    assert letters("autopay_failed") == 1
    saved_by(payer(world), now=world.now)
    sweep(world.now)
    assert of(invoice).state == "paid"


def test_switched_off_paid_otherwise_or_disputed_nothing_is_charged(world: World) -> None:
    saved_by(payer(world), now=world.now)
    off, paid, disputed = (renewed(world, name) for name in ("one", "two", "three"))
    jobs.invoices_to_collect(world.now)
    autopay.switch_off(subscription=off.period.subscription, by=payer(world), now=world.now)  # type: ignore[union-attr]
    charge.pay_with_saved(
        by=payer(world), method=payer(world).customer.saved_methods.get(), invoices=[paid], now=world.now
    )
    dispute.dispute_invoice(invoice=disputed, by=world.omar, now=world.now)
    jobs.collections(world.now)
    assert (of(off).state, of(off).why) == ("stopped", "switched_off")
    assert of(paid).state == "paid"
    assert of(disputed).state == "waiting"
    assert [attempts(one) for one in (off, paid, disputed)] == [[], ["succeeded"], []]


def test_what_the_payer_began_goes_first(world: World) -> None:
    saved_by(payer(world), now=world.now)
    invoice = renewed(world)
    begun = pay.start_payment(by=payer(world), provider="sandbox", invoices=[invoice], now=world.now)
    sweep(world.now)
    assert attempts(invoice) == ["pending"]
    gateway.pay(checkout_of(begun), now=world.now)
    pay.lookup_payment(payment=begun, now=world.now)
    sweep(world.now + timedelta(hours=2))
    assert (of(invoice).state, attempts(invoice)) == ("paid", ["succeeded"])


def test_a_charge_without_an_answer_is_never_blindly_repeated(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved_by(payer(world), now=world.now)
    invoice, real = renewed(world), Sandbox.charge_saved

    def lost(self: Sandbox, wanted: Any) -> Any:
        real(self, wanted)
        raise Unanswered("the line is dead")

    with monkeypatch.context() as dead:
        dead.setattr(Sandbox, "charge_saved", lost)
        sweep(world.now)
    assert attempts(invoice) == ["unknown"]
    clock.shift(timedelta(hours=2))
    sweep(world.now + timedelta(hours=2))
    jobs.undecided_payments(world.now + timedelta(hours=2))
    sweep(world.now + timedelta(hours=4))
    assert (of(invoice).state, attempts(invoice)) == ("paid", ["succeeded"])
    assert Checkout.objects.filter(mode="charge").count() == 1


def test_an_expiring_card_is_told_once_thirty_days_ahead(world: World) -> None:
    method = saved_by(payer(world), now=world.now)
    renewed(world)
    assert method.expires_on is not None
    day = datetime(2029, 11, 1, 9, tzinfo=world.now.tzinfo)
    assert autopay.remind_expiring_cards(day - timedelta(days=3)) == 0
    assert autopay.remind_expiring_cards(day) > 0
    assert autopay.remind_expiring_cards(day) == 0
    assert letters("card_expires") == 1


# At once ---------------------------------------------------------------------------------------------------------------


def race(world: World, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch) -> tuple[Invoice, list[Any]]:
    """The page, the API's call and auto-pay charge one invoice; each has found nothing else before any writes its own."""
    method = saved_by(payer(world), now=world.now)
    invoice = renewed(world)
    jobs.invoices_to_collect(world.now)
    ready, written, write_down = Barrier(3, timeout=60), Barrier(3, timeout=3), pay.write_down

    def wait_and_write(*args: Any, **options: Any) -> Any:
        ready.wait()
        payment = write_down(*args, **options)
        with suppress(BrokenBarrierError):  # where the others are refused, as they should be, nobody else comes
            written.wait()
        return payment

    monkeypatch.setattr(pay, "write_down", wait_and_write)
    client, by = client_for(world.camille), payer(world)
    form = {"seen_minor": str(invoice.amount_due_minor), "provider": f"saved-{method.pk}"}

    def api() -> str:
        try:
            charge.pay_with_saved(by=by, method=method, invoices=[invoice], now=world.now)
        except Conflict:
            return "refused"
        return "charged"

    results = at_once(
        lambda: client.post(f"/my/invoices/{invoice.number}/pay/", form).status_code,
        api,
        lambda: jobs.collections(world.now),
    )
    return invoice, results


@pytest.mark.django_db(transaction=True)
def test_page_api_and_auto_pay_at_the_same_moment_charge_once(
    world: World, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice, _results = race(world, client_for, monkeypatch)
    assert Checkout.objects.filter(mode="charge", state="succeeded").count() == 1
    assert attempts(invoice) == ["succeeded"]
    invoice.refresh_from_db()
    assert invoice.payment_state == "paid"
    jobs.collections(world.now + timedelta(hours=2))
    assert of(invoice).state == "paid"
    assert books.verify() == []


@pytest.mark.django_db(transaction=True)
def test_the_control_without_the_rule_charges_more_than_once(
    world: World, client_for: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hold_nothing(payment: Payment, parts: list[pay.Due]) -> None:
        for due in parts:
            PaymentTarget.objects.create(
                payment=payment, amount_minor=due.amount_minor, open=False, holds=False, invoice_id=due.paper.pk
            )

    monkeypatch.setattr(pay, "hold", hold_nothing)
    monkeypatch.setattr(pay, "_lock", lambda _chosen: None)
    race(world, client_for, monkeypatch)
    assert Checkout.objects.filter(mode="charge", state="succeeded").count() > 1
