"""Speaking with Stripe: the official SDK, loaded when first needed, our version of the API, its errors in our words."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from django.conf import settings

from portico.billing.providers.base import Declined, Unanswered

API_VERSION = "2026-10-28.endive"
"""What requests, answers and notices look like. Changing it means reading Stripe's changelog and running the tests."""
SECONDS_TO_CONNECT, SECONDS_TO_ANSWER = 5, 25
MOST_LISTED = 2000
"""A look-up by our own id reads no further than this many objects."""


@cache
def sdk() -> Any:
    """The module `stripe`: 0.2 s of CPU and 17 MB, which only those pay who ask Stripe something."""
    import stripe  # see above

    stripe.enable_telemetry = False
    return stripe


@cache
def _client(key: str, address: str) -> Any:
    stripe = sdk()
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": address} if address else None,
        max_network_retries=0,  # whether to ask again is decided by the janitor
        http_client=stripe.RequestsClient(timeout=(SECONDS_TO_CONNECT, SECONDS_TO_ANSWER)),
    )


def client() -> Any:
    """Stripe's API with our key."""
    if not settings.PORTICO_STRIPE_KEY:
        raise Declined("provider_not_configured")
    return _client(settings.PORTICO_STRIPE_KEY, settings.PORTICO_STRIPE_ADDRESS).v1


@contextmanager
def asking() -> Iterator[None]:
    """Errors in our words: Declined when Stripe surely did nothing, Unanswered when that is not known.

    A card that is declined is left alone: it is an answer.
    """
    stripe = sdk()
    try:
        yield
    except stripe.CardError:
        raise
    except stripe.IdempotencyError:  # an earlier request with this key may have done something
        raise Unanswered("the key was used for another request") from None
    except (stripe.AuthenticationError, stripe.PermissionError) as fault:
        raise Declined("provider_not_configured") from fault
    except stripe.RateLimitError:
        raise Declined("rate_limited") from None
    except stripe.InvalidRequestError as fault:
        if fault.http_status == 409:  # the same key is at work this moment
            raise Unanswered("the same request is being worked on") from None
        raise Declined(str(fault.code or "invalid_request")[:40]) from fault
    except stripe.StripeError as fault:
        raise Unanswered(type(fault).__name__) from None


@contextmanager
def looking_up() -> Iterator[None]:
    """As `asking`; but a look-up that is refused tells nothing about the thing, so that is no answer either."""
    try:
        with asking():
            yield
    except Declined as declined:
        raise Unanswered(declined.code) from declined


def find_listed(objects: Iterable[Any], fits: Callable[[Any], bool]) -> Any | None:
    """The first of the listed objects that fits, newest first; Unanswered when it is not among the many that were read."""
    for number, one in enumerate(objects):
        if fits(one):
            return one
        if number >= MOST_LISTED:
            raise Unanswered("there are too many to find it by our own id")
    return None
