"""ZIP files that a worker prepares: asked for, made in turns of some seconds, gone on with after a kill, taken away in time."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Membership, Seller, User
from portico.billing import letters
from portico.billing.documents.auditing import year as audit
from portico.billing.documents.bundle import Bundled, bundled, heads, line, values, with_files
from portico.billing.models import Archive, DatabaseAccess, Invoice, InvoiceVat
from portico.billing.models.archive import keys_on_disk, remove_files
from portico.kit.errors import Conflict, Invalid
from portico.kit.periods import today
from portico.kit.zips import CHUNK, Busy, Entry, Unfinished

TURN = 4.0
"""Seconds that a worker spends on one archive before other work gets its turn."""
BATCH = 20
MOST_CHOSEN = 100_000
"""Invoices in one ZIP of chosen ones; their ids are written down when it is asked for."""
MOST_OPEN = 3
"""ZIPs that are being prepared for one person at a time."""
KEPT = timedelta(days=7)
KEPT_YEAR = timedelta(days=30)
ABANDONED = timedelta(days=30)
PATIENCE = timedelta(minutes=1)
"""What is ready sooner is told by the page alone, on which somebody waits for it."""
INDEX = "index.csv"
logger = logging.getLogger("portico.archives")


class Damaged(Exception):
    """A stored file of the document of this number is gone or was changed."""


# Asking ----------------------------------------------------------------------------------------------------------------


def sees(member: Membership | None) -> str:
    """What a member may see, in one word that changes when that changes; empty for staff."""
    if member is None:
        return ""
    if member.sees_all:
        return "all"
    chosen = sorted(DatabaseAccess.objects.filter(membership=member).values_list("subscription", flat=True))
    return hashlib.sha256(repr(chosen).encode()).hexdigest()


def ask_chosen(
    *,
    seller: Seller,
    by: User,
    member: Membership | None,
    rows: QuerySet[Invoice],
    xml: str,
    language: str,
    now: datetime,
) -> Archive:
    """A ZIP of the papers in `rows`, which this person may see. `xml` is `cii`, `ubl` or empty.

    Raises Invalid for none or more than 100,000, Conflict while three of this person's are being prepared.
    """
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[: MOST_CHOSEN + 1])
    if not ids:
        raise Invalid(_("Nothing matches, so there is nothing to prepare."))
    if len(ids) > MOST_CHOSEN:
        raise Invalid(_("A ZIP holds at most %(most)d invoices. Filter the list to fewer.") % {"most": MOST_CHOSEN})
    with transaction.atomic():
        User.objects.select_for_update().get(pk=by.pk)
        if Archive.objects.filter(user=by, state__in=Archive.WAITING).count() >= MOST_OPEN:
            raise Conflict(_("Others are being prepared for you. Wait until they are ready, or delete one."))
        return Archive.objects.create(
            kind=Archive.Kind.CHOSEN, seller=seller, user=by, member=member, sees=sees(member), chosen=ids, xml=xml,
            language=language, total=len(ids), asked_at=now, expires_at=now + ABANDONED,
        )  # fmt: skip


def ask_year(*, seller: Seller, by: User, year: int, now: datetime) -> Archive:
    """The archive of a year, up to what is issued now. Invalid for a year that is none, Conflict when one is under way."""
    if not 2000 <= year <= today(now, seller.zone).year:
        raise Invalid(_("Choose a year that has begun."))
    bounds = audit.bounds_of(seller, year)
    if not bounds:
        raise Invalid(_("No invoice was issued in %(year)d.") % {"year": year})
    with transaction.atomic():
        User.objects.select_for_update().get(pk=by.pk)
        if Archive.objects.filter(seller=seller, year=year, state__in=Archive.WAITING).exists():
            raise Conflict(_("The archive of this year is being made already."))
        made = Archive.objects.create(
            kind=Archive.Kind.YEAR, seller=seller, user=by, year=year, bounds=bounds, xml="cii", language=by.language or "en",
            total=sum(one["documents"] for one in bounds.values()), asked_at=now, expires_at=now + ABANDONED,
        )  # fmt: skip
        Event.record("archive.asked", made, now=now, by=by, visible=False, year=year)
    return made


def remove_archive(*, archive: Archive, by: User, now: datetime) -> None:
    """Delete it, made or not."""
    with transaction.atomic():
        if archive.kind == Archive.Kind.YEAR:
            Event.record("archive.deleted", archive, now=now, by=by, visible=False, year=archive.year)
        archive.remove()


def remove_of(user: User) -> int:
    """All that was prepared for this person, as erasure asks."""
    return sum(
        archive.remove() for archive in Archive.objects.filter(user=user, kind=Archive.Kind.CHOSEN).defer("chosen")
    )


# Making ----------------------------------------------------------------------------------------------------------------


def go_on(now: datetime) -> int:
    """One turn of the archive that has waited longest; 0 when there is nothing to make."""
    archive = Archive.to_make(now).first()
    if archive is None:
        return 0
    if not archive.take(now):
        return 1
    with translation.override(archive.language):
        _turn_or_say(archive, now=now)
    return 1


def _turn_or_say(archive: Archive, *, now: datetime) -> None:
    if archive.attempts > Archive.MOST_ATTEMPTS:
        problem = _("It could not be made. Try again, or ask whoever runs this portal to look at its log.")
        _give_up(archive, problem, now=now)
        return
    try:
        turn(archive, now=now)
    except Damaged as fault:
        problem = _("The stored file of %(number)s is damaged. Restore it from a backup, then try again.")
        _give_up(archive, problem % {"number": fault}, now=now)
    except Busy:  # a worker that was held up longer than its claim still writes: the next claim is for later
        logger.warning("an archive is still written by another worker", extra={"archive": archive.pk})
    except FileNotFoundError:
        logger.warning("an archive is gone from the disk and is begun again", extra={"archive": archive.pk})
        remove_files(archive.key)
        archive.begin_again(now=now)
    except Exception:
        logger.exception("a turn of an archive failed", extra={"archive": archive.pk})
        archive.let_go(now=now)


def _give_up(archive: Archive, problem: str, *, now: datetime) -> None:
    with transaction.atomic():
        if archive.fail(problem, now=now):
            _tell(archive, now=now)


def _tell(archive: Archive, *, now: datetime) -> None:
    """A mail to who asked, when it took longer than somebody waits on a page."""
    if now - archive.asked_at > PATIENCE:
        letters.archive_ready(archive, now=now)


def turn(archive: Archive, *, now: datetime) -> None:
    """Some seconds of work, then the place is written down; at the end the ZIP is completed."""
    of_year = archive.kind == Archive.Kind.YEAR
    language = "en" if of_year else archive.language
    work: Callable[..., Iterator[tuple[dict[str, Any], int]]] = _year if of_year else _chosen
    texts = [audit.INDEX, audit.CHAIN] if of_year else [INDEX]
    place, done = dict(archive.place), archive.done
    until = time.monotonic() + TURN
    with Unfinished(archive.path, place.get("sizes", {}), texts) as zip_file, translation.override(language):
        for at, count in work(archive, zip_file, place.get("at", {}), done):
            place, done = {"at": at}, count
            if time.monotonic() > until:
                break
        else:
            _complete(archive, zip_file, now=now)
            return
        place["sizes"] = zip_file.settle()
    archive.got_on(place, done, now=now)


def _complete(archive: Archive, zip_file: Unfinished, *, now: datetime) -> None:
    day = archive.asked_at.astimezone(archive.seller.zone).date()
    if archive.kind == Archive.Kind.YEAR:
        about = (archive.seller, archive.year or 0, archive.bounds, archive.asked_at)
        zip_file.add_text(audit.INDEX, day)
        zip_file.add_text(audit.CHAIN, day)
        zip_file.add(Entry(audit.HEADS, audit.heads_file(*about), day))
        zip_file.add(Entry(audit.SCRIPT, audit.script(), day))
        zip_file.add(Entry(audit.README, audit.readme(*about), day))
    else:
        zip_file.add_text(INDEX, day)
    zip_file.finish()
    size, sha256 = 0, hashlib.sha256()
    with archive.path.open("rb") as file:
        while piece := file.read(CHUNK):
            size += len(piece)
            sha256.update(piece)
    kept = KEPT_YEAR if archive.kind == Archive.Kind.YEAR else KEPT
    with transaction.atomic():
        completed = archive.complete(size=size, sha256=sha256.hexdigest(), now=now, kept=kept)
        if completed:
            _tell(archive, now=now)
    if completed:
        for beside in archive.path.parent.glob(f"{archive.path.name}.*"):
            beside.unlink(missing_ok=True)
    elif not Archive.objects.filter(pk=archive.pk).exists():  # it was deleted while it was made
        remove_files(archive.key)


def _chosen(
    archive: Archive, zip_file: Unfinished, _at: dict[str, Any], done: int
) -> Iterator[tuple[dict[str, Any], int]]:
    """Batch by batch: what was chosen, as far as who asked may still see it."""
    if not done:
        zip_file.write(INDEX, line(heads(), first=True))
    ids: list[int] = archive.chosen
    if archive.member is not None:
        seen = Invoice.objects.visible_to(archive.member)
    else:
        seen = Invoice.objects.filter(seller=archive.seller, state=Invoice.State.ISSUED)
    while done < len(ids):
        part = ids[done : done + BATCH]
        for paper in with_files(seen.filter(pk__in=part)).order_by("pk"):
            _put(zip_file, INDEX, found := bundled(paper, archive.xml), line(values(found)))
        done += len(part)
        yield {}, done


def _year(
    archive: Archive, zip_file: Unfinished, at: dict[str, Any], done: int
) -> Iterator[tuple[dict[str, Any], int]]:
    """Batch by batch: each series of the year in the order of its chain."""
    if not done:
        zip_file.write(audit.INDEX, line(audit.COLUMNS))
    assert archive.year is not None
    for series, bounds in sorted(archive.bounds.items()):
        after = tuple(at[series]) if series in at else None
        while batch := audit.batch_of(archive.seller, series, archive.year, after, bounds["last_place"], BATCH):
            groups: dict[int, list[InvoiceVat]] = {paper.pk: [] for paper in batch}
            for group in InvoiceVat.objects.filter(invoice__in=list(groups)):
                groups[group.invoice_id].append(group)
            for paper in batch:
                found = bundled(paper, archive.xml, f"{series}/")
                if found.damaged:
                    raise Damaged(str(paper.number))
                _put(zip_file, audit.INDEX, found, audit.index_line(found))
                zip_file.write(audit.CHAIN, audit.chain_line(paper, groups[paper.pk]))
            after = (str(batch[-1].issued_on), int(batch[-1].chain_position or 0))
            at, done = at | {series: list(after)}, done + len(batch)
            yield at, done


def _put(zip_file: Unfinished, text: str, found: Bundled, said: bytes) -> None:
    for entry in found.entries:
        zip_file.add(entry)
    zip_file.write(text, said)


# Taking away -----------------------------------------------------------------------------------------------------------


def take_away(now: datetime) -> int:
    """What has expired, and files whose row is gone."""
    old = Archive.objects.filter(expires_at__lte=now).defer("chosen")
    count = sum(archive.remove() for archive in old[:BATCH])
    there = keys_on_disk()
    known = set(Archive.objects.filter(key__in=there).values_list("key", flat=True)) if there else set()
    for key in there:
        if key not in known:
            remove_files(key)
            count += 1
    return count
