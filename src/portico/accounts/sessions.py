"""How long a session lasts: so many hours without a click, and so many days altogether.

Both moments are kept in the session itself; the last click is written at most every five minutes, so that a page costs no
statement more. A sign-out, a new password and a disabled login end a session at once, elsewhere (see `backend`).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _

WRITE_EVERY_SECONDS = 300


class SessionLimits:
    """Middleware, behind authentication: a session past its limits is signed out before a view sees it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, as nobody if the session is over."""
        if request.user.is_authenticated:
            now = timezone.now()
            if is_over(request, now):
                logout(request)
                messages.info(
                    request, _("You were signed out because the session had lasted long enough. Sign in again.")
                )
            elif now.timestamp() - request.session["seen"] > WRITE_EVERY_SECONDS:
                request.session["seen"] = int(now.timestamp())
        return self.get_response(request)


def is_over(request: HttpRequest, now: datetime) -> bool:
    """Whether the session is too old, was not used for too long, or was not begun by a sign-in of ours."""
    began, seen = request.session.get("began"), request.session.get("seen")
    if not isinstance(began, int) or not isinstance(seen, int):
        return True
    hours = (
        settings.PORTICO_STAFF_SESSION_IDLE_HOURS
        if getattr(request.user, "is_staff", False)
        else settings.PORTICO_SESSION_IDLE_HOURS
    )
    at = now.timestamp()
    return at - began > settings.SESSION_COOKIE_AGE or at - seen > hours * 3600


def begin(sender: object, request: HttpRequest, **more: Any) -> None:
    """Stamp the new session at sign-in (Django's signal, so that every way to sign in does it)."""
    at = int(timezone.now().timestamp())
    request.session["began"], request.session["seen"] = at, at


def connect() -> None:
    """Listen to sign-ins; called once when the app is ready."""
    user_logged_in.connect(begin, dispatch_uid="portico.accounts.sessions")
