"""The floor: the same 25 rows and the same number of bytes without a framework. One indexed query, one format string.

Run by the same server with as many processes. `BENCH_DATABASE_URL`, `BENCH_CUSTOMER` and `BENCH_BYTES` say what to read and
how long the page is.
"""

import os
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

URL = urlsplit(os.environ["BENCH_DATABASE_URL"])
CUSTOMER = int(os.environ["BENCH_CUSTOMER"])
BYTES = int(os.environ["BENCH_BYTES"])
MARK = "?" if URL.scheme == "sqlite" else "%s"
SQL = f"""
    SELECT number, title, issued_on, due_on, total_minor, amount_due_minor, payment_state FROM billing_invoice
    WHERE customer_id = {MARK} AND state = 'issued' AND kind <> 'credit_note' ORDER BY id DESC LIMIT 26
"""  # noqa: S608  # MARK is one of two placeholders
ROW = (
    '<tr><th scope="row"><a href="/my/invoices/%s/">%s</a></th>'
    "<td>%s</td><td>%s</td><td>%.2f</td><td>%.2f</td><td>%s</td></tr>"
)
own = threading.local()


def connection() -> Any:
    """This thread's connection, kept."""
    if not hasattr(own, "connection"):
        if URL.scheme == "sqlite":
            import sqlite3

            own.connection = sqlite3.connect("/" + unquote(URL.path).lstrip("/"), isolation_level=None)
            own.connection.execute("PRAGMA mmap_size=268435456")
        else:
            import psycopg

            host = parse_qs(URL.query)["host"][0]
            own.connection = psycopg.connect(dbname=URL.path.lstrip("/"), user=URL.username, host=host, autocommit=True)
    return own.connection


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The list."""
    rows = connection().execute(SQL, (CUSTOMER,)).fetchall()
    body = "".join(
        ROW % (number, title, issued_on, due_on, total / 100, due / 100, state)
        for number, title, issued_on, due_on, total, due, state in rows[:25]
    ).encode()
    body += b" " * (BYTES - len(body))
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
