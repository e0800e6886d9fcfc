"""The statement of account as a paper, on both sides of the desk and in every language."""

import io
from collections.abc import Callable

import pypdf
import pytest
from django.test import Client

from portico.cast import World

Browser = Callable[..., Client]


def words(content: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages).split())


def test_the_statement_is_a_paper_that_says_what_the_page_says(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get("/my/statement/", {"format": "pdf"})
    assert answer["Content-Type"] == "application/pdf"
    text = words(answer.content)
    assert "Statement of account" in text
    assert "Opening balance" in text
    number = world.invoice("Boutique theme").number
    assert f"Invoice {number} Boutique theme" in text
    assert "5,011.72" in client_for(world.camille).get("/my/statement/").content.decode()
    assert "Open today 5,011.72" in text
    assert "Not due yet 1,500.00 1 to 30 days late 1,872.00" in text
    desk = client_for(world.omar).get(f"/staff/customers/{world.fontaine.pk}/statement/", {"format": "pdf"})
    assert words(desk.content) == text


@pytest.mark.parametrize(("language", "title"), [("fr", "Relevé de compte"), ("de", "Kontoauszug")])
def test_the_statement_speaks_the_customers_language(
    world: World, client_for: Browser, language: str, title: str
) -> None:
    world.fontaine.language = language
    world.fontaine.save(update_fields=["language"])
    text = words(client_for(world.camille).get("/my/statement/", {"format": "pdf"}).content)
    assert title in text
    assert "Invoice" not in text
