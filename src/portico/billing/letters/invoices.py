"""The mails about an invoice: to those who look after the money, and to the addresses that get the company's invoices."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import drawn, payers
from portico.billing.documents.issued import issued_pdf
from portico.billing.models import Invoice
from portico.kit.models import Letter
from portico.kit.outbox import Attachment, Drawn, News, kind, post_all
from portico.kit.periods import today


def invoices_issued(invoices: Sequence[Invoice], *, now: datetime) -> None:
    """Invoices were issued; each one's file goes with its letter."""
    _post("invoice_issued", invoices, now=now)


def credit_notes_issued(credit_notes: Sequence[Invoice], *, now: datetime) -> None:
    """Credit notes were issued; each one's file goes with its letter."""
    _post("credit_note_issued", credit_notes, now=now)


def invoice_overdue(invoice: Invoice, *, days: int, now: datetime) -> int:
    """An invoice is `days` late; once for each number of days. Returns how many readers there are."""
    return _post("invoice_overdue", [invoice], days=days, now=now)


def _post(event: str, invoices: Sequence[Invoice], *, days: int = 0, now: datetime) -> int:
    readers = payers({invoice.customer_id for invoice in invoices}, event, recipients=True)
    return post_all(
        News(
            event,
            readers[invoice.customer_id],
            about=f"invoice:{invoice.pk}",
            data={"invoice": invoice.pk} | ({"days": days} if days else {}),
            seller=invoice.seller_id,
            customer=invoice.customer_id,
            again=str(days or ""),
            now=now,
        )
        for invoice in invoices
    )


@kind("invoice_issued", label=lazy("An invoice was issued"))
def draw_invoice_issued(letter: Letter) -> Drawn | None:
    """The amount, until when, and the file."""
    return _drawn(letter, _invoice(letter))


@kind("credit_note_issued", label=lazy("A credit note was issued"))
def draw_credit_note_issued(letter: Letter) -> Drawn | None:
    """What it takes back, of which invoice, and the file."""
    return _drawn(letter, _invoice(letter))


@kind("invoice_overdue", label=lazy("An invoice is overdue"))
def draw_invoice_overdue(letter: Letter) -> Drawn | None:
    """What is left to pay; nothing once it was paid, is on its way, or is in dispute."""
    invoice = _invoice(letter)
    if invoice.payment_state not in Invoice.PAYABLE or not invoice.amount_due_minor:
        return None
    late = today(timezone.now(), invoice.seller.zone) - invoice.due_on if invoice.due_on else timedelta()
    return _drawn(letter, invoice, days=late.days)


def _invoice(letter: Letter) -> Invoice:
    return Invoice.objects.select_related("seller", "customer", "refers_to", "pdf").get(pk=letter.data["invoice"])


def _drawn(letter: Letter, invoice: Invoice, **context: object) -> Drawn:
    noun = "credit_notes" if invoice.kind == Invoice.Kind.CREDIT_NOTE else "invoices"
    return drawn(
        letter,
        seller=invoice.seller,
        customer=invoice.customer,
        path=reverse(f"my:{noun}.detail", args=[invoice.number]),
        context={"invoice": invoice, **context},
        attachments=[Attachment(f"{invoice.number}.pdf", issued_pdf(invoice))],
    )
