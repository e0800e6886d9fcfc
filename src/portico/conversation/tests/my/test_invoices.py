"""The thread of an invoice tells of its payments and of what credited it."""

from collections.abc import Callable

from django.test import Client

from portico.cast import World


def test_a_credit_note_stands_in_the_thread_of_its_invoice(world: World, client_for: Callable[..., Client]) -> None:
    invoice = world.invoice("Training, invoiced twice")
    client = client_for(world.julien)
    page = client.get(f"/my/invoices/{invoice.number}/thread/").content.decode()
    assert f"Invoice {invoice.number} was issued" in page or f"issued invoice {invoice.number}" in page
    assert f"credit note {invoice.credit_notes.get().number}" in page
    assert client.post(f"/my/invoices/{invoice.number}/thread/", {"body": "Thank you."}).status_code == 302
    assert client_for(world.lena).get(f"/my/invoices/{invoice.number}/thread/").status_code == 404


def test_a_payment_stands_in_the_threads_of_its_invoices_alone(world: World, client_for: Callable[..., Client]) -> None:
    paid, other = world.invoice("Boutique theme"), world.invoice("On-site training in Lyon")
    client = client_for(world.camille)
    assert "payment" in client.get(f"/my/invoices/{paid.number}/thread/").content.decode()
    assert "Omar Benali booked a payment" not in client.get(f"/my/invoices/{other.number}/thread/").content.decode()
