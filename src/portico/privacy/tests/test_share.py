"""The link that opens a closed account: tested with closing (test_my); here, that it says nothing to a stranger."""

import pytest
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize("token", ["x", "1", "eyJ0IjoxfQ:1abc:forged", "%00"])
def test_a_forged_link_is_not_there(token: str) -> None:
    for answer in (Client().get(f"/share/reopen/{token}/"), Client().post(f"/share/reopen/{token}/")):
        assert answer.status_code in {400, 404}
