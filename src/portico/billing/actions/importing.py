"""Imports by the desk: files are stored in the request and read by the worker, one by one, whatever happens to it.

A file's row and what it became are written in one transaction, so a worker that dies leaves a file either waiting or done. What
brings it down three times is refused. Of a ZIP only what its list says is believed, and no more of it is unpacked than that.
"""

import io
import time
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Seller, User
from portico.billing.actions.receive import FINANCE
from portico.billing.actions.take_in import Readied, keep, ready
from portico.billing.documents.reading import MOST_BYTES
from portico.billing.documents.reading.reasons import Taken, Unreadable
from portico.billing.models import ImportFile, ImportJob
from portico.kit import files
from portico.kit.errors import Conflict, Forbidden, Invalid, Refusal
from portico.kit.text import one_line

MEGABYTE = 1024 * 1024
MOST_FILES = 100
"""Sent at once; a ZIP counts as one."""
MOST_ARCHIVE_BYTES = 50 * MEGABYTE
MOST_SENT_BYTES = 200 * MEGABYTE
MOST_MEMBERS = 2000
MOST_UNPACKED_BYTES = 500 * MEGABYTE
MOST_RATIO = 200
"""How much larger a ZIP may get; an invoice in XML packs to a tenth."""
MOST_OPEN = 5
MOST_AN_HOUR = 30
HELD = timedelta(seconds=90)
SECONDS = 4.0
"""For one turn: other sweeps wait."""
BATCH = 200
MOST_ATTEMPTS = 3
KEPT = timedelta(days=90)
"""What became of each file, after its import has ended: names of files and of buyers stand in it."""
FORGOTTEN = 20
AHEAD = 4
"""Files read while another is written."""
STATES = ImportFile.State


# Sent ------------------------------------------------------------------------------------------------------------------


def start_import(*, seller: Seller, sent: "Sequence[UploadedFile[bytes]]", by: User, now: datetime) -> ImportJob:
    """Keep what was sent for the worker; nothing is read. A file that is too large is refused by itself.

    Raises Forbidden without the finance role, Invalid for no or too many files, Conflict while too much is under way.
    """
    if by.staff_role not in FINANCE:
        raise Forbidden(_("Invoices are imported by finance and administrators."))
    if not sent:
        raise Invalid(_("Choose a file first."))
    if len(sent) > MOST_FILES:
        raise Invalid(_("At most %(most)d files at once. Put them into a ZIP.") % {"most": MOST_FILES})
    if sum(one.size or 0 for one in sent) > MOST_SENT_BYTES:
        raise Invalid(
            _("Together the files are larger than %(megabytes)d MB. Send them in parts.")
            % {"megabytes": MOST_SENT_BYTES // MEGABYTE}
        )
    _refuse_haste(seller, by, now)
    try:
        return _written(seller, sent, by, now)
    except IntegrityError:  # the same bytes were let go of at this moment
        return _written(seller, sent, by, now)


def _written(seller: Seller, sent: "Sequence[UploadedFile[bytes]]", by: User, now: datetime) -> ImportJob:
    kept = [(clean(one.name or ""), _stored(one)) for one in sent]
    with transaction.atomic():
        job = ImportJob.objects.create(seller=seller, sent_at=now, sent_by=by)
        ImportFile.objects.bulk_create(
            ImportFile(job=job, name=name, file=file)
            if file is not None
            else ImportFile(job=job, name=name, state=STATES.REFUSED, code=wrong.code, about=wrong.about, done_at=now)
            for name, (file, wrong) in kept
        )
        Event.record("import.sent", job, now=now, by=by, visible=False, files=len(kept))
    return job


def _refuse_haste(seller: Seller, by: User, now: datetime) -> None:
    """So that nobody fills the disk, or keeps all workers for himself."""
    if ImportJob.objects.filter(seller=seller, finished_at=None).count() >= MOST_OPEN:
        raise Conflict(
            _("%(num)d imports are under way. Wait until one has ended. Nothing was stored.") % {"num": MOST_OPEN}
        )
    recent = ImportJob.objects.filter(seller=seller, sent_by=by, sent_at__gt=now - timedelta(hours=1))
    if recent.count() >= MOST_AN_HOUR:
        raise Conflict(
            _("You have sent %(num)d imports within an hour. Go on later, or put files into a ZIP. Nothing was stored.")
            % {"num": MOST_AN_HOUR}
        )


def _stored(one: "UploadedFile[bytes]") -> tuple[files.StoredFile | None, Unreadable]:
    """The bytes, kept; else why not."""
    one.seek(0)
    most = MOST_ARCHIVE_BYTES if is_zip(one.read(4)) else MOST_BYTES
    one.seek(0)
    content = b"" if (one.size or 0) > most else one.read()
    if (one.size or 0) > most:
        return None, Unreadable("too_large", megabytes=most // MEGABYTE)
    if not content:
        return None, Unreadable("empty")
    return files.store(content, media_type(content)), Unreadable("empty")


def clean(name: str) -> str:
    """The last part of a path, on one line: folders and drives mean nothing here."""
    last = one_line(name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    return last[-255:] or "file"


def is_zip(content: bytes) -> bool:
    """By its first bytes."""
    return content.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def media_type(content: bytes) -> str:
    """What the bytes say that they are, as the reader tells them apart."""
    if is_zip(content):
        return "application/zip"
    return "application/pdf" if b"%PDF-" in content[:1024] else "application/xml"


# Worked through --------------------------------------------------------------------------------------------------------


def go_on(now: datetime) -> int:
    """Work on the oldest import that nobody holds, for some seconds; how many files were looked at, and 1 for its end."""
    free = Q(held_until=None) | Q(held_until__lte=now)
    job = ImportJob.objects.filter(free, finished_at=None).select_related("seller", "sent_by").order_by("id").first()
    if job is None or not job.take(now=now, until=now + HELD):
        return 0
    end = time.monotonic() + SECONDS
    done, some = 0, 1
    with closing(Contents()) as contents, ThreadPoolExecutor(1, "import") as ahead:
        while some and time.monotonic() < end:  # once more for what a ZIP brought
            rows = _read_ahead(_waiting(job, end, now), contents, ahead, job.seller)
            some = sum(_work_on(row, job, content, now=now) for row, content in rows)
            done += some
    if not job.files.filter(state=STATES.WAITING).exists():
        _tidy(job)
        done += job.finish(now=now)
    job.let_go()
    return done


def _waiting(job: ImportJob, end: float, now: datetime) -> Iterator[ImportFile]:
    """Files to look at until `end` (of the monotonic clock), an attempt at each written down."""
    after = 0
    while rows := list(
        job.files.filter(state=STATES.WAITING, pk__gt=after).select_related("file", "archive__file")[:BATCH]
    ):
        for row in rows:
            if time.monotonic() > end:
                return
            if row.attempts >= MOST_ATTEMPTS:
                row.end(STATES.REFUSED, now=now, code="fault")
            elif row.begin():
                yield row
        after = rows[-1].pk


def _read_ahead(
    rows: Iterator[ImportFile], contents: "Contents", ahead: Executor, seller: Seller
) -> "Iterator[tuple[ImportFile, Future[bytes | Readied]]]":
    """Rows in their order, each with what a thread reads of it while the one before is written.

    A row that was tried before is read with nothing beside it, so that it alone is to blame if the worker dies again.
    """
    under_way: deque[tuple[ImportFile, Future[bytes | Readied]]] = deque()
    for row in rows:
        alone = row.attempts > 1
        while under_way and (alone or len(under_way) >= AHEAD):
            yield under_way.popleft()
        under_way.append((row, ahead.submit(_read, row, contents, seller)))
        while under_way and alone:
            yield under_way.popleft()
    yield from under_way


def _read(row: ImportFile, contents: "Contents", seller: Seller) -> bytes | Readied:
    """A ZIP as it is, anything else as an invoice whose bytes are on the disk. In a thread that asks no database."""
    content = contents.of(row)
    if is_zip(content):
        if row.archive_id:
            raise Unreadable("zip_nested")
        return content
    readied = ready(content=content, file_name=row.name, seller=seller)
    readied.put_bytes()
    return readied


def _work_on(row: ImportFile, job: ImportJob, content: "Future[bytes | Readied]", *, now: datetime) -> int:
    """One file, to its end."""
    try:
        found = content.result()
        if isinstance(found, bytes):
            members = list_of(found)
            with transaction.atomic():
                if row.end(STATES.UNPACKED, now=now):
                    ImportFile.objects.bulk_create(
                        [ImportFile(job=job, archive=row, member=one.place, name=one.name) for one in members], 500
                    )
            return 1
        try:
            with transaction.atomic():
                _end(row, readied=found, job=job, now=now)
        except IntegrityError:  # the same number is taken in by another worker at this moment
            with transaction.atomic():
                _end(row, readied=found, job=job, now=now)
    except (Unreadable, Taken) as refusal:
        row.end(STATES.REFUSED, now=now, code=refusal.code, about=refusal.about)
    except Refusal as refusal:
        row.end(STATES.REFUSED, now=now, code="other", about={"detail": refusal.message[:200]})
    return 1


def _end(row: ImportFile, *, readied: Readied, job: ImportJob, now: datetime) -> None:
    """The invoice and the end of its row, in the caller's transaction."""
    taken = keep(readied, now=now, by=job.sent_by)
    ended = row.end(
        STATES.IMPORTED if taken.status == "imported" else STATES.KNOWN,
        now=now, invoice=taken.invoice, customer_made=taken.customer_made, due_minor=taken.due_minor,
    )  # fmt: skip
    if not ended:  # another worker was first; what was written here goes
        transaction.set_rollback(True)


def _tidy(job: ImportJob) -> None:
    """Let go of the bytes that were sent; those that became an invoice stay as its original."""
    with transaction.atomic():
        held = set(job.files.filter(file__isnull=False).values_list("file", flat=True))
        job.files.filter(file__isnull=False).update(file=None)
        files.drop(held)


def forget(*, now: datetime) -> int:
    """Delete imports that ended long ago, and what is said of their files; invoices and customers stay. How many they were."""
    old = ImportJob.objects.filter(finished_at__lt=now - KEPT).order_by("id").values_list("pk", flat=True)
    found = list(old[:FORGOTTEN])
    ImportJob.objects.filter(pk__in=found).delete()
    return len(found)


# ZIP -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """One file of a ZIP: its place in the list, and its name without folders."""

    place: int
    name: str


def list_of(content: bytes) -> list[Member]:
    """The files in a ZIP; nothing is unpacked. Raises Unreadable for one that is broken, encrypted, or beyond a limit."""
    with closing(opened(content)) as archive:
        found = [(place, one) for place, one in enumerate(archive.infolist()) if counts(one)]
    if not found:
        raise Unreadable("zip_empty")
    if len(found) > MOST_MEMBERS:
        raise Unreadable("zip_many", most=MOST_MEMBERS)
    if any(one.flag_bits & 1 for _place, one in found):
        raise Unreadable("zip_encrypted")
    unpacked = sum(one.file_size for _place, one in found)
    if unpacked > MOST_UNPACKED_BYTES or unpacked > MOST_RATIO * max(len(content), 1):
        raise Unreadable("zip_unfolds", megabytes=MOST_UNPACKED_BYTES // MEGABYTE, most=MOST_RATIO)
    return [Member(place, clean(one.filename)) for place, one in found]


def opened(content: bytes) -> zipfile.ZipFile:
    """The ZIP; Unreadable when it is none."""
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError):
        raise Unreadable("zip_broken") from None


def counts(member: zipfile.ZipInfo) -> bool:
    """Whether it is a file somebody meant: no folder, nothing that a computer put there by itself."""
    parts = member.filename.replace("\\", "/").split("/")
    return not member.is_dir() and parts[0] != "__MACOSX" and not parts[-1].startswith(".") and parts[-1] != "Thumbs.db"


class Contents:
    """The bytes of rows; a ZIP is opened once for all its members in a turn."""

    def __init__(self) -> None:
        self.key: int | None = None
        self.archive: zipfile.ZipFile | None = None

    def of(self, row: ImportFile) -> bytes:
        """The bytes; Unreadable for a member that is larger than an invoice, or damaged."""
        if row.archive is None:
            assert row.file is not None, "bytes are kept while their row waits"
            return row.file.read()
        if self.key != row.archive_id:
            self.close()
            assert row.archive.file is not None, "bytes are kept while a member waits"
            self.archive, self.key = opened(row.archive.file.read()), row.archive_id
        assert self.archive is not None
        return unpacked(self.archive, self.archive.infolist()[row.member or 0])

    def close(self) -> None:
        """Let go of the ZIP."""
        if self.archive is not None:
            self.archive.close()
        self.archive, self.key = None, None


def unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member's bytes, never more than an invoice may have."""
    if member.file_size > MOST_BYTES:
        raise Unreadable("too_large", megabytes=MOST_BYTES // MEGABYTE)
    if member.file_size > MOST_RATIO * max(member.compress_size, 1024):
        raise Unreadable("zip_unfolds", megabytes=MOST_UNPACKED_BYTES // MEGABYTE, most=MOST_RATIO)
    try:
        with archive.open(member) as stream:
            return stream.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, OSError, EOFError, ValueError):
        raise Unreadable("zip_broken") from None
