"""Payment in parts as it is typed: rows of percent and days, kept as typed whatever is wrong with them."""

from collections.abc import Sequence

from django.http import QueryDict
from django.utils.translation import gettext as _

from portico.accounts.terms import MOST_PARTS, Part, Plan, checked_plan
from portico.kit import formats
from portico.kit.errors import Invalid
from portico.kit.money import parse_decimal
from portico.kit.text import one_line

Typed = list[tuple[str, str]]
LEAST_ROWS = 3
EXAMPLE = 1000
"""The total of the example, in whole units of the currency."""


def typed_of(plan: Plan, language: str) -> Typed:
    """The parts as somebody would type them."""
    return [(formats.quantity(part.percent, language), str(part.days)) for part in plan]


def posted_rows(posted: QueryDict) -> Typed:
    """The rows of the form that are not empty, as many as there may be."""
    rows = zip(posted.getlist("plan_percent"), posted.getlist("plan_days"), strict=False)
    texts = [(one_line(percent)[:20], one_line(days)[:8]) for percent, days in rows]
    return [row for row in texts if any(row)][: MOST_PARTS + 1]


def padded(rows: Typed) -> Typed:
    """The rows with some empty ones to go on in."""
    return rows + [("", "")] * max(LEAST_ROWS - len(rows), min(1, MOST_PARTS - len(rows)))


def read_plan(rows: Sequence[tuple[str, str]], language: str) -> Plan:
    """The parts that the rows say; none without rows. Invalid names the row that cannot be read, or what is wrong together."""
    parts = []
    for place, (percent, days) in enumerate(rows, start=1):
        if not (days.isascii() and days.isdigit()):
            raise Invalid(_("Part %(place)d: say after how many days it is due, 0 for at once.") % {"place": place})
        try:
            share = parse_decimal(percent.rstrip("% \u00a0\u202f"), language)
        except Invalid as refusal:
            raise Invalid(_("Part %(place)d: %(problem)s") % {"place": place, "problem": refusal.message}) from None
        parts.append(Part(share, int(days)))
    return checked_plan(parts)
