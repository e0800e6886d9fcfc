"""Outgoing webhooks as rows: endpoints, what is to be delivered to each, and every attempt (Standard Webhooks).

A delivery is written in the transaction of what it tells. `kit.delivering` draws, signs and posts it.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _

from portico.kit.db import claim
from portico.kit.errors import Conflict
from portico.kit.privacy import Privacy

OVERLAP = timedelta(hours=24)
"""So long the secret before the present one goes on signing as well."""
ANSWER_KEPT = 1000


def new_secret() -> str:
    """A secret to sign with: `whsec_` and 32 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, webhook_id: str, seconds: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((webhook_id.encode(), str(seconds).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class WebhookEndpoint(models.Model):
    """An address of the vendor's own systems that is told what happens.

    `on → off → on` by hand. `failing`: nothing was taken for three days; what happens meanwhile is kept to be sent again.
    `gone`: it answered 410. `seller` and `created_by` are plain ids: the kit knows no such tables.
    """

    privacy: ClassVar = {
        Privacy.NONE: (
            "id seller url types state changed_at told_at previous_until succeeded_at failed_at resting_until created_at"
        ),
        Privacy.ACTOR: "created_by",
        Privacy.CREDENTIAL: "secret previous_secret",
    }

    class State(models.TextChoices):
        ON = "on"
        OFF = "off"
        FAILING = "failing"
        GONE = "gone"

    DEAD = (State.FAILING, State.GONE)

    seller = models.BigIntegerField()
    url = models.CharField(max_length=500)
    types = models.JSONField(default=list, help_text="which types it gets; none named: all")
    state = models.CharField(max_length=7, choices=State, default=State.ON)
    changed_at = models.DateTimeField(help_text="when it came into this state")
    told_at = models.DateTimeField(null=True, help_text="when people were told that it no longer works")
    secret = models.CharField(max_length=100)
    previous_secret = models.CharField(max_length=100, blank=True)
    previous_until = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    resting_until = models.DateTimeField(null=True, help_text="it did not answer: nothing is tried before")
    created_at = models.DateTimeField()
    created_by = models.BigIntegerField(null=True)

    class Meta:
        indexes = [models.Index(fields=["seller", "id"], name="webhook_endpoint_of_seller")]

    def __str__(self) -> str:
        return self.url

    def secrets_at(self, now: datetime) -> list[str]:
        """What signs now: the secret, and the one before while both hold."""
        both = self.previous_secret and self.previous_until is not None and now < self.previous_until
        return [self.secret, self.previous_secret] if both else [self.secret]

    def rotate(self, *, now: datetime) -> str:
        """A new secret; the present one goes on signing beside it for a day. Returns the new one, which is shown once."""
        fresh = new_secret()
        changes = {"secret": fresh, "previous_secret": F("secret"), "previous_until": now + OVERLAP}
        if not claim(WebhookEndpoint.objects.filter(pk=self.pk, secret=self.secret), **changes):
            raise Conflict(_("Somebody else changed the secret meanwhile. Look at the endpoint again."))
        self.refresh_from_db()
        return fresh

    def change(self, *, url: str, types: Iterable[str]) -> None:
        """Another address, other types; what waits goes to the new address."""
        self.url, self.types, self.resting_until = url, sorted(types), None
        self.save(update_fields=["url", "types", "resting_until"])

    def switch_off(self, *, now: datetime) -> None:
        """on or failing → off: nothing is written for it any more, and what waits is not sent."""
        rows = WebhookEndpoint.objects.filter(pk=self.pk).exclude(state=self.State.OFF)
        self._become(rows, self.State.OFF, now=now)
        self._fail_waiting("switched_off")

    def switch_on(self, *, now: datetime) -> None:
        """→ on again; what failed meanwhile is sent when somebody asks for it."""
        rows = WebhookEndpoint.objects.filter(pk=self.pk).exclude(state=self.State.ON)
        self._become(rows, self.State.ON, now=now, told_at=None, resting_until=None, succeeded_at=None)

    def give_up(self, state: str, *, now: datetime) -> None:
        """on → failing or gone, by what it answered; once."""
        changes: dict[str, Any] = {"state": state, "changed_at": now, "told_at": None}
        if claim(WebhookEndpoint.objects.filter(pk=self.pk, state=self.State.ON), **changes):
            self._fail_waiting(f"endpoint_{state}")
            self.refresh_from_db()

    def was_told(self, *, now: datetime) -> bool:
        """People are told that it no longer works; True for exactly one of several who would tell."""
        return claim(WebhookEndpoint.objects.filter(pk=self.pk, state__in=self.DEAD, told_at=None), told_at=now)

    def note(self, *, now: datetime, worked: bool, rest: timedelta | None = None) -> None:
        """How the last attempt went; with `rest` nothing is tried for so long."""
        changes: dict[str, datetime | None] = {"failed_at": now}
        if worked:
            changes = {"succeeded_at": now, "resting_until": None}
        elif rest:
            changes["resting_until"] = now + rest
        WebhookEndpoint.objects.filter(pk=self.pk).update(**changes)
        for name, value in changes.items():
            setattr(self, name, value)

    def _become(self, rows: "models.QuerySet[WebhookEndpoint]", state: str, *, now: datetime, **more: Any) -> None:
        if not claim(rows, state=state, changed_at=now, **more):
            raise Conflict(_("The endpoint is in this state already. Nothing was changed."))
        self.refresh_from_db()

    def _fail_waiting(self, error: str) -> None:
        waiting = self.deliveries.filter(state=WebhookDelivery.State.QUEUED)
        waiting.update(state=WebhookDelivery.State.FAILED, next_attempt_at=None, error=error)


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    """Deliveries as the worker finds them."""

    def due(self, now: datetime) -> "WebhookDeliveryQuerySet":
        """What is to be sent now, the longest waiting first; also what a worker took and never came back from."""
        rested = Q(endpoint__resting_until=None) | Q(endpoint__resting_until__lte=now)
        waiting = Q(state__in=WebhookDelivery.WAITING, next_attempt_at__lte=now)
        return self.filter(waiting, rested, endpoint__state=WebhookEndpoint.State.ON).order_by("next_attempt_at", "pk")


class WebhookDelivery(models.Model):
    """One message to one endpoint: `queued ⇄ sending → delivered | failed | dropped`; failed and delivered can be sent again.

    Until its first attempt it holds ids alone; then `body` is drawn and stays what it is, with the same `webhook_id` at
    every attempt, so that a receiver knows what it has already.
    """

    privacy: ClassVar = {
        Privacy.NONE: (
            "id endpoint webhook_id type noun object_id happened_at state attempts queued_at next_attempt_at ended_at error"
            " status"
        ),
        Privacy.PAYLOAD: "key data body",
    }

    class State(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        DELIVERED = "delivered"
        FAILED = "failed"
        DROPPED = "dropped"

    WAITING = (State.QUEUED, State.SENDING)
    LEASE = timedelta(minutes=3)
    """So long a worker may take; afterwards it counts as lost and the message is taken up again."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    key = models.CharField(max_length=60, help_text="what it tells: never queued twice for an endpoint")
    webhook_id = models.CharField(max_length=40, unique=True, help_text="the same at every attempt")
    type = models.CharField(max_length=40)
    noun = models.CharField(max_length=20)
    object_id = models.CharField(max_length=40)
    happened_at = models.DateTimeField()
    data = models.JSONField(default=dict, help_text="ids and numbers of what happened")
    body = models.TextField(blank=True, help_text="as it is sent, from the first attempt on")
    state = models.CharField(max_length=9, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="since it was queued")
    queued_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=40, blank=True)
    status = models.PositiveSmallIntegerField(null=True, help_text="of the last answer")

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "key"], name="webhook_delivery_once"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "sending"], next_attempt_at__isnull=False)
                | (~Q(state__in=["queued", "sending"]) & Q(next_attempt_at__isnull=True)),
                name="webhook_delivery_waits_until",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state__in=["queued", "sending"]),
                name="webhook_delivery_to_send",
            ),
            models.Index(fields=["endpoint", "-id"], name="webhook_delivery_of_endpoint"),
            models.Index(fields=["queued_at"], name="webhook_delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.webhook_id}"

    @staticmethod
    def new_id() -> str:
        """A webhook-id: no full stop in it, since it is signed with one behind it."""
        return f"msg_{secrets.token_hex(16)}"

    def take(self, now: datetime) -> bool:
        """queued (or taken and lost) → sending; True for exactly one of several workers at the same moment."""
        rows = WebhookDelivery.objects.filter(
            pk=self.pk, attempts=self.attempts, state__in=self.WAITING, next_attempt_at__lte=now
        )
        until = now + self.LEASE
        taken = claim(rows, state=self.State.SENDING, attempts=F("attempts") + 1, next_attempt_at=until)
        if taken:
            self.state, self.attempts, self.next_attempt_at = self.State.SENDING, self.attempts + 1, until
        return taken

    def draw(self, body: str) -> None:
        """Keep what is sent, once and for all attempts."""
        self.body = body
        WebhookDelivery.objects.filter(pk=self.pk, body="").update(body=body)

    def end(self, state: str, *, now: datetime, error: str = "", status: int | None = None) -> None:
        """sending → delivered, failed or dropped."""
        self._leave(state, next_attempt_at=None, ended_at=now, error=error, status=status)

    def try_again(self, *, at: datetime, error: str, status: int | None) -> None:
        """sending → queued until `at`."""
        self._leave(self.State.QUEUED, next_attempt_at=at, error=error, status=status)

    def replay(self, *, now: datetime) -> None:
        """failed or delivered → queued, with all its attempts before it again; Conflict for what waits anyway."""
        rows = WebhookDelivery.objects.filter(pk=self.pk, state__in=[self.State.FAILED, self.State.DELIVERED])
        if not claim(rows, **self.afresh(now)):
            raise Conflict(_("This message waits to be sent anyway. Nothing was changed."))
        self.refresh_from_db()

    @classmethod
    def afresh(cls, now: datetime) -> dict[str, Any]:
        """What a message looks like that is to be sent again from the beginning."""
        return {
            "state": cls.State.QUEUED, "attempts": 0, "queued_at": now, "next_attempt_at": now, "ended_at": None, "error": "",
        }  # fmt: skip

    def _leave(self, state: str, **changes: Any) -> None:
        """Only of the attempt that is ours: a worker that was given up for lost changes nothing any more."""
        rows = WebhookDelivery.objects.filter(pk=self.pk, state=self.State.SENDING, attempts=self.attempts)
        claim(rows, state=state, **changes)
        self.refresh_from_db()


class WebhookAttempt(models.Model):
    """One attempt: what was answered, the first kB of it, and how long that took."""

    privacy: ClassVar = {Privacy.NONE: "id delivery at status error milliseconds", Privacy.PAYLOAD: "answer"}

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=40, blank=True)
    milliseconds = models.PositiveIntegerField()
    answer = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.status or self.error}"
