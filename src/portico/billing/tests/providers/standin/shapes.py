"""The parameters that the stand-in takes, written by hand from Stripe's published OpenAPI (API version 2026-10-28.endive).

Only what the portal uses, and what its version of the SDK says is allowed: `test_stripe_shapes.py` compares. Everything else
is refused as Stripe refuses it: `parameter_unknown`.
"""

from typing import Any

ANY: dict[str, Any] = {"*": None}
"""Any names inside: metadata."""
LISTED: dict[str, Any] = {
    "created": {"gte": None}, "customer": None, "ending_before": None, "expand": [None], "limit": None,
    "starting_after": None,
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {
    "POST checkout/sessions": {
        "cancel_url": None,
        "client_reference_id": None,
        "currency": None,
        "customer": None,
        "customer_creation": None,
        "expand": [None],
        "line_items": [
            {
                "price_data": {"currency": None, "product_data": {"name": None}, "unit_amount": None},
                "quantity": None,
            }
        ],
        "locale": None,
        "metadata": ANY,
        "mode": None,
        "payment_intent_data": {"description": None, "metadata": ANY, "setup_future_usage": None},
        "setup_intent_data": {"description": None, "metadata": ANY},
        "success_url": None,
    },
    "GET checkout/sessions": LISTED | {"payment_intent": None},
    "GET checkout/sessions/:id": {"expand": [None]},
    "POST checkout/sessions/:id/expire": {"expand": [None]},
    "POST payment_intents": {
        "amount": None,
        "confirm": None,
        "currency": None,
        "customer": None,
        "description": None,
        "expand": [None],
        "metadata": ANY,
        "off_session": None,
        "payment_method": None,
        "return_url": None,
    },
    "GET payment_intents": LISTED,
    "GET payment_intents/:id": {"expand": [None]},
    "POST payment_intents/:id/confirm": {"expand": [None], "payment_method": None, "return_url": None},
    "POST payment_intents/:id/cancel": {"expand": [None]},
    "POST payment_methods/:id/detach": {"expand": [None]},
    "GET payment_methods/:id": {"expand": [None]},
    "POST refunds": {"amount": None, "expand": [None], "metadata": ANY, "payment_intent": None, "reason": None},
    "GET refunds": {name: LISTED[name] for name in LISTED if name != "customer"} | {"payment_intent": None},
    "GET refunds/:id": {"expand": [None]},
    "GET events": {name: LISTED[name] for name in LISTED if name != "customer"} | {"type": None},
    "GET webhook_endpoints": {name: LISTED[name] for name in LISTED if name not in {"customer", "created"}},
}


def unknown(given: Any, shape: Any, prefix: str = "") -> str:
    """The first parameter that is not in the shape, as Stripe writes it; empty when all are."""
    if isinstance(given, dict):
        if isinstance(shape, list):  # a list as numbered parameters
            return next(filter(None, (unknown(one, shape[0], f"{prefix}[{key}]") for key, one in given.items())), "")
        if not isinstance(shape, dict):
            return prefix
        for name, one in given.items():
            path = f"{prefix}[{name}]" if prefix else name
            if "*" in shape:
                continue
            if name not in shape:
                return path
            fault = unknown(one, shape[name], path)
            if fault:
                return fault
    return "" if shape is None or isinstance(given, dict) else prefix


def decoded(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """`a[b][0]=c` as nested dictionaries."""
    found: dict[str, Any] = {}
    for name, text in pairs:
        first, _bracket, rest = name.partition("[")
        keys = [first, *(part.rstrip("]") for part in rest.split("[") if rest)]
        inner = found
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = text
    return found
