"""The chain of hashes alone: as fast as its rows can be read, for books of any size, with the end of each series and year.

The full check (`papers.check_papers`) also looks into frozen contents and sums; this one says whether numbers, dates and
amounts are those that were issued, and prints what an auditor compares with an archive.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

from portico.billing.books.papers import in_chain_order
from portico.billing.books.violation import Violation
from portico.billing.models import Instalment, Invoice, InvoiceVat, NumberSeries
from portico.billing.models.invoice import canonical
from portico.billing.models.number import GENESIS

BATCH = 5000
CHAINED = {NumberSeries.Series.INVOICE, NumberSeries.Series.CREDIT_NOTE}
FIELDS = (
    "id seller_id series year chain_position number kind issued_on due_on currency net_minor vat_minor total_minor "
    "content_hash buyer_hash previous_hash hash instalment_count"
).split()
Group = tuple[str, str, int, int]


@dataclass
class End:
    """Where the chain stands: of one series in one year, how many documents there are, the first and the last."""

    seller: int
    series: str
    year: int
    documents: int = 0
    first: str = ""
    last: str = ""
    place: int = 0
    hash: str = GENESIS
    day: date | None = None

    def __str__(self) -> str:
        return f"{self.series} {self.year}: {self.documents} documents, {self.first} to {self.last}, {self.hash}"


def check_chain(tell: Callable[[int], object] = lambda _count: None) -> Iterator[Violation | End]:
    """Each violation as it is found, and each end when it is reached; `tell` hears how many documents were looked at."""
    counters = {(one.seller_id, one.series, one.year): one for one in NumberSeries.objects.all()}
    end: End | None = None
    count = 0
    stream = in_chain_order().values_list(*FIELDS).iterator(chunk_size=BATCH)
    while batch := list(islice(stream, BATCH)):
        groups = groups_of([row[0] for row in batch])
        first_due = first_due_of([row[0] for row in batch if row[-1]])
        for row in batch:
            seller, series, year = row[1], row[2], row[3]
            if end is None or (end.seller, end.series, end.year) != (seller, series, year):
                before = end if end is not None and (end.seller, end.series) == (seller, series) else None
                if end is not None:
                    yield from closed(end, counters, newest=before is None)
                counter = counters.get((seller, series, year))
                end = End(seller, series, year, place=counter.first_number - 1 if counter else 0)
                if before is not None:
                    end.hash, end.day = before.hash, before.day
            yield from check_link(end, row, groups[row[0]], first_due.get(row[0], row[8]))
        count += len(batch)
        tell(count)
    if end is not None:
        yield from closed(end, counters, newest=True)
    for (_seller, series, year), counter in counters.items():  # closed() took the others out
        if series in CHAINED and counter.last_number >= counter.first_number:
            said = f"the counter stands at {counter.last_number}, and there is no document"
            yield Violation(f"{series}-{year}", "numbers run to the counter", said)


def groups_of(ids: list[int]) -> dict[int, list[Group]]:
    """The VAT groups of these papers in the form that is hashed, by category and the higher rate first."""
    found: dict[int, list[Group]] = defaultdict(list)
    rows = InvoiceVat.objects.filter(invoice__in=ids).order_by("invoice", "category", "-rate")
    for invoice, category, rate, base, vat in rows.values_list(
        "invoice", "category", "rate", "base_minor", "vat_minor"
    ):
        found[invoice].append((category, plain(rate), base, vat))
    return found


def first_due_of(ids: list[int]) -> dict[int, date]:
    """When these papers, all in parts, were first due: what is hashed, while `due_on` of the row goes on as parts are paid."""
    if not ids:
        return {}
    return dict(Instalment.objects.filter(invoice__in=ids, position=1).values_list("invoice", "due_on"))


@lru_cache(maxsize=1000)
def plain(rate: Decimal) -> str:
    """A rate as the shortest plain text."""
    return f"{rate.normalize():f}" if rate else "0"


def check_link(end: End, row: tuple[Any, ...], groups: list[Group], due_on: date | None) -> Iterator[Violation]:
    """One document, due on `due_on` when it was issued: its number, its day, its predecessor, its hash; `end` moves on."""
    (_id, seller, series, year, place, number, kind, issued_on, _due_on, currency, net, vat, total, content, buyer,
     previous, own, _parts) = row  # fmt: skip
    if number != f"{series}-{year}-{place:05d}":
        yield Violation(number, "number fits its place", f"it stands at place {place} of {series}-{year}")
    if place == end.place:
        yield Violation(number, "numbers are unique", f"number {place} was given twice")
    elif place != end.place + 1:
        yield Violation(number, "numbers have no gap", f"{place - end.place - 1} numbers before it are missing")
    if end.day is not None and issued_on < end.day:
        yield Violation(number, "dates follow numbers", f"it is dated before its predecessor: {issued_on}")
    if previous != end.hash:
        yield Violation(number, "chain is unbroken", "it does not follow the document before it")
    block = {
        "number": number, "type": Invoice.TYPE_CODE[Invoice.Kind(kind)], "issued_on": issued_on.isoformat(),
        "due_on": due_on.isoformat() if due_on else None, "seller": seller, "currency": currency, "vat": groups,
        "net": net, "vat_total": vat, "total": total, "content": content, "buyer": buyer,
    }  # fmt: skip
    if own != hash_of(previous, block):
        yield Violation(number, "hash fits the document", "number, dates, amounts, VAT groups or hash were changed")
    end.first = end.first or number
    end.last, end.place, end.hash, end.day = number, place, own, issued_on
    end.documents += 1


def hash_of(previous: str, block: dict[str, Any]) -> str:
    """SHA-256(previous hash ‖ canonical block); empty for a predecessor that is no hash."""
    try:
        return hashlib.sha256(bytes.fromhex(previous) + canonical(block)).hexdigest()
    except ValueError:
        return ""


def closed(end: End, counters: dict[tuple[int, str, int], NumberSeries], *, newest: bool) -> Iterator[Violation | End]:
    """The end of a series and year, held against its counter; the head of the whole series is that of its newest year."""
    yield end
    counter, name = counters.pop((end.seller, end.series, end.year), None), f"{end.series}-{end.year}"
    if counter is None:
        yield Violation(name, "numbers run to the counter", f"{end.place} documents and no counter")
        return
    if counter.last_number != end.place:
        said = f"the counter stands at {counter.last_number}, the last document is number {end.place}"
        yield Violation(name, "numbers run to the counter", said)
    later = any(key[:2] == (end.seller, end.series) and key[2] > end.year for key in counters)
    if newest and not later and counter.last_hash != end.hash:
        yield Violation(name, "chain ends at the counter", "the last document is not the one it names")
