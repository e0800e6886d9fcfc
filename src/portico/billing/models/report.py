"""What the vendor's system says that a database got or lost, kept once under the name that the system gave it."""

from datetime import date, datetime
from typing import Any

from django.db import models
from django.db.models import Q

from portico.accounts.models import ApiKey, Seller, User
from portico.billing.models.quotation import Quotation
from portico.billing.models.subscription import Subscription, SubscriptionItem
from portico.kit.db import claim
from portico.kit.prepared import prepared
from portico.kit.privacy import Privacy


class ReportQuerySet(models.QuerySet["Report"]):
    """Reports as staff and the worker find them."""

    def to_attend(self, seller: Seller) -> "ReportQuerySet":
        """What was installed, not paid in time, taken away again, and that nobody has looked at."""
        return self.filter(subscription__customer__seller=seller, state=Report.State.LAPSED, attended_at=None)

    def over(self, day: date) -> "ReportQuerySet":
        """What was installed and whose grace has ended by the beginning of a day."""
        return self.filter(state=Report.State.INSTALLED, grace_until__lte=day)


class Report(models.Model):
    """One report: `noted` (nothing to pay), `quoted`, `accepted` under a mandate, or `installed → settled | lapsed → settled`.

    What is installed at once are provisional items of the subscription, which end on `grace_until` by themselves.
    """

    privacy = {
        Privacy.NONE: (
            "id subscription report_id content state why quotation grace_until key created_at ended_at attended_at"
        ),
        Privacy.ACTOR: "attended_by",
    }

    class State(models.TextChoices):
        NOTED = "noted"
        QUOTED = "quoted"
        ACCEPTED = "accepted"
        INSTALLED = "installed"
        SETTLED = "settled"
        LAPSED = "lapsed"

    class Why(models.TextChoices):
        """Why a quotation comes first although the policy is to accept by itself."""

        NO_MANDATE = "no_mandate"
        OVER_LIMIT = "over_limit"
        TWO_APPROVERS = "two_approvers"

    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="reports")
    report_id = models.CharField(max_length=80, help_text="as the vendor's system calls it")
    content = models.JSONField(help_text="triples of product code, added, removed")
    state = models.CharField(max_length=9, choices=State)
    why = models.CharField(max_length=13, choices=Why, blank=True, default="")
    quotation = models.OneToOneField(Quotation, null=True, on_delete=models.PROTECT, related_name="report")
    items: "models.ManyToManyField[SubscriptionItem, Any]" = models.ManyToManyField(SubscriptionItem, related_name="+")
    grace_until = models.DateField(null=True, help_text="exclusive")
    key = models.ForeignKey(ApiKey, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    attended_at = models.DateTimeField(null=True, help_text="when staff looked at what lapsed")
    attended_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    objects = ReportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subscription", "report_id"], name="report_once"),
            models.CheckConstraint(
                condition=Q(grace_until__isnull=False) | ~Q(state__in=["installed", "settled", "lapsed"]),
                name="report_installed_has_an_end",
            ),
        ]
        indexes = [
            models.Index(fields=["grace_until"], condition=Q(state="installed"), name="report_installed"),
            models.Index(fields=["id"], condition=Q(state="lapsed", attended_at=None), name="report_to_attend"),
        ]

    def __str__(self) -> str:
        return self.report_id

    def lapse(self, *, now: datetime) -> bool:
        """installed → lapsed: the grace has ended; True for one of several at once."""
        rows = Report.objects.filter(pk=self.pk, state=self.State.INSTALLED)
        return claim(rows, state=self.State.LAPSED, ended_at=now)

    @classmethod
    def settle_for(cls, quotation: Quotation, *, now: datetime) -> None:
        """What was installed for this quotation makes way for what its order brings."""
        report: Report | None = installed_for.first(quotation=quotation.pk)
        if report is None:
            return
        SubscriptionItem.objects.filter(
            pk__in=list(report.items.values_list("pk", flat=True)), provisional=True
        ).delete()
        cls.objects.filter(pk=report.pk).update(state=cls.State.SETTLED, ended_at=now)

    def attend(self, *, by: User, now: datetime) -> bool:
        """Staff looked at it; True for the first."""
        return claim(Report.objects.filter(pk=self.pk, attended_at=None), attended_at=now, attended_by=by)


@prepared
def installed_for(quotation: Any) -> Any:
    """What was installed before a quotation was accepted."""
    return Report.objects.filter(quotation=quotation, state__in=["installed", "lapsed"]).order_by("pk")
