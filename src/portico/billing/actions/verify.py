"""The official rules, asked after issue of every paper; staff may have them asked again of what was held back."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Event, User
from portico.billing import letters
from portico.billing.documents.verify import verify
from portico.billing.models import Invoice
from portico.kit.errors import Conflict

BATCH = 20


def verify_due(*, now: datetime) -> int:
    """Check issued papers that were not checked yet, those with the fewest attempts first; returns how many got a verdict."""
    rows = Invoice.objects.filter(state=Invoice.State.ISSUED, einvoice_state="")
    found = rows.select_related("seller", "customer", "refers_to", "pdf", "cii", "ubl")
    return sum(verify(invoice, now=now) for invoice in found.order_by("einvoice_attempts", "id")[:BATCH])


def verify_again(*, invoice: Invoice, by: User, now: datetime) -> bool:
    """Ask the rules once more, as after an update of them; what passes now goes out at last. True when it passed.

    Conflict when it was not held back.
    """
    if not invoice.check_again():
        raise Conflict(_("This document is not held back. Nothing was changed."))
    invoice.refresh_from_db()
    verify(invoice, now=now)
    if invoice.einvoice_state != Invoice.EInvoice.PASSED:
        return False
    with transaction.atomic():
        Event.record(
            "invoice.released", invoice, now=now, by=by, customer=invoice.customer, visible=False, number=invoice.number
        )
        letters.released(invoice, now=now)
    return True
