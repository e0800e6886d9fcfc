"""One JSON object a line, for machines and people, without personal data.

A request is logged with its route (`my:quotations.detail`, never the path: a number or a token stands in it), method, status,
milliseconds and the user's id; never an address, a name, a query string or a body. A fault keeps its place in the code and the
first line of its message, from which e-mail addresses are taken out: databases put the offending row into the second.
"""

import json
import logging
import re
import secrets
import time
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from portico.kit import metrics

request_id: ContextVar[str] = ContextVar("request_id", default="")
logger = logging.getLogger("portico.request")

ADDRESS = re.compile(r"[^\s\"'<>()=]+@[^\s\"'<>()]+")
UNTOLD = {"static", "health.live", "health.ready", "metrics"}  # asked every few seconds; counted, not logged
ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
FIELDS = ("route", "method", "status", "ms", "user_id", "sweep", "handled", "seconds")


class JSONFormatter(logging.Formatter):
    """A log record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, logger, message, request id, the known extra fields, and the fault, if any."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"at": at, "level": record.levelname.lower(), "logger": record.name}
        line["message"] = clean(message_of(record))
        if request_id.get():
            line["request_id"] = request_id.get()
        line |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info and record.exc_info[1] is not None:
            fault = record.exc_info[1]
            frames = traceback.extract_tb(fault.__traceback__)[-12:]
            line["fault"] = type(fault).__name__
            line["fault_message"] = clean(str(fault).split("\n", 1)[0])
            line["fault_at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, ensure_ascii=False, default=str)


def message_of(record: logging.LogRecord) -> str:
    """The record's message; Django puts the path behind its own, which we leave out."""
    if record.name.startswith(("django.request", "django.security.csrf")) and isinstance(record.args, tuple):
        return str(record.args[0]) if record.args else record.msg
    return record.getMessage()


def clean(text: str) -> str:
    """Text without e-mail addresses, not longer than a log line should be."""
    return ADDRESS.sub("[address]", text)[:500]


class RequestLog:
    """Middleware, the outermost: gives the request its id, and logs and counts it when it is answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; then one line and one count."""
        started = time.perf_counter()
        token = request_id.set(id_for(request))
        try:
            response = self.get_response(request)
            seconds = time.perf_counter() - started
            route, method = route_of(request), request.method if request.method in metrics.METHODS else "other"
            metrics.count_request(route, str(method), response.status_code, seconds)
            if route not in UNTOLD or response.status_code >= 500:
                extra: dict[str, object] = {"route": route, "method": method, "status": response.status_code}
                extra |= {"ms": round(seconds * 1000, 1), "user_id": known_user(request)}
                logger.info("answered", extra=extra)
            response.headers["X-Request-ID"] = request_id.get()
            return response
        finally:
            request_id.reset(token)


def id_for(request: HttpRequest) -> str:
    """The id our own proxy gave, else a new one."""
    given = request.headers.get("X-Request-ID", "") if settings.PORTICO_TRUSTED_PROXIES else ""
    return given if ID.fullmatch(given) else secrets.token_hex(6)


def route_of(request: HttpRequest) -> str:
    """The name of the route that answered, `static` for files, `none` where nothing matched."""
    match = request.resolver_match
    if match is not None:
        return match.view_name or match.route
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"


def known_user(request: HttpRequest) -> int | None:
    """The id of the signed-in user if the view has loaded it; logging never causes a query."""
    return getattr(getattr(request, "_cached_user", None), "pk", None)
