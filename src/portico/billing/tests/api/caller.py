"""A system of the seller's that asks the API with a key."""

import json
import uuid
from typing import Any

from django.test import Client
from django.utils import timezone

from portico.accounts import api_keys
from portico.accounts.models import SCOPES, ApiKey
from portico.cast import World


class Caller:
    """`Caller(world, "customers:read")` asks with a new key of these scopes; without any it may do all."""

    def __init__(self, world: World, *scopes: str, per_minute: int = 10_000, name: str = "ERP") -> None:
        self.client = Client(raise_request_exception=False)
        self.key: ApiKey
        self.key, self.secret = api_keys.create(
            seller=world.seller,
            name=name,
            scopes=scopes or list(SCOPES),
            per_minute=per_minute,
            by=world.admin,
            now=timezone.now(),
        )

    def ask(self, method: str, path: str, body: Any = None, *, once: str | None = None, **headers: str) -> Any:
        """The answer to one request; `once` is its Idempotency-Key, a new one if left out."""
        more = {"Authorization": f"Bearer {self.secret}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        if method != "get":
            more["Idempotency-Key"] = once or str(uuid.uuid4())
        content: dict[str, Any] = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return self.client.generic(method.upper(), f"/api/v1{path}", headers=more, **content)

    def get(self, path: str, **headers: str) -> Any:
        return self.ask("get", path, **headers)

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.ask("post", path, body, **more)

    def patch(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.ask("patch", path, body, **more)

    def delete(self, path: str, **more: Any) -> Any:
        return self.ask("delete", path, **more)


def problem(response: Any, status: int, code: str) -> Any:
    """The problem details of an answer that must be one."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    told = response.json()
    assert (told["status"], told["code"]) == (status, code)
    assert told["title"]
    assert told["detail"]
    assert told["type"] == f"/api/v1/docs#problem-{code}"
    return told
