"""What the customer's lists share: searching by number, title or amount."""

import re

from django.db.models import Q

from portico.accounts.access import MemberRequest
from portico.kit.errors import Invalid
from portico.kit.money import locale_of, parse_amount


def matching(request: MemberRequest, words: str, texts: tuple[str, ...], amounts: tuple[str, ...]) -> Q:
    """Rows in which one of the fields `texts` holds `words`, or one of `amounts` (minor units) is the amount they spell.

    An amount is read as the person writes it, with or without the currency: 1068, 1,068.00, €1,068.00.
    """
    condition = Q()
    for field in texts:
        condition |= Q(**{f"{field}__icontains": words})
    minor = amount_in(words, request.member.customer.currency, request.user.language)
    if minor is not None:
        for field in amounts:
            condition |= Q(**{field: minor})
    return condition


def amount_in(words: str, currency: str, language: str) -> int | None:
    """The amount that `words` spell, in minor units of `currency`; None when they spell none."""
    symbol = locale_of(language).currency_symbols.get(currency, currency)
    plain = re.sub(rf"{re.escape(symbol)}|{re.escape(currency)}", "", words, flags=re.IGNORECASE).strip()
    if not plain or not plain[-1].isdigit():
        return None
    try:
        return parse_amount(plain, currency, language)
    except Invalid:
        return None
