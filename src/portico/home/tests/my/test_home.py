"""The customer's start page: what waits, what is owed, what came last, what was spent; and how it looks with nothing."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.db.models import F
from django.test import Client
from lxml import html

from portico import cast
from portico.accounts.models import Membership, User
from portico.billing.actions import pay
from portico.billing.models import Invoice, Payment, Subscription
from portico.billing.tests.my.pages import books, form_of, queries_of, text_of
from portico.cast import World
from portico.kit import formats

Browser = Callable[..., Client]


def lines_of(answer: object) -> list[str]:
    """The lines that need attention, in their order."""
    tree = html.fromstring(answer.content.decode())  # type: ignore[attr-defined]  # an answer has its content
    return [" ".join(line.text_content().split()) for line in tree.xpath("//ul[contains(@class,'attention')]/li")]


def figures_of(answer: object) -> dict[str, str]:
    """The figures on top, by their name."""
    tree = html.fromstring(answer.content.decode())  # type: ignore[attr-defined]  # an answer has its content
    boxes = tree.xpath("//dl[contains(@class,'figures')]/div")
    return {box.xpath("string(dt)").strip(): " ".join(box.xpath("string(dd)").split()) for box in boxes}


def test_what_waits_stands_most_urgent_first_with_the_one_thing_to_do(world: World, client_for: Browser) -> None:
    lines = lines_of(client_for(world.camille).get("/my/"))
    told = [
        f"Invoice {world.invoice('Manufacturing set-up').number} is overdue",
        f"Invoice {world.invoice('On-site training in Lyon').number} is overdue",
        f"Quotation {world.quotation('Workshop and showroom roll-out').number} expires in 3 days",
        f"Order {world.order('Second workshop').number} awaits your payment",
        "fontaine-boutique renews on",
    ]
    assert len(lines) == len(told)
    for line, words in zip(lines, told, strict=True):
        assert words in line
    assert "€1,639.72" in lines[0]
    assert "Pay now" in lines[0]
    assert "€8,049.36" in lines[2]
    assert "Review and decide" in lines[2]
    assert "€2,736.00" in lines[3]


def standing(world: World, days: int, **changes: Any) -> date:
    """fontaine-boutique renews in so many days, below zero: its period is over; returns that day."""
    on = world.now.date() + timedelta(days=days)
    begun = on - timedelta(days=31)
    Subscription.objects.filter(database__name="fontaine-boutique").update(
        period_start=begun, period_end=on, **{"auto_renew": False} | changes
    )
    return on


@pytest.mark.parametrize("auto", [False, True])
def test_what_was_not_renewed_is_not_said_to_renew(world: World, client_for: Browser, auto: bool) -> None:
    on = formats.day(standing(world, -8, state="past_due", past_due_on=world.now.date(), auto_renew=auto), "en")
    answer = client_for(world.camille).get("/my/")
    told, lines = text_of(answer), lines_of(answer)
    assert f"fontaine-boutique was to renew on {on}" in lines[2], "after what is overdue, before what can wait"
    assert ("It has not renewed by itself yet" if auto else "It goes on when its renewal quotation") in lines[2]
    assert "Nothing to do" not in lines[2]
    assert "fontaine-boutique renews on" not in told
    assert f"Was to renew{on}" in told.replace(f" {on}", on)
    assert "fontaine-boutique" not in figures_of(answer)["Next renewal"], "the next one lies ahead"
    assert "atelier-fontaine" in figures_of(answer)["Next renewal"]
    page = text_of(client_for(world.camille).get("/my/subscriptions/fontaine-boutique/"))
    assert f"Was to renew on {on}" in page.replace("renew on" + on, "renew on " + on)
    assert "Renews on" not in page
    assert f"renews on {on}" not in text_of(client_for(world.omar).get(f"/staff/customers/{world.fontaine.pk}/"))


def test_a_day_that_lies_ahead_says_what_happens_then(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    on = formats.day(standing(world, 8), "en")
    assert f"fontaine-boutique renews on {on}" in lines_of(client.get("/my/"))[4]
    assert on in figures_of(client.get("/my/"))["Next renewal"]
    standing(world, 8, state="past_due", past_due_on=world.now.date())
    line = lines_of(client.get("/my/"))[4]
    assert f"renews on {on}" in line
    assert "A payment for it is late. Pay its open invoices" in line
    standing(world, 8, state="active", past_due_on=None, leave_asked_at=world.now, leave_reason="other")
    line = lines_of(client.get("/my/"))[4]
    assert f"fontaine-boutique ends on {on}" in line
    assert "€" not in line, "nothing more is invoiced"
    assert on not in figures_of(client.get("/my/"))["Next renewal"]
    standing(world, 8, leave_asked_at=None, leave_reason="", pause_asked_at=world.now)
    assert f"fontaine-boutique pauses on {on}" in lines_of(client.get("/my/"))[4]
    standing(world, 0, pause_asked_at=None)
    assert "fontaine-boutique renews on" in lines_of(client.get("/my/"))[4], "the day itself is not over"


def test_nobody_is_asked_to_pay_what_is_on_its_way(world: World, client_for: Browser) -> None:
    standing(world, 8, state="past_due", past_due_on=world.now.date())
    open_ones = Invoice.objects.filter(customer=world.fontaine, amount_due_minor__gt=0)
    open_ones.update(payment_state="in_payment", on_its_way_minor=F("amount_due_minor"))
    told = text_of(client_for(world.camille).get("/my/"))
    assert "nothing is left to pay now" in told
    assert "Pay its open invoices" not in told


def test_who_may_only_look_is_offered_to_look(world: World, client_for: Browser) -> None:
    user = User.objects.create_user("paul@fontaine.example", name="Paul")
    user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, is_viewer=True))
    told = text_of(client_for(user).get("/my/"))
    assert "See invoice" in told
    assert "See quotation" in told
    assert "Pay now" not in told
    assert "Review and decide" not in told


def test_a_failed_payment_is_told_until_it_is_paid(world: World, client_for: Browser) -> None:
    client, invoice = client_for(world.camille), world.invoice("Go-live support, day 1")
    said = f"The payment of invoice {invoice.number} failed"
    assert said not in text_of(client.get("/my/"))
    address = f"/my/invoices/{invoice.number}/pay/"
    client.post(address, form_of(client.get(address)) | {"provider": "sandbox"})
    payment = Payment.objects.latest("created_at")
    client.post(urlsplit(payment.checkout_url).path, {"choice": "decline"})
    pay.lookup_payment(payment=payment, now=world.now)
    assert said in text_of(client.get("/my/"))
    cast.transfer(world, invoice, 106800, world.now)
    assert said not in text_of(client.get("/my/"))


def test_the_figures_are_those_of_the_papers(world: World, client_for: Browser) -> None:
    figures = figures_of(client_for(world.camille).get("/my/"))
    assert figures["Open balance"].startswith("€4,579.72")
    assert figures["Open balance"].endswith("3 invoices, in payment: €432.00")
    assert figures["Of which overdue"].startswith("€3,511.72")
    titles = ("Workshop and showroom roll-out", "Renewal of fontaine-boutique", "Helpdesk for the after-sales team")
    versions = [world.quotation(title).current for title in titles]
    total = sum(version.total_minor for version in versions if version)
    assert figures["Quotations to decide"].startswith(f"€{total / 100:,.2f}")
    assert figures["Quotations to decide"].endswith("3 quotations")
    assert figures["Next renewal"].endswith("fontaine-boutique")


def test_the_chart_and_its_table_add_up_to_the_papers(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get("/my/")
    tree = html.fromstring(answer.content.decode())
    figure = tree.xpath("//figure[contains(@class,'chart')]")
    assert len(figure) == 1
    rows = figure[0].xpath(".//table/tbody/tr")
    assert len(rows) == 12
    minors = [int(row.xpath(".//@data-minor")[0]) for row in rows]
    by_month: dict[tuple[int, int], int] = {}
    for paper in Invoice.objects.filter(customer=world.fontaine, state="issued", issued_on__gte=date(2025, 12, 1)):
        assert paper.issued_on is not None
        month = (paper.issued_on.year, paper.issued_on.month)
        sign = -1 if paper.kind == "credit_note" else 1
        by_month[month] = by_month.get(month, 0) + sign * paper.total_minor
    months = [(2025, 12), *((2026, month) for month in range(1, 12))]
    assert minors == [by_month.get(month, 0) for month in months]
    assert sum(minors) > 0
    assert figure[0].xpath(".//*[name()='svg']/@aria-labelledby"), "the picture is named"
    assert [row.xpath("string(th)") for row in rows][0::11] == ["Dec 2025", "Nov 2026"]
    assert f"€{sum(minors) / 100:,.2f}" in text_of(answer)


def test_the_newest_papers_stand_first(world: World, client_for: Browser) -> None:
    tree = html.fromstring(client_for(world.camille).get("/my/").content.decode())
    rows = tree.xpath("//section[@aria-labelledby='recent']//tbody/tr")
    assert len(rows) == 5
    days = [row.xpath(".//time/@datetime")[0] for row in rows]
    assert days == sorted(days, reverse=True)
    assert world.quotation("Helpdesk for the after-sales team").number in rows[0].text_content()


def test_a_customer_sees_nothing_of_another(world: World, client_for: Browser) -> None:
    told = text_of(client_for(world.lena).get("/my/"))
    assert "Oven scale" in told
    assert "Fontaine" not in told
    assert "fontaine" not in told


def test_a_customer_without_papers_is_welcomed_and_told_what_comes(people: World, client_for: Browser) -> None:
    answer = client_for(people.camille).get("/my/")
    assert answer.status_code == 200
    figures = figures_of(answer)
    assert figures["Open balance"] == "€0.00 nothing to pay"
    assert figures["Of which overdue"] == "€0.00 nothing is late"
    assert figures["Quotations to decide"] == "None"
    assert figures["Next renewal"] == "None"
    told = text_of(answer)
    for words in ("Nothing waits for you.", "No document yet", "You have no subscription."):
        assert words in told
    assert "Everything is paid and decided" not in told
    assert "<figure" not in answer.content.decode(), "no chart of nothing"


@pytest.mark.parametrize(
    ("hour", "words"), [(4, "Good morning"), (11, "Good afternoon"), (17, "Good evening"), (3, "Good evening")]
)
def test_the_greeting_follows_the_clock_at_the_seller_s(
    people: World, client_for: Browser, clock: time_machine.Traveller, hour: int, words: str
) -> None:
    """UTC hours; Nantes is one ahead."""
    clock.move_to(people.now.replace(hour=hour))
    assert f"{words}, Camille" in text_of(client_for(people.camille).get("/my/"))


def test_the_day_ends_in_the_seller_s_zone(world: World, client_for: Browser, clock: time_machine.Traveller) -> None:
    number = world.quotation("Workshop and showroom roll-out").number
    clock.move_to("2026-11-12T22:59:59Z")
    assert f"Quotation {number} expires today" in text_of(client_for(world.camille).get("/my/"))
    clock.move_to("2026-11-12T23:00:00Z")
    assert f"Quotation {number} expires" not in text_of(client_for(world.camille).get("/my/"))


def test_the_page_costs_nine_statements_however_much_there_is(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    few = queries_of(client, "/my/")
    assert few <= 9
    for n in range(12):
        lines = [cast.line(world, "training", name=f"Session {k}") for k in range(3)]
        at = world.now - timedelta(days=n)
        quotation = cast.offer(world, world.fontaine, f"Many {n}", lines, at)
        if n % 2:
            cast.accept(world, quotation, at)
    assert queries_of(client, "/my/") == few


def test_looking_at_the_start_page_writes_nothing(world: World, client_for: Browser) -> None:
    before = books()
    client = client_for(world.camille)
    client.get("/my/")
    assert client.post("/my/").status_code == 405
    assert client.get("/my/?q=%00").status_code == 400
    assert Client().get("/my/").headers["Location"] == "/account/login/?next=/my/"
    assert client_for(world.hanna).get("/my/").status_code == 404
    assert books() == before
