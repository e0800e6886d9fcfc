"""What a list price means: so much a unit, by tiers, or one price whatever the number. Pure: no database, no clock.

A price by tiers is explained on paper by lines of quantity × unit price: one for each tier that is reached (graduated), or one
at the price of the tier that the whole quantity reaches (volume).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, DecimalException
from typing import Any

PER_UNIT, GRADUATED, VOLUME, FLAT = "per_unit", "graduated", "volume", "flat"
TIERED = (GRADUATED, VOLUME)
NOTHING = Decimal(0)


@dataclass(frozen=True)
class Tier:
    """The price of a unit up to a quantity, that one included; None: and everything above."""

    upto: Decimal | None
    unit_price: Decimal

    def holds(self, quantity: Decimal) -> bool:
        """Whether the quantity lies in this tier or below."""
        return self.upto is None or quantity <= self.upto


@dataclass(frozen=True)
class ListPrice:
    """One price of a list: of a product in a currency and term, from a day on.

    `moves_from`: from that day on, who has this price renews at the list price of the day; None: they keep it.
    """

    key: int
    product: int
    currency: str
    term_months: int
    unit_price: Decimal
    model: str = PER_UNIT
    tiers: tuple[Tier, ...] = ()
    valid_from: date = date.min
    moves_from: date | None = None

    @property
    def is_tiered(self) -> bool:
        """Whether the price of a unit depends on how many there are."""
        return self.model in TIERED

    def pieces(self, quantity: Decimal, *, already: Decimal = NOTHING, whole: Decimal | None = None) -> list["Piece"]:
        """What `quantity` units cost, in pieces of one unit price each, where `already` are held and not charged here.

        Graduated: the tiers from `already` to `already + quantity`, so that buying in two steps costs the same. Volume: the
        tier that everything reaches together (`whole`, else `already + quantity`), for the units of `quantity` alone.
        """
        if quantity <= 0:
            return []
        if self.model == GRADUATED:
            return self._graduated(already, already + quantity)
        if self.model == VOLUME:
            return [Piece(quantity, self._tier(already + quantity if whole is None else whole).unit_price)]
        return [Piece(quantity, self.unit_price)]

    def _graduated(self, first: Decimal, last: Decimal) -> list["Piece"]:
        pieces, begin = [], NOTHING
        for tier in self.tiers:
            end = last if tier.upto is None else min(tier.upto, last)
            if end > max(begin, first):
                pieces.append(Piece(end - max(begin, first), tier.unit_price))
            if tier.upto is None or tier.upto >= last:
                break
            begin = tier.upto
        return pieces

    def _tier(self, quantity: Decimal) -> Tier:
        return next(tier for tier in self.tiers if tier.holds(quantity))


@dataclass(frozen=True)
class Piece:
    """So many units at one price."""

    quantity: Decimal
    unit_price: Decimal


@dataclass(frozen=True)
class PriceHistory:
    """List prices of any products, currencies, terms and days."""

    prices: Sequence[ListPrice] = ()
    _found: dict[tuple[int, str, int], list[ListPrice]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for price in sorted(self.prices, key=lambda one: one.valid_from):
            self._found.setdefault((price.product, price.currency, price.term_months), []).append(price)

    def on(self, day: date, *, product: int, currency: str, term_months: int) -> ListPrice | None:
        """The list price in force on a day: the latest that was valid by then; None before the first one."""
        rows = self._found.get((product, currency, term_months), [])
        return next((price for price in reversed(rows) if price.valid_from <= day), None)


def tiers_of(kept: Iterable[Any]) -> tuple[Tier, ...]:
    """Tiers from what is kept in the database: pairs of text, `null` for the last one's end."""
    return tuple(Tier(None if upto is None else Decimal(upto), Decimal(unit_price)) for upto, unit_price in kept)


def kept_tiers(tiers: Iterable[Tier]) -> list[list[str | None]]:
    """Tiers as the database keeps them, exactly."""
    return [[None if tier.upto is None else _plain(tier.upto), _plain(tier.unit_price)] for tier in tiers]


def tiers_stand(tiers: Sequence[Tier]) -> bool:
    """Whether tiers rise, the last is open, and no price is below nothing."""
    try:
        ends = [tier.upto for tier in tiers[:-1]]
        rising = all(end is not None and end > 0 and end % 1 == 0 for end in ends) and ends == sorted(
            set(ends), key=_of
        )
        return bool(tiers) and tiers[-1].upto is None and rising and all(tier.unit_price >= 0 for tier in tiers)
    except DecimalException:
        return False


def _of(end: Decimal | None) -> Decimal:
    return end or NOTHING


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}" if number else "0"


def from_row(row: Mapping[str, Any], prefix: str = "") -> ListPrice | None:
    """A list price from the values of a query, each name behind `prefix`; None where there is none."""
    if row[f"{prefix}id"] is None:
        return None
    return ListPrice(
        key=row[f"{prefix}id"],
        product=row[f"{prefix}product_id"],
        currency=row[f"{prefix}currency"],
        term_months=row[f"{prefix}term_months"],
        unit_price=row[f"{prefix}unit_price"],
        model=row[f"{prefix}model"],
        tiers=tiers_of(row[f"{prefix}tiers"] or ()),
        valid_from=row[f"{prefix}valid_from"],
        moves_from=row[f"{prefix}moves_from"],
    )


PRICE_COLUMNS = (
    "id",
    "product_id",
    "currency",
    "term_months",
    "unit_price",
    "model",
    "tiers",
    "valid_from",
    "moves_from",
)
