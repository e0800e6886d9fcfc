"""What an invoice says of how it is paid by itself, and what it must say before there is a number."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from portico.billing.actions import autopay
from portico.billing.actions.bill import invoice_rest
from portico.billing.actions.means import means_of_auto_pay, means_of_method
from portico.billing.documents import issued
from portico.billing.documents.build import invoice_sheet, reference_of
from portico.billing.documents.einvoice import checker
from portico.billing.documents.einvoice.terms import terms_of
from portico.billing.models import ExchangeRate, Invoice, NumberSeries, Order, SavedMethod
from portico.billing.tests.actions.test_autopay import renewed
from portico.billing.tests.attempts import payer, saved_by
from portico.cast import World
from portico.kit.errors import Conflict

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def verdict(invoice: Invoice) -> list[str]:
    """What the official rules say of its three files."""
    files = issued.written(invoice)
    broken = checker.check(
        embedded=files.embedded, cii=files.cii, ubl=files.ubl, profile=invoice.buyer["einvoice_profile"]
    )
    return [str(one) for one in broken]


def test_a_card_that_is_charged_by_itself_is_named_and_no_transfer_asked_for(world: World) -> None:
    saved_by(payer(world), now=world.now)
    invoice = renewed(world)
    said = terms_of(invoice)
    assert (said["BT-81"], said["BT-87"]) == ("48", "4242")
    assert "BT-84" not in said
    sheet = invoice_sheet(invoice, live=False, reference=reference_of(invoice))
    assert sheet.payment is None
    assert sheet.notes == ("Auto-pay is on: you need not transfer anything. We charge your saved card ending in 4242.",)
    assert verdict(invoice) == []


@pytest.mark.parametrize("profile", ["en16931", "xrechnung", "peppol"])
def test_a_debit_names_mandate_creditor_and_account(world: World, profile: str) -> None:
    world.seller.contact_name, world.seller.phone = "Accounts", "+33 2 40 00 00 00"
    world.seller.save()
    type(world.fontaine).objects.filter(pk=world.fontaine.pk).update(
        einvoice_profile=profile, buyer_reference="04011000-1234512345-06", electronic_address="9930:DE123456789"
    )
    world.fontaine.refresh_from_db()
    method = saved_by(payer(world), "late", now=world.now)
    assert method.mandate_reference.startswith("SANDBOX-")
    invoice = renewed(world)
    said = terms_of(invoice)
    assert [said[term] for term in ("BT-81", "BT-89", "BT-90", "BT-91")] == [
        "59", method.mandate_reference, "FR72ZZZ123456", "****3000",
    ]  # fmt: skip
    assert "BT-84" not in said
    assert verdict(invoice) == []


def test_a_debit_without_mandate_or_creditor_is_not_claimed_to_be_one() -> None:
    debit = SavedMethod(kind="sepa_debit", last4="3000", mandate_reference="M-1")
    assert means_of_method(debit, "FR72ZZZ123456")["code"] == "59"
    assert means_of_method(debit, "")["code"] == "68"
    debit.mandate_reference = ""
    assert means_of_method(debit, "FR72ZZZ123456")["code"] == "68"


def test_without_the_switch_it_is_a_transfer(world: World) -> None:
    saved_by(payer(world), now=world.now)
    said = terms_of(renewed(world, switched_on=False))
    assert (said["BT-81"], said["BT-84"]) == ("58", world.seller.iban)


def test_a_card_that_has_expired_is_not_promised(world: World) -> None:
    method = saved_by(payer(world), now=world.now)
    SavedMethod.objects.filter(pk=method.pk).update(expires_on=world.now.date() - timedelta(days=1))
    assert terms_of(renewed(world))["BT-81"] == "58"


def test_what_was_frozen_stays_when_the_switch_goes_off(world: World) -> None:
    saved_by(payer(world), now=world.now)
    invoice = renewed(world)
    before = issued.draw_pdf(invoice)
    assert invoice.period is not None
    autopay.switch_off(subscription=invoice.period.subscription, by=payer(world), now=world.now)
    assert issued.draw_pdf(Invoice.objects.get(pk=invoice.pk)) == before


def test_it_costs_two_statements_however_many_there_are(world: World) -> None:
    saved_by(payer(world), now=world.now)
    one = renewed(world)
    assert one.period is not None  # in memory already where papers are issued
    assert one.seller == world.seller
    for papers in ([one], [one] * 20):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert all(means["code"] == "48" for means in means_of_auto_pay(papers, world.now.date()))
        assert len(asked) == 2


# VAT in the seller's currency -------------------------------------------------------------------------------------------


def foreign_order(world: World) -> Order:
    """Something sold to a customer at home in another currency."""
    order = Order.objects.filter(customer=world.fontaine, invoices=None).exclude(state="cancelled").first()
    assert order is not None
    Order.objects.filter(pk=order.pk).update(currency="NOK")
    return Order.objects.get(pk=order.pk)


def test_vat_without_a_rate_waits_and_takes_no_number(world: World) -> None:
    order = foreign_order(world)
    ExchangeRate.objects.all().delete()
    before = NumberSeries.objects.filter(series="INV").values_list("year", "last_number")
    numbers = list(before)
    with (
        pytest.raises(Conflict, match=r"no exchange rate of NOK is known\. Enter one under Settings") as refused,
        transaction.atomic(),
    ):
        invoice_rest(order, by=world.omar, now=world.now)
    assert "BR-53" in refused.value.message
    assert list(before.all()) == numbers
    ExchangeRate.objects.create(
        seller=world.seller, currency="NOK", valid_from=world.now.date() - timedelta(days=3), rate=Decimal("11.7345")
    )
    invoice = invoice_rest(foreign_order(world), by=world.omar, now=world.now)
    assert invoice.content["vat_in_seller_currency"]["rate"] == "11.7345"
    assert terms_of(invoice)["BT-6"] == "EUR"


# Words that the law asks for --------------------------------------------------------------------------------------------


def test_a_renewal_from_france_says_what_paying_late_costs(world: World) -> None:
    ((title, words),) = renewed(world, switched_on=False).content["terms"]
    assert title == "Late payment"
    assert "L441-10" in words
    assert "€40" in words
