"""Invoices and credit notes as ZIP on the desk: ticked or all that match; prepared ones are for who asked alone."""

from collections.abc import Callable

import pytest
from django.test import Client
from lxml import html

from portico.billing import fetching
from portico.billing.models import Archive, Invoice
from portico.billing.tests.archives import files_of, table, work
from portico.billing.tests.my.pages import queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
ZIP, PREPARED = "/staff/invoices/zip/", "/staff/downloads/"
pytestmark = pytest.mark.django_db


def test_everything_credit_notes_too(world: World, client_for: Browser) -> None:
    files = files_of(client_for(world.hanna).get(ZIP))
    rows = {row["Number"]: row for row in table(files["index.csv"])}
    papers = Invoice.objects.filter(seller=world.seller, state="issued")
    assert set(rows) == {paper.shown_number for paper in papers}
    note = papers.filter(kind="credit_note").earliest("id")
    assert rows[note.shown_number]["Total"].startswith("-")
    assert rows[note.shown_number]["File"] in files


def test_ticked_ones_whatever_the_filter(world: World, client_for: Browser) -> None:
    paper = world.invoice("Boutique theme")
    client = client_for(world.hanna)
    (form,) = html.fromstring(client.get("/staff/invoices/").content.decode()).xpath("//form[@data-pick]")
    assert paper.number in {box.get("value") for box in form.xpath(".//tbody//input")}
    files = files_of(client.get(ZIP, {"of": "ticked", "paper": str(paper.number), "status": "overdue"}))
    assert len(files) == 2
    assert client.get(ZIP, {"of": "ticked"}).status_code == 400
    assert client.get(ZIP, {"paper": "INV-1999-00001"}).status_code == 404


def test_many_are_prepared_for_who_asked(world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "AT_ONCE", 2)
    client = client_for(world.hanna)
    assert "So many are prepared first" in text_of(client.get(ZIP))
    where = str(client.post(ZIP, {"xml": "ubl"})["Location"])
    assert where.startswith(PREPARED)
    work(world.now)
    files = files_of(client.get(f"{where}file/"))
    assert any(name.endswith(".ubl.xml") for name in files)
    for other in (world.omar, world.admin):
        for tail in ("", "file/"):
            assert client_for(other).get(f"{where}{tail}").status_code == 404
    assert where in client.get(PREPARED).content.decode()
    assert queries_of(client, PREPARED) <= 4
    assert queries_of(client, where) <= 4
    assert client.post(f"{where}delete/").status_code == 302
    assert not Archive.objects.exists()
