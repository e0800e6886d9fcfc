"""The customer's credit notes: what they settled, what is left as credit, and the file."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client

from portico.billing.actions.credit import credit_invoice
from portico.billing.models import Invoice
from portico.billing.tests.my.pages import books, queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]


def where(world: World, tail: str = "") -> str:
    return f"/my/credit-notes/{Invoice.objects.get(kind='credit_note', customer=world.fontaine).number}/{tail}"


def test_a_credit_note_tells_what_it_settles_and_why(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(where(world))
    invoice = world.invoice("Training, invoiced twice")
    told = text_of(answer)
    for words in ("Credited", "€312.00", f"Settles {invoice.number}", "The session was invoiced twice."):
        assert words in told
    assert "Your credit" not in told
    assert f"/my/invoices/{invoice.number}/" in answer.content.decode()


def test_what_a_credit_note_gives_back_of_a_paid_invoice_is_shown_as_credit(world: World, client_for: Browser) -> None:
    with transaction.atomic():
        credit_invoice(
            invoice=world.invoice("Boutique theme"), quantities=None, reason="The theme was <b>wrong</b>.",
            invoice_again=False, by=world.omar, now=world.now,
        )  # fmt: skip
    note = Invoice.objects.filter(kind="credit_note").latest("id")
    answer = client_for(world.camille).get(f"/my/credit-notes/{note.number}/")
    told = text_of(answer)
    assert "Your credit" in told
    assert "€423.96" in told
    assert "The invoice was paid already, so this stays as your credit." in told
    assert "<b>wrong</b>" in told, "what staff wrote stands as text"


def test_the_pdf_is_the_issued_file(world: World, client_for: Browser) -> None:
    first, second = (client_for(world.camille).get(where(world, "pdf/")) for _ in range(2))
    assert first.status_code == 200
    assert first.headers["Content-Type"] == "application/pdf"
    assert first.content.startswith(b"%PDF")
    assert first.content == second.content


def test_the_page_costs_few_statements(world: World, client_for: Browser) -> None:
    assert queries_of(client_for(world.camille), where(world)) <= 8


def test_a_credit_note_that_is_not_there_is_404_like_a_foreign_one_and_an_invoice(
    world: World, client_for: Browser
) -> None:
    before = books()
    own = where(world)
    for client, address in (
        (client_for(world.lena), own),
        (client_for(world.camille), "/my/credit-notes/CN-1999-00001/"),
        (client_for(world.camille), f"/my/credit-notes/{world.invoice('Boutique theme').number}/"),
        (client_for(world.camille), "/my/credit-notes/%F0%9F%92%A9/"),
    ):
        for tail in ("", "pdf/"):
            answer = client.get(address + tail)
            assert answer.status_code == 404
            assert "There is no credit note of this number." in text_of(answer)
            assert "invoiced twice" not in text_of(answer)
    assert books() == before


@pytest.mark.parametrize(("method", "tail"), [("post", ""), ("put", ""), ("delete", ""), ("post", "pdf/")])
def test_a_credit_note_is_only_read(world: World, client_for: Browser, method: str, tail: str) -> None:
    before = books()
    assert getattr(client_for(world.camille), method)(where(world, tail)).status_code == 405
    assert books() == before
