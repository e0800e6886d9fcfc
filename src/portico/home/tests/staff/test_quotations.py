"""The preview: the customer's own page before it is sent, with nothing on it that can be pressed."""

from collections.abc import Callable

import pytest
from django.test import Client
from lxml import html

from portico.accounts.models import Seller, User
from portico.billing.actions.send import send_quotation
from portico.billing.models import QuotationVersion, QuotationView
from portico.billing.tests.my.pages import books, queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
DRAFT = "Quality checks, draft"
HELPDESK = "Helpdesk for the after-sales team"


def where(world: World, title: str = DRAFT) -> str:
    return f"/staff/quotations/{world.quotation(title).number}/preview/"


def document(page: str, inside: str) -> str:
    """The words of the document, without what differs by who reads."""
    (found,) = html.fromstring(page).xpath(inside)
    for part in found.xpath(".//*[@class='doc__more'] | .//*[@name='csrfmiddlewaretoken']"):
        part.drop_tree()
    return " ".join(found.text_content().split())


def test_it_is_what_the_customer_sees_once_it_is_sent(world: World, client_for: Browser) -> None:
    desk = client_for(world.hanna).get(where(world))
    shown = document(desk.content.decode(), "//*[@data-preview]//div[@id='document']")
    number = world.quotation(DRAFT).number
    send_quotation(quotation=world.quotation(DRAFT), by=world.hanna, now=world.now)
    sent = client_for(world.camille).get(f"/my/quotations/{number}/").content.decode()
    assert shown == document(sent, "//div[@id='document']")
    assert "Accept" in shown


def test_looking_writes_nothing_and_nothing_can_be_pressed(world: World, client_for: Browser) -> None:
    before, views = books(), QuotationView.objects.count()
    answer = client_for(world.omar).get(where(world))
    (marked,) = html.fromstring(answer.content.decode()).xpath("//*[@data-preview]")
    assert marked.get("inert") is not None
    assert not marked.xpath(".//*[@hx-get or @hx-post][@hx-trigger='load']")
    assert "Preview" in text_of(answer)
    assert (books(), QuotationView.objects.count()) == (before, views)


def test_a_new_version_shows_what_changed_and_a_draft_without_a_day_can_be_looked_at(
    world: World, client_for: Browser
) -> None:
    client, quotation = client_for(world.hanna), world.quotation(HELPDESK)
    client.post(f"/staff/quotations/{quotation.number}/version/", {"apply": "yes"})
    assert "What changed from v1 to v2" in text_of(client.get(where(world, HELPDESK)))
    QuotationVersion.objects.filter(quotation=quotation, state="draft").update(valid_until=None)
    assert client.get(where(world, HELPDESK)).status_code == 200


def test_it_costs_few_statements(world: World, client_for: Browser) -> None:
    assert queries_of(client_for(world.hanna), where(world)) <= 8


@pytest.mark.parametrize("number", ["Q-1999-00001", "x"])
def test_what_is_not_there_or_another_seller_s_is_not_found(world: World, client_for: Browser, number: str) -> None:
    other = Seller.objects.create(legal_name="Southwind BV", country="NL")
    stranger = User.objects.create_user("s@southwind.example", name="Sam", staff_role="admin", staff_of=other)
    assert client_for(stranger).get(where(world)).status_code == 404
    assert client_for(world.hanna).get(f"/staff/quotations/{number}/preview/").status_code == 404
