"""What a seller asks of those who pay it."""

from typing import Any

from django.db import models
from django.db.models import Q

from portico.accounts.models import Seller
from portico.kit.prepared import prepared
from portico.kit.privacy import Privacy


class PaymentRules(models.Model):
    """The least that somebody may pay who chooses the amount; one row a seller, made when somebody changes it."""

    privacy = {Privacy.NONE: "id seller least_part_minor"}

    seller = models.OneToOneField(Seller, on_delete=models.CASCADE, related_name="payment_rules")
    least_part_minor = models.BigIntegerField(
        null=True, help_text="minor units of the seller's currency; empty: any amount"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(least_part_minor__isnull=True) | Q(least_part_minor__gt=0), name="least_part_above_zero"
            )
        ]

    def __str__(self) -> str:
        return f"payments to {self.seller_id}"

    @classmethod
    def of(cls, seller: Seller) -> "PaymentRules":
        """The seller's rules, or none."""
        return rules_of.first(seller=seller.pk) or cls(seller=seller)


@prepared
def rules_of(seller: Any) -> Any:
    """What a seller decided about payments."""
    return PaymentRules.objects.filter(seller=seller)
