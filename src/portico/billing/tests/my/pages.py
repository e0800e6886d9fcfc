"""What the tests of the customer's pages share: reading a page as a person does, and seeing that nothing was written."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from lxml import html

from portico.accounts.models import Event


class Answer(Protocol):
    """What came back, as far as it is read here."""

    @property
    def content(self) -> bytes: ...


BESIDE = {"QuotationView"}
"""Opening a page writes this alone."""


def books() -> dict[str, list[Any]]:
    """Every row of billing, the sandbox and the conversation, and what was noted as happened; not who looked."""
    labels = ("billing", "sandbox", "conversation")
    models: list[Any] = [Event, *(model for label in labels for model in apps.get_app_config(label).get_models())]
    return {
        model.__name__: list(model._default_manager.order_by("pk").values_list())
        for model in models
        if model.__name__ not in BESIDE
    }


def text_of(response: Answer) -> str:
    """The words on the page, blanks made single."""
    tree = html.fromstring(response.content.decode())
    for hidden in tree.xpath("//script | //style"):
        hidden.drop_tree()
    return " ".join(tree.text_content().split())


def form_of(response: Answer, action: str = "", method: str = "POST") -> dict[str, str]:
    """What the form would send if nothing was touched, without a line of JavaScript; no `action`: one that has none."""
    for form in html.fromstring(response.content.decode()).forms:
        where = form.action or ""
        if form.method == method and (where.endswith(action) if action else not where):
            return dict(form.form_values())
    raise AssertionError(f"the page has no form {method} {action!r}")


def rows_of(response: Answer) -> list[tuple[str, str]]:
    """The rows of a list: key and status."""
    tree = html.fromstring(response.content.decode())
    return [(row.get("data-number"), row.get("data-status")) for row in tree.xpath("//*[@data-number]")]


def next_of(response: Answer) -> str:
    """The address of the next page of a list; empty on the last one."""
    found = html.fromstring(response.content.decode()).xpath("//a[@rel='next']/@href")
    return str(found[0]) if found else ""


def sums_of(response: Answer, role: str) -> set[tuple[int, str]]:
    """The amounts of a role (total, due) on the page."""
    tree = html.fromstring(response.content.decode())
    found = tree.xpath("//*[@data-role=$role]", role=role)
    return {(int(one.get("data-minor")), one.get("data-currency")) for one in found}


def queries_of(client: Client, where: str) -> int:
    """Statements that a page costs once it is warm."""
    assert client.get(where).status_code == 200
    with CaptureQueriesContext(connection) as captured:
        assert client.get(where).status_code == 200
    return len(captured)


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Run all at the same moment, each in its thread with a connection of its own; a fault is given back as it is."""

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as fault:  # noqa: BLE001  # what went wrong is what the test looks at
            return fault
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def statuses_of(answers: Sequence[Any]) -> list[Any]:
    """The HTTP statuses, sorted; a fault by its type's name."""
    return sorted((getattr(one, "status_code", type(one).__name__) for one in answers), key=str)
