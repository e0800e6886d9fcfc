"""The days of renewing, through their page."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.billing.models import RenewalRules
from portico.billing.tests.my.pages import text_of
from portico.cast import World

Browser = Callable[..., Client]
PAGE = "/staff/renewal-rules/"
GOOD = {"ahead_days": "60", "grace_days": "7", "ending_days": "21"}


def test_finance_keeps_the_days(people: World, client_for: Browser) -> None:
    client = client_for(people.omar)
    page = client.get(PAGE).content.decode()
    for usual in ("45", "14", "30"):
        assert f'value="{usual}"' in page
    assert client.post(PAGE, GOOD).status_code == 302
    rules = RenewalRules.of(people.seller)
    assert (rules.ahead_days, rules.grace_days, rules.ending_days) == (60, 7, 21)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ahead_days": "0"}, {"ahead_days": "181"}, {"grace_days": "0"}, {"grace_days": "181"}, {"ending_days": "0"},
        {"ending_days": "366"}, {"ahead_days": "many"}, {"grace_days": "-1"}, {"ending_days": "٣"},
    ],
)  # fmt: skip
def test_days_out_of_range_are_refused_and_nothing_is_kept(
    people: World, client_for: Browser, wrong: dict[str, str]
) -> None:
    answer = client_for(people.admin).post(PAGE, GOOD | wrong)
    assert answer.status_code == 400
    assert "days" in text_of(answer)
    assert not RenewalRules.objects.exists()


def test_sales_does_not_change_them(people: World, client_for: Browser) -> None:
    assert client_for(people.hanna).post(PAGE, GOOD).status_code == 403
    assert not RenewalRules.objects.exists()
