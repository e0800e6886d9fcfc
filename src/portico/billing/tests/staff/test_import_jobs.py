"""Imports on the desk: files sent with a plain form, watched without a script, and what became of each, as page and as CSV."""

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from portico.billing.actions import importing
from portico.billing.models import ImportFile, ImportJob, Invoice
from portico.billing.tests.foreign import ubl, zip_of
from portico.billing.tests.my.pages import queries_of, rows_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/staff/invoices/import/"


def send(client: Client, **contents: bytes) -> str:
    sent = [SimpleUploadedFile(name.replace("_", "."), content) for name, content in contents.items()]
    answer = client.post(LIST, {"files": sent})
    assert answer.status_code == 302, text_of(answer)
    return str(answer.headers["Location"])


def through(world: World) -> None:
    while importing.go_on(world.now):
        pass


def test_files_are_sent_watched_and_told_of(people: World, client_for: Browser) -> None:
    client = client_for(people.omar)
    assert "None yet" in text_of(client.get(LIST))
    page = send(
        client, a_xml=ubl(id="OLD-1"), b_xml=ubl(id="OLD-2", due="1.00"), c_zip=zip_of({"d.xml": ubl(id="OLD-1")})
    )
    told = client.get(page)
    assert "0 of 3 looked at" in text_of(told)
    assert f'hx-get="{page}' in told.content.decode()
    through(people)
    told = client.get(page)
    assert "hx-get" not in told.content.decode().split("<main")[1]
    assert sorted(status for _key, status in rows_of(told)) == ["imported", "known", "refused"]
    words = text_of(told)
    for part in (
        "OLD-1", "c.zip / d.xml", "Gentse Brouwers NV", "new customer, to review", "€121.00",
        "The amount due (BT-115) is 1.00, but its parts make 121.00 (BR-CO-16).", "Ask the company that made it",
    ):  # fmt: skip
        assert part in words
    assert client.get(f"/staff/invoices/{Invoice.objects.get().number}/").status_code == 200
    for status in ("imported", "known", "refused", "waiting"):
        found = rows_of(client.get(page, {"status": status}))
        assert {state for _key, state in found} <= {status}
    assert len(rows_of(client.get(page, {"q": "OLD-1"}))) == 2
    assert [status for _key, status in rows_of(client.get(LIST))] == ["refusals"]


@pytest.mark.parametrize(
    ("files", "status", "said"),
    [
        ({"a_xml": ubl(id="OLD-1"), "b_xml": ubl(id="OLD-2")}, "done", "Done"),
        ({"a_xml": ubl(id="OLD-1"), "b_xml": b"<x/>"}, "refusals", "Done, some refused"),
        ({"a_xml": b"<x/>", "b_xml": b"<y/>"}, "refused", "Done, all refused"),
        ({"a_zip": zip_of({"a.xml": b"<x/>"})}, "refused", "Done, all refused"),
    ],
)
def test_how_an_import_ended_is_said_as_it_is(
    people: World, client_for: Browser, files: dict[str, bytes], status: str, said: str
) -> None:
    client = client_for(people.omar)
    page = send(client, **files)
    through(people)
    assert said in text_of(client.get(page))
    assert ("some refused" in text_of(client.get(page))) == (status == "refusals")
    assert [state for _key, state in rows_of(client.get(LIST))] == [status]


def test_the_result_is_a_file_in_the_readers_language(people: World, client_for: Browser) -> None:
    people.omar.language = "fr"
    people.omar.save()
    client = client_for(people.omar)
    page = send(client, a_xml=ubl(id="OLD-1"), b_xml=ubl(id="OLD-2", due="1.00"))
    through(people)
    assert "Le montant à payer (BT-115) est 1.00" in text_of(client.get(page))
    sheet = b"".join(client.get(page, {"format": "csv"})).decode()
    assert "121.00,121.00" in sheet
    assert "Le montant à payer (BT-115) est 1.00" in sheet
    assert "http" in sheet
    assert "Demandez une facture corrigée" in sheet
    assert b"2,1,0,1" in b"".join(client.get(LIST, {"format": "csv"}))


@pytest.mark.parametrize("count", [1, 40])
def test_few_statements_however_many_files(people: World, client_for: Browser, count: int) -> None:
    client = client_for(people.omar)
    for _number in range(2 if count == 1 else 8):
        job = ImportJob.objects.create(seller=people.seller, sent_at=people.now, sent_by=people.omar)
        ImportFile.objects.bulk_create(ImportFile(job=job, name=f"{place}.xml") for place in range(count))
    assert queries_of(client, LIST) <= 4
    assert queries_of(client, f"{LIST}{ImportJob.objects.latest('id').pk}/") <= 4


def test_what_cannot_be_taken_is_said_on_the_page(people: World, client_for: Browser) -> None:
    client = client_for(people.omar)
    answer = client.post(LIST, {})
    assert (answer.status_code, "Choose a file first" in text_of(answer)) == (400, True)
    for _number in range(importing.MOST_OPEN):
        send(client, a_xml=b"<a/>")
    answer = client.post(LIST, {"files": SimpleUploadedFile("a.xml", b"<a/>")})
    assert (answer.status_code, "imports are under way" in text_of(answer)) == (409, True)
    assert client.get(f"{LIST}99999/").status_code == 404
    assert client.get(f"{LIST}{2**70}/").status_code == 404


def test_finance_and_administrators_alone_and_never_by_a_foreign_form(people: World, client_for: Browser) -> None:
    for user, status in ((people.hanna, 403), (people.admin, 200), (people.camille, 404)):
        assert client_for(user).get(LIST).status_code == status
    strict = client_for(people.omar, csrf=True)
    assert strict.post(LIST, {"files": SimpleUploadedFile("a.xml", ubl())}).status_code == 403
    assert not ImportJob.objects.exists()
    assert "/staff/invoices/import/" in client_for(people.omar).get("/staff/invoices/").content.decode()
    assert "/staff/invoices/import/" not in client_for(people.hanna).get("/staff/invoices/").content.decode()


def test_names_cannot_break_the_page(people: World, client_for: Browser) -> None:
    client = client_for(people.omar)
    page = send(client, **{"<script>alert(1)</script>\u202e_xml": b"<html/>"})
    through(people)
    shown = client.get(page).content.decode()
    assert "<script>alert" not in shown
    assert "\u202e" not in shown
