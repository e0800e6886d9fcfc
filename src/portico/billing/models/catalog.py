"""What is sold: products by kind, with their prices."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from portico.accounts.models import Seller
from portico.billing.models.pricelist import (
    FLAT,
    GRADUATED,
    PER_UNIT,
    PRICE_COLUMNS,
    VOLUME,
    ListPrice,
    PriceHistory,
    from_row,
    tiers_of,
)
from portico.kit.decimals import FourDecimals
from portico.kit.privacy import Privacy

BEGINNING = date(2000, 1, 1)
"""From when a price counts that nobody gave a day."""


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


def _is_named(row: models.Model) -> bool:
    """Whether anything refers to a row that keeps it from being deleted."""
    return any(
        relation.related_model._default_manager.filter(**{relation.field.name: row}).exists()
        for relation in row._meta.get_fields(include_hidden=True)
        if isinstance(relation, models.ManyToOneRel) and relation.on_delete is models.PROTECT
    )


class Product(models.Model):
    """Something the seller sells. Its kind decides tax place rules, delivery, and what happens to a database."""

    privacy = {
        Privacy.NONE: "id seller code name description kind unit vat_category vat_rate is_active minimum_months trial_days"
    }

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

    IN_DATABASE = (Kind.APPLICATION, Kind.THEME, Kind.USERS, Kind.PLAN)

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="products")
    code = models.SlugField(max_length=40)
    name = models.CharField(max_length=160)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=11, choices=Kind)
    unit = models.CharField(max_length=20, blank=True, help_text="as printed after the quantity: days, users")
    vat_category = models.CharField(max_length=1, choices=VatCategory, default=VatCategory.STANDARD)
    vat_rate = FourDecimals(default=20, help_text="percent, for a domestic sale")
    is_active = models.BooleanField(default=True)
    minimum_months = models.PositiveSmallIntegerField(default=0, help_text="for how long it is agreed at least")
    trial_days = models.PositiveSmallIntegerField(default=0, help_text="free days of a new database with this plan")

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
            models.CheckConstraint(
                condition=models.Q(minimum_months__lte=120, trial_days__lte=366), name="product_minimum_and_trial"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_used(self) -> bool:
        """Whether a paper, a subscription or a change names it: then it stays for good."""
        return _is_named(self)

    def edit(self, **values: Any) -> None:
        """name, description, unit, is_active: for what is offered from now on."""
        for name, value in values.items():
            setattr(self, name, value)
        self.save(update_fields=list(values))

    @property
    def in_database(self) -> bool:
        """Whether buying it changes the customer's database and its subscription."""
        return self.kind in self.IN_DATABASE


class PriceQuerySet(models.QuerySet["Price"]):
    """List prices by the day on which they count."""

    def in_force(self, day: date) -> "PriceQuerySet":
        """Those that count on a day: of each product, currency and term the latest that was valid by then."""
        later = Price.objects.filter(
            product=models.OuterRef("product"),
            currency=models.OuterRef("currency"),
            term_months=models.OuterRef("term_months"),
            valid_from__lte=day,
            valid_from__gt=models.OuterRef("valid_from"),
        )
        return self.filter(~models.Exists(later), valid_from__lte=day)

    def history(self) -> PriceHistory:
        """These prices as pricing reads them."""
        rows = (from_row(row) for row in self.values(*PRICE_COLUMNS))
        return PriceHistory([row for row in rows if row is not None])


class Price(models.Model):
    """The list price of a product in one currency and term, from a day on. A price that was in force is not changed: another
    one follows it, so that what a day's price was can be told for ever.
    """

    privacy = {Privacy.NONE: "id product currency term_months valid_from model unit_price tiers moves_from"}

    class Model(models.TextChoices):
        PER_UNIT = PER_UNIT
        GRADUATED = GRADUATED
        VOLUME = VOLUME
        FLAT = FLAT

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="prices")
    currency = models.CharField(max_length=3)
    term_months = models.PositiveSmallIntegerField(default=0, help_text="0: once; 1: a month; 12: a year")
    valid_from = models.DateField(default=BEGINNING, help_text="the first day on which it counts")
    model = models.CharField(max_length=9, choices=Model, default=Model.PER_UNIT)
    unit_price = FourDecimals(help_text="by tiers: of the first unit")
    tiers = models.JSONField(default=list, blank=True, help_text="pairs: up to how many, price of a unit")
    moves_from = models.DateField(
        null=True, blank=True, help_text="renewals from this day on come at the list price; empty: they keep this price"
    )

    objects = PriceQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("price"), _("prices")
        constraints = [
            models.UniqueConstraint(
                fields=["product", "currency", "term_months", "valid_from"], name="one_price_per_day_currency_and_term"
            ),
            models.CheckConstraint(condition=models.Q(unit_price__gte=0), name="price_not_negative"),
            models.CheckConstraint(condition=models.Q(term_months__lte=120), name="price_term_months"),
        ]

    def __str__(self) -> str:
        return f"{self.unit_price} {self.currency}"

    def replace(self, **values: Any) -> None:
        """model, unit_price, tiers, moves_from: only while nobody has it."""
        for name, value in values.items():
            setattr(self, name, value)
        self.save(update_fields=list(values))

    @property
    def is_used(self) -> bool:
        """Whether an offer, a subscription or a change stands at it: then it is not changed any more."""
        return _is_named(self)

    @property
    def listed(self) -> ListPrice:
        """As pricing reads it."""
        return ListPrice(
            key=self.pk, product=self.product_id, currency=self.currency, term_months=self.term_months,
            unit_price=self.unit_price, model=self.model, tiers=tiers_of(self.tiers), valid_from=self.valid_from,
            moves_from=self.moves_from,
        )  # fmt: skip
