"""Bytes that must stay as they are: stored once under their own hash, read back only when the hash still holds.

Documents, certificates and attachments are files of this kind. The bytes lie under PORTICO_FILES as `ab/cd/<sha256>`, written
completely before their row can commit, so a row never names bytes that are not there. Bytes without a row (a transaction that
rolled back) are harmless and are found again by their hash. What is being written lies under `new` until it is whole.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from portico.kit.crash import crashpoint
from portico.kit.privacy import Privacy

UNFINISHED = timedelta(hours=1)
"""Nothing is written for so long: whoever began it is dead."""


class DamagedFile(Exception):
    """The stored bytes are gone or are not what was stored: a fault of the disk or a hand in it, never the reader's."""


class StoredFile(models.Model):
    """One sequence of bytes. Who may read it is decided by the document that refers to it."""

    privacy = {Privacy.NONE: "id sha256 size media_type created_at"}

    sha256 = models.CharField(max_length=64, unique=True, validators=[RegexValidator(r"^[0-9a-f]{64}$")])
    size = models.PositiveBigIntegerField(help_text="bytes")
    media_type = models.CharField(max_length=100)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.sha256

    @property
    def path(self) -> Path:
        """Where the bytes lie."""
        return path_of(self.sha256)

    def read(self) -> bytes:
        """The bytes, checked against their hash; DamagedFile when they are missing or changed."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            raise DamagedFile(f"stored file {self.sha256} is missing") from None
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise DamagedFile(f"stored file {self.sha256} was changed")
        return content


def path_of(sha256: str) -> Path:
    """The place of the bytes with this hash."""
    return Path(settings.PORTICO_FILES) / sha256[:2] / sha256[2:4] / sha256


def store(content: bytes, media_type: str) -> StoredFile:
    """Keep `content`; the same bytes give the same file, whoever stores them and however often."""
    sha256 = hashlib.sha256(content).hexdigest()
    write_once(path_of(sha256), content)
    crashpoint("file written")
    stored = StoredFile.objects.filter(sha256=sha256).first()
    if stored is None:
        try:
            with transaction.atomic():
                stored = StoredFile.objects.create(sha256=sha256, size=len(content), media_type=media_type)
        except IntegrityError:  # somebody stored the same bytes at this moment
            stored = StoredFile.objects.get(sha256=sha256)
    if not stored.path.is_file():  # somebody dropped them after we looked
        write_once(stored.path, content)
    return stored


def put(content: bytes) -> str:
    """Write the bytes alone, ahead of their row; their hash. Without a row they are harmless."""
    sha256 = hashlib.sha256(content).hexdigest()
    write_once(path_of(sha256), content)
    return sha256


def drop(ids: Iterable[int]) -> int:
    """Delete those of the files that nothing refers to any more, row and bytes; how many they were.

    The bytes go before the row's end is committed, and `store` looks again when it has its row: so no row is left without bytes
    that somebody refers to.
    """
    count = 0
    for stored in StoredFile.objects.filter(pk__in=list(ids)):
        if any(
            relation.related_model._default_manager.filter(**{relation.field.name: stored}).exists()
            for relation in StoredFile._meta.get_fields(include_hidden=True)
            if isinstance(relation, models.ForeignObjectRel)
        ):
            continue
        with transaction.atomic():
            path = stored.path
            stored.delete()
            path.unlink(missing_ok=True)
        count += 1
    return count


def being_written() -> Path:
    """Where bytes lie that are not whole yet."""
    return Path(settings.PORTICO_FILES) / "new"


def clear_unfinished(now: datetime) -> int:
    """Take away what a process that was killed left half written, an hour after its last byte; how many files."""
    count = 0
    for path in being_written().glob("*"):
        with suppress(FileNotFoundError):  # it was whole at this moment, or somebody else took it away
            if path.stat().st_mtime < (now - UNFINISHED).timestamp():
                path.unlink()
                count += 1
    return count


def write_once(path: Path, content: bytes) -> None:
    """Put `content` at `path` so that after a crash there is either all of it or nothing; damaged bytes are replaced."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    being_written().mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=being_written())
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
