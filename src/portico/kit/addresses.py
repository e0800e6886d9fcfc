"""Absolute addresses we give out, and the address a request comes from. Neither believes what a client writes."""

from django.conf import settings
from django.http import HttpRequest


def absolute(path: str) -> str:
    """The full address of one of our paths, from PORTICO_BASE_URL alone: a Host header never ends up in a mail."""
    if not path.startswith("/") or path.startswith("//"):
        raise ValueError("a path of ours begins with one slash")
    return f"{settings.PORTICO_BASE_URL}{path}"


def client_address(request: HttpRequest) -> str:
    """The address of the client: the connection's, or what the last of PORTICO_TRUSTED_PROXIES proxies saw."""
    remote = str(request.META.get("REMOTE_ADDR", ""))
    trusted = settings.PORTICO_TRUSTED_PROXIES
    seen = [one.strip() for one in request.headers.get("X-Forwarded-For", "").split(",") if one.strip()]
    if not trusted or not seen:
        return remote
    return seen[-trusted] if len(seen) >= trusted else seen[0]
