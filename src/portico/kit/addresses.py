"""Addresses we give out, and the address a request comes from. Neither believes what a client writes."""

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
STAND_INS: dict[type, str] = {str: "stand-in-{}", int: "9182736450{}", UUID: "91827364-5000-4000-8000-00000000000{}"}


def path_to(name: str, *args: Any, **kwargs: Any) -> str:
    """The path of a named view: `path_to("my:quotations.detail", number)`; a list asks for hundreds.

    As Django's `reverse`, which is asked once for each view and kinds of arguments, and for whatever is not plain. Raises
    NoReverseMatch.
    """
    if kwargs or not all(type(arg) in STAND_INS and PLAIN.fullmatch(str(arg)) for arg in args):
        return reverse(name, args=args, kwargs=kwargs or None)
    return pattern(settings.ROOT_URLCONF, name, tuple(type(arg) for arg in args)).format(*map(str, args))


@lru_cache(maxsize=1024)
def pattern(urls: str, name: str, kinds: tuple[type, ...]) -> str:
    """The path of a view of `urls` with `{}` for each of its arguments."""
    stand_ins = [STAND_INS[kind].format(place) for place, kind in enumerate(kinds)]
    path = reverse(name, args=[kind(word) for kind, word in zip(kinds, stand_ins, strict=True)])
    for stand_in in stand_ins:
        path = path.replace(quote(stand_in), "{}", 1)
    return path


def is_mounted(name: str, *args: Any) -> bool:
    """Whether a view of this name is there, for links from a lower room to a higher one."""
    try:
        reverse(name, args=args)
    except NoReverseMatch:
        return False
    return True


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
