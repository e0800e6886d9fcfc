"""XML from strangers: parsed without entities, network or DTD, and asked by short paths without prefixes."""

import unicodedata
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, DecimalException
from typing import Any, TypeAlias

from lxml import etree

from portico.billing.documents.reading.reasons import Unreadable
from portico.kit.text import TURNERS, one_line

Element: TypeAlias = Any  # lxml is not typed
TURNED = dict.fromkeys(map(ord, TURNERS))
MOST_DIGITS = 24
MOST_TEXT = 4000
MOST_LINES = 20_000
BEGINNINGS = (b"<", b"\x00<", BOM_UTF16_LE, BOM_UTF16_BE)
"""Of XML, blanks and the mark of UTF-8 left out; UTF-16 has its mark or a zero beside the first sign."""


def parse(content: bytes) -> Element:
    """The root element. Raises Unreadable for what is no XML, or has a document type, which no e-invoice needs (XXE)."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    if not content.removeprefix(BOM_UTF8).lstrip().startswith(BEGINNINGS):
        raise Unreadable("neither")
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as fault:
        if b"<!DOCTYPE" in content[:MOST_TEXT].replace(b"\x00", b""):
            raise Unreadable("doctype") from None  # a declaration so bad, or so large unfolded, that it was not read on
        # the text ends with a name and a line that are ours
        raise Unreadable("not_xml", detail=str(fault.msg).splitlines()[0].rstrip(".")[:200]) from None
    except ValueError as fault:
        raise Unreadable("not_xml", detail=str(fault).splitlines()[0].rstrip(".")[:200]) from None
    if root.getroottree().docinfo.internalDTD is not None or root.getroottree().docinfo.doctype:
        raise Unreadable("doctype")
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
        if not words.isprintable():  # marks that turn the reading direction among them
            words = one_line(words.translate(TURNED))
        if words:
            return words[:MOST_TEXT]
    return ""


def code(element: Element | None, path: str = "") -> str:
    """The same for a number or an identifier, which holds nothing that is not seen (Unicode category Cf)."""
    words = text(element, path)
    return (
        words if words.isprintable() else "".join(sign for sign in words if unicodedata.category(sign) != "Cf").strip()
    )


def endpoint(element: Element | None, path: str) -> str:
    """An electronic address (BT-34, BT-49) as it is typed here: its scheme before it, an e-mail address alone."""
    found = first(element, path)
    scheme = "" if found is None else "".join(str(found.get("schemeID") or "").split())
    address = code(element, path)
    return f"{scheme}:{address}" if address and scheme not in {"", "EM"} else address


def number(element: Element | None, path: str, term: str, default: Decimal | None = None) -> Decimal:
    """An exact number; `default` when there is none. Raises Unreadable, naming the `term` of EN 16931."""
    words = text(element, path)
    if not words:
        if default is None:
            raise Unreadable("missing", term=term)
        return default
    try:
        value = Decimal(words) if len(words) <= MOST_DIGITS else Decimal("NaN")
    except DecimalException:
        value = Decimal("NaN")
    if not value.is_finite() or "e" in words.lower():
        raise Unreadable("not_number", term=term, value=repr(words[:40]))
    return value


def day(words: str, term: str) -> date:
    """A day written 2026-11-28 (UBL) or 20261128 (CII, format 102)."""
    plain = words.strip()[:10]
    try:
        if len(plain) == 8 and plain.isdigit():
            return date(int(plain[:4]), int(plain[4:6]), int(plain[6:]))
        return date.fromisoformat(plain)
    except ValueError:
        raise Unreadable("not_day", term=term, value=repr(words[:40])) from None


def optional_day(words: str, term: str) -> date | None:
    """The same; None when nothing is written."""
    return day(words, term) if words else None
