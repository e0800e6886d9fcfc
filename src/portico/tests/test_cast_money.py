"""The demo's money: each page about it has something to show, and the books are in order."""

from datetime import datetime

import pytest

from portico.billing import books
from portico.billing.models import AutoPay, BankEntry, Payment, Refund, Reversal, SavedMethod
from portico.cast import PEOPLE
from portico.cast_money import fill_demo

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def test_the_demo_shows_money_in_its_less_usual_states(now: datetime) -> None:
    assert [email for email, _role, _password in fill_demo(now)] == [email for email, _role in PEOPLE]
    assert books.verify() == []
    assert sorted(BankEntry.objects.values_list("state", "amount_minor")) == [
        ("booked", -36_000), ("booked", 36_000), ("booked", 52_000), ("open", 48_000), ("open", 84_000),
    ]  # fmt: skip
    refund = Refund.objects.get()
    assert 0 < refund.amount_minor < refund.payment.received_minor
    method = SavedMethod.objects.get()
    assert (method.is_default, method.customer) == (True, AutoPay.objects.get(off_at=None).subscription.customer)
    assert Payment.objects.get(state="unknown").next_lookup_at is not None
    assert sorted(Reversal.objects.values_list("state", flat=True)) == ["lost", "open"]
    left = {one.customer.legal_name: one.unallocated_minor for one in Payment.objects.all() if one.unallocated_minor}
    assert left == {"Fjord & Co AS": 450_000}
