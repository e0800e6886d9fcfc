"""A stand-in for Stripe, and the portal set up to speak with it."""

from collections.abc import Iterator
from typing import Any

import pytest

from portico.billing.tests.providers.standin.company import Company
from portico.billing.tests.providers.standin.server import running
from portico.billing.tests.providers.stripes import SECRET


@pytest.fixture
def company(settings: Any) -> Iterator[Company]:
    """Stripe, on loopback."""
    with running() as found:
        settings.PORTICO_STRIPE_KEY = found.key
        settings.PORTICO_STRIPE_ADDRESS = found.address
        settings.PORTICO_PROVIDERS = ["stripe", "bank_transfer", "sandbox"]  # the cast pays in the last
        settings.PORTICO_WEBHOOK_SECRETS = {**settings.PORTICO_WEBHOOK_SECRETS, "stripe": SECRET}
        yield found
