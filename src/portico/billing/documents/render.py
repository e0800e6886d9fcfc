"""Papers as PDF: PDF/A-3a (archive) and PDF/UA-1 (accessible), the same bytes for the same sheet, for ever.

`render_pdf` is pure: it reads the sheet, the bundled fonts and templates, and nothing else (no clock, no database, no
network). Threads may call it at will: a typst compiler must not be shared, so that each thread keeps its own; the fonts
are read once. Compiling releases the GIL.

The sheet's texts reach the template as JSON in `sys.inputs` and are set literally: they are never read as markup.
"""

import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import segno
import typst

from portico.billing.documents.coverage import FONTS, code_of, east_asian_font, plainly
from portico.billing.documents.sheet import Sheet
from portico.billing.documents.wording import FROM_RIGHT, Data, wording

DEFAULT_ACCENT = "#17506a"
TEMPLATES = Path(__file__).parent / "typst"
REPAIRS = 12
"""How many texts that cannot be shaped are replaced one by one before the whole paper is set plainly."""

logger = logging.getLogger("portico.documents")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_MISSING = re.compile(r"the text `\"(.*?)\"` could not be displayed", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]+)\}|(.))")
_kept = threading.local()


@dataclass(frozen=True)
class Attachment:
    """A file inside the PDF, such as the e-invoice. `relationship` says what it is to the paper (PDF/A-3)."""

    name: str
    content: bytes
    mime_type: str
    relationship: Literal["alternative", "data", "source", "supplement"]
    description: str


class CannotSet(RuntimeError):
    """The paper cannot be typeset: a fault of the template or of an attachment, never of a customer's text."""


def render_pdf(
    sheet: Sheet,
    *,
    accent: str = DEFAULT_ACCENT,
    logo: str = "",
    attachments: Sequence[Attachment] = (),
    drawn_signature: str = "",
) -> bytes:
    """The paper of `sheet` as PDF.

    `drawn_signature` is the buyer's, as SVG path data in the 560 × 152 box in which it was drawn; the caller has checked it.

    `logo` is the seller's, SVG as it was checked at its upload; one that typst cannot draw is left out, and the name stands.

    `accent` is the seller's colour as `#rrggbb` (anything else means the default). The document's dates are the sheet's
    `issued_on`, so that the same sheet gives the same bytes. Texts that the fonts cannot print are replaced, see
    `coverage.printable`. Raises `CannotSet`.
    """
    inputs = {
        "accent": accent if _COLOUR.fullmatch(accent) else DEFAULT_ACCENT,
        "attachments": json.dumps([_attached(attachment) for attachment in attachments]),
    }
    if sheet.payment and sheet.payment.epc:
        inputs["qr"] = _qr(sheet.payment.epc)
    if drawn_signature:
        inputs["drawn"] = (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 560 152"><path fill="none" stroke="#241f1a" '
            f'stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" d="{drawn_signature}"/></svg>'
        )
    texts, timestamp = wording(sheet), datetime.combine(sheet.issued_on, datetime.min.time(), UTC)
    if logo:
        try:
            return _set(texts, {**inputs, "logo": logo}, timestamp)
        except CannotSet:
            logger.warning("a logo could not be drawn: the paper shows the name")
    return _set(texts, inputs, timestamp)


def _set(texts: Mapping[str, Data], inputs: dict[str, str], timestamp: datetime) -> bytes:
    """Compile, and replace what no font can shape (it is named in the error) until it compiles."""
    for _repair in range(REPAIRS):
        try:
            return _compile(texts, inputs, timestamp)
        except typst.TypstError as error:
            missing = _MISSING.search(str(error))
            if missing is None:
                raise CannotSet(error.diagnostic or str(error)) from error
            texts = _without(texts, _unescaped(missing[1]))
    try:
        return _compile(_each_text(texts, plainly), inputs, timestamp)
    except typst.TypstError as error:
        raise CannotSet(error.diagnostic or str(error)) from error


def _compile(texts: Mapping[str, Data], inputs: dict[str, str], timestamp: datetime) -> bytes:
    words = json.dumps(texts, ensure_ascii=False)
    if FROM_RIGHT.search(words):
        inputs = {**inputs, "turns": "yes"}
    pdf = _compiler().compile(
        format="pdf",
        sys_inputs={**inputs, "data": words},
        pdf_standards=["a-3a", "ua-1"],
        timestamp=timestamp,
    )
    if not isinstance(pdf, bytes):
        raise CannotSet("typst answered with several files instead of one PDF")
    return pdf


def _compiler() -> typst.Compiler:
    """This thread's compiler."""
    compiler: typst.Compiler | None = getattr(_kept, "compiler", None)
    if compiler is None:
        compiler = typst.Compiler(
            TEMPLATES / "sheet.typ", root=TEMPLATES, font_paths=_fonts(), ignore_system_fonts=True
        )
        _kept.compiler = compiler
    return compiler


@cache
def made_with() -> str:
    """What else a paper's bytes depend on beside its words: typst, our templates and the fonts."""
    told = hashlib.sha256(version("typst").encode())
    for part in [*sorted(TEMPLATES.glob("*.typ")), *sorted(path for path in FONTS.iterdir() if path.is_file())]:
        told.update(hashlib.sha256(part.read_bytes()).digest())
    told.update(version("noto-cjk-sans-jp-regular").encode())
    return told.hexdigest()


@cache
def _fonts() -> typst.Fonts:
    folders = [FONTS, east_asian_font().parent]
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)


@lru_cache(maxsize=64)
def _qr(text: str) -> str:
    """The EPC code as SVG: error correction M as the standard (EPC069-12) asks; the template keeps the quiet zone.

    The mask is given, for trying all eight costs ten milliseconds; a reader takes any of them.
    """
    code = segno.make(text, error="m", boost_error=False, micro=False, encoding="utf-8", mask=2)
    return code.svg_inline(border=0, dark="#000", omitsize=True)


def _attached(attachment: Attachment) -> dict[str, str | list[int]]:
    content: str | list[int]
    try:
        content = attachment.content.decode()
    except UnicodeDecodeError:
        content = list(attachment.content)
    return {
        "name": attachment.name,
        "content": content,
        "mime_type": attachment.mime_type,
        "relationship": attachment.relationship,
        "description": attachment.description,
    }


def _unescaped(text: str) -> str:
    """The text that typst names in its error, which is quoted like a Rust string."""
    plain = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else plain.get(found[2], found[2]), text)


def _without(texts: Mapping[str, Data], missing: str) -> Mapping[str, Data]:
    """`texts` with a cluster that cannot be shaped replaced: by its plain letters if it has some, else by its codes."""
    letters = plainly(missing)
    if not missing:
        raise CannotSet("typst did not name the text that it cannot display")
    instead = letters if letters != missing else "".join(map(code_of, missing))
    return _each_text(texts, lambda text: text.replace(missing, instead))


def _each_text(texts: Mapping[str, Data], change: Callable[[str], str]) -> Mapping[str, Data]:
    def walk(data: Data) -> Data:
        if isinstance(data, str):
            return change(data)
        if isinstance(data, Mapping):
            return {key: walk(value) for key, value in data.items()}
        if isinstance(data, Sequence):
            return [walk(value) for value in data]
        return data

    return {key: walk(value) for key, value in texts.items()}
