"""Numbers, chain, frozen content and arithmetic of what was issued."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

from django.db.models import F, IntegerField, Max, QuerySet
from django.db.models.functions import Cast, ExtractYear, Substr

from portico.billing.books.violation import Violation
from portico.billing.models import Instalment, Invoice, InvoiceLine, InvoiceVat, NumberSeries, Order
from portico.billing.models.invoice import canonical, salted_hash
from portico.billing.models.number import GENESIS
from portico.kit.money import EXPONENTS

BATCH = 500
COUNTED = {"line", "allowance", "charge"}
Key = tuple[str, Decimal]


@dataclass
class Paper:
    """An issued paper with its rows."""

    row: dict[str, Any]
    lines: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, Any]] = field(default_factory=list)
    parts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its number."""
        return str(self.row["number"])


FIELDS = (
    "id seller_id kind series number chain_position year currency net_minor vat_minor total_minor lines_net_minor "
    "allowances_minor charges_minor issued_on due_on instalment_count delivered_on title po_number reason content buyer "
    "content_salt buyer_salt content_hash buyer_hash previous_hash hash order__number refers_to__number"
).split()


def in_chain_order() -> QuerySet[Any]:
    """Issued papers, series by series, in the order in which their numbers were taken; a number's year is its date's."""
    rows = Invoice.objects.filter(state=Invoice.State.ISSUED, number__isnull=False)
    rows = rows.exclude(series=NumberSeries.Series.IMPORTED)
    dated: QuerySet[Any] = rows.annotate(year=ExtractYear("issued_on"))
    return dated.order_by("seller_id", "series", "year", "chain_position", "id")


def batches(rows: QuerySet[Any, Any]) -> Iterator[list[dict[str, Any]]]:
    """Rows in lists of a few hundred, read as they come."""
    stream = rows.iterator(chunk_size=BATCH)
    while batch := list(islice(stream, BATCH)):
        yield batch


# Numbers ---------------------------------------------------------------------------------------------------------------


def check_numbers() -> Iterator[Violation]:
    """Every number of each series and year from its first one, unique, without a gap, ending where the counter stands."""
    begun = NumberSeries.objects.values_list("seller_id", "series", "year", "first_number")
    highest = {(seller, series, year): first - 1 for seller, series, year, first in begun}
    papers = in_chain_order().values_list("seller_id", "series", "year", "chain_position", "number")
    yield from _check_run(papers.iterator(chunk_size=5000), highest)
    yield from _check_run(_order_numbers(), highest)
    for counter in NumberSeries.objects.exclude(series=NumberSeries.Series.QUOTATION):
        last = highest.pop((counter.seller_id, counter.series, counter.year), 0)
        if counter.last_number != last:
            yield Violation(
                f"{counter.series}-{counter.year}",
                "numbers run to the counter",
                f"the counter stands at {counter.last_number}, the last document is number {last}",
            )
    for (_seller, series, year), last in highest.items():
        if series != NumberSeries.Series.QUOTATION:
            yield Violation(f"{series}-{year}", "numbers run to the counter", f"{last} documents and no counter")


def _order_numbers() -> Iterator[tuple[int, str, int, int, str]]:
    rows = Order.objects.filter(number__regex=r"^SO-[0-9]{4}-[0-9]{5,}$").annotate(
        year=Cast(Substr("number", 4, 4), IntegerField()), place=Cast(Substr("number", 9), IntegerField())
    )
    found = rows.order_by("seller_id", "year", "place", "id").values_list("seller_id", "year", "place", "number")
    for seller, year, place, number in found.iterator(chunk_size=5000):
        yield seller, "SO", year, place, number


def _check_run(
    rows: Iterable[tuple[int, str, int, int, str]], highest: dict[tuple[int, str, int], int]
) -> Iterator[Violation]:
    for seller, series, year, place, number in rows:
        before = highest.get((seller, series, year), 0)
        if number != f"{series}-{year}-{place:05d}":
            yield Violation(number, "number fits its place", f"it stands at place {place} of {series}-{year}")
        if place == before:
            yield Violation(number, "numbers are unique", f"number {place} was given twice")
        for missing in range(before + 1, min(place, before + 20)):
            yield Violation(f"{series}-{year}-{missing:05d}", "numbers have no gap", "this number is missing")
        if place > before + 20:
            yield Violation(number, "numbers have no gap", f"{place - before - 1} numbers before it are missing")
        highest[seller, series, year] = max(place, before)


# Papers one by one -----------------------------------------------------------------------------------------------------


def check_imported() -> Iterator[Violation]:
    """Frozen content and sums of every paper that another system made, and that its original file is the one it came as."""
    rows = Invoice.objects.filter(series=NumberSeries.Series.IMPORTED).annotate(year=ExtractYear("issued_on"))
    for batch in batches(rows.order_by("id").values(*FIELDS, "imported__original__sha256")):
        for paper in _with_rows(batch):
            yield from check_frozen(paper)
            yield from check_content(paper)
            yield from check_sums(paper)
            yield from check_parts(paper)
            if paper.row["hash"] != paper.row["imported__original__sha256"]:
                yield Violation(paper.name, "an imported paper has its original", "its file is another one, or gone")


def check_papers() -> Iterator[Violation]:
    """Chain, frozen content and sums of every issued paper."""
    head: tuple[int, str] | None = None
    previous, previous_day = GENESIS, None
    for batch in batches(in_chain_order().values(*FIELDS)):
        for paper in _with_rows(batch):
            row = paper.row
            if head != (row["seller_id"], row["series"]):
                if head is not None:
                    yield from _check_head(head, previous)
                head, previous, previous_day = (row["seller_id"], row["series"]), GENESIS, None
            yield from check_chain(paper, previous)
            if previous_day is not None and row["issued_on"] is not None and row["issued_on"] < previous_day:
                yield Violation(
                    paper.name, "dates follow numbers", f"it is dated before its predecessor: {row['issued_on']}"
                )
            yield from check_content(paper)
            yield from check_sums(paper)
            yield from check_parts(paper)
            previous, previous_day = row["hash"], row["issued_on"]
    if head is not None:
        yield from _check_head(head, previous)


def _with_rows(batch: Sequence[dict[str, Any]]) -> list[Paper]:
    papers = {row["id"]: Paper(row) for row in batch}
    for line in InvoiceLine.objects.filter(invoice__in=list(papers)).order_by("position", "id").values():
        papers[line["invoice_id"]].lines.append(dict(line))
    for group in InvoiceVat.objects.filter(invoice__in=list(papers)).order_by("category", "-rate").values():
        papers[group["invoice_id"]].groups.append(dict(group))
    for part in Instalment.objects.filter(invoice__in=list(papers)).order_by("position").values():
        papers[part["invoice_id"]].parts.append(dict(part))
    return list(papers.values())


def _check_head(head: tuple[int, str], last_hash: str) -> Iterator[Violation]:
    seller, series = head
    newest = NumberSeries.objects.filter(seller_id=seller, series=series).aggregate(year=Max("year"))["year"]
    counter = NumberSeries.objects.filter(seller_id=seller, series=series, year=newest).first()
    if counter is not None and counter.last_hash != last_hash:
        yield Violation(f"{series}-{newest}", "chain ends at the counter", "the last document is not the one it names")


def check_chain(paper: Paper, previous: str) -> Iterator[Violation]:
    """The paper names its predecessor's hash, and its own is that of its rows."""
    row = paper.row
    due_on = paper.parts[0]["due_on"] if paper.parts else row["due_on"]
    if row["previous_hash"] != previous:
        yield Violation(paper.name, "chain is unbroken", "it does not follow the document before it")
    block = {
        "number": row["number"],
        "type": Invoice.TYPE_CODE[Invoice.Kind(row["kind"])],
        "issued_on": row["issued_on"].isoformat() if row["issued_on"] else None,
        "due_on": due_on.isoformat() if due_on else None,
        "seller": row["seller_id"],
        "currency": row["currency"],
        "vat": [[g["category"], plain(g["rate"]), g["base_minor"], g["vat_minor"]] for g in paper.groups],
        "net": row["net_minor"],
        "vat_total": row["vat_minor"],
        "total": row["total_minor"],
        "content": row["content_hash"],
        "buyer": row["buyer_hash"],
    }
    try:
        expected = hashlib.sha256(bytes.fromhex(row["previous_hash"]) + canonical(block)).hexdigest()
    except ValueError:
        expected = ""
    if row["hash"] != expected:
        yield Violation(paper.name, "hash fits the document", "number, dates, amounts, VAT groups or hash were changed")
    yield from check_frozen(paper)


def check_frozen(paper: Paper) -> Iterator[Violation]:
    """The frozen copies are those that were hashed."""
    row = paper.row
    for name in ("content", "buyer"):
        if row[f"{name}_salt"] and row[f"{name}_hash"] != _salted(row[f"{name}_salt"], row[name]):
            yield Violation(paper.name, f"frozen {name} fits its hash", f"the frozen {name} was changed")
        if not row[f"{name}_salt"] and row[name]:
            yield Violation(paper.name, f"frozen {name} fits its hash", "its salt is gone and it is not")


def _salted(salt: str, content: Any) -> str:
    try:
        return salted_hash(salt, content)
    except ValueError:
        return ""


def check_content(paper: Paper) -> Iterator[Violation]:
    """The frozen copy says what the rows say; what was erased after retention is left out."""
    row, content = paper.row, paper.row["content"]
    if not row["content_salt"]:
        return
    if not isinstance(content, dict) or not isinstance(content.get("lines"), list):
        yield Violation(paper.name, "frozen content equals the rows", "there is no frozen content")
        return
    lines = [frozen_line(line) for line in paper.lines]
    for position, (frozen, found) in enumerate(zip(content["lines"], lines, strict=False), start=1):
        if frozen != found:
            yield Violation(
                paper.name,
                "lines equal what was issued",
                f"line {position} reads {differing(frozen, found)}",
            )
    if len(content["lines"]) != len(lines):
        yield Violation(
            paper.name,
            "lines equal what was issued",
            f"{len(content['lines'])} lines were issued, {len(lines)} are here",
        )
    groups = [
        [g["category"], plain(g["rate"]), g["base_minor"], g["vat_minor"], g["exemption_code"], g["note"]]
        for g in paper.groups
    ]
    if content.get("vat") != groups:
        yield Violation(
            paper.name, "VAT groups equal what was issued", f"{content.get('vat')} were issued, not {groups}"
        )
    parts = [[part["due_on"].isoformat(), part["amount_minor"]] for part in paper.parts]
    if content.get("instalments", []) != parts:
        yield Violation(
            paper.name,
            "instalments equal what was issued",
            f"{content.get('instalments', [])} were issued, not {parts}",
        )
    facts = {
        "title": row["title"],
        "po_number": row["po_number"],
        "reason": row["reason"],
        "refers_to": row["refers_to__number"] or "",
        "order": row["order__number"] or "",
        "delivered_on": row["delivered_on"].isoformat() if row["delivered_on"] else "",
        "totals": {
            "lines": row["lines_net_minor"],
            "allowances": row["allowances_minor"],
            "charges": row["charges_minor"],
            "net": row["net_minor"],
            "vat": row["vat_minor"],
            "total": row["total_minor"],
        },
    }
    for name, value in facts.items():
        if content.get(name, value) != value:
            yield Violation(
                paper.name, f"{name} equals what was issued", f"{content[name]!r} was issued, not {value!r}"
            )


LINE_NAMES = (
    "position kind name detail quantity unit unit_price discount_percent vat_category vat_rate net_minor".split()
)
PART_NAMES = ["part_days", "part_of_days"]
"""Frozen where a line is for a part of a period alone."""


def frozen_line(line: dict[str, Any]) -> list[Any]:
    """A line's row in the form in which it was frozen."""
    part = [line[name] for name in PART_NAMES] if line["part_days"] != line["part_of_days"] else []
    return [plain(line[name]) if isinstance(line[name], Decimal) else line[name] for name in LINE_NAMES] + part


def differing(frozen: Any, found: list[Any]) -> str:
    """Which parts of a line differ, with what was issued."""
    if not isinstance(frozen, list) or len(frozen) != len(found):
        return "otherwise than what was issued"
    parts = [
        f"{name} {here!r} instead of {then!r}"
        for name, then, here in zip([*LINE_NAMES, *PART_NAMES], frozen, found, strict=False)
        if then != here and name not in {"name", "detail"}
    ]
    return ", ".join(parts) or "another text"


def plain(value: Decimal) -> str:
    """A decimal as the shortest plain text, the form that is hashed."""
    return f"{value.normalize():f}" if value else "0"


def check_sums(paper: Paper) -> Iterator[Violation]:
    """EN 16931: BR-CO-10 to 15 exactly, BR-CO-17 within the official tolerance of less than one unit of the currency."""
    row, name = paper.row, paper.name
    sums: dict[str, int] = defaultdict(int)
    bases: dict[Key, int] = defaultdict(int)
    for line in paper.lines:
        if line["kind"] in COUNTED:
            sums[line["kind"]] += line["net_minor"]
            sign = -1 if line["kind"] == "allowance" else 1
            bases[line["vat_category"], line["vat_rate"]] += sign * line["net_minor"]
    groups = {(group["category"], group["rate"]): (group["base_minor"], group["vat_minor"]) for group in paper.groups}
    base_sum, vat_sum = sum(base for base, _vat in groups.values()), sum(vat for _base, vat in groups.values())
    for rule, stands, adds_up in (
        ("BR-CO-10: sum of line nets", row["lines_net_minor"], sums["line"]),
        ("BR-CO-11: sum of allowances", row["allowances_minor"], sums["allowance"]),
        ("BR-CO-12: sum of charges", row["charges_minor"], sums["charge"]),
        (
            "BR-CO-13: total without VAT",
            row["net_minor"],
            row["lines_net_minor"] - row["allowances_minor"] + row["charges_minor"],
        ),
        ("BR-CO-13: VAT bases make the total without VAT", row["net_minor"], base_sum),
        ("BR-CO-14: total VAT", row["vat_minor"], vat_sum),
        ("BR-CO-15: total with VAT", row["total_minor"], row["net_minor"] + row["vat_minor"]),
    ):
        if stands != adds_up:
            yield Violation(name, rule, f"{stands} stands there, the parts make {adds_up}")
    one_unit = 10 ** EXPONENTS.get(row["currency"], 2)
    for key in sorted(set(bases) | set(groups)):
        base, vat = groups.get(key, (0, 0))
        what = f"{key[0]} {plain(key[1])} %"
        # Between lines and breakdown another system may have rounded (BR-S-08: less than one unit).
        if abs(base - bases.get(key, 0)) >= (one_unit if row["series"] == "EXT" else 1):
            message = f"{what}: {base} stands there, its lines make {bases.get(key, 0)}"
            yield Violation(name, "VAT group's base is that of its lines", message)
        if abs(vat - Fraction(base) * Fraction(key[1]) / 100) >= one_unit:
            yield Violation(name, "BR-CO-17: VAT is base times rate", f"{what} of {base} is not {vat}")


def check_parts(paper: Paper) -> Iterator[Violation]:
    """Instalments make the total, one after the other, and the invoice knows how many it has."""
    row, name = paper.row, paper.name
    if row["instalment_count"] != len(paper.parts):
        message = f"it counts {row['instalment_count']}, there are {len(paper.parts)}"
        yield Violation(name, "an invoice has its instalments", message)
    if not paper.parts:
        return
    upto = 0
    for position, part in enumerate(paper.parts, start=1):
        upto += part["amount_minor"]
        if (part["position"], part["upto_minor"]) != (position, upto):
            message = (
                f"part {part['position']} goes up to {part['upto_minor']}, it is number {position} and makes {upto}"
            )
            yield Violation(name, "instalments follow each other", message)
    if upto != row["total_minor"]:
        yield Violation(name, "instalments make the total", f"they make {upto} of {row['total_minor']}")
    days = [part["due_on"] for part in paper.parts]
    if days != sorted(set(days)):
        yield Violation(name, "instalments follow each other", "one is not due later than the one before it")


# Credit notes ----------------------------------------------------------------------------------------------------------


def check_credit_notes() -> Iterator[Violation]:
    """A credit note belongs to an invoice of the same customer and currency; together they credit no more than it."""
    rows = Invoice.objects.filter(state=Invoice.State.ISSUED, kind=Invoice.Kind.CREDIT_NOTE)
    rows = rows.exclude(series=NumberSeries.Series.IMPORTED, refers_to=None)
    strange = rows.exclude(
        refers_to__customer=F("customer"), refers_to__currency=F("currency"), refers_to__state=Invoice.State.ISSUED
    ) | rows.filter(refers_to__kind=Invoice.Kind.CREDIT_NOTE)
    for number in strange.values_list("number", flat=True).distinct():
        yield Violation(
            str(number), "a credit note fits its invoice", "it refers to another customer, currency or kind"
        )
    credited: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    fields = ("refers_to__number", "refers_to__total_minor", "total_minor")
    for number, total, part in rows.values_list(*fields).iterator():
        credited[str(number)] = [credited[str(number)][0] + part, total]
    for name, (amount, total) in credited.items():
        if amount > total:
            yield Violation(name, "credited at most once", f"{amount} was credited of {total}")
