"""“In payment” and “being looked up” are never called “Paid”: on no page, in no file, in no answer of the API, in no mail."""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from lxml import html

from portico.billing.actions import pay
from portico.billing.documents import build
from portico.billing.models import Payment
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.api.caller import Caller
from portico.billing.tests.attempts import OPEN, begin, checkout_of
from portico.billing.tests.my.pages import text_of
from portico.cast import World
from portico.kit.models import Letter

Browser = Callable[..., Client]
PAID = re.compile(r"\b(Paid|Received|received)\b")


def attempt(world: World, how: str) -> Payment:
    """An attempt for the open invoice that the payer has confirmed, or of which nobody says anything."""
    payment = begin(world, now=world.now)
    if how == "late":
        gateway.pay_late(checkout_of(payment), now=world.now)
    else:
        gateway.go_silent(checkout_of(payment), now=world.now)
    return pay.lookup_payment(payment=payment, now=world.now)


def row_of(answer: Any, key: str) -> str:
    """The words of one row of a list."""
    (row,) = html.fromstring(answer.content.decode()).xpath("//*[@data-number=$key]", key=key)
    assert row.get("data-status") != "paid"
    return " ".join(row.text_content().split())


def said(answer: Any, where: str = "//main//aside | //main//section[@id='payment']") -> str:
    """The words of some places of a page."""
    tree = html.fromstring(answer.content.decode())
    return " ".join(" ".join(one.text_content().split()) for one in tree.xpath(where))


@pytest.mark.parametrize("how", ["late", "silent", "control: paid"])
def test_what_has_not_arrived_is_called_paid_nowhere(world: World, client_for: Browser, how: str) -> None:
    payment = attempt(world, "silent" if how == "silent" else "late")
    if how == "control: paid":
        gateway.pass_time(world.now + gateway.LATE)
        payment = pay.lookup_payment(payment=payment, now=world.now)
    invoice = world.invoice(OPEN)
    number, key = str(invoice.number), str(payment.pk)
    mine, desk, erp = client_for(world.julien), client_for(world.omar), Caller(world)

    told = [
        row_of(mine.get("/my/invoices/"), number) if how != "control: paid" else text_of(mine.get("/my/invoices/")),
        said(mine.get(f"/my/invoices/{number}/")).replace("Amount Due", ""),
        said(mine.get(f"/my/payments/{key}/")),
        build.invoice_sheet(invoice, live=True).stamp,
        *(
            row[3]
            for row in csv.reader(io.StringIO(b"".join(desk.get("/staff/payments/?format=csv")).decode()))
            if key in row
        ),
        said(desk.get(f"/staff/payments/{key}/"), "//main//*[contains(@class, 'doc-bar')]"),
    ]
    status = erp.get(f"/invoices/{number}").json()["status"]
    mails = Letter.objects.filter(event="payment_received", about=f"payment:{key}").count()
    receipt = mine.get(f"/my/payments/{key}/receipt/").status_code
    if how == "control: paid":
        assert any(PAID.search(words) for words in told)
        assert (status, receipt) == ("paid", 200)
        assert mails > 0
        return
    assert [words for words in told if PAID.search(words)] == []
    assert status == {"late": "in_payment", "silent": "not_paid"}[how]
    assert (receipt, mails) == (409, 0)
    entries = text_of(mine.get("/my/statement/"))
    assert f"Pay online (test mode): {number}" not in entries, "the account knows money that arrived alone"
    words = {"late": "in payment", "silent": "we are asking the provider"}[how]
    assert words in text_of(mine.get(f"/my/payments/{key}/"))
