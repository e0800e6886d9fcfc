"""How long what must be kept is kept, by the seller's country: data with its law, to be reviewed by a lawyer before use."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Rule:
    """Keep for `years` after the end of the calendar year of the document."""

    country: str
    years: int
    law: str


RULES = {
    rule.country: rule
    for rule in (
        Rule("FR", 10, "Code de commerce, art. L123-22"),
        Rule("DE", 8, "§ 147 AO, § 14b UStG"),
        Rule("BE", 10, "Code TVA, art. 60"),
    )
}
OTHERWISE = Rule("", 10, "EN 16931 sellers keep invoices for ten years unless their law asks for less")
"""Where no rule is written down: the longest of those known."""

EVIDENCE: str | Promise = _("Your acceptance of quotations: name, position, signature, network address and browser")


def rule_of(country: str) -> Rule:
    """The rule of a seller's country."""
    return RULES.get(country, OTHERWISE)


def keep_until(country: str, dated: Iterable[date]) -> date | None:
    """The last day on which documents of these days must be kept; None when there are none."""
    latest = max(dated, default=None)
    return None if latest is None else date(latest.year + rule_of(country).years, 12, 31)
