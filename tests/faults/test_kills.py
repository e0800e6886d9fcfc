"""Sales through SIGKILLs and a PostgreSQL that loses its current; the full size is `./portico bench payments --faults`."""

import pytest

from bench import kills

pytestmark = pytest.mark.postgresql


def test_each_sale_ends_once_though_processes_are_killed_and_postgresql_is_stopped_at_once() -> None:
    found = kills.run(12, kills=5, stops=1)
    assert found.wrong == ()
    assert found.stops == 1
    assert sum(found.kills.values()) >= 4
