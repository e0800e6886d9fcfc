"""Payment terms of more than one part: what percent of an invoice is to be paid how many days after it is issued. Pure.

Kept as JSON, pairs of percent as text and days: `[["30", 0], ["70", 30]]`. An empty list is the plain case, one sum after
`payment_terms_days`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from portico.kit.errors import Invalid

MOST_PARTS = 12
LONGEST_TERMS_DAYS = 365
PLACES = 4
WHOLE = Decimal(100)


@dataclass(frozen=True)
class Part:
    """`percent` of the total, at most four decimals, to be paid at the latest `days` after the day of issue."""

    percent: Decimal
    days: int


Plan = tuple[Part, ...]


def plan_of(kept: Iterable[Sequence[Any]]) -> Plan:
    """The parts as they are kept."""
    return tuple(Part(Decimal(str(percent)), int(days)) for percent, days in kept)


def kept(plan: Iterable[Part]) -> list[list[Any]]:
    """The form in which parts are kept."""
    return [[f"{part.percent.normalize():f}", part.days] for part in plan]


def checked_plan(plan: Iterable[Part]) -> Plan:
    """The parts, if they can be terms of payment; none of them for the plain case. Invalid says what is wrong."""
    parts = tuple(plan)
    if not parts:
        return parts
    if not 2 <= len(parts) <= MOST_PARTS:
        raise Invalid(
            _("Payment in parts takes two to %(most)d parts. Leave all of them empty for one sum.")
            % {"most": MOST_PARTS}
        )
    before = -1
    for part in parts:
        if not 0 < part.percent < WHOLE or -int(part.percent.as_tuple().exponent) > PLACES:
            raise Invalid(_("Each part is above 0 and below 100 percent, with at most four decimals."))
        if not 0 <= part.days <= LONGEST_TERMS_DAYS:
            raise Invalid(_("Payment terms are between 0 and %(most)d days.") % {"most": LONGEST_TERMS_DAYS})
        if part.days <= before:
            raise Invalid(_("Each part is due later than the one before it."))
        before = part.days
    total = sum(part.percent for part in parts)
    if total != WHOLE:
        raise Invalid(_("The parts make %(total)s percent together. They must make 100.") % {"total": f"{total:f}"})
    return parts
