"""Where the bars of a chart stand: pure geometry for the `bars` macro, drawn by the server as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from portico.kit import formats
from portico.kit.money import exponent

TOP, FLOOR, WIDTH = 18.0, 196.0, 1080.0
NARROW = 205.0


@dataclass(frozen=True)
class Bar:
    """One bar: `label` under it, `title` in the table, `short` above it without minor units, the rest SVG units."""

    label: str
    title: str
    minor: int
    short: str
    x: float
    y: float
    height: float
    width: float


@dataclass(frozen=True)
class Grid:
    """One line across, with the amount it stands for."""

    y: float
    label: str


@dataclass(frozen=True)
class Bars:
    """A bar chart of amounts in one currency."""

    bars: tuple[Bar, ...]
    grid: tuple[Grid, ...]
    currency: str
    total_minor: int


def bars(rows: Sequence[tuple[str, str, int]], currency: str, language: str) -> Bars:
    """Lay out `rows` of (label, title, amount in minor units, not negative for the picture) in a 1080 × 222 box.

    At most 18 rows have room."""
    step = _step(max([minor for _label, _title, minor in rows] + [1]), 10 ** exponent(currency))
    top = max(step * -(-max([minor for *_names, minor in rows] + [0]) // step), step)
    room = WIDTH / max(len(rows), 1)
    drawn = []
    for index, (label, title, minor) in enumerate(rows):
        share = max(minor, 0) / top
        height = round(share * (FLOOR - TOP), 1)
        drawn.append(
            Bar(
                label=label,
                title=title,
                minor=minor,
                short=_whole(minor, currency, language),
                x=round(index * room + (room - 60) / 2, 1),
                y=round(FLOOR - height, 1),
                height=height,
                width=round(max(share * NARROW, 1), 1),
            )
        )
    lines = [
        Grid(round(FLOOR - value / top * (FLOOR - TOP), 1), _whole(value, currency, language))
        for value in range(step, top + 1, step)
    ]
    return Bars(tuple(drawn), tuple(lines), currency, sum(minor for *_names, minor in rows))


def _step(most: int, unit: int) -> int:
    """A round distance between grid lines, so that there are two to four of them."""
    step = unit
    while True:
        for factor in (1, 2, 5):
            if most <= step * factor * 4:
                return step * factor
        step *= 10


def _whole(minor: int, currency: str, language: str) -> str:
    """An amount without its minor units, for the picture."""
    whole = 10 ** exponent(currency)
    rounded = (abs(minor) * 2 + whole) // (2 * whole)
    return formats.quantity(Decimal(-rounded if minor < 0 else rounded), language)
