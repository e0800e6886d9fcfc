"""The OpenAPI 3.1 description: what django-ninja knows of the operations, and what every operation of ours has besides.

Security with scopes, the Idempotency-Key of writes, every problem that can come back, the headers, and an example for each
body and answer, put together from those of its fields.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from django.utils import translation
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema

from portico.accounts.models import SCOPES
from portico.billing.api.door import LONGEST_NAME
from portico.billing.api.problems import KINDS

Json = dict[str, Any]
METHODS = ("get", "post", "patch", "delete")
INTRODUCTION = """\
For the seller's own systems: ERP, provisioning, book-keeping. Send `Authorization: Bearer <key>`; an administrator makes keys
at `/staff/api-keys/`. Amounts are integers in minor units beside their currency, quantities and prices are decimal text, days
are ISO 8601, times are in UTC. Every write carries an `Idempotency-Key`. Errors are problem details (RFC 9457). Lists are read
page by page with `limit` and `cursor`. See docs/integrate/api.md."""
ALWAYS = ("malformed", "unauthorized", "forbidden", "rate_limited")
WRITES = ("idempotency_key_missing", "conflict", "still_running", "too_large", "unsupported_media_type")
LIMITS = {
    "RateLimit": {
        "description": "How many requests are left in this minute, and the seconds until the next.",
        "schema": {"type": "string", "examples": ['"minute";r=599;t=42']},
    },
    "RateLimit-Policy": {
        "description": "How many requests a minute this key may send.",
        "schema": {"type": "string", "examples": ['"minute";q=600;w=60']},
    },
}
NAME = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": True,
    "description": "A new random value for each write, such as a UUID; the same one when you retry. Kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME, "pattern": r"^[\x21-\x7e]+$"},
    "example": "0f8c3a52-5f0e-4d57-9a2b-8f1a1f0c8f3e",
}
PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Leads to its paragraph in the reference.",
        },
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong, what it means, and what to do; for people."},
        "code": {"type": "string", "enum": list(KINDS), "description": "The kind of problem; for programs."},
        "errors": {
            "type": "array",
            "description": "What is wrong with single fields.",
            "items": {
                "type": "object",
                "required": ["in", "field", "message"],
                "properties": {
                    "in": {"type": "string", "enum": ["body", "query", "path", "header"]},
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
        "current": {"type": "object", "description": "How the thing stands now, after a conflict."},
    },
}


def describe(api: NinjaAPI) -> Json:
    """The whole description as plain data; in English, and the same every time."""
    with translation.override("en"):
        found: Json = deepcopy(dict(OpenAPISchema(api, path_prefix="api/v1/")))
        scopes = dict(scopes_of(api))
        found["info"] = {"title": "Portico API", "version": "1.0", "description": INTRODUCTION}
        found["servers"] = [{"url": "/"}]
        found["tags"] = [{"name": tag} for tag in dict.fromkeys(tags_of(found))]
        components = found["components"]
        for name, schema in components["schemas"].items():
            components["schemas"][name] = tidy(schema, top=True)
        components["schemas"]["Problem"] = PROBLEM
        components["securitySchemes"] = {
            "key": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "portico_…",
                "description": "A key of one integration, with the scopes it needs: " + ", ".join(SCOPES) + ".",
            }
        }
        statuses = sorted({kind.status for kind in KINDS.values()})
        components["responses"] = {str(status): response_of(status) for status in statuses}
        for path, operations in found["paths"].items():
            for method in METHODS:
                if method in operations:
                    complete(operations[method], method, path, scopes[operations[method]["operationId"]], components)
        return found


def scopes_of(api: NinjaAPI) -> Iterator[tuple[str, str]]:
    """Each operation's name and the scope it asks for."""
    for bound in api._get_bound_routers():
        for view in bound.path_operations.values():
            for operation in view.operations:
                yield api.get_openapi_operation_id(operation), operation.view_func.scope  # type: ignore[attr-defined]


def tags_of(found: Json) -> Iterator[str]:
    """The tags in the order of the paths."""
    for operations in found["paths"].values():
        for operation in operations.values():
            yield from operation.get("tags", [])


def complete(operation: Json, method: str, path: str, scope: str, components: Json) -> None:
    """Add to an operation what every one of its kind has."""
    operation["security"] = [{"key": [scope]}]
    operation["x-scope"] = scope
    operation["parameters"] = [parameter_of(one) for one in operation.get("parameters", [])]
    codes = [*ALWAYS]
    if method != "get":
        operation["parameters"].append(NAME)
        codes += WRITES
    if operation["parameters"] or "requestBody" in operation:
        codes.append("invalid")
    if "{" in path or method == "post":
        codes.append("missing")
    if path.endswith("/preview"):
        codes.append("conflict")
    for media in operation.get("requestBody", {}).get("content", {}).values():
        media["schema"] = tidy(media["schema"])
        media["example"] = example_of(media["schema"], components["schemas"])
    answers: Json = {}
    for status, response in operation["responses"].items():
        answers[str(status)] = response
        response["headers"] = dict(LIMITS)
        if str(status) == "201":
            response["headers"]["Location"] = {
                "description": "The address of what was made.",
                "schema": {"type": "string"},
            }
        for kind, media in response.get("content", {}).items():
            media["schema"] = tidy(media["schema"])
            if kind == "application/json":
                media["example"] = example_of(media["schema"], components["schemas"])
    for status in sorted({KINDS[code].status for code in codes}):
        answers[str(status)] = {"$ref": f"#/components/responses/{status}"}
    operation["responses"] = answers


def parameter_of(one: Json) -> Json:
    """A parameter that may be left out is left out, not null."""
    schema = tidy(one["schema"])
    choices = [choice for choice in schema.get("anyOf", []) if choice.get("type") != "null"]
    if len(choices) == 1:
        schema = {name: value for name, value in schema.items() if name != "anyOf"} | choices[0]
    described = one.get("description") or schema.get("description", "")
    examples = schema.pop("examples", None)
    found: Json = {"in": one["in"], "name": one["name"], "required": one["required"], "description": described}
    if isinstance(examples, list) and examples:
        found["example"] = examples[0]
    elif "example" in schema:
        found["example"] = schema.pop("example")
    schema.pop("description", None)
    if schema.get("default", ...) is None:
        del schema["default"]
    return found | {"schema": schema}


def response_of(status: int) -> Json:
    """The problems of a status, with an example of each."""
    kinds = [kind for kind in KINDS.values() if kind.status == status]
    headers: Json = {} if status in {401, 405} else dict(LIMITS)
    if status == 429:
        headers["Retry-After"] = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
    examples = {
        kind.code: {
            "value": {
                "type": f"/api/v1/docs#problem-{kind.code}",
                "title": str(kind.title),
                "status": status,
                "detail": kind.remedy,
                "code": kind.code,
            }
        }
        for kind in kinds
    }
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
    return {"description": "; ".join(str(kind.title) for kind in kinds), "headers": headers, "content": content}


def tidy(schema: Any, *, top: bool = False) -> Any:
    """A schema without the titles that pydantic makes of field names."""
    if isinstance(schema, list):
        return [tidy(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found: Json = {}
    for name, value in schema.items():
        if name == "title" and isinstance(value, str):
            continue
        if name in {"properties", "$defs"} and isinstance(value, dict):
            found[name] = {key: tidy(one) for key, one in value.items()}
        elif name in {"default", "examples", "example", "enum", "const"}:
            found[name] = value
        else:
            found[name] = tidy(value)
    return found


def example_of(schema: Json, schemas: Json) -> Any:
    """A value that fits a schema, from the examples, defaults and choices of its parts."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rsplit("/", 1)[-1]], schemas)
    if schema.get("examples"):
        return schema["examples"][0]
    if "example" in schema:
        return schema["example"]
    if "default" in schema:
        return schema["default"]
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "anyOf" in schema:
        return example_of(schema["anyOf"][0], schemas)
    kind = schema.get("type")
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: example_of(one, schemas) for name, one in properties.items() if shown(name, one, schema)}
    if kind == "array":
        return [example_of(schema["items"], schemas)] if schema.get("items") else []
    usual: Json = {"string": "", "integer": 1, "number": 1, "boolean": False, "null": None}
    formats = {"date": "2026-11-09", "date-time": "2026-11-09T10:00:00Z"}
    return formats.get(schema.get("format", ""), usual.get(str(kind)))


def shown(name: str, schema: Json, parent: Json) -> bool:
    """Whether a field stands in an example: what must be there, and what has an example of its own."""
    return name in parent.get("required", []) or bool(schema.get("examples"))
