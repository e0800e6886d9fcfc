"""What becomes of a change that a database reports: the seller's policy, and the customer's mandate to accept by itself."""

from datetime import date, datetime

from django.db import models
from django.db.models import F, Q

from portico.accounts.models import Customer, Membership, Seller, User
from portico.kit.db import claim
from portico.kit.privacy import Privacy


class ChangePolicy(models.Model):
    """What a seller does with reported changes; without a row `QUOTATION_FIRST`."""

    privacy = {Privacy.NONE: "id seller policy grace_days"}

    class Policy(models.TextChoices):
        QUOTATION_FIRST = "quotation_first"
        INSTALL_AT_ONCE = "install_at_once"
        AUTO_ACCEPT = "auto_accept"

    seller = models.OneToOneField(Seller, on_delete=models.CASCADE, related_name="change_policy")
    policy = models.CharField(max_length=15, choices=Policy, default=Policy.QUOTATION_FIRST)
    grace_days = models.PositiveSmallIntegerField(default=14, help_text="how long what was installed at once may wait")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(grace_days__gte=1, grace_days__lte=90), name="change_policy_grace_days"),
        ]

    def __str__(self) -> str:
        return self.policy

    @classmethod
    def of(cls, seller: Seller) -> "ChangePolicy":
        """The seller's policy."""
        return cls.objects.filter(seller=seller).first() or cls(seller=seller)


class Mandate(models.Model):
    """An owner lets reported changes of its company be accepted by themselves, up to a limit each month, until revoked.

    Kept for ever with its wording, the person and the moment; another limit is another mandate.
    """

    privacy = {
        Privacy.NONE: "id customer limit_minor currency given_at revoked_at",
        Privacy.EVIDENCE: "consent",
        Privacy.ACTOR: "given_by revoked_by",
    }

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="mandates")
    consent = models.TextField()
    limit_minor = models.BigIntegerField(help_text="for each calendar month in the seller's zone, VAT included")
    currency = models.CharField(max_length=3)
    given_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    given_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["customer"], condition=Q(revoked_at=None), name="one_mandate_at_a_time"),
            models.CheckConstraint(condition=Q(limit_minor__gt=0), name="mandate_limit_positive"),
        ]

    def __str__(self) -> str:
        return f"mandate {self.pk}"

    @classmethod
    def in_force(cls, customer: Customer, currency: str) -> "Mandate | None":
        """The customer's mandate in this currency."""
        return (
            cls.objects.select_related("given_by").filter(customer=customer, currency=currency, revoked_at=None).first()
        )

    def giver(self) -> Membership | None:
        """Who gave it, if still an owner with a login: a mandate ends with the right to give it."""
        rows = Membership.objects.select_related("user", "customer__seller")
        return rows.filter(
            user=self.given_by_id, customer=self.customer_id, is_owner=True, user__is_active=True
        ).first()

    def spend(self, amount_minor: int, month: date) -> bool:
        """Take `amount_minor` of the limit of the month that begins on `month`; False when that is not left, or it was revoked.

        The sum and the limit are one conditional UPDATE, so of two reports at once no more is spent than the limit. In a
        transaction, which gives it back if it fails.
        """
        if not Mandate.objects.select_for_update().filter(pk=self.pk, revoked_at=None).exists():
            return False
        MandateMonth.objects.get_or_create(mandate=self, month=month)
        rows = MandateMonth.objects.filter(mandate=self, month=month, spent_minor__lte=self.limit_minor - amount_minor)
        return claim(rows, spent_minor=F("spent_minor") + amount_minor)

    def revoke(self, *, by: User | None, now: datetime) -> bool:
        """End it; True when this call was the one."""
        done = claim(Mandate.objects.filter(pk=self.pk, revoked_at=None), revoked_at=now, revoked_by=by)
        self.refresh_from_db()
        return done


class MandateMonth(models.Model):
    """What was accepted under a mandate in one calendar month."""

    privacy = {Privacy.NONE: "id mandate month spent_minor"}

    mandate = models.ForeignKey(Mandate, on_delete=models.PROTECT, related_name="months")
    month = models.DateField(help_text="its first day")
    spent_minor = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mandate", "month"], name="mandate_month_once"),
            models.CheckConstraint(condition=Q(spent_minor__gte=0), name="mandate_month_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"
