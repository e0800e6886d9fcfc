"""One spelling everywhere: address, route, function, module, template and test bear the same words.

`/my/quotations/<number>/accept/` is `billing/my/quotations.py: accept`, route `my:quotations.accept`, and its module has a test
file. Who looks at an address finds the code in ten seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from portico.commands import CHECKOUT

FACES = ("my", "staff", "share")


@dataclass(frozen=True)
class Route:
    """One address of a face."""

    face: str
    address: str
    name: str
    view: Any

    @property
    def noun(self) -> str:
        return self.name.split(".")[0]

    @property
    def verb(self) -> str:
        return self.name.split(".")[-1]

    @property
    def module(self) -> list[str]:
        return str(self.view.__module__).split(".")


def routes() -> Iterator[Route]:
    for face in get_resolver().url_patterns:
        if isinstance(face, URLResolver) and face.namespace in FACES:
            for found in face.url_patterns:
                assert isinstance(found, URLPattern), f"{face.namespace}: {found} hides addresses in a further list"
                yield Route(str(face.namespace), str(found.pattern), found.name or "", found.callback)


ROUTES = list(routes())


def shown(route: Route) -> str:
    return f"{route.face}:{route.name} {route.address}"


def test_there_are_routes_to_look_at() -> None:
    assert len(ROUTES) > 20


@pytest.mark.parametrize("route", ROUTES, ids=shown)
def test_a_route_is_named_after_its_function_and_module(route: Route) -> None:
    assert route.name.count(".") == 1, "a route is called <noun>.<view>"
    assert route.view.__name__ == route.verb
    # billing/my/quotations.py, or, for what an app shows once, home/my.py as `my:home.index`
    assert route.module[2:] in ([route.face, route.noun], [route.face]), route.view.__module__
    if route.module[2:] == [route.face]:
        assert route.module[1] == route.noun


@pytest.mark.parametrize("route", ROUTES, ids=shown)
def test_an_address_ends_with_the_word_of_its_view(route: Route) -> None:
    parts = [part for part in route.address.split("/") if part]
    last = parts[-1] if parts else route.noun
    if route.verb == "detail":
        assert last.startswith("<"), "a detail is addressed by its key"
    elif route.verb == "index":
        assert last.replace("-", "_") in {route.noun, *route.noun.split("_")}
    elif "<" not in last:
        assert last.replace("-", "_") == route.verb


@pytest.mark.parametrize("module", sorted({tuple(route.module) for route in ROUTES}), ids=".".join)
def test_every_face_module_has_its_test_file(module: tuple[str, ...]) -> None:
    _portico, app, *inside = module
    tests = CHECKOUT / "src" / "portico" / app / "tests"
    own, together = tests.joinpath(*inside[:-1], f"test_{inside[-1]}.py"), tests / f"test_{inside[0]}.py"
    assert own.is_file() or together.is_file(), f"neither {own.relative_to(CHECKOUT)} nor {together.name} beside it"


def test_every_page_template_belongs_to_a_view() -> None:
    views = {(route.module[1], route.face, route.noun, route.verb) for route in ROUTES}
    strays = []
    for template in (CHECKOUT / "src" / "portico").glob("*/templates/*/*/*/*.html"):
        app, face, noun, view = template.parts[-4], template.parts[-3], template.parts[-2], template.stem
        if face in FACES and not view.startswith("_") and (app, face, noun, view) not in views:
            strays.append(str(template.relative_to(CHECKOUT)))
    assert strays == [], "a page's template is <app>/<face>/<noun>/<view>.html; a part of one begins with _"
