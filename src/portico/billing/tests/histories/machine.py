"""Any history of a sale, from the quotation to the refund, with Stripe misbehaving: a state machine for Hypothesis.

The portal's real actions run, on a real database, and speak with the stand-in for Stripe over real HTTP. After every step the
oracle is asked; at the end everything that is owed is delivered, the janitor runs until nothing is undecided, and both sides
must tell the same. A history lives in one transaction that is undone.
"""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from portico.billing import books
from portico.billing.tests.histories import oracle
from portico.billing.tests.histories.buying import Buying
from portico.billing.tests.histories.desk import Desk
from portico.billing.tests.histories.stage import steps


class History(Buying, Desk):
    """One history. What cannot be, in the state that it has reached, must be refused in words and change nothing."""

    # How it goes on

    @rule(data=st.data())
    def goes_on(self, data: Any) -> None:
        """One step, a second after the last one."""
        self.move(timedelta(seconds=1))
        chosen = data.draw(steps(ordered=self.is_ordered(), only=self.stage.only), label="step")
        getattr(self, chosen.name)(**data.draw(chosen.drawn, label="with"))

    # What holds

    @invariant()
    def holds(self) -> None:
        """After every step."""
        if not hasattr(self, "quotation"):
            return
        self.stage.steps += 1
        self.look()
        found = self.seen
        self.wrong(list(oracle.faults(found, self.company)))
        for intent in self.company.all_of("payment_intent"):
            if intent["status"] == "succeeded" and intent["id"] not in self.charged:
                self.charged.add(intent["id"])
                self.wrong(list(oracle.charged_twice(found, self.company, intent)))
        if self.thorough:
            self.wrong(books.verify())
