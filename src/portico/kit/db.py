"""Claiming a row: the one way a state changes, safe on every database."""

from typing import Any

from django.db.models import QuerySet


def claim(rows: QuerySet[Any], **changes: Any) -> bool:
    """Apply `changes` to the single row that `rows` still matches; True when this call was the one that did it.

    The condition and the change are one UPDATE, so of two callers at the same moment exactly one gets True.
    (`select_for_update` does nothing on SQLite; a conditional UPDATE holds everywhere.)
    """
    count = rows.update(**changes)
    if count > 1:
        raise AssertionError("claim() must match at most one row")
    return count == 1
