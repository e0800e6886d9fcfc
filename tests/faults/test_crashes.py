"""SIGKILL at every named moment of accepting, paying, a notice, a file and a mail (SAFETY.md 5); then all is asked again.

A real web server and worker, SQLite or PostgreSQL, the stand-in for Stripe and a mail server over loopback. After each death
the buyer reloads and presses again; the company repeats its notices, the worker goes on. An hour later all books must agree,
the company's too, and nobody may have paid twice. A moment that never comes fails the test.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from bench.browser import Lost, Person, Refused
from bench.buying import HOSTED, SAVED, Buyer, until_done, wrong_in
from bench.shop import WEB, WORKER, Shop, open_shop, until
from portico.billing.tests.providers.standin.company import Fault
from portico.commands import CHECKOUT

ACCEPTING = ("request parsed", "quote locked", "accepted written", "committed with outbox")
PAYING = ("attempt + key persisted", "provider request sent", "answer received", "answer stored")
HEARING = ("webhook received", "event stored", "payment booked", "number taken", "committed", "200 sent")
WORKING = ("file written", "PDF written", "path saved", "mail sent", "marked sent")
OUTSIDE = {"provider request sent", "200 sent"}
"""Between our request and its answer, and after our answer, no code of ours runs: the company kills the portal there."""
CALLED = {HOSTED: "POST checkout/sessions", SAVED: "POST payment_intents"}
HOUR = 3600


@dataclass(frozen=True)
class Case:
    """One death: at which moment, of a sale that is paid in which way."""

    point: str
    way: str = HOSTED

    def __str__(self) -> str:
        return f"{self.point} ({self.way})"


CASES = (
    *(Case(point) for point in ACCEPTING),
    *(Case(point, way) for point in PAYING for way in (HOSTED, SAVED)),
    Case("redirect", HOSTED),
    *(Case(point) for point in HEARING),
    Case("number taken", SAVED),
)


@pytest.fixture(scope="module")
def shop(empty_database: str) -> Iterator[Shop]:
    with open_shop(empty_database, len(CASES) + 2) as found:
        yield found


@pytest.fixture(scope="module")
def camille(shop: Shop) -> Person:
    """Signed in; her first sale is paid with a card that is kept."""
    found = shop.visitor()
    buyer = Buyer(found, quotation(0), save=True)
    assert until_done(buyer, lambda: told(shop)), buyer.seen
    return found


def quotation(position: int) -> str:
    """The number of the quotation that is sold in this place."""
    return f"Q-{time.gmtime().tm_year}-{position + 1:05d}"


def told(shop: Shop) -> None:
    """The company tells what it owes, and the worker has a moment."""
    shop.deliver()
    time.sleep(0.3)


def test_the_moments_are_those_of_the_code() -> None:
    sources = [path for path in (CHECKOUT / "src").rglob("*.py") if "tests" not in path.parts]
    named = {name for path in sources for name in re.findall(r'crashpoint\("([^"]+)"\)', path.read_text())}
    assert named == {*ACCEPTING, *PAYING, "redirect", *HEARING, *WORKING} - OUTSIDE


def test_whatever_dies_at_whatever_moment_everything_ends_once_and_nobody_is_told_an_untruth(
    shop: Shop, camille: Person
) -> None:
    waiting, died, on_their_way = list(WORKING), list[str](), list[str]()
    shop.order(WORKER, waiting[0])
    buyers, untrue = [], []
    for position, case in enumerate(CASES, start=1):
        buyer = Buyer(camille, quotation(position), case.way)
        buyers.append(buyer)
        assert dies(shop, buyer, case), f"{case} was never reached: {buyer.seen}"
        died.append(case.point)
        untrue += [f"{case}: {said}" for said in buyer.untrue(shop.charges())]
        once_more(buyer)
        untrue += [f"{case}, pressed again: {said}" for said in buyer.untrue(shop.charges())]
        if case.point in HEARING:
            shop.deliver(times=2)
        died += worker_died(shop, waiting, on_their_way)
    while waiting:
        died += until(lambda: worker_died(shop, waiting, on_their_way))
    assert untrue == []
    shop.inside("later", str(HOUR))
    for buyer in buyers:
        assert until_done(buyer, lambda: told(shop)), buyer.seen
    shop.company.sent = 0
    shop.deliver(times=2, shuffled=7)  # all that it ever told, again and in another order
    found = shop.inside("verify", str(2 * HOUR))
    assert list(wrong_in(found, shop.taken(), shop.mails.ids())) == []
    assert Counter(died) == Counter(case.point for case in CASES) + Counter(WORKING)
    twice = {name for name, count in Counter(shop.mails.ids()).items() if count > 1}
    assert twice <= set(on_their_way), (
        "a mail that was taken and not marked may come again, under its own name; no other"
    )


def dies(shop: Shop, buyer: Buyer, case: Case) -> bool:
    """Let the portal die at this moment of this sale; whether it did."""
    if case.point == "provider request sent":
        fault = Fault(CALLED[case.way], "silent_after", lambda: shop.kill(WEB))
        shop.company.faults.append(fault)
        with pytest.raises(Lost):
            buyer.buy()
        return fault not in shop.company.faults
    if case.point in HEARING and case.way == HOSTED:
        assert not buyer.buy(), "nobody told the portal yet"
        if case.point == "200 sent":
            assert shop.deliver() == 2
            shop.kill(WEB)
            return True
        shop.order(WEB, case.point)
        shop.deliver()
    else:
        shop.order(WEB, case.point)
        with pytest.raises(Lost):
            buyer.buy()
    return shop.reached(WEB) == case.point


def once_more(buyer: Buyer) -> None:
    """Reload and press again, at once: it goes on, or it is refused with a reason. Who loses the connection reloads."""
    while True:
        try:
            buyer.buy()
        except Lost:
            continue
        except Refused as refused:
            if refused.status != 409:
                raise
        return


def worker_died(shop: Shop, waiting: list[str], on_their_way: list[str]) -> list[str]:
    """The moment at which the worker died, if it did; another takes over, and dies at the next one.

    Which letters were on their way is noted.
    """
    died = shop.reached(WORKER)
    if not died or not waiting:
        return []
    assert died == waiting.pop(0)
    on_their_way += [name for (name,) in shop.sql("SELECT message_id FROM kit_letter WHERE state = 'sending'")]
    if waiting:
        shop.order(WORKER, waiting[0])
    return [died]


def test_the_harness_sees_a_second_charge(shop: Shop, camille: Person) -> None:
    """The control: an attempt that was not committed before the company was asked is gone after the death, and made again."""
    buyer = Buyer(camille, quotation(len(CASES) + 1), SAVED)
    assert dies(shop, buyer, Case("provider request sent", SAVED))
    lost = "SELECT id FROM billing_payment WHERE state = 'pending'"
    shop.sql(f"DELETE FROM billing_paymenttarget WHERE payment_id IN ({lost})")  # noqa: S608  # ours
    shop.sql("DELETE FROM billing_payment WHERE state = 'pending'")
    assert until_done(buyer, lambda: None), buyer.seen
    found: Any = shop.inside("verify", str(HOUR))
    wrong = list(wrong_in(found, shop.taken(), shop.mails.ids()))
    assert any(f"{buyer.quotation} was charged 2 times" in said for said in wrong), wrong
    assert any("booked and taken differ" in said for said in wrong), wrong
