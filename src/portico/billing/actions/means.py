"""How an invoice will be paid by itself, as it is frozen at issue and said by its e-invoice (BG-16, UNTDID 4461).

An invoice that auto-pay collects must not ask for a transfer: whoever follows its paper would pay twice.
"""

from collections.abc import Sequence
from datetime import date

from portico.billing.models import AutoPay, Invoice, SavedMethod

Means = dict[str, str]


def means_of_auto_pay(invoices: Sequence[Invoice], day: date) -> list[Means]:
    """For each draft what auto-pay will charge on or after `day`; empty where nothing is charged by itself.

    Two statements however many there are, one where no subscription among them has its switch on.
    """
    subscriptions = [_subscription_of(invoice) for invoice in invoices]
    known = {key for key in subscriptions if key is not None}
    on = set(AutoPay.objects.filter(subscription__in=known, off_at=None).values_list("subscription_id", flat=True))
    if not on:
        return [{} for _invoice in invoices]
    payers = {one.customer_id for one, key in zip(invoices, subscriptions, strict=True) if key in on}
    methods = {
        method.customer_id: method
        for method in SavedMethod.objects.kept().filter(customer__in=payers, is_default=True)
        if method.good_on(day)
    }
    return [
        means_of_method(methods[one.customer_id], one.seller.sepa_creditor_id)
        if key in on and one.customer_id in methods and one.kind != Invoice.Kind.CREDIT_NOTE
        else {}
        for one, key in zip(invoices, subscriptions, strict=True)
    ]


def means_of_method(method: SavedMethod, creditor: str) -> Means:
    """A saved method in the words of BG-16: 48 by card with its last digits (BT-87), 59 by SEPA direct debit with mandate,
    creditor and account (BG-19), 68 online where less is known: a debit whose mandate we cannot name is not claimed to be
    one (BR-DE-25, PEPPOL-EN16931-R061). `auto` tells it from what was paid already.
    """
    if method.kind == "card" and method.last4:
        return {"code": "48", "card": method.last4, "network": method.brand or "NA", "auto": "yes"}
    if method.kind == "sepa_debit" and method.mandate_reference and creditor:
        return {
            "code": "59",
            "mandate": method.mandate_reference,
            "creditor": creditor,
            "account": f"****{method.last4}" if method.last4 else "",
            "auto": "yes",
        }
    return {"code": "68", "auto": "yes"}


def _subscription_of(invoice: Invoice) -> int | None:
    """The subscription that it bills: by its period, or by its order."""
    if invoice.period is not None:
        return invoice.period.subscription_id
    return invoice.order.subscription_id if invoice.order is not None else None
