"""ZIP files written as a stream are read by other programs, also the large ones; one that was left is gone on with."""

import io
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from portico.kit.zips import Busy, Entry, Unfinished, ending, stream, written

DAY = date(2026, 11, 3)
ENTRIES = [
    Entry("2026-11-03_INV-2026-00001.pdf", bytes(range(256)) * 40, DAY, packed=False),
    Entry("Zürich/índex.csv", b"number,total\r\n" * 500, DAY),
    Entry("empty.txt", b""),
]


def read(content: bytes) -> dict[str, bytes]:
    """The entries, read and checked by the standard library."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {one.filename: archive.read(one) for one in archive.infolist()}


def test_it_holds_what_was_put_in(tmp_path: Path) -> None:
    content = b"".join(stream(ENTRIES))
    assert read(content) == {one.name: one.content for one in ENTRIES}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        first, packed, _empty = archive.infolist()
    assert first.date_time == (2026, 11, 3, 0, 0, 0)
    assert (first.compress_type, packed.compress_type) == (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    assert packed.compress_size < packed.file_size // 10
    assert first.external_attr >> 16 == 0o100644
    (tmp_path / "a.zip").write_bytes(content)
    checked = subprocess.run(
        ["python3", "-m", "zipfile", "-t", str(tmp_path / "a.zip")], capture_output=True, text=True
    )
    assert "Done testing" in checked.stdout


def test_it_is_the_same_bytes_every_time() -> None:
    assert b"".join(stream(ENTRIES)) == b"".join(stream(ENTRIES))


def test_nothing_is_no_fault() -> None:
    assert read(b"".join(stream([]))) == {}


def test_an_entry_is_sent_before_the_next_is_made() -> None:
    asked: list[str] = []

    def entries() -> Iterator[Entry]:
        for one in ENTRIES:
            asked.append(one.name)
            yield one

    parts = stream(entries())
    next(parts)
    assert asked == [ENTRIES[0].name]


def test_more_entries_than_a_small_zip_can_count() -> None:
    content = b"".join(stream(Entry(f"{number}.txt", b"x", packed=False) for number in range(70_000)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len(archive.infolist()) == 70_000
        assert archive.read("69999.txt") == b"x"


def test_entries_beyond_four_gigabytes(tmp_path: Path) -> None:
    path, far = tmp_path / "large.zip", 5 * 2**30
    first, second = written(ENTRIES[0], 0), written(ENTRIES[1], far)
    with path.open("wb") as file:  # a hole in the file stands for what lies between
        file.write(first.local + first.body)
        file.seek(far)
        file.write(second.local + second.body)
        listed = first.central + second.central
        file.write(listed + ending(2, len(listed), far + second.size))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.read(ENTRIES[1].name) == ENTRIES[1].content
        assert archive.infolist()[1].header_offset == far


def test_what_a_dead_turn_left_is_cut_off_and_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with Unfinished(path, {}, ["index.csv"]) as zip_file:
        zip_file.add(ENTRIES[0])
        zip_file.write("index.csv", b"one\r\n")
        kept = zip_file.settle()
        zip_file.add(Entry("never remembered", b"lost" * 1000))
        zip_file.write("index.csv", b"lost\r\n")
    with Unfinished(path, kept, ["index.csv"]) as zip_file:
        for one in ENTRIES[1:]:
            zip_file.add(one)
        zip_file.write("index.csv", b"two\r\n")
        last = zip_file.settle()
        zip_file.add_text("index.csv", DAY)
        zip_file.finish()
    whole = path.read_bytes()
    assert read(whole) == {one.name: one.content for one in ENTRIES} | {"index.csv": b"one\r\ntwo\r\n"}
    with Unfinished(path, last, ["index.csv"]) as zip_file:  # it died between finishing and remembering
        zip_file.add_text("index.csv", DAY)
        zip_file.finish()
    assert path.read_bytes() == whole
    assert path.stat().st_mode & 0o077 == 0


def test_grown_in_a_file_it_is_what_is_sent_at_once(tmp_path: Path) -> None:
    with Unfinished(tmp_path / "a.zip", {}) as zip_file:
        for one in ENTRIES:
            zip_file.add(one)
        zip_file.finish()
    assert (tmp_path / "a.zip").read_bytes() == b"".join(stream(ENTRIES))


def test_what_is_gone_is_not_gone_on_with(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Unfinished(tmp_path / "gone.zip", {"": 10})


def test_two_do_not_write_the_same_one(tmp_path: Path) -> None:
    with Unfinished(tmp_path / "a.zip", {}) as first:
        first.add(ENTRIES[0])
        with pytest.raises(Busy):
            Unfinished(tmp_path / "a.zip", {})
        first.finish()
    assert read((tmp_path / "a.zip").read_bytes()) == {ENTRIES[0].name: ENTRIES[0].content}
