"""The desk's first page: what waits for somebody today, each with its link, and nothing that is done."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db import transaction
from django.test import Client
from lxml import html

from portico.accounts.models import Seller, User
from portico.billing.actions import draft, order, pay
from portico.billing.actions.send import record_view, send_quotation, withdraw_quotation
from portico.billing.models import ChangeRequest, Invoice, Payment, Quotation
from portico.billing.tests.my.pages import queries_of, text_of
from portico.cast import World
from portico.conversation.models import Document, Thread
from portico.kit import formats

Browser = Callable[..., Client]
TODAY = "/staff/"


def kinds(client: Client) -> dict[str, int]:
    """How much waits, by kind, in the order of the page."""
    tree = html.fromstring(client.get(TODAY).content.decode())
    return {one.get("data-kind"): int(one.get("data-count")) for one in tree.xpath("//main//*[@data-kind]")}


def rows(client: Client, kind: str) -> list[str]:
    """The names of what waits of a kind."""
    tree = html.fromstring(client.get(TODAY).content.decode())
    return [row.text_content() for row in tree.xpath("//*[@data-kind=$kind]//*[@data-row]//a", kind=kind)]


def figures(client: Client) -> list[str]:
    tree = html.fromstring(client.get(TODAY).content.decode())
    return [" ".join(one.text_content().split()) for one in tree.xpath("//dl[@class='figures']/div/dd")]


def test_what_waits_is_told_most_urgent_first(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    found = kinds(client)
    assert list(found)[:4] == ["requests", "questions", "disputes", "overdue"]
    assert set(list(found)[4:]) == {"expiring", "deliver", "invoice", "drafts", "viewed", "unopened"} & set(found)
    assert rows(client, "requests") == ["Helpdesk for the after-sales team"]
    assert rows(client, "overdue") == ["Manufacturing set-up", "On-site training in Lyon"], "the latest first"
    assert rows(client, "expiring") == ["Workshop and showroom roll-out"]
    assert "Showroom configuration" in rows(client, "deliver")
    assert "Second workshop" not in rows(client, "deliver"), "it awaits its payment"
    assert rows(client, "invoice") == ["Showroom configuration"]
    assert rows(client, "drafts") == ["Quality checks, draft"]
    undecided = rows(client, "viewed") + rows(client, "unopened")
    assert "Inventory barcode pilot" not in undecided, "it has expired"
    assert "Renewal of fontaine-boutique" in undecided
    told = text_of(client.get(TODAY))
    for words in ("Good morning, Hanna", "Monday", "November", "2 overdue invoices", "37 days late", "€1,639.72",
                  "Valid Until 12 Nov 2026"):  # fmt: skip
        assert words in told


def test_the_figures_say_how_the_business_stands_by_currency(world: World, client_for: Browser) -> None:
    balance, overdue, waits, review = figures(client_for(world.omar))
    euros = Invoice.objects.open().filter(currency="EUR")
    assert balance.startswith(formats.money(sum(one.amount_due_minor for one in euros), "EUR", "en"))
    assert f"{euros.count()} invoices" in balance
    assert overdue == f"{formats.money(163_972 + 187_200, 'EUR', 'en')} 2 invoices"
    day = world.now.date()
    decide = Quotation.objects.filter(
        current__state__in=["sent", "changes_requested"], current__valid_until__gte=day, current__currency="EUR"
    )
    total = sum(one.current.total_minor for one in decide if one.current)
    assert f"{formats.money(total, 'EUR', 'en')} {decide.count()} quotation" in waits
    assert review == "None"


def test_an_opened_quotation_moves_from_unopened_to_opened(world: World, client_for: Browser) -> None:
    client, title = client_for(world.hanna), "Fresh offer"
    quotation = draft.draft_quotation(seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now)
    version = quotation.versions.get()
    fields = {"title": title, "valid_until": world.now.date() + timedelta(days=30)}
    lines = [draft.LineDraft(kind="line", name="A day", unit_price=Decimal(500))]
    draft.save_draft(version=version, revision=0, fields=fields, lines=lines, now=world.now)
    version = send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    assert title in rows(client, "unopened")
    assert title not in rows(client, "viewed")
    record_view(version=version, by=world.lena, ip=None, user_agent="", now=world.now)
    assert title in rows(client, "viewed")
    assert title not in rows(client, "unopened")


def test_a_question_waits_until_somebody_answers_it_for_the_customer_to_see(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    before = kinds(client).get("questions", 0)
    order_, invoice = world.order("Showroom configuration"), world.invoice("Manufacturing set-up")
    subscription = world.subscription("atelier-fontaine")
    documents: tuple[Document, ...] = (order_, invoice, subscription)
    for at, document in enumerate(documents):
        thread = Thread.on(document, now=world.now)
        with transaction.atomic():
            thread.say("When?", by=world.camille, now=world.now + timedelta(minutes=at))
    assert kinds(client)["questions"] == before + 3
    named = rows(client, "questions")
    assert {order_.title, invoice.title, "atelier-fontaine"} <= set(named)
    tree = html.fromstring(client.get(TODAY).content.decode())
    links = tree.xpath("//*[@data-kind='questions']//*[@data-row]//a/@href")
    assert f"/staff/orders/{order_.number}/thread/" in links
    assert all(client.get(link).status_code == 200 for link in links)
    with transaction.atomic():
        Thread.on(order_, now=world.now).say("Let us ask Omar.", by=world.hanna, now=world.now, internal=True)
        Thread.on(invoice, now=world.now).say("Tomorrow.", by=world.hanna, now=world.now + timedelta(hours=1))
    assert kinds(client)["questions"] == before + 2, "an internal note answers nobody"
    assert invoice.title not in rows(client, "questions")


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
    assert "review" not in kinds(client)
    stray = pay.book_transfer(
        customer=world.lindner, amount_minor=20_000, received_on=world.now.date(), payer_name="", by=world.omar,
        now=world.now,
    )  # fmt: skip
    Payment.objects.get(state="pending").unknown(next_lookup_at=world.now)
    assert rows(client, "review") == ["Atelier Fontaine SARL", "Bäckerei Lindner GmbH"]
    told = text_of(client.get(TODAY))
    for words in ("it is not known what it is for", "€200.00", "the outcome is not known yet", "€432.00", "2 payments"):
        assert words in told
    pay.review_payment(payment=stray, by=world.omar, now=world.now)
    assert rows(client, "review") == ["Atelier Fontaine SARL"]


def test_what_is_done_leaves_the_page(world: World, client_for: Browser) -> None:
    client, showroom = client_for(world.hanna), world.order("Showroom configuration")
    withdraw_quotation(quotation=world.quotation("Workshop and showroom roll-out"), by=world.hanna, now=world.now)
    order.invoice_delivered(order=showroom, by=world.hanna, now=world.now)
    left = {line.pk: line.quantity - line.delivered_quantity for line in showroom.lines.filter(kind="line")}
    found = kinds(client)
    assert "expiring" not in found
    assert "invoice" not in found
    assert "Showroom configuration" in rows(client, "deliver")
    order.record_delivery(order=showroom, quantities=left, by=world.hanna, now=world.now)
    assert "Showroom configuration" not in rows(client, "deliver")
    assert rows(client, "invoice") == ["Showroom configuration"]


def test_a_quotation_waits_through_the_last_second_of_its_day_in_the_seller_s_zone(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    for moment, waits in (
        (datetime(2026, 11, 12, 22, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 12, 23, 0, tzinfo=UTC), False),
    ):
        clock.move_to(moment)
        assert ("Workshop and showroom roll-out" in rows(client_for(world.hanna), "expiring")) == waits


def test_a_kind_counts_all_and_names_the_first(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    for at in range(8):
        draft.draft_quotation(
            seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now + timedelta(minutes=at)
        )
    assert kinds(client)["drafts"] == 9
    assert len(rows(client, "drafts")) == 6
    assert "9 drafts" in text_of(client.get(TODAY))


def test_the_page_costs_the_same_however_much_waits(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    few = queries_of(client, TODAY)
    for at in range(10):
        quotation = draft.draft_quotation(seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now)
        with transaction.atomic():
            Thread.on(quotation, now=world.now).say(f"Question {at}", by=world.lena, now=world.now)
        ChangeRequest.objects.create(version=quotation.versions.get(), message="More", by=world.lena, at=world.now)
    assert queries_of(client, TODAY) == few <= 8


def test_another_seller_s_desk_is_empty(world: World, client_for: Browser) -> None:
    other = Seller.objects.create(legal_name="Southwind BV", country="NL")
    stranger = User.objects.create_user("s@southwind.example", name="Sam", staff_role="admin", staff_of=other)
    assert kinds(client_for(stranger)) == {}
    assert "Nothing waits" in text_of(client_for(stranger).get(TODAY))


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_desk_is_for_staff_alone(world: World, client_for: Browser, method: str) -> None:
    assert getattr(client_for(world.camille), method)(TODAY).status_code == 404
    assert getattr(Client(), method)(TODAY).headers["Location"] == f"/account/login/?next={TODAY}"
    assert getattr(client_for(world.hanna), method)(TODAY).status_code == (200 if method == "get" else 405)
