"""The tables of the kit."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _

from portico.kit.db import claim
from portico.kit.errors import Conflict
from portico.kit.files import StoredFile
from portico.kit.hooks import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from portico.kit.privacy import Privacy

__all__ = [
    "CacheEntry",
    "Heartbeat",
    "Letter",
    "StoredFile",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
]


class CacheEntry(models.Model):
    """The table of Django's database cache (rate limits, shared by all processes), so that `migrate` makes it."""

    privacy: ClassVar = {Privacy.CREDENTIAL: "cache_key value expires"}

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "kit_cacheentry"

    def __str__(self) -> str:
        return self.cache_key


class Heartbeat(models.Model):
    """When each sweep of the worker last ran, and how that went; `/health/ready` and the metrics read it."""

    privacy: ClassVar = {Privacy.NONE: "name at succeeded_at failures"}

    name = models.CharField(max_length=80, primary_key=True)
    at = models.DateTimeField()
    succeeded_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")

    def __str__(self) -> str:
        return self.name


class LetterQuerySet(models.QuerySet["Letter"]):
    """Letters as the worker finds them."""

    def due(self, now: datetime) -> "LetterQuerySet":
        """What is to be sent now, the longest waiting first; also what a worker took and never came back from."""
        waiting = Q(state__in=Letter.WAITING, next_attempt_at__lte=now)
        return self.filter(waiting).order_by("next_attempt_at", "pk")


class Letter(models.Model):
    """One mail to one person, written in the transaction of what it tells, and sent by the worker (`kit.outbox`).

    Until it is sent it holds ids alone and is drawn from the documents; what was sent is kept as it was read, without
    secrets. `seller`, `customer` and `person` are plain ids: the kit knows no such tables.
    """

    privacy: ClassVar = {
        Privacy.NONE: (
            "id event about seller customer why language state attempts queued_at next_attempt_at sent_at error"
        ),
        Privacy.ACTOR: "person",
        Privacy.PAYLOAD: "key message_id to_address to_name data subject text html attachments",
    }

    class State(models.TextChoices):
        QUEUED = "queued"
        SENDING = "sending"
        SENT = "sent"
        FAILED = "failed"
        DROPPED = "dropped"

    WAITING = (State.QUEUED, State.SENDING)
    LEASE = timedelta(minutes=10)
    """So long a worker may take to send one; afterwards it counts as lost and the letter is taken up again."""

    event = models.CharField(max_length=40)
    key = models.CharField(max_length=200, unique=True, help_text="event, what it tells, reader: never queued twice")
    about = models.CharField(max_length=60, help_text="noun:id of what it tells")
    seller = models.BigIntegerField()
    customer = models.BigIntegerField(null=True)
    person = models.BigIntegerField(null=True)
    why = models.CharField(max_length=20, help_text="why this reader gets it")
    to_address = models.CharField(max_length=254)
    to_name = models.CharField(max_length=120, blank=True)
    language = models.CharField(max_length=2)
    data = models.JSONField(default=dict, help_text="ids of what it is drawn from")
    state = models.CharField(max_length=7, choices=State, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    queued_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=80, blank=True, help_text="the class of the last fault, never its words")
    message_id = models.CharField(max_length=120, help_text="the same at every attempt")
    subject = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    attachments = models.JSONField(default=list, help_text="names of the files")

    objects = LetterQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(state__in=["queued", "sending"]), name="letter_to_send"
            ),
            models.Index(fields=["seller", "-id"], name="letter_of_seller"),
            models.Index(fields=["seller", "id"], condition=Q(state="failed"), name="letter_failed"),
            models.Index(fields=["event", "about"], name="letter_of_document"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["queued", "sending"], next_attempt_at__isnull=False)
                | (~Q(state__in=["queued", "sending"]) & Q(next_attempt_at__isnull=True)),
                name="letter_waits_until",
            ),
            models.CheckConstraint(
                condition=Q(state="sent", sent_at__isnull=False) | (~Q(state="sent") & Q(sent_at__isnull=True)),
                name="letter_sent_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.pk}"

    def take(self, now: datetime) -> bool:
        """queued (or taken and lost) → sending; True for exactly one of several workers at the same moment."""
        rows = Letter.objects.due(now).filter(pk=self.pk, attempts=self.attempts).order_by()
        taken = claim(
            rows, state=self.State.SENDING, attempts=F("attempts") + 1, next_attempt_at=now + self.LEASE, error=""
        )
        if taken:
            self.state, self.attempts, self.next_attempt_at = self.State.SENDING, self.attempts + 1, now + self.LEASE
        return taken

    def was_sent(self, *, subject: str, text: str, html: str, attachments: Sequence[str], now: datetime) -> None:
        """sending → sent; what the reader got is kept."""
        kept = {"subject": subject[:300], "text": text, "html": html, "attachments": list(attachments)}
        self._end(self.State.SENT, next_attempt_at=None, sent_at=now, **kept)

    def try_again(self, *, at: datetime, error: str) -> None:
        """sending → queued until `at`."""
        self._end(self.State.QUEUED, next_attempt_at=at, error=error[:80])

    def fail(self, *, error: str) -> None:
        """sending → failed: somebody must look at it."""
        self._end(self.State.FAILED, next_attempt_at=None, error=error[:80])

    def drop(self, *, error: str = "") -> None:
        """sending → dropped: what it was to tell is no longer true."""
        self._end(self.State.DROPPED, next_attempt_at=None, error=error[:80])

    def retry(self, *, now: datetime) -> None:
        """failed → queued, with all its time before it again; Conflict when it did not fail."""
        rows = Letter.objects.filter(pk=self.pk, state=self.State.FAILED)
        if not claim(rows, state=self.State.QUEUED, attempts=0, queued_at=now, next_attempt_at=now, error=""):
            raise Conflict(_("This letter has not failed, or somebody sent it again already. Nothing was changed."))
        self.refresh_from_db()

    def _end(self, state: str, **changes: Any) -> None:
        """Only of the attempt that is ours: a worker that was given up for lost changes nothing any more."""
        claim(
            Letter.objects.filter(pk=self.pk, state=self.State.SENDING, attempts=self.attempts), state=state, **changes
        )
        self.refresh_from_db()
