"""What a benchmark found: one row a measurement, as a table for people or a line of JSON each for machines."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One measurement beside the number to beat.

    `reference` is the floor's or the peer's value in the same unit, `ratio` ours to it; `gate` is the number that must be
    reached, `ok` whether it was. None where there is none.
    """

    bench: str
    case: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    gate: float | None = None
    ok: bool | None = None


def measured(bench: str, case: str, value: float, unit: str, *, reference: float | None = None) -> Row:
    """A number without a gate."""
    return Row(bench, case, value, unit, reference, value / reference if reference else None)


def at_most(bench: str, case: str, value: float, unit: str, gate: float, *, reference: float | None = None) -> Row:
    """A number that must not be above the gate."""
    return Row(bench, case, value, unit, reference, value / reference if reference else None, gate, value <= gate)


def at_least(bench: str, case: str, value: float, unit: str, gate: float, *, reference: float | None = None) -> Row:
    """A number that must not be below the gate."""
    return Row(bench, case, value, unit, reference, value / reference if reference else None, gate, value >= gate)


def as_json(row: Row) -> str:
    """One line."""
    return json.dumps(asdict(row), ensure_ascii=False)


def as_text(rows: Sequence[Row]) -> str:
    """A table whose columns fit."""
    head = ("case", "value", "unit", "beside", "ratio", "gate", "")
    cells = [
        (
            row.case,
            number(row.value),
            row.unit,
            number(row.reference),
            number(row.ratio),
            number(row.gate),
            "" if row.ok is None else "ok" if row.ok else "MISSED",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(len(head))]
    lines = [
        "  ".join(
            text.ljust(width) if column in {0, 2, 6} else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (head, *cells)
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def number(value: float | None) -> str:
    """Three significant digits; nothing for none."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def progress(row: Row) -> str:
    """One measurement as it is made."""
    return f"  {row.case}: {number(row.value)} {row.unit}{'' if row.ok is not False else '  MISSED'}"
