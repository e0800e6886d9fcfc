"""Django's PostgreSQL backend with four things done more cheaply; nothing else differs.

A statement that is asked on every page is planned once a connection (`planned_cursor`): PostgreSQL otherwise plans it anew each
time, which for a query of one row costs it more than running it. Moments are read by Python's own reader: the one that Django
gives the driver takes ten times as long, and a row has several. Whether the server is still there is seen from the socket
before it is asked: a server that went away has closed it. And many rows at once are written as arrays whose texts are escaped
in two passes: the driver's own way takes a call for every quotation mark, of which frozen documents have hundreds.
"""

import select
import time
from datetime import UTC, datetime
from typing import Any

from django.db.backends.postgresql import base
from django.db.backends.postgresql.operations import DatabaseOperations
from django.db.backends.utils import CursorWrapper
from psycopg.types.array import ListDumper
from psycopg.types.datetime import TimestamptzLoader

QUIET = 30.0
"""Seconds after which an unused connection is asked and not only looked at: a network may lose one without a word."""
MOST_PLANS = 500


class Escape:
    """What an array's text needs before `"` and a backslash, in the place of the driver's regular expression."""

    @staticmethod
    def sub(_template: bytes, text: Any) -> bytes:
        """The text with a backslash before each."""
        return bytes(text).replace(b"\\", b"\\\\").replace(b'"', b'\\"')


class Lists(ListDumper):
    """Writes lists as the driver does, quicker."""

    _re_esc: Any = Escape


class Moments(TimestamptzLoader):
    """Reads a `timestamptz` of a connection in UTC; what has another shape (infinity, before Christ) is the driver's."""

    timezone = UTC

    def load(self, data: Any) -> datetime:
        """The moment in UTC."""
        told = bytes(data)
        if told[4:5] == b"-" and told.endswith(b"+00"):
            return datetime.fromisoformat(told.decode())
        return super().load(data).replace(tzinfo=self.timezone)


class Kept(CursorWrapper):
    """A cursor that is used for one statement after the other: making one takes longer than most statements."""

    def __exit__(self, *_fault: object) -> None:
        """It stays open as long as its connection."""


class Operations(DatabaseOperations):
    """Names a planned statement by its text, which the driver has forgotten when it was sent by its plan."""

    def last_executed_query(self, cursor: Any, sql: str, params: Any) -> str:
        """The statement with its values where the driver has them, else without."""
        told: str | None = super().last_executed_query(cursor, sql, params)
        return told or sql


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that keeps plans and is looked at before it is used again."""

    ops_class = Operations
    used_at = 0.0
    health_check_done: bool
    kept: Kept | None = None

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection that plans at the first use what is sent by a `planned_cursor`."""
        made = super().get_new_connection(conn_params)
        made.adapters.register_dumper(list, Lists)
        if self.timezone == UTC:
            made.adapters.register_loader("timestamptz", Moments)
        if made.prepare_threshold is not None:
            made.prepared_max = MOST_PLANS
        return made

    def planned_cursor(self) -> Any:
        """A cursor whose statements are planned once a connection, with the values sent apart from them.

        There is one of it: what a statement gave is read before the next one is sent.
        """
        self.close_if_health_check_failed()
        self.ensure_connection()
        if self.queries_logged:
            return self.planning_cursor()
        if self.kept is None or self.kept.cursor.connection is not self.connection:
            self.kept = Kept(self.planning_cursor().cursor, self)
        return self.kept

    def planning_cursor(self) -> Any:
        """A new cursor of that kind."""
        raw = self.connection
        usual, raw.cursor_factory = raw.cursor_factory, base.ServerBindingCursor
        try:
            return self.cursor()
        finally:
            raw.cursor_factory = usual

    def close_if_health_check_failed(self) -> None:
        """Before the first statement of a request: ask the server only if the socket or a long silence gives reason to."""
        if self.connection is None or self.health_check_done:
            return
        now = time.monotonic()
        quiet, self.used_at = now - self.used_at, now
        if quiet < QUIET and not self.connection.closed:
            spoken = select.select([self.connection.fileno()], [], [], 0)[0]
            if not spoken:
                self.health_check_done = True
                return
        super().close_if_health_check_failed()
