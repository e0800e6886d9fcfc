"""How a seller renews: how long ahead it offers the next period, and how long it waits for money."""

from django.db import models
from django.db.models import Q

from portico.accounts.models import Seller
from portico.kit.privacy import Privacy


class RenewalRules(models.Model):
    """One row a seller, made when somebody changes what is usual."""

    privacy = {Privacy.NONE: "id seller ahead_days grace_days ending_days"}

    seller = models.OneToOneField(Seller, on_delete=models.CASCADE, related_name="renewal_rules")
    ahead_days = models.PositiveSmallIntegerField(
        default=45, help_text="days before the renewal on which its quotation, or the notice of it, is sent"
    )
    grace_days = models.PositiveSmallIntegerField(default=14, help_text="days past due before it is suspended")
    ending_days = models.PositiveSmallIntegerField(default=30, help_text="days suspended before it ends")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ahead_days__gte=1, ahead_days__lte=180, grace_days__lte=180)
                & Q(ending_days__gte=1, ending_days__lte=365),
                name="renewal_rules_within_bounds",
            )
        ]

    def __str__(self) -> str:
        return f"renewals of {self.seller_id}"

    @classmethod
    def of(cls, seller: Seller) -> "RenewalRules":
        """The seller's rules, or what is usual."""
        return cls.objects.filter(seller=seller).first() or cls(seller=seller)
