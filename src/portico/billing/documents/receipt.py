"""The receipt of a payment: what arrived, when and how, and what became of it. It is drawn anew from the books each time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from django.utils.translation import gettext as _

from portico.billing.documents.parts import buyer_party, buyer_values, footer_lines, seller_party, seller_values
from portico.billing.documents.sheet import Sheet, SheetFact, SheetLine, SheetSum
from portico.billing.models import Allocation, Invoice, Order, Payment, Refund, Reversal
from portico.kit.periods import today
from portico.kit.prepared import prepared


@dataclass(frozen=True)
class Share:
    """What of a payment settles one paper, after what was taken off it again; `paper` is the order whose request waits."""

    paper: Invoice | Order
    amount_minor: int

    @property
    def is_invoice(self) -> bool:
        """Whether an invoice is settled, and not an order's payment request."""
        return isinstance(self.paper, Invoice)

    @property
    def number(self) -> str:
        """The paper's number as it is printed."""
        return self.paper.shown_number if isinstance(self.paper, Invoice) else self.paper.number


@dataclass(frozen=True)
class Use:
    """What became of the money of a payment; the parts add up to what arrived."""

    shares: Sequence[Share]
    given_back_minor: int
    going_back_minor: int
    """Asked to be given back, and not there yet."""
    taken_back_minor: int
    """By the payer's bank."""
    credit_minor: int

    @property
    def settling(self) -> list[Share]:
        """The papers that it settles now."""
        return [one for one in self.shares if one.amount_minor]


@prepared
def settled_by(payment: Any) -> Any:
    """What a payment settles, with its papers."""
    rows = Allocation.objects.filter(payment=payment).order_by("id")
    return rows.select_related("invoice", "request__order__version")


def use_of(payment: Payment) -> Use:
    """What became of the money that arrived; two statements more where some of it went back."""
    papers: dict[tuple[str, int], Share] = {}
    for row in settled_by(payment=payment.pk):
        paper = row.invoice or (row.request.order if row.request else None)
        if paper is None:
            continue
        key = (type(paper).__name__, paper.pk)
        before = papers.get(key, Share(paper, 0))
        papers[key] = Share(paper, before.amount_minor + row.amount_minor)
    given = going = taken = 0
    if payment.returned_minor:
        for state, minor in payment.refunds.filter(state__in=Refund.HOLDING).values_list("state", "amount_minor"):
            given += minor if state == Refund.State.SUCCEEDED else 0
            going += 0 if state == Refund.State.SUCCEEDED else minor
        gone = payment.reversals.exclude(state=Reversal.State.WON)
        taken = sum(gone.values_list("taken_minor", flat=True))
    settled = sum(share.amount_minor for share in papers.values())
    credit = payment.received_minor - settled - given - going - taken
    return Use(list(papers.values()), given, going, taken, credit)


def receipt_sheet(payment: Payment, way: str) -> Sheet:
    """The sheet of a payment whose money has arrived; `way` is how it was paid, in words."""
    customer, seller = payment.customer, payment.customer.seller
    if payment.ended_at is None:
        raise ValueError("a payment that has not arrived has no receipt")
    received_on = payment.received_on or today(payment.ended_at, seller.zone)
    with translation.override(customer.language):
        use = use_of(payment)
        lines = [_line(share) for share in use.settling]
        rest = (
            (_("Given back"), use.given_back_minor),
            (_("Set aside to be given back"), use.going_back_minor),
            (_("Taken back by the bank"), use.taken_back_minor),
            (_("Your credit"), use.credit_minor),
        )
        lines += [SheetLine("line", name, net_minor=minor) for name, minor in rest if minor]
        facts = [SheetFact(_("Received on"), received_on), SheetFact(_("How"), way)]
        if payment.reference:
            facts.append(SheetFact(_("Reference"), payment.reference))
        return Sheet(
            kind="receipt",
            title=_("Receipt"),
            number=payment.pk.hex[:12].upper(),
            currency=payment.received_currency,
            language=customer.language,
            issued_on=received_on,
            seller=seller_party(seller_values(seller)),
            seller_short_name=seller.short_name,
            buyer=buyer_party(_("Received from"), buyer_values(customer)),
            facts=tuple(facts),
            lines=tuple(lines),
            sums=(SheetSum(_("Received"), payment.received_minor, "grand"),),
            notes=(_("This is not an invoice: VAT is shown on the invoices that were paid."),),
            stamp=_("Received"),
            stamp_tone="ok",
            footer=footer_lines(seller_values(seller)),
        )


def _line(share: Share) -> SheetLine:
    """What a part of the money settles."""
    words = _("Invoice %(number)s") if share.is_invoice else _("Payment of order %(number)s")
    return SheetLine("line", words % {"number": share.number}, detail=share.paper.title, net_minor=share.amount_minor)
