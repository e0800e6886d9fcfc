"""The mails about quotations, orders, invoices, payments and subscriptions: one function for each, called by the actions.

Each writes ids to the outbox in the caller's transaction; what its `draw_…` reads from them is rendered by the worker.
Actions name them through this package: `letters.quotation_sent(version, now=now)`.
"""

from portico.billing.letters.archives import archive_ready
from portico.billing.letters.invoices import (
    credit_notes_issued,
    invoice_disputed,
    invoice_reminder,
    invoice_solved,
    invoices_issued,
    released,
)
from portico.billing.letters.payments import (
    autopay_failed,
    card_expires,
    payment_action,
    payment_failed,
    payment_received,
    payment_refunded,
    payment_request,
    payment_reversed,
)
from portico.billing.letters.quotations import (
    changes_requested,
    new_version,
    quotation_accepted,
    quotation_approved,
    quotation_expires,
    quotation_rejected,
    quotation_sent,
)
from portico.billing.letters.subscriptions import change_installed, renewal_ahead, subscription_state
from portico.billing.letters.webhooks import webhook_dead

__all__ = [
    "archive_ready",
    "autopay_failed",
    "card_expires",
    "change_installed",
    "changes_requested",
    "credit_notes_issued",
    "invoice_disputed",
    "invoice_reminder",
    "invoice_solved",
    "invoices_issued",
    "new_version",
    "payment_action",
    "payment_failed",
    "payment_received",
    "payment_refunded",
    "payment_request",
    "payment_reversed",
    "quotation_accepted",
    "quotation_approved",
    "quotation_expires",
    "quotation_rejected",
    "quotation_sent",
    "released",
    "renewal_ahead",
    "subscription_state",
    "webhook_dead",
]
