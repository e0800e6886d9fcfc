"""White label: the seller's accent as a stylesheet of one line, which a strict content security policy allows."""

import re

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from portico.accounts.access import public
from portico.accounts.context import seller_of

COLOUR = re.compile(r"#[0-9a-f]{6}")


@public
@require_safe
@cache_control(public=True, max_age=86400)
def accent(request: HttpRequest) -> HttpResponse:
    """`:root { --accent: … }` after checking that it is a colour and nothing else; the page's address names the colour."""
    seller = seller_of(request)
    colour = seller.accent if seller and COLOUR.fullmatch(seller.accent) else "#17506a"
    return HttpResponse(f":root{{--accent:{colour}}}", content_type="text/css; charset=utf-8")
