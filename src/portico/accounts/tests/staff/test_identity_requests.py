"""Another name or VAT number once papers were issued: asked by an owner, decided by staff, and never on old papers."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from portico.accounts import identity
from portico.accounts.models import Customer, Event, IdentityRequest
from portico.billing import books
from portico.billing.tests.my.pages import queries_of, rows_of, text_of
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.models import Letter
from portico.kit.outbox import send_letters

Browser = Callable[..., Client]
COMPANY = "/my/account/company/"
LIST = "/staff/identity-requests/"
WANTED = {"legal_name": "Fontaine & Fils SAS", "vat_id": "FR 23 334 175 221", "reason": "We merged."}


@pytest.fixture
def locked(world: World) -> Customer:
    """Fontaine, with issued papers, and a VAT id that was checked."""
    Customer.objects.filter(pk=world.fontaine.pk).update(vat_id_checked_on=world.now.date(), vat_id_check="vies")
    world.fontaine.refresh_from_db()
    assert world.fontaine.identity_locked_at is not None
    return world.fontaine


def asked(world: World, **changes: str) -> IdentityRequest:
    return identity.ask(customer=world.fontaine, by=world.camille, now=world.now, **{**WANTED, **changes})


def test_asked_on_the_page_decided_on_the_desk_and_told_both_ways(
    world: World, locked: Customer, client_for: Browser
) -> None:
    paper = world.invoice("Atelier database, first year")
    frozen = (dict(paper.buyer), paper.buyer_hash)
    owner, desk = client_for(world.camille), client_for(world.omar)
    assert f"{COMPANY}identity/" in owner.get(COMPANY).content.decode()
    assert 'value="Atelier Fontaine SARL"' in owner.get(f"{COMPANY}identity/").content.decode()
    assert owner.post(f"{COMPANY}identity/", WANTED).status_code == 302
    assert "You asked for Fontaine & Fils SAS, FR23334175221" in text_of(owner.get(COMPANY))
    assert "1 name or VAT number to change" in text_of(desk.get("/staff/"))
    request = IdentityRequest.objects.get()
    where = f"{LIST}{request.pk}/"
    assert where in desk.get("/staff/").content.decode()
    assert rows_of(desk.get(LIST, {"status": "open"})) == [(str(request.pk), "open")]
    assert "We merged." in text_of(desk.get(where))
    assert queries_of(desk, LIST) <= 4
    assert queries_of(desk, where) <= 8
    assert desk.post(f"{where}confirm/", {}).status_code == 400, "how the number was checked is to be said"
    assert desk.post(f"{where}confirm/", {"vat_check": "vies"}).status_code == 302
    locked.refresh_from_db()
    assert (locked.legal_name, locked.vat_id) == ("Fontaine & Fils SAS", "FR23334175221")
    assert (locked.vat_id_check, locked.vat_id_checked_on, locked.identity_locked_at is not None) == (
        "vies", world.now.date(), True
    )  # fmt: skip
    paper.refresh_from_db()
    assert (dict(paper.buyer), paper.buyer_hash) == frozen
    assert "Atelier Fontaine SARL" in owner.get(f"/my/invoices/{paper.number}/").content.decode()
    assert not books.verify()
    events = set(Letter.objects.filter(event__startswith="identity").values_list("event", "to_address"))
    assert events == {("identity_asked", "omar@northwind.example"), ("identity_decided", "camille@fontaine.example")}
    assert "changed the company's name or VAT number" in text_of(desk.get(f"/staff/customers/{locked.pk}/timeline/"))
    assert desk.post(f"{where}refuse/", {"answer": "Too late"}).status_code == 409


def test_refused_with_the_reason_that_the_customer_reads(world: World, locked: Customer, client_for: Browser) -> None:
    request, desk = asked(world), client_for(world.hanna)
    where = f"{LIST}{request.pk}/refuse/"
    assert desk.post(where, {"answer": " "}).status_code == 400
    assert desk.post(where, {"answer": "We need the extract of the register."}).status_code == 302
    locked.refresh_from_db()
    assert locked.legal_name == "Atelier Fontaine SARL"
    assert "We need the extract of the register." in text_of(client_for(world.camille).get(COMPANY))
    assert asked(world, reason="Here it is.").state == "open", "one may ask again"


def test_a_number_that_nobody_checked_has_to_be_checked_again(world: World, locked: Customer) -> None:
    identity.confirm(request=asked(world), vat_check="", by=world.omar, now=world.now)
    locked.refresh_from_db()
    assert (locked.vat_id_checked_on, locked.vat_id_check, locked.vat_checked) == (None, "", False)


def test_another_name_alone_keeps_the_check(world: World, locked: Customer) -> None:
    before = locked.vat_id_checked_on
    identity.confirm(request=asked(world, vat_id=locked.vat_id), vat_check="", by=world.omar, now=world.now)
    locked.refresh_from_db()
    assert (locked.legal_name, locked.vat_id_checked_on, locked.vat_id_check) == ("Fontaine & Fils SAS", before, "vies")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vat_id": "FR23334175222"}, "not a valid VAT id"), ({"legal_name": " "}, "legal name"), ({"reason": ""}, "why"),
        ({"reason": "x" * 501}, "500"), ({"legal_name": "x" * 161}, "legal name"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_at_once(
    world: World, locked: Customer, client_for: Browser, changes: dict[str, str], words: str
) -> None:
    answer = client_for(world.camille).post(f"{COMPANY}identity/", WANTED | changes)
    assert (answer.status_code, words in text_of(answer)) == (400, True)
    assert not IdentityRequest.objects.exists()


def test_one_at_a_time_and_never_the_same(world: World, locked: Customer, client_for: Browser) -> None:
    with pytest.raises(Invalid, match="already"):
        asked(world, legal_name=locked.legal_name, vat_id=locked.vat_id)
    asked(world)
    owner = client_for(world.camille)
    assert owner.post(f"{COMPANY}identity/", WANTED).status_code == 409
    assert owner.post(f"{COMPANY}withdraw/").status_code == 302
    assert owner.post(f"{COMPANY}withdraw/").status_code == 409
    assert owner.post(f"{COMPANY}identity/", WANTED).status_code == 302
    assert Event.objects.filter(name="customer.identity_withdrawn").count() == 1


def test_who_may(world: World, locked: Customer, client_for: Browser) -> None:
    with pytest.raises(Forbidden):
        identity.ask(customer=locked, by=world.julien, now=world.now, **WANTED)
    with pytest.raises(Forbidden):
        identity.confirm(request=asked(world), vat_check="vies", by=world.camille, now=world.now)
    assert client_for(world.julien).post(f"{COMPANY}identity/", WANTED).status_code == 403
    assert client_for(world.lena).get(COMPANY).status_code == 200
    assert IdentityRequest.objects.get().state == "open"


def test_what_changed_meanwhile_is_not_overwritten(world: World, locked: Customer) -> None:
    request = asked(world)
    Customer.objects.filter(pk=locked.pk).update(legal_name="Third SA")
    with pytest.raises(Conflict, match="another name"):
        identity.confirm(request=request, vat_check="vies", by=world.omar, now=world.now)
    request.refresh_from_db()
    assert request.state == "open"
    assert not Letter.objects.filter(event="identity_decided").exists()


def test_where_nothing_is_locked_nothing_is_asked(world: World, client_for: Browser) -> None:
    Customer.objects.filter(pk=world.fontaine.pk).update(identity_locked_at=None)
    owner = client_for(world.camille)
    assert owner.get(f"{COMPANY}identity/").headers["Location"] == COMPANY
    assert owner.post(f"{COMPANY}identity/", WANTED).status_code == 409


def test_a_letter_about_what_was_decided_is_not_sent_to_staff(world: World, locked: Customer) -> None:
    request = asked(world)
    identity.refuse(request=request, answer="No.", by=world.omar, now=world.now)
    while send_letters(world.now + timedelta(minutes=1)):
        pass
    assert set(Letter.objects.filter(event__startswith="identity").values_list("event", "state")) == {
        ("identity_asked", "dropped"), ("identity_decided", "sent")
    }  # fmt: skip
