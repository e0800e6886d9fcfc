"""The yearly archive: made by the worker, and checked by a stranger with the program inside; every change is named."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from portico.billing.actions.archive import ask_year
from portico.billing.models import Archive, Invoice
from portico.billing.tests.archives import check, made, table, unpacked, work
from portico.billing.tests.my.pages import queries_of, text_of
from portico.billing.tests.parts import arrives, in_parts
from portico.cast import World

Browser = Callable[..., Client]
PAGE = "/staff/archives/"
pytestmark = pytest.mark.django_db


def year_of(world: World, year: int = 0) -> dict[str, bytes]:
    archive = ask_year(seller=world.seller, by=world.omar, year=year or world.now.year, now=world.now)
    return made(archive, world.now)


@pytest.fixture
def files(world: World) -> dict[str, bytes]:
    """What is in this year's archive."""
    return year_of(world)


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    """The same, unpacked in an empty directory."""
    return unpacked(files, tmp_path)


def test_a_stranger_finds_all_in_order(world: World, folder: Path) -> None:
    status, said = check(folder)
    assert "Every number, hash and file is in order." in said
    assert status == 0
    newest = Invoice.objects.filter(series="INV", issued_on__year=world.now.year).latest("chain_position")
    assert f"to {newest.number}, hash {newest.hash}" in said


def test_every_document_of_the_year_is_in_it(world: World, files: dict[str, bytes]) -> None:
    papers = Invoice.objects.filter(state="issued", series__in=["INV", "CN"], issued_on__year=world.now.year)
    rows = {row["number"]: row for row in table(files["index.csv"])}
    assert set(rows) == {str(number) for number in papers.values_list("number", flat=True)}
    for paper in papers:
        row = rows[str(paper.number)]
        assert row["file"] == f"{paper.series}/{paper.issued_on}_{paper.number}.pdf"
        assert hashlib.sha256(files[row["file"]]).hexdigest() == row["sha256"]
        assert paper.pdf is not None
        assert row["sha256"] == paper.pdf.sha256
        assert row["total"] == f"{paper.total_minor / 100:.2f}"
        assert (row["type"], row["currency"], row["hash"]) == (paper.type_code, paper.currency, paper.hash)
        assert (row["xml_file"] in files) is bool(row["xml_file"])
    assert any(row["xml_file"] for row in rows.values())
    readme = files["README.txt"].decode()
    assert "[" not in readme.split("WHAT IS HERE")[0], "every blank is filled in"
    assert "python3 verify_chain.py" in readme


def test_the_next_year_goes_on_where_the_last_one_ended(world: World, tmp_path: Path) -> None:
    before, after = year_of(world, world.now.year - 1), year_of(world)
    assert check(unpacked(before, tmp_path / "before"))[0] == 0
    old, new = json.loads(before["heads.json"])["series"], json.loads(after["heads.json"])["series"]
    assert new["INV"]["before_first"] == old["INV"]["last_hash"]


def test_an_invoice_in_parts_is_in_order_after_its_first_part_was_paid(world: World, tmp_path: Path) -> None:
    """The list and the chain name the day on which it was first due, whichever part is the next."""
    invoice = in_parts(world)
    first = invoice.due_on
    arrives(world, invoice, 36_000)
    files = year_of(world)
    status, said = check(unpacked(files, tmp_path))
    assert status == 0, said
    (row,) = [row for row in table(files["index.csv"]) if row["number"] == invoice.number]
    assert (row["due_date"], row["amount_due"]) == (str(first), "840.00")


# What a stranger finds -------------------------------------------------------------------------------------------------


def victim(folder: Path) -> dict[str, str]:
    """A document in the middle of the invoices, as index.csv has it."""
    rows = [row for row in table((folder / "index.csv").read_bytes()) if row["number"].startswith("INV")]
    return rows[len(rows) // 2]


def rewritten(folder: Path, change: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> None:
    """index.csv with its lines changed."""
    rows = table((folder / "index.csv").read_bytes())
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, list(rows[0]))
    writer.writeheader()
    writer.writerows(change(rows))
    (folder / "index.csv").write_text(sheet.getvalue())


def relinked(folder: Path, change: Callable[[list[dict[str, object]]], list[dict[str, object]]]) -> None:
    """chain.jsonl with its links changed."""
    links = [json.loads(line) for line in (folder / "chain.jsonl").read_text().splitlines()]
    text = "".join(json.dumps(link, ensure_ascii=False) + "\n" for link in change(links))
    (folder / "chain.jsonl").write_text(text)


def found(folder: Path, number: str) -> str:
    """What the program says of the document; it must end with 1 and name it."""
    status, said = check(folder)
    assert status == 1, said
    named = [line for line in said.splitlines() if line.startswith(f"{number}: ")]
    assert named, said
    return "\n".join(named)


def test_one_byte_of_a_pdf(folder: Path) -> None:
    row = victim(folder)
    path = folder / row["file"]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert found(folder, row["number"]).endswith(f"{row['file']} was changed")


def test_one_byte_of_an_e_invoice(folder: Path) -> None:
    row = next(row for row in table((folder / "index.csv").read_bytes()) if row["xml_file"])
    path = folder / row["xml_file"]
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    assert "xml was changed" in found(folder, row["number"])


def test_a_pdf_that_is_not_there(folder: Path) -> None:
    row = victim(folder)
    (folder / row["file"]).unlink()
    assert "is missing" in found(folder, row["number"])


@pytest.mark.parametrize("name", ["net", "vat", "total", "date", "type", "currency"])
def test_a_fact_in_the_list(folder: Path, name: str) -> None:
    number = victim(folder)["number"]
    other = {"date": "2026-01-01", "type": "381", "currency": "USD"}.get(name, "1.00")
    rewritten(folder, lambda rows: [row | {name: other} if row["number"] == number else row for row in rows])
    assert f"another {name}" in found(folder, number)


def test_an_amount_in_the_list_and_in_the_chain(folder: Path) -> None:
    number = victim(folder)["number"]
    rewritten(folder, lambda rows: [row | {"total": "1.00"} if row["number"] == number else row for row in rows])

    def change(links: list[dict[str, object]]) -> list[dict[str, object]]:
        for link in links:
            block = link["block"]
            assert isinstance(block, dict)
            if block["number"] == number:
                block["total"] = 100
        return links

    relinked(folder, change)
    assert "amounts or hash were changed" in found(folder, number)


def test_what_an_invoice_said(folder: Path) -> None:
    number = victim(folder)["number"]

    def change(links: list[dict[str, object]]) -> list[dict[str, object]]:
        for link in links:
            block, content = link["block"], link["content"]
            assert isinstance(block, dict)
            assert isinstance(content, dict)
            if block["number"] == number:
                content["value"]["title"] = "Something else"
        return links

    relinked(folder, change)
    assert "its content was changed" in found(folder, number)


def test_a_document_that_was_left_out_everywhere(folder: Path) -> None:
    row = victim(folder)
    (folder / row["file"]).unlink()
    rewritten(folder, lambda rows: [one for one in rows if one["number"] != row["number"]])
    relinked(folder, lambda links: [one for one in links if one["block"]["number"] != row["number"]])  # type: ignore[index]
    assert "is missing" in found(folder, row["number"])


@pytest.mark.parametrize("place", ["first", "last"])
def test_the_first_and_the_last_cannot_be_left_out_either(folder: Path, place: str) -> None:
    heads = json.loads((folder / "heads.json").read_text())["series"]["INV"]
    number = heads[f"{place}_number"]
    rewritten(folder, lambda rows: [one for one in rows if one["number"] != number])
    relinked(folder, lambda links: [one for one in links if one["block"]["number"] != number])  # type: ignore[index]
    found(folder, number)


def test_one_too_many(folder: Path) -> None:
    rewritten(folder, lambda rows: [*rows, rows[0] | {"number": "INV-2026-77777"}])
    assert "not in the chain" in found(folder, "INV-2026-77777")


def test_after_what_must_go_was_erased_it_still_holds(world: World, files: dict[str, bytes], tmp_path: Path) -> None:
    paper = Invoice.objects.filter(series="INV", issued_on__year=world.now.year).order_by("chain_position")[2]
    Invoice.objects.filter(pk=paper.pk).update(content={}, buyer={}, content_salt="", buyer_salt="", pdf=None, cii=None)
    later = year_of(world)
    row = next(row for row in table(later["index.csv"]) if row["number"] == paper.number)
    assert (row["file"], row["sha256"], row["customer"], row["hash"]) == ("", "", "", paper.hash)
    assert "deleted when the law asked" in row["note"]
    assert b"Fontaine" not in b"".join(
        line for line in later["chain.jsonl"].splitlines() if str(paper.number).encode() in line
    )
    assert check(unpacked(later, tmp_path)) == check(unpacked(files, tmp_path / "before"))


# Its pages -------------------------------------------------------------------------------------------------------------


def test_finance_has_it_made_fetches_it_and_deletes_it(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    assert f'href="{PAGE}"' in client.get("/staff/invoices/").content.decode()
    assert "No archive yet" in text_of(client.get(PAGE))
    where = client.post(f"{PAGE}start/", {"year": str(world.now.year)})["Location"]
    assert "Waiting" in text_of(client.get(where))
    assert client.get(f"{where}file/").status_code == 409
    work(world.now)
    archive = Archive.objects.get()
    page = text_of(client.get(where))
    assert archive.sha256 in page
    for head in archive.bounds.values():
        assert head["last_hash"] in page
    answer = client.get(f"{where}file/")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]  # it streams
    assert hashlib.sha256(content).hexdigest() == archive.sha256
    assert int(answer["Content-Length"]) == archive.size == len(content)
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert where in client.get(PAGE).content.decode()
    assert client.post(f"{where}delete/").status_code == 302
    assert client.get(f"{where}file/").status_code == 404
    assert not archive.path.exists()


def test_it_is_for_finance_and_admin(world: World, client_for: Browser) -> None:
    where = f"{PAGE}{ask_year(seller=world.seller, by=world.omar, year=world.now.year, now=world.now).key}/"
    work(world.now)
    assert client_for(world.admin).get(f"{where}file/").status_code == 200
    assert client_for(world.hanna).get(f"{where}file/").status_code == 403
    assert client_for(world.camille).get(f"{where}file/").status_code == 404
    assert f'href="{PAGE}"' not in client_for(world.hanna).get("/staff/invoices/").content.decode()


@pytest.mark.parametrize("year", ["", "abcd", "1999", "2999", "20266", "٢٠٢٦"])
def test_a_year_that_is_none(world: World, client_for: Browser, year: str) -> None:
    assert client_for(world.omar).post(f"{PAGE}start/", {"year": year}).status_code == 400
    assert not Archive.objects.exists()


def test_a_failed_one_says_why_and_is_tried_again(world: World, client_for: Browser) -> None:
    archive = ask_year(seller=world.seller, by=world.omar, year=world.now.year, now=world.now)
    assert archive.take(world.now)
    archive.fail("The stored file of INV-1 is damaged.", now=world.now)
    client, where = client_for(world.omar), f"{PAGE}{archive.key}/"
    assert "INV-1 is damaged" in text_of(client.get(where))
    assert client.post(f"{where}retry/").status_code == 302
    work(world.now)
    assert "Ready" in text_of(client.get(where))


def test_statements(world: World, client_for: Browser) -> None:
    archive = ask_year(seller=world.seller, by=world.omar, year=world.now.year, now=world.now)
    client = client_for(world.omar)
    assert queries_of(client, PAGE) <= 4
    assert queries_of(client, f"{PAGE}{archive.key}/") <= 4
