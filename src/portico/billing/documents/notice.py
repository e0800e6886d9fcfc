"""The formal notice of an overdue invoice as a letter: what is due, what the law adds where it is claimed, until when."""

from datetime import timedelta

from django.utils import translation
from django.utils.translation import gettext as _

from portico.billing.documents.build import reference_of
from portico.billing.documents.parts import buyer_party, footer_lines, payment_of, seller_party
from portico.billing.documents.sheet import Sheet, SheetFact, SheetLine, SheetSum
from portico.billing.models import Reminder
from portico.kit import formats

DAYS_TO_PAY = 8


def notice_sheet(reminder: Reminder) -> Sheet:
    """The sheet of a formal notice, from the row alone: the same whenever it is drawn."""
    invoice = reminder.invoice
    seller = invoice.content["seller"]
    with translation.override(invoice.language):
        lines = [
            SheetLine(
                "line",
                _("Invoice %(number)s") % {"number": invoice.shown_number},
                detail=invoice.title,
                net_minor=reminder.due_minor,
            )
        ]
        if reminder.fee_minor:
            lines.append(SheetLine("line", _("Fixed fee for recovery costs"), net_minor=reminder.fee_minor))
        if reminder.interest_minor:
            lines.append(
                SheetLine(
                    "line",
                    _("Interest for late payment through %(day)s")
                    % {"day": formats.day(reminder.on, invoice.language)},
                    net_minor=reminder.interest_minor,
                )
            )
        total = sum(line.net_minor for line in lines)
        until = formats.long_day(reminder.on + timedelta(days=DAYS_TO_PAY), invoice.language)
        due_on = formats.long_day(reminder.due_on, invoice.language)
        return Sheet(
            kind="notice",
            title=_("Formal notice"),
            number=invoice.shown_number,
            currency=invoice.currency,
            language=invoice.language,
            issued_on=reminder.on,
            seller=seller_party(seller),
            seller_short_name=invoice.seller.short_name,
            buyer=buyer_party(_("To"), invoice.buyer),
            facts=(SheetFact(_("Date"), reminder.on), SheetFact(_("Invoice"), invoice.shown_number)),
            subject=invoice.title,
            intro=_(
                "The invoice named below was due on %(due_on)s. In spite of our reminder we have not received your payment. "
                "We ask you formally to pay the amount below by %(until)s. After that day we may suspend the service "
                "concerned and claim what the law provides."
            )
            % {"due_on": due_on, "until": until},
            lines=tuple(lines),
            sums=(SheetSum(_("To pay"), total, "grand"),),
            notes=(_("If you have paid in the meantime, please take this letter as settled."),),
            payment=payment_of(seller, reference_of(invoice), amount_minor=total, currency=invoice.currency),
            footer=footer_lines(seller),
        )
