"""Keys of the seller's own systems (ERP, provisioning), how often each asks, and the answers kept for those that ask twice."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar

from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Lower
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models.seller import Seller
from portico.accounts.models.user import User
from portico.kit.db import claim
from portico.kit.errors import Conflict
from portico.kit.privacy import Privacy
from portico.kit.tokens import digest, new_token

PREFIX = "portico_"
"""What every secret begins with, so that scanners of source code and logs know one when they see it."""
SHOWN = len(PREFIX) + 4
SCOPES = {
    "customers:read": lazy("Read customers"),
    "customers:write": lazy("Create and change customers"),
    "members:read": lazy("Read a customer's people"),
    "members:write": lazy("Invite, change and remove a customer's people"),
    "products:read": lazy("Read products and prices"),
    "products:write": lazy("Create products and set prices"),
    "databases:read": lazy("Read databases"),
    "databases:write": lazy("Create databases"),
    "reports:write": lazy("Report what was added to or removed from a database"),
    "subscriptions:read": lazy("Read subscriptions and what a change costs"),
    "quotations:read": lazy("Read quotations"),
    "quotations:write": lazy("Write, send and withdraw quotations"),
    "orders:read": lazy("Read sales orders"),
    "invoices:read": lazy("Read invoices and credit notes"),
    "payments:read": lazy("Read payments"),
    "payments:write": lazy("Book transfers that arrived"),
}
"""What a key may do: an area, and whether it is read or changed; changing does not include reading."""
REQUESTS_PER_MINUTE = 600
TOUCH_EVERY = timedelta(minutes=1)


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Keys as the door looks for them."""

    def of_secret(self, secret: str, now: datetime) -> "ApiKey | None":
        """The key that this secret opens now: the newest one, or the one before it while both work. One statement."""
        hashed = digest(secret)
        works = Q(digest=hashed) | Q(previous_digest=hashed, previous_until__gt=now)
        return self.filter(works, revoked_at=None).select_related("seller", "use").first()


class ApiKey(models.Model):
    """One integration of the seller: its name stands in the history of what it does. Of its secret only a hash is kept."""

    privacy: ClassVar = {
        Privacy.NONE: (
            "id seller name scopes hint requests_per_minute previous_until created_at rotated_at last_used_at revoked_at"
        ),
        Privacy.CREDENTIAL: "digest previous_digest",
        Privacy.ACTOR: "created_by revoked_by",
    }

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="api_keys")
    name = models.CharField(max_length=60)
    scopes = models.JSONField(default=list)
    hint = models.CharField(max_length=20, help_text="how the secret begins, to tell two of them apart")
    digest = models.CharField(max_length=64, unique=True)
    previous_digest = models.CharField(max_length=64, unique=True, null=True)
    previous_until = models.DateTimeField(null=True, help_text="until when the secret before the last rotation works")
    requests_per_minute = models.PositiveIntegerField(default=REQUESTS_PER_MINUTE)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    rotated_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True, help_text="written at most every minute")
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "seller", Lower("name"), condition=Q(revoked_at=None), name="api_key_name_once_while_it_works"
            ),
            models.CheckConstraint(condition=Q(requests_per_minute__gte=1), name="api_key_asks_at_least_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def issue(
        cls, *, seller: Seller, name: str, scopes: Collection[str], per_minute: int, by: User | None, now: datetime
    ) -> "tuple[ApiKey, str]":
        """A new key and its secret, which is told this once."""
        secret = PREFIX + new_token()
        key = cls.objects.create(
            seller=seller,
            name=name,
            scopes=[scope for scope in SCOPES if scope in scopes],
            hint=secret[:SHOWN],
            digest=digest(secret),
            requests_per_minute=per_minute,
            created_at=now,
            created_by=by,
        )
        ApiUse.objects.create(key=key)
        return key, secret

    def rotate(self, *, overlap: timedelta, now: datetime) -> str:
        """A new secret; the one until now works on for `overlap`. Conflict when it was revoked or rotated meanwhile."""
        secret = PREFIX + new_token()
        if not claim(
            ApiKey.objects.filter(pk=self.pk, digest=self.digest, revoked_at=None),
            digest=digest(secret),
            hint=secret[:SHOWN],
            previous_digest=self.digest if overlap else None,
            previous_until=now + overlap if overlap else None,
            rotated_at=now,
        ):
            raise Conflict(_("This key was changed meanwhile. Look at it again. Nothing was changed."))
        self.refresh_from_db()
        return secret

    def revoke(self, *, by: User | None, now: datetime) -> None:
        """From now on it opens nothing. Conflict when that was done before."""
        rows = ApiKey.objects.filter(pk=self.pk, revoked_at=None)
        if not claim(rows, revoked_at=now, revoked_by=by, previous_digest=None, previous_until=None):
            raise Conflict(_("This key was revoked already."))
        self.refresh_from_db()

    def allows(self, scope: str) -> bool:
        """Whether it may do what `scope` names."""
        return scope in self.scopes

    def used(self, now: datetime) -> None:
        """Remember the last use, at most every minute."""
        if self.last_used_at is None or now - self.last_used_at >= TOUCH_EVERY:
            ApiKey.objects.filter(pk=self.pk).update(last_used_at=now)
            self.last_used_at = now


class ApiUse(models.Model):
    """How often a key asked in the running minute: one row for all processes, changed by one conditional UPDATE."""

    privacy: ClassVar = {Privacy.NONE: "key minute requests"}

    key = models.OneToOneField(ApiKey, on_delete=models.CASCADE, primary_key=True, related_name="use")
    minute = models.BigIntegerField(default=0, help_text="minutes since 1970")
    requests = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.requests} in {self.minute}"

    def count(self, *, limit: int, now: datetime) -> int | None:
        """Count one request; how many are left in this minute as far as this process knows, None when it was too many."""
        minute = int(now.timestamp()) // 60
        known = self.requests if self.minute == minute else 0
        rows = ApiUse.objects.filter(pk=self.pk).exclude(minute=minute, requests__gte=limit)
        if not claim(rows, requests=Case(When(minute=minute, then=F("requests") + 1), default=1), minute=minute):
            return None
        return max(limit - known - 1, 0)


class KeptAnswer(models.Model):
    """A write under an Idempotency-Key: running, or done with the answer that a repetition gets again.

    The row is taken before the work begins and finished in the transaction that does it, so that no crash can leave the
    one without the other. `lease` names whoever works on it; after a crash another may take it over.
    """

    privacy: ClassVar = {
        Privacy.NONE: "id key name request lease taken_at done status location",
        Privacy.PAYLOAD: "body",
    }
    RUNS_AT_MOST: ClassVar = timedelta(minutes=1)
    KEPT: ClassVar = timedelta(hours=25)

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=128, help_text="the Idempotency-Key header")
    request = models.CharField(max_length=64, help_text="SHA-256 of method, address and body")
    lease = models.CharField(max_length=32)
    taken_at = models.DateTimeField()
    done = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField(default=0)
    location = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "name"], name="kept_answer_once_per_key")]
        indexes = [models.Index(fields=["taken_at"], name="kept_answer_oldest")]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def take(cls, key: ApiKey, name: str, request: str, *, now: datetime) -> "tuple[KeptAnswer, bool]":
        """The row of this Idempotency-Key, and whether the caller is the one to do the work now."""
        lease = secrets.token_hex(16)
        row, made = cls.objects.get_or_create(
            key=key, name=name, defaults={"request": request, "lease": lease, "taken_at": now}
        )
        if made or row.done or row.request != request or now - row.taken_at < cls.RUNS_AT_MOST:
            return row, made
        taken = claim(cls.objects.filter(pk=row.pk, lease=row.lease, done=False), lease=lease, taken_at=now)
        row.refresh_from_db()
        return row, taken

    def finish(self, *, status: int, body: str, location: str) -> bool:
        """Keep the answer, in the transaction of the work; False when somebody else has taken the work over."""
        rows = KeptAnswer.objects.filter(pk=self.pk, lease=self.lease, done=False)
        return claim(rows, done=True, status=status, body=body, location=location)

    def drop(self) -> None:
        """Nothing was done: the Idempotency-Key is free again."""
        KeptAnswer.objects.filter(pk=self.pk, lease=self.lease, done=False).delete()
