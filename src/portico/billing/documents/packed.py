"""A PDF of typst, packed: its small objects (a third of the file, for the tags of a long table) compressed together, and its
metadata changed on the way.

typst writes each object on its own and a table of their places at the end (ISO 32000-1, 7.5.4). Objects without a stream go
into one object stream (7.5.7), the table becomes a cross-reference stream (7.5.8); streams stay byte for byte. A general PDF
library does the same by reading everything: fifteen milliseconds for a hundred lines, this two.
"""

import re
import zlib
from collections.abc import Callable

_TAIL = re.compile(
    rb"xref\n0 (\d+)\n((?:\d{10} \d{5} [nf][ \r]\n)+)trailer\n<<(.*)>>\nstartxref\n(\d+)\n%%EOF\s*$", re.DOTALL
)
_METADATA = re.compile(rb"<</Length \d+/Type/Metadata/Subtype/XML>>\nstream\n(.*)\nendstream$", re.DOTALL)


def packed(pdf: bytes, *, metadata: Callable[[str], str]) -> bytes:
    """`pdf`, as typst wrote it, smaller and with the XMP packet that `metadata` makes of its own.

    The same bytes for the same file. Raises ValueError when the file is not written as typst writes it.
    """
    start = pdf.rfind(b"\nxref\n") + 1
    tail = _TAIL.match(pdf, start)
    if tail is None or int(tail[4]) != start:
        raise ValueError("typst ends its files otherwise")
    places = [int(row[:10]) for row in tail[2].splitlines() if row[17:18] == b"n"]
    if len(places) + 1 != int(tail[1]):
        raise ValueError("typst leaves numbers out")
    ends = dict(zip(sorted(places), [*sorted(places)[1:], start], strict=True))
    together = len(places) + 1
    written = bytearray(pdf[: min(places)])
    small: list[tuple[int, bytes]] = []
    entries = [bytes((0, 0, 0, 0, 255, 255))]
    for number, place in enumerate(places, 1):
        head, item = b"%d 0 obj\n" % number, pdf[place : ends[place]].rstrip()
        if not (item.startswith(head) and item.endswith(b"\nendobj")):
            raise ValueError(f"object {number} of the file is written otherwise")
        body = item[len(head) : -len(b"\nendobj")]
        if not body.endswith(b"endstream"):
            entries.append(b"\x02" + together.to_bytes(3) + len(small).to_bytes(2))
            small.append((number, body))
            continue
        if b"/Type/Metadata" in body[:60] and (packet := _METADATA.match(body)):
            said = metadata(packet[1].decode()).encode()
            body = b"<</Length %d/Type/Metadata/Subtype/XML>>\nstream\n%b\nendstream" % (len(said), said)
        entries.append(b"\x01" + len(written).to_bytes(3) + b"\0\0")
        written += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    entries.append(b"\x01" + len(written).to_bytes(3) + b"\0\0")
    written += b"%d 0 obj\n%b\nendobj\n" % (together, _object_stream(small))
    at = len(written)
    entries.append(b"\x01" + at.to_bytes(3) + b"\0\0")
    rows = zlib.compress(b"".join(entries))
    trailer = re.sub(rb"/Size \d+", b"/Size %d" % (together + 2), tail[3])
    written += b"%d 0 obj\n<</Type/XRef/W[1 3 2]/Length %d/Filter/FlateDecode%b>>\nstream\n%b\nendstream\nendobj\n" % (
        together + 1,
        len(rows),
        trailer,
        rows,
    )
    return bytes(written + b"startxref\n%d\n%%%%EOF\n" % at)


def _object_stream(small: list[tuple[int, bytes]]) -> bytes:
    """Objects one after the other, after a list of their numbers and places."""
    index, place = [], 0
    for number, body in small:
        index.append(b"%d %d" % (number, place))
        place += len(body) + 1
    first = b" ".join(index) + b"\n"
    content = zlib.compress(first + b"\n".join(body for _number, body in small))
    return b"<</Type/ObjStm/N %d/First %d/Length %d/Filter/FlateDecode>>\nstream\n%b\nendstream" % (
        len(small),
        len(first),
        len(content),
        content,
    )
