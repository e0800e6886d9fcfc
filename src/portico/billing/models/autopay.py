"""Auto-pay: a customer's own switch on a subscription, and how the invoices under it are collected."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q

from portico.accounts.models import User
from portico.billing.models.invoice import Invoice
from portico.billing.models.subscription import Subscription
from portico.kit.db import claim
from portico.kit.privacy import Privacy


class AutoPay(models.Model):
    """The customer let us charge its default method for a subscription's invoices, until it says otherwise.

    Kept for ever with the wording, the person and the moment; switched on again, it is another row.
    """

    privacy = {Privacy.NONE: "id subscription consent on_at off_at", Privacy.ACTOR: "on_by off_by"}

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="auto_pay")
    consent = models.CharField(max_length=500)
    on_at = models.DateTimeField()
    on_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    off_at = models.DateTimeField(null=True)
    off_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription"], condition=Q(off_at=None), name="one_auto_pay_at_a_time"),
        ]

    def __str__(self) -> str:
        return f"auto-pay of {self.subscription_id}"

    def switch_off(self, *, by: User | None, now: datetime) -> bool:
        """Revoke it; True when this call was the one."""
        done = claim(AutoPay.objects.filter(pk=self.pk, off_at=None), off_at=now, off_by=by)
        self.refresh_from_db()
        return done


class Collection(models.Model):
    """One invoice that auto-pay collects. `waiting ↔ action → paid | stopped`; stopped → waiting on a new default method;
    paid → waiting | stopped when the payer's bank takes the money back.

    `tries` counts the charges that failed with the present method, `next_at` is when the next one is due. `action`: the
    payer's bank waits for the payer.
    """

    privacy = {Privacy.NONE: "id invoice auto_pay state tries next_at why created_at ended_at"}

    class State(models.TextChoices):
        WAITING = "waiting"
        ACTION = "action"
        PAID = "paid"
        STOPPED = "stopped"

    LIVE = (State.WAITING, State.ACTION)

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="collection")
    auto_pay = models.ForeignKey(AutoPay, on_delete=models.PROTECT, related_name="collections")
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True)
    why = models.CharField(max_length=40, blank=True, help_text="the last failure's code, or why it was stopped")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "action"], ended_at__isnull=True, next_at__isnull=False)
                | Q(state__in=["paid", "stopped"], ended_at__isnull=False, next_at__isnull=True),
                name="collection_goes_on_or_ended",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="collection_due"),
        ]

    def __str__(self) -> str:
        return f"collection of {self.invoice_id}"

    def take(self, *, seen: datetime, until: datetime) -> bool:
        """Claim a due collection for one worker until then; of two at once one gets True."""
        done = claim(Collection.objects.filter(pk=self.pk, state__in=self.LIVE, next_at=seen), next_at=until)
        self.refresh_from_db()
        return done

    def wait(self, *, until: datetime) -> None:
        """Nothing was tried; look again then."""
        claim(Collection.objects.filter(pk=self.pk, state__in=self.LIVE), next_at=until)
        self.refresh_from_db()

    def failed(self, why: str, *, next_at: datetime) -> bool:
        """A charge failed; the next one is due at `next_at`."""
        done = claim(
            Collection.objects.filter(pk=self.pk, state__in=self.LIVE),
            state=self.State.WAITING,
            tries=F("tries") + 1,
            why=why[:40],
            next_at=next_at,
        )
        self.refresh_from_db()
        return done

    def taken_back(self, why: str, *, next_at: datetime | None, now: datetime) -> bool:
        """The bank took a charge back that had arrived: it counts as one that failed.

        The next one is due at `next_at`; without, it is stopped. `tries` goes on counting over returns, so that a debit that
        is returned each time comes to an end. False when it was stopped before.
        """
        changes: dict[str, object] = {"state": self.State.STOPPED, "next_at": None, "ended_at": now}
        if next_at is not None:
            changes = {"state": self.State.WAITING, "next_at": next_at, "ended_at": None}
        rows = Collection.objects.filter(pk=self.pk).exclude(state=self.State.STOPPED)
        done = claim(rows, tries=F("tries") + 1, why=why[:40], **changes)
        self.refresh_from_db()
        return done

    def needs_payer(self, *, next_at: datetime) -> bool:
        """The payer's bank waits for the payer; True the first time."""
        rows = Collection.objects.filter(pk=self.pk, state=self.State.WAITING)
        done = claim(rows, state=self.State.ACTION, next_at=next_at)
        self.refresh_from_db()
        return done

    def not_confirmed(self) -> None:
        """action → waiting: nobody confirmed in time. When the next charge is due stays as it was planned."""
        rows = Collection.objects.filter(pk=self.pk, state=self.State.ACTION)
        claim(rows, state=self.State.WAITING, tries=F("tries") + 1, why="authentication_required")
        self.refresh_from_db()

    def end(self, state: str, *, why: str = "", now: datetime) -> bool:
        """waiting, action → paid, stopped; True when this call was the one."""
        done = claim(
            Collection.objects.filter(pk=self.pk, state__in=self.LIVE),
            state=state,
            why=why[:40],
            ended_at=now,
            next_at=None,
        )
        self.refresh_from_db()
        return done

    def begin_part(self, *, at: datetime) -> bool:
        """A part of its invoice was paid: the next one is tried from then on, with a plan of its own. Not after it was paid."""
        rows = Collection.objects.filter(pk=self.pk).exclude(state=self.State.PAID)
        done = claim(rows, state=self.State.WAITING, tries=0, why="", next_at=at, ended_at=None)
        self.refresh_from_db()
        return done

    def begin_again(self, *, now: datetime) -> bool:
        """With a new method, or under a new consent, it is tried at once, and the plan begins anew. Not after it was paid."""
        rows = Collection.objects.filter(pk=self.pk).exclude(state=self.State.PAID)
        done = claim(rows, state=self.State.WAITING, tries=0, why="", next_at=now, ended_at=None)
        self.refresh_from_db()
        return done
