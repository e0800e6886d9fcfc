"""Saved ways to pay: kept with consent, charged once, forgotten everywhere when they are removed."""

from datetime import timedelta
from typing import Any

import pytest

from portico.accounts.models import Event, Membership
from portico.billing import books, jobs
from portico.billing.actions import charge, kept, methods, pay
from portico.billing.models import Enrolment, Payment, SavedMethod
from portico.billing.providers.base import Kept, MethodReport, Saving, Started, Unanswered
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout, Delivery, Method
from portico.billing.providers.sandbox.provider import Sandbox
from portico.billing.tests.attempts import OPEN, checkout_of, payer, saved_by, tell
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Unavailable

pytestmark = pytest.mark.usefixtures("clock")


def pay_saved(world: World, method: SavedMethod, **options: Any) -> Payment:
    """Julien pays the open invoice with it."""
    return charge.pay_with_saved(
        by=payer(world), method=method, invoices=[world.invoice(OPEN)], **({"now": world.now} | options)
    )


# Saving ----------------------------------------------------------------------------------------------------------------


def test_what_was_agreed_to_is_kept_with_person_and_moment(world: World) -> None:
    method = saved_by(payer(world), now=world.now)
    assert (method.consent, method.consent_by, method.consent_at) == ("I agree.", world.julien, world.now)
    assert (method.kind, method.brand, method.last4, method.is_default) == ("card", "visa", "4242", True)
    assert str(method.expires_on) == "2029-11-30"
    second = saved_by(payer(world), "late", now=world.now)
    assert not second.is_default, "the first one stays the default"
    assert second.expires_on is None
    assert Event.objects.filter(name="method.saved").count() == 2


def test_the_enrolment_is_written_down_before_the_provider_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_self: Sandbox, saving: Saving) -> Started:
        assert Enrolment.objects.get(key=saving.key).consent == "Yes"
        raise Unanswered("the line is dead")

    monkeypatch.setattr(Sandbox, "save_method", lost)
    with pytest.raises(Unavailable, match="Nothing was charged"):
        methods.begin_saving(by=payer(world), provider="sandbox", consent="Yes", now=world.now)
    later = world.now + timedelta(minutes=11)
    assert jobs.savings(later) == 1
    assert Enrolment.objects.get().state == "cancelled", "the provider never heard of it"


def test_a_notice_saves_it_once_and_says_nothing_the_second_time(world: World) -> None:
    enrolment = methods.begin_saving(by=payer(world), provider="sandbox", consent="Yes", now=world.now)
    gateway.save(Checkout.objects.get(merchant_reference=str(enrolment.pk)), "good", now=world.now)
    body = Delivery.objects.latest("id").body
    for suffix in ("", "-again", "-and-again"):
        assert tell(body.replace('"id": "evt_', f'"id": "evt{suffix}_').encode(), at=world.now).status_code == 200
    enrolment.refresh_from_db()
    assert enrolment.state == "done"
    assert SavedMethod.objects.filter(customer=world.fontaine).count() == 1


def test_without_consent_or_right_nothing_begins(world: World) -> None:
    with pytest.raises(Invalid):
        methods.begin_saving(by=payer(world), provider="sandbox", consent=" ", now=world.now)
    with pytest.raises(Invalid):
        methods.begin_saving(by=payer(world), provider="bank_transfer", consent="Yes", now=world.now)
    viewer = payer(world)
    viewer.is_owner = viewer.is_billing = False
    with pytest.raises(Forbidden):
        methods.begin_saving(by=viewer, provider="sandbox", consent="Yes", now=world.now)
    assert not Enrolment.objects.exists()


def test_paying_can_save_what_was_paid_with_and_only_if_the_payer_agreed(world: World) -> None:
    for consent, count in (("", 0), ("Keep it.", 1)):
        open_one = world.invoice(OPEN)
        payment = pay.start_payment(
            by=payer(world), provider="sandbox", invoices=[open_one], amount_minor=1_000, save_consent=consent,
            now=world.now,
        )  # fmt: skip
        gateway.pay(checkout_of(payment), now=world.now)
        pay.lookup_payment(payment=payment, now=world.now)
        assert SavedMethod.objects.count() == count
    assert SavedMethod.objects.get().consent == "Keep it."


# Paying ----------------------------------------------------------------------------------------------------------------


def test_a_saved_card_pays_at_once_and_the_second_time_nothing_is_due(world: World) -> None:
    payment = pay_saved(world, saved_by(payer(world), now=world.now), seen_due_minor=106_800)
    assert (payment.state, payment.received_minor) == ("succeeded", 106_800)
    assert world.invoice(OPEN).payment_state == "paid"
    with pytest.raises(Conflict, match="Nothing is left to pay"):
        pay_saved(world, SavedMethod.objects.get())
    assert books.verify() == []


def test_a_declined_card_leaves_the_invoice_to_be_paid_again(world: World) -> None:
    payment = pay_saved(world, saved_by(payer(world), "declines", now=world.now))
    assert (payment.state, payment.failure_code) == ("failed", "insufficient_funds")
    assert pay_saved(world, saved_by(payer(world), "good", now=world.now)).state == "succeeded"
    assert books.verify() == []


def test_a_debit_is_on_its_way_until_it_arrives(world: World) -> None:
    payment = pay_saved(world, saved_by(payer(world), "late", now=world.now))
    assert (payment.state, world.invoice(OPEN).payment_state) == ("pending", "in_payment")
    later = world.now + timedelta(minutes=2)
    pay.lookup_payment(payment=payment, now=later)
    gateway.pass_time(later)
    jobs.undecided_payments(later + timedelta(hours=1))
    assert world.invoice(OPEN).payment_state == "paid"


def test_what_the_bank_asks_waits_for_the_payer_and_is_confirmed_at_the_bank(world: World) -> None:
    payment = pay_saved(world, saved_by(payer(world), "asks", now=world.now))
    assert payment.state == "pending"
    assert payment.action_at == world.now
    assert world.invoice(OPEN).payment_state == "not_paid", "nothing is on its way"
    page = charge.where_to_confirm(payment=payment, by=payer(world), now=world.now)
    assert checkout_of(payment).token in page
    gateway.confirm(checkout_of(payment), now=world.now)
    pay.lookup_payment(payment=payment, now=world.now)
    assert world.invoice(OPEN).payment_state == "paid"
    with pytest.raises(Conflict):
        charge.where_to_confirm(payment=payment, by=payer(world), now=world.now)


@pytest.mark.parametrize("charged", [True, False])
def test_a_charge_without_an_answer_is_unknown_and_looked_up(
    world: World, monkeypatch: pytest.MonkeyPatch, charged: bool
) -> None:
    method, real = saved_by(payer(world), now=world.now), Sandbox.charge_saved

    def lost(self: Sandbox, wanted: Any) -> Any:
        if charged:
            real(self, wanted)
        raise Unanswered("the line is dead")

    with monkeypatch.context() as dead:
        dead.setattr(Sandbox, "charge_saved", lost)
        with pytest.raises(Unavailable):
            pay_saved(world, method)
    payment = Payment.objects.get(method=method)
    assert payment.state == "unknown"
    with pytest.raises(Conflict):
        pay_saved(world, method)  # in the next tab, while it is on its way
    jobs.undecided_payments(world.now + timedelta(minutes=11))
    assert world.invoice(OPEN).payment_state == ("paid" if charged else "not_paid")
    if not charged:
        assert pay_saved(world, method, now=world.now + timedelta(minutes=11)).state == "succeeded"
    assert Checkout.objects.filter(mode="charge", state="succeeded").count() == 1
    assert books.verify() == []


def test_nobody_pays_with_what_is_not_theirs(world: World) -> None:
    method = saved_by(payer(world), now=world.now)
    lena = Membership.objects.get(user=world.lena, customer=world.lindner)
    with pytest.raises(Missing):
        charge.pay_with_saved(by=lena, method=method, invoices=[world.invoice(OPEN)], now=world.now)
    for story in (methods.choose_default, methods.remove_method):
        with pytest.raises(Missing):
            story(method=method, by=lena, now=world.now)


# Removing --------------------------------------------------------------------------------------------------------------


def test_what_is_removed_is_forgotten_at_the_provider_even_if_that_takes_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = saved_by(payer(world), now=world.now)

    def lost(_self: Sandbox, _method: str) -> None:
        raise Unanswered("the line is dead")

    with monkeypatch.context() as dead:
        dead.setattr(Sandbox, "detach", lost)
        methods.remove_method(method=method, by=payer(world), now=world.now)
    method.refresh_from_db()
    assert (method.removed_at, method.detached_at, method.is_default) == (world.now, None, False)
    with pytest.raises(Missing):
        pay_saved(world, method)
    assert jobs.methods_to_forget(world.now) == 0, "not before its time"
    later = world.now + timedelta(minutes=5)
    assert jobs.methods_to_forget(later) == 1
    method.refresh_from_db()
    assert method.detached_at == later
    assert Method.objects.get(reference=method.provider_method).removed_at is not None


def test_what_the_provider_removes_or_renews_is_known_here(world: World) -> None:
    method = saved_by(payer(world), now=world.now)
    renewed = Kept(method.provider_customer, method.provider_method, "card", "visa", "1111", (2031, 2))
    kept.apply_method_report("sandbox", MethodReport(method.provider_method, kept=renewed), now=world.now)
    method.refresh_from_db()
    assert (method.last4, str(method.expires_on)) == ("1111", "2031-02-28")
    for _again in range(2):
        kept.apply_method_report("sandbox", MethodReport(method.provider_method, removed=True), now=world.now)
    method.refresh_from_db()
    assert (method.removed_at, method.detached_at) == (world.now, world.now)
