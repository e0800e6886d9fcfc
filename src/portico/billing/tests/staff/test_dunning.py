"""Reminding on the desk: the board by stage, pausing with a reason, the rules."""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.test import Client

from portico.billing.actions import dunning
from portico.billing.models import DunningPause, DunningRules
from portico.billing.tests.my.pages import queries_of, rows_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.cast import World

Browser = Callable[..., Client]
BOARD = "/staff/dunning/"
LATE = "On-site training in Lyon"


def reminded(world: World) -> str:
    invoice = world.invoice(LATE)
    assert invoice.due_on is not None
    for days in (7, 14):
        dunning.remind_due(datetime.combine(invoice.due_on, world.now.timetz()) + timedelta(days=days))
    return str(invoice.number)


def test_the_board_shows_each_at_its_stage(world: World, client_for: Browser) -> None:
    client, number = client_for(world.omar), reminded(world)
    assert number in dict(rows_of(client.get(BOARD)))
    assert number in dict(rows_of(client.get(BOARD, {"status": "formal"})))
    assert number not in dict(rows_of(client.get(BOARD, {"status": "late"})))
    assert client.get(BOARD, {"status": "paused"}).status_code == 200
    assert queries_of(client, BOARD) <= 4
    assert b"Formal notice" in b"".join(client.get(BOARD, {"format": "csv"}))
    told = text_of(client.get(f"/staff/invoices/{number}/"))
    assert "Formal notice" in told
    assert "Reminded" in told


def test_a_pause_is_set_seen_and_lifted(world: World, client_for: Browser) -> None:
    client, number = client_for(world.hanna), reminded(world)
    where = f"{BOARD}pause/?invoice={number}"
    form = main_form(client.get(where))
    assert client.post(f"{BOARD}pause/", form | {"reason": ""}).status_code == 400
    assert client.post(f"{BOARD}pause/", form | {"reason": "x", "until": "soon"}).status_code == 400
    assert client.post(f"{BOARD}pause/", form | {"reason": "They wait for a part."}).status_code == 302
    assert client.post(f"{BOARD}pause/", form | {"reason": "Again."}).status_code == 409
    assert number in dict(rows_of(client.get(BOARD, {"status": "paused"})))
    assert "They wait for a part." in text_of(client.get(where))
    pause = DunningPause.objects.get()
    assert client.post(f"{BOARD}{pause.pk}/resume/").status_code == 302
    assert client.post(f"{BOARD}{pause.pk}/resume/").status_code == 409
    assert client.get(f"{BOARD}pause/?invoice=INV-1999-00001").status_code == 404
    assert client.get(f"{BOARD}pause/").status_code == 400
    assert client.get(f"{BOARD}pause/?customer={world.fontaine.pk}").status_code == 200


def test_the_rules_are_changed_by_finance_alone(world: World, client_for: Browser) -> None:
    where = f"{BOARD}rules/"
    assert client_for(world.hanna).get(where).status_code == 403
    client = client_for(world.omar)
    answer = client.get(where)
    assert "Code de commerce" in text_of(answer)
    form = main_form(answer)
    assert "claims_fee" not in form, "nothing is claimed unless it is switched on"
    assert client.post(where, form | {"formal_days": "5"}).status_code == 400
    assert client.post(where, form | {"formal_days": "x"}).status_code == 400
    assert client.post(where, form | {"formal_days": "21", "claims_fee": "on", "suspend_days": ""}).status_code == 302
    rules = DunningRules.objects.get()
    assert (rules.formal_days, rules.claims_fee, rules.claims_interest, rules.suspend_days) == (21, True, False, None)
