"""Somebody accepts a quotation and pays it, and goes on from whatever the pages say when something broke in between."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.browser import Lost, Page, Person, Refused
from portico.billing.tests.providers.standin.company import GOOD

HOSTED, SAVED = "hosted", "saved"
DONE = {"confirmed", "fulfilled"}
Taken = dict[str, tuple[int, str, str]]
"""What the company charged and kept, by its reference: amount, currency, and which order it was for."""
Charges = dict[str, tuple[str, str]]
"""The same by our payment's id: the company's reference, and which order it was for."""


@dataclass
class Buyer:
    """One sale, as its buyer sees it."""

    person: Person
    quotation: str
    way: str = HOSTED
    save: bool = False
    order: str = ""
    orders: set[str] = field(default_factory=set)
    """All that the pages ever named; more than one is a fault."""
    seen: list[str] = field(default_factory=list)
    """What the pages said, for messages."""

    def buy(self) -> bool:
        """Go on from what the pages say; True once the order is confirmed. Lost or Refused as it comes."""
        self.accept()
        page = self.person.get(self.path)
        status = self.noted(page, "order")
        if f'href="{self.path}pay/"' in page.text:
            self.pay()
            status = self.noted(self.person.get(self.path), "order")
        return status in DONE

    def accept(self) -> None:
        """Accept what is not accepted yet, and know the order."""
        path = f"/my/quotations/{self.quotation}/"
        page = self.person.get(path)
        if f"{path}accept/" in page.text:
            self.seen.append("quotation open")
            fields = self.person.get(f"{path}accept/").fields("seen_total_minor")
            fields |= {"consent": "on", "signature_typed": "Camille Fontaine", "signature_kind": "typed"}
            self.person.send(f"{path}accept/", fields)
            page = self.person.get(path)
        found = re.search(r'href="/my/orders/(SO-[0-9-]+)/', page.text)
        assert found is not None, "an accepted quotation names its order"
        self.order = found[1]
        self.orders.add(self.order)

    @property
    def path(self) -> str:
        """The order's page."""
        return f"/my/orders/{self.order}/"

    def pay(self) -> None:
        """Pay what the order asks, with a card at the company's page or with the saved one, and come back."""
        form = self.person.get(f"{self.path}pay/")
        fields = form.fields("seen_minor")
        saved = re.search(r'value="(saved-[0-9a-f-]+)"', form.text)
        if self.way == SAVED:
            assert saved is not None, "a saved card is offered"
            fields["provider"] = saved[1]
        else:
            fields["provider"] = "stripe"
        if self.save:
            fields["save"] = "1"
        where = self.person.send(f"{self.path}pay/", fields).location
        if where.startswith("/"):
            self.noted(self.person.get(where), "payment")
            return
        company, _slash, path = where.removeprefix("http://127.0.0.1:").partition("/")
        answer = Person(int(company)).send(f"/{path}", {"number": GOOD})
        assert answer.status == 303, f"the company's page answered {answer.status}"
        self.noted(self.person.get("/" + answer.location.split("/", 3)[3]), "payment")

    def noted(self, page: Page, what: str) -> str:
        """The status that a page shows, remembered."""
        status = page.marked("state") if what == "payment" else page.marked("status")
        self.seen.append(f"{what} {status}")
        return status

    def untrue(self, charges: Charges) -> Iterator[str]:
        """What the pages say now that is not so: paid what was not, or not paid what was; `charges` as the company knows."""
        if not self.order:
            return
        page = self.person.get(self.path)
        found = re.search(r'href="/my/payments/([0-9a-f-]{36})/', page.text)
        taken = any(about == self.order for _reference, about in charges.values())
        if self.noted(page, "order") in DONE and not taken:
            yield "the order goes on, and nothing was paid"
        if found is None:
            return
        attempt = self.person.get(f"/my/payments/{found[1]}/")
        state = self.noted(attempt, "payment")
        if (state == "succeeded") > (found[1] in charges):
            yield "it says paid, and nothing was"
        if found[1] in charges and (state in {"failed", "cancelled"} or "Nothing was charged" in attempt.text):
            yield f"it says that nothing was charged ({state}), and it was"


def until_done(buyer: Buyer, tell: Callable[[], Any], tries: int = 12) -> bool:
    """Press again after each loss, and after each refusal reload; the company tells what it owes in between."""
    for _try in range(tries):
        try:
            if buyer.buy():
                return True
        except Lost:
            buyer.seen.append("lost")
        except Refused as refused:
            buyer.seen.append(str(refused.status))
        tell()
    return False


def wrong_in(told: dict[str, Any], taken: Taken, mails: list[str]) -> Iterator[str]:
    """What is wrong after all of it (I1–I10 of the fault tests), in words: `told` by the portal, `taken` by the company.

    Every sale that was begun must have come to its end.
    """
    yield from told["violations"]
    yield from _money(told, taken)
    for number, sale in told["sales"].items():
        if sale["state"] != "sent":
            yield from _sale(number, sale, taken)
    for state, count in told["notices"].items():
        if state != "done":
            yield f"{count} notices are {state}"
    yield from _mail(told["letters"], mails)
    yield from told["files"]


def _money(told: dict[str, Any], taken: Taken) -> Iterator[str]:
    booked = {(reference, *money) for reference, money in told["money"].items()}
    charged = {(reference, amount, currency) for reference, (amount, currency, _about) in taken.items()}
    if booked != charged:
        yield f"booked and taken differ: {sorted(booked ^ charged)}"
    if told["credit"]:
        yield f"{told['credit']} payments came to nobody's paper"
    if told["undecided"]:
        yield f"it is not known what became of {told['undecided']}"


def _sale(number: str, sale: dict[str, Any], taken: Taken) -> Iterator[str]:
    orders = {order for order, _state in sale["orders"]}
    charges = [reference for reference, (_amount, _currency, about) in taken.items() if about in orders]
    if len(charges) != 1:
        yield f"{number} was charged {len(charges)} times"
    if sale["accepted"] != 1:
        yield f"{number} was accepted {sale['accepted']} times in its history"
    if len(sale["orders"]) != 1 or sale["orders"][0][1] not in DONE:
        yield f"{number} has the orders {sale['orders']}"
    if [(state, due) for _number, state, due in sale["invoices"]] != [("paid", 0)]:
        yield f"{number} has the invoices {sale['invoices']}"
    if sorted(state for state, _reference in sale["payments"].values() if state != "cancelled") != ["succeeded"]:
        yield f"{number} has the payments {sale['payments']}"


def _mail(letters: list[list[str]], mails: list[str]) -> Iterator[str]:
    for key, name, state, error in letters:
        if state not in {"sent", "dropped"}:  # dropped: what it was to tell was no longer true
            yield f"letter {key} is {state} ({error})"
        elif state == "sent" and name not in mails:
            yield f"letter {key} was never taken by the mail server"
    known = {name for _key, name, _state, _error in letters}
    if len(known) != len(letters):
        yield "two letters have one Message-ID"
    if strange := set(mails) - known:
        yield f"mails that no letter names: {sorted(strange)}"
