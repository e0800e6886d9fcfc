"""What is sold: products by kind, with their prices."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _

from portico.accounts.models import Seller
from portico.kit.decimals import FourDecimals
from portico.kit.privacy import Privacy


class VatRate(models.Model):
    """A rate the seller charges at home, offered where a product is made or a free line written; the usual one first."""

    privacy = {Privacy.NONE: "id seller rate position"}

    seller = models.ForeignKey(Seller, on_delete=models.CASCADE, related_name="vat_rates")
    rate = FourDecimals(help_text="percent")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name, verbose_name_plural = _("VAT rate"), _("VAT rates")
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["seller", "rate"], name="vat_rate_once"),
            models.CheckConstraint(condition=models.Q(rate__gte=0, rate__lte=100), name="vat_rate_percent"),
        ]

    def __str__(self) -> str:
        return f"{self.rate.normalize():f} %"

    @staticmethod
    def replace(seller: Seller, rates: Sequence[Decimal]) -> None:
        """The seller's rates, the usual one first. Run in a transaction."""
        VatRate.objects.filter(seller=seller).delete()
        rows = [VatRate(seller=seller, rate=rate, position=place) for place, rate in enumerate(dict.fromkeys(rates))]
        VatRate.objects.bulk_create(rows)


class Product(models.Model):
    """Something the seller sells. Its kind decides tax place rules, delivery, and what happens to a database."""

    privacy = {Privacy.NONE: "id seller code name description kind unit vat_category vat_rate is_active"}

    class Kind(models.TextChoices):
        APPLICATION = "application"
        THEME = "theme"
        USERS = "users"
        PLAN = "plan"
        SERVICE = "service"
        GOODS = "goods"

    class VatCategory(models.TextChoices):
        STANDARD = "S"
        ZERO = "Z"
        EXEMPT = "E"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="products")
    code = models.SlugField(max_length=40)
    name = models.CharField(max_length=160)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=11, choices=Kind)
    unit = models.CharField(max_length=20, blank=True, help_text="as printed after the quantity: days, users")
    vat_category = models.CharField(max_length=1, choices=VatCategory, default=VatCategory.STANDARD)
    vat_rate = FourDecimals(default=20, help_text="percent, for a domestic sale")
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name, verbose_name_plural = _("product"), _("products")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["seller", "code"], name="product_code_unique"),
            models.CheckConstraint(
                condition=models.Q(vat_rate__gte=0, vat_rate__lte=100), name="product_vat_rate_percent"
            ),
            models.CheckConstraint(
                condition=models.Q(vat_category="S", vat_rate__gt=0)
                | (~models.Q(vat_category="S") & models.Q(vat_rate=0)),
                name="product_rate_fits_category",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_used(self) -> bool:
        """Whether a paper, a subscription or a change names it: then it stays for good."""
        return any(
            relation.related_model._default_manager.filter(**{relation.field.name: self}).exists()
            for relation in self._meta.get_fields(include_hidden=True)
            if isinstance(relation, models.ManyToOneRel) and relation.on_delete is models.PROTECT
        )

    @property
    def in_database(self) -> bool:
        """Whether buying it changes the customer's database and its subscription."""
        return self.kind in {self.Kind.APPLICATION, self.Kind.THEME, self.Kind.USERS, self.Kind.PLAN}


class Price(models.Model):
    """The list price of a product in one currency, per unit and term."""

    privacy = {Privacy.NONE: "id product currency term_months unit_price"}

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="prices")
    currency = models.CharField(max_length=3)
    term_months = models.PositiveSmallIntegerField(default=0, help_text="0: once; 1: a month; 12: a year")
    unit_price = FourDecimals()

    class Meta:
        verbose_name, verbose_name_plural = _("price"), _("prices")
        constraints = [
            models.UniqueConstraint(
                fields=["product", "currency", "term_months"], name="one_price_per_currency_and_term"
            ),
            models.CheckConstraint(condition=models.Q(unit_price__gte=0), name="price_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.unit_price} {self.currency}"
