"""Rows that are changed: an UPDATE is written once for each shape that it has, and only asked after that.

    change(Payment.objects.filter(pk=key, state__in=Payment.UNDECIDED), next_lookup_at=now)

is `.update(next_lookup_at=now)` of the same rows. Writing the statement costs Django three times what running it costs, and
PostgreSQL plans what it has not seen before. The shape is the columns and comparisons; what the values are does not matter.
What has another shape than columns compared with values (a join, a subquery, an expression) is left to Django.
"""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import connection, transaction
from django.db.models import F, Field, Model, QuerySet, Value
from django.db.models.expressions import Col, CombinedExpression
from django.db.models.lookups import In, Lookup
from django.db.models.sql import UpdateQuery
from django.db.models.sql.where import WhereNode

from portico.kit.prepared import planned_cursor

MOST = 1000
"""Shapes that are kept; the product has some hundred."""
SMALLEST, LARGEST = -(2**31), 2**31 - 1
PLANS: dict[tuple[Any, ...], str] = {}
"""Statements by shape; empty for a shape that only Django can write."""


class Irregular(Exception):  # never an error: Django writes it then
    """This change has no simple shape."""


def change(rows: QuerySet[Any], **changes: Any) -> int:
    """Write `changes` into all of `rows`, as `.update()` does; how many rows there were."""
    try:
        shape, values = read(rows, changes)
    except Irregular:
        return rows.update(**changes)
    statement = PLANS.get(shape)
    if statement is None and len(PLANS) < MOST:
        statement = PLANS[shape] = written(rows, changes, values)
    if not statement:
        return rows.update(**changes)
    with transaction.mark_for_rollback_on_error(using=connection.alias), planned_cursor() as cursor:  # as Django's own
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def read(rows: QuerySet[Any], changes: dict[str, Any]) -> tuple[tuple[Any, ...], list[Any]]:
    """The shape of a change, and its values in the order of the statement. Raises Irregular."""
    query = rows.query
    tables = sum(1 for count in query.alias_refcount.values() if count)
    if query.annotations or query.is_sliced or query.combinator or query.extra or tables > 1:
        raise Irregular
    shape: list[Any] = [connection.vendor, rows.model]
    values: list[Any] = []
    for name, value in changes.items():
        _read_change(rows.model, name, value, shape, values)
    _read_where(query.where, shape, values)
    return tuple(shape), values


def _read_change(model: type[Model], name: str, value: Any, shape: list[Any], values: list[Any]) -> None:
    field = column_of(model, name)
    if value is None:
        shape.append((field, None))
    elif type(value) is F:
        shape.append((field, named(value)))
    elif isinstance(value, CombinedExpression):
        own, more = value.lhs, value.rhs
        if value.connector != "+" or type(own) is not F or type(more) is not Value or more.value != 1:
            raise Irregular
        shape.append((field, named(own), "+ 1"))
        values.append(1)
    elif hasattr(value, "resolve_expression"):
        raise Irregular
    else:
        shape.append(field)
        plain = value.prepare_database_save(field) if isinstance(value, Model) else value
        values.append(field.get_db_prep_save(plain, connection))


def named(column: F) -> str:
    """The column that is meant."""
    return str(column.name)  # type: ignore[attr-defined]  # the stubs leave it out


def column_of(model: type[Model], name: str) -> "Field[Any, Any]":
    """The column of a model's own table that is called so. Raises Irregular."""
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist:
        raise Irregular from None
    if not isinstance(field, Field) or field.model is not model or field.many_to_many:
        raise Irregular
    return field


def _read_where(node: WhereNode, shape: list[Any], values: list[Any]) -> None:
    shape += [node.connector, node.negated, len(node.children)]
    for child in node.children:
        if isinstance(child, WhereNode):
            _read_where(child, shape, values)
        elif isinstance(child, Lookup) and type(child.lhs) is Col and not child.bilateral_transforms:
            shape += [type(child), child.lhs.target]
            _read_comparison(child, shape, values)
        else:
            raise Irregular


def _read_comparison(lookup: "Lookup[Any]", shape: list[Any], values: list[Any]) -> None:
    given = lookup.rhs
    if type(given) is bool:  # Django writes `paid`, `NOT paid` and `IS NULL` without a value
        shape.append(given)
        return
    if hasattr(given, "resolve_expression") or hasattr(given, "as_sql") or isinstance(given, QuerySet):
        raise Irregular
    if isinstance(lookup, In):
        given = list(dict.fromkeys(one for one in given if one is not None))
        if not given or any(hasattr(one, "resolve_expression") for one in given):
            raise Irregular
        shape.append(len(given))
    elif type(given) is int and not SMALLEST <= given <= LARGEST:
        raise Irregular
    values += lookup.get_db_prep_lookup(given, connection)[1]


def written(rows: QuerySet[Any], changes: dict[str, Any], values: Sequence[Any]) -> str:
    """The statement as Django writes it; empty when it asks for other values than were read."""
    query: Any = rows.query.chain(UpdateQuery)
    query.add_update_values(changes)
    statement, wanted = query.get_compiler(rows.db).as_sql()
    return str(statement) if list(wanted) == list(values) else ""
