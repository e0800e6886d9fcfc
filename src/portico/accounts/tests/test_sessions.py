"""A session ends when it was not used for long, and when it lasted long enough."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portico.cast import World

LOGIN = "/account/login/"


@pytest.mark.parametrize(("hours", "stays"), [(71, True), (73, False)])
def test_a_customer_is_signed_out_after_three_days_without_a_click(
    world: World, clock: time_machine.Traveller, client_for: Callable[..., Client], hours: int, stays: bool
) -> None:
    client = client_for(world.camille)
    clock.shift(timedelta(hours=hours))
    assert (client.get("/my/account/").status_code == 200) is stays


def test_staff_is_signed_out_after_half_a_day(
    world: World, clock: time_machine.Traveller, client_for: Callable[..., Client]
) -> None:
    client = client_for(world.omar)
    clock.shift(timedelta(hours=13))
    assert client.get("/staff/account/").headers["Location"].startswith(LOGIN)


def test_nobody_stays_for_ever_however_busy(
    world: World, clock: time_machine.Traveller, client_for: Callable[..., Client]
) -> None:
    client = client_for(world.camille)
    for _day in range(14):
        clock.shift(timedelta(hours=23, minutes=59))
        assert client.get("/my/account/").status_code == 200
    clock.shift(timedelta(hours=1))
    assert client.get("/my/account/").headers["Location"].startswith(LOGIN)


def test_a_session_that_no_sign_in_began_is_worth_nothing(world: World, client_for: Callable[..., Client]) -> None:
    client = client_for(world.camille)
    session = client.session
    del session["began"]
    session.save()
    assert client.get("/my/account/").headers["Location"].startswith(LOGIN)


def test_a_click_writes_the_session_at_most_every_five_minutes(
    world: World, clock: time_machine.Traveller, client_for: Callable[..., Client]
) -> None:
    client = client_for(world.camille)
    clock.shift(timedelta(minutes=4))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/my/account/")
    assert not [query for query in queries if Session._meta.db_table in query["sql"] and "UPDATE" in query["sql"]]
    clock.shift(timedelta(minutes=2))
    client.get("/my/account/")
    assert client.session["seen"] - client.session["began"] == 360
