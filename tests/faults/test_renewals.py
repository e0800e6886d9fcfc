"""Renewals through kills and a server that loses its current; the full size is `./portico bench renewals --faults`."""

import pytest

from bench import faults

pytestmark = pytest.mark.postgresql


def test_each_is_renewed_once_though_workers_are_killed_and_postgresql_is_stopped_at_once() -> None:
    found = faults.run(1_000, kills=12, restarts=1, limit=240)
    assert found.wrong == ()
    assert (found.renewed, found.invoices) == (1_000, 1_000)
    assert found.kills >= 10
    assert found.restarts == 1


def test_the_harness_sees_what_it_looks_for() -> None:
    """The control: without the counter's lock and the unique number, numbers are given twice."""
    found = faults.run(300, kills=0, restarts=0, guarded=False, limit=120)
    assert any("given twice" in said for said in found.wrong), found
