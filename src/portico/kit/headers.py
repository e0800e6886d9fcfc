"""The headers that keep a browser from doing what our pages never ask for.

Strict Content-Security-Policy: no inline script, style or handler, nothing from elsewhere, no frames. What a signed-in person
sees is stored nowhere (`no-store`); static files bring their own Cache-Control.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.utils.cache import patch_vary_headers

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "object-src": "'none'",
}
UNUSED = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi", "payment",
    "usb", "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS = ", ".join(f"{feature}=()" for feature in UNUSED)
METHODS = ("GET", "HEAD", "POST", "OPTIONS")


def policy(**changes: str) -> str:
    """The Content-Security-Policy as a header, with `changes` by directive: `policy(img_src="'self'")`."""
    directives = POLICY | {name.replace("_", "-"): value for name, value in changes.items()}
    text = "; ".join(f"{name} {value}" for name, value in directives.items())
    return f"{text}; upgrade-insecure-requests" if settings.HTTPS else text


class Headers:
    """Middleware: refuses methods no page knows, and sets the headers a view has not set itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.policy = policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with every header in place."""
        if request.method in METHODS or request.path.startswith("/api/"):
            response = self.get_response(request)
        else:
            response = HttpResponseNotAllowed(METHODS)
        headers = response.headers
        headers.setdefault("Content-Security-Policy", self.policy)
        headers.setdefault("Permissions-Policy", PERMISSIONS)
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-store"
            patch_vary_headers(response, ("HX-Request",))
        return response
