"""A list as a file: amounts are numbers, days are days, a text never runs, a workbook has an end."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.http import QueryDict
from django.utils import translation
from django.utils.translation import gettext_lazy as lazy

from portico.kit import spreadsheet
from portico.kit.errors import Invalid
from portico.kit.spreadsheet import Column, amount, column, rows_as_file
from portico.kit.tests.workbooks import Cell, cells_of

COLUMNS = (
    column(lazy("Number"), "number"),
    column("Day", "day"),
    column("At", "at"),
    amount("Total", "minor"),
    column("Count", "count"),
    Column("Word", lambda _row: lazy("Paid")),
)
EVIL = ['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


def rows(*names: str) -> list[dict[str, Any]]:
    """Rows of 1,234.50 EUR."""
    return [
        {
            "number": name, "day": date(2026, 11, 3), "at": datetime(2026, 11, 3, 12, 30, tzinfo=UTC), "minor": -123450,
            "currency": "EUR", "count": 7,
        }
        for name in names
    ]  # fmt: skip


def made(names: list[str], kind: str) -> bytes:
    """The file."""
    answer: Any = rows_as_file(QueryDict(f"format={kind}"), rows(*names), COLUMNS, "list")
    assert answer["Content-Disposition"] == f'attachment; filename="list.{kind}"'
    return b"".join(answer.streaming_content)


def test_in_a_workbook_amounts_are_numbers_and_days_are_days() -> None:
    head, row = cells_of(made(["INV-1"], "xlsx"))
    assert [one.value for one in head] == ["Number", "Day", "At", "Total", "Count", "Word"]
    number, day, at, total, count, _word = row
    assert number == Cell("text", "INV-1", "0")
    assert (day.kind, day.value, day.shown) == ("number", "46329", "yyyy-mm-dd")
    assert at.kind == "number"
    assert float(at.value) == pytest.approx(46329 + 12.5 / 24)
    assert (total.kind, Decimal(total.value), total.shown) == ("number", Decimal("-1234.5"), "0.00")
    assert (count.kind, count.value) == ("number", "7")


@pytest.mark.parametrize("evil", EVIL)
def test_a_text_never_runs(evil: str) -> None:
    (_head, row) = cells_of(made([evil], "xlsx"))
    assert (row[0].kind, row[0].quoted) == ("text", True)
    assert row[0].value.replace("_x000D_", "\r") == evil
    line = made([evil], "csv").decode("utf-8-sig").split("\r\n", 1)[1]
    assert line.lstrip('"').startswith("'")
    assert ",-1234.50," in line, "an amount below zero stays a number"


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_the_words_are_those_of_the_reader_whenever_they_are_sent(kind: str) -> None:
    with translation.override("de"):
        answer: Any = rows_as_file(QueryDict(f"format={kind}"), rows("INV-1"), COLUMNS, "list")
    content = b"".join(answer.streaming_content)
    said = content.decode() if kind == "csv" else " ".join(one.value for row in cells_of(content) for one in row)
    assert "Nummer" in said
    assert "Bezahlt" in said


def test_a_list_that_does_not_fit_a_workbook_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MOST_IN_A_WORKBOOK", 2)
    assert len(cells_of(made(["1", "2"], "xlsx"))) == 3
    with pytest.raises(Invalid, match="CSV"):
        made(["1", "2", "3"], "xlsx")
    assert made(["1", "2", "3"], "csv").count(b"\r\n") == 4
