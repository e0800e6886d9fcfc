"""The lists of a yearly archive: index, chain, heads and recipe, in one language of figures, the same for every reader."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

from portico.accounts.models import Seller
from portico.billing.documents.bundle import Bundled, buyer_name, line, sha256_of
from portico.billing.models import Invoice, InvoiceVat, NumberSeries
from portico.billing.models.invoice import canonical
from portico.billing.models.number import GENESIS
from portico.kit.spreadsheet import decimal

SERIES = (NumberSeries.Series.INVOICE, NumberSeries.Series.CREDIT_NOTE)
INDEX, CHAIN, HEADS, SCRIPT, README = "index.csv", "chain.jsonl", "heads.json", "verify_chain.py", "README.txt"
COLUMNS = (
    "number date due_date type refers_to customer currency net vat total amount_due paid_state file sha256 xml_file "
    "xml_sha256 hash note"
).split()
HERE = Path(__file__).parent
Bounds = dict[str, dict[str, Any]]


def papers_of(seller: Seller, series: str, year: int) -> Any:
    """The issued papers of one series and year, in the order of the chain."""
    rows = Invoice.objects.filter(
        seller=seller,
        series=series,
        state=Invoice.State.ISSUED,
        issued_on__range=(date(year, 1, 1), date(year, 12, 31)),
    )
    return rows.order_by("issued_on", "chain_position")


def bounds_of(seller: Seller, year: int) -> Bounds:
    """Where each series of the year begins and, at this moment, ends: what was issued by now is in the archive."""
    found: Bounds = {}
    for series in SERIES:
        rows = papers_of(seller, series, year).values("number", "chain_position", "hash", "previous_hash", "issued_on")
        first, last = rows.first(), rows.last()
        if first is not None and last is not None:
            found[str(series)] = {
                "first_number": first["number"],
                "first_place": first["chain_position"],
                "before_first": first["previous_hash"],
                "last_number": last["number"],
                "last_place": last["chain_position"],
                "last_hash": last["hash"],
                "documents": last["chain_position"] - first["chain_position"] + 1,
            }
    return found


def batch_of(
    seller: Seller, series: str, year: int, after: tuple[str, int] | None, last: int, most: int
) -> list[Invoice]:
    """The next papers of a series behind `after` (day, place), up to place `last`."""
    rows = papers_of(seller, series, year).filter(chain_position__lte=last)
    if after is not None:
        day, place = date.fromisoformat(after[0]), after[1]
        rows = rows.filter(issued_on__gte=day, chain_position__gt=place)
    return list(rows.select_related("seller", "customer", "pdf", "cii", "refers_to")[:most])


def index_line(found: Bundled) -> bytes:
    """A paper's line of index.csv; amounts as they are in the chain, never below zero for a credit note."""
    paper, code = found.invoice, found.invoice.currency
    return line(
        [
            paper.number, paper.issued_on, paper.first_due_on, paper.type_code,
            paper.refers_to.number if paper.refers_to else "", buyer_name(paper), code,
            decimal(paper.net_minor, code), decimal(paper.vat_minor, code), decimal(paper.total_minor, code),
            decimal(paper.amount_due_minor, code),
            "" if paper.kind == Invoice.Kind.CREDIT_NOTE else paper.payment_state,
            found.paper.name if found.paper else "", sha256_of(found.paper),
            found.xml.name if found.xml else "", sha256_of(found.xml), paper.hash, " ".join(found.notes),
        ]
    )  # fmt: skip


def chain_line(paper: Invoice, groups: Iterable[InvoiceVat]) -> bytes:
    """A paper's link: what its hash is made of, and what the two salted hashes in it are made of, as long as that is kept."""

    def salted(salt: str, value: Any) -> dict[str, Any] | None:
        return {"salt": salt, "value": value} if salt else None

    link = {
        "previous": paper.previous_hash,
        "block": paper.chain_block(groups),
        "hash": paper.hash,
        "content": salted(paper.content_salt, paper.content),
        "buyer": salted(paper.buyer_salt, paper.buyer),
    }
    return canonical(link) + b"\n"


def heads_file(seller: Seller, year: int, bounds: Bounds, at: datetime) -> bytes:
    """heads.json: where each series begins and ends."""
    said = {"seller": seller.legal_name, "year": year, "made_at": at.isoformat(timespec="seconds"), "series": bounds}
    return json.dumps(said, indent=1, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def script() -> bytes:
    """verify_chain.py."""
    return (HERE / SCRIPT).read_bytes()


def readme(seller: Seller, year: int, bounds: Mapping[str, Mapping[str, Any]], at: datetime) -> bytes:
    """README.txt: what is here, and the recipe."""
    lines = [
        f"  {series}: {one['first_number']} to {one['last_number']}, {one['documents']} documents\n"
        f"       last hash {one['last_hash']}"
        for series, one in sorted(bounds.items())
    ]
    text = (HERE / "recipe.txt").read_text(encoding="utf-8")
    values = {
        "SELLER": seller.legal_name,
        "YEAR": str(year),
        "MOMENT": at.strftime("%Y-%m-%d %H:%M UTC"),
        "SERIES": "\n".join(lines) or "  no document was issued in this year",
        "GENESIS": GENESIS,
    }
    for name, value in values.items():
        text = text.replace(f"[{name}]", value)
    return text.encode()
