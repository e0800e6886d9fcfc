"""The thread of a quotation, as its customer reads and writes it. The other documents' threads are the same page."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from portico.accounts.models import Event, User
from portico.billing.actions import decide, send
from portico.billing.models import Quotation
from portico.cast import World
from portico.conversation.models import Attachment, Message, Thread

TITLE = "Workshop and showroom roll-out"


def address(world: World, title: str = TITLE) -> str:
    return f"/my/quotations/{world.quotation(title).number}/thread/"


def test_messages_and_happenings_stand_in_the_order_of_time(world: World, client_for: Callable[..., Client]) -> None:
    page = client_for(world.camille).get(address(world)).content.decode()
    told = [
        "Hanna Lindqvist sent version 1",
        "Camille Fontaine opened version 1",
        "asked for changes",
        "We now have a fourth person in the showroom",
        "<b>Additional users</b>: quantity 4 users",
        "sent version 2",
        "Version 2 has the migration",
        "Looks right to me",
    ]
    places = [page.find(words) for words in told]
    assert -1 not in places, dict(zip(told, places, strict=True))
    assert places == sorted(places)
    assert "began this quotation" not in page, "what is not for the customer does not stand there"


def test_any_member_may_write_and_everybody_of_the_company_reads_it(
    world: World, client_for: Callable[..., Client]
) -> None:
    client = client_for(world.julien)
    response = client.post(address(world), {"body": "Is the printer\r\nneeded?"})
    assert response.status_code == 302
    assert response.headers["Location"].startswith(address(world))
    page = client_for(world.camille).get(address(world)).content.decode()
    assert "Is the printer<br>needed?" in page
    message = Message.objects.latest("id")
    assert (message.author, message.from_staff, message.internal) == (world.julien, False, False)


def test_a_piece_of_a_page_gets_the_same_words_as_the_whole(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    whole = client.get(address(world)).content.decode()
    piece = client.get(address(world), headers={"HX-Request": "true"}).content.decode()
    assert "<html" in whole
    assert "<html" not in piece
    assert 'id="conversation"' in piece
    answer = client.post(address(world), {"body": "One more thing"}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "One more thing" in answer.content.decode()
    assert "<html" not in answer.content.decode()


@pytest.mark.parametrize("body", ["", "   \r\n ", "\u202e"])
def test_an_empty_message_is_refused(world: World, client_for: Callable[..., Client], body: str) -> None:
    before = Message.objects.count()
    response = client_for(world.camille).post(address(world), {"body": body})
    assert response.status_code == 400
    assert "Write a message" in response.content.decode()
    assert Message.objects.count() == before


def test_a_message_too_long_is_refused_and_kept_in_the_form(world: World, client_for: Callable[..., Client]) -> None:
    before = Message.objects.count()
    response = client_for(world.camille).post(address(world), {"body": "long words " * 1000})
    page = response.content.decode()
    assert response.status_code == 400
    assert "at most 8000 fit" in page
    assert page.count("long words") == 1000
    assert Message.objects.count() == before


def test_what_people_write_is_shown_as_text(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    client.post(address(world), {"body": "<script>alert(1)</script> {{ 7*7 }} <img src=x onerror=alert(2)>"})
    page = client.get(address(world)).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in page


def test_a_customer_cannot_write_an_internal_note(world: World, client_for: Callable[..., Client]) -> None:
    client_for(world.camille).post(address(world), {"body": "psst", "internal": "on"})
    assert not Message.objects.latest("id").internal


def test_internal_notes_and_their_files_do_not_exist_for_the_customer(
    world: World, client_for: Callable[..., Client]
) -> None:
    staff = client_for(world.hanna)
    staff.post(
        address(world).replace("/my/", "/staff/"),
        {"body": "Do not go below 7,500", "internal": "on", "files": SimpleUploadedFile("margin.csv", b"a;b")},
    )
    note = Message.objects.latest("id")
    assert note.internal
    attachment = note.attachments.get()
    client = client_for(world.camille)
    page = client.get(address(world)).content.decode()
    assert "7,500" not in page
    assert "margin.csv" not in page
    assert client.get(f"/my/attachments/{attachment.pk}/").status_code == 404
    assert staff.get(f"/staff/attachments/{attachment.pk}/").status_code == 200


def test_a_file_comes_back_as_a_download_that_no_browser_draws(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    content = b"%PDF-1.7 the list"
    client.post(address(world), {"body": "", "files": SimpleUploadedFile("Liste à jour.pdf", content)})
    attachment = Attachment.objects.latest("id")
    assert attachment.message.body == "Liste à jour.pdf"
    page = client.get(address(world)).content.decode()
    assert f"/my/attachments/{attachment.pk}/" in page
    assert "1 KB" in page
    response = client_for(world.julien).get(f"/my/attachments/{attachment.pk}/")
    assert response.content == content
    assert response["Content-Disposition"].startswith("attachment; filename*=utf-8''Liste%20%C3%A0%20jour.pdf")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    assert response["Cache-Control"] == "private, no-store"
    assert client_for(world.lena).get(f"/my/attachments/{attachment.pk}/").status_code == 404
    assert Client().get(f"/my/attachments/{attachment.pk}/").status_code == 302


def test_a_file_that_is_not_what_it_says_stops_the_whole_message(
    world: World, client_for: Callable[..., Client]
) -> None:
    before = Message.objects.count()
    for name, content in (("a.svg", b"<svg/>"), ("a.pdf", b"<html>")):
        response = client_for(world.camille).post(
            address(world), {"body": "See this", "files": SimpleUploadedFile(name, content)}
        )
        assert response.status_code == 400
        assert "See this" in response.content.decode(), "what was written stays in the form"
    assert Message.objects.count() == before


def test_files_of_a_draft_s_thread_are_not_there_yet(world: World, client_for: Callable[..., Client]) -> None:
    draft = Quotation.objects.get(customer=world.fontaine, current=None)
    staff = client_for(world.hanna)
    staff.post(f"/staff/quotations/{draft.number}/thread/", {"files": SimpleUploadedFile("early.txt", b"soon")})
    attachment = Attachment.objects.latest("id")
    client = client_for(world.camille)
    assert client.get(f"/my/attachments/{attachment.pk}/").status_code == 404
    assert client.get(f"/my/quotations/{draft.number}/thread/").status_code == 404
    send.send_quotation(quotation=draft, by=world.hanna, now=world.now)
    assert client.get(f"/my/attachments/{attachment.pk}/").status_code == 200


@pytest.mark.parametrize("number", ["Q-1999-00001", "nothing", "%2e%2e%2f", "Q-2026-00001%0d%0aX: y"])
def test_a_foreign_or_missing_document_is_404(world: World, client_for: Callable[..., Client], number: str) -> None:
    assert client_for(world.lena).get(address(world)).status_code == 404
    assert client_for(world.lena).post(address(world), {"body": "hello"}).status_code == 404
    assert client_for(world.camille).get(f"/my/quotations/{number}/thread/").status_code == 404


def test_a_person_whose_data_was_erased_is_still_on_its_side(world: World, client_for: Callable[..., Client]) -> None:
    quotation = world.quotation(TITLE)
    Message.objects.filter(thread__quotation=quotation).update(author=None)
    Event.objects.filter(noun="quotation", object_id=str(quotation.pk)).update(actor=None)
    page = client_for(world.camille).get(address(world)).content.decode()
    assert "A former colleague" in page
    assert "Northwind Software sent version 1" in page


def test_the_wishes_of_two_requests_stay_apart(world: World, client_for: Callable[..., Client]) -> None:
    decide.ask_for_changes(
        quotation=world.quotation(TITLE), by=world.member(world.camille), version=2, message="Later please",
        wishes={2: ("remove", None, "")}, now=world.now,
    )  # fmt: skip
    page = client_for(world.camille).get(address(world)).content.decode()
    assert page.count("leave out") == 1
    assert page.index("Later please") > page.index("We now have a fourth person")


def test_a_long_thread_shows_the_latest_and_the_rest_on_request(
    world: World, client_for: Callable[..., Client]
) -> None:
    with transaction.atomic():
        thread = Thread.on(world.quotation(TITLE), now=world.now)
        for n in range(130):
            thread.say(f"Message number {n}.", by=world.camille, now=world.now + timedelta(seconds=n))
    client = client_for(world.camille)
    page = client.get(address(world)).content.decode()
    assert "Message number 129." in page
    assert "Message number 5." not in page
    assert "Message number 5." in client.get(f"{address(world)}?all=1").content.decode()


def test_a_thread_costs_few_statements_however_long(
    world: World, client_for: Callable[..., Client], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with transaction.atomic():
        thread = Thread.on(world.quotation(TITLE), now=world.now)
        for n in range(50):
            by = User.objects.create_user(f"p{n}@fontaine.example", name=f"Person {n}")
            thread.say("Words.", by=by, now=world.now)
    for n in range(3):
        decide.ask_for_changes(
            quotation=world.quotation(TITLE), by=world.member(world.camille), version=2, message=f"Wish {n}",
            wishes={4: ("quantity", Decimal(n + 1), "")}, now=world.now,
        )  # fmt: skip
    client, where = client_for(world.camille), address(world)
    client.post(where, {"body": "See", "files": SimpleUploadedFile("a.txt", b"words")})
    with django_assert_max_num_queries(8):
        client.get(where)


def test_a_thread_without_a_word_says_so(world: World, client_for: Callable[..., Client]) -> None:
    page = client_for(world.lena).get(address(world, "Shop till for two branches")).content.decode()
    assert "0 messages" in page
