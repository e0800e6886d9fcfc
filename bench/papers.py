"""A worker of `./portico bench documents`: makes papers and says on its last line what they cost."""

import json
import resource
import statistics
import sys
import time
from datetime import date
from decimal import Decimal
from typing import Any

import django

LINES = (8, 100)


def invoice_of(place: int, lines: int) -> Any:
    """An issued invoice in memory with this many lines in two rates; never saved."""
    from portico.accounts.models import Customer, Seller
    from portico.billing import pricing
    from portico.billing.actions.issue import (
        Paper,
        Totalled,
        add_up,
        buyer_block,
        frozen_content,
        seller_block,
        vat_groups,
        with_invoice,
    )  # fmt: skip
    from portico.billing.models import Invoice, InvoiceLine

    seller = Seller(
        legal_name="Northwind Software SAS", short_name="Northwind Software", street="18 quai de la Fosse",
        postcode="44000", city="Nantes", country="FR", vat_id="FR83404833048", company_registration="RCS Nantes 404 833 048",
        support_email="help@northwind.example", iban="FR7630006000011234567890189", bic="AGRIFRPP", currency="EUR",
    )  # fmt: skip
    customer = Customer(
        seller=seller, legal_name=f"Bäckerei Łódź {place} GmbH", street=f"Straße {place}", postcode="04109", city="Leipzig",
        country="FR", vat_id="FR40303265045", electronic_address="9930:DE123456789",
    )  # fmt: skip
    rows = [
        InvoiceLine(
            position=row, kind="line", name=f"Users of database {place}-{row}", detail="1 Nov 2026 to 31 Oct 2027",
            quantity=Decimal(row + place), unit="users", unit_price=Decimal("19.90") + place, vat_category="S",
            discount_percent=Decimal(5 if row % 3 == 0 else 0), vat_rate=Decimal("20" if row % 4 else "5.5"),
        )
        for row in range(1, lines + 1)
    ]  # fmt: skip
    priced = pricing.price(
        [
            pricing.LineIn(
                row.position,
                row.kind,
                row.quantity,
                row.unit_price,
                row.discount_percent,
                row.vat_category,
                row.vat_rate,
            )
            for row in rows
        ],
        "EUR",
    )
    for row, found in zip(rows, priced.lines, strict=True):
        row.net_minor = found.net_minor
    groups = {(group.category, group.rate): (group.base_minor, group.vat_minor) for group in priced.groups}
    invoice = Invoice(
        seller=seller, customer=customer, kind="invoice", series="INV", title=f"Renewal {place}", language="en",
        currency="EUR", delivered_on=date(2026, 11, 1), pk=place,
    )  # fmt: skip
    paper = Paper(invoice, Totalled(rows, groups), [["Payment", "30 days net"], ["Late payment", "A fee of €40."]], 30)
    add_up(invoice, paper.content)
    day = date(2026, 11, 1)
    invoice.content = frozen_content(
        paper, seller_block(seller), with_invoice(rows, invoice), vat_groups(invoice, groups), day
    )  # fmt: skip
    invoice.buyer = buyer_block(invoice)
    invoice.number, invoice.issued_on, invoice.due_on, invoice.state = (
        f"INV-2026-{place:05d}",
        day,
        date(2026, 12, 1),
        "issued",
    )
    invoice.rows_in_memory = rows  # type: ignore[attr-defined]  # for this bench alone
    return invoice


def main() -> None:
    """Warm up, wait for the word, measure."""
    django.setup()
    from bench.documents import PAPERS, SECONDS, p95, timed, waited
    from portico.billing.documents import build, issued
    from portico.billing.documents.einvoice import checker, own_rules, terms, write

    build.invoice_lines = lambda invoice: rows[invoice]  # type: ignore[assignment]  # no database here
    rows: dict[int, Any] = {}

    def papers(lines: int, count: int, start: int) -> list[Any]:
        made = [invoice_of(place, lines) for place in range(start, start + count)]
        rows.update({one.pk: one.rows_in_memory for one in made})
        return made

    said: dict[str, float] = {}
    (said["first"],) = timed(issued.draw_pdf, papers(8, 1, 1))
    for one in papers(8, 5, 10):
        issued.draw_pdf(one)
    sys.stdout.write("warm\n")
    sys.stdout.flush()
    sys.stdin.readline()
    alone = sys.argv[1] == "1"
    if alone:
        short = papers(8, PAPERS, 100)
        took = timed(issued.draw_pdf, short)
        said["short"], said["short_p95"] = statistics.median(took), p95(took)
        said["kilobytes"] = len(issued.draw_pdf(short[0])) / 1000
        known = [terms.terms_of(one) for one in short]
        said["cii"] = statistics.median(timed(write.cii, known))
        said["ubl"] = statistics.median(timed(write.ubl, known))
        said["checks"] = statistics.median(timed(lambda one: own_rules.findings(terms.terms_of(one), "en16931"), short))
        said["long"] = statistics.median(timed(issued.draw_pdf, papers(100, 20, 1000)))
        said["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        files = [issued.written(one) for one in short[:21]]

        def ask(one: Any) -> None:
            broken = checker.check(embedded=one.embedded, cii=one.cii, ubl=one.ubl, profile="en16931")
            assert not broken, broken

        asked = waited(ask, files)
        said["rules_first"], said["rules"] = asked[0], statistics.median(asked[1:])
    made = papers(8, 400, 5000)
    count, began, own = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < SECONDS:
        issued.draw_pdf(made[count % len(made)])
        count += 1
    said["rate"] = count / (time.perf_counter() - began)
    said["rate_of_cpu"] = count / (time.process_time() - own)
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
