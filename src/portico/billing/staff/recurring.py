"""Recurring revenue on the desk: what runs, what will be renewed by month, what came and went; picture, table, file."""

import csv
from collections.abc import Mapping
from datetime import date
from io import StringIO

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.billing.recurring import MOVEMENTS, Recurring, recurring
from portico.kit import formats
from portico.kit.charts import Bars, bars
from portico.kit.periods import today
from portico.kit.spreadsheet import cell, decimal, is_asked


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """The figures of each currency."""
    found = recurring(request.seller, today(timezone.now(), request.seller.zone))
    if is_asked(request.GET):
        return as_file(found)
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


def as_file(found: list[Recurring]) -> HttpResponse:
    """One row for each currency and month: what came and went, what is due; and the figures of today."""
    words = {"new": _("New"), "expansion": _("Expansion"), "contraction": _("Contraction"), "churn": _("Churn")}
    sheet = StringIO()
    writer = csv.writer(sheet)
    writer.writerow(
        [_("Currency"), _("Month"), *(words[name] for name in MOVEMENTS), _("Due"), _("MRR"), _("ARR")]
    )  # fmt: skip
    for one in found:
        moved = {row["month"]: row for row in one.movements()}
        now = min(one.due)
        for month in sorted({*moved, *one.due}):
            row = moved.get(month)
            values = [decimal(row[name], one.currency) if row else None for name in MOVEMENTS]
            values.append(decimal(one.due.get(month), one.currency))
            values += [
                decimal(minor, one.currency) if month == now else None for minor in (one.mrr_minor, one.arr_minor)
            ]
            writer.writerow([one.currency, f"{month:%Y-%m}", *(cell(value) for value in values)])
    answer = HttpResponse("\ufeff" + sheet.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="recurring.csv"'
    return answer


urlpatterns = [path("reports/recurring/", index, name="recurring.index")]
