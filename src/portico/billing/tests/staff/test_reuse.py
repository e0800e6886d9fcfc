"""A quotation sent later, copied, kept as a template and compared, through the pages."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.test import Client
from lxml import html

from portico.billing.actions.schedule import send_due
from portico.billing.models import Quotation, QuotationTemplate, QuotationVersion
from portico.billing.tests.my.pages import books, queries_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.billing.tests.staff.test_quotations import DRAFT, HELPDESK, LIST, ROLL_OUT, draft_in, where
from portico.cast import World

Browser = Callable[..., Client]


# Later -----------------------------------------------------------------------------------------------------------------


def test_a_moment_is_read_by_the_seller_s_clock_and_shown_until_it_is_taken_back(
    world: World, client_for: Browser
) -> None:
    client, here = client_for(world.hanna), where(world)
    typed = "2026-11-10T09:30"
    assert client.post(f"{here}schedule/", {"at": typed}).headers["Location"] == here
    version = draft_in(world)
    assert version.send_at == datetime.fromisoformat(f"{typed}+01:00"), "Paris in November"
    for page in (here, f"{here}send/", f"{here}edit/"):
        assert "10 Nov 2026, 09:30" in text_of(client.get(page))
    before = books()
    refused = client.post(f"{here}edit/", main_form(client.get(f"{here}edit/")) | {"title": "Changed"})
    assert refused.status_code == 409
    assert "Take that back before you change it" in text_of(refused)
    assert books() == before
    assert client.post(f"{here}unschedule/").headers["Location"] == here
    assert draft_in(world).send_at is None
    assert client.post(f"{here}unschedule/").status_code == 409


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("", "Enter a day and a time"),
        ("tomorrow", "Enter a day and a time"),
        ("2026-11-09T10:59", "moment in the future"),
        ("2028-01-01T10:00", "moment in the future"),
        ("2027-06-01T10:00", "Valid Until lies in the past"),
    ],
)
def test_a_moment_that_cannot_be_is_told_and_nothing_waits(
    world: World, client_for: Browser, at: str, told: str
) -> None:
    client, before = client_for(world.hanna), books()
    answer = client.post(where(world, DRAFT, "schedule/"), {"at": at})
    assert answer.status_code == 400
    assert told in text_of(answer)
    assert books() == before


def test_one_that_could_not_be_sent_is_told_where_it_is_written(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world)
    number = world.quotation(DRAFT).number
    client.post(f"{here}schedule/", {"at": "2026-11-10T09:30"})
    QuotationVersion.objects.filter(quotation__number=number, state="draft").update(title="")
    send_due(world.now + timedelta(days=2))
    for page in ("", "send/", "edit/"):
        assert "Give the quotation a title" in text_of(client.get(f"{LIST}{number}/{page}"))


# Copies and templates --------------------------------------------------------------------------------------------------


def test_a_copy_is_made_for_the_same_customer_or_for_another_one(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, ROLL_OUT, "duplicate/")
    page = client.get(here)
    assert "Copy it for Atelier Fontaine SARL" in text_of(page)
    answer = client.post(here, main_form(page))
    made = Quotation.objects.latest("id")
    assert answer.headers["Location"] == f"{LIST}{made.number}/edit/"
    assert made.customer == world.fontaine
    (link,) = html.fromstring(client.get(f"{here}?q=fjord").content.decode()).xpath("//ul//a/@href")
    page = client.get(f"{here}{link}")
    assert "the prices are the list prices in it" in text_of(page)
    client.post(here, main_form(page))
    assert Quotation.objects.latest("id").customer == world.fjord


@pytest.mark.parametrize("customer", ["0", "abc", "9" * 30])
def test_a_copy_for_nobody_is_refused(world: World, client_for: Browser, customer: str) -> None:
    client, here, before = client_for(world.hanna), where(world, ROLL_OUT, "duplicate/"), books()
    assert client.post(here, {"customer": customer}).status_code == 404
    assert client.get(f"{here}?customer={customer}").status_code == 404
    assert books() == before


def test_a_template_is_kept_and_a_quotation_begun_from_it(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    assert (
        client.post(where(world, ROLL_OUT, "template/"), {"name": " Roll\u202e-out ", "version": "1"}).status_code
        == 302
    )
    kept = QuotationTemplate.objects.get()
    assert (kept.name, kept.saved_by) == ("Roll -out", world.hanna)
    page = client.get(f"{LIST}new/?customer={world.fontaine.pk}")
    assert "Roll -out" in text_of(page)
    answer = client.post(f"{LIST}new/", main_form(page) | {"template": str(kept.pk)})
    made = Quotation.objects.latest("id")
    assert answer.headers["Location"] == f"{LIST}{made.number}/edit/"
    current = world.quotation(ROLL_OUT).versions.get(version=1)
    assert made.versions.get().total_minor == current.total_minor > 0


@pytest.mark.parametrize("template", ["0", "abc", "9" * 30])
def test_a_template_that_is_gone_begins_nothing(world: World, client_for: Browser, template: str) -> None:
    client = client_for(world.hanna)
    form = main_form(client.get(f"{LIST}new/?customer={world.fontaine.pk}"))
    before = books()
    answer = client.post(f"{LIST}new/", form | {"template": template})
    assert answer.status_code == 400
    assert "This template is gone" in text_of(answer)
    assert client.post(where(world, ROLL_OUT, "template/"), {"name": ""}).status_code == 400
    assert books() == before


# Side by side ----------------------------------------------------------------------------------------------------------


def test_versions_stand_side_by_side_with_what_changed(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    client.post(where(world, HELPDESK, "version/"), {"apply": "yes"})
    here = where(world, HELPDESK, "edit/")
    form = main_form(client.get(here)) | {
        "title": "Helpdesk, smaller",
        "payment_policy": "deposit",
        "deposit_percent": "30",
    }
    assert client.post(here, form).status_code == 302
    there = where(world, "Helpdesk, smaller", "compare/")
    client.get(there)  # the message of the save is read
    told = text_of(client.get(there))
    for words in (
        "What changed from v1 to v2",
        "A deposit of 30%",
        "Nothing is paid on acceptance",
        "Helpdesk, smaller",
    ):
        assert words in told
    assert text_of(client.get(f"{there}?old=1&new=2")) == told
    assert "No line changed" in text_of(client.get(f"{there}?old=1&new=1"))
    assert client.get(f"{there}?old=7").status_code == 404
    assert client.get(f"{there}?new=x").status_code == 404
    assert queries_of(client, there) <= 8
    assert client.get(where(world, ROLL_OUT, "compare/")).status_code == 200, "also where there is one version"


@pytest.mark.parametrize("tail", ["schedule/", "unschedule/", "duplicate/", "template/"])
def test_only_sales_does_any_of_it(world: World, client_for: Browser, tail: str) -> None:
    before = books()
    assert client_for(world.omar).post(where(world, DRAFT, tail)).status_code == 403
    assert client_for(world.camille).post(where(world, DRAFT, tail)).status_code == 404
    assert books() == before


def test_customers_to_choose_from_are_few_and_searched(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    for at in range(40):
        type(world.fontaine).objects.create(
            seller=world.seller, legal_name=f"Aa {at:02}", country="FR", created_at=world.now
        )
    page = client.get(f"{LIST}new/")
    assert len(html.fromstring(page.content.decode()).xpath("//main//ul/li//a")) == 20
    assert "Bäckerei Lindner" in text_of(client.get(f"{LIST}new/?q=leipzig"))
    assert "No customer matches" in text_of(client.get(f"{LIST}new/?q=nowhere"))
