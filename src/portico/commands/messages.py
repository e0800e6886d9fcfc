"""`./portico messages`: bring the translators' catalogues in step with the texts in the code, and tell what is missing."""

import argparse
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from portico.commands import CHECKOUT

SOURCE = CHECKOUT / "src" / "portico"
LOCALE = SOURCE / "locale"
NAMES = {"fr": "French", "de": "German"}
TRANSLATED = tuple(NAMES)
WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)
KEYWORDS: dict[str, Any] = {
    "_": None,
    "lazy": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
JINJA = {
    "extensions": "jinja2.ext.i18n,jinja2.ext.do",
    "trim_blocks": "true",
    "lstrip_blocks": "true",
    "newstyle_gettext": "true",
}
DJANGO_TAG = re.compile(r"""\{%\s*translate\s+(?:"([^"]*)"|'([^']*)')[^%]*%\}""")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%[sd]")


@dataclass(frozen=True)
class Text:
    """One text of the code: what stands there, its context, and where."""

    words: str | tuple[str, ...]
    context: str | None
    places: tuple[tuple[str, int], ...]


def sources() -> Iterator[Path]:
    """The files that hold texts for people who use the portal; commands and tests speak English."""
    for path in sorted(
        [*SOURCE.rglob("*.py"), *SOURCE.glob("*/templates/**/*.html"), *SOURCE.glob("*/templates/**/*.txt")]
    ):
        inside = path.relative_to(SOURCE).parts
        if not {"tests", "commands", "migrations"} & set(inside):
            yield path


_jinja: Any = babel_extract  # its types are narrower than what Babel calls it with


def texts() -> list[Text]:
    """Every text marked for translation, once, with the places where it stands."""
    found: dict[tuple[str | None, str | tuple[str, ...]], list[tuple[str, int]]] = {}
    for path in sources():
        name = str(path.relative_to(CHECKOUT))
        content = path.read_bytes()
        for line, words, context in _in_file(path, content):
            found.setdefault((context, words), []).append((name, line))
    return [Text(words, context, tuple(places)) for (context, words), places in found.items()]


def _in_file(path: Path, content: bytes) -> Iterator[tuple[int, str | tuple[str, ...], str | None]]:
    if path.suffix == ".py":
        for line, words, _comments, context in extract(
            "python", io.BytesIO(content), KEYWORDS, (), {"encoding": "utf-8"}
        ):
            yield line, words, context
        return
    text = content.decode()
    for match in DJANGO_TAG.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match.group(1) or match.group(2), None
    if "{% load" in text:  # a page in Django's own language
        return
    for line, words, _comments, context in extract(_jinja, io.BytesIO(content), KEYWORDS, (), JINJA):
        yield line, words, context


def catalogue_file(language: str) -> Path:
    """Where the translations of a language are."""
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def read(language: str) -> Catalog:
    """The translations of a language; empty when there are none yet."""
    path = catalogue_file(language)
    if not path.exists():
        return Catalog(locale=language, domain="django")
    with path.open("rb") as file:
        return read_po(file, locale=language)


def _empty(language: str) -> Catalog:
    """A catalogue whose head says nothing that changes by itself."""
    return Catalog(
        locale=language,
        domain="django",
        header_comment=f"# Portico's texts in {NAMES[language]}.",
        project="Portico",
        version="1",
        last_translator="Portico",
        language_team="Portico",
        msgid_bugs_address="",
        creation_date=WRITTEN,
        revision_date=WRITTEN,
        fuzzy=False,
    )


def update(language: str) -> Catalog:
    """The catalogue of a language in step with the code: new texts empty, those gone left out, nothing guessed."""
    known, fresh = (
        read(language),
        _empty(language),
    )
    for text in texts():
        before = known.get(text.words if isinstance(text.words, str) else text.words[0], text.context)
        string = before.string if before is not None and _same_shape(before, text) else ""
        # Places without line numbers: a catalogue changes only when a text does.
        places = [(name, None) for name in dict.fromkeys(name for name, _line in text.places)]
        fresh.add(text.words, string, locations=places, context=text.context)  # type: ignore[arg-type]  # None: no line
    return fresh


def _same_shape(message: Message, text: Text) -> bool:
    return isinstance(message.string, str) == isinstance(text.words, str)


def write(language: str, catalogue: Catalog) -> None:
    """Save a catalogue, sorted by text."""
    path = catalogue_file(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=120, sort_output=True, omit_header=False, include_lineno=False)


def faults() -> list[str]:
    """What is missing or wrong in the translations, a line each."""
    found: list[str] = []
    wanted = texts()
    for language in TRANSLATED:
        known = read(language)
        for text in wanted:
            first = text.words if isinstance(text.words, str) else text.words[0]
            where = f"{text.places[0][0]}:{text.places[0][1]}"
            message = known.get(first, text.context)
            if message is None or not _complete(message):
                found.append(f"{language}: not translated: {first!r} ({where})")
            elif message.fuzzy:
                found.append(f"{language}: unsure: {first!r} ({where})")
            else:
                found += [f"{language}: {fault}: {first!r} ({where})" for fault in _wrong(text, message)]
    return found


def _wrong(text: Text, message: Message) -> Iterator[str]:
    """Placeholders that a translation loses or invents."""
    forms = [message.string] if isinstance(message.string, str) else list(message.string or [])
    words = (text.words,) if isinstance(text.words, str) else text.words
    allowed = {name for word in words for name in _placeholders(word)}
    needed = set.intersection(*(set(_placeholders(word)) for word in words))
    for form in forms:
        used = set(_placeholders(form))
        if used - allowed:
            yield f"the translation has {sorted(used - allowed)}, which the text has not"
        if needed - used:
            yield f"the translation lacks {sorted(needed - used)}"


def _placeholders(text: str) -> list[str]:
    return [match.group() for match in PLACEHOLDER.finditer(text.replace("%%", ""))]


def run(options: argparse.Namespace) -> int:
    """Write the catalogues anew; say how many texts wait for a translator."""
    for language in TRANSLATED:
        catalogue = update(language)
        write(language, catalogue)
        waiting = sum(1 for message in catalogue if message.id and not _complete(message))
        print(
            f"{language}: {len(catalogue)} texts, {waiting} to translate in {catalogue_file(language).relative_to(CHECKOUT)}"
        )
    return 0


def _complete(message: Message) -> bool:
    return bool(message.string) if isinstance(message.string, str) else all(message.string or [""])
