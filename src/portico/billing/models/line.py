"""What a line and the totals of a document are, the same for quotation, order and invoice."""

from fractions import Fraction

from django.db import models
from django.db.models import Q

from portico.billing.models.catalog import Product
from portico.kit.decimals import FourDecimals

LINE_FIELDS = (
    "position kind product_id name detail quantity unit unit_price discount_percent part_days part_of_days "
    "vat_category vat_rate net_minor"
).split()
"""The fields that travel with a line from quotation to order to invoice."""


class Line(models.Model):
    """One row of a document. Sections and notes carry text only; allowances and charges count for the document.

    An allowance or charge holds its positive amount as `unit_price` with quantity 1 (EN 16931 BG-20, BG-21).
    """

    class Kind(models.TextChoices):
        LINE = "line"
        SECTION = "section"
        NOTE = "note"
        ALLOWANCE = "allowance"
        CHARGE = "charge"

    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=9, choices=Kind, default=Kind.LINE)
    product = models.ForeignKey(Product, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    detail = models.TextField(blank=True, max_length=2000)
    quantity = FourDecimals(default=0)
    unit = models.CharField(max_length=20, blank=True)
    unit_price = FourDecimals(default=0, help_text="excluding VAT")
    discount_percent = FourDecimals(default=0)
    part_days = models.PositiveIntegerField(
        default=1, help_text="days charged of a period, for what joins in its middle"
    )
    part_of_days = models.PositiveIntegerField(default=1, help_text="days of that period")
    vat_category = models.CharField(max_length=2, default="S", help_text="UNTDID 5305: S Z E AE K G O")
    vat_rate = FourDecimals(default=0, help_text="percent")
    net_minor = models.BigIntegerField(default=0, help_text="BT-131, minor units")

    class Meta:
        abstract = True
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(
                condition=Q(discount_percent__gte=0, discount_percent__lte=100), name="%(class)s_discount_percent"
            ),
            models.CheckConstraint(
                condition=Q(part_days__gte=1, part_days__lte=models.F("part_of_days")),
                name="%(class)s_part_at_most_one",
            ),
            models.CheckConstraint(condition=Q(vat_rate__gte=0, vat_rate__lte=100), name="%(class)s_vat_rate_percent"),
            models.CheckConstraint(
                condition=~Q(kind__in=["section", "note"]) | Q(net_minor=0, quantity=0),
                name="%(class)s_text_has_no_amount",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def part(self) -> Fraction:
        """The share of the unit price's period that is charged (DOMAIN 7); 1 for the whole."""
        return Fraction(self.part_days, self.part_of_days)


class Totals(models.Model):
    """The totals of a document, in minor units of its currency; `total = net + vat` holds in the database."""

    currency = models.CharField(max_length=3)
    net_minor = models.BigIntegerField(default=0, help_text="BT-109")
    vat_minor = models.BigIntegerField(default=0, help_text="BT-110")
    total_minor = models.BigIntegerField(default=0, help_text="BT-112")

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(total_minor=models.F("net_minor") + models.F("vat_minor")), name="%(class)s_total_adds_up"
            )
        ]
