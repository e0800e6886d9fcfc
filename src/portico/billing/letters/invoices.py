"""The mails about an invoice: to those who look after the money, and to the addresses that get the company's invoices."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import bookkeepers, drawn, payers
from portico.billing.documents.einvoice.checker import NoAnswer
from portico.billing.documents.einvoice.terms import profile_of
from portico.billing.documents.issued import CII, UBL, XML, has_xml, issued_pdf, issued_xml
from portico.billing.documents.notice import DAYS_TO_PAY, notice_sheet
from portico.billing.documents.render import render_pdf
from portico.billing.documents.verify import verify
from portico.billing.models import Dispute, Invoice, Reminder
from portico.billing.models.instalment import standing_of
from portico.kit.models import Letter
from portico.kit.outbox import STAFF, Attachment, Drawn, News, Reader, kind, post, post_all
from portico.kit.periods import today

REMINDERS = {"before": "invoice_due", "due": "invoice_due", "late": "invoice_overdue", "formal": "invoice_formal"}
"""Which letter goes at which stage."""


def invoices_issued(invoices: Sequence[Invoice], *, now: datetime) -> None:
    """Invoices were issued; each one's file goes with its letter."""
    _post("invoice_issued", invoices, now=now)


def credit_notes_issued(credit_notes: Sequence[Invoice], *, now: datetime) -> None:
    """Credit notes were issued; each one's file goes with its letter."""
    _post("credit_note_issued", credit_notes, now=now)


def released(invoice: Invoice, *, now: datetime) -> None:
    """What was held back follows the rules now: its letter goes out after all."""
    event = "credit_note_issued" if invoice.kind == Invoice.Kind.CREDIT_NOTE else "invoice_issued"
    _post(event, [invoice], again="released", now=now)


def invoice_reminder(reminder: Reminder, *, now: datetime) -> int:
    """An invoice reached a stage of reminding; the reminder's `invoice` has its seller. Returns how many readers there are."""
    event = REMINDERS[reminder.stage]
    invoice = reminder.invoice
    return post(
        event,
        payers({invoice.customer_id}, event, recipients=True)[invoice.customer_id],
        about=f"invoice:{invoice.pk}",
        data={"invoice": invoice.pk, "reminder": reminder.pk, "days": reminder.days},
        seller=invoice.seller_id,
        customer=invoice.customer_id,
        again=reminder.stage,
        now=now,
    )


def invoice_disputed(dispute: Dispute, *, now: datetime) -> None:
    """The customer says what is wrong with an invoice: finance and the salesperson hear it."""
    invoice = dispute.invoice
    version = invoice.order.version if invoice.order else None
    seller = version.quotation.salesperson if version else None
    _post_dispute("invoice_disputed", dispute, bookkeepers(invoice.seller, seller, "invoice_disputed"), now=now)


def invoice_solved(dispute: Dispute, *, now: datetime) -> None:
    """The answer to a disputed invoice."""
    customer = dispute.invoice.customer_id
    _post_dispute("invoice_solved", dispute, payers({customer}, "invoice_solved")[customer], now=now)


def _post_dispute(event: str, dispute: Dispute, readers: Sequence[Reader], *, now: datetime) -> None:
    invoice = dispute.invoice
    post(
        event,
        readers,
        about=f"invoice:{invoice.pk}",
        data={"dispute": dispute.pk},
        seller=invoice.seller_id,
        customer=invoice.customer_id,
        again=str(dispute.pk),
        now=now,
    )


def _post(event: str, invoices: Sequence[Invoice], *, again: str = "", now: datetime) -> int:
    readers = payers({invoice.customer_id for invoice in invoices}, event, recipients=True)
    return post_all(
        News(
            event,
            readers[invoice.customer_id],
            about=f"invoice:{invoice.pk}",
            data={"invoice": invoice.pk},
            seller=invoice.seller_id,
            customer=invoice.customer_id,
            again=again,
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


@kind("invoice_due", label=lazy("An invoice is soon due"))
def draw_invoice_due(letter: Letter) -> Drawn | None:
    """What is to be paid until when; nothing once it was paid, is on its way, or is in dispute."""
    invoice, due_on, due_minor = _reminded(letter)
    if not due_minor:
        return None
    left = due_on - today(timezone.now(), invoice.seller.zone)
    return _drawn(letter, invoice, days=left.days, due_on=due_on, due_minor=due_minor)


@kind("invoice_formal", label=lazy("A formal notice about an overdue invoice"), optional=False)
def draw_invoice_formal(letter: Letter) -> Drawn | None:
    """The formal notice as a letter on paper, with the invoice; nothing once it was paid."""
    reminder = Reminder.objects.select_related("invoice__seller", "invoice__customer", "invoice__pdf").get(
        pk=letter.data["reminder"]
    )
    invoice = reminder.invoice
    if not _left_of(invoice, reminder.due_on):
        return None
    drawn_one = _drawn(
        letter,
        invoice,
        reminder=reminder,
        total_minor=reminder.due_minor + reminder.fee_minor + reminder.interest_minor,
        until=reminder.on + timedelta(days=DAYS_TO_PAY),
    )
    if drawn_one is None:
        return None
    notice = render_pdf(notice_sheet(reminder), accent=invoice.seller.accent, logo=invoice.seller.logo)
    return replace(drawn_one, attachments=[Attachment(f"notice-{invoice.number}.pdf", notice), *drawn_one.attachments])


def _reminded(letter: Letter) -> tuple[Invoice, date, int]:
    """The invoice of a reminder, the due day it is about, and what is left to pay of that."""
    invoice = _invoice(letter)
    due_on = Reminder.objects.values_list("due_on", flat=True).get(pk=letter.data["reminder"])
    return invoice, due_on, _left_of(invoice, due_on)


def _left_of(invoice: Invoice, due_on: date) -> int:
    """What can be paid now of the part that is due on this day; 0 once it was paid, is on its way, or is in dispute."""
    if invoice.payment_state not in Invoice.PAYABLE:
        return 0
    return sum(part.left_minor for part in standing_of(invoice) if part.due_on == due_on)


@kind("invoice_overdue", label=lazy("An invoice is overdue"))
def draw_invoice_overdue(letter: Letter) -> Drawn | None:
    """What is left to pay; nothing once it was paid, is on its way, or is in dispute."""
    invoice, due_on, due_minor = _reminded(letter)
    if not due_minor:
        return None
    late = today(timezone.now(), invoice.seller.zone) - due_on
    return _drawn(letter, invoice, days=late.days, due_on=due_on, due_minor=due_minor)


@kind("invoice_disputed", label=lazy("A customer says that something is wrong with an invoice"), sides=(STAFF,))
def draw_invoice_disputed(letter: Letter) -> Drawn | None:
    """Who, why, and its words; nothing once it was solved."""
    dispute = _dispute(letter)
    if dispute.solved_at is not None:
        return None
    invoice = dispute.invoice
    return drawn(
        letter,
        seller=invoice.seller,
        customer=invoice.customer,
        path=reverse("staff:invoices.detail", args=[invoice.number]),
        context={
            "invoice": invoice,
            "who": dispute.by.get_full_name() if dispute.by else _("Somebody"),
            "reason": dispute.get_reason_display(),
            "words": dispute.message,
        },
    )


@kind("invoice_solved", label=lazy("An answer about an invoice that you disputed"))
def draw_invoice_solved(letter: Letter) -> Drawn | None:
    """The answer, and what is left to pay until when."""
    dispute = _dispute(letter)
    return drawn(
        letter,
        seller=dispute.invoice.seller,
        customer=dispute.invoice.customer,
        path=reverse("my:invoices.detail", args=[dispute.invoice.number]),
        context={
            "invoice": dispute.invoice,
            "credited": dispute.outcome == Dispute.Outcome.CREDITED,
            "words": dispute.answer,
        },
    )


def _dispute(letter: Letter) -> Dispute:
    rows = Dispute.objects.select_related("invoice__seller", "invoice__customer", "by")
    return rows.get(pk=letter.data["dispute"])


def _invoice(letter: Letter) -> Invoice:
    rows = Invoice.objects.select_related("seller", "customer", "refers_to", "pdf", "cii", "ubl")
    return rows.get(pk=letter.data["invoice"])


def _drawn(letter: Letter, invoice: Invoice, **context: object) -> Drawn | None:
    """The letter with the files that its customer wants; none while a broken rule holds the paper back.

    Raises NoAnswer while the rules cannot be asked: the letter is tried again.
    """
    if not verify(invoice, now=timezone.now()):
        raise NoAnswer("the paper is not checked yet")
    if invoice.einvoice_state == Invoice.EInvoice.FAILED:
        return None
    files = attached(invoice)
    noun = "credit_notes" if invoice.kind == Invoice.Kind.CREDIT_NOTE else "invoices"
    return drawn(
        letter,
        seller=invoice.seller,
        customer=invoice.customer,
        path=reverse(f"my:{noun}.detail", args=[invoice.number]),
        context={
            "invoice": invoice,
            "is_attached": bool(files),
            "parts": standing_of(invoice) if invoice.instalment_count else [],
            **context,
        },
        attachments=files,
    )


def attached(invoice: Invoice) -> list[Attachment]:
    """The files that go with its mail, as the customer chose: none, the PDF, or the PDF and the XML of its profile."""
    customer = invoice.customer
    if customer.delivery == customer.Delivery.PORTAL:
        return []
    files = [Attachment(f"{invoice.number}.pdf", issued_pdf(invoice))]
    if customer.delivery == customer.Delivery.EINVOICE and has_xml(invoice):
        syntax = CII if profile_of(invoice.buyer).code == "en16931" else UBL
        files.append(Attachment(f"{invoice.number}.xml", issued_xml(invoice, syntax), XML))
    if (
        customer.delivery == customer.Delivery.EINVOICE
        and invoice.is_imported
        and invoice.imported.original.media_type == XML
    ):
        files.append(Attachment(f"{invoice.number}.xml", invoice.imported.original.read(), XML))  # the invoice itself
    return files
