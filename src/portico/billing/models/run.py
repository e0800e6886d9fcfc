"""A run of renewals as staff see it: what was due, what became of it, and why some could not be renewed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from portico.accounts.models import Seller, User
from portico.billing.models.subscription import Subscription
from portico.kit.db import claim
from portico.kit.errors import Conflict
from portico.kit.privacy import Privacy


@dataclass
class Outcome:
    """What became of a batch: how many were looked at, renewed and invoiced, the totals, and what is in the way of others."""

    looked_at: int = 0
    renewed: int = 0
    invoiced: int = 0
    amounts: dict[str, int] = field(default_factory=dict)
    """Totals with VAT in minor units, by currency."""
    problems: dict[int, str] = field(default_factory=dict)
    """Why, by subscription."""


class RenewalRun(models.Model):
    """One run, begun by somebody or by the clock (`started_by` is None), or a rehearsal, which writes nothing else.

    Its figures are written in the transactions that renew, so they are exact whoever was killed when. Of each kind one is open
    at a time. `due` is how many were due when it began; what had several periods to catch up is looked at several times.
    """

    privacy = {
        Privacy.NONE: "id seller kind day started_at finished_at due looked_at renewed invoiced failed amounts after",
        Privacy.ACTOR: "started_by",
    }

    class Kind(models.TextChoices):
        REAL = "real"
        REHEARSAL = "rehearsal"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=9, choices=Kind)
    day = models.DateField(help_text="the day in the seller's zone on which it began")
    started_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    due = models.PositiveIntegerField(default=0)
    looked_at = models.PositiveIntegerField(default=0)
    renewed = models.PositiveIntegerField(default=0)
    invoiced = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    amounts = models.JSONField(default=dict, help_text="totals with VAT in minor units, by currency")
    after = models.BigIntegerField(default=0, help_text="a rehearsal has seen the subscriptions up to this id")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["seller", "kind"], condition=Q(finished_at__isnull=True), name="one_open_run_of_a_kind"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.day}"

    @classmethod
    def opened(cls, seller: Seller, kind: str) -> "RenewalRun | None":
        """The open run of this kind."""
        return cls.objects.filter(seller=seller, kind=kind, finished_at=None).first()

    @classmethod
    def begin(
        cls, seller: Seller, kind: str, *, due: int, day: date, now: datetime, by: User | None = None
    ) -> "RenewalRun":
        """Open one; Conflict when one of this kind is open."""
        try:
            with transaction.atomic():
                return cls.objects.create(seller=seller, kind=kind, day=day, started_by=by, started_at=now, due=due)
        except IntegrityError:
            raise Conflict(_("One is under way already. Wait until it has ended.")) from None

    def count(self, outcome: Outcome, *, now: datetime, after: int | None = None) -> bool:
        """Add what became of a batch, in the transaction that did it. False when a rehearsal's part was counted already.

        The row is locked until that transaction ends, so count last.
        """
        assert connection.in_atomic_block, "figures are written with what they count"
        row = RenewalRun.objects.select_for_update().get(pk=self.pk)
        if after is not None and (row.after >= after or row.finished_at is not None):
            return False
        row.looked_at += outcome.looked_at
        row.renewed += outcome.renewed
        row.invoiced += outcome.invoiced
        row.failed += len(outcome.problems)
        row.amounts = added(row.amounts, outcome.amounts)
        row.after = row.after if after is None else after
        row.save(update_fields=["looked_at", "renewed", "invoiced", "failed", "amounts", "after"])
        RenewalFailure.objects.bulk_create(
            (
                RenewalFailure(run=self, subscription_id=key, problem=said, at=now)
                for key, said in outcome.problems.items()
            ),
            ignore_conflicts=True,
        )
        return True

    def dismiss(self) -> bool:
        """Take back what the clock began and found done already: another worker had ended the run in that moment."""
        idle = RenewalRun.objects.filter(pk=self.pk, finished_at=None, started_by=None, looked_at=0)
        return bool(idle.delete()[0])

    def finish(self, *, now: datetime) -> bool:
        """open → finished; True for the one who did it."""
        return claim(RenewalRun.objects.filter(pk=self.pk, finished_at=None), finished_at=now)

    @property
    def percent(self) -> int:
        """How far it has come, 100 only at its end."""
        if self.finished_at is not None:
            return 100
        return min(100 * self.looked_at // self.due, 99) if self.due else 0

    def seconds(self, now: datetime) -> float:
        """How long it has taken, so far or in all."""
        return max(((self.finished_at or now) - self.started_at).total_seconds(), 0.0)


class RenewalFailure(models.Model):
    """A subscription that a run could not renew, or that a rehearsal says it could not, and why."""

    privacy = {Privacy.NONE: "id run subscription problem at"}

    run = models.ForeignKey(RenewalRun, on_delete=models.CASCADE, related_name="failures")
    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="+")
    problem = models.CharField(max_length=300)
    at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "subscription"], name="one_failure_in_a_run")]

    def __str__(self) -> str:
        return self.problem


def added(amounts: Mapping[str, int], more: Mapping[str, int]) -> dict[str, int]:
    """Sums by currency."""
    return {code: amounts.get(code, 0) + more.get(code, 0) for code in sorted({*amounts, *more})}
