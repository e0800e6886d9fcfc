"""Document numbers: gapless, unique, in the order of issue; and the head of each hash chain."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import IntegrityError, connection, models, transaction
from django.utils.translation import gettext_lazy as _

from portico.accounts.models import Seller
from portico.kit.changing import change
from portico.kit.prepared import prepared
from portico.kit.privacy import Privacy

GENESIS = "0" * 64


@dataclass(frozen=True)
class Taken:
    """A number just taken: the row is locked until the transaction ends, so `previous_hash` is the true head."""

    number: str
    position: int
    issued_on: date
    previous_hash: str


class NumberSeries(models.Model):
    """One counter per (seller, series, year), locked while a number is taken.

    Numbers of invoices and credit notes are taken inside the issuing transaction only; a rolled back issue gives its
    number back, so there is never a gap. `last_hash` is the head of the series' hash chain, which runs on over years.
    """

    privacy = {Privacy.NONE: "id seller series year first_number last_number last_hash last_issued_on"}

    class Series(models.TextChoices):
        QUOTATION = "Q"
        ORDER = "SO"
        INVOICE = "INV"
        CREDIT_NOTE = "CN"
        IMPORTED = "EXT"
        """Papers that another system numbered; no counter, no chain of ours."""

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    series = models.CharField(max_length=4, choices=Series)
    year = models.PositiveSmallIntegerField()
    first_number = models.PositiveIntegerField(default=1, help_text="above 1 where another system numbered before")
    last_number = models.PositiveIntegerField(default=0)
    last_hash = models.CharField(max_length=64, default=GENESIS)
    last_issued_on = models.DateField(null=True)

    class Meta:
        verbose_name, verbose_name_plural = _("number series"), _("number series")
        constraints = [models.UniqueConstraint(fields=["seller", "series", "year"], name="one_counter_per_year")]

    def __str__(self) -> str:
        return f"{self.series}-{self.year}: {self.last_number}"

    @classmethod
    def take(cls, seller: Seller, series: str, today: date) -> Taken:
        """The next number of `series`, dated `today` or, when its predecessor is later, on that day.

        Must run inside a transaction; the counter stays locked until it ends, so keep that transaction short and call
        nobody outside. Raises AssertionError outside a transaction.
        """
        counter = cls.locked(seller, series, today)
        taken = counter.next(today)
        counter.keep()
        return taken

    @classmethod
    def locked(cls, seller: Seller, series: str, today: date) -> "NumberSeries":
        """The counter of the current year, locked until the transaction ends; save it after the last `next`.

        For several papers at once; `take` is the same for one. Raises AssertionError outside a transaction.
        """
        assert connection.in_atomic_block, "a number is only taken inside the transaction that uses it"
        return cls._locked(seller, series, today)

    def keep(self) -> None:
        """Write down what was taken of this locked counter."""
        rows = NumberSeries.objects.filter(pk=self.pk)
        change(rows, last_number=self.last_number, last_hash=self.last_hash, last_issued_on=self.last_issued_on)

    def date_of_next(self, today: date) -> date:
        """The day on which the next paper is dated: `today`, or its predecessor's where that is later."""
        return max(today, self.last_issued_on or today)

    def next(self, today: date) -> Taken:
        """The next number of this locked counter, not saved yet."""
        self.last_number += 1
        self.last_issued_on = self.date_of_next(today)
        return Taken(
            number=f"{self.series}-{self.year}-{self.last_number:05d}",
            position=self.last_number,
            issued_on=self.last_issued_on,
            previous_hash=self.last_hash,
        )

    @classmethod
    def _locked(cls, seller: Seller, series: str, today: date) -> "NumberSeries":
        """The counter of the current year, locked. A year that has begun is never left for an earlier one."""
        latest: NumberSeries | None = counters_of.first(seller=seller.pk, series=series)
        if latest is not None and latest.year >= today.year:
            return latest
        try:
            with transaction.atomic():
                return cls.objects.create(
                    seller=seller,
                    series=series,
                    year=today.year,
                    last_hash=latest.last_hash if latest else GENESIS,
                )
        except IntegrityError:
            # somebody else began the year at this moment: wait for what they took
            return cls.objects.select_for_update().get(seller=seller, series=series, year=today.year)

    @classmethod
    def begin_at(cls, seller: Seller, series: str, year: int, first: int) -> bool:
        """Begin `series` of `year` at number `first`, because another system gave the ones before; False once begun.

        Run in a transaction.
        """
        latest = cls.objects.select_for_update().filter(seller=seller, series=series).order_by("-year").first()
        if latest is not None and latest.year > year:
            return False
        counter, _made = cls.objects.select_for_update().get_or_create(
            seller=seller,
            series=series,
            year=year,
            defaults={"last_hash": latest.last_hash if latest else GENESIS},  # the chain runs on over years
        )
        if counter.last_issued_on is not None or counter.last_number >= counter.first_number:
            return False
        counter.first_number, counter.last_number = first, first - 1
        counter.save(update_fields=["first_number", "last_number"])
        return True


@prepared
def counters_of(seller: Any, series: Any) -> Any:
    """The counters of a series, locked, the one of the latest year first."""
    return NumberSeries.objects.select_for_update().filter(seller=seller, series=series).order_by("-year")
