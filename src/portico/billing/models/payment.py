"""Money in: attempts, what they are for, what arrived, and which papers it settles."""

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import F, Q

from portico.accounts.models import Customer, Membership, User
from portico.billing.models.autopay import Collection
from portico.billing.models.invoice import Invoice
from portico.billing.models.method import SavedMethod
from portico.billing.models.order import Order, PaymentRequest
from portico.kit.changing import change
from portico.kit.db import claim
from portico.kit.prepared import key_of, prepared, reread
from portico.kit.privacy import Privacy


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Payments as a person may see them."""

    def visible_to(self, membership: Membership) -> "PaymentQuerySet":
        """Those of the member's customer; of a limited member those that are for papers it sees, and for no other.

        What they settled counts as well as what they were begun for: a receipt names all of it.
        """
        rows = self.filter(customer_id=membership.customer_id)
        if membership.sees_all:
            return rows
        seen = Q(invoice__in=Invoice.objects.visible_to(membership).values("pk")) | Q(
            request__order__in=Order.objects.visible_to(membership).values("pk")
        )
        targets = PaymentTarget.objects.filter(payment__customer=membership.customer_id)
        settled = Allocation.objects.filter(payment__customer=membership.customer_id)
        return (
            rows.filter(pk__in=targets.filter(seen).values("payment"))
            .exclude(pk__in=targets.exclude(seen).values("payment"))
            .exclude(pk__in=settled.exclude(seen).values("payment"))
        )

    def undecided(self) -> "PaymentQuerySet":
        """Attempts whose end is not known: still pending, or the provider did not answer."""
        return self.filter(state__in=[Payment.State.PENDING, Payment.State.UNKNOWN])


class Payment(models.Model):
    """One attempt to pay, written down before the provider is asked.

    `pending → succeeded | failed | cancelled | unknown`; unknown is never failed: it is looked up. `processing_at` is
    set when the payer has confirmed and the money is on its way, `action_at` when the payer's bank asks the payer to
    confirm. `amount_minor` is what was asked, `received_minor` what arrived; money that cannot be allocated stays here as
    customer credit, with `review` saying why. `returned_minor` of it went back: when that is all, `succeeded → refunded`
    (we gave it back) `| reversed` (the payer's bank took it back: see Reversal).
    """

    privacy = {
        Privacy.NONE: (
            "id customer provider amount_minor currency state received_minor received_currency received_on "
            "idempotency_key provider_reference checkout_url created_at processing_at ended_at failure_code "
            "next_lookup_at lookups review reviewed_at action_at method collection save_consent charge_reference "
            "returned_minor"
        ),
        Privacy.PAYMENT: "reference payer_name",
        Privacy.ACTOR: "created_by",
    }

    class State(models.TextChoices):
        PENDING = "pending"
        UNKNOWN = "unknown"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        REFUNDED = "refunded"
        REVERSED = "reversed"

    UNDECIDED = (State.PENDING, State.UNKNOWN)
    ARRIVED = (State.SUCCEEDED, State.REFUNDED, State.REVERSED)
    """The states of an attempt whose money came, whatever became of it later."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="payments")
    provider = models.CharField(max_length=20)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    received_minor = models.BigIntegerField(default=0)
    received_currency = models.CharField(max_length=3, blank=True, help_text="of what arrived; differs only by mistake")
    received_on = models.DateField(null=True, help_text="the value day of a transfer, as the bank says")
    idempotency_key = models.CharField(max_length=64, unique=True)
    provider_reference = models.CharField(max_length=120, blank=True)
    checkout_url = models.URLField(max_length=2000, blank=True)
    reference = models.CharField(max_length=140, blank=True, help_text="what the payer is asked to write on a transfer")
    payer_name = models.CharField(max_length=140, blank=True)
    failure_code = models.CharField(max_length=40, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    method = models.ForeignKey(SavedMethod, null=True, on_delete=models.PROTECT, related_name="payments")
    collection = models.ForeignKey(Collection, null=True, on_delete=models.PROTECT, related_name="payments")
    save_consent = models.CharField(max_length=500, blank=True, help_text="what the payer agreed to; empty: not saved")
    charge_reference = models.CharField(
        max_length=120, blank=True, help_text="the provider's name for the money itself"
    )
    returned_minor = models.BigIntegerField(default=0, help_text="what of the money that arrived went back")
    processing_at = models.DateTimeField(null=True)
    action_at = models.DateTimeField(null=True, help_text="since when the payer's bank waits for the payer")
    ended_at = models.DateTimeField(null=True)
    next_lookup_at = models.DateTimeField(null=True)
    lookups = models.PositiveSmallIntegerField(default=0)
    review = models.CharField(max_length=200, blank=True, help_text="why staff must look at this money; empty: nothing")
    reviewed_at = models.DateTimeField(null=True)

    objects = PaymentQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["customer", "-created_at"], name="payment_of_customer"),
            models.Index(fields=["reference"], condition=~Q(reference=""), name="payment_by_reference"),
            models.Index(
                fields=["charge_reference"], condition=~Q(charge_reference=""), name="payment_by_charge_reference"
            ),
            models.Index(
                fields=["customer", "created_at"],
                condition=~Q(review="") & Q(reviewed_at=None),
                name="payment_to_review",
            ),
            models.Index(
                fields=["next_lookup_at"], condition=Q(state__in=["pending", "unknown"]), name="payment_to_look_up"
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_amount_positive"),
            models.CheckConstraint(
                condition=(
                    Q(state__in=["succeeded", "refunded", "reversed"], received_minor__gt=0) & ~Q(received_currency="")
                )
                | (~Q(state__in=["succeeded", "refunded", "reversed"]) & Q(received_minor=0, received_currency="")),
                name="payment_received_when_succeeded",
            ),
            models.CheckConstraint(
                condition=Q(returned_minor__gte=0, returned_minor__lte=F("received_minor")),
                name="payment_returned_within_received",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["refunded", "reversed"]) | Q(returned_minor=F("received_minor")),
                name="payment_gone_when_all_returned",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "unknown"], ended_at__isnull=True)
                | (~Q(state__in=["pending", "unknown"]) & Q(ended_at__isnull=False)),
                name="payment_ended_when",
            ),
            models.UniqueConstraint(
                fields=["provider", "provider_reference"],
                condition=~Q(provider_reference=""),
                name="payment_reference_once_per_provider",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.id}"

    def started(
        self, *, provider_reference: str, checkout_url: str, reference: str, next_lookup_at: datetime | None
    ) -> bool:
        """Keep what the provider answered to the start; False when the attempt was ended meanwhile by somebody else."""
        done = claim(
            Payment.objects.filter(pk=self.pk, state__in=self.UNDECIDED),
            provider_reference=provider_reference,
            checkout_url=checkout_url,
            reference=reference,
            next_lookup_at=next_lookup_at,
        )
        reread(self)
        return done

    def known_as(self, provider_reference: str) -> None:
        """Learn the provider's name for this attempt from a notice or a look-up that came before our own write."""
        claim(Payment.objects.filter(pk=self.pk, provider_reference=""), provider_reference=provider_reference)
        reread(self)

    def end(self, state: str, *, now: datetime, **changes: Any) -> bool:
        """pending, unknown → `state`; True when this call was the one. Its targets are freed in the same breath.

        A late success is accepted after `cancelled` or `failed` too: money that arrived is never turned away.
        """
        before: list[str] = [self.State.PENDING, self.State.UNKNOWN]
        if state == self.State.SUCCEEDED:
            before += [self.State.CANCELLED, self.State.FAILED]
        done = claim(
            Payment.objects.filter(pk=self.pk, state__in=before),
            state=state,
            ended_at=now,
            next_lookup_at=None,
            review="",  # that the provider was silent for long is answered by its end
            **changes,
        )
        if done:
            change(PaymentTarget.objects.filter(payment=self.pk), open=False, holds=False)
        reread(self)
        return done

    def unknown(self, *, next_lookup_at: datetime) -> bool:
        """pending → unknown: the provider did not answer. Its targets stay taken until it is looked up. True once."""
        done = claim(
            Payment.objects.filter(pk=self.pk, state=self.State.PENDING),
            state=self.State.UNKNOWN,
            next_lookup_at=next_lookup_at,
        )
        reread(self)
        return done

    def still_open(self) -> None:
        """unknown → pending: the provider says that nothing is decided yet."""
        claim(Payment.objects.filter(pk=self.pk, state=self.State.UNKNOWN), state=self.State.PENDING)
        reread(self)

    def waits_for_payer(self, *, now: datetime) -> bool:
        """The payer's bank asks the payer to confirm. True the first time."""
        done = claim(
            Payment.objects.filter(pk=self.pk, state__in=self.UNDECIDED, action_at=None),
            state=self.State.PENDING,
            action_at=now,
        )
        reread(self)
        return done

    def ask_soon(self, *, at: datetime) -> None:
        """Something became of it at the provider: let the janitor look then, unless that was known before."""
        later = Q(next_lookup_at=None) | Q(next_lookup_at__gt=at)
        if claim(Payment.objects.filter(later, pk=self.pk, state__in=self.UNDECIDED), next_lookup_at=at):
            self.next_lookup_at = at

    def money_known_as(self, charge_reference: str) -> None:
        """Learn the provider's name for the money itself."""
        claim(Payment.objects.filter(pk=self.pk, charge_reference=""), charge_reference=charge_reference[:120])
        reread(self)

    def give_back(self, amount_minor: int, *, gone: str) -> bool:
        """`amount_minor` of the money that arrived went back; `gone` (refunded, reversed) when that was the rest of it.

        False, and nothing changed, when there is not so much left.
        """
        rows = Payment.objects.filter(pk=self.pk, state=self.State.SUCCEEDED)
        left = F("received_minor") - F("returned_minor")
        done = claim(
            rows.annotate(left=left).filter(left__gte=amount_minor), returned_minor=F("returned_minor") + amount_minor
        )
        if done:
            claim(rows.filter(returned_minor=F("received_minor")), state=gone)
        reread(self)
        return done

    def take_again(self, amount_minor: int) -> bool:
        """`amount_minor` of what had gone back is ours again: refunded, reversed → succeeded. False when it was not gone."""
        rows = Payment.objects.filter(pk=self.pk, state__in=self.ARRIVED, returned_minor__gte=amount_minor)
        done = claim(rows, state=self.State.SUCCEEDED, returned_minor=F("returned_minor") - amount_minor)
        reread(self)
        return done

    def look_up_again(self, *, at: datetime) -> None:
        """Count a look-up that told nothing new, and say when the next one is due."""
        claim(Payment.objects.filter(pk=self.pk, state__in=self.UNDECIDED), next_lookup_at=at, lookups=F("lookups") + 1)
        reread(self)

    def processing(self, *, now: datetime) -> bool:
        """The payer confirmed; the money is on its way. True the first time.

        Its invoices are held no longer, in the same breath: what is left of them beside this money can be paid. A payment
        request is paid in one sum and stays held.
        """
        done = claim(
            Payment.objects.filter(pk=self.pk, state__in=self.UNDECIDED, processing_at=None),
            state=self.State.PENDING,
            processing_at=now,
        )
        if done:
            change(PaymentTarget.objects.filter(payment=self.pk, invoice__isnull=False), holds=False)
        reread(self)
        return done

    def ask_review(self, why: str) -> None:
        """Put this money on the staff's list."""
        change(Payment.objects.filter(pk=self.pk), review=why[:200], reviewed_at=None)
        reread(self)

    def reviewed(self, *, now: datetime) -> bool:
        """Take it off the staff's list; True when this call was the one."""
        done = claim(Payment.objects.filter(pk=self.pk, reviewed_at=None).exclude(review=""), reviewed_at=now)
        reread(self)
        return done

    @property
    def unallocated_minor(self) -> int:
        """What of the money that arrived settles nothing yet: customer credit."""
        used = sum(amount for (amount,) in allocated_of(payment=key_of(self)))
        return int(self.received_minor - self.returned_minor - used)


@prepared
def allocated_of(payment: Any) -> Any:
    """The amounts of a payment that settle something."""
    return Allocation.objects.filter(payment=payment).values_list("amount_minor")


class Reversal(models.Model):
    """The payer's bank asked money back: a dispute (chargeback) or a returned debit. `open → won | lost`."""

    privacy = {
        Privacy.NONE: (
            "id payment provider provider_reference amount_minor taken_minor currency state reason opened_at closed_at"
        )
    }

    class State(models.TextChoices):
        OPEN = "open"
        WON = "won"
        LOST = "lost"

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="reversals")
    provider = models.CharField(max_length=20)
    provider_reference = models.CharField(max_length=120)
    amount_minor = models.BigIntegerField()
    taken_minor = models.BigIntegerField(default=0, help_text="what our books let go; 0: it did not fit the payment")
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=4, choices=State, default=State.OPEN)
    reason = models.CharField(max_length=60, blank=True, help_text="the provider's word for why")
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "provider_reference"], name="reversal_once_per_provider"),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="reversal_positive"),
            models.CheckConstraint(
                condition=Q(state="open", closed_at__isnull=True) | (~Q(state="open") & Q(closed_at__isnull=False)),
                name="reversal_closed_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.provider_reference}"

    def taken(self, amount_minor: int) -> None:
        """So much was let go in our books."""
        self.taken_minor = amount_minor
        self.save(update_fields=["taken_minor"])

    def close(self, state: str, *, now: datetime) -> bool:
        """open → won, lost; True when this call was the one."""
        done = claim(Reversal.objects.filter(pk=self.pk, state=self.State.OPEN), state=state, closed_at=now)
        reread(self)
        return done


class PaymentLookup(models.Model):
    """A provider was asked what has become of an attempt. `said` is its word, empty when it gave no answer.

    `by` is empty for the janitor and for the payer who came back.
    """

    privacy = {Privacy.NONE: "id payment at said", Privacy.ACTOR: "by"}

    payment = models.ForeignKey(Payment, on_delete=models.CASCADE, related_name="asked")
    at = models.DateTimeField()
    said = models.CharField(max_length=10, blank=True)
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["payment", "-id"], name="lookup_of_payment")]

    def __str__(self) -> str:
        return self.said or "no answer"


class PaymentTarget(models.Model):
    """What an attempt is for: an order's payment request, or an invoice.

    `open` while the attempt is undecided. It `holds` the paper, one at a time, until its end, of an invoice until its payer
    is done: from then on it counts with its amount as on its way, and an attempt for the rest may begin.
    """

    privacy = {Privacy.NONE: "id payment invoice request amount_minor open holds"}

    payment = models.ForeignKey(Payment, on_delete=models.CASCADE, related_name="targets")
    invoice = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="payment_targets")
    request = models.ForeignKey(PaymentRequest, null=True, on_delete=models.PROTECT, related_name="payment_targets")
    amount_minor = models.BigIntegerField()
    open = models.BooleanField(default=True)
    holds = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(invoice__isnull=False, request__isnull=True)
                | Q(invoice__isnull=True, request__isnull=False),
                name="payment_target_is_one_thing",
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="payment_target_positive"),
            models.CheckConstraint(condition=Q(holds=False) | Q(open=True), name="payment_target_holds_while_open"),
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(holds=True), name="one_holding_attempt_per_invoice"
            ),
            models.UniqueConstraint(
                fields=["request"], condition=Q(holds=True), name="one_holding_attempt_per_request"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} of {self.payment_id}"


def began_their_way(invoice: Invoice) -> Any:
    """The moments since which something of an invoice is on its way, the first one first."""
    rows = PaymentTarget.objects.filter(invoice=invoice, open=True, payment__processing_at__isnull=False)
    return rows.order_by("payment__processing_at").values("payment__processing_at")


class Allocation(models.Model):
    """Money, or a credit note, that settles a paper. Payment states and amounts due derive from these rows alone.

    Money for a payment request waits on the request; when that is settled, the invoice issued for it is put beside, so
    that one row says both what was asked and which paper it paid. Money that was taken back from us (`actions.reverse`)
    is a negative row on the paper it had paid: what happened stays, and every sum is right.
    """

    privacy = {Privacy.PAYMENT: "id payment credit_note invoice request amount_minor at"}

    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="allocations")
    credit_note = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="spent_on")
    invoice = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="allocations")
    request = models.ForeignKey(PaymentRequest, null=True, on_delete=models.PROTECT, related_name="allocations")
    amount_minor = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(payment__isnull=False, credit_note__isnull=True)
                | Q(payment__isnull=True, credit_note__isnull=False),
                name="allocation_has_one_source",
            ),
            models.CheckConstraint(
                condition=Q(invoice__isnull=False) | Q(request__isnull=False),
                name="allocation_has_a_target",
            ),
            models.CheckConstraint(
                condition=Q(credit_note__isnull=True) | Q(request__isnull=True),
                name="allocation_of_credit_note_is_for_an_invoice",
            ),
            models.CheckConstraint(
                condition=Q(amount_minor__gt=0) | Q(amount_minor__lt=0, payment__isnull=False),
                name="allocation_positive_or_money_taken_back",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor}"


class ProviderEvent(models.Model):
    """A notice a provider sent, stored once before it is worked on. `stored → done | parked | failed`."""

    privacy = {
        Privacy.NONE: "id provider event_id kind state received_at done_at attempts next_attempt_at error",
        Privacy.PAYLOAD: "payload",
    }

    class State(models.TextChoices):
        STORED = "stored"
        DONE = "done"
        PARKED = "parked"
        FAILED = "failed"

    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=60)
    payload = models.JSONField()
    state = models.CharField(max_length=6, choices=State, default=State.STORED)
    received_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    error = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "event_id"], name="provider_event_once")]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=Q(state__in=["stored", "parked"]), name="provider_event_waiting"
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.event_id}"
