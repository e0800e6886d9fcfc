"""At what price an item renews: the agreed one, the list's where it is marked to move, without a discount that is over."""

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from portico.billing.models.pricelist import GRADUATED, VOLUME, ListPrice, PriceHistory, Tier
from portico.billing.renewal_prices import Renews, moving, renews_at

DAY = date(2027, 1, 1)
OLD = ListPrice(1, 7, "EUR", 12, Decimal(20), valid_from=date(2025, 1, 1))
NEW = ListPrice(2, 7, "EUR", 12, Decimal(25), valid_from=date(2026, 6, 1))


@dataclass(frozen=True)
class Held:
    """An item."""

    quantity: Decimal
    unit_price: Decimal = Decimal(20)
    discount_percent: Decimal = Decimal(0)
    discount_until: date | None = None
    discount_after: Decimal = Decimal(0)
    ended_on: date | None = None
    listed: ListPrice | None = OLD
    product_id: int = 7


def renewed(*items: Held, prices: tuple[ListPrice, ...] = (NEW,)) -> list[Renews[Held]]:
    """The lines on the day."""
    return renews_at(items, DAY, currency="EUR", term_months=12, history=PriceHistory(prices))


def told(lines: list[Renews[Held]]) -> list[tuple[int, str, str]]:
    """Lines in short: quantity, price, discount."""
    return [(int(line.quantity), f"{line.unit_price}", f"{line.discount_percent}") for line in lines]


def test_an_item_keeps_what_was_agreed_while_the_list_goes_up() -> None:
    (line,) = renewed(Held(Decimal(3)))
    assert told([line]) == [(3, "20", "0")]
    assert not line.is_changed
    assert not line.rewrites


def test_a_price_that_is_marked_moves_on_its_day_and_the_old_one_is_told_beside() -> None:
    marked = replace(OLD, moves_from=DAY)
    item = Held(Decimal(3), discount_percent=Decimal(10), listed=marked)
    assert moving([item], DAY) == {7}
    (line,) = renewed(item)
    assert told([line]) == [(3, "25", "10")]
    assert line.old_unit_price == 20
    assert line.is_changed
    assert line.rewrites
    assert line.listed == NEW
    (before,) = renewed(replace(item, listed=replace(OLD, moves_from=date(2027, 1, 2))))
    assert before.unit_price == 20
    (without,) = renewed(item, prices=())
    assert without.unit_price == 20, "where the list has nothing the agreed price stays"


def test_a_price_for_one_customer_alone_never_moves() -> None:
    (line,) = renewed(Held(Decimal(3), unit_price=Decimal(15), listed=None))
    assert told([line]) == [(3, "15", "0")]
    assert not line.is_changed
    assert moving([Held(Decimal(3), listed=None)], DAY) == set()


def test_a_discount_that_is_over_is_left_out_and_what_has_ended_too() -> None:
    over = Held(Decimal(1), discount_percent=Decimal(30), discount_until=DAY)
    lasting = Held(Decimal(2), discount_percent=Decimal(30), discount_until=date(2028, 1, 1))
    lines = renewed(over, lasting, Held(Decimal(9), ended_on=DAY))
    assert told(lines) == [(1, "20", "0"), (2, "20", "30")]
    assert [line.is_changed for line in lines] == [True, False]
    assert lines[0].old_discount_percent == 30
    assert lines[1].discount_until == date(2028, 1, 1)


def test_tiers_count_all_items_of_a_product_together() -> None:
    tiers = (Tier(Decimal(10), Decimal(20)), Tier(None, Decimal(15)))
    graduated, volume = (replace(OLD, model=model, tiers=tiers) for model in (GRADUATED, VOLUME))
    assert told(renewed(Held(Decimal(8), listed=graduated), Held(Decimal(5), listed=graduated))) == [
        (10, "20", "0"), (3, "15", "0"),
    ]  # fmt: skip
    other = Held(Decimal(1), product_id=9, listed=None)
    lines = renewed(
        other, Held(Decimal(8), listed=volume), other, Held(Decimal(5), unit_price=Decimal(15), listed=volume)
    )
    assert told(lines) == [(1, "20", "0"), (13, "15", "0"), (1, "20", "0")]
    assert lines[1].old_unit_price is None, "its units cost differently now"
    assert lines[1].is_changed


def test_units_with_a_discount_take_their_own_slice_of_the_tiers() -> None:
    tiers = (Tier(Decimal(10), Decimal(20)), Tier(None, Decimal(15)))
    listed = replace(OLD, model=GRADUATED, tiers=tiers)
    lines = renewed(Held(Decimal(8), listed=listed), Held(Decimal(5), discount_percent=Decimal(50), listed=listed))
    assert told(lines) == [(8, "20", "0"), (2, "20", "50"), (3, "15", "50")]


def test_moving_from_a_unit_price_to_tiers_and_back() -> None:
    tiers = (Tier(Decimal(10), Decimal(20)), Tier(None, Decimal(15)))
    tiered = replace(NEW, model=GRADUATED, tiers=tiers)
    assert told(renewed(Held(Decimal(12), listed=replace(OLD, moves_from=DAY)), prices=(tiered,))) == [
        (10, "20", "0"), (2, "15", "0"),
    ]  # fmt: skip
    old = replace(OLD, model=GRADUATED, tiers=tiers, moves_from=DAY)
    lines = renewed(Held(Decimal(10), listed=old), Held(Decimal(2), unit_price=Decimal(15), listed=old))
    assert told(lines) == [(12, "25", "0")]
