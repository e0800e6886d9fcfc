"""A history while it is played: set up, looked at, settled at its end, undone."""

import copy
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any, ClassVar

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from portico.accounts.models import Customer
from portico.billing import books, jobs
from portico.billing.models import Invoice, Order, Payment, Quotation
from portico.billing.tests.histories import oracle
from portico.billing.tests.histories.stage import OFFERS, Stage
from portico.billing.tests.providers.standin.company import Delivery, Fault, notices
from portico.billing.tests.providers.stripes import SECRET, knock
from portico.kit.errors import Refusal


class Wrong(AssertionError):
    """The books do not hold."""


class Played(RuleBasedStateMachine):
    """What every step needs: whom and what it is about, and how to try, to tell, to wait and to look."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        stage = self.stage
        stage.histories += 1
        self.thorough = stage.thorough > 0 and stage.histories % stage.thorough == 0
        self.now = stage.world.now
        stage.clock.move_to(self.now)
        company = self.company = stage.company
        for owed in (company.events, company.answers, company.faults, company.calls):
            owed.clear()
        company.things, company.sent = copy.deepcopy(stage.things), 0
        self.told = 0
        self.late: list[dict[str, Any]] = []
        self.charged = {key for key, one in company.things.items() if one["object"] == "payment_intent"}
        self.seen = oracle.Books()
        self.files = 0
        self.outer = transaction.atomic()
        self.outer._from_testcase = True  # type: ignore[attr-defined]  # as Django's own tests do: money steps insist on being outermost
        self.outer.__enter__()

    def teardown(self) -> None:
        """Both sides agree at the end; then all of it is undone."""
        try:
            if not self.failed and hasattr(self, "quotation"):
                self.settle_down()
        finally:
            transaction.set_rollback(True)
            self.outer.__exit__(None, None, None)

    failed = False

    # Parts

    def attempt(self, what: Callable[[], Any], name: str) -> Any:
        """Do it, or be refused in words; anything else is a fault of the portal."""
        try:
            made = what()
        except Refusal:
            self.stage.refused[name] += 1
            return None
        except BaseException:
            self.failed = True
            raise
        self.stage.done[name] += 1
        return made

    def wrong(self, found: list[Any]) -> None:
        """Stop the history at what is wrong."""
        if found:
            self.failed = True
            raise Wrong("\n".join(map(str, found)))

    def move(self, later: timedelta) -> None:
        """The clock goes on."""
        self.now += later
        self.stage.clock.move_to(self.now)

    def look(self) -> None:
        """Read the rows that money is told from; rules ask `seen` whether they can be."""
        self.seen = oracle.Books.read()

    def is_ordered(self) -> bool:
        """Whether the quotation was accepted."""
        return self.quotation.pk in self.seen.ordered

    def has_invoice(self) -> bool:
        """Whether the customer has one."""
        return any(row[3] != "credit_note" and row[8] == self.customer.pk for row in self.seen.invoices)

    def has_payment(self, states: AbstractSet[str]) -> bool:
        """Whether the customer has an attempt in one of these states."""
        return any(row[2] in states and row[9] == self.customer.pk for row in self.seen.payments)

    def pick(self, rows: Any, which: int) -> Any:
        """One of the rows, or none."""
        found = list(rows)
        return found[which % len(found)] if found else None

    def invoices(self) -> list[Invoice]:
        """The customer's issued invoices, without credit notes."""
        rows = Invoice.objects.filter(customer=self.customer, state="issued").exclude(kind="credit_note")
        return list(rows.select_related("customer__seller", "order").order_by("pk"))

    def payments(self, *states: str) -> list[Payment]:
        """Attempts in these states, by age."""
        rows = Payment.objects.filter(customer=self.customer, state__in=states)
        return list(rows.select_related("customer__seller").order_by("created_at", "pk"))

    def order(self) -> Order | None:
        """The order of the quotation, if it was accepted."""
        return Order.objects.select_related("seller", "customer").filter(version__quotation=self.quotation).first()

    def misbehave(self, path: str, how: str) -> None:
        """The next call there goes wrong."""
        self.company.faults.clear()
        if how:
            self.company.faults.append(Fault(path, how))

    @initialize(which=st.integers(0, OFFERS - 1))
    def begin(self, which: int) -> None:
        """A quotation that was sent, and maybe accepted."""
        rows = Quotation.objects.select_related("customer__seller", "seller")
        self.quotation = rows.get(pk=self.stage.offers[which % len(self.stage.offers)])
        self.customer: Customer = self.quotation.customer
        self.owner = self.stage.owner_of(self.customer)
        self.look()

    def tell(self, *, times: int, order: int, lost: bool, old: bool, forged: bool = False) -> None:
        """Knock at the portal's door with what is owed."""
        owed, self.told = self.late + self.company.events[self.told :], len(self.company.events)
        self.late = []
        if lost and len(owed) > 1:
            self.late, owed = owed[::2], owed[1::2]
        if old:
            owed = owed + self.company.events[: self.told][-2:]
        how = Delivery(SECRET, times=times, shuffled=order, forged=forged)
        wanted = 400 if forged else 200
        for body, signature in notices(owed, how, at=self.now.timestamp()):
            if knock(body, signature).status_code != wanted:
                self.wrong([f"a notice was not answered with {wanted}"])
        if forged:
            self.late = owed + self.late
        elif owed:
            self.stage.done["notices"] += 1

    def janitor(self) -> None:
        """The worker's sweeps of money."""
        for sweep in (jobs.provider_events, jobs.undecided_payments, jobs.undecided_refunds, jobs.bank_entries):
            sweep(self.now)

    def settle_down(self) -> None:
        """Deliver what is owed, let debits and refunds be decided and the janitor run for days: then both sides agree."""
        company = self.company
        company.faults.clear()
        for later in (timedelta(minutes=11), timedelta(hours=7), timedelta(days=9)):
            for thing in list(company.things.values()):
                if thing["object"] == "payment_intent" and thing["status"] == "processing":
                    company.settle_debit(thing["id"])
                if thing["object"] == "refund" and thing["status"] == "pending":
                    company.settle_refund(thing["id"])
            owed, self.told, self.late = self.late + company.events[self.told :], len(company.events), []
            for body, signature in notices(owed, Delivery(SECRET), at=self.now.timestamp()):
                knock(body, signature)
            self.move(later)
            self.janitor()
        found = oracle.Books.read()
        self.wrong([*oracle.faults(found, company), *oracle.all_booked(found, company), *books.verify()])
