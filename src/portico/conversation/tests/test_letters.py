"""A message is told to the other side of the desk: to whom it concerns, never to its author, never an internal note."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.accounts.models import LetterChoice
from portico.billing.actions.access import choose_databases
from portico.billing.models import Quotation, Subscription
from portico.cast import World
from portico.conversation.models import Thread
from portico.kit.models import Letter
from portico.kit.outbox import render

Browser = Callable[..., Client]


@pytest.fixture
def quotation(world: World) -> Quotation:
    """The quotation on which Hanna, and Julien of the other side, wrote before."""
    Letter.objects.all().delete()
    return world.quotation("Workshop and showroom roll-out")


def readers() -> list[str]:
    return sorted(Letter.objects.filter(event="thread_message").values_list("to_address", flat=True))


def write(client: Client, where: str, **form: str) -> None:
    assert client.post(where, {"body": "A word about this.", **form}).status_code == 302


def test_a_members_message_goes_to_the_salesperson(world: World, client_for: Browser, quotation: Quotation) -> None:
    write(client_for(world.camille), f"/my/quotations/{quotation.number}/thread/")
    assert readers() == ["hanna@northwind.example"]
    rendered = render(Letter.objects.get(event="thread_message"))
    assert rendered is not None
    assert f"http://localhost:8000/staff/quotations/{quotation.number}/thread/" in rendered.text
    assert "Camille Fontaine at Atelier Fontaine SARL wrote:" in rendered.text
    assert "A word about this." in rendered.text


def test_staffs_message_goes_to_those_who_decide_and_those_who_wrote(
    world: World, client_for: Browser, quotation: Quotation
) -> None:
    write(client_for(world.omar), f"/staff/quotations/{quotation.number}/thread/")
    assert readers() == ["camille@fontaine.example", "julien@fontaine.example"]
    rendered = render(Letter.objects.filter(event="thread_message").earliest("id"))
    assert rendered is not None
    assert f"http://localhost:8000/my/quotations/{quotation.number}/thread/" in rendered.text


def test_who_wrote_and_no_longer_sees_the_document_gets_nothing(
    world: World, client_for: Browser, quotation: Quotation
) -> None:
    julien = world.member(world.julien)
    shown = Subscription.objects.filter(customer=world.fontaine).exclude(quotations=quotation).earliest("id")
    choose_databases(membership=julien, names=[shown.database.name], by=world.camille, now=world.now)
    assert client_for(world.julien).get(f"/my/quotations/{quotation.number}/").status_code == 404
    write(client_for(world.omar), f"/staff/quotations/{quotation.number}/thread/")
    assert readers() == ["camille@fontaine.example"]


def test_an_internal_note_is_told_to_nobody(world: World, client_for: Browser, quotation: Quotation) -> None:
    write(client_for(world.hanna), f"/staff/quotations/{quotation.number}/thread/", internal="on")
    assert Thread.objects.get(quotation=quotation).messages.filter(internal=True).exists()
    assert readers() == []


def test_who_does_not_want_messages_gets_none(world: World, client_for: Browser, quotation: Quotation) -> None:
    for user in (world.camille, world.hanna):
        LetterChoice.choose(user, {"thread_message": False})
    write(client_for(world.omar), f"/staff/quotations/{quotation.number}/thread/")
    write(client_for(world.camille), f"/my/quotations/{quotation.number}/thread/")
    assert readers() == ["julien@fontaine.example"]


def test_a_message_on_any_document_finds_its_readers_and_leads_back(world: World, client_for: Browser) -> None:
    Letter.objects.all().delete()
    order, invoice = world.order("Showroom configuration"), world.invoice("On-site training in Lyon")
    for where, concerned in (
        (f"orders/{order.number}", {"camille@fontaine.example"}),
        (f"invoices/{invoice.number}", {"camille@fontaine.example", "julien@fontaine.example"}),
        ("subscriptions/atelier-fontaine", {"camille@fontaine.example"}),
    ):
        for user, side, told in (
            (world.hanna, "staff", concerned),
            (world.camille, "my", {"hanna@northwind.example"}),
        ):
            Letter.objects.all().delete()
            write(client_for(user), f"/{side}/{where}/thread/")
            assert set(readers()) == told, where
            rendered = render(Letter.objects.earliest("id"))
            assert rendered is not None
            other = "my" if side == "staff" else "staff"
            assert f"http://localhost:8000/{other}/{where}/thread/" in rendered.text
