"""The customer's invoices as ZIP: ticked or all that match, sent at once or prepared; bound to who asked, and gone in time."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from lxml import html

from portico.accounts.models import Membership, User
from portico.billing import fetching
from portico.billing.actions import archive as making
from portico.billing.actions.access import choose_databases
from portico.billing.models import Archive, Invoice
from portico.billing.tests.archives import files_of, read, table, work
from portico.billing.tests.my.pages import books, queries_of, text_of
from portico.cast import World
from portico.kit.files import path_of
from portico.privacy.erasing import copies

Browser = Callable[..., Client]
ZIP, LIST, PREPARED = "/my/invoices/zip/", "/my/invoices/", "/my/downloads/"
pytestmark = pytest.mark.django_db


def own(world: World) -> set[str]:
    papers = Invoice.objects.filter(customer=world.fontaine, state="issued").exclude(kind="credit_note")
    return {str(number) for number in papers.values_list("number", flat=True)}


def numbers(files: dict[str, bytes]) -> set[str]:
    return {name.removesuffix(".pdf").split("_")[1] for name in files if name.endswith(".pdf")}


# At once ---------------------------------------------------------------------------------------------------------------


def test_ticked_invoices_are_the_very_files(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    one, two = world.invoice("Go-live support, day 1"), world.invoice("Boutique theme")
    answer = client.get(ZIP, {"of": "ticked", "number": str(one.number), "paper": str(two.number)})
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Content-Disposition"].startswith('attachment; filename="invoices-')
    assert answer["Content-Disposition"].endswith('.zip"')
    files = files_of(answer)
    assert set(files) == {f"{paper.issued_on}_{paper.number}.pdf" for paper in (one, two)} | {"index.csv"}
    for paper in (one, two):
        alone = client.get(f"{LIST}{paper.number}/pdf/").content
        assert files[f"{paper.issued_on}_{paper.number}.pdf"] == alone
    rows = {row["Number"]: row for row in table(files["index.csv"])}
    row = rows[str(one.number)]
    assert row["SHA-256 of the file"] == hashlib.sha256(files[row["File"]]).hexdigest()
    assert (row["Currency"], row["Customer"], row["Date"]) == ("EUR", "Atelier Fontaine SARL", str(one.issued_on))
    assert row["Total"] == f"{one.total_minor / 100:.2f}"


def test_it_is_the_same_zip_every_time(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    first, second = (b"".join(client.get(ZIP).streaming_content) for _time in range(2))  # type: ignore[attr-defined]
    assert first == second


def test_all_that_match_the_filter_and_no_more(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    assert numbers(files_of(client.get(ZIP))) == own(world)
    late = files_of(client.get(ZIP, {"status": "overdue"}))
    assert numbers(late) == {str(world.invoice(t).number) for t in ("On-site training in Lyon", "Manufacturing set-up")}
    assert numbers(files_of(client.get(ZIP, {"q": "theme"}))) == {str(world.invoice("Boutique theme").number)}
    assert client.get(ZIP, {"q": "no such paper"}).status_code == 400
    assert client.get(ZIP, {"status": "lost"}).status_code == 400


@pytest.mark.parametrize("syntax", ["cii", "ubl"])
def test_the_e_invoice_comes_along_when_asked_for(world: World, client_for: Browser, syntax: str) -> None:
    client, paper = client_for(world.camille), world.invoice("Boutique theme")
    files = files_of(client.get(ZIP, {"number": str(paper.number), "xml": syntax}))
    name = f"{paper.issued_on}_{paper.number}.{syntax}.xml"
    assert files[name] == client.get(f"{LIST}{paper.number}/xml/?syntax={syntax}").content
    assert table(files["index.csv"])[0]["E-invoice"] == name
    assert client.get(ZIP, {"number": str(paper.number), "xml": "docx"}).status_code == 400


def test_nothing_ticked_is_not_everything(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(ZIP, {"of": "ticked"})
    assert answer.status_code == 400
    assert "Select the invoices" in text_of(answer)


def test_one_foreign_number_and_nothing_is_sent(world: World, client_for: Browser) -> None:
    foreign = str(world.invoice("Oven scale integration").number)
    for sent in ({"number": foreign}, {"number": [str(world.invoice("Boutique theme").number), foreign]}):
        answer = client_for(world.camille).get(ZIP, sent)
        assert answer.status_code == 404
        assert b"PK" not in answer.content[:2]


def test_nobody_elses_papers_are_in_it(world: World, client_for: Browser) -> None:
    for user, customer in ((world.camille, world.fontaine), (world.lena, world.lindner), (world.ingrid, world.fjord)):
        files = files_of(client_for(user).get(ZIP))
        mine = {str(n) for n in Invoice.objects.filter(customer=customer).values_list("number", flat=True)}
        assert numbers(files) <= mine
        assert {row["Number"] for row in table(files["index.csv"])} <= mine
    assert client_for(world.hanna).get(ZIP).status_code == 404
    assert Client().get(ZIP).status_code == 302


def test_who_sees_chosen_databases_gets_their_papers_alone(world: World, client_for: Browser) -> None:
    member = Membership.objects.get(user=world.julien, customer=world.fontaine)
    choose_databases(membership=member, names=["atelier-fontaine"], by=world.camille, now=world.now)
    member.refresh_from_db()
    seen = set(Invoice.objects.visible_to(member).exclude(kind="credit_note").values_list("number", flat=True))
    assert 0 < len(seen) < len(own(world))
    assert numbers(files_of(client_for(world.julien).get(ZIP))) == seen
    hidden = min(own(world) - seen)
    assert client_for(world.julien).get(ZIP, {"number": hidden}).status_code == 404


def test_a_formula_in_a_name_is_text(world: World, client_for: Browser) -> None:
    paper = world.invoice("Boutique theme")
    Invoice.objects.filter(pk=paper.pk).update(buyer=paper.buyer | {"legal_name": "=cmd|' /C calc'!A0"})
    rows = table(files_of(client_for(world.camille).get(ZIP, {"number": str(paper.number)}))["index.csv"])
    assert rows[0]["Customer"] == "'=cmd|' /C calc'!A0"


def test_a_damaged_file_is_said_and_the_others_come(world: World, client_for: Browser) -> None:
    client, paper = client_for(world.camille), world.invoice("Boutique theme")
    client.get(f"{LIST}{paper.number}/pdf/")
    paper.refresh_from_db()
    assert paper.pdf is not None
    path_of(paper.pdf.sha256).write_bytes(b"%PDF-rotten")
    files = files_of(client.get(ZIP))
    assert numbers(files) == own(world) - {str(paper.number)}
    (row,) = [row for row in table(files["index.csv"]) if row["Number"] == paper.number]
    assert row["File"] == ""
    assert "damaged" in row["Note"]


def test_looking_writes_nothing_but_the_files_that_are_drawn(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    files_of(client.get(ZIP))
    before = books()
    files_of(client.get(ZIP))
    assert books() == before


def test_the_list_offers_it_by_hand(world: World, client_for: Browser) -> None:
    tree = html.fromstring(client_for(world.camille).get(LIST).content.decode())
    (form,) = tree.xpath("//form[@data-pick]")
    boxes = form.xpath(".//tbody//input[@type='checkbox']")
    assert len(boxes) == len(form.xpath(".//tbody/tr")), "every row can be ticked"
    payable = {box.get("value") for box in boxes if box.get("name") == "number"}
    assert payable == {
        str(n) for n in Invoice.objects.filter(customer=world.fontaine, amount_due_minor__gt=0,
        payment_state__in=["not_paid", "partially_paid"]).values_list("number", flat=True)
    }  # fmt: skip
    (button,) = form.xpath(".//button[@formaction]")
    assert (button.get("formaction"), button.get("name"), button.get("value")) == (ZIP, "of", "ticked")
    assert ZIP in {link.split("?")[0] for link in tree.xpath("//a/@href")}


def test_paid_ones_can_be_ticked_beside_those_to_pay(world: World, client_for: Browser) -> None:
    payable, paid = world.invoice("Go-live support, day 1"), world.invoice("Boutique theme")
    answer = client_for(world.camille).get(
        "/my/invoices/pay/", {"number": str(payable.number), "paper": str(paid.number)}
    )
    assert answer.status_code == 200
    assert str(paid.number) not in text_of(answer)


# Prepared --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two invoices are many."""
    monkeypatch.setattr(fetching, "AT_ONCE", 2)


def asked(client: Client, **values: str) -> str:
    """Have all prepared; the address where it is followed."""
    answer = client.post(ZIP, values)
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def test_many_are_prepared_with_a_page_that_says_how_far(world: World, client_for: Browser, few_at_once: None) -> None:
    client = client_for(world.camille)
    before = books()
    page = client.get(ZIP, {"status": "paid", "xml": "cii"})
    assert books() == before, "looking asks for nothing"
    (form,) = html.fromstring(page.content.decode()).xpath("//main//form")
    assert dict(form.form_values())["status"] == "paid"
    where = asked(client)
    assert where.startswith(PREPARED)
    page = client.get(where)
    assert f"0 of {len(own(world))} documents" in text_of(page)
    assert 'hx-trigger="load delay:2s"' in page.content.decode()
    assert client.get(f"{where}file/").status_code == 409
    work(world.now)
    page = client.get(where)
    archive = Archive.objects.get()
    assert archive.sha256 in text_of(page)
    assert (
        "hx-trigger" not in html.tostring(html.fromstring(page.content.decode()).get_element_by_id("download")).decode()
    )
    files = files_of(client.get(f"{where}file/"))
    assert numbers(files) == own(world)
    assert {row["Number"] for row in table(files["index.csv"])} == own(world)
    assert hashlib.sha256(archive.path.read_bytes()).hexdigest() == archive.sha256
    assert archive.path.stat().st_mode & 0o077 == 0
    assert where in client.get(PREPARED).content.decode()


def test_prepared_or_sent_it_is_the_same(world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_for(world.camille)
    at_once = files_of(client.get(ZIP, {"xml": "ubl"}))
    monkeypatch.setattr(fetching, "AT_ONCE", 2)
    where = asked(client, xml="ubl")
    work(world.now)
    assert files_of(client.get(f"{where}file/")) == at_once


def test_what_was_asked_for_is_what_comes_whatever_is_paid_meanwhile(
    world: World, client_for: Browser, few_at_once: None
) -> None:
    where = asked(client_for(world.camille), status="to_pay")
    wanted = {str(world.invoice(t).number) for t in (
        "Go-live support, day 1", "On-site training in Lyon", "Manufacturing set-up")}  # fmt: skip
    Invoice.objects.filter(number__in=wanted).update(amount_due_minor=0, payment_state="paid")
    work(world.now)
    assert numbers(files_of(client_for(world.camille).get(f"{where}file/"))) == wanted


def test_it_is_for_who_asked_alone(world: World, client_for: Browser, few_at_once: None) -> None:
    where = asked(client_for(world.camille))
    work(world.now)
    colleague = User.objects.create_user("owner@fontaine.example", name="Other owner")
    colleague.switch_to(Membership.objects.create(user=colleague, customer=world.fontaine, is_owner=True))
    for user in (world.julien, world.lena, colleague, world.hanna, world.admin):
        client = client_for(user)
        for method, tail in (("get", ""), ("get", "file/"), ("post", "delete/"), ("post", "retry/")):
            with transaction.atomic():
                assert getattr(client, method)(f"{where}{tail}").status_code == 404, (user, tail)
        assert client.get(where.replace("/my/", "/staff/")).status_code == 404
    assert Archive.objects.get().state == "ready"
    assert Client().get(f"{where}file/").status_code == 302
    assert client_for(world.camille).get(f"{PREPARED}guessed/file/").status_code == 404


def test_in_another_company_it_is_not_there(world: World, client_for: Browser, few_at_once: None) -> None:
    where = asked(client_for(world.camille))
    work(world.now)
    world.camille.switch_to(Membership.objects.create(user=world.camille, customer=world.fjord, is_owner=True))
    assert client_for(world.camille).get(f"{where}file/").status_code == 404


def test_who_may_see_less_since_gets_it_no_more(world: World, client_for: Browser, few_at_once: None) -> None:
    member = Membership.objects.get(user=world.julien, customer=world.fontaine)
    where = asked(client_for(world.julien))
    work(world.now)
    assert client_for(world.julien).get(f"{where}file/").status_code == 200
    choose_databases(membership=member, names=["atelier-fontaine"], by=world.camille, now=world.now)
    assert client_for(world.julien).get(f"{where}file/").status_code == 404
    assert client_for(world.julien).get(where).status_code == 404


def test_who_may_see_less_while_it_is_made_gets_less(world: World, client_for: Browser, few_at_once: None) -> None:
    member = Membership.objects.get(user=world.julien, customer=world.fontaine)
    asked(client_for(world.julien))
    choose_databases(membership=member, names=["atelier-fontaine"], by=world.camille, now=world.now)
    member.refresh_from_db()
    work(world.now)
    seen = set(Invoice.objects.visible_to(member).values_list("number", flat=True))
    assert numbers(read(Archive.objects.get().path.read_bytes())) <= seen


def test_it_expires_and_is_taken_away(world: World, client_for: Browser, few_at_once: None, clock: Any) -> None:
    where = asked(client_for(world.camille))
    work(world.now)
    path = Archive.objects.get().path
    making.take_away(world.now)  # what other tests left
    assert making.take_away(world.now + timedelta(days=6, hours=23)) == 0
    clock.shift(timedelta(days=7, seconds=1))
    assert client_for(world.camille).get(f"{where}file/").status_code == 404, "also before it is taken away"
    assert making.take_away(world.now + timedelta(days=7, seconds=1)) == 1
    assert not path.exists()
    assert not Archive.objects.exists()


def test_its_owner_deletes_it_ready_or_not(world: World, client_for: Browser, few_at_once: None) -> None:
    client = client_for(world.camille)
    for make in (False, True):
        where = asked(client)
        path = Archive.objects.get().path
        if make:
            work(world.now)
            assert path.exists()
        assert client.get(f"{where}delete/").status_code == 405
        assert client.post(f"{where}delete/").status_code == 302
        assert not path.exists()
        assert client.get(where).status_code == 404
        work(world.now)
        assert not path.exists()


def test_erasure_takes_it_along(world: World, client_for: Browser, few_at_once: None) -> None:
    asked(client_for(world.camille))
    work(world.now)
    path = Archive.objects.get().path
    assert copies(world.camille) == 1
    assert not path.exists()
    assert not Archive.objects.exists()


def test_three_at_a_time(world: World, client_for: Browser, few_at_once: None) -> None:
    client = client_for(world.camille)
    for _time in range(3):
        asked(client)
    answer = client.post(ZIP)
    assert answer.status_code == 409
    assert "are being prepared" in text_of(answer)
    work(world.now)
    asked(client)


def test_a_file_without_a_row_is_taken_away(world: World, client_for: Browser, few_at_once: None) -> None:
    asked(client_for(world.camille))
    work(world.now)
    archive = Archive.objects.get()
    making.take_away(world.now)  # what other tests left
    Membership.objects.filter(user=world.camille).delete()
    assert archive.path.exists()
    assert making.take_away(world.now) == 1
    assert not archive.path.exists()


def test_statements(world: World, client_for: Browser, few_at_once: None) -> None:
    client = client_for(world.camille)
    where = asked(client)
    assert queries_of(client, LIST) <= 4
    assert queries_of(client, PREPARED) <= 4
    assert queries_of(client, where) <= 6
