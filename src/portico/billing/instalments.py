"""An invoice that is paid in parts: how its total is split when it is issued, and which part money fills. Pure.

The split is made once and frozen. Which part is paid is never stored: whatever settles an invoice, money or credit, fills
the part that is due first, then the next (docs/decisions, "Instalments").
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from portico.accounts.terms import Plan
from portico.kit.money import round_half_away


@dataclass(frozen=True)
class Split:
    """One part as it is issued: `amount_minor` to be paid on `due_on` at the latest. Days are the seller's."""

    due_on: date
    amount_minor: int


@dataclass(frozen=True)
class Left:
    """One part as it stands: what of `amount_minor` can still be paid, and what of it is on its way already."""

    position: int
    due_on: date
    amount_minor: int
    left_minor: int
    on_its_way_minor: int = 0

    @property
    def unpaid_minor(self) -> int:
        """What of it is not paid, on its way or not."""
        return self.left_minor + self.on_its_way_minor

    def is_overdue(self, day: date) -> bool:
        """Whether its due day has ended with something left."""
        return self.left_minor > 0 and day > self.due_on


def split(total_minor: int, plan: Plan, issued_on: date) -> list[Split]:
    """The parts of a total of at least 0: each rounded once, half away from zero, the last takes what remains.

    They make exactly the total. A part of nothing, as of a very small total, is left out.
    """
    parts: list[Split] = []
    left = total_minor
    for place, part in enumerate(plan):
        wanted = round_half_away(total_minor * Fraction(part.percent) / 100)
        amount = left if place == len(plan) - 1 else min(wanted, left)
        left -= amount
        if amount:
            parts.append(Split(issued_on + timedelta(days=part.days), amount))
    return parts


def frozen_parts(content: Mapping[str, Any]) -> list[Split]:
    """The parts of an issued invoice, from its frozen copy; none for one sum."""
    return [Split(date.fromisoformat(day), amount) for day, amount in content.get("instalments") or []]


def filled(parts: Sequence[Split], due_minor: int, on_its_way_minor: int = 0) -> list[Left]:
    """How the parts stand when `due_minor` of their sum is not paid and so much of that is on its way: the earliest first."""
    settled = sum(part.amount_minor for part in parts) - due_minor
    found = []
    for position, part in enumerate(parts, start=1):
        taken = min(max(settled, 0), part.amount_minor)
        settled -= taken
        coming = min(on_its_way_minor, part.amount_minor - taken)
        on_its_way_minor -= coming
        found.append(Left(position, part.due_on, part.amount_minor, part.amount_minor - taken - coming, coming))
    return found


def next_due_on(parts: Sequence[Split], left_minor: int) -> date | None:
    """The day of the first part that is neither paid nor on its way, without one that of the last; None without parts.

    `left_minor` is what of their sum is left to pay beside both.
    """
    return next(
        (one.due_on for one in filled(parts, left_minor) if one.left_minor), parts[-1].due_on if parts else None
    )


def due_by(parts: Iterable[Left], day: date) -> int:
    """What is left of the parts that are due on `day` or were before it, in minor units."""
    return sum(one.left_minor for one in parts if one.due_on <= day)


def overdue_on(parts: Iterable[Left], day: date) -> int:
    """What is left of the parts whose due day has ended on `day`, in minor units."""
    return sum(one.left_minor for one in parts if one.is_overdue(day))
