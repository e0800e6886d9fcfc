"""The coming charges through their page."""

from collections.abc import Callable

from django.test import Client

from portico.billing.forecast import forecast
from portico.billing.models import Subscription
from portico.billing.tests.my.pages import books, queries_of, text_of
from portico.cast import World
from portico.kit import formats
from portico.kit.periods import today

Browser = Callable[..., Client]
PAGE = "/my/forecasts/"


def test_every_charge_stands_on_its_day_with_its_vat(world: World, client_for: Browser) -> None:
    before = books()
    answer = client_for(world.camille).get(PAGE)
    told = text_of(answer)
    for words in ("Coming charges in EUR", "atelier-fontaine", "VAT as it stands today", "incl. VAT in twelve months"):
        assert words in told
    assert books() == before
    rows = Subscription.objects.filter(customer=world.fontaine)
    found = forecast(rows, world.fontaine, today(world.now, world.seller.zone))
    total = formats.money(sum(charge.total_minor for charge in found.charges), "EUR", "en")
    assert f"In all {total} incl. VAT in twelve months" in told


def test_another_company_sees_its_own_alone(world: World, client_for: Browser) -> None:
    told = text_of(client_for(world.lena).get(PAGE))
    assert "atelier-fontaine" not in told


def test_nothing_to_come(world: World, client_for: Browser) -> None:
    Subscription.objects.filter(customer=world.fontaine).exclude(period_end=None).update(state="ended")
    assert "Nothing is to be charged" in text_of(client_for(world.camille).get(PAGE))


def test_few_statements(world: World, client_for: Browser) -> None:
    assert queries_of(client_for(world.camille), PAGE) <= 6
