"""Queries whose SQL is made once and then only asked: what every page reads, without what Django does to write SQL anew.

    @prepared
    def late(customer: Any, day: Any) -> QuerySet[Invoice, dict[str, Any]]:
        return Invoice.objects.filter(customer=customer, due_on__lt=day).values("id", "number")

    rows = late(customer=7, day=date(2026, 11, 23))

The query is an ordinary one, and its rows are what it would give: model instances with their `select_related`, dicts of a
`.values(…)`, tuples of a `.values_list(…)`. While the query is made, each argument is a placeholder: numbers, texts, dates and
moments may be given, and nothing may be decided by them. Writing the SQL of a page's query costs Django one to three
milliseconds, asking it a tenth of that.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, cached_property
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connection
from django.db.models import Model, QuerySet, Value
from django.db.models.query import (
    ModelIterable,
    ValuesIterable,
    ValuesListIterable,
    get_related_populators,
)
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row")
PLAIN = re.compile(r"[a-z_-]*")
Converter = tuple[list[Callable[..., Any]], Any]


class Slot(str):
    """The place of a given value among a statement's parameters, by its name."""

    __slots__ = ()


class Given(Value):
    """A value that is given when the query is asked: a number, a text, a date or a moment."""

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, Any]:
        """A placeholder."""
        return "%s", [Slot(self.value)]


@dataclass(frozen=True)
class Plan:
    """A statement as the database takes it, and how its rows become what was asked for."""

    sql: str
    parameters: tuple[Any, ...]
    converters: list[tuple[int, Converter]]
    shape: Callable[[Sequence[Any]], Any]
    locks: bool


class Prepared(Generic[Row]):
    """A query to be asked many times. `build` makes it, once; it must not depend on anything but its `Given` values."""

    def __init__(self, build: "Callable[[], QuerySet[Any, Row]]") -> None:
        self.build = build

    @cached_property
    def plan(self) -> Plan:
        """Made at the first call."""
        query = self.build()
        if getattr(query, "_prefetch_related_lookups", ()):
            raise ValueError("a prepared query fetches nothing beside its rows")
        compiler = query.query.get_compiler(using=query.db)
        sql, parameters = compiler.as_sql()
        select = compiler.select or []
        sql, parameters = with_constants(sql, parameters)
        converters = sorted(compiler.get_converters([column[0] for column in select]).items())
        return Plan(sql, tuple(parameters), converters, shape_of(query, compiler), bool(query.query.select_for_update))

    def __call__(self, **given: Any) -> list[Row]:
        """The rows. Raises TransactionManagementError when they are to be locked and no transaction would hold the locks."""
        plan = self.plan
        if plan.locks and connection.get_autocommit():  # Django looks only when it writes the SQL, which is once
            raise TransactionManagementError("rows are locked in the transaction that changes them")
        parameters = [value_of(given[part]) if type(part) is Slot else part for part in plan.parameters]
        with planned_cursor() as cursor:
            cursor.execute(plan.sql, parameters)
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
        shape, converters = plan.shape, plan.converters
        if not converters:
            return [shape(row) for row in rows]
        found = []
        for row in rows:
            values = list(row)
            for position, (steps, column) in converters:
                value = values[position]
                for step in steps:
                    value = step(value, column, connection)
                values[position] = value
            found.append(shape(values))
        return found

    def first(self, **given: Any) -> Row | None:
        """The first row, or None."""
        rows = self(**given)
        return rows[0] if rows else None


@cache
def by_key(model: type[Model]) -> Prepared[Any]:
    """One row of a model by its key, alone."""
    return Prepared(lambda: model._base_manager.filter(pk=Given("key")))


def key_of(thing: Model) -> Any:
    """The key of a row as a prepared query is given it, whatever its type."""
    return thing._meta.pk.get_db_prep_value(thing.pk, connection)


def reread(thing: Model) -> None:
    """Read what the row of `thing` holds now, as `refresh_from_db` does; what is known of others that it names stays known.

    Raises the model's DoesNotExist when the row is gone.
    """
    model = type(thing)
    found = by_key(model).first(key=key_of(thing))
    if found is None:
        raise model.DoesNotExist(f"{model.__name__} {thing.pk}")  # type: ignore[attr-defined]  # models have it
    for field in model._meta.concrete_fields:
        setattr(thing, field.attname, getattr(found, field.attname))


def planned_cursor() -> Any:
    """A cursor of our own backends (`kit.sqlite`, `kit.postgresql`) whose statements are planned once a connection."""
    wrapper: Any = connection
    return wrapper.planned_cursor()


def with_constants(sql: str, parameters: Sequence[Any]) -> tuple[str, list[Any]]:
    """The statement with the numbers and words of the query itself in it: an index on a part of a table needs to see them."""
    pieces, left = sql.replace("%%", "\0").split("%s"), []
    assert len(pieces) == len(parameters) + 1, sql
    words = [pieces[0]]
    for part, piece in zip(parameters, pieces[1:], strict=True):
        if isinstance(part, int) and not isinstance(part, bool):  # the driver's own kinds of whole numbers, too
            words.append(str(int(part)))
        elif isinstance(part, str) and not isinstance(part, Slot) and PLAIN.fullmatch(part):
            words.append(f"'{part!s}'")
        else:
            words.append("%s")
            left.append(part)
        words.append(piece)
    return "".join(words).replace("\0", "%%"), left


def prepared(build: "Callable[..., QuerySet[Any, Row]]") -> Prepared[Row]:
    """Decorator: a function that makes a query becomes one that asks it, with the same arguments, by name."""
    names = list(inspect.signature(build).parameters)
    made: Prepared[Row] = Prepared(lambda: build(**{name: Given(name) for name in names}))
    made.__doc__ = build.__doc__
    return made


def value_of(value: Any) -> Any:
    """A given value as the database takes it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID) and not connection.features.has_native_uuid_field:
        return value.hex
    return connection.ops.adapt_datefield_value(value) if isinstance(value, date) else value


def shape_of(query: "QuerySet[Any, Any]", compiler: SQLCompiler) -> Callable[[Sequence[Any]], Any]:
    """How one converted row becomes an instance, a dict or a tuple."""
    kind = query._iterable_class
    if issubclass(kind, ValuesListIterable):
        return tuple
    if issubclass(kind, ValuesIterable):
        names = list(query.query.selected or ())
        return lambda values: dict(zip(names, values, strict=False))
    if kind is not ModelIterable:
        raise ValueError("a prepared query gives instances, values() or values_list()")
    info, select, annotations = compiler.klass_info, compiler.select, compiler.annotation_col_map
    assert info is not None, query
    assert select is not None, query
    model, fields = info["model"], info["select_fields"]
    begin, end = fields[0], fields[-1] + 1
    names = [column[0].target.attname for column in select[begin:end]]
    related = get_related_populators(info, select, query.db)  # type: ignore[call-arg]  # the stubs are of a later Django
    alias = query.db

    def instance(values: Sequence[Any]) -> Any:
        made = model.from_db(alias, names, values[begin:end])
        for populator in related:
            populator.populate(values, made)
        for name, position in (annotations or {}).items():
            setattr(made, name, values[position])
        return made

    return instance


@dataclass(frozen=True)
class Asked:
    """A query and the values it is asked with, for what reads many shapes of one list.

    `build(*shape, **given)` makes the query: `shape` are the words that change its SQL (a filter's name), `given` the values
    that do not.
    """

    build: "Callable[..., QuerySet[Any, Any]]"
    shape: tuple[str, ...]
    given: dict[str, Any]

    def queryset(self) -> "QuerySet[Any, Any]":
        """The query with its values in it."""
        return self.build(*self.shape, **self.given)

    def open(self) -> "QuerySet[Any, Any]":
        """The query with its values left open."""
        return self.build(*self.shape, **{name: Given(name) for name in self.given})
