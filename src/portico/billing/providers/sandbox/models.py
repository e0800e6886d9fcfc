"""The tables of the sandbox company: what it was asked, what became of it, and the notices it owes us."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from portico.kit.privacy import Privacy


class Method(models.Model):
    """A way to pay that the company keeps for a merchant. `behaviour` is what happens when it is charged."""

    privacy: ClassVar = {
        Privacy.NONE: "id reference customer_reference kind behaviour expires_year expires_month removed_at created_at",
        Privacy.PAYMENT: "brand last4",
    }

    class Behaviour(models.TextChoices):
        GOOD = "good"
        DECLINES = "declines"
        LOST = "lost"
        ASKS = "asks"
        LATE = "late"
        RETURNS = "returns"

    reference = models.CharField(max_length=40, unique=True)
    customer_reference = models.CharField(max_length=40)
    kind = models.CharField(max_length=30)
    brand = models.CharField(max_length=30, blank=True)
    last4 = models.CharField(max_length=4)
    expires_year = models.PositiveSmallIntegerField(null=True)
    expires_month = models.PositiveSmallIntegerField(null=True)
    behaviour = models.CharField(max_length=8, choices=Behaviour, default=Behaviour.GOOD)
    created_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.reference


class Checkout(models.Model):
    """One hosted checkout. `open → succeeded | processing | failed | expired | silent`; `processing → succeeded`.

    `mode`: a payment; a setup, which saves a way to pay and takes nothing; a charge of a saved one, which waits, open, only
    if its bank asks the payer. `saves`: the payer agreed that the way to pay is kept. `method` is what was kept or charged.
    `silent` is an outage: the company neither notifies nor answers, until it ends. `taken_minor` and `taken_currency` are
    what the payer's money was; they differ from what was asked only in tests. `return_reason` is why the payer's bank takes a
    debit back after it arrived, which was at `returned_at`; the checkout stays succeeded, since the money was taken.
    """

    privacy: ClassVar = {
        Privacy.NONE: (
            "id key request_hash reference account asked_minor currency state taken_minor taken_currency failure_code "
            "created_at decided_at next_at mode saves method return_reason returned_at"
        ),
        Privacy.CREDENTIAL: "token",
        Privacy.PAYMENT: "merchant_reference description return_url customer_reference",
    }

    class Mode(models.TextChoices):
        PAYMENT = "payment"
        SETUP = "setup"
        CHARGE = "charge"

    class State(models.TextChoices):
        OPEN = "open"
        PROCESSING = "processing"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        EXPIRED = "expired"
        SILENT = "silent"

    key = models.CharField(max_length=64, unique=True, help_text="the merchant's idempotency key")
    mode = models.CharField(max_length=7, choices=Mode, default=Mode.PAYMENT)
    saves = models.BooleanField(default=False)
    customer_reference = models.CharField(max_length=40, blank=True, help_text="of the company's own customer")
    method = models.ForeignKey(Method, null=True, on_delete=models.PROTECT, related_name="+")
    request_hash = models.CharField(max_length=64, help_text="of the request first made with this key")
    reference = models.CharField(max_length=40, unique=True)
    token = models.CharField(max_length=64, unique=True, help_text="opens the hosted page")
    account = models.CharField(max_length=40)
    merchant_reference = models.CharField(max_length=64)
    asked_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=200)
    return_url = models.CharField(max_length=500)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    taken_minor = models.BigIntegerField(default=0)
    taken_currency = models.CharField(max_length=3, blank=True)
    failure_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(
        null=True, help_text="when late money arrives or is taken back, or an outage ends by itself"
    )
    return_reason = models.CharField(max_length=40, blank=True, help_text="empty: the money stays")
    returned_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(asked_minor__gt=0) | Q(mode="setup", asked_minor=0), name="sandbox_checkout_amount_positive"
            ),
            models.CheckConstraint(
                condition=Q(state="succeeded", taken_minor__gt=0)
                | (~Q(state="succeeded") & Q(taken_minor=0))
                | Q(mode="setup", taken_minor=0),
                name="sandbox_checkout_taken_when_succeeded",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="sandbox_checkout_due"),
        ]

    def __str__(self) -> str:
        return self.reference


class Refund(models.Model):
    """Money that goes back. `pending → succeeded | failed`."""

    privacy: ClassVar = {
        Privacy.NONE: "id key reference checkout amount_minor state failure_code created_at decided_at next_at",
        Privacy.PAYMENT: "merchant_reference",
    }

    class State(models.TextChoices):
        PENDING = "pending"
        SUCCEEDED = "succeeded"
        FAILED = "failed"

    key = models.CharField(max_length=64, unique=True, help_text="the merchant's idempotency key")
    reference = models.CharField(max_length=40, unique=True)
    merchant_reference = models.CharField(max_length=64)
    checkout = models.ForeignKey(Checkout, on_delete=models.CASCADE, related_name="refunds")
    amount_minor = models.BigIntegerField()
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    failure_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True, help_text="when the money has reached the payer")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="sandbox_refund_positive"),
        ]

    def __str__(self) -> str:
        return self.reference


class Delivery(models.Model):
    """A notice to be posted to the merchant until it is answered with 200."""

    privacy: ClassVar = {
        Privacy.NONE: "id event_id checkout kind created_at attempts next_attempt_at delivered_at answer",
        Privacy.PAYLOAD: "body",
    }

    event_id = models.CharField(max_length=40, unique=True)
    checkout = models.ForeignKey(Checkout, on_delete=models.CASCADE, related_name="deliveries")
    kind = models.CharField(max_length=40)
    body = models.TextField(help_text="the exact text that is signed")
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True, help_text="empty: delivered, or given up")
    delivered_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=80, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(next_attempt_at__isnull=False), name="sandbox_delivery_waiting"
            )
        ]

    def __str__(self) -> str:
        return self.event_id
