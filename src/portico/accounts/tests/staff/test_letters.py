"""Letters on the desk: what waits, what was sent and how it read, what failed and is sent again."""

from collections.abc import Callable

import pytest
from django.core import mail
from django.test import Client

from portico.accounts.models import Seller
from portico.billing.tests.my.pages import next_of, queries_of, rows_of, text_of
from portico.cast import World
from portico.kit.models import Letter
from portico.kit.outbox import send_letters

Browser = Callable[..., Client]
LETTERS = "/staff/letters/"


def sent(world: World, event: str) -> Letter:
    """A letter of this event, sent by the worker."""
    letter = Letter.objects.filter(event=event, state="queued").latest("id")
    Letter.objects.filter(state="queued").exclude(pk=letter.pk).update(next_attempt_at=world.now.replace(year=2100))
    assert send_letters(world.now) == 1
    letter.refresh_from_db()
    return letter


def failed(world: World) -> Letter:
    """A letter that came to nothing."""
    letter = Letter.objects.filter(state="queued").latest("id")
    assert letter.take(world.now)
    letter.fail(error="SMTPRecipientsRefused")
    return letter


def test_the_list_tells_what_waits_and_the_page_what_was_sent(world: World, client_for: Browser) -> None:
    letter, client = sent(world, "new_version"), client_for(world.hanna)
    assert rows_of(client.get(f"{LETTERS}?status=sent")) == [(str(letter.pk), "sent")]
    assert {status for _number, status in rows_of(client.get(f"{LETTERS}?status=queued"))} == {"queued"}
    page = text_of(client.get(f"{LETTERS}{letter.pk}/"))
    assert "New version of quotation" in page
    assert "camille@fontaine.example" in page
    assert "Migration added, mapping shortened" in page
    assert letter.message_id in page


def test_a_letter_can_be_seen_as_a_mail_and_can_do_nothing_there(world: World, client_for: Browser) -> None:
    letter, client = sent(world, "new_version"), client_for(world.hanna)
    response = client.get(f"{LETTERS}{letter.pk}/html/")
    assert response.content.decode() == letter.html
    assert response.headers["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    waiting = Letter.objects.filter(state="queued").latest("id")
    assert client.get(f"{LETTERS}{waiting.pk}/html/").status_code == 404
    assert "moment of sending" in text_of(client.get(f"{LETTERS}{waiting.pk}/"))


@pytest.mark.parametrize("words", ["camille@FONTAINE", "Camille Font", "new version of a"])
def test_letters_are_found_by_reader_and_by_what_they_tell(world: World, client_for: Browser, words: str) -> None:
    found = rows_of(client_for(world.hanna).get(LETTERS, {"q": words, "size": "100"}))
    told = set(Letter.objects.filter(pk__in=[number for number, _status in found]).values_list("to_address", flat=True))
    assert told == {"camille@fontaine.example"}
    assert rows_of(client_for(world.hanna).get(LETTERS, {"q": "nobody of this name"})) == []


def test_a_failed_letter_waits_on_today_and_is_sent_again_once(world: World, client_for: Browser) -> None:
    letter, client = failed(world), client_for(world.hanna)
    assert letter.to_address in text_of(client.get("/staff/"))
    assert "SMTPRecipientsRefused" in text_of(client.get(f"{LETTERS}{letter.pk}/"))
    assert client.post(f"{LETTERS}{letter.pk}/retry/").headers["Location"] == f"{LETTERS}{letter.pk}/"
    assert client.post(f"{LETTERS}{letter.pk}/retry/").status_code == 409
    letter.refresh_from_db()
    assert (letter.state, letter.attempts, letter.error) == ("queued", 0, "")
    mail.outbox.clear()
    while send_letters(world.now):
        pass
    assert sum(message.extra_headers["Message-ID"] == letter.message_id for message in mail.outbox) == 1
    assert "Letters that were not delivered" not in text_of(client.get("/staff/"))


def test_letters_of_another_seller_do_not_exist(world: World, client_for: Browser) -> None:
    other = Seller.objects.create(legal_name="Southwind BV", country="NL")
    letter = Letter.objects.latest("id")
    Letter.objects.filter(pk=letter.pk).update(seller=other.pk)
    client = client_for(world.hanna)
    for page in ("", "html/"):
        assert client.get(f"{LETTERS}{letter.pk}/{page}").status_code == 404
    assert client.post(f"{LETTERS}{letter.pk}/retry/").status_code == 404
    assert client.get(f"{LETTERS}{2**63}/").status_code == 404


def test_the_list_goes_on_at_the_same_cost(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    cost = queries_of(client, LETTERS)
    first = client.get(LETTERS)
    second = client.get(LETTERS + next_of(first))
    assert not set(rows_of(first)) & set(rows_of(second))
    assert queries_of(client, f"{LETTERS}?size=5") == cost <= 4


def test_staff_chooses_its_own_mails(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    page = text_of(client.get("/staff/account/letters/"))
    assert "A quotation was rejected" in page
    assert "An invoice was issued" not in page, "that one goes to customers alone"
    assert client.post("/staff/account/letters/", {"quotation_rejected": "on"}).status_code == 302
    off = set(world.hanna.letter_choices.filter(wanted=False).values_list("event", flat=True))
    assert off == {
        "quotation_accepted", "changes_requested", "thread_message", "invoice_disputed", "webhook_dead", "identity_asked",
        "archive_ready",
    }  # fmt: skip
