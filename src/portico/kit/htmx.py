"""Whether a request wants a piece of a page or the whole."""

from django.http import HttpRequest


def is_fragment(request: HttpRequest) -> bool:
    """True when htmx asks for a piece to put into the page at hand; False for a whole page, also a boosted or restored one."""
    headers = request.headers
    return (
        headers.get("HX-Request") == "true"
        and headers.get("HX-Request-Type", "partial") != "full"
        and headers.get("HX-Boosted") != "true"
        and headers.get("HX-History-Restore-Request") != "true"
    )
