"""The renewals that are measured, each part in a process of its own; what it did is its last line, as JSON.

python -m bench.renewing fill 50000     migrate an empty database and put so many due subscriptions into it
python -m bench.renewing work 0         renew until nothing is due (or so many are done); `phases`, `next-month`
python -m bench.renewing run queue      the product's runner (queue or loop) with this sweep alone
python -m bench.renewing crew 3         so many workers that are replaced when they are killed; `unguarded`
python -m bench.renewing verify 10000   whether each was renewed exactly once, and what the books say
"""

import json
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import wraps
from pathlib import Path
from threading import Event
from typing import Any

import django

from bench.server import children
from portico.commands.processes import die_with_parent

CODES = (("plan-starter", 1), ("users", 5), ("helpdesk", 1))
ROWS = 5_000


def fill(count: int) -> dict[str, Any]:
    """Subscriptions of three items that were due today; five to a customer, each with its one owner who gets the letter."""
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from portico import cast

    call_command("migrate", interactive=False, verbosity=0)
    now = timezone.now()
    world = cast.build_people(now)
    made = 0
    for numbers in chunks(range(count), ROWS):
        made += subscriptions(world, numbers, now)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    return {"due": made}


def chunks(numbers: Sequence[int], size: int) -> Iterator[list[int]]:
    """The numbers in pieces of `size`."""
    yield from (list(numbers[begin : begin + size]) for begin in range(0, len(numbers), size))


def subscriptions(world: Any, numbers: Sequence[int], now: datetime) -> int:
    """A piece of them, in a few statements."""
    from portico.accounts.models import Customer, Membership, User
    from portico.billing.models import Database, Subscription, SubscriptionItem, SubscriptionPeriod
    from portico.kit.periods import add_months, today

    begun = today(now, world.seller.zone)
    start, created = add_months(begun, -1), now - timedelta(days=40)
    owners = User.objects.bulk_create(
        User(email=f"owner{number}@example.com", name=f"Owner {number}") for number in numbers[::5]
    )
    customers = Customer.objects.bulk_create(
        Customer(
            seller=world.seller, legal_name=f"Company {number} SARL", street="1 rue du Port", postcode="44000",
            city="Nantes", country="FR", created_at=created,
        )
        for number in numbers[::5]
    )  # fmt: skip
    if not numbers[0]:
        customers[0] = world.fontaine  # whose pages are looked at meanwhile
    Membership.objects.bulk_create(
        Membership(user=user, customer=customer, is_owner=True, created_at=created)
        for user, customer in zip(owners, customers, strict=True)
    )
    databases = Database.objects.bulk_create(
        Database(customer=customers[place // 5], name=f"shop-{number}", created_at=created)
        for place, number in enumerate(numbers)
    )
    rows = Subscription.objects.bulk_create(
        Subscription(
            customer=database.customer, database=database, state="active", currency="EUR", term_months=1,
            period_start=start, period_end=begun, auto_renew=True, created_at=created,
        )
        for database in databases
    )  # fmt: skip
    SubscriptionPeriod.objects.bulk_create(SubscriptionPeriod(subscription=row, start=start, end=begun) for row in rows)
    SubscriptionItem.objects.bulk_create(
        SubscriptionItem(
            subscription=row, product=world.products[code], description=world.products[code].name,
            quantity=Decimal(quantity + row.pk % 3), unit_price=Decimal(19 + row.pk % 20), started_on=start,
        )
        for row in rows
        for code, quantity in CODES
    )  # fmt: skip
    return len(rows)


# Working --------------------------------------------------------------------------------------------------------------


def work(most: int, *, phases: bool, days: int) -> dict[str, Any]:
    """Renew until nothing is due in so many `days`, or `most` were looked at; what it cost this process."""
    from django.utils import timezone

    from portico.accounts.models import Seller
    from portico.billing.actions import run

    seller, clock = Seller.objects.get(), Clock()
    if phases:
        clock.watch()
    memory: list[float] = []
    began, spent, done = time.perf_counter(), time.process_time(), 0
    while not most or done < most:
        found = run.go_on(seller, now=timezone.now() + timedelta(days=days))
        if not found:
            break
        done += found
        memory.append(resident())
    quarter = max(len(memory) // 4, 1)
    return {
        "done": done,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - spent,
        "memory_early": max(memory[:quarter], default=0.0),
        "memory_late": max(memory[-quarter:], default=0.0),
        "phases": {name: 1000 * seconds / max(done, 1) for name, seconds in clock.spent.items()},
    }


def runner(name: str) -> None:
    """The product's own runner with the sweep of the renewals alone, until SIGTERM."""
    from portico.kit import jobs

    jobs.discover()
    only = [jobs.registry["billing.renewals"]]
    if name == "queue":
        from portico.kit import queue

        queue.work(only)
    else:
        stop = Event()
        signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
        jobs.loop(stop, only)


def crew(size: int, *, guarded: bool) -> None:
    """So many workers as children; one that was killed is replaced at once. Ends with SIGTERM."""
    from portico.billing import jobs as sweeps
    from portico.billing.actions import renew
    from portico.billing.models import NumberSeries
    from portico.kit import jobs

    jobs.discover()
    assert renew.renew_due.__kwdefaults__ is not None
    renew.renew_due.__kwdefaults__["most"] = 25  # small batches: more moments at which a kill can hurt
    if not guarded:
        NumberSeries._locked = classmethod(unlocked)  # type: ignore[assignment,method-assign]
    only = [jobs.Sweep("billing.renewals", 0.1, sweeps.renewals)]
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    gone = die_with_parent(signal.SIGKILL)
    while True:
        while len(children(os.getpid())) < size:
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                if gone:
                    gone()
                jobs.loop(Event(), only, pause=0.05)
        os.wait()


def unlocked(cls: Any, seller: Any, series: str, today: Any) -> Any:
    """The counter as everybody reads it at once: the guard of the numbers taken off."""
    rows = cls.objects.filter(seller=seller, series=series)
    time.sleep(0.1)  # so that no machine is too quick to show it
    found = rows.order_by("-year").first()
    time.sleep(0.1)
    return found or cls.objects.create(seller=seller, series=series, year=today.year)


def verify(count: int) -> dict[str, Any]:
    """Whether each of `count` subscriptions was renewed exactly once, and what the books say."""
    from django.db.models import Count

    from portico.billing import books
    from portico.billing.models import Invoice, NumberSeries, RenewalRun, Subscription

    periods = Subscription.objects.annotate(n=Count("periods")).values_list("n", flat=True)
    invoices = Invoice.objects.filter(period__isnull=False)
    positions = sorted(place or 0 for place in invoices.values_list("chain_position", flat=True))
    head = NumberSeries.objects.filter(series="INV").order_by("-year").first()
    return {
        "subscriptions": count,
        "renewed_once": sum(n == 2 for n in periods),
        "invoices": len(positions),
        "gapless": positions == list(range(1, len(positions) + 1)),
        "last_number": head.last_number if head else 0,
        "put_aside": Subscription.objects.exclude(renewal_problem="").count(),
        "counted": sum(RenewalRun.objects.values_list("renewed", flat=True)),
        "violations": [str(one) for one in books.verify()][:20],
    }


def resident() -> float:
    """MB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Clock:
    """Where the time goes: the seconds in each statement and in each part, what is inside another taken off the outer."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.open: list[float] = []

    def watch(self) -> None:
        """Put a clock on the parts of the run and on every statement."""
        from django.db import connection

        from portico.billing import letters
        from portico.billing.actions import issue, renew

        parts: dict[str, tuple[Any, str]] = {
            "read and price": (renew, "read_due"),
            "draw up the papers": (renew, "paper"),
            "issue: freeze, hash, rows": (renew, "issue_papers"),
            "address the letters": (letters, "invoices_issued"),
            "freeze the content": (issue, "frozen_content"),
            "begin the periods": (renew, "_renew"),
            "claim and commit": (renew, "renew_due"),
        }
        for name, (where, function) in parts.items():
            setattr(where, function, self.around(name, getattr(where, function)))
        connection.execute_wrappers.append(self.statement)

    def around(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with a clock on it; a generator is read to its end."""

        @wraps(function)
        def timed(*values: Any, **named: Any) -> Any:
            with_clock = self.take(name, lambda: self.whole(function(*values, **named)))
            return with_clock

        return timed

    def whole(self, value: Any) -> Any:
        """What a generator gives, as a list."""
        return list(value) if hasattr(value, "send") else value

    def statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """One statement, by what it does to which table."""
        words = sql.replace('"', "").split()
        verb = words[0].lower()
        after = {"insert": "INTO", "update": "UPDATE", "select": "FROM"}.get(verb, words[0])
        table = words[words.index(after) + 1] if after in words[:-1] else ""
        return self.take(f"PostgreSQL: {verb} {table}".strip(), lambda: execute(sql, params, many, context))

    def take(self, name: str, run: Callable[[], Any]) -> Any:
        """Run it and book its own time."""
        began = time.perf_counter()
        self.open.append(0.0)
        try:
            return run()
        finally:
            took = time.perf_counter() - began
            self.spent[name] += took - self.open.pop()
            if self.open:
                self.open[-1] += took


def main(arguments: Sequence[str]) -> None:
    """Do one part."""
    django.setup()
    part, value = arguments[:2]
    if part == "run":
        runner(value)
    elif part == "crew":
        crew(int(value), guarded="unguarded" not in arguments)
    elif part == "fill":
        print(json.dumps(fill(int(value))))
    elif part == "verify":
        print(json.dumps(verify(int(value))))
    else:
        days = 32 if "next-month" in arguments else 0
        print(json.dumps(work(int(value), phases="phases" in arguments, days=days)))


if __name__ == "__main__":
    main(sys.argv[1:])
