"""ZIP files that a worker prepares: the invoices that somebody chose, or a year of the seller's books for an auditor."""

import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from portico.accounts.models import Membership, Seller, User
from portico.kit.db import claim
from portico.kit.privacy import Privacy


def new_key() -> str:
    """The archive's place in an address: 192 random bits."""
    return secrets.token_urlsafe(24)


class Archive(models.Model):
    """One ZIP, asked for, then made in short turns by whichever worker is free, then fetched until it expires.

    `place` and `done` say how far it is on the disk, and are written after the disk has it: a worker that dies loses its
    last turn alone. `taken_at` is the worker's claim, for as long as LEASE.
    """

    privacy = {
        Privacy.NONE: (
            "id key kind seller member sees year xml language state place done total attempts bounds size sha256 "
            "asked_at taken_at turned_at ready_at expires_at problem"
        ),
        Privacy.ACTOR: "user",
        Privacy.PAYLOAD: "chosen",
    }
    LEASE = timedelta(minutes=2)
    MOST_ATTEMPTS = 5
    """So many turns may come to nothing one after the other."""

    class Kind(models.TextChoices):
        CHOSEN = "chosen"
        YEAR = "year"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        READY = "ready"
        FAILED = "failed"

    WAITING = (State.QUEUED, State.RUNNING)

    key = models.CharField(max_length=40, unique=True, default=new_key)
    kind = models.CharField(max_length=6, choices=Kind)
    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", help_text="who asked for it")
    member = models.ForeignKey(Membership, null=True, on_delete=models.CASCADE, related_name="+")
    sees = models.CharField(max_length=64, blank=True, help_text="what the member may see, in one word")
    year = models.PositiveSmallIntegerField(null=True)
    chosen = models.JSONField(default=list, help_text="ids of invoices")
    bounds = models.JSONField(default=dict, help_text="of a year: series and its last place when it was asked for")
    xml = models.CharField(max_length=3, blank=True, help_text="cii or ubl, beside each PDF")
    language = models.CharField(max_length=2, default="en")
    state = models.CharField(max_length=7, choices=State, default=State.QUEUED)
    place = models.JSONField(default=dict)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    problem = models.CharField(max_length=300, blank=True)
    size = models.PositiveBigIntegerField(default=0, help_text="bytes")
    sha256 = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField()
    taken_at = models.DateTimeField(null=True)
    turned_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["turned_at", "id"], condition=Q(state__in=["queued", "running"]), name="archive_to_make"
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="year", year__isnull=False, member__isnull=True) | Q(kind="chosen", year__isnull=True),
                name="archive_of_a_year_or_chosen",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.year or ''} {self.pk}"

    @property
    def path(self) -> Path:
        """Where the ZIP lies, and grows."""
        return folder() / f"{self.key}.zip"

    @property
    def percent(self) -> int:
        """How far it is, 100 only when it is ready."""
        if self.state == self.State.READY:
            return 100
        return min(100 * self.done // self.total, 99) if self.total else 0

    @property
    def name(self) -> str:
        """The file's name for whoever keeps it."""
        if self.kind == self.Kind.YEAR:
            return f"archive-{self.year}-{self.asked_at:%Y%m%d}.zip"
        return f"invoices-{self.asked_at:%Y%m%d-%H%M}.zip"

    @classmethod
    def to_make(cls, now: datetime) -> "models.QuerySet[Archive]":
        """Those that a worker may take, the one that has waited longest first."""
        free = Q(taken_at=None) | Q(taken_at__lte=now - cls.LEASE)
        rows = cls.objects.filter(free, state__in=cls.WAITING)
        return rows.order_by(F("turned_at").asc(nulls_first=True), "id")

    def take(self, now: datetime) -> bool:
        """A turn begins; False when another worker has it."""
        mine = claim(
            Archive.to_make(now).order_by().filter(pk=self.pk, attempts=self.attempts),
            state=self.State.RUNNING,
            taken_at=now,
            attempts=self.attempts + 1,
        )
        if mine:
            self.refresh_from_db()
        return mine

    def _mine(self) -> "models.QuerySet[Archive]":
        return Archive.objects.filter(pk=self.pk, state=self.State.RUNNING, taken_at=self.taken_at)

    def got_on(self, place: dict[str, Any], done: int, *, now: datetime) -> bool:
        """A turn ended: the disk has so much. False when the archive was taken away meanwhile."""
        return claim(self._mine(), place=place, done=done, attempts=0, taken_at=None, turned_at=now)

    def let_go(self, *, now: datetime) -> bool:
        """A turn came to nothing; another is tried."""
        return claim(self._mine(), taken_at=None, turned_at=now)

    def begin_again(self, *, now: datetime) -> bool:
        """What was made is gone from the disk: from the first paper on."""
        return claim(self._mine(), place={}, done=0, taken_at=None, turned_at=now)

    def complete(self, *, size: int, sha256: str, now: datetime, kept: timedelta) -> bool:
        """running → ready."""
        return claim(
            self._mine(), state=self.State.READY, done=F("total"), size=size, sha256=sha256, ready_at=now,
            expires_at=now + kept, taken_at=None, attempts=0,
        )  # fmt: skip

    def fail(self, problem: str, *, now: datetime) -> bool:
        """running → failed, with what a person can do something about."""
        return claim(self._mine(), state=self.State.FAILED, problem=problem[:300], taken_at=None, turned_at=now)

    def retry(self) -> bool:
        """failed → queued: it goes on where it was."""
        return claim(
            Archive.objects.filter(pk=self.pk, state=self.State.FAILED), state=self.State.QUEUED, problem="", attempts=0
        )

    def remove(self) -> bool:
        """The row, then the files; True for the one who did it. A worker that has it finds nothing left to write down."""
        gone = bool(Archive.objects.filter(pk=self.pk).delete()[0])
        remove_files(self.key)
        return gone


def folder() -> Path:
    """Where archives lie."""
    return Path(settings.PORTICO_FILES) / "archives"


def remove_files(key: str) -> None:
    """The ZIP of this key and what grew beside it."""
    if folder().is_dir():
        for file in folder().glob(f"{key}.zip*"):
            file.unlink(missing_ok=True)


def keys_on_disk() -> list[str]:
    """The keys of the archives that have files."""
    return sorted({file.name.split(".zip", 1)[0] for file in folder().glob("*.zip*")}) if folder().is_dir() else []
