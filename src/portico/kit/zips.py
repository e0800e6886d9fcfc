"""ZIP files written as a stream: any number of entries, and memory for one of them (APPNOTE.TXT 6.3.10 of PKWARE).

Each entry is whole in memory when it is written, so its sizes and checksum stand before it, where every reader finds them; the
list of entries that a ZIP ends with grows in a temporary file. A ZIP that is written to a file can be left and gone on with:
see `Unfinished`. Why this is not the standard library's: docs/decisions/0032-archives.md.
"""

import fcntl
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
LIST, COUNT = "list", "count"


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
    body, method = entry.content, STORED
    if entry.packed:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        packed = packer.compress(body) + packer.flush()
        if len(packed) < len(body):
            body, method = packed, DEFLATED
    size, crc = len(entry.content), zlib.crc32(entry.content)
    return replace(described(entry.name, entry.day, method, crc, len(body), size, offset), body=body)


def described(name: str, day: date, method: int, crc: int, packed: int, size: int, offset: int) -> Written:
    """What stands before an entry and in the list, its bytes left out."""
    if max(packed, size) >= FULL_32:
        raise ValueError(f"{name} is too large for one entry")
    called, day = name.encode(), max(day, FIRST_DAY)
    facts = struct.pack(
        "<HHHHIIIH",
        UTF8, method, 0, (day.year - 1980) << 9 | day.month << 5 | day.day, crc, packed, size, len(called),
    )  # fmt: skip
    far = struct.pack("<HHQ", 1, 8, offset) if offset >= FULL_32 else b""
    central = (
        CENTRAL
        + struct.pack("<HH", UNIX | VERSION_64, VERSION_64 if far else VERSION)
        + facts
        + struct.pack("<HHHHII", len(far), 0, 0, 0, MODE, min(offset, FULL_32))
        + called
        + far
    )
    return Written(LOCAL + struct.pack("<H", VERSION) + facts + struct.pack("<H", 0) + called, b"", central)


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


class Busy(Exception):
    """Another process is writing this ZIP."""


class Unfinished:
    """A ZIP that grows in a file, over any number of turns and of processes that die; texts that grow line by line beside it.

    `at` is the place that the last turn told: sizes in bytes of the ZIP, of its list and of each of `texts`, and the number of
    entries; empty at the beginning. What stands behind it is cut off, because the turn that wrote it was not remembered.
    `settle` puts all on the disk and tells the place. Raises FileNotFoundError when there is less than that on the disk, Busy
    while another process has it.
    """

    def __init__(self, path: Path, at: Mapping[str, int], texts: Sequence[str] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.files = {name: opened(path.with_name(f"{path.name}{name and '.'}{name}")) for name in ("", LIST, *texts)}
        self.entries, self.listed = self.files[""], self.files[LIST]
        self.count = at.get(COUNT, 0)
        try:
            fcntl.flock(self.entries, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name, file in self.files.items():
                size = at.get(name, 0)
                if os.fstat(file.fileno()).st_size < size:
                    raise FileNotFoundError(f"{file.name} is shorter than it was")
                file.truncate(size)
                file.seek(size)
        except BlockingIOError:
            self.close()
            raise Busy(str(path)) from None
        except BaseException:
            self.close()
            raise

    def add(self, entry: Entry) -> None:
        """One more entry."""
        made = written(entry, self.entries.tell())
        self.entries.write(made.local)
        self.entries.write(made.body)
        self._list(made.central)

    def write(self, text: str, content: bytes) -> None:
        """A line more in one of the texts."""
        self.files[text].write(content)

    def add_text(self, text: str, day: date) -> None:
        """The whole text as an entry, packed as it is read."""
        source, offset, crc, size = self.files[text], self.entries.tell(), 0, 0
        self.entries.write(described(text, day, DEFLATED, crc, 0, 0, offset).local)
        begin, packer = self.entries.tell(), zlib.compressobj(6, zlib.DEFLATED, -15)
        source.seek(0)
        while piece := source.read(CHUNK):
            crc, size = zlib.crc32(piece, crc), size + len(piece)
            self.entries.write(packer.compress(piece))
        self.entries.write(packer.flush())
        end = self.entries.tell()
        made = described(text, day, DEFLATED, crc, end - begin, size, offset)
        self.entries.seek(offset)
        self.entries.write(made.local)
        self.entries.seek(end)
        self._list(made.central)

    def _list(self, central: bytes) -> None:
        self.listed.write(central)
        self.count += 1

    def settle(self) -> dict[str, int]:
        """All that was added is on the disk; where to go on from."""
        for file in self.files.values():
            file.flush()
            os.fsync(file.fileno())
        return {COUNT: self.count} | {name: file.tell() for name, file in self.files.items()}

    def finish(self) -> None:
        """Put the list at the end: the file is a ZIP then. Done again from the same place it gives the same file."""
        offset, length = self.entries.tell(), self.listed.tell()
        self.listed.seek(0)
        while piece := self.listed.read(CHUNK):
            self.entries.write(piece)
        self.entries.write(ending(self.count, length, offset))
        self.entries.flush()
        os.fsync(self.entries.fileno())

    def close(self) -> None:
        """Let go of the files."""
        for file in self.files.values():
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def opened(path: Path) -> IO[bytes]:
    """The file to read and write, made when it is not there, for its owner alone."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
