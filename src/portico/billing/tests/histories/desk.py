"""What staff and the bank do."""

from decimal import Decimal

from django.db import transaction
from hypothesis import strategies as st

from portico.billing.actions import bank, refund, spend
from portico.billing.actions import order as orders
from portico.billing.actions.credit import credit_invoice
from portico.billing.actions.dispute import dispute_invoice, solve_dispute
from portico.billing.models import Invoice, Payment, Refund
from portico.billing.tests.banks import Line, camt
from portico.billing.tests.histories.played import Played
from portico.billing.tests.histories.stage import HOW, IBAN, SHARES, WHICH, step


class Desk(Played):
    """Orders, credit notes, refunds, bank files."""

    # Staff

    @step(
        4, ordered=True,
        what=st.sampled_from(["cancel", "deliver", "deliver part", "credit: own", "credit: staff", "object", "answer"]),
        which=WHICH,
    )  # fmt: skip
    def desk(self, what: str, which: int) -> None:
        """The order is cancelled or delivered; what the customer has to its credit is used; it objects and is answered."""
        order, invoice, omar = self.order(), self.pick(self.invoices(), which), self.stage.world.omar
        assert order is not None
        if what == "cancel":
            self.attempt(lambda: orders.cancel_order(order=order, by=omar, now=self.now), "cancel_order")
        elif what.startswith("deliver"):
            left = {one.pk: one.quantity - one.delivered_quantity for one in order.lines.filter(kind="line")}
            wanted = dict(list(left.items())[:1]) if "part" in what else left
            self.attempt(
                lambda: orders.record_delivery(order=order, quantities=wanted, by=omar, now=self.now), "deliver"
            )
        elif invoice is None:
            return
        elif what == "credit: staff":
            sources = [one.source for one in spend.credits_of(self.customer, invoice.currency)]
            self.attempt(lambda: spend.use_credit(invoice=invoice, sources=sources, by=omar, now=self.now), what)
        elif what == "credit: own":
            self.attempt(lambda: spend.use_own_credit(invoice=invoice, by=self.owner, now=self.now), what)
        elif what == "object":
            self.attempt(
                lambda: dispute_invoice(invoice=invoice, by=self.owner, message="Why?", now=self.now), "object"
            )
        else:
            self.attempt(lambda: solve_dispute(invoice=invoice, answer="It stands.", by=omar, now=self.now), "answer")

    @step(
        3, ordered=True,
        which=WHICH, how=st.sampled_from(["full", "lines", "amount"]), share=st.sampled_from([1, 33, 50, 100]),
        again=st.booleans(), back=st.booleans(), by_hand=st.booleans(),
    )  # fmt: skip
    def credit(self, which: int, how: str, share: int, again: bool, back: bool, by_hand: bool) -> None:
        """A credit note: for everything, some quantities, or an amount; and maybe the money goes back."""
        paid = {row[2] for row in self.seen.allocations if row[0]}
        papers = self.invoices()
        invoice = self.pick([one for one in papers if one.pk in paid] * (which % 3) or papers, which)
        if invoice is None:
            return

        def go() -> Invoice:
            quantities, amount = None, None
            if how == "lines":
                lines = invoice.lines.filter(kind="line")
                quantities = {one.pk: (one.quantity * share / 100).quantize(Decimal("0.01")) for one in lines}
                quantities = {key: value for key, value in quantities.items() if value}
            if how == "amount":
                amount = invoice.total_minor * share // 100
            with transaction.atomic():
                return credit_invoice(
                    invoice=invoice, quantities=quantities, amount_minor=amount, reason="Agreed",
                    invoice_again=again and how != "amount", by=self.stage.world.omar, now=self.now,
                )  # fmt: skip

        if self.attempt(go, f"credit: {how}") is None or not back:
            return
        payment = Payment.objects.filter(allocations__invoice=invoice, state="succeeded").first()
        if payment is not None:
            self.give_back_of(payment, None, "", by_hand=by_hand)

    @step(3, ordered=True, which=WHICH, share=SHARES, how=HOW, by_hand=st.sampled_from([False, False, True]))
    def give_back(self, which: int, share: int | None, how: str, by_hand: bool) -> None:
        """A refund is asked for: what can go back, or a part of it."""
        payment = self.pick(self.payments("succeeded") if self.has_payment({"succeeded"}) else [], which)
        if payment is not None:
            self.give_back_of(payment, share, how, by_hand=by_hand)

    def give_back_of(self, payment: Payment, share: int | None, how: str, *, by_hand: bool) -> None:
        """Ask for a refund."""
        most = refund.refundable_minor(payment)
        way = "transfer" if by_hand or payment.provider != "stripe" else "provider"
        self.misbehave("POST refunds", how)
        self.attempt(
            lambda: refund.ask_refund(
                payment=payment, amount_minor=most * (share or 100) // 100, way=way, reason="Sent back", iban=IBAN,
                by=self.stage.world.omar, now=self.now,
            ),
            "refund",
        )  # fmt: skip

    @step(3, ordered=True, which=WHICH, yes=st.sampled_from([True, True, False]), how=HOW)
    def decide_refund(self, which: int, yes: bool, how: str) -> None:
        """A second person agrees or not; a transfer by hand went out or not; one is looked up."""
        if not self.seen.refunds:
            return
        one = self.pick(Refund.objects.select_related("payment__customer__seller").order_by("asked_at", "pk"), which)
        admin = self.stage.world.admin
        self.misbehave("POST refunds", how)
        if one.state == "waiting":
            go = refund.approve_refund if yes else refund.refuse_refund
            self.attempt(lambda: go(refund=one, by=admin, now=self.now), f"refund: {'agreed' if yes else 'refused'}")
        elif one.way == "transfer":
            self.attempt(lambda: refund.transfer_done(refund=one, sent=yes, by=admin, now=self.now), "refund: sent")
        else:
            self.attempt(lambda: refund.look_up_refund(refund=one, now=self.now), "refund: asked")

    @step(
        2, ordered=True, which=WHICH, off=st.sampled_from([0, 0, 0, -1, 1]), known=st.sampled_from([True, True, False])
    )
    def bank_file(self, which: int, off: int, known: bool) -> None:
        """A bank statement brings a transfer: exact, a little off, or of somebody unknown."""
        papers, order = self.invoices(), self.order()
        announced = self.pick([one for one in self.payments("pending") if one.reference], which)
        paper = self.pick(papers, which)
        assert order is not None
        if announced is not None:
            words, minor, currency = announced.reference, announced.amount_minor, announced.currency
        elif paper is not None:
            words, minor, currency = paper.number or "", paper.amount_due_minor or paper.total_minor, paper.currency
        else:
            words, minor, currency = order.number, order.total_minor, order.currency
        self.files += 1
        if currency == "JPY":
            minor, off = minor * 100, off * 100  # a file is written with two decimals
        line = Line(
            max(minor + off, 100 if currency == "JPY" else 1),
            name=self.customer.legal_name if known else "Somebody",
            words=words if known else "",
            currency=currency, day=self.now.date().isoformat(), bank_reference=f"B{self.files}",
        )  # fmt: skip
        world = self.stage.world

        def go() -> None:
            bank.take_file(seller=world.seller, name="s.xml", content=camt(line), by=world.omar, now=self.now)
            bank.work_on_new(self.now)

        self.attempt(go, "bank_file")
