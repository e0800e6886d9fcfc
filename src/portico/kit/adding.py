"""Rows that are added and never looked up first, such as history and letters: their INSERT is written once a model.

    add(event)                            # as Event.objects.bulk_create([event]) does, its key read back
    add(*letters, ignore_conflicts=True)

Django writes the same INSERT anew each time, which costs it five times what the statement itself costs. Signals are not sent.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from django.db import connection, transaction
from django.db.models import Field, Model

from portico.kit.prepared import planned_cursor

MOST = 20
"""There is a plan for each count of rows up to this; more at once are Django's."""


Row = TypeVar("Row", bound=Model)


def add(*rows: Row, ignore_conflicts: bool = False) -> Row:
    """Write new rows of one model, and learn their keys; gives back the first.

    With `ignore_conflicts` what is there already stays, and no key is learnt.
    """
    if len(rows) > MOST:
        type(rows[0])._default_manager.bulk_create(rows, ignore_conflicts=ignore_conflicts)
    else:
        _add(rows, ignore_conflicts=ignore_conflicts)
    return rows[0]


def _add(rows: Sequence[Model], *, ignore_conflicts: bool) -> None:
    model = type(rows[0])
    fields = fields_of(model)
    for row in rows:
        row._prepare_related_fields_for_save(operation_name="add")  # type: ignore[attr-defined]  # as bulk_create does
    values = [
        field.get_db_prep_save(field.pre_save(row, add=True), connection=connection) for row in rows for field in fields
    ]
    with transaction.mark_for_rollback_on_error(using=connection.alias), planned_cursor() as cursor:  # as Django's own
        cursor.execute(statement(model, len(rows), ignore_conflicts, connection.vendor), values)
        keys = cursor.fetchall() if counted(model) and not ignore_conflicts else []
    for row, (key,) in zip(rows, keys, strict=False):
        row.pk = key
    for row in rows:
        row._state.adding, row._state.db = False, connection.alias


@cache
def fields_of(model: type[Model]) -> "tuple[Field[Any, Any], ...]":
    """The columns that are given: all but a key that the database counts."""
    return tuple(field for field in model._meta.local_concrete_fields if field is not model._meta.auto_field)


def counted(model: type[Model]) -> bool:
    """Whether the database gives the keys, as numbers."""
    return model._meta.auto_field is not None


@cache
def statement(model: type[Model], count: int, ignore_conflicts: bool, vendor: str) -> str:
    """The INSERT of so many rows."""
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields_of(model))
    row = "(" + ", ".join(["%s"] * len(fields_of(model))) + ")"
    key = model._meta.pk
    assert key is not None
    end = f" RETURNING {quote(str(key.column))}" if counted(model) else ""
    end = " ON CONFLICT DO NOTHING" if ignore_conflicts else end
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES {', '.join([row] * count)}{end}"  # noqa: S608
