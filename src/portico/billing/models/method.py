"""Saved ways to pay: a card or a mandate that a customer let us keep, and how it came to be saved."""

import uuid
from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import F, Q

from portico.accounts.models import Customer, Membership, User
from portico.kit.db import claim
from portico.kit.privacy import Privacy


class SavedMethodQuerySet(models.QuerySet["SavedMethod"]):
    """Saved methods as a person may see them."""

    def visible_to(self, membership: Membership) -> "SavedMethodQuerySet":
        """Those of the member's customer that are still there; none for a limited member, since they pay for everything."""
        if not membership.sees_all:
            return self.none()
        return self.filter(customer_id=membership.customer_id).kept()

    def kept(self) -> "SavedMethodQuerySet":
        """Those that were not removed."""
        return self.filter(removed_at=None)


class SavedMethod(models.Model):
    """A card or a mandate, known to us by the provider's name for it and what a person recognises it by.

    `consent` is the wording that was agreed to, with the person and the moment. Removing hides it at once and is owed to
    the provider until that has forgotten it too (`detached_at`).
    """

    privacy = {
        Privacy.NONE: (
            "id customer provider kind is_default consent consent_at created_at removed_at detached_at next_detach_at "
            "detach_attempts expiry_told_on"
        ),
        Privacy.PAYMENT: "provider_customer provider_method brand last4 expires_on mandate_reference",
        Privacy.ACTOR: "consent_by removed_by",
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="saved_methods")
    provider = models.CharField(max_length=20)
    provider_customer = models.CharField(max_length=120)
    provider_method = models.CharField(max_length=120)
    kind = models.CharField(max_length=30, help_text="card, sepa_debit, …")
    brand = models.CharField(max_length=30, blank=True)
    last4 = models.CharField(max_length=4, blank=True)
    expires_on = models.DateField(null=True, help_text="the last day a card is good")
    mandate_reference = models.CharField(max_length=35, blank=True, help_text="of a SEPA direct debit, BT-89")
    expiry_told_on = models.DateField(null=True, help_text="when its owner was told that it expires")
    is_default = models.BooleanField(default=False)
    consent = models.CharField(max_length=500)
    consent_at = models.DateTimeField()
    consent_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    removed_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    detached_at = models.DateTimeField(null=True)
    next_detach_at = models.DateTimeField(null=True)
    detach_attempts = models.PositiveSmallIntegerField(default=0)

    objects = SavedMethodQuerySet.as_manager()

    class Meta:
        ordering = ["-is_default", "-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "provider_method"], condition=Q(removed_at=None), name="saved_method_once"
            ),
            models.UniqueConstraint(fields=["customer"], condition=Q(is_default=True), name="one_default_method"),
            models.CheckConstraint(
                condition=Q(is_default=False) | Q(removed_at__isnull=True), name="default_method_is_there"
            ),
        ]
        indexes = [
            models.Index(fields=["customer"], condition=Q(removed_at=None), name="saved_method_of_customer"),
            models.Index(
                fields=["next_detach_at"], condition=Q(next_detach_at__isnull=False), name="saved_method_to_detach"
            ),
            models.Index(
                fields=["expires_on"],
                condition=Q(removed_at=None, expires_on__isnull=False),
                name="saved_method_expiring",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.brand or self.kind} {self.last4}".strip()

    def good_on(self, day: date) -> bool:
        """Whether it can be charged on that day, as far as we know."""
        return self.removed_at is None and (self.expires_on is None or self.expires_on >= day)

    def make_default(self) -> None:
        """It alone is the one that is charged by itself; nothing changes when it was removed meanwhile."""
        SavedMethod.objects.filter(customer=self.customer_id, is_default=True).exclude(pk=self.pk).update(
            is_default=False
        )
        claim(SavedMethod.objects.filter(pk=self.pk, removed_at=None), is_default=True)
        self.refresh_from_db()

    def remove(self, *, by: User | None, now: datetime, forgotten: bool = False) -> bool:
        """It is gone for us; `forgotten`: at the provider already, else that is owed. True when this call was the one."""
        done = claim(
            SavedMethod.objects.filter(pk=self.pk, removed_at=None),
            removed_at=now,
            removed_by=by,
            is_default=False,
            next_detach_at=None if forgotten else now,
            detached_at=now if forgotten else None,
        )
        self.refresh_from_db()
        return done

    def detached(self, *, now: datetime) -> None:
        """The provider has forgotten it."""
        claim(SavedMethod.objects.filter(pk=self.pk), detached_at=now, next_detach_at=None)
        self.refresh_from_db()

    def detach_again(self, *, at: datetime) -> None:
        """The provider did not answer: try again at `at`."""
        claim(
            SavedMethod.objects.filter(pk=self.pk, detached_at=None),
            next_detach_at=at,
            detach_attempts=F("detach_attempts") + 1,
        )
        self.refresh_from_db()

    def expiry_told(self, *, on: date) -> bool:
        """Its owner is told that it expires; True once for each card."""
        done = claim(SavedMethod.objects.filter(pk=self.pk, expiry_told_on=None, removed_at=None), expiry_told_on=on)
        self.refresh_from_db()
        return done

    def renewed(self, *, last4: str, brand: str, expires_on: date | None) -> None:
        """The bank replaced the card behind it."""
        self.last4, self.brand, self.expires_on, self.expiry_told_on = last4, brand, expires_on, None
        self.save(update_fields=["last4", "brand", "expires_on", "expiry_told_on"])


class Enrolment(models.Model):
    """An attempt to save a way to pay, written down with the consent before the provider is asked.

    `pending → done | failed | cancelled`. An answer that does not come leaves it pending; it is looked up.
    """

    privacy = {
        Privacy.NONE: (
            "id customer provider key state provider_reference checkout_url consent created_at ended_at next_lookup_at "
            "lookups method failure_code"
        ),
        Privacy.ACTOR: "created_by",
    }

    class State(models.TextChoices):
        PENDING = "pending"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="enrolments")
    provider = models.CharField(max_length=20)
    key = models.CharField(max_length=64, unique=True, help_text="the idempotency key")
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    provider_reference = models.CharField(max_length=120, blank=True)
    checkout_url = models.URLField(max_length=2000, blank=True)
    consent = models.CharField(max_length=500)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    ended_at = models.DateTimeField(null=True)
    next_lookup_at = models.DateTimeField(null=True)
    lookups = models.PositiveSmallIntegerField(default=0)
    method = models.ForeignKey(SavedMethod, null=True, on_delete=models.PROTECT, related_name="+")
    failure_code = models.CharField(max_length=40, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["next_lookup_at"], condition=Q(state="pending"), name="enrolment_to_look_up"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state="pending", ended_at__isnull=True) | (~Q(state="pending") & Q(ended_at__isnull=False)),
                name="enrolment_ended_when",
            ),
            models.UniqueConstraint(
                fields=["provider", "provider_reference"],
                condition=~Q(provider_reference=""),
                name="enrolment_once_per_provider",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.id}"

    def started(self, *, provider_reference: str, checkout_url: str) -> None:
        """Keep what the provider answered."""
        claim(Enrolment.objects.filter(pk=self.pk), provider_reference=provider_reference, checkout_url=checkout_url)
        self.refresh_from_db()

    def end(self, state: str, *, now: datetime, **changes: Any) -> bool:
        """pending → `state`; True when this call was the one."""
        rows = Enrolment.objects.filter(pk=self.pk, state=self.State.PENDING)
        done = claim(rows, state=state, ended_at=now, next_lookup_at=None, **changes)
        self.refresh_from_db()
        return done

    def look_up_again(self, *, at: datetime) -> None:
        """Count a look-up that told nothing new, and say when the next one is due."""
        claim(
            Enrolment.objects.filter(pk=self.pk, state=self.State.PENDING), next_lookup_at=at, lookups=F("lookups") + 1
        )
        self.refresh_from_db()
