"""The stand-in over HTTP: Stripe's API under `/v1/`, its hosted checkout and the bank's page, and the sender of its notices."""

import html
import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from portico.billing.tests.providers.standin import company as stripe
from portico.billing.tests.providers.standin.company import Company, Delivery, Refused, Thing, notices
from portico.billing.tests.providers.standin.shapes import SHAPES, decoded, unknown

KINDS = {
    "checkout/sessions": "checkout.session", "payment_intents": "payment_intent", "payment_methods": "payment_method",
    "refunds": "refund",
}  # fmt: skip
CARDS = {
    "Pays": stripe.GOOD, "Declined": "4000000000000002", "Not enough money": "4000000000009995", "Lost": "4000000000009987",
    "Saved, declined later": stripe.DECLINES_LATER, "Bank asks each time": stripe.ASKS,
    "Bank asks once": stripe.ASKED_ONCE, "Disputed afterwards": stripe.DISPUTED, "Direct debit": stripe.DEBIT,
    "Direct debit that fails": stripe.DEBIT_FAILS, "Direct debit that is returned": stripe.DEBIT_RETURNED,
}  # fmt: skip


class Silent(Exception):
    """No answer."""


def call(company: Company, method: str, path: str, params: Thing, headers: Any) -> tuple[int, Thing]:
    """One call of the API: status and answer."""
    with company.lock:
        if headers.get("Authorization") != f"Bearer {company.key}":
            return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
        route, key = route_of(method, path)
        fault = next((one for one in company.faults if f"{method} {path}".startswith(one.path)), None)
        if fault is not None:
            company.faults.remove(fault)
            if fault.how == "silent_before":
                raise Silent
        status, answer = keyed(company, route, key, params, headers.get("Idempotency-Key"))
        if fault is not None and fault.then is not None:
            fault.then()
        if fault is not None and fault.how == "silent_after":
            raise Silent
        if fault is not None and fault.how == "error_after":
            return 500, {"error": {"type": "api_error", "message": "An unknown error occurred"}}
        return status, answer


def route_of(method: str, path: str) -> tuple[str, str]:
    """The route as SHAPES names it, and the id in it."""
    parts = path.split("/")
    noun = "/".join(parts[:2]) if parts[0] == "checkout" else parts[0]
    rest = parts[len(noun.split("/")) :]
    key = rest[0] if rest else ""
    return f"{method} {'/'.join([noun, *([':id'] if key else []), *rest[1:]])}", key


def keyed(company: Company, route: str, key: str, params: Thing, idempotency: str | None) -> tuple[int, Thing]:
    """The same idempotency key gives the same answer, and refuses another body."""
    body = json.dumps([route, key, params], sort_keys=True)
    if idempotency and idempotency in company.answers:
        known, status, answer = company.answers[idempotency]
        if known != body:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used with."
            )
            return 400, {"error": {"type": "idempotency_error", "message": message}}
        return status, answer
    company.calls.append((route, params))
    try:
        status, answer = 200, perform(company, route, key, params)
    except Refused as refused:
        status, answer = refused.status, {"error": refused.error}
        if status != 402:  # what was not begun can be asked again with the same key
            return status, answer
    if idempotency:
        company.answers[idempotency] = body, status, answer
    return status, answer


def perform(company: Company, route: str, key: str, params: Thing) -> Thing:
    """Do what a route does, if its parameters are known."""
    if route not in SHAPES:
        raise Refused(404, "invalid_request_error", "", f"Unrecognized request URL ({route}).")
    noun = route.split(" ")[1].split("/:")[0]
    if noun in company.denied:
        raise Refused(403, "invalid_request_error", "", f"The provided key does not have the permissions for {noun}.")
    fault = unknown(params, SHAPES[route])
    if fault:
        raise Refused(
            400, "invalid_request_error", "parameter_unknown", f"Received unknown parameter: {fault}", param=fault
        )
    expand = list(params.get("expand", {}).values()) if isinstance(params.get("expand"), dict) else []
    done: dict[str, Callable[[], Thing]] = {
        "POST checkout/sessions": lambda: company.open_session(params),
        "POST checkout/sessions/:id/expire": lambda: company.expire_session(key),
        "POST payment_intents": lambda: company.charge(params),
        "POST payment_intents/:id/confirm": lambda: company.confirm(key, params),
        "POST payment_intents/:id/cancel": lambda: company.cancel(key),
        "POST payment_methods/:id/detach": lambda: company.detach(key),
        "POST refunds": lambda: company.refund(params),
    }
    if route in done:
        return company.shown(done[route](), expand)
    if route.endswith("/:id"):
        return company.shown(company.find(key, KINDS[noun]), expand)
    return listed(company, noun, params)


def listed(company: Company, noun: str, params: Thing) -> Thing:
    """A page of a list, newest first."""
    found = company.endpoints if noun == "webhook_endpoints" else company.events[::-1] if noun == "events" else None
    rows = company.all_of(KINDS[noun]) if found is None else found
    since = int(params.get("created", {}).get("gte", 0))
    rows = [one for one in rows if one.get("created", since) >= since]
    if params.get("payment_intent"):
        rows = [one for one in rows if one["payment_intent"] == params["payment_intent"]]
    if params.get("starting_after"):
        ids = [one["id"] for one in rows]
        rows = rows[ids.index(params["starting_after"]) + 1 :]
    limit = int(params.get("limit", 10))
    data = [company.shown(one) for one in rows[:limit]]
    return {"object": "list", "url": f"/v1/{noun}", "has_more": len(rows) > limit, "data": data}


# Pages -----------------------------------------------------------------------------------------------------------------


def page(title: str, body: str) -> bytes:
    """A page of the stand-in."""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><main><h1>{title}</h1>"
        f"<p>A stand-in for Stripe. No real money moves.</p>{body}</main>"
    ).encode()


def checkout_page(company: Company, key: str, fault: str = "") -> bytes:
    """The hosted checkout: a button for each test card."""
    session = company.find(key, "checkout.session")
    if session["status"] != "open":
        return page("Closed", f"<p>This checkout is {session['status']}.</p>")
    back = html.escape(session["cancel_url"] or "/")
    title = f"{session['amount_total'] or 0} {session['currency']}" if session["mode"] == "payment" else "Save a method"
    buttons = "".join(f'<button name=number value="{number}">{name}</button> ' for name, number in CARDS.items())
    return page(title, f'<p role=alert>{fault}</p><form method=post>{buttons}</form><p><a href="{back}">Back</a></p>')


def bank_page(action: str = "", number: str = "") -> bytes:
    """The bank asks the payer."""
    kept = f'<input type=hidden name=number value="{html.escape(number)}">' if number else ""
    form = f'<form method=post action="{action}">{kept}'
    buttons = "<button name=answer value=yes>Complete</button> <button name=answer value=no>Fail</button></form>"
    return page("Your bank asks", form + buttons)


class Handler(BaseHTTPRequestHandler):
    """One request. The server carries the company."""

    disable_nagle_algorithm = True

    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: Any) -> None:
        """Quiet."""

    @property
    def company(self) -> Company:
        return self.server.company  # type: ignore[attr-defined, no-any-return]  # set where it is made

    def do_GET(self) -> None:
        self.take("GET")

    def do_POST(self) -> None:
        self.take("POST")

    def take(self, method: str) -> None:
        where = urllib.parse.urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        text = body if method == "POST" else where.query
        params = decoded(urllib.parse.parse_qsl(text, keep_blank_values=True))
        if where.path.startswith("/v1/"):
            try:
                status, answer = call(self.company, method, where.path[4:], params, self.headers)
            except Silent:
                self.close_connection = True
                return
            self.answer(status, json.dumps(answer).encode(), "application/json")
            return
        with self.company.lock:
            self.show(method, where.path.strip("/").split("/"), params)

    def show(self, method: str, parts: list[str], params: Thing) -> None:
        """The hosted pages."""
        key, number = parts[-1], params.get("number", "")
        try:
            if parts[0] == "3ds":
                if method == "GET":
                    return self.answer(200, bank_page())
                return self.go(self.company.answer_bank(key, confirmed=params.get("answer") == "yes"))
            session = self.company.find(key, "checkout.session")
            if method == "GET":
                return self.answer(200, checkout_page(self.company, key))
            if params.get("answer") == "no":
                return self.answer(200, checkout_page(self.company, key, "Your bank refused."))
            done = self.company.pay_session(key, number, confirmed=params.get("answer") == "yes")
            if done == "ask":
                return self.answer(200, bank_page(self.path, number))
            if done in {"paid", "processing", "saved"}:
                return self.go(session["success_url"])
            return self.answer(200, checkout_page(self.company, key, f"Your card was declined: {done}."))
        except Refused as refused:
            return self.answer(refused.status, page("Not found", ""))

    def go(self, where: str) -> None:
        self.answer(303, b"", headers={"Location": where})

    def answer(self, status: int, body: bytes, kind: str = "text/html", headers: Thing | None = None) -> None:
        self.send_response(status)
        for name, text in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running(company: Company | None = None, port: int = 0) -> Iterator[Company]:
    """The stand-in on a port of loopback, until the block ends."""
    made = company or Company()
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.company = made  # type: ignore[attr-defined]  # the handler reads it
    made.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(company: Company, portal: str, how: Delivery) -> int:
    """Post what is owed to the portal's door; how many were answered with 200. What was not is sent again the next time."""
    with company.lock:
        owed = company.events[company.sent :]
    done = 0
    for body, signature in notices(owed, how):
        request = urllib.request.Request(  # noqa: S310  # the portal on this machine
            f"{portal}/webhooks/stripe/",
            data=body,
            headers={"Content-Type": "application/json", "Stripe-Signature": signature},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                done += answer.status == 200
        except OSError:
            return done
    company.sent += len(owed)
    return done
