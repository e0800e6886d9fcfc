"""Money given back to a customer: asked for, looked at by a second person above a limit, tried once, and looked up."""

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Seller, User
from portico.billing.models.invoice import Invoice
from portico.billing.models.payment import Payment
from portico.kit.db import claim
from portico.kit.money import exponent
from portico.kit.privacy import Privacy

USUAL_LIMIT = 1000
"""In the seller's currency, where nobody has chosen another one."""


class RefundRules(models.Model):
    """Above which amount a second person of finance must agree; one row a seller, made when somebody changes it."""

    privacy = {Privacy.NONE: "id seller second_look_above_minor"}

    seller = models.OneToOneField(Seller, on_delete=models.CASCADE, related_name="refund_rules")
    second_look_above_minor = models.BigIntegerField(null=True, help_text="in the seller's currency; empty: never")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(second_look_above_minor__isnull=True) | Q(second_look_above_minor__gte=0),
                name="second_look_not_negative",
            )
        ]

    def __str__(self) -> str:
        return f"refunds of {self.seller_id}"

    @classmethod
    def of(cls, seller: Seller) -> "RefundRules":
        """The seller's rules, or what is usual."""
        usual = USUAL_LIMIT * 10 ** exponent(seller.currency)
        return cls.objects.filter(seller=seller).first() or cls(seller=seller, second_look_above_minor=usual)

    def needs_second_look(self, amount_minor: int, currency: str) -> bool:
        """Whether two people must agree. An amount in another currency always needs it where there is a limit at all."""
        if self.second_look_above_minor is None:
            return False
        return currency != self.seller.currency or amount_minor > self.second_look_above_minor


class Refund(models.Model):
    """`waiting → pending → succeeded | failed | unknown`, `waiting → refused`. Unknown is never failed: it is looked up.

    The money leaves the payment (`Payment.returned_minor`) when the refund is asked for, so that it can be neither used nor
    given back twice; failed and refused give it back to the payment. `way`: the provider it came through, or a transfer by
    hand.
    """

    privacy = {
        Privacy.NONE: (
            "id payment credit_note amount_minor currency way state asked_at approved_at begun_at ended_at idempotency_key "
            "provider_reference next_lookup_at lookups failure_code"
        ),
        Privacy.PAYMENT: "iban",
        Privacy.NOTE: "reason",
        Privacy.ACTOR: "asked_by approved_by",
    }

    class State(models.TextChoices):
        WAITING = "waiting"
        PENDING = "pending"
        UNKNOWN = "unknown"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        REFUSED = "refused"

    class Way(models.TextChoices):
        PROVIDER = "provider", lazy("The way it came")
        TRANSFER = "transfer", lazy("Bank transfer")

    UNDECIDED = (State.PENDING, State.UNKNOWN)
    HOLDING = (State.WAITING, State.PENDING, State.UNKNOWN, State.SUCCEEDED)
    """The states in which the money is not the payment's any more."""
    SET_ASIDE = (State.WAITING, State.PENDING, State.UNKNOWN)
    """Those of them in which it has not left, as far as we know."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    credit_note = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="refunds")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    way = models.CharField(max_length=8, choices=Way)
    iban = models.CharField(max_length=34, blank=True, help_text="where a transfer goes")
    state = models.CharField(max_length=9, choices=State)
    reason = models.CharField(max_length=300)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    approved_at = models.DateTimeField(null=True)
    approved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    begun_at = models.DateTimeField(null=True, help_text="when the provider was first asked")
    ended_at = models.DateTimeField(null=True)
    idempotency_key = models.CharField(max_length=64, unique=True)
    provider_reference = models.CharField(max_length=120, blank=True)
    next_lookup_at = models.DateTimeField(null=True)
    lookups = models.PositiveSmallIntegerField(default=0)
    failure_code = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ["-asked_at"]
        indexes = [
            models.Index(fields=["state", "-asked_at"], name="refund_by_state"),
            models.Index(
                fields=["next_lookup_at"], condition=Q(state__in=["pending", "unknown"]), name="refund_to_look_up"
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_positive"),
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "pending", "unknown"], ended_at__isnull=True)
                | (Q(state__in=["succeeded", "failed", "refused"]) & Q(ended_at__isnull=False)),
                name="refund_ended_when",
            ),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True) | Q(asked_by__isnull=True) | ~Q(approved_by=F("asked_by")),
                name="refund_approved_by_another_person",
            ),
        ]

    def __str__(self) -> str:
        return f"refund {self.id}"

    def _claim(self, states: tuple[str, ...], **changes: Any) -> bool:
        done = claim(Refund.objects.filter(pk=self.pk, state__in=states), **changes)
        self.refresh_from_db()
        return done

    def approve(self, *, by: User, now: datetime, next_lookup_at: datetime | None) -> bool:
        """waiting → pending; True when this call was the one."""
        return self._claim(
            (self.State.WAITING,),
            state=self.State.PENDING,
            approved_by=by,
            approved_at=now,
            next_lookup_at=next_lookup_at,
        )

    def begin(self, *, now: datetime) -> bool:
        """The provider is asked for the first time; True when this call was the one."""
        done = claim(Refund.objects.filter(pk=self.pk, state=self.State.PENDING, begun_at=None), begun_at=now)
        self.refresh_from_db()
        return done

    def end(self, state: str, *, now: datetime, **changes: Any) -> bool:
        """pending, unknown → succeeded, failed; waiting → refused. True when this call was the one."""
        before = (self.State.WAITING,) if state == self.State.REFUSED else self.UNDECIDED
        return self._claim(before, state=state, ended_at=now, next_lookup_at=None, **changes)

    def known_as(self, provider_reference: str) -> None:
        """Learn the provider's name for it."""
        claim(Refund.objects.filter(pk=self.pk, provider_reference=""), provider_reference=provider_reference[:120])
        self.refresh_from_db()

    def not_known(self, *, at: datetime) -> bool:
        """pending, unknown → unknown: the provider did not answer; ask again `at`."""
        return self._claim(self.UNDECIDED, state=self.State.UNKNOWN, next_lookup_at=at, lookups=F("lookups") + 1)

    def still_pending(self, *, at: datetime) -> bool:
        """pending, unknown → pending: the provider has it; ask again `at`."""
        return self._claim(self.UNDECIDED, state=self.State.PENDING, next_lookup_at=at, lookups=F("lookups") + 1)
