"""White label: the seller's accent as a stylesheet of one line, and its logo, which a strict content security policy allows."""

import re

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from portico.accounts.access import public
from portico.accounts.context import seller_of
from portico.kit.errors import Missing

COLOUR = re.compile(r"#[0-9a-f]{6}")


@public
@require_safe
@cache_control(public=True, max_age=86400)
def accent(request: HttpRequest) -> HttpResponse:
    """`:root { --accent: … }` after checking that it is a colour and nothing else; the page's address names the colour."""
    seller = seller_of(request)
    colour = seller.accent if seller and COLOUR.fullmatch(seller.accent) else "#17506a"
    return HttpResponse(f":root{{--accent:{colour}}}", content_type="text/css; charset=utf-8")


@public
@require_safe
@cache_control(public=True, max_age=86400)
def logo(request: HttpRequest) -> HttpResponse:
    """The seller's logo, an SVG that was checked when it came; opened by itself it may load and run nothing."""
    seller = seller_of(request)
    if seller is None or not seller.logo:
        raise Missing(_("There is nothing at this address."))
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
    return HttpResponse(seller.logo, content_type="image/svg+xml; charset=utf-8", headers=headers)


def contrast(colour: str) -> float:
    """How a colour stands out from white, 1 to 21 (WCAG 2.2, 1.4.3): text needs 4.5, large text and controls 3."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return round(1.05 / (luminance + 0.05), 1)
