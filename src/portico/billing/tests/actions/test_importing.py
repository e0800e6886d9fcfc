"""Imports by the desk: stored, read by the worker once whatever happens to it, and nothing kept that became no invoice."""

import hashlib
import os
import signal
import struct
import threading
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from portico.accounts.models import Customer, Event
from portico.billing import books, jobs
from portico.billing.actions import importing
from portico.billing.actions.importing import go_on, start_import
from portico.billing.actions.take_in import keep
from portico.billing.models import ImportedPaper, ImportFile, ImportJob, Invoice
from portico.billing.tests.foreign import pdf_with, ubl, zip_of
from portico.cast import World
from portico.kit import files
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.files import StoredFile

pytestmark = pytest.mark.django_db


def sent(people: World, **contents: bytes) -> ImportJob:
    """An import of these files, stored and not yet read; `a_xml` is called a.xml."""
    found = [SimpleUploadedFile(name.replace("_", "."), content) for name, content in contents.items()]
    return start_import(seller=people.seller, sent=found, by=people.omar, now=people.now)


def worked(people: World, job: ImportJob) -> dict[str, str]:
    """What became of each file, by its name, once the worker is through: its state, or the reason of a refusal."""
    while go_on(people.now):
        pass
    job.refresh_from_db()
    assert job.finished_at is not None
    return {row.name: row.code or row.state for row in job.files.all()}


def test_files_become_invoices_in_the_worker_alone(people: World) -> None:
    job = sent(
        people, a_xml=ubl(id="A"), b_pdf=pdf_with(ubl(id="B")), c_xml=b"<html/>", d_pdf=b"%PDF-1.4 no", e_xml=b""
    )
    assert not Invoice.objects.exists()
    assert worked(people, job) == {
        "a.xml": "imported", "b.pdf": "imported", "c.xml": "not_invoice", "d.pdf": "pdf_broken", "e.xml": "empty"
    }  # fmt: skip
    assert Invoice.objects.count() == 2
    row = job.files.get(name="a.xml")
    assert (row.customer_made, row.due_minor, row.invoice) == (True, 12100, Invoice.objects.get(printed_number="A"))
    assert not job.files.get(name="b.pdf").customer_made
    assert ImportedPaper.objects.filter(imported_by=people.omar).count() == 2
    assert Event.objects.filter(name="import.sent", data={"files": 5}).count() == 1
    assert not books.verify()


def test_of_what_was_sent_only_originals_stay(people: World) -> None:
    before = set(StoredFile.objects.values_list("sha256", flat=True))
    refused, taken = b"<html>no invoice</html>", ubl(id="A")
    packed = zip_of({"b.xml": ubl(id="B")})
    worked(people, sent(people, a_xml=taken, b_zip=packed, c_xml=refused))
    kept = {one.sha256: one for one in StoredFile.objects.exclude(sha256__in=before)}
    assert {one.original.sha256 for one in ImportedPaper.objects.select_related("original")} == set(kept)
    assert all(one.read() for one in kept.values())
    again = files.store(refused, "application/xml")
    assert again.sha256 not in kept
    assert not ImportFile.objects.exclude(file=None).exists()
    again.delete()
    assert not files.path_of(hashlib.sha256(packed).hexdigest()).exists()


def test_the_same_again_changes_nothing(people: World) -> None:
    worked(people, sent(people, a_xml=ubl(id="A")))
    job = sent(
        people, a_xml=ubl(id="A"), b_xml=ubl(id="A"), c_pdf=pdf_with(ubl(id="A")), d_xml=ubl(id="A", note="Other")
    )
    assert list(worked(people, job).values()) == ["known", "known", "known", "other_content"]
    assert Invoice.objects.count() == 1
    original = ImportedPaper.objects.get().original
    assert original.read() == ubl(id="A")


def test_a_zip_brings_its_files_whatever_their_folders(people: World) -> None:
    inside = {
        "2025/": b"",
        "2025/a.xml": ubl(id="A"),
        "../../etc/b.xml": ubl(id="B"),
        "C:\\old\\c.pdf": pdf_with(ubl(id="C")),
        "__MACOSX/2025/._a.xml": b"x",
        ".DS_Store": b"x",
        "list.csv": b"a;b",
        "more.zip": zip_of({"d.xml": ubl(id="D")}),
    }
    job = sent(people, all_zip=zip_of(inside))
    assert worked(people, job) == {
        "all.zip": "unpacked", "a.xml": "imported", "b.xml": "imported", "c.pdf": "imported", "list.csv": "neither",
        "more.zip": "zip_nested",
    }  # fmt: skip


def lying(content: bytes, says: int) -> bytes:
    """A ZIP of one packed file whose list says another size."""
    packed = bytearray(zip_of({"a.xml": content}))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", packed, packed.index(mark) + place, says)
    return bytes(packed)


def encrypted() -> bytes:
    """A ZIP whose only file says that it is encrypted."""
    packed = bytearray(zip_of({"a.xml": ubl()}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        packed[packed.index(mark) + place] |= 1
    return bytes(packed)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "no zip at all": (lambda: b"PK\x03\x04 no zip", "zip_broken"),
    "cut": (lambda: zip_of({"a.xml": ubl()})[:200], "zip_broken"),
    "empty": (lambda: zip_of({}), "zip_empty"),
    "folders alone": (lambda: zip_of({"a/": b"", "a/b/": b""}), "zip_empty"),
    "encrypted": (encrypted, "zip_encrypted"),
    "too many": (lambda: zip_of({f"{place}.xml": b"" for place in range(2001)}), "zip_many"),
    "a bomb": (lambda: zip_of({"a.xml": b"\0" * 12_000_000}), "zip_unfolds"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_zip_is_refused_and_the_next_file_read(people: World, kind: str) -> None:
    make, code = HOSTILE[kind]
    assert worked(people, sent(people, a_zip=make(), b_xml=ubl(id="B"))) == {"a.zip": code, "b.xml": "imported"}


def test_a_zip_that_lies_about_sizes_is_not_unpacked_beyond_them(people: World) -> None:
    """Ten megabytes that call themselves ten bytes: ten bytes are read, and they are no invoice."""
    job = sent(people, a_zip=lying(b" " * 10_000_000, 10), b_xml=ubl(id="B"))
    assert worked(people, job) == {"a.zip": "unpacked", "a.xml": "zip_broken", "b.xml": "imported"}


def test_a_member_larger_than_an_invoice_is_refused_by_itself(people: World) -> None:
    noise = b"\x01" + os.urandom(1_000_000)
    job = sent(people, a_zip=zip_of({"a.xml": noise * 21, "b.xml": ubl(id="B"), "noise": noise}))
    assert worked(people, job) == {"a.zip": "unpacked", "a.xml": "too_large", "b.xml": "imported", "noise": "neither"}


# Limits ----------------------------------------------------------------------------------------------------------------


def test_who_and_how_much(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(count: int, by: Any = people.omar, content: bytes = b"<a/>") -> ImportJob:
        found = [SimpleUploadedFile(f"{place}.xml", content) for place in range(count)]
        return start_import(seller=people.seller, sent=found, by=by, now=people.now)

    with pytest.raises(Forbidden):
        send(1, by=people.hanna)
    with pytest.raises(Invalid, match="Choose a file"):
        send(0)
    with pytest.raises(Invalid, match="At most 100 files"):
        send(101)
    monkeypatch.setattr(importing, "MOST_SENT_BYTES", 10)
    with pytest.raises(Invalid, match="larger than"):
        send(3)
    monkeypatch.undo()
    assert not StoredFile.objects.filter(size=4).exists()
    assert not ImportJob.objects.exists()
    for _number in range(importing.MOST_OPEN):
        send(1)
    with pytest.raises(Conflict, match="5 imports are under way"):
        send(1, by=people.admin)


def test_a_person_sends_so_many_an_hour(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_AN_HOUR", 2)
    for number in "AB":
        worked(people, sent(people, a_xml=ubl(id=number)))
    with pytest.raises(Conflict, match="within an hour"):
        sent(people, a_xml=ubl(id="C"))
    people.now += timedelta(hours=1)
    worked(people, sent(people, a_xml=ubl(id="C")))


def test_a_file_that_is_too_large_is_refused_by_itself_and_not_stored(
    people: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "MOST_BYTES", 5000)
    monkeypatch.setattr(importing, "MOST_ARCHIVE_BYTES", 6000)
    monkeypatch.setattr(importing, "MEGABYTE", 1000)
    large, folder = b"<" * 5001, b"PK\x03\x04" + bytes(6000)
    job = sent(people, a_xml=large, b_xml=b"<" * 6001, c_xml=ubl(id="C"), d_zip=folder)
    assert worked(people, job) == {
        "a.xml": "too_large", "b.xml": "too_large", "c.xml": "imported", "d.zip": "too_large"
    }  # fmt: skip
    named = {row.name: row.about["megabytes"] for row in job.files.filter(code="too_large")}
    assert named == {"a.xml": "5", "b.xml": "5", "d.zip": "6"}, "each is told its own limit"
    assert not files.path_of(hashlib.sha256(large).hexdigest()).exists()


# Crashes ---------------------------------------------------------------------------------------------------------------


def killed(people: World, where: str) -> None:
    """A worker in a process of its own dies by SIGKILL at its third file: before its transaction ends, after it, or
    (`between`, the control) between the invoice and the row that says so."""
    connection.close()
    child = os.fork()
    if child == 0:
        try:
            end, count = importing._end, [0]

            def die(row: ImportFile, **about: Any) -> None:
                count[0] += 1
                if count[0] == 3 and where == "between":
                    keep(about["readied"], now=about["now"], by=about["job"].sent_by)
                    connection.connection.commit()
                    os.kill(os.getpid(), signal.SIGKILL)
                if count[0] == 4 and where == "after":
                    os.kill(os.getpid(), signal.SIGKILL)
                end(row, **about)
                if count[0] == 3 and where == "before":
                    os.kill(os.getpid(), signal.SIGKILL)

            importing._end = die
            importing.SECONDS = 600.0
            go_on(people.now)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the point was never reached"


def six(people: World) -> ImportJob:
    """Six invoices, half of them in a ZIP."""
    loose = {f"{number}_xml": ubl(id=number) for number in "ABC"}
    return sent(people, **loose, z_zip=zip_of({f"{number}.xml": ubl(id=number) for number in "DEF"}))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("where", "done"), [("before", 2), ("after", 3)])
def test_a_killed_worker_leaves_each_file_waiting_or_done(people: World, where: str, done: int) -> None:
    job = six(people)
    killed(people, where)
    assert Invoice.objects.count() == job.files.filter(state="imported").count() == done
    assert go_on(people.now) == 0, "it is held by a worker that may live"
    people.now += importing.HELD
    found = worked(people, job)
    assert [found[f"{number}.xml"] for number in "ABCDEF"] == ["imported"] * 6
    assert Invoice.objects.count() == 6
    assert Customer.objects.filter(to_review=True).count() == 1
    assert not ImportFile.objects.exclude(file=None).exists()
    assert not books.verify()


@pytest.mark.django_db(transaction=True)
def test_were_the_row_written_in_another_transaction_a_crash_would_tell_a_lie(people: World) -> None:
    """The control: the invoice commits, the worker dies before its row, and the repetition finds it known."""
    job = six(people)
    killed(people, "between")
    people.now += importing.HELD
    assert worked(people, job)["C.xml"] == "known"


def test_a_file_that_brings_the_worker_down_three_times_is_refused(
    people: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = sent(people, a_xml=ubl(id="A"), b_xml=ubl(id="B"))

    class Killed(BaseException):
        pass

    def die(**_about: Any) -> None:
        raise Killed

    monkeypatch.setattr(importing, "ready", die)
    for _number in range(importing.MOST_ATTEMPTS):
        with pytest.raises(Killed):
            go_on(people.now)
        people.now += importing.HELD
    monkeypatch.undo()
    assert worked(people, job) == {"a.xml": "fault", "b.xml": "imported"}


@pytest.mark.django_db(transaction=True)
def test_two_workers_import_each_file_once(people: World) -> None:
    job = six(people)

    def work() -> None:
        try:
            while go_on(people.now):
                pass
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _number in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert set(worked(people, job).values()) == {"imported", "unpacked"}
    assert Invoice.objects.count() == 6


def test_a_zip_of_a_thousand_is_opened_once_a_turn(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    opened = importing.opened

    def counted(content: bytes) -> zipfile.ZipFile:
        made.append(len(content))
        return opened(content)

    monkeypatch.setattr(importing, "opened", counted)
    monkeypatch.setattr(importing, "SECONDS", 600.0)
    job = sent(people, a_zip=zip_of({f"{place}.xml": b"<html/>" for place in range(300)}))
    worked(people, job)
    assert len(made) == 2, "once for its list, once for its members"
    assert job.files.filter(code="not_invoice").count() == 300


def test_an_old_import_is_forgotten_and_its_invoices_stay(people: World) -> None:
    job = sent(people, all_zip=zip_of({"a.xml": ubl(), "b.txt": b"Camille's notes"}), c_pdf=pdf_with(ubl(id="C")))
    worked(people, job)
    waiting = sent(people, d_xml=ubl(id="D"))
    ended = job.finished_at
    assert ended is not None
    assert jobs.imports_left_over(ended + importing.KEPT) == 0
    assert jobs.imports_left_over(ended + importing.KEPT + timedelta(seconds=1)) == 1
    assert list(ImportJob.objects.values_list("pk", flat=True)) == [waiting.pk]
    assert list(ImportFile.objects.values_list("name", flat=True)) == ["d.xml"]
    assert Invoice.objects.count() == 2
    assert all(paper.original.read() for paper in ImportedPaper.objects.all())
    assert not books.verify()
