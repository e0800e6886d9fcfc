"""The desk's first page: what waits for somebody today, each with its link, and nothing that is done."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.test import Client
from lxml import html

from portico.accounts.models import Seller, User
from portico.billing.actions import draft, order, pay
from portico.billing.actions.send import withdraw_quotation
from portico.billing.models import Payment
from portico.billing.tests.my.pages import queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
TODAY = "/staff/"


def sections(client: Client) -> dict[str, list[str]]:
    """The names that wait, by heading."""
    tree = html.fromstring(client.get(TODAY).content.decode())
    return {
        section.xpath("string(.//h2)"): [link.text_content() for link in section.xpath(".//li//a")]
        for section in tree.xpath("//main//section")
    }


def test_what_waits_is_told_most_urgent_first(world: World, client_for: Browser) -> None:
    found = sections(client_for(world.hanna))
    assert list(found) == [
        "Change requests to answer",
        "Overdue invoices",
        "Quotations that expire soon",
        "Orders to deliver",
        "Orders to invoice",
        "Drafts",
        "Quotations to decide",
    ]
    assert found["Change requests to answer"] == ["Helpdesk for the after-sales team"]
    assert found["Overdue invoices"] == ["Manufacturing set-up", "On-site training in Lyon"], "the latest first"
    assert found["Quotations that expire soon"] == ["Workshop and showroom roll-out"]
    assert "Showroom configuration" in found["Orders to deliver"]
    assert "Second workshop" not in found["Orders to deliver"], "it awaits its payment"
    assert found["Orders to invoice"] == ["Showroom configuration"]
    assert found["Drafts"] == ["Quality checks, draft"]
    assert "Inventory barcode pilot" not in found["Quotations to decide"], "it has expired"
    assert "Renewal of fontaine-boutique" in found["Quotations to decide"]
    told = text_of(client_for(world.hanna).get(TODAY))
    for words in ("Monday", "November", "37 days late", "€1,639.72", "Valid Until 12 Nov 2026"):
        assert words in told


def test_every_link_of_the_page_opens(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    pay.book_transfer(
        customer=world.lindner, amount_minor=20_000, received_on=world.now.date(), payer_name="", by=world.omar,
        now=world.now,
    )  # fmt: skip
    links = set(html.fromstring(client.get(TODAY).content.decode()).xpath("//main//a/@href"))
    assert len(links) > 8
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_money_that_fits_nothing_and_attempts_nobody_knows_are_to_be_reviewed(
    world: World, client_for: Browser
) -> None:
    client = client_for(world.omar)
    assert "Money to review" not in sections(client)
    stray = pay.book_transfer(
        customer=world.lindner, amount_minor=20_000, received_on=world.now.date(), payer_name="", by=world.omar,
        now=world.now,
    )  # fmt: skip
    Payment.objects.get(state="pending").unknown(next_lookup_at=world.now)
    assert sections(client)["Money to review"] == ["Atelier Fontaine SARL", "Bäckerei Lindner GmbH"]
    told = text_of(client.get(TODAY))
    for words in ("it is not known what it is for", "€200.00", "The outcome is not known yet", "€432.00"):
        assert words in told
    pay.review_payment(payment=stray, by=world.omar, now=world.now)
    assert sections(client)["Money to review"] == ["Atelier Fontaine SARL"]


def test_what_is_done_leaves_the_page(world: World, client_for: Browser) -> None:
    client, showroom = client_for(world.hanna), world.order("Showroom configuration")
    withdraw_quotation(quotation=world.quotation("Workshop and showroom roll-out"), by=world.hanna, now=world.now)
    order.invoice_delivered(order=showroom, by=world.hanna, now=world.now)
    left = {line.pk: line.quantity - line.delivered_quantity for line in showroom.lines.filter(kind="line")}
    found = sections(client)
    assert "Quotations that expire soon" not in found
    assert "Orders to invoice" not in found
    assert "Showroom configuration" in found["Orders to deliver"]
    order.record_delivery(order=showroom, quantities=left, by=world.hanna, now=world.now)
    found = sections(client)
    assert "Showroom configuration" not in found["Orders to deliver"]
    assert found["Orders to invoice"] == ["Showroom configuration"]


def test_a_quotation_waits_through_the_last_second_of_its_day_in_the_seller_s_zone(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    for moment, waits in (
        (datetime(2026, 11, 12, 22, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 12, 23, 0, tzinfo=UTC), False),
    ):
        clock.move_to(moment)
        found = sections(client_for(world.hanna)).get("Quotations that expire soon", [])
        assert ("Workshop and showroom roll-out" in found) == waits


def test_a_list_is_short_and_says_where_the_rest_is(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    assert "See all" not in sections_text(client, "Drafts")
    for at in range(8):
        draft.draft_quotation(
            seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now + timedelta(minutes=at)
        )
    assert len(sections(client)["Drafts"]) == 6
    assert "See all" in sections_text(client, "Drafts")


def sections_text(client: Client, title: str) -> str:
    tree = html.fromstring(client.get(TODAY).content.decode())
    (found,) = tree.xpath("//main//section[.//h2=$title]", title=title)
    return str(found.text_content())


def test_the_page_costs_the_same_however_much_waits(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    few = queries_of(client, TODAY)
    for _ in range(10):
        draft.draft_quotation(seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now)
    assert queries_of(client, TODAY) == few <= 11


def test_another_seller_s_desk_is_empty(world: World, client_for: Browser) -> None:
    other = Seller.objects.create(legal_name="Southwind BV", country="NL")
    stranger = User.objects.create_user("s@southwind.example", name="Sam", staff_role="admin", staff_of=other)
    assert sections(client_for(stranger)) == {}
    assert "Nothing waits" in text_of(client_for(stranger).get(TODAY))


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_desk_is_for_staff_alone(world: World, client_for: Browser, method: str) -> None:
    assert getattr(client_for(world.camille), method)(TODAY).status_code == 404
    assert getattr(Client(), method)(TODAY).headers["Location"] == f"/account/login/?next={TODAY}"
    assert getattr(client_for(world.hanna), method)(TODAY).status_code == (200 if method == "get" else 405)
