"""Text that people send: no character in it that a database refuses or a page cannot show."""

import unicodedata
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from portico.kit.errors import Invalid
from portico.kit.refusals import refused

KEPT = {"\n", "\t"}
TURNERS = {"\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u2069"}
"""Invisible marks that turn the reading direction: they make a file name or an amount read as another one."""


def one_line(text: str) -> str:
    """Words on one line with single blanks, without invisible characters."""
    return " ".join("".join(c if shown(c) else " " for c in text).split())


def paragraphs(text: str) -> str:
    """Lines kept, line ends made equal, invisible characters and blanks around the text left out."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in plain if c in KEPT or shown(c)).strip()


def shown(character: str) -> bool:
    """Whether a character may stand in a text: no control character, no direction mark."""
    return unicodedata.category(character) not in {"Cc", "Cs"} and character not in TURNERS


class NoNulls:
    """Middleware: NUL is in no word a person types and no text a database keeps; a request with one is malformed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: object, args: tuple[object, ...], values: dict[str, object]
    ) -> HttpResponseBase | None:
        """400 before the view when path, query or form hold a NUL. The API reads no forms, and its body itself."""
        sent = [str(value) for value in values.values()]
        for form in (request.GET,) if request.path.startswith("/api/") else (request.GET, request.POST):
            sent += [text for name in form for text in (name, *form.getlist(name))]
        if any("\x00" in text for text in sent):
            return refused(
                request, Invalid(_("The request holds a character that cannot be read. Nothing was changed."))
            )
        return None
