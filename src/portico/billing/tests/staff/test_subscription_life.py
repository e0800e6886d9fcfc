"""The desk renews by hand, cancels and pauses for a customer, and ends a subscription with a credit for unused days."""

from collections.abc import Callable

from django.test import Client

from portico.billing import books as ledger
from portico.billing.models import Invoice, Quotation
from portico.billing.tests.actions.test_renew import renewing, run
from portico.billing.tests.my.pages import books, sums_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
BASE = "/staff/subscriptions/renewing-000"


def test_the_end_shows_first_what_it_gives_back_and_that_is_what_it_credits(world: World, client_for: Browser) -> None:
    (one,) = renewing(world, 1)
    run(world)
    client, before = client_for(world.omar), books()
    page = client.get(f"{BASE}/end/")
    assert books() == before, "looking changes nothing"
    invoice = Invoice.objects.get(period__subscription=one)
    assert str(invoice.number) in text_of(page)
    assert client.post(f"{BASE}/end/", {"reason": " "}).status_code == 400
    done = client.post(f"{BASE}/end/", {"reason": "Closed", "give_back": "all"}, follow=True)
    note = Invoice.objects.get(refers_to=invoice)
    assert f"Credit note {note.number} is issued." in text_of(done)
    assert f'data-minor="{note.total_minor}"' in page.content.decode(), sums_of(page, "total")
    one.refresh_from_db()
    assert one.state == "ended"
    assert "Its documents stay." in text_of(client.get(f"{BASE}/"))
    assert client.post(f"{BASE}/end/", {"reason": "Again"}).status_code == 409
    assert ledger.verify() == []


def test_nothing_is_given_back_where_that_was_decided(world: World, client_for: Browser) -> None:
    (one,) = renewing(world, 1)
    run(world)
    client_for(world.omar).post(f"{BASE}/end/", {"reason": "Fraud", "give_back": "nothing"})
    one.refresh_from_db()
    assert one.state == "ended"
    assert not Invoice.objects.filter(kind="credit_note", refers_to__period__subscription=one).exists()


def test_sales_prepares_the_renewal_by_hand(world: World, client_for: Browser) -> None:
    (one,) = renewing(world, 1, days_ago=10)
    client = client_for(world.hanna)
    assert "Send the renewal quotation" in text_of(client.get(f"{BASE}/renewal/"))
    assert client.post(f"{BASE}/renewal/", {"term": "none"}).status_code == 400
    answer = client.post(f"{BASE}/renewal/", {"term": "1"})
    quotation = Quotation.objects.get(subscription=one, kind="renewal")
    assert answer.headers["Location"] == f"/staff/quotations/{quotation.number}/"
    assert client_for(world.omar).get(f"{BASE}/renewal/").status_code == 403


def test_the_desk_cancels_and_pauses_for_a_customer(world: World, client_for: Browser) -> None:
    (one,) = renewing(world, 1, days_ago=10)
    client = client_for(world.hanna)
    for do, words in (
        ({"do": "pause"}, "It pauses on"),
        ({"do": "back"}, "renewing-000"),
        ({"do": "leave", "reason": "price"}, "Cancelled: it ends on"),
        ({"do": "stay"}, "renewing-000"),
    ):
        assert words in text_of(client.post(f"{BASE}/leave/", do, follow=True))
    assert client.post(f"{BASE}/leave/", {"do": "leave"}).status_code == 400
    assert client.post(f"{BASE}/leave/", {"do": "what"}).status_code == 400
    assert client.post(f"{BASE}/leave/", {"do": "stay"}).status_code == 409
    one.refresh_from_db()
    assert (one.leave_asked_at, one.pause_asked_at) == (None, None)
