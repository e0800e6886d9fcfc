"""The statement of account as a paper: what was owed, what came and went, what is owed, and how late it is. Plain data in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Customer
from portico.billing.documents.parts import (
    buyer_party,
    buyer_values,
    footer_lines,
    seller_party,
    seller_values,
)
from portico.billing.documents.sheet import Sheet, SheetFact, SheetLine, SheetSum, SheetSummary
from portico.kit import formats


@dataclass(frozen=True)
class AccountEntry:
    """One line of the account. `debit_minor` raises what is owed, `credit_minor` lowers it, `balance_minor` is owed then."""

    on: date
    what: str
    title: str
    due_on: date | None
    debit_minor: int | None
    credit_minor: int | None
    balance_minor: int


@dataclass(frozen=True)
class Account:
    """The account in one currency from `start` through `end`; `ages` are pairs of words and what is open today."""

    currency: str
    start: date
    end: date
    opening_minor: int
    entries: Sequence[AccountEntry]
    closing_minor: int
    ages: Sequence[tuple[str, int]]
    open_minor: int
    credit_minor: int


def account_sheet(customer: Customer, account: Account, *, on: date) -> Sheet:
    """The sheet of the account, in the customer's language, drawn on the day `on`. Call it in that language for `entries`."""
    seller, language, currency = customer.seller, customer.language, account.currency
    with translation.override(language):
        opening = SheetLine(
            "line",
            _("Opening balance"),
            cells=(formats.day(account.start, language), "", "", ""),
            net_minor=account.opening_minor,
        )
        late = [(label, minor) for label, minor in account.ages if minor]
        sums = [
            SheetSum(
                _("Balance on %(day)s") % {"day": formats.day(account.end, language)}, account.closing_minor, "grand"
            )
        ]
        if account.credit_minor:
            sums.append(SheetSum(_("Your credit"), -account.credit_minor))
        sums.append(SheetSum(_("Open today"), account.open_minor, "due"))
        return Sheet(
            kind="statement",
            title=_("Statement of account"),
            number=f"{formats.day(account.start, language)} – {formats.day(account.end, language)}",
            currency=currency,
            language=language,
            issued_on=on,
            seller=seller_party(seller_values(seller)),
            seller_short_name=seller.short_name,
            buyer=buyer_party(_("For"), buyer_values(customer)),
            facts=(SheetFact(_("Date"), on), SheetFact(_("Currency"), currency)),
            columns=(
                _("Document"), _("Date"), _("Due date"), _("Debit"), _("Credit"),
                _("Balance, %(currency)s") % {"currency": currency},
            ),
            lines=(opening, *(_line(entry, currency, language) for entry in account.entries)),
            summary=SheetSummary(
                _("What is open today, by how late it is"),
                (_("How late"), _("Amount Due")),
                tuple((label, formats.amount(minor, currency, language)) for label, minor in late),
            )
            if late
            else None,
            sums=tuple(sums),
            footer=footer_lines(seller_values(seller)),
        )  # fmt: skip


def _line(entry: AccountEntry, currency: str, language: str) -> SheetLine:
    def amount(minor: int | None) -> str:
        return "" if minor is None else formats.amount(minor, currency, language)

    return SheetLine(
        "line",
        entry.what,
        detail=entry.title,
        cells=(
            formats.day(entry.on, language),
            formats.day(entry.due_on, language) if entry.due_on else "",
            amount(entry.debit_minor),
            amount(entry.credit_minor),
        ),
        net_minor=entry.balance_minor,
    )
