"""Threads on the desk: the same page, with what the customer never sees."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.cast import World
from portico.conversation.models import Message

TITLE = "Workshop and showroom roll-out"


def test_staff_reads_what_is_internal_and_answers(world: World, client_for: Callable[..., Client]) -> None:
    address = f"/staff/quotations/{world.quotation(TITLE).number}/thread/"
    client = client_for(world.omar)
    page = client.get(address).content.decode()
    assert "Hanna Lindqvist began this quotation." in page
    assert "only you and your colleagues see this" in page
    assert client.post(address, {"body": "For us alone", "internal": "on"}).status_code == 302
    assert client.post(address, {"body": "For you too"}).status_code == 302
    notes = list(Message.objects.order_by("-id").values_list("body", "internal", "from_staff")[:2])
    assert notes == [("For you too", False, True), ("For us alone", True, True)]
    page = client.get(address).content.decode()
    assert "Internal note" in page


def test_the_switch_for_notes_stays_as_it_was_after_an_error(world: World, client_for: Callable[..., Client]) -> None:
    address = f"/staff/quotations/{world.quotation(TITLE).number}/thread/"
    response = client_for(world.hanna).post(address, {"body": "x" * 8001, "internal": "on"})
    assert response.status_code == 400
    assert 'name="internal" checked' in response.content.decode()


@pytest.mark.parametrize("number", ["Q-1999-00001", "x"])
def test_what_is_not_there_is_404(world: World, client_for: Callable[..., Client], number: str) -> None:
    assert client_for(world.hanna).get(f"/staff/quotations/{number}/thread/").status_code == 404
