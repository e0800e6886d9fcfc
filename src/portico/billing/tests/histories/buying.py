"""What the customer and Stripe do."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from portico.billing.actions import charge, decide, draft, pay, send
from portico.billing.documents.offer import price_selection
from portico.billing.models import Payment, Quotation, SavedMethod
from portico.billing.tests.histories import oracle
from portico.billing.tests.histories.played import Played
from portico.billing.tests.histories.stage import CARDS, HOW, SHARES, WHICH, step


class Buying(Played):
    """The quotation, the payments and what we hear of them."""

    # The quotation

    def current(self) -> Any:
        self.quotation = Quotation.objects.select_related("seller", "customer").get(pk=self.quotation.pk)
        return self.quotation.current

    @step(6, ordered=False, optional=st.booleans(), wrong=st.sampled_from([False, False, False, True]))
    def accept(self, optional: bool, wrong: bool) -> None:
        """The owner accepts, with or without the optional line; `wrong`: having seen another total."""
        version = self.current()
        lines = list(version.lines.order_by("position"))
        choices = {lines[-1].key: Decimal(1)} if optional else {}
        total = price_selection(version, choices).total_minor
        by = self.owner

        def go() -> None:
            decide.accept_quotation(
                quotation=self.quotation, by=by, version=version.version, choices=choices,
                seen_total_minor=total + wrong, consent=True,
                signature=decide.Signature(by.user.name, "", "typed", by.user.name), po_number="",
                origin=decide.Origin("192.0.2.10", "history", "password"), now=self.now,
            )  # fmt: skip

        self.attempt(go, "accept")

    @step(3, ordered=False, what=st.sampled_from(["changes", "reject", "reopen", "new_version", "withdraw", "ask_new"]))
    def decide(self, what: str) -> None:
        """Anything else about the quotation."""
        version, by, hanna = self.current(), self.owner, self.stage.world.hanna
        number = version.version if version else 1

        def new_version() -> None:
            made = draft.new_version(quotation=self.quotation, by=hanna, now=self.now)
            made.refresh_from_db()
            if made.valid_until is None:
                made.valid_until = (self.now + timedelta(days=20)).date()
                made.save()
            send.send_quotation(quotation=self.quotation, by=hanna, now=self.now)

        steps: dict[str, Callable[[], Any]] = {
            "changes": lambda: decide.ask_for_changes(
                quotation=self.quotation, by=by, version=number, message="Fewer, please.", wishes={}, now=self.now
            ),
            "reject": lambda: decide.reject_quotation(
                quotation=self.quotation, by=by, version=number, reason="price", comment="", now=self.now
            ),
            "reopen": lambda: decide.reopen_quotation(quotation=self.quotation, by=by, now=self.now),
            "new_version": new_version,
            "withdraw": lambda: send.withdraw_quotation(quotation=self.quotation, by=hanna, now=self.now),
            "ask_new": lambda: decide.ask_for_new_quotation(
                quotation=self.quotation, by=by, message="Again, please.", now=self.now
            ),
        }  # fmt: skip
        self.attempt(steps[what], what)

    # Paying

    def what_to_pay(self, which: int, several: bool) -> dict[str, Any]:
        """The order, one invoice, or all of them: mostly those that owe something."""
        order, papers = self.order(), self.invoices()
        owing = [one for one in papers if one.amount_due_minor]
        if several and owing:
            return {"invoices": owing}
        if which == 5 and papers:
            return {"invoices": papers[:2]}
        if owing and which % 2:
            return {"invoices": [owing[which % len(owing)]]}
        return {"order": order}

    def start(self, which: int, several: bool, share: int | None, how: str, way: str) -> Payment | None:
        """Pay now, all or a part."""
        wanted = self.what_to_pay(which, several)
        if share and "invoices" in wanted:
            wanted["amount_minor"] = sum(one.left_to_pay_minor for one in wanted["invoices"]) * share // 100
        self.misbehave("POST checkout/sessions", how)
        made: Payment | None = self.attempt(
            lambda: pay.start_payment(provider=way, by=self.owner, now=self.now, **wanted), f"start: {way}"
        )
        return made

    @step(
        9, ordered=True,
        which=WHICH, several=st.booleans(), share=SHARES, how=HOW, card=CARDS,
        goes_on=st.sampled_from(["pays", "pays", "pays", "declined first", "leaves"]),
        told=st.sampled_from(["no", "once", "often", "half"]),
    )  # fmt: skip
    def checkout(
        self, which: int, several: bool, share: int | None, how: str, card: str, goes_on: str, told: str
    ) -> None:
        """A tab: begun, paid there or left, and the notices of it come or do not."""
        payment = self.start(which, several, share, how, "stripe")
        if payment is None or goes_on == "leaves":
            return
        if goes_on == "declined first":
            self.company.pay_session(payment.provider_reference, "4000000000009995")
        self.page(payment.provider_reference, card, confirmed=True)
        if told != "no":
            self.tell(times=2 if told == "often" else 1, order=which, lost=told == "half", old=told == "often")

    @step(1, ordered=True, which=WHICH, several=st.booleans(), share=SHARES)
    def announce(self, which: int, several: bool, share: int | None) -> None:
        """A transfer is announced."""
        self.start(which, several, share, "", "bank_transfer")

    @step(3, ordered=True, which=WHICH, how=HOW, several=st.booleans())
    def charge_saved(self, which: int, how: str, several: bool) -> None:
        """A saved way to pay is charged."""
        method = self.pick(SavedMethod.objects.kept().filter(customer=self.customer).order_by("last4", "pk"), which)
        self.misbehave("POST payment_intents", how)
        wanted = self.what_to_pay(which, several)
        self.attempt(
            lambda: charge.pay_with_saved(by=self.owner, method=method, now=self.now, **wanted), "charge_saved"
        )

    @step(3, ordered=True, which=WHICH, card=CARDS, confirmed=st.sampled_from([True, True, False]))
    def pay_there(self, which: int, card: str, confirmed: bool) -> None:
        """The payer types a card on one of the pages that are open in its tabs."""
        sessions = [one for one in self.company.all_of("checkout.session") if one["mode"] == "payment"]
        session = self.pick(sessions, which)
        if session is not None:
            self.page(session["id"], card, confirmed=confirmed)

    def page(self, session: str, card: str, *, confirmed: bool) -> None:
        """The hosted page takes a card, or does not."""
        self.stage.done[f"page: {self.company.pay_session(session, card, confirmed=confirmed)}"] += 1

    @step(3, ordered=True, which=WHICH, yes=st.booleans())
    def decide_there(self, which: int, yes: bool) -> None:
        """The payer answers its bank; a debit's days are over; a refund arrives; a dispute begins, or is decided."""
        company = self.company
        open_things = [
            one for one in company.things.values()
            if (one["object"] == "payment_intent" and one["status"] in {"requires_action", "processing"})
            or (one["object"] == "refund" and one["status"] == "pending")
            or (one["object"] == "dispute" and one["status"] == "needs_response")
            or (one["object"] == "payment_intent" and one["status"] == "succeeded" and one["amount_received"])
        ]  # fmt: skip
        thing = self.pick(open_things, which)
        if thing is None:
            return
        self.stage.done[f"there: {thing['object']} {thing['status']}"] += 1
        if thing["object"] == "refund":
            company.settle_refund(thing["id"])
        elif thing["object"] == "dispute":
            company.close_dispute(thing["id"], won=yes)
        elif thing["status"] == "requires_action":
            company.answer_bank(thing["id"], confirmed=yes)
        elif thing["status"] == "processing":
            company.settle_debit(thing["id"])
        elif (
            yes
            and not any(one["payment_intent"] == thing["id"] for one in company.all_of("dispute"))
            and company.gone_of(thing) < thing["amount_received"]
        ):
            company.dispute(thing["id"], reason="fraudulent")

    # What we hear

    @step(
        4, ordered=True,
        times=st.sampled_from([1, 1, 2, 3]), order=st.integers(0, 99), lost=st.sampled_from([False, False, False, True]),
        forged=st.sampled_from([False, False, False, False, True]), old=st.booleans(),
    )  # fmt: skip
    def notices_come(self, times: int, order: int, lost: bool, forged: bool, old: bool) -> None:
        """What Stripe owes is told: more than once, in any order; some of it later, some of it again, some of it forged."""
        self.tell(times=times, order=order, lost=lost, forged=forged, old=old)

    @step(2, ordered=True, which=WHICH, how=HOW, gives_up=st.sampled_from([False, False, True]))
    def come_back(self, which: int, how: str, gives_up: bool) -> None:
        """The payer comes back to the payment's page, or gives the attempt up."""
        payment = self.pick(self.payments("pending", "unknown") if self.has_payment(oracle.UNDECIDED) else [], which)
        if payment is None:
            return
        self.misbehave("GET ", how if how == "silent_before" else "")
        if gives_up:
            self.attempt(lambda: pay.give_up_payment(payment=payment, by=self.owner, now=self.now), "give_up")
        else:
            self.attempt(lambda: pay.lookup_payment(payment=payment, now=self.now), "come_back")

    @step(
        2,
        later=st.sampled_from(
            [
                timedelta(seconds=30), timedelta(minutes=11), timedelta(hours=7), timedelta(days=2), timedelta(days=31),
            ]
        ),
        works=st.booleans(),
    )  # fmt: skip
    def time_passes(self, later: timedelta, works: bool) -> None:
        """The clock goes on, with the worker awake or not."""
        self.move(later)
        self.company.faults.clear()
        if works:
            self.attempt(self.janitor, "janitor")
