"""Coupons in the admin: written once, ended, and never taken from who used them."""

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from portico.billing.models import Coupon, CouponUse, Product
from portico.billing.tests.my.pages import form_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
HERE = "/staff/admin/billing/coupon/"


def typed(client: Client, **changes: str) -> dict[str, str]:
    """A new coupon's form: twenty percent."""
    return form_of(client.get(f"{HERE}add/")) | {"code": "spring-26", "percent": "20", "duration": "once"} | changes


def test_a_coupon_is_written_and_listed(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    answer = client.post(f"{HERE}add/", typed(client, duration="periods", periods="3", max_uses="50"))
    assert answer.status_code == 302, text_of(answer)
    made = Coupon.objects.latest("pk")
    assert (made.code, made.percent, made.periods, made.max_uses, made.seller) == (
        "SPRING-26", 20, 3, 50, world.seller,
    )  # fmt: skip
    listed = text_of(client.get(HERE))
    for words in ("SPRING-26", "20%", "3 periods", "0 / 50"):
        assert words in listed


def test_amounts_are_kept_in_minor_units_by_currency(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    answer = client.post(f"{HERE}add/", typed(client, percent="", amounts_typed="EUR 50; jpy 9000"))
    assert answer.status_code == 302, text_of(answer)
    made = Coupon.objects.latest("pk")
    assert made.amounts == {"EUR": 5000, "JPY": 9000}
    assert 'value="EUR 50.00; JPY 9,000"' in client.get(f"{HERE}{made.pk}/change/").content.decode()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"percent": ""}, "Give either a percentage or amounts"),
        ({"amounts_typed": "EUR 5"}, "Give either a percentage or amounts"),
        ({"percent": "0"}, "A discount is above 0"),
        ({"percent": "100.5"}, "A discount is above 0"),
        ({"percent": "", "amounts_typed": "50"}, "with its currency"),
        ({"percent": "", "amounts_typed": "EUR 0.001"}, "Round the amount"),
        ({"percent": "", "amounts_typed": "EUR -5"}, "above zero"),
        ({"percent": "", "amounts_typed": "EUR 5", "duration": "forever"}, "is taken off once"),
        ({"code": "so bad"}, "Enter a valid value"),
        ({"valid_from": "2026-05-02", "valid_until": "2026-05-01"}, "before the first"),
    ],
)
def test_what_cannot_be_is_refused(world: World, client_for: Browser, changes: dict[str, str], said: str) -> None:
    client = client_for(world.admin)
    answer = client.post(f"{HERE}add/", typed(client, **changes))
    assert answer.status_code == 200
    assert said in text_of(answer)
    assert Coupon.objects.count() == 1, "the one that was there"


def test_one_that_was_used_stays_and_can_be_ended(world: World, client_for: Browser) -> None:
    client = client_for(world.admin)
    made = Coupon.objects.create(seller=world.seller, code="WELCOME", percent=Decimal(20), used=1)
    CouponUse.objects.create(
        coupon=made, customer=world.fontaine, subscription=world.subscription("atelier-fontaine"), taken_at=world.now
    )
    there = f"{HERE}{made.pk}/change/"
    assert client.post(f"{HERE}{made.pk}/delete/", {"post": "yes"}).status_code == 403
    form = form_of(client.get(there))
    assert "used 1 times already" in text_of(client.post(there, form | {"max_uses": "0"}))
    form.pop("is_active")
    assert client.post(there, form).status_code == 302
    made.refresh_from_db()
    assert not made.is_active


def test_a_minimum_term_and_a_trial_are_set_on_the_product(world: World, client_for: Browser) -> None:
    client, plan = client_for(world.admin), world.products["plan-business"]
    there = f"/staff/admin/billing/product/{plan.pk}/change/"
    form = form_of(client.get(there))
    assert "At most 120 months" in text_of(client.post(there, form | {"minimum_months": "121"}))
    assert client.post(there, form | {"minimum_months": "24", "trial_days": "30"}).status_code == 302
    assert Product.objects.filter(pk=plan.pk, minimum_months=24, trial_days=30).exists()
    page = client_for(world.hanna).get(f"/staff/quotations/new/?customer={world.fontaine.pk}")
    assert form_of(page)["trial_days"] == "30"
