"""The door for notices: only genuine ones, each once, in any order, and never a cent settled on a wrong one."""

import json
import time
from datetime import timedelta
from queue import Queue
from threading import Timer
from typing import Any

import pytest
import time_machine
from django.test import Client

from portico.billing import books, jobs, webhooks
from portico.billing.actions import notices, pay, receive
from portico.billing.models import Allocation, Payment, ProviderEvent
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Delivery
from portico.billing.tests.attempts import OPEN, begin, checkout_of, last_notice, tell
from portico.billing.tests.my.pages import books as rows
from portico.cast import World

pytestmark = pytest.mark.usefixtures("clock")


def paid(world: World) -> tuple[Payment, bytes]:
    """An attempt that was paid at the company, and the notice that says so."""
    payment = begin(world, now=world.now)
    gateway.pay(checkout_of(payment), now=world.now)
    return payment, last_notice(payment).body.encode()


def changed(body: bytes, **checkout: Any) -> bytes:
    """A genuine notice that says something else, under an id of its own."""
    said = json.loads(body)
    said["id"] += "-other"
    said["account"] = checkout.pop("account", said["account"])
    kind = checkout.pop("kind", None)
    if kind:
        said["type"] = f"checkout.{kind}"
        checkout["state"] = kind
    said["checkout"] |= checkout
    return json.dumps(said).encode()


def test_a_notice_settles_what_was_paid_and_the_same_one_again_nothing_more(world: World) -> None:
    payment, body = paid(world)
    for _again in range(3):
        assert tell(body, at=world.now).status_code == 200
    payment.refresh_from_db()
    assert (payment.state, payment.received_minor) == ("succeeded", payment.amount_minor)
    assert world.invoice(OPEN).payment_state == "paid"
    assert Allocation.objects.filter(payment=payment).count() == 1
    assert ProviderEvent.objects.filter(payload__checkout__reference=str(payment.pk)).count() == 1
    assert books.verify() == []


@pytest.mark.parametrize(
    "fake",
    ["none", "secret", "body", "old", "ahead", "unreadable", "not a number", "no character", "no id", "list"],
)
def test_what_is_not_genuine_is_refused_and_leaves_nothing(world: World, fake: str) -> None:
    _payment, body = paid(world)
    before = rows()
    signature, at = None, world.now
    if fake == "none":
        signature = ""
    elif fake == "secret":
        signature = gateway.sign(body, "another secret of thirty-two letters", at=at)
    elif fake == "body":
        signature = gateway.sign(body, "", at=at)
        body = body.replace(b"succeeded", b"failed")
    elif fake in {"old", "ahead"}:
        at += timedelta(seconds=-301 if fake == "old" else 301)
    else:
        body = {
            "unreadable": b"{", "not a number": body.replace(b'"amount": 106800', b'"amount": NaN'),
            "no character": body.replace(b"succeeded", b"\\u0000"), "no id": b'{"type": "checkout.succeeded"}',
            "list": b"[]",
        }[fake]  # fmt: skip
    answer = tell(body, at=at, signature=signature)
    assert (answer.status_code, answer.content) == (400, b"not genuine\n")
    assert rows() == before


def test_a_notice_five_minutes_old_is_still_taken(world: World) -> None:
    _payment, body = paid(world)
    assert tell(body, at=world.now - timedelta(seconds=300)).status_code == 200
    assert world.invoice(OPEN).payment_state == "paid"


def test_the_door_takes_no_more_than_it_must(world: World, settings: Any) -> None:
    before = rows()
    assert tell(b" " * (256 * 1024 + 1), at=world.now).status_code == 413
    assert Client().get("/webhooks/sandbox/").status_code == 405
    for name in ("bank_transfer", "nobody", "base", "__init__"):
        assert Client().post(f"/webhooks/{name}/", b"{}", content_type="application/json").status_code == 404
    settings.PORTICO_WEBHOOK_SECRETS = {}
    assert tell(b"{}", at=world.now, signature="t=1,v1=00").status_code == 503
    settings.PORTICO_PROVIDERS = ["bank_transfer"]
    assert tell(b"{}", at=world.now, signature="t=1,v1=00").status_code == 404
    assert rows() == before


@pytest.mark.parametrize("kind", ["failed", "expired", "processing", "open"])
def test_what_comes_after_the_money_changes_nothing(world: World, kind: str) -> None:
    payment, body = paid(world)
    tell(body, at=world.now)
    assert tell(changed(body, kind=kind, amount=0, currency=""), at=world.now).status_code == 200
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert world.invoice(OPEN).payment_state == "paid"
    assert books.verify() == []


def test_a_success_that_overtakes_its_beginning_is_settled_once(world: World) -> None:
    payment, body = paid(world)
    tell(body, at=world.now)
    tell(changed(body, kind="processing", amount=0, currency=""), at=world.now)
    tell(changed(body, kind="succeeded"), at=world.now)
    assert Allocation.objects.filter(payment=payment).count() == 1
    assert world.invoice(OPEN).payment_state == "paid"


@pytest.mark.parametrize(
    ("said", "review"),
    [
        ({"amount": 106_799}, "another amount or currency than was asked for"),
        ({"amount": 106_801}, "another amount or currency than was asked for"),
        ({"currency": "USD"}, "another amount or currency than was asked for"),
        ({"account": "acct_other"}, "it arrived on another account"),
        ({"reference": "00000000-0000-4000-8000-000000000000"}, "the provider names another payment"),
    ],
)
def test_money_that_does_not_fit_is_kept_for_staff_and_settles_nothing(
    world: World, said: dict[str, Any], review: str
) -> None:
    payment, body = paid(world)
    assert tell(changed(body, **said), at=world.now).status_code == 200
    payment.refresh_from_db()
    assert (payment.state, payment.review) == ("succeeded", review)
    assert not payment.allocations.exists()
    assert world.invoice(OPEN).payment_state == "not_paid"


def test_money_that_comes_after_the_attempt_was_given_up_is_not_lost(world: World) -> None:
    payment, body = paid(world)
    receive.cancel_payment(payment=payment, now=world.now)
    tell(body, at=world.now)
    payment.refresh_from_db()
    assert (payment.state, payment.received_minor) == ("succeeded", payment.amount_minor)
    assert payment.review == "it arrived after the attempt had been given up"
    assert world.invoice(OPEN).payment_state == "not_paid"


def test_a_notice_about_a_payment_not_here_yet_waits_for_it(world: World, clock: time_machine.Traveller) -> None:
    payment, body = paid(world)
    other = changed(body, id="cs_not_known_yet", reference="5f0c1b9e-0000-4000-8000-00000000aaaa")
    assert tell(other, at=world.now).status_code == 200
    event = ProviderEvent.objects.latest("pk")
    assert (event.state, event.error) == ("parked", "no payment has this reference yet")
    Payment.objects.filter(pk=payment.pk).update(provider_reference="cs_not_known_yet")
    later = world.now + timedelta(seconds=10)
    clock.move_to(later)
    assert jobs.provider_events(later) == 1
    event.refresh_from_db()
    payment.refresh_from_db()
    assert (event.state, payment.state) == ("done", "succeeded")


def test_a_fault_while_working_loses_no_notice(
    world: World, clock: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment, body = paid(world)
    with monkeypatch.context() as broken:
        broken.setattr(pay, "apply_report", lambda **_options: 1 // 0)
        assert tell(body, at=world.now).status_code == 200, "it is stored: the company need not repeat it"
    event = ProviderEvent.objects.get(payload__checkout__reference=str(payment.pk))
    assert (event.state, event.error, event.attempts) == ("parked", "ZeroDivisionError", 1)
    assert world.invoice(OPEN).payment_state == "not_paid"
    later = world.now + timedelta(minutes=1)
    clock.move_to(later)
    assert jobs.provider_events(world.now) == 0, "not before its time"
    assert jobs.provider_events(later) == 1
    assert jobs.provider_events(later) == 0, "it is done with"
    assert world.invoice(OPEN).payment_state == "paid"


def test_while_one_is_worked_on_the_next_is_stored_and_answered_and_left_to_the_worker_where_too_many_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment, body = paid(world)
    full: Queue[ProviderEvent] = Queue(maxsize=1)
    full.put(ProviderEvent())
    monkeypatch.setattr(webhooks, "LEFT", full)
    monkeypatch.setattr(webhooks, "catching_up", lambda: None)
    with webhooks.AT_WORK:
        assert tell(body, at=world.now).status_code == 200
    payment.refresh_from_db()
    assert payment.state == "pending"
    assert jobs.provider_events(world.now) == 1
    payment.refresh_from_db()
    assert payment.state == "succeeded"


@pytest.mark.django_db(transaction=True)
def test_what_comes_while_one_is_worked_on_is_settled_right_after_without_the_worker(world: World) -> None:
    payment, body = paid(world)
    with webhooks.AT_WORK:
        assert tell(body, at=world.now).status_code == 200
        payment.refresh_from_db()
        assert payment.state == "pending", "one at a time"
    webhooks.LEFT.join()
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert jobs.provider_events(world.now) == 0, "nothing is left to the worker"


@pytest.mark.django_db(transaction=True)
def test_a_notice_waits_a_moment_for_its_turn_so_that_the_payer_comes_back_to_what_is_paid(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PATIENCE", 30)
    monkeypatch.setattr(webhooks, "catching_up", lambda: None)
    payment, body = paid(world)
    store, turn = notices.store, Timer(0.3, webhooks.AT_WORK.release)

    def stored(*given: Any, **named: Any) -> ProviderEvent | None:
        event = store(*given, **named)
        turn.start()  # whoever is at work is done a moment after this one was stored
        return event

    monkeypatch.setattr(notices, "store", stored)
    webhooks.AT_WORK.acquire()
    assert tell(body, at=world.now).status_code == 200
    turn.join()
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert webhooks.LEFT.empty()


def test_where_others_wait_already_a_notice_is_left_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PATIENCE", 60)
    waiting: Queue[ProviderEvent] = Queue()
    waiting.put(ProviderEvent())
    monkeypatch.setattr(webhooks, "LEFT", waiting)
    monkeypatch.setattr(webhooks, "catching_up", lambda: None)
    payment, body = paid(world)
    begun = time.monotonic()
    with webhooks.AT_WORK:
        assert tell(body, at=world.now).status_code == 200
    assert time.monotonic() - begun < 30, "in a burst none waits"
    payment.refresh_from_db()
    assert (payment.state, waiting.qsize()) == ("pending", 2)


@pytest.mark.django_db(transaction=True)
def test_notices_travel_over_http(world: World, live_server: Any, settings: Any) -> None:
    settings.PORTICO_BASE_URL = live_server.url
    payment, _body = paid(world)
    Delivery.objects.exclude(checkout=checkout_of(payment)).update(next_attempt_at=None)
    assert gateway.deliver(world.now) == 1
    payment.refresh_from_db()
    assert payment.state == "succeeded"
    assert gateway.deliver(world.now) == 0, "answered with 200: not repeated"


def test_a_company_repeats_what_was_not_answered_at_growing_intervals(world: World) -> None:
    payment, _body = paid(world)
    Delivery.objects.exclude(checkout=checkout_of(payment)).update(next_attempt_at=None)
    now, waits = world.now, []
    for _turn in range(5):
        assert gateway.deliver(now, lambda _body, _signature: 500) == 0
        due = last_notice(payment).next_attempt_at
        assert due is not None
        waits.append((due - now).total_seconds())
        now = due
    assert waits == [2, 5, 15, 60, 300]
    assert gateway.deliver(now, lambda _body, _signature: 200) == 1
    assert last_notice(payment).next_attempt_at is None
