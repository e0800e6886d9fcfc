"""Sales through kills: quotations are accepted and paid by several at once while web server, worker and PostgreSQL are killed.

Web processes and workers get SIGKILL at random moments and are replaced; PostgreSQL is stopped in immediate mode, as when the
machine loses its current, and started again. Whoever loses the connection reloads and presses again; the company repeats its
notices. Afterwards every sale must have ended exactly once (`bench.buying.wrong_in`).
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from bench.buying import HOSTED, SAVED, Buyer, until_done, wrong_in
from bench.shop import WEB, WORKER, Shop, open_shop
from portico.commands.postgres import DURABLE, Cluster, cluster

BUYERS = 3
HOUR = 3600


@dataclass(frozen=True)
class Survived:
    """What was done to the portal, and what is wrong with what it made."""

    sales: int
    kills: dict[str, int]
    stops: int
    answers: dict[str, int]
    """Refusals, and broken connections (`lost`), that the buyers met."""
    seconds: float
    wrong: tuple[str, ...]


def run(sales: int, *, kills: int, stops: int, seed: int = 5) -> Survived:
    """So many sales on PostgreSQL, through so many kills of web processes and workers, and stops of PostgreSQL."""
    with cluster(DURABLE) as server:
        server.create()
        with open_shop(server.url, sales + 1) as shop:
            return sell(shop, server, sales, kills, stops, random.Random(seed))  # noqa: S311  # moments, not secrets


def sell(shop: Shop, server: Cluster, sales: int, kills: int, stops: int, dice: random.Random) -> Survived:
    """See above."""
    camille = shop.visitor()
    numbers = sorted(name for (name,) in shop.sql("SELECT number FROM billing_quotation"))
    first = Buyer(camille, numbers[0], save=True)
    assert until_done(first, lambda: moment(shop)), first.seen
    waiting = [Buyer(shop.again(camille), number, dice.choice((HOSTED, SAVED))) for number in numbers[1:]]
    buyers, sold, over = list(waiting), list[str](), threading.Event()

    def buy() -> None:
        while waiting:
            with suppress(IndexError):
                buyer = waiting.pop()
                until_done(buyer, lambda: time.sleep(0.2), tries=8)
                sold.append(buyer.quotation)

    def tell() -> None:
        while not over.wait(0.3):
            shop.deliver()

    crew = [threading.Thread(target=buy) for _one in range(BUYERS)]
    company = threading.Thread(target=tell)
    began = time.monotonic()
    for thread in (*crew, company):
        thread.start()
    killed, stopped = disturb(shop, server, kills, stops, dice, lambda: len(sold) / len(buyers))
    for thread in crew:
        thread.join()
    over.set()
    company.join()
    wrong = list(finish(shop, buyers))
    answers = Counter(word for buyer in buyers for word in buyer.seen if word == "lost" or word.isdigit())
    if answers["500"]:
        wrong.append(f"{answers['500']} answers blamed us for what the database did")
    return Survived(len(buyers), killed, stopped, dict(answers), time.monotonic() - began, tuple(wrong))


def moment(shop: Shop) -> None:
    """The company tells what it owes, and the worker has a moment."""
    shop.deliver()
    time.sleep(0.3)


def disturb(
    shop: Shop, server: Cluster, kills: int, stops: int, dice: random.Random, progress: Callable[[], float]
) -> tuple[dict[str, int], int]:
    """Kill and stop, spread over the sales, until all of both was done; how often."""
    killed, stopped = {WEB: 0, WORKER: 0}, 0
    while sum(killed.values()) < kills or stopped < stops:
        time.sleep(dice.uniform(0.05, 0.4))
        done = progress()
        if stopped < stops and done >= (stopped + 1) / (stops + 1) * 0.9:
            server.stop()
            server.start()
            stopped += 1
        elif sum(killed.values()) < kills and sum(killed.values()) <= kills * done * 1.2:
            role = dice.choice((WEB, WEB, WORKER))
            killed[role] += shop.kill_one(role, dice)
        elif done >= 1:
            break
    return killed, stopped


def finish(shop: Shop, buyers: Iterable[Buyer]) -> Iterator[str]:
    """An hour later everybody looks again, the company tells all it ever told; then what is wrong, in words."""
    shop.inside("later", str(HOUR))
    for buyer in buyers:
        if not until_done(buyer, lambda: moment(shop)):
            yield f"{buyer.quotation} does not come to its end: {buyer.seen[-12:]}"
        if len(buyer.orders) > 1:
            yield f"{buyer.quotation} had the orders {sorted(buyer.orders)}, one after the other"
    shop.company.sent = 0
    shop.deliver(times=2, shuffled=7)
    told = shop.inside("verify", str(2 * HOUR))
    unsold = [number for number, sale in told["sales"].items() if sale["state"] == "sent"]
    if unsold:
        yield f"acknowledged and gone: {unsold}"
    yield from wrong_in(told, shop.taken(), shop.mails.ids())
