"""Bank statements on the desk: sent, watched, the columns of a CSV said once, every movement decided."""

from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from portico.accounts.models import Event
from portico.billing.models import BankEntry, BankFile, Payment
from portico.billing.tests.banks import Line, camt, credit, statement, work
from portico.billing.tests.my.pages import books, queries_of, rows_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/staff/bank/"
OTHER = "DE89370400440532013000"
CSV = "Buchungstag;Name;IBAN;Verwendungszweck;Betrag\n06.11.2026;Atelier;DE89370400440532013000;{words};1.068,00\n"


def send(client: Client, content: bytes, name: str = "s.xml") -> str:
    answer = client.post(f"{LIST}upload/", {"statement": SimpleUploadedFile(name, content)})
    assert answer.status_code == 302, text_of(answer)
    return str(answer.headers["Location"])


def test_a_statement_is_sent_watched_and_its_rest_decided(world: World, client_for: Browser) -> None:
    client, invoice = client_for(world.omar), world.invoice("Go-live support, day 1")
    page = send(client, camt(credit(106_800, words=str(invoice.number)), credit(777, "Nobody"), Line(-500, "Bank")))
    assert "1 of 3 looked at" in text_of(client.get(page)), "what goes out is for people to decide"
    work(world)
    told = text_of(client.get(page))
    assert "3 of 3 looked at" in told
    assert "1 was booked by itself" in told
    assert sorted(status for _key, status in rows_of(client.get(LIST))) == ["booked", "open", "open"]
    assert len(rows_of(client.get(LIST, {"status": "open"}))) == 2
    assert queries_of(client, LIST) <= 4
    entry = BankEntry.objects.get(amount_minor=777)
    where = f"{LIST}{entry.pk}/"
    assert "No reference or number that we know." in text_of(client.get(where))
    form = {"for": f"c{world.fontaine.pk}", "customer": world.fontaine.pk}
    assert "Book it for Atelier Fontaine SARL" in text_of(client.get(where, {"customer": world.fontaine.pk}))
    assert client.post(f"{where}book/", form).status_code == 302
    assert client.post(f"{where}book/", form).status_code == 409
    payment = Payment.objects.get(received_minor=777)
    assert (payment.customer, payment.unallocated_minor, payment.reviewed_at is not None) == (world.fontaine, 777, True)
    out = BankEntry.objects.get(amount_minor=-500)
    assert client.post(f"{LIST}{out.pk}/aside/", {"note": ""}).status_code == 400
    assert client.post(f"{LIST}{out.pk}/aside/", {"note": "Fee of the bank"}).status_code == 302
    assert "Fee of the bank" in text_of(client.get(f"{LIST}{out.pk}/"))
    assert rows_of(client.get(LIST, {"status": "open"})) == []
    assert b"Fee of the bank" in b"".join(client.get(LIST, {"format": "csv"}))


def test_the_columns_of_a_csv_are_said_once(world: World, client_for: Browser) -> None:
    client, invoice = client_for(world.omar), world.invoice("Go-live support, day 1")
    page = send(client, CSV.format(words=invoice.number).encode(), "jan.csv")
    assert page.endswith("/columns/")
    answer = client.get(page)
    assert "What the columns hold" in text_of(answer)
    form = main_form(answer)
    assert client.post(page, form | {"column-0": ""}).status_code == 400
    assert client.post(page, form | {"column-1": "day"}).status_code == 400
    assert client.post(page, form).status_code == 302
    assert client.get(page).status_code == 409
    work(world)
    entry = BankEntry.objects.get()
    assert (entry.state, entry.payer_iban, entry.by_itself) == ("booked", "DE89370400440532013000", True)
    again = send(client, CSV.format(words="next").encode(), "feb.csv")
    assert again.endswith(f"/files/{BankFile.objects.latest('id').pk}/"), "the columns are known"
    assert BankEntry.objects.count() == 2


def test_a_statement_of_another_account_is_refused_until_somebody_says_it_is_ours(
    world: World, client_for: Browser
) -> None:
    client, invoice = client_for(world.omar), world.invoice("Go-live support, day 1")
    content = camt(credit(106_800, words=str(invoice.number)), account=OTHER)
    before = books()

    def sent(**more: str) -> Any:
        return client.post(f"{LIST}upload/", {"statement": SimpleUploadedFile("s.xml", content)} | more)

    assert "nevertheless" not in client.get(f"{LIST}upload/").content.decode(), "nobody ticks it out of habit"
    answer = sent()
    told = text_of(answer)
    assert answer.status_code == 400
    for words in (OTHER, world.seller.iban, "Nothing of it was taken or booked.", "this account is ours too"):
        assert words in told
    assert books() == before
    assert sent(nevertheless="1").status_code == 302
    entry, event = BankEntry.objects.get(), Event.objects.get(name="bank.file_taken")
    assert (entry.account, event.actor, event.data) == (OTHER, world.omar, {"nevertheless": ["DE89…3000"]})
    work(world)
    invoice.refresh_from_db()
    assert invoice.payment_state == "paid"


def test_of_two_accounts_in_one_file_nothing_is_taken(world: World, client_for: Browser) -> None:
    both = camt(credit(100, "A")).replace(
        b"</Stmt>", b"</Stmt>" + camt(credit(200, "B"), account=OTHER).split(b"</GrpHdr>")[1].split(b"</BkTo")[0], 1
    )
    answer = client_for(world.omar).post(f"{LIST}upload/", {"statement": SimpleUploadedFile("s.xml", both)})
    assert answer.status_code == 400
    assert OTHER in text_of(answer)
    assert not BankEntry.objects.exists()


def test_a_csv_that_names_another_account_is_refused_as_well(world: World, client_for: Browser) -> None:
    client, above = client_for(world.omar), f"Konto;{OTHER};;;\n"
    content = (above + CSV.format(words="x")).encode()
    answer = client.post(f"{LIST}upload/", {"statement": SimpleUploadedFile("jan.csv", content)})
    assert answer.status_code == 400
    assert OTHER in text_of(answer)
    assert not BankFile.objects.exists()
    sent = {"statement": SimpleUploadedFile("jan.csv", content), "nevertheless": "1"}
    page = client.post(f"{LIST}upload/", sent).headers["Location"]
    assert client.post(page, main_form(client.get(page))).status_code == 302, "it is not asked a second time"
    assert BankEntry.objects.get().account == OTHER


def test_a_column_that_turns_out_to_be_the_own_account_is_looked_at(world: World, client_for: Browser) -> None:
    """The heading does not tell; who says what the columns hold does."""
    client = client_for(world.omar)
    page = send(client, f"Datum;Name;Unser Konto;Betrag\n06.11.2026;A;{OTHER};1,00\n".encode(), "jan.csv")
    form = main_form(client.get(page)) | {"column-2": "account"}
    answer = client.post(page, form)
    assert answer.status_code == 400
    assert OTHER in text_of(answer)
    assert not BankEntry.objects.exists()
    assert client.post(page, form | {"nevertheless": "1"}).status_code == 302
    assert (BankEntry.objects.get().account, BankEntry.objects.get().payer_iban) == (OTHER, "")
    assert Event.objects.get(name="bank.file_read").data == {"nevertheless": ["DE89…3000"]}


def test_without_an_iban_of_its_own_the_seller_is_warned_and_nothing_is_refused(
    world: World, client_for: Browser
) -> None:
    client = client_for(world.omar)
    page = send(client, camt(credit(100, "A")))
    assert "your IBAN is not set" not in text_of(client.get(page))
    world.seller.iban = ""
    world.seller.save()
    page = send(client, camt(credit(200, "B"), account=OTHER), "t.xml")
    assert "your IBAN is not set" in text_of(client.get(page))
    assert BankEntry.objects.count() == 2


def test_what_is_no_statement_is_refused_in_words(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    for content in (b"<!DOCTYPE x SYSTEM 'x'><x/>", b"hello", b"%PDF-1.7"):
        answer = client.post(f"{LIST}upload/", {"statement": SimpleUploadedFile("x.xml", content)})
        assert answer.status_code == 400
    assert client.post(f"{LIST}upload/").status_code == 400
    assert BankFile.objects.count() == 0
    taken = statement(world, credit(100, "A"))
    same = client.post(f"{LIST}upload/", {"statement": SimpleUploadedFile("x.xml", camt(credit(100, "A")))})
    assert same.status_code == 409
    assert client.get(f"{LIST}files/{taken.pk + 1}/").status_code == 404
    assert client.get(f"{LIST}{2**63}/").status_code == 404
    assert client_for(world.hanna).get(LIST).status_code == 403


def test_the_same_arrival_again_is_asked_about(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    for version in ("02", "04"):
        name = "Twin"
        statement(world, credit(777, name, bank_reference=version))
    work(world)
    first, second = BankEntry.objects.order_by("id")
    form = {"for": f"c{world.fontaine.pk}", "customer": world.fontaine.pk}
    assert client.post(f"{LIST}{first.pk}/book/", form).status_code == 302
    answer = client.post(f"{LIST}{second.pk}/book/", form)
    assert answer.status_code == 409
    assert "It really came twice" in text_of(answer)
    assert client.post(f"{LIST}{second.pk}/book/", form | {"again": "on"}).status_code == 302
    assert Payment.objects.filter(received_minor=777).count() == 2
