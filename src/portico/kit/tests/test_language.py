"""The language of an answer is the person's own, else the browser's, and never the last request's."""

from types import SimpleNamespace

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import translation

from portico.kit.language import Language


@pytest.mark.parametrize(
    ("own", "asked", "answered"),
    [
        ("fr", "de", "fr"),
        ("de", "", "de"),
        (None, "fr-CH, en;q=0.5", "fr"),
        (None, "nb", "en"),
        ("xx", "de", "de"),
        ("", "", "en"),
    ],
)
def test_a_persons_own_language_comes_before_the_browsers(own: str | None, asked: str, answered: str) -> None:
    request = RequestFactory().get("/", headers={"Accept-Language": asked})
    request.user = SimpleNamespace() if own is None else SimpleNamespace(language=own)  # type: ignore[assignment]  # a stand-in

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(translation.get_language())

    before = translation.get_language()
    response = Language(view)(request)
    assert isinstance(response, HttpResponse)
    assert response.content.decode() == answered
    assert response["Content-Language"] == answered
    assert ("Accept-Language" in response.headers.get("Vary", "")) is not bool(own)
    assert translation.get_language() == before
