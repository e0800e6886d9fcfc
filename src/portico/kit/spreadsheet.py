"""A list as a file for a spreadsheet, however long, row by row: CSV as RFC 4180 says, in UTF-8 with its mark, or XLSX.

Amounts are plain decimals beside a column with their currency, days are ISO 8601: what a program reads back is what stands in
the books. A cell that a spreadsheet would take for a formula begins with an apostrophe in CSV, and is text in XLSX.
"""

import csv
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import IO, Any

import xlsxwriter
from django.http import FileResponse, QueryDict, StreamingHttpResponse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from portico.kit.errors import Invalid
from portico.kit.listing import Listing
from portico.kit.money import exponent

Row = dict[str, Any]
Answer = StreamingHttpResponse | FileResponse
CHUNK = 1000
FORMULA = ("=", "+", "-", "@", "\t", "\r")
CSV, XLSX = "csv", "xlsx"
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST_IN_A_WORKBOOK = 200_000
"""Rows: a workbook is written whole before it is sent, about 10 seconds for so many; CSV has no end."""
LONGEST_CELL = 32_767
"""Characters that a cell of a workbook holds."""
WIDTHS = (8, 40)
"""The narrowest and the widest column, in characters."""


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
    """Whether the list is wanted as a file: `?format=csv` or `xlsx`."""
    return params.get("format") in {CSV, XLSX}


def as_file(
    params: QueryDict,
    found: Listing,
    columns: Sequence[Column],
    name: str,
    complete: Callable[[Row], object] | None = None,
) -> Answer:
    """All rows of the list, not just its page, in its order; `complete` adds to each row what the page shows beside it."""

    def rows() -> Iterator[Row]:
        for row in found.whole().iterator(chunk_size=CHUNK):
            if complete is not None:
                complete(row)
            yield row

    return rows_as_file(params, rows(), columns, name)


def rows_as_file(params: QueryDict, rows: Iterable[Row], columns: Sequence[Column], name: str) -> Answer:
    """Rows in their order, as the file of the asked format."""
    if params.get("format") == XLSX:
        return FileResponse(
            workbook(rows, columns), as_attachment=True, filename=f"{name}.xlsx", content_type=XLSX_TYPE
        )
    answer = StreamingHttpResponse(
        spoken(written(rows, columns), translation.get_language() or "en"), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def spoken(parts: Iterator[str], language: str) -> Iterator[str]:
    """The same parts, each made in `language`: an answer is sent after its request's language was put away."""
    while True:
        with translation.override(language):
            part = "".join(islice(parts, CHUNK))
        if not part:
            return
        yield part


# CSV -------------------------------------------------------------------------------------------------------------------


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


# XLSX ------------------------------------------------------------------------------------------------------------------


def workbook(rows: Iterable[Row], columns: Sequence[Column]) -> IO[bytes]:
    """The workbook as an open temporary file; only one row is in memory at a time. Invalid for more rows than fit."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  # whoever sends it closes it
    try:
        with xlsxwriter.Workbook(file, {"constant_memory": True, "default_date_format": "yyyy-mm-dd"}) as book:
            fill(book, rows, columns)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def fill(book: xlsxwriter.Workbook, rows: Iterable[Row], columns: Sequence[Column]) -> None:
    """One sheet: the headings stay in view, every column can be filtered."""
    sheet = book.add_worksheet()
    bold, plain = book.add_format({"bold": True}), book.add_format({"quote_prefix": True})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    money = {places: book.add_format({"num_format": f"0.{'0' * places}".rstrip(".")}) for places in range(5)}
    heads = [str(one.label) for one in columns]
    for place, head in enumerate(heads):
        sheet.set_column(place, place, min(max(len(head) + 2, WIDTHS[0]), WIDTHS[1]))
        sheet.write_string(0, place, head, bold)
    count = 0
    for count, row in enumerate(rows, start=1):
        if count > MOST_IN_A_WORKBOOK:
            raise Invalid(
                _("A workbook holds %(most)d rows, and this list has more. Export it as CSV, or filter it.")
                % {"most": MOST_IN_A_WORKBOOK}
            )
        for place, one in enumerate(columns):
            value = one.value(row)
            if value is None or value == "":
                continue
            if isinstance(value, bool):
                sheet.write_boolean(count, place, value)
            elif isinstance(value, datetime):
                sheet.write_datetime(count, place, value.astimezone(UTC).replace(tzinfo=None), moment)
            elif isinstance(value, date):
                sheet.write_datetime(count, place, value)
            elif isinstance(value, Decimal):
                sheet.write_number(count, place, value, money[min(places_of(value), 4)])
            elif isinstance(value, int):
                sheet.write_number(count, place, value)
            else:
                text = str(value)[:LONGEST_CELL]
                sheet.write_string(count, place, text, plain if text.startswith(FORMULA) else None)
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, count, max(len(heads) - 1, 0))


def places_of(value: Decimal) -> int:
    """How many decimals a value is written with."""
    places = value.as_tuple().exponent
    return -places if isinstance(places, int) and places < 0 else 0
