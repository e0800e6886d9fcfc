"""The demo's imports: a known customer's invoice, one of a customer to review, and a file that is none."""

from portico.accounts.models import Customer
from portico.billing import books
from portico.billing.models import ImportFile, Invoice
from portico.cast import World
from portico.cast_imports import import_old_papers


def test_the_demo_has_an_imported_invoice_and_a_customer_to_review(people: World) -> None:
    import_old_papers(seller=people.seller, known=people.fontaine, by=people.omar, now=people.now)
    assert dict(ImportFile.objects.values_list("name", "state")) == {
        "2025-1187.xml": "imported", "2025-1201.xml": "imported", "delivery-note.xml": "refused"
    }  # fmt: skip
    known = Invoice.objects.get(printed_number="2025-1187")
    assert (known.customer, known.amount_due_minor, known.payment_state) == (people.fontaine, 64_800, "not_paid")
    assert known.imported.original.read().startswith(b"<?xml")
    assert list(Customer.objects.filter(to_review=True).values_list("legal_name", flat=True)) == [
        "Menuiserie Keller SARL"
    ]
    assert not books.verify()
