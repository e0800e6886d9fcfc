"""What the official rules say of an issued paper's files, kept with it. Asked by the worker alone: it may take seconds."""

import logging
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_noop

from portico.accounts.models import Event
from portico.billing.documents.coverage import code_of, missing
from portico.billing.documents.einvoice import checker
from portico.billing.documents.einvoice.terms import profile_of
from portico.billing.documents.issued import has_xml, issued_xml, written
from portico.billing.models import Invoice

logger = logging.getLogger("portico.einvoices")


def verify(invoice: Invoice, *, now: datetime) -> bool:
    """Check one paper and keep what was said; False when there is no verdict yet. Call it outside a transaction.

    A paper that breaks a rule keeps its number and is held back; the repair is a credit note and a new invoice (DOMAIN 5).
    One whose rules gave no answer is asked again, five times; then it counts as broken, for nobody knows.
    """
    if invoice.einvoice_state != Invoice.EInvoice.UNCHECKED:
        return True
    if not has_xml(invoice):
        return invoice.was_checked(Invoice.EInvoice.NONE, [], now=now)
    invoice.take_check()
    try:
        broken = ask(invoice)
    except checker.NoAnswer as fault:
        logger.warning("an e-invoice could not be checked: %s", fault, extra={"invoice": invoice.pk})
        if invoice.einvoice_attempts < Invoice.MOST_ATTEMPTS:
            return False
        broken = [checker.Broken("", "fatal", str(fault)[:300])]
    broken = [*broken, *unprintable(invoice)]
    fatal = any(one.is_fatal for one in broken)
    state = Invoice.EInvoice.FAILED if fatal else Invoice.EInvoice.PASSED
    with transaction.atomic():
        if invoice.was_checked(state, [[one.rule, one.severity, one.words] for one in broken], now=now) and fatal:
            logger.error("an e-invoice breaks a rule and is held back", extra={"invoice": invoice.pk})
            Event.record(
                "invoice.held_back", invoice, now=now, by=None, customer=invoice.customer, visible=False,
                number=invoice.number,
            )  # fmt: skip
    return True


def unprintable(invoice: Invoice) -> Sequence[checker.Broken]:
    """A warning where a paper shows codes for characters that no font holds; the name blocks nothing (the XML has it whole)."""
    lines = [text for line in invoice.content["lines"] for text in (line[2], line[3])]
    texts = [*map(str, invoice.buyer.values()), invoice.title, *lines]
    letters = "".join(dict.fromkeys("".join(missing(text) for text in texts)))
    if not letters:
        return []
    logger.warning("a paper shows codes for characters that no font holds", extra={"invoice": invoice.pk})
    codes = " ".join(code_of(letter) for letter in letters)
    return [
        checker.Broken(
            "PDF", "warning", f"{gettext_noop('No font holds these characters: their codes are printed.')} {codes}"
        )
    ]


def ask(invoice: Invoice) -> Sequence[checker.Broken]:
    """What the rules say of its kept files; files that cannot be written at all are broken too."""
    try:
        return checker.check(
            embedded=written(invoice).embedded,
            cii=issued_xml(invoice, "cii"),
            ubl=issued_xml(invoice, "ubl"),
            profile=profile_of(invoice.buyer).code,
        )
    except (ValueError, KeyError, TypeError) as fault:
        logger.exception("an e-invoice could not be written", extra={"invoice": invoice.pk})
        return [
            checker.Broken("", "fatal", gettext_noop("The XML could not be written.") + f" ({type(fault).__name__})")
        ]
