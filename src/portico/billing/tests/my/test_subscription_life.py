"""Renewing, pausing and leaving, through the customer's pages: what is said first, what is done, what is refused."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from portico import cast
from portico.accounts.models import Event
from portico.billing import books as ledger
from portico.billing.models import Invoice, Quotation, Subscription
from portico.billing.tests.my.pages import books, queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
BASE = "/my/subscriptions"
MAIN = "atelier-fontaine"
CODES = [("plan-starter", "1"), ("users", "3")]


def opened(world: World, *, auto: bool = False, term: int = 1, state: str = "active") -> Subscription:
    """A subscription of Fontaine, begun ten days ago."""
    one = cast.open_database(world, world.fontaine, "lives", CODES, term=term, start_days_ago=10, state=state)
    Subscription.objects.filter(pk=one.pk).update(auto_renew=auto and state != "ended")
    one.refresh_from_db()
    return one


def told(one: Subscription) -> list[str]:
    """What happened to it, oldest first."""
    rows = Event.objects.filter(noun="subscription", object_id=str(one.pk)).order_by("id")
    return list(rows.values_list("name", flat=True))


def test_leaving_says_first_what_it_means_and_is_taken_back(world: World, client_for: Browser) -> None:
    one, client = opened(world), client_for(world.camille)
    before = books()
    page = text_of(client.get(f"{BASE}/lives/leave/"))
    for words in ("It runs until", "Stays payable", "Nothing is open.", "can be downloaded", "Why do you leave?"):
        assert words in page
    assert books() == before, "looking changes nothing"
    assert client.post(f"{BASE}/lives/leave/", {"do": "leave"}).status_code == 400
    assert told(one) == []
    done = client.post(f"{BASE}/lives/leave/", {"do": "leave", "reason": "price", "comment": "Too <dear>"}, follow=True)
    assert "Cancelled: it ends on" in text_of(done)
    assert client.post(f"{BASE}/lives/leave/", {"do": "leave", "reason": "price"}).status_code == 409
    assert "1 subscription is cancelled" in text_of(client_for(world.hanna).get("/staff/"))
    assert "It goes on." in text_of(client.post(f"{BASE}/lives/leave/", {"do": "stay"}, follow=True))
    assert told(one) == ["subscription.cancellation_asked", "subscription.cancellation_withdrawn"]


def test_what_is_open_is_named_before_leaving(world: World, client_for: Browser) -> None:
    one = opened(world)
    invoice = Invoice.objects.filter(customer=world.fontaine, period=None).open().latest("id")
    Invoice.objects.filter(pk=invoice.pk).update(period=one.periods.get())
    assert str(invoice.number) in text_of(client_for(world.camille).get(f"{BASE}/lives/leave/"))


def test_a_pause_is_asked_for_and_taken_back(world: World, client_for: Browser) -> None:
    one, client = opened(world), client_for(world.camille)
    assert "You can take the pause back" in text_of(client.get(f"{BASE}/lives/pause/"))
    assert "It pauses on" in text_of(client.post(f"{BASE}/lives/pause/", {"do": "pause"}, follow=True))
    assert "Do not pause" in text_of(client.get(f"{BASE}/lives/pause/"))
    client.post(f"{BASE}/lives/pause/", {"do": "back"})
    one.refresh_from_db()
    assert one.pause_asked_at is None
    assert told(one) == ["subscription.pause_asked", "subscription.pause_withdrawn"]


@pytest.mark.parametrize("auto", [True, False])
def test_a_paused_one_goes_on_by_an_invoice_or_by_a_quotation(world: World, client_for: Browser, auto: bool) -> None:
    one, client = opened(world, auto=auto, state="paused"), client_for(world.camille)
    assert "This subscription pauses." in text_of(client.get(f"{BASE}/lives/"))
    assert client.post(f"{BASE}/lives/pause/", {"do": "resume"}).status_code == 302
    one.refresh_from_db()
    assert one.state == ("active" if auto else "paused")
    assert Quotation.objects.filter(subscription=one, kind="renewal").count() == (0 if auto else 1)


def test_who_pays_switches_renewing_by_itself_and_it_is_recorded(world: World, client_for: Browser) -> None:
    one, client = opened(world), client_for(world.julien)
    page = f"{BASE}/lives/renewal/"
    assert "It does not renew by itself" in text_of(client.get(page))
    assert "It renews by itself: its next period" in text_of(client.post(page, {"do": "on"}, follow=True))
    assert client.post(page, {"do": "on"}).status_code == 409
    client.post(page, {"do": "off"})
    assert told(one) == ["subscription.auto_renewal_on", "subscription.auto_renewal_off"]
    assert client.post(page, {"do": "quote", "term": "1"}).status_code == 403, "who only pays decides nothing"


def test_the_renewal_is_asked_for_in_another_term(world: World, client_for: Browser) -> None:
    one, client = opened(world, term=1), client_for(world.camille)
    page = f"{BASE}/lives/renewal/"
    assert "Yearly" in text_of(client.get(page))
    for wrong in ("", "x", "7", "-1", "9999"):
        assert client.post(page, {"do": "quote", "term": wrong}).status_code == 400
    answer = client.post(page, {"do": "quote", "term": "12"})
    quotation = Quotation.objects.get(subscription=one, kind="renewal")
    assert answer.headers["Location"] == f"/my/quotations/{quotation.number}/"
    assert quotation.term_months == 12
    assert ledger.verify() == []


def test_an_ended_one_says_so_and_keeps_its_papers(world: World, client_for: Browser) -> None:
    opened(world, state="ended")
    client = client_for(world.camille)
    assert "This subscription has ended." in text_of(client.get(f"{BASE}/lives/"))
    for verb, word in (("leave", "nothing to cancel"), ("renewal", "nothing to renew"), ("pause", "cannot pause")):
        assert word in text_of(client.get(f"{BASE}/lives/{verb}/"))
    assert client.post(f"{BASE}/lives/leave/", {"do": "leave", "reason": "price"}).status_code == 409


@pytest.mark.parametrize("verb", ["leave", "pause", "renewal"])
def test_few_statements_and_nothing_of_others(world: World, client_for: Browser, verb: str) -> None:
    opened(world)
    assert queries_of(client_for(world.camille), f"{BASE}/lives/{verb}/") <= 12
    assert client_for(world.lena).get(f"{BASE}/lives/{verb}/").status_code == 404


def test_not_before_the_minimum_term(world: World, client_for: Browser) -> None:
    one = opened(world)
    assert one.period_end
    one.items.update(committed_until=one.period_end + timedelta(days=1))
    answer = client_for(world.camille).post(f"{BASE}/lives/leave/", {"do": "leave", "reason": "price"})
    assert answer.status_code == 400
    assert "at least" in text_of(answer)
    one.items.update(committed_until=one.period_end)
    assert client_for(world.camille).post(f"{BASE}/lives/leave/", {"do": "leave", "reason": "price"}).status_code == 302
