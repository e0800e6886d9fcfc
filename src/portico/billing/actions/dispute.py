"""Something is wrong with an invoice: the customer says so, and is answered. Each story opens its own transaction.

While an invoice is disputed nothing of it is asked for: no reminder goes out and no payment is offered (DOMAIN 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Membership, User
from portico.billing import letters
from portico.billing.actions.credit import credit_invoice
from portico.billing.actions.settle import derive_payment_state
from portico.billing.models import Dispute, Invoice
from portico.kit.db import claim
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing

LONGEST = 4000


@dataclass(frozen=True)
class Crediting:
    """The credit note that solves a dispute: all that is left (`quantities` None), quantities by line id, or an amount."""

    quantities: Mapping[int, Decimal] | None
    reason: str
    invoice_again: bool
    amount_minor: int | None = None


def may_dispute(member: Membership) -> bool:
    """Whether this member may object to an invoice: who pays, and who decided to buy."""
    return member.may_pay or member.may_decide


def dispute_invoice(
    *,
    invoice: Invoice,
    by: Membership | User,
    now: datetime,
    reason: str = Dispute.Reason.OTHER,
    message: str = "",
) -> Dispute:
    """An issued invoice with something left to pay is disputed: by a member in words, or noted by staff.

    No reminders until it is solved. What a member writes goes to finance and the salesperson. Raises Forbidden without
    the role, Missing for another customer's invoice, Invalid without a reason or words, Conflict when it is settled or
    disputed already.
    """
    person = by.user if isinstance(by, Membership) else by
    if isinstance(by, Membership):
        _refuse_wrong_member(invoice, by)
        if not message.strip():
            raise Invalid(_("Say in a few words what is wrong, so that we can look into it."))
    if reason not in dict(Dispute.Reason.of_people()):
        raise Invalid(_("Choose what is wrong."))
    if len(message.strip()) > LONGEST:
        raise Invalid(_("Write at most %(most)d characters.") % {"most": LONGEST})
    with transaction.atomic():
        if not claim(Invoice.objects.filter(pk=invoice.pk, disputed_at=None).open(), disputed_at=now):
            raise Conflict(_("This invoice is settled or disputed already. Nothing was changed."))
        invoice.refresh_from_db()
        dispute = Dispute.objects.create(invoice=invoice, reason=reason, message=message.strip(), by=person, at=now)
        Event.record(
            "invoice.disputed",
            invoice,
            now=now,
            by=person,
            customer=invoice.customer,
            number=invoice.number,
            dispute=dispute.pk,
        )
        derive_payment_state(invoice, now=now)
        if isinstance(by, Membership):
            letters.invoice_disputed(dispute, now=now)
    return dispute


def solve_dispute(
    *, invoice: Invoice, answer: str, by: User, now: datetime, crediting: Crediting | None = None
) -> Invoice | None:
    """Finance answers a dispute: the invoice stands, or a credit note takes back all or some of it in the same breath.

    What is left to pay is asked for again from then on; the customer gets the answer. Returns the credit note, if one
    was made. Raises Forbidden without the finance role, Invalid without an answer or for a credit note that cannot be,
    Conflict when the invoice is not disputed (any more).
    """
    if by.staff_role not in {User.StaffRole.FINANCE, User.StaffRole.ADMIN}:
        raise Forbidden(_("Solving a dispute needs the finance role. Ask an administrator."))
    if not answer.strip():
        raise Invalid(_("Write an answer: the customer gets it."))
    if len(answer.strip()) > LONGEST:
        raise Invalid(_("Write at most %(most)d characters.") % {"most": LONGEST})
    with transaction.atomic():
        if not claim(Invoice.objects.filter(pk=invoice.pk, disputed_at__isnull=False), disputed_at=None):
            raise Conflict(_("This invoice is not disputed any more. Nothing was changed."))
        invoice.refresh_from_db()
        credit = None
        if crediting is not None:
            credit = credit_invoice(
                invoice=invoice,
                quantities=crediting.quantities,
                reason=crediting.reason,
                invoice_again=crediting.invoice_again,
                amount_minor=crediting.amount_minor,
                by=by,
                now=now,
            )
        dispute = invoice.disputes.filter(solved_at=None).first() or Dispute(invoice=invoice, at=now)
        if dispute.pk is None:  # noted before disputes had a row of their own
            dispute.save()
        outcome = Dispute.Outcome.CREDITED if credit else Dispute.Outcome.STANDS
        dispute.solve(outcome=outcome, answer=answer.strip(), by=by, now=now)
        Event.record(
            "invoice.solved",
            invoice,
            now=now,
            by=by,
            customer=invoice.customer,
            number=invoice.number,
            solved=dispute.pk,
        )
        derive_payment_state(invoice, now=now)
        letters.invoice_solved(dispute, now=now)
    return credit


def _refuse_wrong_member(invoice: Invoice, member: Membership) -> None:
    if invoice.customer_id != member.customer_id:
        raise Missing(_("There is no invoice of this number."))
    if not may_dispute(member):
        raise Forbidden(_("This needs the billing or the approver role. Ask an owner of your company's account."))
