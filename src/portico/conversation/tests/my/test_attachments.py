"""Files are reached by whoever may read their message; the rest stands with the threads (test_quotations.py)."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.cast import World


@pytest.mark.parametrize("number", ["0", "999999999", "99999999999999999999999999", "-1", "1e3", "x"])
def test_a_file_that_is_not_there_is_404(world: World, client_for: Callable[..., Client], number: str) -> None:
    assert client_for(world.camille).get(f"/my/attachments/{number}/").status_code == 404
