"""What histories are played on: quotations to begin with, saved ways to pay, and the steps there are."""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

import time_machine
from hypothesis import strategies as st

from portico import cast
from portico.accounts.models import Customer, Membership
from portico.billing.actions import draft, pay
from portico.billing.models import Quotation
from portico.billing.tests.providers.standin import company as stripe
from portico.billing.tests.providers.standin.company import Company
from portico.billing.tests.providers.stripes import saved_at, tell_portal
from portico.cast import World

CARDS = st.sampled_from(
    [
        *[stripe.GOOD] * 5, "4000000000000002", stripe.ASKS, stripe.DISPUTED, stripe.REFUND_PENDING, stripe.REFUND_FAILS,
        stripe.DEBIT, stripe.DEBIT_FAILS, stripe.DEBIT_RETURNED,
    ]
)  # fmt: skip
SAVED = [stripe.GOOD, stripe.ASKS, stripe.DEBIT, stripe.DECLINES_LATER]
OFFERS, PAID = 31, 3
"""So many quotations a history can begin with, of which the last ones are paid."""
HOW = st.sampled_from(["", "", "", "silent_before", "silent_after", "error_after"])
WHICH = st.integers(0, 5)
SHARES = st.sampled_from([None, None, 1, 33, 50, 99])
"""Percent of what is due, or all of it."""
IBAN = "DE89370400440532013000"


@dataclass(frozen=True)
class Step:
    """A way in which a history goes on: how often, whether before or after the quotation was accepted, and what is drawn."""

    name: str
    weight: int
    ordered: bool | None
    drawn: st.SearchStrategy[dict[str, Any]]


STEPS: list[Step] = []


def step(weight: int, *, ordered: bool | None = None, **drawn: st.SearchStrategy[Any]) -> Callable[[Any], Any]:
    """Let a method of `History` be such a way. Hypothesis's own rules are switched off by chance, all of some kind in a
    history, so that few histories would get from the quotation to the refund."""

    def kept(method: Any) -> Any:
        STEPS.append(Step(method.__name__, weight, ordered, st.fixed_dictionaries(drawn)))
        return method

    return kept


@cache
def steps(*, ordered: bool, only: frozenset[str] = frozenset()) -> st.SearchStrategy[Step]:
    """Those that can be, the usual ones more often; `only` these, by name, where any are named."""
    found = [one for one in STEPS if one.ordered in {None, ordered} and (not only or one.name in only)]
    return st.sampled_from([one for one in found for _time in range(one.weight)])


@dataclass
class Stage:
    """What all histories of a run play on. `thorough` says how often all of `books.verify` is asked after every step."""

    world: World
    company: Company
    clock: time_machine.Traveller
    thorough: int = 20
    histories: int = 0
    steps: int = 0
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    offers: list[int] = field(default_factory=list)
    only: frozenset[str] = frozenset()
    things: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Quotations of every kind, half of them accepted, and saved ways to pay: made once, by the real actions."""
        self.world.lindner.currency = "JPY"
        self.world.lindner.save()
        chance = Random(1)
        kinds = [
            (policy, who)
            for policy in ("none", "deposit", "full", "before")
            for who in ("fontaine", "lindner", "fjord")
        ]
        for accepted in (False, True):
            for policy, who in [*kinds, ("full", "fontaine"), ("deposit", "fontaine")]:
                quotation = self.offered(getattr(self.world, who), policy, chance)
                if accepted:
                    self.buy(quotation)
                self.offers.append(quotation.pk)
        paid = [("fontaine", stripe.GOOD), ("fontaine", stripe.REFUND_FAILS), ("lindner", stripe.REFUND_PENDING)]
        for who, card in paid:
            quotation = self.offered(getattr(self.world, who), "full", chance)
            self.buy(quotation, card)
            self.offers.append(quotation.pk)
        for customer, cards in (
            (self.world.fontaine, SAVED),
            (self.world.lindner, SAVED[:1]),
            (self.world.fjord, SAVED[:2]),
        ):
            for card in cards:
                saved_at(self.company, self.owner_of(customer), card, now=self.world.now)
        self.things = copy.deepcopy(self.company.things)

    def buy(self, quotation: Quotation, card: str = "") -> None:
        """The owner accepts, and may pay at once."""
        order = cast.accept(self.world, quotation, self.world.now)
        if card:
            by = self.owner_of(quotation.customer)
            payment = pay.start_payment(provider="stripe", by=by, order=order, now=self.world.now)
            self.company.pay_session(payment.provider_reference, card)
            tell_portal(self.company, at=self.world.now)
            pay.lookup_payment(payment=payment, now=self.world.now)

    def narrow(self, *names: str) -> None:
        """Play with what was paid alone, and take these steps alone."""
        self.offers, self.only = self.offers[-PAID:], frozenset(names)

    def owner_of(self, customer: Customer) -> Membership:
        """Who decides and pays for it."""
        return self.world.member(cast.world_contact(self.world, customer))

    def offered(self, customer: Customer, policy: str, chance: Random) -> Quotation:
        """A quotation that was sent: two rates of VAT where there is VAT, and an optional line."""
        yen = customer.currency == "JPY"
        price = Decimal(chance.choice(["100", "3333", "1999"] if yen else ["100", "33.33", "1999.99", "0.07"]))
        percent = Decimal(chance.choice(["30", "33.3333", "99.5"]))

        def line(name: str, quantity: str, unit_price: Decimal, rate: str, **more: Any) -> draft.LineDraft:
            return draft.LineDraft(
                "line", name, quantity=Decimal(quantity), unit_price=unit_price, vat_rate=Decimal(rate), **more
            )

        return cast.offer(
            self.world, customer, "Any history",
            [
                line("Work", chance.choice(["1", "2.5", "7"]), price, "20"),
                line("Handbook", "3", Decimal(24), "5.5"),
                line("Training", "1", Decimal(500), "20", optional=True, selected=False),
            ],
            self.world.now, deposit_percent=percent, payment_policy="full" if policy == "before" else policy,
            invoice_before_payment=policy == "before",
        )  # fmt: skip
