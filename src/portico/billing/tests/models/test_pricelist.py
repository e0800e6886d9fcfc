"""What a list price means: by unit, by tiers, on which day."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.billing.models import Price
from portico.billing.models.pricelist import (
    FLAT,
    GRADUATED,
    VOLUME,
    ListPrice,
    Piece,
    PriceHistory,
    Tier,
    kept_tiers,
    tiers_of,
    tiers_stand,
)
from portico.cast import World

TIERS = (Tier(Decimal(10), Decimal(20)), Tier(Decimal(50), Decimal(15)), Tier(None, Decimal("12.5")))


def listed(model: str = "per_unit", **more: object) -> ListPrice:
    """A price of 20 a unit, or by the tiers above."""
    values = {"key": 1, "product": 1, "currency": "EUR", "term_months": 12, "unit_price": Decimal(20), "tiers": TIERS}
    return ListPrice(**values | {"model": model} | more)  # type: ignore[arg-type]  # whole numbers and texts as needed


def told(pieces: list[Piece]) -> list[tuple[int, str]]:
    """Pieces in short."""
    return [(int(piece.quantity), f"{piece.unit_price}") for piece in pieces]


@pytest.mark.parametrize(
    ("model", "quantity", "already", "expected"),
    [
        ("per_unit", 60, 0, [(60, "20")]),
        (FLAT, 1, 0, [(1, "20")]),
        (GRADUATED, 10, 0, [(10, "20")]),
        (GRADUATED, 11, 0, [(10, "20"), (1, "15")]),
        (GRADUATED, 60, 0, [(10, "20"), (40, "15"), (10, "12.5")]),
        (GRADUATED, 4, 8, [(2, "20"), (2, "15")]),
        (GRADUATED, 1, 50, [(1, "12.5")]),
        (GRADUATED, 0, 8, []),
        (VOLUME, 10, 0, [(10, "20")]),
        (VOLUME, 11, 0, [(11, "15")]),
        (VOLUME, 4, 8, [(4, "15")]),
        (VOLUME, 51, 0, [(51, "12.5")]),
    ],
)
def test_a_quantity_is_priced_in_lines_that_paper_can_show(
    model: str, quantity: int, already: int, expected: list[tuple[int, str]]
) -> None:
    assert told(listed(model).pieces(Decimal(quantity), already=Decimal(already))) == expected


@given(first=st.integers(0, 200), second=st.integers(0, 200), already=st.integers(0, 200))
def test_graduated_tiers_cost_the_same_in_two_steps_as_in_one(first: int, second: int, already: int) -> None:
    price = listed(GRADUATED)

    def cost(quantity: int, held: int) -> Decimal:
        pieces = price.pieces(Decimal(quantity), already=Decimal(held))
        assert sum(piece.quantity for piece in pieces) == quantity
        return sum((piece.quantity * piece.unit_price for piece in pieces), Decimal(0))

    assert cost(first + second, already) == cost(first, already) + cost(second, already + first)


@pytest.mark.parametrize(
    ("tiers", "stand"),
    [
        (TIERS, True),
        ((Tier(None, Decimal(3)),), True),
        ((), False),
        (TIERS[:2], False),
        ((TIERS[1], TIERS[0], TIERS[2]), False),
        ((TIERS[0], TIERS[0], TIERS[2]), False),
        ((Tier(Decimal("1.5"), Decimal(3)), TIERS[2]), False),
        ((Tier(Decimal(0), Decimal(3)), TIERS[2]), False),
        ((TIERS[2], TIERS[2]), False),
        ((Tier(None, Decimal(-1)),), False),
    ],
)
def test_tiers_rise_and_the_last_is_open(tiers: tuple[Tier, ...], stand: bool) -> None:
    assert tiers_stand(tiers) is stand
    assert tiers_of(kept_tiers(tiers)) == tiers


def test_the_price_of_a_day_is_the_latest_that_was_valid_by_then() -> None:
    first, second = listed(key=1, valid_from=date(2026, 1, 1)), listed(key=2, valid_from=date(2026, 7, 1))
    history = PriceHistory([second, first, listed(key=3, currency="NOK")])

    def on(day: date, currency: str = "EUR") -> int | None:
        found = history.on(day, product=1, currency=currency, term_months=12)
        return found.key if found else None

    assert on(date(2025, 12, 31)) is None
    assert [on(date(2026, 1, 1)), on(date(2026, 6, 30)), on(date(2026, 7, 1))] == [1, 1, 2]
    assert on(date(2026, 7, 1), "NOK") == 3


@pytest.mark.django_db
def test_the_database_finds_the_same_price_of_a_day(world: World) -> None:
    product, day = world.products["users"], world.now.date()
    old = product.prices.get(currency="EUR", term_months=12)
    new = Price.objects.create(
        product=product, currency="EUR", term_months=12, unit_price=Decimal(240), valid_from=day + timedelta(days=1)
    )
    rows = Price.objects.filter(product=product, currency="EUR", term_months=12)
    history = product.prices.all().history()
    for on, price in [(day, old), (day + timedelta(days=1), new), (day + timedelta(days=900), new)]:
        assert list(rows.in_force(on)) == [price]
        found = history.on(on, product=product.pk, currency="EUR", term_months=12)
        assert found == price.listed
    assert list(rows.in_force(date(1999, 12, 31))) == []
