"""2,000 histories of sales with Stripe misbehaving, and the controls: with a guard off the machine finds a violation.

`PORTICO_TEST_HISTORIES=20000 PORTICO_TEST_SEED=7 ./portico test src/portico/billing/tests/histories` plays other and more of
them; the same two numbers play the same ones again.
"""

import os
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from portico.billing.actions import amounts, pay, receive
from portico.billing.actions import refund as refunding
from portico.billing.instalments import Left
from portico.billing.models import Invoice, Payment
from portico.billing.models.instalment import standing_of
from portico.billing.providers.base import Refunding, RefundReport, RefundSaid
from portico.billing.providers.stripe.provider import Stripe
from portico.billing.tests.histories.machine import History
from portico.billing.tests.histories.played import Wrong
from portico.billing.tests.histories.stage import Stage
from portico.billing.tests.providers.standin.company import Company
from portico.cast import World

pytestmark = [pytest.mark.django_db]
SEED = int(os.environ.get("PORTICO_TEST_SEED", "20261130"))
PARTS = 8
"""Played side by side where the suite runs in several processes."""
STEPS = 8


def wanted() -> int:
    """How many histories: 2,000, and 160 on PostgreSQL, where each takes longer."""
    return int(os.environ.get("PORTICO_TEST_HISTORIES", "2000" if connection.vendor == "sqlite" else "160"))


@pytest.fixture
def stage(people: World, company: Company, clock: time_machine.Traveller) -> Stage:
    return Stage(people, company, clock)


def play(stage: Stage, histories: int, number: int, *, shrink: bool = True) -> None:
    """Play so many histories of a seed; raises Wrong, or whatever the portal raised, with the shortest history found."""
    machine: type[History] = type("Played", (History,), {"stage": stage})
    how = settings(
        max_examples=histories, stateful_step_count=STEPS, deadline=None, database=None, derandomize=False,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])], suppress_health_check=list(HealthCheck),
        print_blob=False, report_multiple_bugs=False,
    )  # fmt: skip
    run_state_machine_as_test(seed(number)(machine), settings=how)


@pytest.mark.parametrize("part", range(PARTS))
def test_the_books_hold_in_any_history_of_a_sale(stage: Stage, part: int) -> None:
    number = wanted() // PARTS
    try:
        play(stage, number, SEED + part)
    except BaseException as fault:
        fault.add_note(f"Play it again with PORTICO_TEST_SEED={SEED} PORTICO_TEST_HISTORIES={wanted()}, part {part}.")
        raise
    finally:
        print(f"{stage.histories} histories, {stage.steps} steps; done {stage.done}; refused {stage.refused}")
    assert stage.histories >= number
    assert stage.steps > 4 * stage.histories
    usual = "accept", "start: stripe", "page: paid", "notices", "charge_saved", "refund", "bank_file", "credit: amount"
    if number >= 200:
        assert all(stage.done[name] > 3 for name in usual), stage.done


def test_the_control_that_takes_silence_for_a_failure_lets_two_tabs_pay(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(payment: Payment, *, now: datetime) -> None:
        receive.fail_payment(payment=payment, failure_code="timeout", now=now)

    monkeypatch.setattr(pay, "not_known", failed)
    with pytest.raises(Wrong, match=r"can be paid at|was charged|is booked"):
        play(stage, 400, SEED, shrink=False)


def test_the_control_that_forgets_what_is_on_its_way_charges_too_much(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets(invoice: Invoice) -> list[Left]:
        invoice.on_its_way_minor = 0
        return standing_of(invoice)

    monkeypatch.setattr(amounts, "standing_of", forgets)
    monkeypatch.setattr(Invoice, "left_to_pay_minor", property(lambda self: self.amount_due_minor))
    stage.only = frozenset({"accept", "checkout", "charge_saved", "notices_come"})

    def short_runs() -> None:
        for number in range(10):  # of several seeds: one alone may keep to a few kinds of history
            play(stage, 60, SEED + number, shrink=False)

    with pytest.raises(Wrong, match=r"and is charged|was charged"):
        short_runs()


def test_the_control_without_the_claim_books_what_came_twice(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(self: Payment, state: str, *, now: datetime, **changes: Any) -> bool:
        Payment.objects.filter(pk=self.pk).update(state=state, ended_at=now, next_lookup_at=None, **changes)
        self.targets.update(open=False, holds=False)
        self.refresh_from_db()
        return True

    monkeypatch.setattr(Payment, "end", end)
    with pytest.raises(Wrong):
        play(stage, 400, SEED, shrink=False)


def test_the_control_that_tries_a_refund_again_under_another_key_gives_back_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []

    def another(**options: Any) -> Refunding:
        tries.append(options["key"])
        return Refunding(**options | {"key": f"{options['key']}-{len(tries)}"})

    monkeypatch.setattr(refunding, "Refunding", another)
    monkeypatch.setattr(Stripe, "fetch_refund", lambda _self, _refunding: RefundReport(RefundSaid.NOTHING))
    stage.narrow("credit", "give_back", "decide_refund", "time_passes")

    def short_runs() -> None:
        for number in range(10):  # of several seeds: one alone may keep to a few kinds of history
            play(stage, 60, SEED + number, shrink=False)

    with pytest.raises(Wrong, match="Stripe gave"):
        short_runs()
