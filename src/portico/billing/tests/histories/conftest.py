"""Stripe's stand-in, as the tests of providers have it."""

from portico.billing.tests.providers.conftest import company

__all__ = ["company"]
