"""Stored bytes are read back unchanged or not at all."""

import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from portico.kit.files import DamagedFile, StoredFile, being_written, clear_unfinished, store

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def directory(settings: Any, tmp_path: Path) -> Path:
    settings.PORTICO_FILES = tmp_path / "files"
    return tmp_path / "files"


def test_what_is_stored_is_read_back() -> None:
    stored = store(b"%PDF-1.7 an invoice", "application/pdf")
    assert StoredFile.objects.get().read() == b"%PDF-1.7 an invoice"
    assert stored.sha256 == hashlib.sha256(b"%PDF-1.7 an invoice").hexdigest()
    assert (stored.size, stored.media_type) == (19, "application/pdf")


def test_the_same_bytes_are_one_file() -> None:
    assert store(b"same", "text/plain").pk == store(b"same", "text/plain").pk
    assert StoredFile.objects.count() == 1


@pytest.mark.parametrize("damage", [b"changed by hand", b""])
def test_changed_bytes_are_never_given_out(damage: bytes) -> None:
    stored = store(b"the original", "text/plain")
    stored.path.write_bytes(damage)
    with pytest.raises(DamagedFile, match="was changed"):
        stored.read()


def test_missing_bytes_are_named() -> None:
    stored = store(b"the original", "text/plain")
    stored.path.unlink()
    with pytest.raises(DamagedFile, match=stored.sha256):
        stored.read()


def test_storing_again_repairs_damaged_bytes() -> None:
    stored = store(b"the original", "text/plain")
    stored.path.write_bytes(b"rotten")
    store(b"the original", "text/plain")
    assert stored.read() == b"the original"


def test_bytes_are_there_before_the_row_and_a_rollback_hurts_nothing() -> None:
    def abandoned() -> None:
        with transaction.atomic():
            assert store(b"draft", "text/plain").path.read_bytes() == b"draft"
            raise KeyError

    with pytest.raises(KeyError):
        abandoned()
    assert not StoredFile.objects.exists()
    assert store(b"draft", "text/plain").read() == b"draft"


def test_a_crash_while_writing_leaves_neither_file_nor_rubbish(
    monkeypatch: pytest.MonkeyPatch, directory: Path
) -> None:
    def full(handle: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("portico.kit.files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        store(b"too much", "text/plain")
    assert [path for path in directory.rglob("*") if path.is_file()] == []
    assert not StoredFile.objects.exists()


def test_what_a_killed_process_left_half_written_goes_after_an_hour() -> None:
    kept = store(b"whole", "text/plain")
    now = timezone.now()
    for name, age in (("old", timedelta(minutes=61)), ("young", timedelta(minutes=59))):
        half = being_written() / name
        half.write_bytes(b"half")
        os.utime(half, ((now - age).timestamp(),) * 2)
    assert clear_unfinished(now) == 1
    assert [path.name for path in being_written().iterdir()] == ["young"]
    assert kept.read() == b"whole"


def test_two_who_store_the_same_at_once_get_the_same_file(monkeypatch: pytest.MonkeyPatch) -> None:
    first = store(b"race", "text/plain")
    looked: list[bool] = []

    class NothingYet:
        def first(self) -> None:
            looked.append(True)

    monkeypatch.setattr(StoredFile.objects, "filter", lambda **given: NothingYet())
    assert store(b"race", "text/plain").pk == first.pk
    assert looked
