"""A pending change of a subscription: agreed in a quotation, made real when its order is confirmed."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from portico.accounts.models import User
from portico.billing.models.catalog import Price, Product
from portico.billing.models.order import Order
from portico.billing.models.quotation import Quotation
from portico.billing.models.subscription import Subscription
from portico.kit.db import claim
from portico.kit.decimals import FourDecimals
from portico.kit.privacy import Privacy


class Change(models.Model):
    """One product more in a subscription from its order on (add), or from its renewal on (follow); less from its renewal on
    (remove), or at once where another takes its place (end); kept beyond the renewal after all (keep); or what was to begin
    with the renewal does not (drop).

    `pending → applied | cancelled`. `subscription` is empty while the database of a new sale is not opened yet.
    """

    privacy = {
        Privacy.NONE: (
            "id subscription quotation order kind product quantity unit_price discount_percent discount_until "
            "discount_after list_price state created_at applied_at"
        ),
        Privacy.ACTOR: "created_by",
    }

    class Kind(models.TextChoices):
        ADD = "add"
        REMOVE = "remove"
        KEEP = "keep"
        END = "end"
        FOLLOW = "follow"
        DROP = "drop"

    class State(models.TextChoices):
        PENDING = "pending"
        APPLIED = "applied"
        CANCELLED = "cancelled"

    subscription = models.ForeignKey(Subscription, null=True, on_delete=models.PROTECT, related_name="changes")
    quotation = models.ForeignKey(Quotation, null=True, on_delete=models.PROTECT, related_name="changes")
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(max_length=6, choices=Kind, default=Kind.ADD)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="+")
    quantity = FourDecimals()
    unit_price = FourDecimals(help_text="for one unit and one whole term")
    discount_percent = FourDecimals(default=0)
    discount_until = models.DateField(null=True, blank=True, help_text="the first renewal without the discount")
    discount_after = FourDecimals(default=0, help_text="percent from then on")
    list_price = models.ForeignKey(
        Price, null=True, blank=True, on_delete=models.PROTECT, related_name="+", db_index=False,
        help_text="the list price that the item follows; empty: a price for this customer alone",
    )  # fmt: skip
    state = models.CharField(max_length=9, choices=State, default=State.PENDING)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    applied_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="change_quantity_positive"),
            models.CheckConstraint(
                condition=Q(state="applied", applied_at__isnull=False, subscription__isnull=False)
                | (~Q(state="applied") & Q(applied_at__isnull=True)),
                name="change_applied_when_and_where",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"

    def apply(self, subscription: Subscription, *, now: datetime) -> bool:
        """pending → applied on `subscription`; False when it was done or cancelled already."""
        return claim(
            Change.objects.filter(pk=self.pk, state=self.State.PENDING),
            state=self.State.APPLIED,
            applied_at=now,
            subscription=subscription,
        )
