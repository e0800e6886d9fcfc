"""Coupons: a code that takes something off what a customer adds to its subscription, and who used it."""

from datetime import date, datetime

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Customer, Seller
from portico.billing.models.catalog import Product
from portico.billing.models.quotation import Quotation, QuotationVersion
from portico.billing.models.subscription import Subscription
from portico.kit.db import claim
from portico.kit.decimals import OptionalFourDecimals
from portico.kit.errors import Conflict, Invalid
from portico.kit.privacy import Privacy


class Coupon(models.Model):
    """A percentage off each price, or an amount off the first quotation, for some products or all.

    `once`: until the next renewal; `periods`: for so many periods, the running one included; `forever`.
    """

    privacy = {
        Privacy.NONE: ("id seller code percent amounts duration periods valid_from valid_until max_uses used is_active")
    }

    class Duration(models.TextChoices):
        ONCE = "once"
        PERIODS = "periods"
        FOREVER = "forever"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    code = models.CharField(max_length=30, validators=[RegexValidator(r"^[A-Z0-9](-?[A-Z0-9])*$")])
    percent = OptionalFourDecimals(null=True, blank=True)
    amounts = models.JSONField(default=dict, blank=True, help_text="minor units by currency")
    products = models.ManyToManyField(Product, blank=True, related_name="+", help_text="empty: for every product")
    duration = models.CharField(max_length=7, choices=Duration, default=Duration.ONCE)
    periods = models.PositiveSmallIntegerField(default=1)
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True, help_text="the last day")
    max_uses = models.PositiveIntegerField(null=True, blank=True, help_text="empty: any number")
    used = models.PositiveIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name, verbose_name_plural = lazy("coupon"), lazy("coupons")
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["seller", "code"], name="coupon_code_unique"),
            models.CheckConstraint(
                condition=Q(percent__isnull=True) | Q(percent__gt=0, percent__lte=100), name="coupon_percent"
            ),
            models.CheckConstraint(
                condition=Q(percent__isnull=False) | Q(duration="once"), name="coupon_amount_is_taken_once"
            ),
            models.CheckConstraint(
                condition=Q(max_uses__isnull=True) | Q(used__lte=F("max_uses")), name="coupon_used_at_most"
            ),
            models.CheckConstraint(condition=Q(periods__gte=1), name="coupon_periods"),
        ]

    def __str__(self) -> str:
        return self.code

    @staticmethod
    def find(seller: Seller, code: str, day: date) -> "Coupon":
        """The coupon of a code that can be used on a day; Invalid, in the same words whether it never was or is over."""
        rows = Coupon.objects.filter(seller=seller, code=code.strip().upper()[:30], is_active=True)
        found = rows.prefetch_related("products").first()
        if (
            found is None
            or (found.valid_from is not None and day < found.valid_from)
            or (found.valid_until is not None and day > found.valid_until)
        ):
            raise Invalid(_("The code %(code)s is not valid, or not any more.") % {"code": code.strip()[:30]})
        return found

    def covers(self, product: Product) -> bool:
        """Whether it takes something off this product."""
        chosen = {one.pk for one in self.products.all()}
        return not chosen or product.pk in chosen

    def amount_minor(self, currency: str) -> int:
        """The amount it takes off once, in minor units; 0 where it has none in this currency."""
        return int(self.amounts.get(currency, 0))

    def take(
        self, *, customer: Customer, subscription: Subscription, quotation: Quotation | None, now: datetime
    ) -> None:
        """Use it up by one for an offer, which holds it for as long as it can be accepted. Conflict when it is used up.

        What was held by offers that ended without acceptance is given back first. Inside the caller's transaction.
        """
        if not self._count():
            self._give_back(customer.seller, now)
            if not self._count():
                raise Conflict(_("The coupon %(code)s is used up. Take it away and go on.") % {"code": self.code})
        CouponUse.objects.create(
            coupon=self, customer=customer, subscription=subscription, quotation=quotation, taken_at=now
        )

    def _count(self) -> bool:
        rows = Coupon.objects.filter(Q(max_uses=None) | Q(used__lt=F("max_uses")), pk=self.pk)
        return claim(rows, used=F("used") + 1)

    def _give_back(self, seller: Seller, now: datetime) -> None:
        """Free what is held by offers that nobody can accept any more."""
        version = QuotationVersion.State
        held = CouponUse.objects.filter(coupon=self, released_at=None, quotation__isnull=False)
        for use in held.select_related("quotation__current", "quotation__seller"):
            assert use.quotation is not None
            current = use.quotation.current
            over = current is None or current.state in {version.WITHDRAWN, version.SUPERSEDED}
            if current is not None and current.state != version.ACCEPTED:
                current.quotation = use.quotation
                over = over or current.validity_is_over(now)
            if over and claim(CouponUse.objects.filter(pk=use.pk, released_at=None), released_at=now):
                Coupon.objects.filter(pk=self.pk).update(used=F("used") - 1)

    def lasts_until(self, ends: list[date]) -> date | None:
        """The first renewal without it, where `ends` are the ends of the running period and those after it; None: forever."""
        if self.duration == self.Duration.FOREVER:
            return None
        return ends[0] if self.duration == self.Duration.ONCE else ends[min(self.periods, len(ends)) - 1]


class CouponUse(models.Model):
    """A customer used a coupon: for an offer that holds it, or for a change that cost nothing."""

    privacy = {
        Privacy.NONE: "id coupon quotation taken_at released_at",
        Privacy.SUBSCRIPTION: "customer subscription",
    }

    coupon = models.ForeignKey(Coupon, on_delete=models.PROTECT, related_name="uses")
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="+")
    subscription = models.ForeignKey(Subscription, on_delete=models.PROTECT, related_name="+")
    quotation = models.OneToOneField(Quotation, null=True, on_delete=models.PROTECT, related_name="coupon_use")
    taken_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True, help_text="when it was given back unused")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.coupon_id} for {self.customer_id}"
