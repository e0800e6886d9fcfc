"""At what price an item of a subscription is renewed. Pure: no database, no clock, no writes.

An item keeps the price that was agreed for it. Only where it was agreed at a list price, and that list price is marked to move
from a day on (`ListPrice.moves_from`), it renews at the list price of the day. A discount that is over is left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from portico.billing.models.pricelist import ListPrice, Piece, PriceHistory


class Item(Protocol):
    """What this room needs to know of an item: a `SubscriptionItem`'s numbers, or the values of a query."""

    @property
    def product_id(self) -> int: ...
    @property
    def quantity(self) -> Decimal: ...
    @property
    def unit_price(self) -> Decimal: ...
    @property
    def discount_percent(self) -> Decimal: ...
    @property
    def discount_until(self) -> date | None: ...
    @property
    def discount_after(self) -> Decimal: ...
    @property
    def ended_on(self) -> date | None: ...
    @property
    def listed(self) -> ListPrice | None: ...


Held = TypeVar("Held", bound=Item)


@dataclass(frozen=True)
class Renews(Generic[Held]):
    """A line of the renewal: what it costs from then on, beside what the same units cost now.

    `items` are those that it comes from, the first of them with its product; `before` are their pieces at the old price.
    `listed` is the list price that it follows, None for a price agreed for this customer alone.
    """

    items: tuple[Held, ...]
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    discount_until: date | None
    listed: ListPrice | None
    before: tuple[tuple[Piece, Decimal], ...]

    @property
    def old_unit_price(self) -> Decimal | None:
        """What a unit costs now; None where its units cost differently."""
        found = {piece.unit_price for piece, _discount in self.before}
        return found.pop() if len(found) == 1 else None

    @property
    def old_discount_percent(self) -> Decimal | None:
        """Its discount now; None where its units have different ones."""
        found = {discount for _piece, discount in self.before}
        return found.pop() if len(found) == 1 else None

    @property
    def rewrites(self) -> bool:
        """Whether its item says something else than this line, and is to be written anew when the renewal begins."""
        (one, *others), listed = self.items, self.listed
        said = (one.quantity, one.unit_price, one.discount_percent, one.discount_until, one.listed and one.listed.key)
        line = self.quantity, self.unit_price, self.discount_percent, self.discount_until, listed and listed.key
        return bool(others) or said != line

    @property
    def is_changed(self) -> bool:
        """Whether a unit costs another price than now, discounts included: then both are shown."""
        return (self.old_unit_price, self.old_discount_percent) != (self.unit_price, self.discount_percent)


def renews_at(
    items: Iterable[Held],
    on: date,
    *,
    currency: str,
    term_months: int,
    history: PriceHistory,
) -> list[Renews[Held]]:
    """The lines at which `items` of one subscription renew for the period that begins on `on`.

    For one item: `renews_at([item], day, …)` says the price it renews at (`unit_price`, `discount_percent`) and the old one
    (`old_unit_price`, `old_discount_percent`). An item that ends by then has no line. Items at a price by tiers are counted
    together, one line for each tier that they reach (graduated) or one for all (volume); so give all items of a product.

    `history` holds the list prices of the products whose items move (`moving`); of others nothing is looked up. Where the list
    has no price for the currency and term on that day, the agreed one stays.
    """
    lines: list[Renews[Held]] = []
    tiered: dict[tuple[int, int], tuple[ListPrice, list[Held]]] = {}
    places: dict[tuple[int, int], int] = {}
    for item in items:
        if item.ended_on is not None and item.ended_on <= on:
            continue
        listed = item.listed
        if listed is not None and listed.moves_from is not None and listed.moves_from <= on:
            listed = history.on(on, product=item.product_id, currency=currency, term_months=term_months) or listed
        if listed is not None and (listed.is_tiered or (item.listed is not None and item.listed.is_tiered)):
            key = item.product_id, listed.key
            if key not in tiered:
                tiered[key], places[key] = (listed, []), len(lines)
            tiered[key][1].append(item)
            continue
        moved = listed is not None and (item.listed is None or listed.key != item.listed.key)
        unit_price = listed.unit_price if moved and listed is not None else item.unit_price
        lines.append(_line([item], item.quantity, unit_price, _discount(item, on), listed))
    for key, (listed, together) in reversed(tiered.items()):
        lines[places[key] : places[key]] = _tiers(listed, together, on)
    return lines


def moving(items: Iterable[Item], on: date) -> set[int]:
    """The products of items that move to the list price by `on`: what a `PriceHistory` must hold for `renews_at`."""
    return {
        item.product_id
        for item in items
        if item.listed is not None and item.listed.moves_from is not None and item.listed.moves_from <= on
    }


def _tiers(listed: ListPrice, items: Sequence[Held], on: date) -> list[Renews[Held]]:
    """The lines of items that are counted together: each item takes its slice of the tiers; what costs the same is one line."""
    whole = sum((item.quantity for item in items), Decimal(0))
    found: list[Renews[Held]] = []
    already = Decimal(0)
    for item in items:
        for piece in listed.pieces(item.quantity, already=already, whole=whole):
            line = _line([item], piece.quantity, piece.unit_price, _discount(item, on), listed)
            place = next((number for number, one in enumerate(found) if _same(one, line)), None)
            if place is None:
                found.append(line)
            else:
                found[place] = _joined(found[place], line)
        already += item.quantity
    return found


def _discount(item: Item, on: date) -> tuple[Decimal, date | None]:
    """The discount of the period that begins on `on`, and until when it lasts."""
    if item.discount_until is not None and item.discount_until <= on:
        return item.discount_after, None
    return item.discount_percent, item.discount_until


def _line(
    items: Sequence[Held],
    quantity: Decimal,
    unit_price: Decimal,
    discount: tuple[Decimal, date | None],
    listed: ListPrice | None,
) -> Renews[Held]:
    before = tuple((Piece(quantity, item.unit_price), item.discount_percent) for item in items)
    return Renews(tuple(items), quantity, unit_price, *discount, listed, before)


def _same(one: Renews[Held], other: Renews[Held]) -> bool:
    return (one.unit_price, one.discount_percent, one.discount_until) == (
        other.unit_price,
        other.discount_percent,
        other.discount_until,
    )


def _joined(one: Renews[Held], other: Renews[Held]) -> Renews[Held]:
    items = one.items if other.items[0] in one.items else (*one.items, *other.items)
    return Renews(
        items, one.quantity + other.quantity, one.unit_price, one.discount_percent, one.discount_until, one.listed,
        (*one.before, *other.before),
    )  # fmt: skip
