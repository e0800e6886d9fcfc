"""ZIP files written as a stream: any number of entries, and memory for one of them (APPNOTE.TXT 6.3.10 of PKWARE).

Each entry is whole in memory when it is written, so its sizes and checksum stand before it, where every reader finds them; the
list of entries that a ZIP ends with grows in a temporary file. A ZIP that is written to a file can be left and gone on with:
see `Unfinished`. Why this is not the standard library's: docs/decisions/0029-archives.md.
"""

import os
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, Self

LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
END_64, LOCATOR_64 = b"PK\x06\x06", b"PK\x06\x07"
UTF8 = 0x0800
STORED, DEFLATED = 0, 8
FULL_16, FULL_32 = 0xFFFF, 0xFFFFFFFF
FIRST_DAY = date(1980, 1, 1)
MODE = 0o100644 << 16
UNIX, VERSION, VERSION_64 = 3 << 8, 20, 45
CHUNK = 64 * 1024


@dataclass(frozen=True)
class Entry:
    """One file of a ZIP: its name, its bytes (less than 4 GiB), its day; `packed` where packing is worth it."""

    name: str
    content: bytes
    day: date = FIRST_DAY
    packed: bool = True


@dataclass(frozen=True)
class Written:
    """An entry as it is in the ZIP: what comes before the next one, and what the list at the end says of it."""

    local: bytes
    body: bytes
    central: bytes

    @property
    def size(self) -> int:
        """Bytes before the next entry."""
        return len(self.local) + len(self.body)


def written(entry: Entry, offset: int) -> Written:
    """The parts of an entry that begins at byte `offset`."""
    name, body, method = entry.name.encode(), entry.content, STORED
    if entry.packed:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(body) + packer.flush()
        if len(packed) < len(body):
            body, method = packed, DEFLATED
    if max(len(body), len(entry.content)) >= FULL_32:
        raise ValueError(f"{entry.name} is too large for one entry")
    day = max(entry.day, FIRST_DAY)
    facts = struct.pack(
        "<HHHHIIIH",
        UTF8, method, 0, (day.year - 1980) << 9 | day.month << 5 | day.day,
        zlib.crc32(entry.content), len(body), len(entry.content), len(name),
    )  # fmt: skip
    far = struct.pack("<HHQ", 1, 8, offset) if offset >= FULL_32 else b""
    central = (
        CENTRAL
        + struct.pack("<HH", UNIX | VERSION_64, VERSION_64 if far else VERSION)
        + facts
        + struct.pack("<HHHHII", len(far), 0, 0, 0, MODE, min(offset, FULL_32))
        + name
        + far
    )
    return Written(LOCAL + struct.pack("<H", VERSION) + facts + struct.pack("<H", 0) + name, body, central)


def ending(count: int, listed: int, offset: int) -> bytes:
    """What follows the list of `count` entries, which is `listed` bytes long and begins at byte `offset`."""
    large = b""
    if count >= FULL_16 or max(listed, offset) >= FULL_32:
        large = END_64 + struct.pack(
            "<QHHIIQQQQ", 44, UNIX | VERSION_64, VERSION_64, 0, 0, count, count, listed, offset
        )
        large += LOCATOR_64 + struct.pack("<IQI", 0, offset + listed, 1)
    few = min(count, FULL_16)
    return (
        large + END + struct.pack("<HHHHIIH", 0, 0, few, few, min(listed, FULL_32), min(offset, FULL_32), 0)
    )  # fmt: skip


def stream(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The ZIP of the entries, given out as they come."""
    offset = count = 0
    with tempfile.TemporaryFile() as listed:
        for entry in entries:
            made = written(entry, offset)
            yield made.local
            yield from pieces(made.body)
            listed.write(made.central)
            offset, count = offset + made.size, count + 1
        length = listed.tell()
        listed.seek(0)
        while piece := listed.read(CHUNK):
            yield piece
    yield ending(count, length, offset)


def pieces(content: bytes) -> Iterator[bytes]:
    """A long content in parts."""
    view = memoryview(content)
    for start in range(0, len(content), CHUNK):
        yield bytes(view[start : start + CHUNK])


@dataclass(frozen=True)
class Place:
    """How far an unfinished ZIP has come: bytes of entries, bytes of their list, how many."""

    offset: int = 0
    listed: int = 0
    count: int = 0


class Unfinished:
    """A ZIP that grows in a file, with its list beside it, over any number of turns and of processes that die.

    Opened at a `Place`, whatever stands behind that place is cut off: it was written by a turn that was not remembered.
    `settle` puts all on the disk and tells the place to remember; `finish` completes the file.
    """

    def __init__(self, path: Path, at: Place) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.beside = path.with_name(f"{path.name}.list")
        self.entries: IO[bytes] = opened(path)
        self.listed: IO[bytes] = opened(self.beside)
        self.count = at.count
        for file, size in ((self.entries, at.offset), (self.listed, at.listed)):
            if os.fstat(file.fileno()).st_size < size:
                self.close()
                raise FileNotFoundError(f"{path} is shorter than it was")
            file.truncate(size)
            file.seek(size)

    def add(self, entry: Entry) -> None:
        """One more entry."""
        made = written(entry, self.entries.tell())
        self.entries.write(made.local)
        self.entries.write(made.body)
        self.listed.write(made.central)
        self.count += 1

    def settle(self) -> Place:
        """All that was added is on the disk; where to go on from."""
        for file in (self.entries, self.listed):
            file.flush()
            os.fsync(file.fileno())
        return Place(self.entries.tell(), self.listed.tell(), self.count)

    def finish(self) -> None:
        """Put the list at the end; the file is a ZIP then. Done again from the same place it gives the same file."""
        offset, length = self.entries.tell(), self.listed.tell()
        self.listed.seek(0)
        while piece := self.listed.read(CHUNK):
            self.entries.write(piece)
        self.entries.write(ending(self.count, length, offset))
        self.entries.flush()
        os.fsync(self.entries.fileno())
        self.listed.seek(length)

    def close(self) -> None:
        """Let go of both files."""
        self.entries.close()
        self.listed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def opened(path: Path) -> IO[bytes]:
    """The file to read and write, made when it is not there, for its owner alone."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
