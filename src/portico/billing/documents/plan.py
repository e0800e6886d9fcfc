"""Payment terms in words, in the language that is in force."""

from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portico.accounts.terms import Plan
from portico.billing.instalments import Split
from portico.kit import formats


def terms_in_words(plan: Plan, days: int, language: str) -> str:
    """`30 % at once, 70 % after 30 days`; without parts the days alone."""
    if not plan:
        return after(days)
    words = [
        _("%(percent)s %(when)s") % {"percent": formats.percent(part.percent, language), "when": after(part.days)}
        for part in plan
    ]
    return ", ".join(words)


def after(days: int) -> str:
    """When something is due, counted from the day of the invoice."""
    return ngettext("after %(num)s day", "after %(num)s days", days) % {"num": days} if days else _("on receipt")


def parts_in_words(parts: Iterable[Split], currency: str, language: str) -> str:
    """The parts of an invoice as one sentence: what BT-20 says of them."""
    words = [
        _("%(amount)s by %(day)s")
        % {"amount": formats.money(part.amount_minor, currency, language), "day": formats.day(part.due_on, language)}
        for part in parts
    ]
    return _("To be paid in %(count)d parts: %(parts)s.") % {"count": len(words), "parts": "; ".join(words)}
