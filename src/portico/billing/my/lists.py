"""What the customer's lists and papers share: searching by number, title or amount, and handing out a PDF."""

import hashlib
import re

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag

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


def pdf_answer(request: HttpRequest, content: bytes, name: str) -> HttpResponse:
    """A PDF to look at or to keep; `name` is made of our own numbers. Asked again with its ETag: 304, nothing is sent."""
    etag = quote_etag(hashlib.sha256(content).hexdigest())
    headers = {
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private, no-cache",
        "ETag": etag,
    }
    answer = HttpResponse(content, content_type="application/pdf", headers=headers)
    found = get_conditional_response(request, etag=etag, response=answer)
    return found if isinstance(found, HttpResponse) else answer
