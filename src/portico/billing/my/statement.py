"""The customer's statement of account: on the page, on paper, as a file, and payable as one."""

from django.http import HttpResponseBase
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from portico.accounts.access import MemberRequest, member
from portico.billing.my.nav import nav_of
from portico.billing.providers import label_of
from portico.billing.statement import (
    CSV,
    KINDS,
    MOST_SHOWN,
    currencies_of,
    is_paper_asked,
    read_cut,
    statement_of,
    statement_pdf,
)
from portico.kit.answers import pdf_answer
from portico.kit.spreadsheet import is_asked, rows_as_file


@member(whole=True)
@require_safe
def index(request: MemberRequest) -> HttpResponseBase:
    """What was owed, what came and went, what is owed now and how late it is."""
    now, customer = timezone.now(), request.member.customer
    cut = read_cut(request.GET, customer, now=now)
    statement = statement_of(customer, cut, now=now)
    if is_asked(request.GET):
        return rows_as_file(request.GET, statement.entries, CSV, f"statement-{cut.start}-{cut.end}")
    if is_paper_asked(request.GET):
        return pdf_answer(statement_pdf(customer, statement, now=now), f"statement-{cut.start}-{cut.end}.pdf")
    context = {
        "statement": statement,
        "currencies": currencies_of(customer),
        "kinds": KINDS,
        "most": MOST_SHOWN,
        "label_of": label_of,
        "balances": {balance.currency: balance for balance in nav_of(request).balances},
    }
    return render(request, "billing/my/statement/index.html", context)


urlpatterns = [path("statement/", index, name="statement.index")]
