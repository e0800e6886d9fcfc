"""What the demo's finance imported: an invoice of a known customer, one of a customer to review, and a file that is none.

Our own writers stand for the system before.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from portico.accounts.models import Customer, Seller, User
from portico.billing.actions import importing
from portico.billing.actions.issue import buyer_block, seller_block
from portico.billing.documents.einvoice import terms, write
from portico.billing.models import Invoice
from portico.kit.periods import today

NO_INVOICE = b'<DespatchAdvice xmlns="urn:oasis:names:specification:ubl:schema:xsd:DespatchAdvice-2"/>'


def import_old_papers(*, seller: Seller, known: Customer, by: User, now: datetime) -> None:
    """Send and read them, as the desk does; `known` is the customer whose VAT id stands on one of them."""
    day = today(now, seller.zone)
    unknown = Customer(
        seller=seller, legal_name="Menuiserie Keller SARL", street="4 quai des Bateliers", postcode="67000",
        city="Strasbourg", country="FR", electronic_address="comptabilite@keller.example",
    )  # fmt: skip
    papers = {
        "2025-1187.xml": write.cii(
            _terms(seller, known, "2025-1187", "Hosting before the move, months", 12, "45.00", day)
        ),
        "2025-1201.xml": write.ubl(_terms(seller, unknown, "2025-1201", "Consulting, days", 2, "780.00", day)),
        "delivery-note.xml": NO_INVOICE,
    }
    importing.start_import(
        seller=seller, sent=[SimpleUploadedFile(name, content) for name, content in papers.items()],
        by=by, now=now,
    )  # fmt: skip
    while importing.go_on(now):
        pass


def _terms(seller: Seller, buyer: Customer, number: str, name: str, quantity: int, price: str, day: date) -> Any:
    """An invoice of one line at 20 %, issued three weeks ago, due in three."""
    net = int(quantity * Decimal(price) * 100)
    vat = net // 5
    content = {
        "seller": seller_block(seller), "title": name, "po_number": "", "refers_to": "", "reason": "", "order": "",
        "delivered_on": "", "terms": [["Payment", "Payable by bank transfer."]], "prepaid": False,
        "lines": [[1, "line", name, "", str(quantity), "", price, "0", "S", "20", net]],
        "vat": [["S", "20", net, vat, "", ""]],
        "totals": {"lines": net, "allowances": 0, "charges": 0, "net": net, "vat": vat, "total": net + vat},
    }  # fmt: skip
    head = terms.Head(
        kind=Invoice.Kind.INVOICE, number=number, issued_on=day - timedelta(days=21), due_on=day + timedelta(days=21),
        currency="EUR",
    )  # fmt: skip
    return terms.build(head, content, buyer_block(Invoice(customer=buyer)))
