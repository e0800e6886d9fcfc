"""What the bundled fonts can print, so that no customer's name ever blocks a document.

A character that no font holds is an error in PDF/A. `printable` answers with a text that the fonts hold and that reads
as closely as possible to what was written. The stored name stays what it is: this is the printer's choice alone.
"""

import re
import struct
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"
JOINERS = "\u200c\u200d"
"""Zero width joiner and non-joiner: they carry meaning in Persian and in Indic scripts, and have no shape of their own."""
_LOOSE_JOINER = re.compile(rf"(?<![^\s\]])[{JOINERS}]+|[{JOINERS}]+(?![^\s\[])")
_SILENT = frozenset({"Cc", "Cf", "Co", "Cs"})


def _ranges(font: bytes) -> Iterator[range]:
    """The code points of one TrueType file, from its Unicode `cmap` tables (formats 4 and 12)."""
    tables = struct.unpack_from(">H", font, 4)[0]
    for index in range(tables):
        tag, _, start, _ = struct.unpack_from(">4sLLL", font, 12 + 16 * index)
        if tag == b"cmap":
            break
    else:
        return
    for index in range(struct.unpack_from(">H", font, start + 2)[0]):
        _, _, offset = struct.unpack_from(">HHL", font, start + 4 + 8 * index)
        table = start + offset
        kind = struct.unpack_from(">H", font, table)[0]
        if kind == 4:
            count = struct.unpack_from(">H", font, table + 6)[0] // 2
            ends = struct.unpack_from(f">{count}H", font, table + 14)
            starts = struct.unpack_from(f">{count}H", font, table + 16 + 2 * count)
            yield from (range(first, last + 1) for first, last in zip(starts, ends, strict=True) if last != 0xFFFF)
        elif kind == 12:
            for group in range(struct.unpack_from(">L", font, table + 12)[0]):
                first, last, _ = struct.unpack_from(">LLL", font, table + 16 + 12 * group)
                yield range(first, last + 1)


def east_asian_font() -> Path:
    """Chinese, Japanese and Korean in one file of 16 MB, which a package carries (docs/decisions/0023)."""
    spec = find_spec("noto_cjk_sans_jp_regular")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package noto-cjk-sans-jp-regular is not installed")
    return Path(spec.origin).parent / "NotoSansCJKjp-Regular.otf"


class Covered:
    """A set of characters, one bit each: fifty thousand of them in 140 kB."""

    def __init__(self, points: Iterable[int]) -> None:
        self.bits = bytearray(0x110000 // 8)
        for point in points:
            self.bits[point >> 3] |= 1 << (point & 7)

    def __contains__(self, char: str) -> bool:
        point = ord(char)
        return bool(self.bits[point >> 3] >> (point & 7) & 1)


@cache
def covered(pattern: str = "") -> Covered:
    """The characters of the fonts: of all, or of those bundled whose file name matches; read once for a process."""
    files = sorted(FONTS.glob(pattern)) if pattern else [*sorted(FONTS.glob("*.ttf")), east_asian_font()]
    return Covered(
        point
        for path in files
        for points in _ranges(path.read_bytes())
        for point in points
        if unicodedata.category(chr(point)) not in _SILENT
    )


def code_of(char: str) -> str:
    """What stands for a character that no font holds: its code point, by which it can be looked up."""
    return f"[U+{ord(char):04X}]"


def missing(text: str) -> str:
    """The characters of `text` for which the paper shows a code, each once; empty for nearly every text."""
    if text.isascii():
        return ""
    fonts = covered()
    found = unicodedata.normalize("NFC", text)
    return "".join(dict.fromkeys(char for char in found if _one(char, fonts) == code_of(char)))


def _one(char: str, fonts: Covered) -> str:
    """What is printed for one character that the fonts may lack."""
    if "\uff01" <= char <= "\uff5e":  # full-width letters: plain ones read better among ours
        return unicodedata.normalize("NFKC", char)
    if char == "\n" or (char in fonts and char != "\u3000"):
        return char
    if char in "\t\v\f":
        return " "
    if char in "\r\u0085\u2028\u2029":
        return "\n"
    if char in JOINERS:
        return char
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    if category in ("Cc", "Cf", "Mn", "Me"):
        return ""  # controls, direction overrides, variation selectors, marks that no font can place
    plain = unicodedata.normalize("NFKD", char)
    if plain != char and all(part in fonts for part in plain):
        return unicodedata.normalize("NFC", plain)
    base = plain[:1]
    return base if base != char and base in fonts else code_of(char)


def printable(text: str) -> str:
    """`text` with what the fonts cannot print replaced: full-width letters by plain ones, the rest by their code.

    Line breaks stay. Controls go, and so do marks that turn the reading direction: a name must not rearrange a document.
    """
    if text.isascii() and text.isprintable():
        return text
    fonts = covered()
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n"))
    return _LOOSE_JOINER.sub("", "".join(_one(char, fonts) for char in text))


def plainly(text: str) -> str:
    """The last resort when shaping still fails: only what the main font holds, without combining marks."""
    fonts = covered("Inter-Regular.ttf")
    parts = unicodedata.normalize("NFC", text)
    return "".join(
        char if char == "\n" or char in fonts else code_of(char)
        for char in parts
        if unicodedata.category(char)[0] != "M" and char not in JOINERS
    )
