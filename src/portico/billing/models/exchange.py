"""What a foreign currency is worth in the seller's own: for the VAT that the tax office reads (BT-111)."""

from datetime import date
from fractions import Fraction

from django.db import models
from django.utils.translation import gettext_lazy as _

from portico.accounts.models import Seller
from portico.kit.decimals import FourDecimals
from portico.kit.money import exponent, round_half_away
from portico.kit.privacy import Privacy


class ExchangeRate(models.Model):
    """So much of `currency` was one unit of the seller's from a day on, as central banks publish it: 1 EUR = 11.7345 NOK."""

    privacy = {Privacy.NONE: "id seller currency valid_from rate"}

    seller = models.ForeignKey(Seller, on_delete=models.CASCADE, related_name="exchange_rates")
    currency = models.CharField(max_length=3)
    valid_from = models.DateField()
    rate = FourDecimals()

    class Meta:
        verbose_name, verbose_name_plural = _("exchange rate"), _("exchange rates")
        ordering = ["currency", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["seller", "currency", "valid_from"], name="exchange_rate_once_a_day"),
            models.CheckConstraint(condition=models.Q(rate__gt=0), name="exchange_rate_above_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.rate.normalize():f}"

    @classmethod
    def on(cls, seller: Seller, currency: str, day: date) -> "ExchangeRate | None":
        """The rate that holds on `day`."""
        rows = cls.objects.filter(seller=seller, currency=currency, valid_from__lte=day)
        return rows.select_related("seller").order_by("-valid_from").first()

    def at_home(self, minor: int) -> int:
        """Minor units of the foreign currency in the seller's, rounded once."""
        scale = Fraction(10) ** (exponent(self.seller.currency) - exponent(self.currency))
        return round_half_away(Fraction(minor) * scale / Fraction(self.rate))
