"""The whole portal in each language: every page that a person can walk to answers in the person's own."""

import re
from collections import deque
from collections.abc import Callable

import pytest
from django.test import Client
from lxml import html

from portico.accounts.models import User
from portico.billing.documents import build
from portico.billing.models import Invoice
from portico.cast import World
from portico.commands import messages

pytestmark = pytest.mark.django_db
Browser = Callable[..., Client]
MOST = 70
UNASKED = re.compile(
    r"/(pdf|certificate|download|logout|csv|html|zip|file)/|format=csv|\?|/static/|/admin/|\.css|^/account/|^/$"
)
ENGLISH = re.compile(r"\b(Invoices?|Quotations?|Orders|Nothing|Amount Due|Valid Until|Settings|Customers|Payments)\b")
HEADINGS = {"fr": ("Factures", "Devis"), "de": ("Rechnungen", "Angebote")}


def walk(client: Client, begin: str, language: str) -> dict[str, html.HtmlElement]:
    """The pages that links lead to, each looked at once, one of each kind of address."""
    waiting, seen = deque([begin]), {begin}
    pages: dict[str, html.HtmlElement] = {}
    while waiting and len(pages) < MOST:
        path = waiting.popleft()
        answer = client.get(path)
        assert answer.status_code == 200, (path, answer.status_code)
        assert answer["Content-Language"] == language
        page = html.fromstring(answer.content)
        if page.tag != "html":  # a piece that is fetched into a page
            continue
        pages[path] = page
        for link in page.xpath("//a/@href"):
            kind = re.sub(r"[A-Z]+-\d{4}-\d+|\d+|[0-9a-f-]{36}", "N", str(link))
            if link.startswith("/") and not UNASKED.search(link) and kind not in seen:
                seen.add(kind)
                waiting.append(str(link))
    return pages


@pytest.mark.parametrize("language", ["fr", "de"])
@pytest.mark.parametrize(("who", "begin", "least"), [("camille", "/my/", 20), ("admin", "/staff/", 30)])
def test_every_page_answers_in_the_language_of_its_reader(
    world: World, client_for: Browser, who: str, begin: str, least: int, language: str
) -> None:
    user = getattr(world, who)
    User.objects.filter(pk=user.pk).update(language=language)
    pages = walk(client_for(user), begin, language)
    assert len(pages) >= least
    for path, page in pages.items():
        assert page.get("lang") == language
        shell = [*page.xpath("//nav//a"), *page.xpath("//h1"), *page.xpath("//footer"), *page.xpath("//main//button")]
        paper = set(page.xpath("//article//*"))
        for element in shell:
            words = element.text_content()
            assert element in paper or not ENGLISH.search(words), (path, words.strip())
    own = {str(page.xpath("string(//h1)")).strip() for page in pages.values()}
    assert set(HEADINGS[language]) <= own


@pytest.mark.parametrize(("language", "title"), [("en", "Invoice"), ("fr", "Facture"), ("de", "Rechnung")])
def test_a_document_speaks_the_language_of_its_customer(
    world: World, client_for: Browser, language: str, title: str
) -> None:
    invoice = world.invoice("On-site training in Lyon")
    Invoice.objects.filter(pk=invoice.pk).update(language=language)
    invoice.refresh_from_db()
    assert build.invoice_sheet(invoice, live=True).title == title
    page = html.fromstring(client_for(world.camille).get(f"/my/invoices/{invoice.number}/").content)
    assert page.get("lang") == "en", "its reader's language is another matter"
    (sheet,) = page.xpath("//article[contains(@class, 'sheet')]")
    assert (sheet.get("lang"), str(sheet.xpath("string(.//h1)"))) == (language, title)


def test_no_translation_is_missing_or_broken() -> None:
    assert messages.faults() == []
