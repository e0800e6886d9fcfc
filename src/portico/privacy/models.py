"""What people ask about their own data: a closed account, a copy, an erasure."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portico.accounts.models import Seller, User
from portico.kit.privacy import Privacy


class Closing(models.Model):
    """An account that its person closed: sign-in has ended, documents stay. Undone within thirty days by the mailed link."""

    privacy: ClassVar = {Privacy.NONE: "id closed_at undone_at", Privacy.ACTOR: "user"}
    REVERSIBLE: ClassVar = timedelta(days=30)

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="closings")
    closed_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user"], condition=Q(undone_at=None), name="one_open_closing_each")
        ]

    def __str__(self) -> str:
        return f"closing {self.pk}"


class Export(models.Model):
    """A copy of what the portal holds about a person, made by the worker and fetched once (GDPR Art. 15 and 20)."""

    privacy: ClassVar = {
        Privacy.NONE: "id state done total asked_at begun_at ready_at fetched_at error",
        Privacy.ACTOR: "user",
    }
    KEPT: ClassVar = timedelta(days=7)

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        READY = "ready"
        FETCHED = "fetched"
        EXPIRED = "expired"
        FAILED = "failed"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports")
    state = models.CharField(max_length=7, choices=State, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=80, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(state__in=["queued", "running"]), name="one_export_at_a_time_each"
            )
        ]

    def __str__(self) -> str:
        return f"export {self.pk}"

    @property
    def path(self) -> Path:
        """Where the ZIP lies while it waits."""
        return Path(settings.PORTICO_FILES) / "exports" / f"{self.pk}.zip"

    @property
    def percent(self) -> int:
        """How far it is."""
        return 100 * self.done // self.total if self.total else 0


class ErasureRequest(models.Model):
    """Somebody asks to have its data erased (GDPR Art. 17): the clock, the decision, and the proof, which names nobody."""

    privacy: ClassVar = {
        Privacy.NONE: (
            "id seller state channel received_on due_on extended_on decided_at executed_at kept_until steps proof"
        ),
        Privacy.ACTOR: "user decided_by",
        Privacy.NOTE: "reason",
    }

    class State(models.TextChoices):
        RECEIVED = "received"
        EXECUTING = "executing"
        PARTIAL = "partial"
        COMPLETED = "completed"
        REFUSED = "refused"
        WITHDRAWN = "withdrawn"

    class Channel(models.TextChoices):
        PORTAL = "portal"
        MAIL = "mail"
        POST = "post"
        TELEPHONE = "telephone"

    OPEN: ClassVar = (State.RECEIVED, State.EXECUTING)

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="erasure_requests")
    state = models.CharField(max_length=9, choices=State, default=State.RECEIVED)
    channel = models.CharField(max_length=9, choices=Channel)
    received_on = models.DateField()
    due_on = models.DateField(help_text="one calendar month after it was received (Art. 12(3))")
    extended_on = models.DateField(null=True, help_text="told within the first month; two months more at most")
    reason = models.TextField(blank=True, max_length=2000, help_text="why it was refused or takes longer")
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True)
    executed_at = models.DateTimeField(null=True)
    kept_until = models.DateField(null=True, help_text="the last day of what the law makes us keep")
    steps = models.JSONField(default=dict, help_text="what was done, by step: how many rows")
    proof = models.JSONField(default=list, help_text="what stays: how many, which law, until when")

    class Meta:
        ordering = ["due_on", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(state__in=["received", "executing"]), name="one_open_erasure_each"
            )
        ]

    def __str__(self) -> str:
        return self.receipt

    @property
    def receipt(self) -> str:
        """What the person is given to ask about it."""
        return f"E-{self.pk:05d}"

    def done(self, step: str, count: int) -> None:
        """Note a finished step, so that nothing is done twice after a crash. In the step's transaction."""
        self.steps = {**self.steps, step: count}
        self.save(update_fields=["steps"])

    def finish(self, *, kept_until: date | None, proof: list[dict[str, object]], now: datetime) -> None:
        """All steps are done: partial while the law keeps something, else completed."""
        self.state = self.State.PARTIAL if kept_until else self.State.COMPLETED
        self.kept_until, self.proof, self.executed_at = kept_until, proof, now
        self.save(update_fields=["state", "kept_until", "proof", "executed_at"])

    def complete(self, *, count: int, now: datetime) -> None:
        """partial → completed: the time of keeping has ended and what stayed is gone."""
        self.state = self.State.COMPLETED
        self.proof = [*self.proof, {"what": "purged", "count": count, "on": now.date().isoformat()}]
        self.save(update_fields=["state", "proof"])
