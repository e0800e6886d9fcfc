"""Recurring revenue on the desk: what runs, what will be renewed by month, what came and went; picture, table, file."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.recurring import MOVEMENTS, Recurring, recurring
from portico.kit import formats
from portico.kit.charts import Bars, bars
from portico.kit.periods import today
from portico.kit.spreadsheet import amount, column, is_asked, rows_as_file

WORDS = {
    "new": lazy("New"),
    "expansion": lazy("Expansion"),
    "contraction": lazy("Contraction"),
    "churn": lazy("Churn"),
}
COLUMNS = (
    column(lazy("Currency"), "currency"),
    column(lazy("Month"), "month"),
    *(amount(WORDS[name], name) for name in MOVEMENTS),
    amount(lazy("Due"), "due"),
    amount(lazy("MRR"), "mrr"),
    amount(lazy("ARR"), "arr"),
)


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """The figures of each currency."""
    found = recurring(request.seller, today(timezone.now(), request.seller.zone))
    if is_asked(request.GET):
        return rows_as_file(request.GET, months_of(found), COLUMNS, "recurring")
    language = request.user.language
    parts = [
        (
            one,
            {
                "due": drawn(one.due, one.currency, language),
                "revenue": drawn(one.month_ends(), one.currency, language),
                "churn": drawn(one.churned(), one.currency, language),
            },
            one.movements(),
        )
        for one in found
    ]
    return render(request, "billing/staff/recurring/index.html", {"parts": parts})


def drawn(figures: Mapping[date, int], currency: str, language: str) -> Bars:
    """Amounts by month as bars."""
    months = list(figures.items())
    rows = [
        (
            formats.month(month, language, year=month == months[0][0] or month.month == 1),
            formats.month(month, language, year=True),
            minor,
        )
        for month, minor in months
    ]
    return bars(rows, currency, language)


def months_of(found: list[Recurring]) -> Iterator[dict[str, Any]]:
    """One row for each currency and month: what came and went, what is due; and the figures of today."""
    for one in found:
        moved = {row["month"]: row for row in one.movements()}
        now = min(one.due)
        for month in sorted({*moved, *one.due}):
            row = moved.get(month)
            yield {name: row[name] if row else None for name in MOVEMENTS} | {
                "currency": one.currency,
                "month": f"{month:%Y-%m}",
                "due": one.due.get(month),
                "mrr": one.mrr_minor if month == now else None,
                "arr": one.arr_minor if month == now else None,
            }


urlpatterns = [path("reports/recurring/", index, name="recurring.index")]
