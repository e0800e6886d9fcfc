"""The books, checked: every rule of money and numbering, on the real rows.

Nothing here relies on the code that wrote the rows: hashes, sums and states are told anew from the tables alone, so a row
that was edited behind the portal is found, and its document named. Reads in batches, in one view of the database (a
snapshot), and writes nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from portico.billing.books import money, papers, sales, standings
from portico.billing.books.violation import Violation

__all__ = ["PASSES", "Violation", "verify"]

PASSES: tuple[Callable[[], Iterator[Violation]], ...] = (
    papers.check_numbers,
    papers.check_papers,
    papers.check_imported,
    papers.check_credit_notes,
    money.check_invoices,
    money.check_payments,
    money.check_allocations,
    money.check_refunds,
    money.check_requests,
    money.check_targets,
    money.check_sandbox_ledger,
    sales.check_versions,
    sales.check_orders,
    sales.check_invoiced,
    sales.check_periods,
    standings.check_standings,
    sales.check_events,
)


def verify() -> list[Violation]:
    """Every violation of every rule; none when the books are in order."""
    with one_view():
        return [violation for check in PASSES for violation in check()]


@contextmanager
def one_view() -> Iterator[None]:
    """All reads see the database as it was at the first one, while the portal goes on writing."""
    if connection.in_atomic_block:
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
    else:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("BEGIN DEFERRED")  # atomic() would take the one lock for writing
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")
