"""The stand-in takes what Stripe takes: its hand-written table against the SDK's types, which Stripe makes from its OpenAPI."""

import typing
from collections.abc import Mapping
from typing import Any

import pytest
from stripe import params as stripe_params
from stripe.params import checkout

from portico.billing.providers.base import Declined
from portico.billing.providers.stripe import api
from portico.billing.tests.providers.standin.company import API_VERSION, Company
from portico.billing.tests.providers.standin.shapes import ANY, SHAPES, decoded, unknown

TYPES: dict[str, Any] = {
    "POST checkout/sessions": checkout.SessionCreateParams,
    "GET checkout/sessions": checkout.SessionListParams,
    "GET checkout/sessions/:id": checkout.SessionRetrieveParams,
    "POST checkout/sessions/:id/expire": checkout.SessionExpireParams,
    "POST payment_intents": stripe_params.PaymentIntentCreateParams,
    "GET payment_intents": stripe_params.PaymentIntentListParams,
    "GET payment_intents/:id": stripe_params.PaymentIntentRetrieveParams,
    "POST payment_intents/:id/confirm": stripe_params.PaymentIntentConfirmParams,
    "POST payment_intents/:id/cancel": stripe_params.PaymentIntentCancelParams,
    "POST payment_methods/:id/detach": stripe_params.PaymentMethodDetachParams,
    "GET payment_methods/:id": stripe_params.PaymentMethodRetrieveParams,
    "POST refunds": stripe_params.RefundCreateParams,
    "GET refunds": stripe_params.RefundListParams,
    "GET refunds/:id": stripe_params.RefundRetrieveParams,
    "GET events": stripe_params.EventListParams,
    "GET webhook_endpoints": stripe_params.WebhookEndpointListParams,
}


def fields_of(kind: Any) -> dict[str, Any]:
    """The parameters of a type, with what each may be."""
    return typing.get_type_hints(kind, localns={"StripeContext": Any, "Mapping": Mapping})


def inner_of(kind: Any) -> list[Any]:
    """The types with fields that a parameter may be: itself, or inside NotRequired, Union and List."""
    if hasattr(kind, "__required_keys__"):
        return [kind]
    return [found for one in typing.get_args(kind) for found in inner_of(one)]


def foreign(shape: Any, kind: Any, prefix: str = "") -> list[str]:
    """What the table allows and the type does not."""
    faults: list[str] = []
    fields = fields_of(kind)
    for name, inside in shape.items():
        if name not in fields:
            faults.append(f"{prefix}{name}")
            continue
        inside = inside[0] if isinstance(inside, list) else inside
        if isinstance(inside, dict) and inside != ANY:
            kinds = inner_of(fields[name])
            assert kinds, f"{prefix}{name} has no parameters inside"
            options: list[list[str]] = [foreign(inside, one, f"{prefix}{name}.") for one in kinds]
            faults += min((len(one), one) for one in options)[1]
    return faults


@pytest.mark.parametrize("route", SHAPES)
def test_the_table_holds_nothing_that_stripe_does_not_take(route: str) -> None:
    assert foreign(SHAPES[route], TYPES[route]) == []


def test_the_comparison_can_fail() -> None:
    wrong = {"mode": None, "nonsense": None, "payment_intent_data": {"metadata": ANY, "colour": None}}
    assert foreign(wrong, checkout.SessionCreateParams) == ["nonsense", "payment_intent_data.colour"]


def test_one_version_of_the_api_is_spoken_everywhere() -> None:
    stripe = api.sdk()
    assert api.API_VERSION == API_VERSION == stripe.api_version, "the SDK in the lock file was made for it"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("mode=payment&metadata[any]=1&expand[0]=payment_intent", ""),
        ("line_items[0][price_data][unit_amount]=1&line_items[1][quantity]=2", ""),
        ("payment_method_types[0]=card", "payment_method_types"),
        ("line_items[0][price_data][colour]=red", "line_items[0][price_data][colour]"),
        ("payment_intent_data[off_session]=1", "payment_intent_data[off_session]"),
        ("mode[0]=payment", "mode"),
    ],
)
def test_unknown_parameters_are_found_however_deep(text: str, fault: str) -> None:
    pairs = [(part.split("=")[0], part.split("=")[1]) for part in text.split("&")]
    assert unknown(decoded(pairs), SHAPES["POST checkout/sessions"]) == fault


def test_the_stand_in_refuses_them_as_stripe_does(company: Company) -> None:
    with pytest.raises(Declined, match="parameter_unknown"), api.asking():
        api.client().refunds.create({"payment_intent": "pi_1", "colour": "red"})
    assert company.all_of("refund") == []
