"""XML from strangers: parsed without entities, network or DTD, and asked by short paths without prefixes."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal, DecimalException
from typing import Any, TypeAlias

from lxml import etree

from portico.kit.errors import Invalid

Element: TypeAlias = Any  # lxml is not typed
MOST_DIGITS = 24
MOST_TEXT = 4000
MOST_LINES = 20_000


def parse(content: bytes) -> Element:
    """The root element. Raises Invalid for what is no XML, or has a document type, which no e-invoice needs (XXE)."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as fault:
        raise Invalid(f"The XML cannot be read: {str(fault).splitlines()[0][:200]}") from None
    if root.getroottree().docinfo.internalDTD is not None or root.getroottree().docinfo.doctype:
        raise Invalid("The XML has a document type declaration. Such a file is not opened.")
    return root


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def children(element: Element | None, path: str) -> Iterator[Element]:
    """Elements below `element` along `path` of local names, `A/B|C`: in each step one of the names."""
    if element is None:
        return
    step, _slash, rest = path.partition("/")
    names = step.split("|")
    for child in element:
        if local(child) in names:
            if rest:
                yield from children(child, rest)
            else:
                yield child


def first(element: Element | None, path: str) -> Element | None:
    """The first element along a path."""
    return next(children(element, path), None)


def text(element: Element | None, path: str = "") -> str:
    """The words of the first element along a path that has any, blanks folded; empty when there is none."""
    found = [element] if not path and element is not None else children(element, path)
    for one in found:
        words = " ".join((one.text or "").split())
        if words:
            return words[:MOST_TEXT]
    return ""


def number(element: Element | None, path: str, what: str, default: Decimal | None = None) -> Decimal:
    """An exact number; `default` when there is none. Raises Invalid with `what` it should have been."""
    words = text(element, path)
    if not words:
        if default is None:
            raise Invalid(f"{what} is missing.")
        return default
    try:
        value = Decimal(words) if len(words) <= MOST_DIGITS else Decimal("NaN")
    except DecimalException:
        value = Decimal("NaN")
    if not value.is_finite() or "e" in words.lower():
        raise Invalid(f"{what} is not a number: {words[:40]!r}.")
    return value


def day(words: str, what: str) -> date:
    """A day written 2026-11-28 (UBL) or 20261128 (CII, format 102)."""
    plain = words.strip()[:10]
    try:
        if len(plain) == 8 and plain.isdigit():
            return date(int(plain[:4]), int(plain[4:6]), int(plain[6:]))
        return date.fromisoformat(plain)
    except ValueError:
        raise Invalid(f"{what} is not a day: {words[:40]!r}.") from None


def optional_day(words: str, what: str) -> date | None:
    """The same; None when nothing is written."""
    return day(words, what) if words else None
