"""The least that somebody may pay who chooses the amount: finance sets it, in the seller's currency."""

from collections.abc import Callable

from django.test import Client

from portico.billing.models import PaymentRules
from portico.cast import World

Browser = Callable[..., Client]


def test_finance_sets_the_least_amount_and_nobody_else(world: World, client_for: Browser) -> None:
    client, page = client_for(world.omar), "/staff/payment-rules/"
    assert client.post(page, {"least": "50.00"}).status_code == 302
    assert PaymentRules.of(world.seller).least_part_minor == 50_00
    assert 'value="50.00"' in client.get(page).content.decode()
    for wrong in ("0", "-1", "much", "0.001"):
        assert client.post(page, {"least": wrong}).status_code == 400
    assert client_for(world.hanna).post(page, {"least": "1"}).status_code == 403
    assert PaymentRules.of(world.seller).least_part_minor == 50_00
    assert client.post(page, {"least": ""}).status_code == 302
    assert PaymentRules.of(world.seller).least_part_minor is None
