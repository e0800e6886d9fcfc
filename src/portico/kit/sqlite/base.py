"""Django's SQLite backend with two things remembered or done more directly; nothing else differs.

Django rewrites the placeholders of every statement each time it is asked, which for a page's long statements takes longer than
SQLite's answer; and Python's own reader of dates is slow and on its way out.
"""

import sqlite3
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base

sqlite3.register_converter("date", lambda value: date.fromisoformat(value.decode()))


@lru_cache(maxsize=1024)
def with_question_marks(query: str) -> str:
    """`%s` as SQLite spells it; `%%` is a percent sign."""
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class Cursor(base.SQLiteCursorWrapper):
    """A cursor that remembers how a statement reads for SQLite."""

    def convert_query(self, query: str, *, param_names: Sequence[str] | None = None) -> str:
        if param_names is None:
            return with_question_marks(query)
        converted: str = super().convert_query(query, param_names=param_names)
        return converted


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection with such cursors."""

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=Cursor)

    def planned_cursor(self) -> Any:
        """SQLite's driver keeps the plans of every cursor."""
        return self.cursor()
