"""An import: files that staff sent together, worked through by the worker, and what became of each."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Seller, User
from portico.billing.models.invoice import Invoice
from portico.kit.db import claim
from portico.kit.files import StoredFile
from portico.kit.privacy import Privacy


class ImportJob(models.Model):
    """One upload. A worker holds it for a short time (`held_until`), so that two never share its files."""

    privacy = {Privacy.NONE: "id seller sent_at finished_at held_until", Privacy.ACTOR: "sent_by"}

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    sent_at = models.DateTimeField()
    sent_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    held_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(finished_at__isnull=True), name="import_job_open"),
            models.Index(fields=["seller", "-sent_at"], name="import_job_list"),
        ]

    def __str__(self) -> str:
        return f"import {self.pk}"

    def take(self, *, now: datetime, until: datetime) -> bool:
        """Hold it until then; False when another worker does, or it is finished."""
        free = Q(held_until=None) | Q(held_until__lte=now)
        return claim(ImportJob.objects.filter(free, pk=self.pk, finished_at=None), held_until=until)

    def let_go(self) -> None:
        """For whoever comes next."""
        ImportJob.objects.filter(pk=self.pk).update(held_until=None)

    def finish(self, *, now: datetime) -> bool:
        """open → finished; True for the one who did it."""
        return claim(ImportJob.objects.filter(pk=self.pk, finished_at=None), finished_at=now)


class ImportFile(models.Model):
    """One file of an import: sent by itself, or a member of a ZIP that was.

    `waiting → imported | known | refused`; a ZIP goes `waiting → unpacked | refused`. `file` are the bytes that were sent,
    gone when the import has ended. A refusal is kept as its code with what it names (`documents.reading.reasons`).
    """

    privacy = {
        Privacy.NONE: "id job archive member file state code invoice customer_made due_minor attempts done_at",
        Privacy.INVOICE: "name about",
    }

    class State(models.TextChoices):
        WAITING = "waiting", lazy("Waiting")
        IMPORTED = "imported", lazy("Imported")
        KNOWN = "known", lazy("Known before")
        REFUSED = "refused", lazy("Refused")
        UNPACKED = "unpacked", lazy("Unpacked")

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="files")
    archive = models.ForeignKey("self", null=True, on_delete=models.CASCADE, related_name="members")
    member = models.PositiveIntegerField(null=True, help_text="its place in the ZIP")
    name = models.CharField(max_length=255)
    file = models.ForeignKey(StoredFile, null=True, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    code = models.CharField(max_length=20, blank=True, help_text="why it was refused")
    about = models.JSONField(default=dict, help_text="what the reason names")
    invoice = models.ForeignKey(Invoice, null=True, on_delete=models.SET_NULL, related_name="+")
    customer_made = models.BooleanField(default=False)
    due_minor = models.BigIntegerField(null=True, help_text="as the file states it")
    attempts = models.PositiveSmallIntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["job", "state", "id"], name="import_file_by_state"),
            models.Index(fields=["job", "id"], condition=Q(state="waiting"), name="import_file_waiting"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["archive", "member"], name="import_member_once"),
            models.CheckConstraint(condition=Q(state="refused") ^ Q(code=""), name="import_file_refused_with_a_reason"),
        ]

    def __str__(self) -> str:
        return self.name

    def begin(self) -> bool:
        """Count an attempt before it is made; False when the file is no longer waiting."""
        rows = ImportFile.objects.filter(pk=self.pk, state=self.State.WAITING, attempts=self.attempts)
        self.attempts += 1
        return claim(rows, attempts=self.attempts)

    def end(self, state: str, *, now: datetime, **changes: Any) -> bool:
        """waiting → `state`, with what there is to say about it; True when this call was the one."""
        rows = ImportFile.objects.filter(pk=self.pk, state=self.State.WAITING)
        return claim(rows, state=state, done_at=now, **changes)
