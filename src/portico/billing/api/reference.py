"""The description of the API for machines and for people, at /api/v1/openapi.json and /api/v1/docs: open to everybody."""

import json
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from portico.accounts.access import public
from portico.accounts.models import SCOPES, Seller
from portico.billing.api.problems import KINDS
from portico.billing.api.specification import METHODS, describe
from portico.billing.api.v1 import api

MOST_WORDS = 10
"""How many choices a field has that are told one by one."""


@lru_cache(maxsize=1)
def described() -> dict[str, Any]:
    """The description, made once."""
    return describe(api)


@lru_cache(maxsize=1)
def written() -> bytes:
    """The description as JSON."""
    return json.dumps(described(), ensure_ascii=False, indent=1).encode()


@public
@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """The OpenAPI description."""
    headers = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
    return HttpResponse(written(), content_type="application/json", headers=headers)


@public
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The same to read: every operation with its parameters, an example to send and one that comes back."""
    context = {
        "seller": Seller.objects.order_by("id").first(),
        "groups": groups(),
        "kinds": list(KINDS.values()),
        "scopes": [(name, str(label)) for name, label in SCOPES.items()],
        "introduction": described()["info"]["description"],
    }
    return render(request, "billing/api/reference/docs.html", context)


@lru_cache(maxsize=1)
def groups() -> list[dict[str, Any]]:
    """The operations by their tag, as the page shows them."""
    found: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in described()["tags"]}
    for address, operations in described()["paths"].items():
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                found[operation["tags"][0]].append(shown(method.upper(), address, operation))
    return [{"name": name, "key": name.lower().replace(" ", "-"), "operations": rows} for name, rows in found.items()]


def shown(method: str, address: str, operation: dict[str, Any]) -> dict[str, Any]:
    """One operation as the page shows it."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    status, answer = next(iter(operation["responses"].items()))
    told = answer.get("content", {}).get("application/json", {})
    return {
        "key": operation["operationId"],
        "method": method,
        "address": address,
        "summary": operation["summary"],
        "description": operation.get("description", ""),
        "scope": operation["x-scope"],
        "parameters": operation["parameters"],
        "fields": fields_of(body.get("schema")),
        "curl": curl(method, address, operation, body.get("example")),
        "status": status,
        "answer": pretty(told["example"]) if told else "",
        "problems": [status for status in operation["responses"] if status >= "400"],
    }


def fields_of(schema: dict[str, Any] | None, before: str = "") -> list[dict[str, Any]]:
    """The fields of a body: name, kind in words, whether it must be there, what it is; those of its parts behind a dot."""
    if schema is None:
        return []
    whole = resolved(schema)
    required = whole.get("required", [])
    found = []
    for name, one in whole.get("properties", {}).items():
        found.append(
            {
                "name": f"{before}{name}",
                "kind": kind_of(one),
                "required": name in required,
                "description": one.get("description", ""),
            }
        )
        for part in (one, *one.get("anyOf", [])):
            inner = part.get("items", part)
            if "$ref" in inner:
                found += fields_of(inner, f"{before}{name}[]." if "items" in part else f"{before}{name}.")
    return found


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema, or the one that it refers to."""
    schemas: dict[str, dict[str, Any]] = described()["components"]["schemas"]
    return schemas[schema["$ref"].rsplit("/", 1)[-1]] if "$ref" in schema else schema


def kind_of(schema: dict[str, Any]) -> str:
    """The kind of a field in a few words."""
    if len(schema.get("enum", ())) in range(1, MOST_WORDS):
        return " | ".join(str(value) for value in schema["enum"])
    if "$ref" in schema:
        return "object"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind_of(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type") or "object")


def curl(method: str, address: str, operation: dict[str, Any], example: Any) -> str:
    """How the operation is asked from a command line."""
    examples = {one["name"]: one.get("example") for one in operation["parameters"] if one["in"] == "path"}
    for name, value in examples.items():
        address = address.replace("{" + name + "}", str(value))
    query = [one for one in operation["parameters"] if one["in"] == "query" and one["required"]]
    for one in query:
        value = one["example"]
        address += f"?{one['name']}=" + f"&{one['name']}=".join(value if isinstance(value, list) else [str(value)])
    lines = [f'curl "$PORTICO{address}"' if method == "GET" else f'curl -X {method} "$PORTICO{address}"']
    lines.append('  -H "Authorization: Bearer $PORTICO_KEY"')
    if method != "GET":
        lines.append('  -H "Idempotency-Key: $(uuidgen)"')
    if example is not None:
        lines.append('  -H "Content-Type: application/json"')
        lines.append(f"  -d '{pretty(example)}'")
    return " \\\n".join(lines)


def pretty(value: Any) -> str:
    """JSON to read."""
    return json.dumps(value, ensure_ascii=False, indent=2)


urlpatterns = [
    path("v1/openapi.json", openapi, name="reference.openapi"),
    path("v1/docs", docs, name="reference.docs"),
]
