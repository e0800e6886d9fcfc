"""Webhooks on their way: queued in the transaction of what they tell, drawn, signed and posted by the worker.

    @draws("invoice")
    def invoice(delivery: WebhookDelivery) -> dict[str, Any] | None:
        "The data of the payload, read from the rows; None when there is nothing to tell any more."

    queue([Message("invoice.issued", "event:12", "invoice", "7", happened_at, {…})], seller=…, now=now)

A message is tried ten times within three days. The worker posts several at once, and waits for none longer than
`posting.Limits` says; nothing is posted inside a transaction.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from portico.kit import posting
from portico.kit.hooks import ANSWER_KEPT, WebhookAttempt, WebhookDelivery, WebhookEndpoint, signature
from portico.kit.jobs import sweep
from portico.kit.metrics import gauge
from portico.kit.posting import Answer, Unreachable

WAITS = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
)  # fmt: skip
"""After each attempt but the last, how long until the next one."""
BATCH, AT_ONCE, OF_ONE_ENDPOINT = 16, 8, 4
REST = timedelta(seconds=30)
"""An endpoint that cannot be reached is left alone for so long, so that the others do not wait for it."""
GONE = 410
Draw = Callable[[WebhookDelivery], dict[str, Any] | None]
logger = logging.getLogger("portico.webhooks")
_draws: dict[str, Draw] = {}


@dataclass(frozen=True)
class Message:
    """What is to be told. `key` is unique for it; `data` holds ids and numbers alone."""

    type: str
    key: str
    noun: str
    object_id: str
    happened_at: datetime
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Post:
    """One attempt, ready to be made without the database."""

    delivery: WebhookDelivery
    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """How an attempt went."""

    post: Post
    status: int | None
    error: str
    answer: str
    milliseconds: int


def draws(*nouns: str) -> Callable[[Draw], Draw]:
    """Register how the data about these nouns is read."""

    def register(draw: Draw) -> Draw:
        _draws.update(dict.fromkeys(nouns, draw))
        return draw

    return register


# Writing ---------------------------------------------------------------------------------------------------------------


def queue(messages: Iterable[Message], *, endpoints: Iterable[WebhookEndpoint], now: datetime) -> int:
    """Write a delivery of each message to each of `endpoints` that wants its type, in the caller's transaction.

    What happens while an endpoint is failing is kept as failed, to be sent again once it works. Returns how many.
    """
    assert connection.in_atomic_block, "a webhook is written in the transaction of what it tells"
    rows, found = [], list(messages)
    for endpoint in endpoints:
        waits = endpoint.state == WebhookEndpoint.State.ON
        if not waits and endpoint.state != WebhookEndpoint.State.FAILING:
            continue
        for message in found:
            if endpoint.types and message.type not in endpoint.types:
                continue
            rows.append(
                WebhookDelivery(
                    endpoint=endpoint,
                    key=message.key,
                    webhook_id=WebhookDelivery.new_id(),
                    type=message.type,
                    noun=message.noun,
                    object_id=message.object_id,
                    happened_at=message.happened_at,
                    data=message.data,
                    queued_at=now,
                    state=WebhookDelivery.State.QUEUED if waits else WebhookDelivery.State.FAILED,
                    next_attempt_at=now if waits else None,
                    error="" if waits else "endpoint_failing",
                )
            )
    WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)


# Sending ---------------------------------------------------------------------------------------------------------------


@sweep(every=2)
def send_webhooks(now: datetime) -> int:
    """Post what is due, each message by one worker alone; returns how many were taken."""
    posts, taken = [], 0
    for delivery in chosen(WebhookDelivery.objects.due(now).select_related("endpoint")[: BATCH * 4]):
        if not delivery.take(now):
            continue
        taken += 1
        post = prepare(delivery, now=now)
        if post is not None:
            posts.append(post)
    if posts:
        with ThreadPoolExecutor(min(AT_ONCE, len(posts))) as crew:
            for outcome in crew.map(attempt, posts):
                settle(outcome, now=now)
    return taken


def chosen(rows: Iterable[WebhookDelivery]) -> list[WebhookDelivery]:
    """A batch in which no endpoint has more than its share: one that is slow holds up no other."""
    found: list[WebhookDelivery] = []
    counts: Counter[int] = Counter()
    for row in rows:
        counts[row.endpoint_id] += 1
        if counts[row.endpoint_id] <= OF_ONE_ENDPOINT and len(found) < BATCH:
            found.append(row)
    return found


def prepare(delivery: WebhookDelivery, *, now: datetime) -> Post | None:
    """The message drawn, once, and signed for this moment; None when it is told or given up instead."""
    if not delivery.body:
        try:
            data = _draws[delivery.noun](delivery)
        except ObjectDoesNotExist:
            data = None
        except Exception:
            logger.exception("a webhook could not be drawn", extra={"delivery": delivery.pk, "type": delivery.type})
            later(delivery, error="drawing", status=None, now=now)
            return None
        if data is None:
            delivery.end(WebhookDelivery.State.DROPPED, now=now)
            return None
        happened = delivery.happened_at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        whole = {"type": delivery.type, "timestamp": happened, "data": data}
        delivery.draw(json.dumps(whole, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":")))
    body, seconds = delivery.body.encode(), int(now.timestamp())
    signatures = [signature(one, delivery.webhook_id, seconds, body) for one in delivery.endpoint.secrets_at(now)]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Portico-Webhooks/1",
        "webhook-id": delivery.webhook_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(signatures),
    }
    return Post(delivery, delivery.endpoint.url, body, headers)


def attempt(post: Post) -> Outcome:
    """Make the attempt; runs in a thread of its own and asks no database."""
    started, status, error, said = time.monotonic(), None, "", b""
    try:
        answer: Answer = posting.post(post.url, post.body, post.headers)
        status, said = answer.status, answer.body
        error = "" if 200 <= status < 300 else f"http_{status}"
    except Unreachable as fault:
        error = fault.code
    except Exception as fault:  # noqa: BLE001  # whatever it is, it is this endpoint's attempt alone that failed
        logger.warning("a webhook could not be posted: %s", type(fault).__name__)
        error = "fault"
    words = said[:ANSWER_KEPT].decode(errors="replace").replace("\0", "�")
    return Outcome(post, status, error, words, round((time.monotonic() - started) * 1000))


def settle(outcome: Outcome, *, now: datetime) -> None:
    """Write down how an attempt went, and what follows from it."""
    delivery, endpoint = outcome.post.delivery, outcome.post.delivery.endpoint
    WebhookAttempt.objects.create(
        delivery=delivery,
        at=now,
        status=outcome.status,
        error=outcome.error,
        milliseconds=outcome.milliseconds,
        answer=outcome.answer,
    )
    if not outcome.error:
        endpoint.note(now=now, worked=True)
        delivery.end(WebhookDelivery.State.DELIVERED, now=now, status=outcome.status)
        return
    endpoint.note(now=now, worked=False, rest=REST if outcome.status is None else None)
    if outcome.status == GONE:
        delivery.end(WebhookDelivery.State.FAILED, now=now, error=outcome.error, status=outcome.status)
        endpoint.give_up(WebhookEndpoint.State.GONE, now=now)
        return
    later(delivery, error=outcome.error, status=outcome.status, now=now)


def later(delivery: WebhookDelivery, *, error: str, status: int | None, now: datetime) -> None:
    """Try again by `WAITS`. After the last attempt the message failed; and the endpoint, if it took nothing all that time."""
    if delivery.attempts <= len(WAITS):
        delivery.try_again(at=now + WAITS[delivery.attempts - 1], error=error, status=status)
        return
    delivery.end(WebhookDelivery.State.FAILED, now=now, error=error, status=status)
    endpoint = WebhookEndpoint.objects.get(pk=delivery.endpoint_id)
    if endpoint.succeeded_at is None or endpoint.succeeded_at < delivery.queued_at:
        endpoint.give_up(WebhookEndpoint.State.FAILING, now=now)


@gauge("portico_webhooks", "Webhooks that wait, and webhooks that failed.")
def depth() -> dict[str, float]:
    """For the metrics."""
    waiting, gone = WebhookDelivery.State.QUEUED, WebhookDelivery.State.FAILED
    return {state: WebhookDelivery.objects.filter(state=state).count() for state in (waiting, gone)}
