"""Webhooks on their way to a real receiver: signed, once, again and again for three days, and never to a lost cause."""

import base64
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from portico.billing.tests.my.pages import at_once
from portico.kit import delivering
from portico.kit.delivering import WAITS, Message, draws, queue, send_webhooks
from portico.kit.errors import Conflict
from portico.kit.hooks import new_secret, signature
from portico.kit.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from portico.kit.tests.receiver import Receiver, receiving, verified


@pytest.fixture(autouse=True)
def thing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Something to tell: its number, or nothing at all."""
    monkeypatch.setattr(delivering, "_draws", dict(delivering._draws))

    @draws("thing")
    def thing(delivery: WebhookDelivery) -> dict[str, Any] | None:
        return None if delivery.object_id == "gone" else {"thing": delivery.object_id, "word": "é"}


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A receiver on this machine, where that is allowed."""
    settings.PORTICO_HOOK_LOOPBACK = True
    with receiving() as found:
        yield found


def endpoint_at(url: str, now: datetime, **more: Any) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(
        **{"seller": 1, "url": url, "secret": new_secret(), "changed_at": now, "created_at": now} | more
    )


def tell(endpoint: WebhookEndpoint, now: datetime, key: str = "event:1") -> WebhookDelivery:
    with transaction.atomic():
        queue([Message("thing.made", key, "thing", key.rpartition(":")[2], now)], endpoints=[endpoint], now=now)
    return endpoint.deliveries.get(key=key)


def fails(status: int = 500) -> Any:
    return lambda _got: (status, {}, b"no\0pe" + b"x" * 5_000)


# The message -----------------------------------------------------------------------------------------------------------


def test_a_message_arrives_signed_and_says_what_happened(db: None, receiver: Receiver, now: datetime) -> None:
    endpoint = endpoint_at(receiver.url, now)
    delivery = tell(endpoint, now - timedelta(minutes=2))
    assert send_webhooks(now) == 1
    got = receiver.got[0]
    assert json.loads(got.body) == {
        "type": "thing.made",
        "timestamp": "2026-11-09T09:58:00.000Z",
        "data": {"thing": "1", "word": "é"},
    }
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == delivery.webhook_id
    assert "." not in delivery.webhook_id
    assert verified(got, endpoint.secret, now=now.timestamp())
    delivery.refresh_from_db()
    endpoint.refresh_from_db()
    assert (delivery.state, delivery.status, endpoint.succeeded_at) == ("delivered", 200, now)
    attempt = WebhookAttempt.objects.get()
    assert (attempt.status, attempt.error, attempt.answer) == (200, "", "ok")
    assert send_webhooks(now) == 0


def test_a_forged_an_altered_and_an_old_message_do_not_verify(db: None, receiver: Receiver, now: datetime) -> None:
    endpoint = endpoint_at(receiver.url, now)
    tell(endpoint, now)
    send_webhooks(now)
    got = receiver.got[0]
    assert not verified(got, new_secret(), now=now.timestamp())
    assert not verified(got, endpoint.secret, now=now.timestamp() + 301)
    for name, value in {"webhook-id": "msg_other", "webhook-timestamp": str(int(now.timestamp()) - 1)}.items():
        altered = type(got)(got.path, got.headers | {name: value}, got.body)
        assert not verified(altered, endpoint.secret, now=now.timestamp())
    assert not verified(type(got)(got.path, got.headers, got.body + b" "), endpoint.secret, now=now.timestamp())


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of standard-webhooks' own libraries."""
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"test": 2432232314}'
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == (
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_secrets_are_random_and_of_the_right_size() -> None:
    made = {new_secret() for _each in range(50)}
    assert len(made) == 50
    assert {len(base64.b64decode(one.removeprefix("whsec_"))) for one in made} == {32}


def test_while_a_secret_is_changed_both_sign(db: None, receiver: Receiver, now: datetime) -> None:
    endpoint = endpoint_at(receiver.url, now)
    old = endpoint.secret
    fresh = endpoint.rotate(now=now)
    for hours, key, both in ((23, "event:1", True), (24, "event:2", False)):
        at = now + timedelta(hours=hours)
        tell(endpoint, at, key)
        send_webhooks(at)
        assert verified(receiver.got[-1], fresh, now=at.timestamp())
        assert verified(receiver.got[-1], old, now=at.timestamp()) is both
    with pytest.raises(Conflict):
        WebhookEndpoint(pk=endpoint.pk, secret=old).rotate(now=now)


def test_what_is_told_is_written_with_it_or_not_at_all(transactional_db: None, now: datetime) -> None:
    endpoint = endpoint_at("https://hooks.example/", now)

    @transaction.atomic
    def half_done() -> None:
        queue([Message("thing.made", "event:1", "thing", "1", now)], endpoints=[endpoint], now=now)
        raise RuntimeError("after all")

    with pytest.raises(RuntimeError, match="after all"):
        half_done()
    assert not WebhookDelivery.objects.exists()
    with pytest.raises(AssertionError):
        queue([], endpoints=[], now=now)
    tell(endpoint, now)
    tell(endpoint, now)
    assert WebhookDelivery.objects.count() == 1, "the same event is told once"


def test_an_endpoint_gets_the_types_it_wants(db: None, now: datetime) -> None:
    some, every = endpoint_at("https://a.example/", now, types=["thing.made"]), endpoint_at("https://b.example/", now)
    messages = [Message(name, f"event:{name}", "thing", "1", now) for name in ("thing.made", "thing.lost")]
    with transaction.atomic():
        assert queue(messages, endpoints=[some, every], now=now) == 3
    assert [one.type for one in some.deliveries.all()] == ["thing.made"]


def test_what_is_no_longer_true_is_dropped(db: None, receiver: Receiver, now: datetime) -> None:
    delivery = tell(endpoint_at(receiver.url, now), now, "event:gone")
    assert send_webhooks(now) == 1
    delivery.refresh_from_db()
    assert (delivery.state, receiver.got) == ("dropped", [])


# Again and again ---------------------------------------------------------------------------------------------------------


def test_it_is_tried_ten_times_within_three_days_under_the_same_id(db: None, receiver: Receiver, now: datetime) -> None:
    receiver.answer = fails()
    endpoint = endpoint_at(receiver.url, now)
    delivery, at = tell(endpoint, now), now
    while True:
        assert send_webhooks(at) == 1
        delivery.refresh_from_db()
        if delivery.state != "queued":
            break
        assert delivery.next_attempt_at is not None
        assert send_webhooks(delivery.next_attempt_at - timedelta(seconds=1)) == 0
        at = delivery.next_attempt_at
    assert (delivery.state, delivery.attempts, delivery.error) == ("failed", 10, "http_500")
    assert timedelta(days=3) <= at - now <= timedelta(days=3, hours=6)
    assert at - now == sum(WAITS, timedelta())
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    assert len({got.headers["webhook-timestamp"] for got in receiver.got}) == 10
    assert all(verified(got, endpoint.secret, now=int(got.headers["webhook-timestamp"])) for got in receiver.got)
    answers = list(WebhookAttempt.objects.values_list("answer", flat=True))
    assert len(answers) == 10
    assert {len(answer) for answer in answers} == {1_000}
    endpoint.refresh_from_db()
    assert endpoint.state == "failing"


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_anything_but_2xx_is_tried_again(db: None, receiver: Receiver, now: datetime, status: int) -> None:
    receiver.answer = lambda got: (
        (status, {"Location": receiver.url}, b"") if len(receiver.got) == 1 else (204, {}, b"")
    )
    delivery = tell(endpoint_at(receiver.url, now), now)
    send_webhooks(now)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error, delivery.status) == ("queued", f"http_{status}", status)
    send_webhooks(now + WAITS[0])
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error, delivery.status, len(receiver.got)) == ("delivered", "", 204, 2)


def test_an_endpoint_that_took_something_meanwhile_is_not_given_up(db: None, receiver: Receiver, now: datetime) -> None:
    receiver.answer = lambda got: (500, {}, b"") if b'"1"' in got.body else (200, {}, b"")
    endpoint = endpoint_at(receiver.url, now)
    poisoned, at = tell(endpoint, now), now
    for wait in (*WAITS, timedelta()):
        send_webhooks(at)
        at += wait
    tell(endpoint, at - timedelta(hours=1), "event:2")
    WebhookDelivery.objects.filter(pk=poisoned.pk).update(state="queued", attempts=9, next_attempt_at=at)
    WebhookEndpoint.objects.update(state="on")
    send_webhooks(at - timedelta(minutes=1))
    send_webhooks(at)
    poisoned.refresh_from_db()
    endpoint.refresh_from_db()
    assert (poisoned.state, endpoint.state) == ("failed", "on")


def test_an_endpoint_that_is_gone_is_asked_no_more(db: None, receiver: Receiver, now: datetime) -> None:
    receiver.answer = fails(410)
    endpoint = endpoint_at(receiver.url, now)
    tell(endpoint, now)
    waiting = tell(endpoint, now + timedelta(minutes=1), "event:2")
    send_webhooks(now)
    endpoint.refresh_from_db()
    waiting.refresh_from_db()
    assert (endpoint.state, waiting.state, waiting.error) == ("gone", "failed", "endpoint_gone")
    with transaction.atomic():
        assert queue([Message("thing.made", "event:3", "thing", "3", now)], endpoints=[endpoint], now=now) == 0
    assert send_webhooks(now + timedelta(days=1)) == 0


def test_what_happens_while_an_endpoint_fails_is_kept_to_be_sent_again(
    db: None, receiver: Receiver, now: datetime
) -> None:
    endpoint = endpoint_at(receiver.url, now, state="failing")
    kept = tell(endpoint, now)
    assert (kept.state, kept.error, send_webhooks(now)) == ("failed", "endpoint_failing", 0)
    endpoint.switch_on(now=now)
    kept.replay(now=now)
    send_webhooks(now)
    kept.refresh_from_db()
    assert kept.state == "delivered"
    with pytest.raises(Conflict):
        endpoint.switch_on(now=now)


def test_an_endpoint_that_cannot_be_reached_is_left_alone_for_a_while(db: None, settings: Any, now: datetime) -> None:
    settings.PORTICO_HOOK_LOOPBACK = True
    with receiving() as shut:
        pass
    endpoint = endpoint_at(shut.url, now)
    first = tell(endpoint, now)
    send_webhooks(now)
    tell(endpoint, now, "event:2")
    first.refresh_from_db()
    assert (first.state, first.error, first.status) == ("queued", "connection", None)
    assert send_webhooks(now + timedelta(seconds=29)) == 0
    assert send_webhooks(now + timedelta(seconds=30)) == 2


def test_a_private_address_is_tried_and_told_and_nothing_is_sent(db: None, now: datetime) -> None:
    with receiving() as inside:
        delivery = tell(endpoint_at(inside.url, now), now)
        send_webhooks(now)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.error, inside.got) == ("queued", "address", [])


def test_no_endpoint_takes_more_than_its_share_of_a_batch(db: None, receiver: Receiver, now: datetime) -> None:
    busy, other = endpoint_at(receiver.url, now), endpoint_at(receiver.url, now)
    for number in range(10):
        tell(busy, now, f"event:{number}")
    last = tell(other, now)
    assert send_webhooks(now) == delivering.OF_ONE_ENDPOINT + 1
    last.refresh_from_db()
    assert last.state == "delivered"


# Two workers ----------------------------------------------------------------------------------------------------------


def sends_of_two_workers(
    receiver: Receiver, now: datetime, monkeypatch: pytest.MonkeyPatch, *, claimed: bool
) -> list[str]:
    """Which messages arrive when two workers have found the same one at the same moment."""
    tell(endpoint_at(receiver.url, now), now)
    gate, take = threading.Barrier(2, timeout=20), WebhookDelivery.take

    def both_at_once(delivery: WebhookDelivery, at: datetime) -> bool:
        gate.wait()
        return take(delivery, at) if claimed else True

    monkeypatch.setattr(WebhookDelivery, "take", both_at_once)
    at_once(lambda: send_webhooks(now), lambda: send_webhooks(now))
    return [got.headers["webhook-id"] for got in receiver.got]


def test_two_workers_send_a_message_once(
    transactional_db: None, receiver: Receiver, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(sends_of_two_workers(receiver, now, monkeypatch, claimed=True)) == 1
    assert WebhookDelivery.objects.get().state == "delivered"


def test_without_the_claim_two_workers_would_send_it_twice(
    transactional_db: None, receiver: Receiver, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(sends_of_two_workers(receiver, now, monkeypatch, claimed=False)) == 2


def test_two_who_saw_the_same_row_take_it_once(db: None, now: datetime) -> None:
    tell(endpoint_at("https://hooks.example/", now), now)
    one, other = WebhookDelivery.objects.get(), WebhookDelivery.objects.get()
    assert (one.take(now), other.take(now)) == (True, False)


def test_what_a_dead_worker_took_is_taken_up_again_and_its_late_word_counts_for_nothing(
    db: None, receiver: Receiver, now: datetime
) -> None:
    tell(endpoint_at(receiver.url, now), now)
    lost = WebhookDelivery.objects.get()
    assert lost.take(now)
    assert send_webhooks(now + WebhookDelivery.LEASE - timedelta(seconds=1)) == 0
    assert send_webhooks(now + WebhookDelivery.LEASE) == 1
    lost.end(WebhookDelivery.State.FAILED, now=now, error="timeout")
    assert (lost.state, lost.attempts, len(receiver.got)) == ("delivered", 2, 1)


def test_nothing_is_posted_inside_a_transaction(
    transactional_db: None, receiver: Receiver, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []

    def crew(size: int) -> Any:
        seen.append(connection.in_atomic_block)
        return ThreadPoolExecutor(size)

    monkeypatch.setattr(delivering, "ThreadPoolExecutor", crew)
    tell(endpoint_at(receiver.url, now), now)
    send_webhooks(now)
    assert seen == [False]
