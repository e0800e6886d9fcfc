"""A list as a file for a spreadsheet: CSV as RFC 4180 says, in UTF-8 with its mark, however long, row by row.

Amounts are plain decimals beside a column with their currency, days are ISO 8601: what a program reads back is what stands in
the books. A cell that a spreadsheet would take for a formula begins with an apostrophe.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.http import QueryDict, StreamingHttpResponse
from django.utils.functional import Promise

from portico.kit.listing import Listing
from portico.kit.money import exponent

Row = dict[str, Any]
CHUNK = 1000
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Column:
    """One column: its heading, and what stands in it of a row."""

    label: str | Promise
    value: Callable[[Row], Any]


def column(label: str | Promise, name: str) -> Column:
    """A value of the row as it is."""
    return Column(label, lambda row: row[name])


def amount(label: str | Promise, minor: str, currency: str = "currency") -> Column:
    """An amount in minor units as a decimal."""
    return Column(label, lambda row: decimal(row[minor], row[currency]))


def decimal(minor: int | None, currency: str) -> Decimal | None:
    """804936 EUR → 8049.36."""
    return None if minor is None else Decimal(minor).scaleb(-exponent(currency))


def is_asked(params: QueryDict) -> bool:
    """Whether the list is wanted as a file: `?format=csv`."""
    return params.get("format") == "csv"


def as_csv(
    found: Listing, columns: Sequence[Column], name: str, complete: Callable[[Row], object] | None = None
) -> StreamingHttpResponse:
    """All rows of the list, not just its page, in its order; `complete` adds to each row what the page shows beside it."""
    heads = [str(one.label) for one in columns]
    answer = StreamingHttpResponse(lines(found, heads, columns, complete), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def rows_as_csv(rows: Iterable[Row], columns: Sequence[Column], name: str) -> StreamingHttpResponse:
    """Rows that are no list of a page, in their order."""
    answer = StreamingHttpResponse(written(rows, columns), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def written(rows: Iterable[Row], columns: Sequence[Column]) -> Iterator[str]:
    """The file, line by line."""
    writer = csv.writer(Echo())
    yield "\ufeff" + writer.writerow([cell(str(one.label)) for one in columns])
    for row in rows:
        yield writer.writerow([cell(one.value(row)) for one in columns])


class Echo:
    """What csv.writer writes to: it gives the line back."""

    def write(self, line: str) -> str:
        """The line."""
        return line


def lines(
    found: Listing, heads: Sequence[str], columns: Sequence[Column], complete: Callable[[Row], object] | None
) -> Iterator[str]:
    """The file, line by line."""
    writer = csv.writer(Echo())
    yield "\ufeff" + writer.writerow([cell(head) for head in heads])
    for row in found.whole().iterator(chunk_size=CHUNK):
        if complete is not None:
            complete(row)
        yield writer.writerow([cell(one.value(row)) for one in columns])


def cell(value: Any) -> str:
    """A value as it stands in a cell."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
