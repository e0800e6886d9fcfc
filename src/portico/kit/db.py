"""Claiming a row, the one way a state changes, safe on every database; and what to do when the database gives up."""

import logging
import random
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.db.models import QuerySet

from portico.kit.changing import change

P = ParamSpec("P")
R = TypeVar("R")
TIMES = 4
ENDED_FOR_OTHERS = {"40001", "40P01"}
"""PostgreSQL's serialization_failure and deadlock_detected: the transaction was rolled back whole, to be tried again."""
logger = logging.getLogger("portico.database")


def claim(rows: QuerySet[Any], **changes: Any) -> bool:
    """Apply `changes` to the single row that `rows` still matches; True when this call was the one that did it.

    The condition and the change are one UPDATE, so of two callers at the same moment exactly one gets True.
    (`select_for_update` does nothing on SQLite; a conditional UPDATE holds everywhere.)
    """
    count = change(rows, **changes)
    if count > 1:
        raise AssertionError("claim() must match at most one row")
    return count == 1


def tried_again(function: Callable[P, R]) -> Callable[P, R]:
    """Run a story again when the database ended its transaction for the sake of others; at most `TIMES` altogether.

    Only for functions that may be run from their beginning again: they open one transaction of their own and call no
    payment company. Inside the transaction of somebody else it runs once, since only the whole can be tried again. A
    connection that broke is never tried again: what became of its COMMIT is not known. (SQLite waits for the one writer by
    itself, `timeout` in settings.py.)
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, TIMES):
            try:
                return function(*args, **kwargs)
            except OperationalError as fault:
                if connection.in_atomic_block or not ended_for_others(fault):
                    raise
                logger.info("a transaction was ended for the sake of others; it is tried again")
                time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311  # so that the two do not meet again
        return function(*args, **kwargs)

    return run


def ended_for_others(fault: BaseException) -> bool:
    """Whether the database rolled a transaction back so that another one could go on."""
    return getattr(fault.__cause__, "sqlstate", "") in ENDED_FOR_OTHERS


def gave_up(fault: BaseException | None) -> bool:
    """Whether the database could not do it now (gone, full, too busy), rather than our asking something wrong."""
    return isinstance(fault, (OperationalError, InterfaceError))
