"""The language of an answer: the signed-in person's own, else what the browser asks for."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.utils import translation
from django.utils.cache import patch_vary_headers


class Language:
    """Middleware, behind authentication. The person is loaded here once; the view needs it anyway."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.known = {code for code, _name in settings.LANGUAGES}

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer in the right language, and leave none behind for the next request."""
        chosen = getattr(request.user, "language", "")
        with translation.override(chosen if chosen in self.known else translation.get_language_from_request(request)):
            request.LANGUAGE_CODE = translation.get_language() or settings.LANGUAGE_CODE
            response = self.get_response(request)
            response.headers.setdefault("Content-Language", request.LANGUAGE_CODE)
        if not chosen:
            patch_vary_headers(response, ("Accept-Language",))
        return response
