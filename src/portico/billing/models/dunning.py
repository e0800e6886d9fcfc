"""Reminding of what is late: when and how a seller does it, what was reminded of already, and where it pauses."""

from dataclasses import dataclass
from datetime import date, datetime

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Customer, Seller, User
from portico.billing.models.invoice import Invoice
from portico.kit.db import claim
from portico.kit.decimals import FourDecimals
from portico.kit.privacy import Privacy


@dataclass(frozen=True)
class Stage:
    """One step of reminding: `days` after the due day (below zero: before it)."""

    key: str
    days: int


class DunningRules(models.Model):
    """When a seller reminds, and whether it claims a fee and interest; one row a seller, made when somebody changes it."""

    privacy = {
        Privacy.NONE: (
            "id seller before_days at_due first_days formal_days suspend_days claims_fee claims_interest interest_percent"
        )
    }

    seller = models.OneToOneField(Seller, on_delete=models.CASCADE, related_name="dunning_rules")
    before_days = models.PositiveSmallIntegerField(
        null=True, default=3, help_text="days before the due day; empty: never"
    )
    at_due = models.BooleanField(default=True)
    first_days = models.PositiveSmallIntegerField(default=7)
    formal_days = models.PositiveSmallIntegerField(default=14)
    suspend_days = models.PositiveSmallIntegerField(null=True, default=28, help_text="empty: never")
    claims_fee = models.BooleanField(default=False)
    claims_interest = models.BooleanField(default=False)
    interest_percent = FourDecimals(null=True, help_text="a year; empty: what the law gives")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(first_days__gte=1, formal_days__gt=models.F("first_days"))
                & (Q(suspend_days__isnull=True) | Q(suspend_days__gt=models.F("formal_days"))),
                name="dunning_stages_in_order",
            )
        ]

    def __str__(self) -> str:
        return f"reminding of {self.seller_id}"

    @classmethod
    def of(cls, seller: Seller) -> "DunningRules":
        """The seller's rules, or what is usual."""
        return cls.objects.filter(seller=seller).first() or cls(seller=seller)

    @property
    def stages(self) -> list[Stage]:
        """The stages in the order of days."""
        found = [Stage(Reminder.Stage.BEFORE, -self.before_days)] if self.before_days else []
        found += [Stage(Reminder.Stage.DUE, 0)] if self.at_due else []
        found += [Stage(Reminder.Stage.LATE, self.first_days), Stage(Reminder.Stage.FORMAL, self.formal_days)]
        return found + ([Stage(Reminder.Stage.SUSPEND, self.suspend_days)] if self.suspend_days else [])


class Reminder(models.Model):
    """An invoice, or one instalment of it, reached a stage. The database allows each stage once, so two workers remind once.

    `due_on` is the due day it is about, which tells the instalments apart, `due_minor` what of that was due then; fee and
    interest are what the letter claimed beside it, nothing is booked of them.
    """

    privacy = {Privacy.NONE: "id invoice due_on stage at on days due_minor fee_minor interest_minor"}

    class Stage(models.TextChoices):
        BEFORE = "before", lazy("Soon due")
        DUE = "due", lazy("On the due day")
        LATE = "late", lazy("Reminded")
        FORMAL = "formal", lazy("Formal notice")
        SUSPEND = "suspend", lazy("Handed over")

    LABELS: dict[str, str | Promise] = dict(Stage.choices)

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="reminders")
    due_on = models.DateField()
    stage = models.CharField(max_length=7, choices=Stage)
    at = models.DateTimeField()
    on = models.DateField(help_text="the day in the seller's zone")
    days = models.SmallIntegerField(help_text="days after the due day")
    due_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField(default=0)
    interest_minor = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["invoice", "due_on", "stage"], name="each_stage_of_a_due_day_once"),
            models.CheckConstraint(
                condition=Q(due_minor__gt=0, fee_minor__gte=0, interest_minor__gte=0), name="reminder_amounts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stage} of {self.invoice_id}"

    def take(self) -> bool:
        """Write the row; False when the stage was reached already, by another worker at this moment or earlier."""
        try:
            with transaction.atomic():
                self.save(force_insert=True)
        except IntegrityError:
            return False
        return True


class DunningPause(models.Model):
    """Nobody is reminded of an invoice, or of anything of a customer, for a reason, until a day or until it is lifted."""

    privacy = {
        Privacy.NONE: "id customer invoice at until ended_at",
        Privacy.NOTE: "reason",
        Privacy.ACTOR: "by ended_by",
    }

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="dunning_pauses")
    invoice = models.ForeignKey(Invoice, null=True, on_delete=models.PROTECT, related_name="dunning_pauses")
    reason = models.CharField(max_length=300)
    until = models.DateField(null=True, help_text="the last day of the pause")
    at = models.DateTimeField()
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["customer"], condition=Q(ended_at=None, invoice=None), name="one_pause_per_customer"
            ),
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(ended_at=None, invoice__isnull=False), name="one_pause_per_invoice"
            ),
        ]

    def __str__(self) -> str:
        return f"pause {self.pk}"

    @staticmethod
    def holding(day: date) -> Q:
        """The condition of pauses that hold on `day`."""
        return Q(ended_at=None) & (Q(until=None) | Q(until__gte=day))

    def end(self, *, by: User, now: datetime) -> bool:
        """Lift it; True when this call was the one."""
        return claim(DunningPause.objects.filter(pk=self.pk, ended_at=None), ended_at=now, ended_by=by)
