"""What a payment is known by, its id, reference and checkout, is on no page of another customer, and opens nothing to it."""

from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from django.test import Client
from lxml import html

from portico.billing.actions import pay
from portico.billing.models import Payment
from portico.billing.tests.attempts import payer
from portico.billing.tests.my.pages import books
from portico.cast import World

Browser = Callable[..., Client]
MOST = 250
"""More pages than a customer of the cast has."""


def crawled(client: Client) -> dict[str, str]:
    """Every page that links lead to from the customer's home, by its address, lists without a filter."""
    found: dict[str, str] = {}
    ahead = ["/my/"]
    while ahead:
        where = ahead.pop()
        if where in found or len(found) >= MOST:
            continue
        answer = client.get(where)
        if not answer.headers["Content-Type"].startswith("text/html"):
            continue
        found[where] = answer.content.decode()
        for link in html.fromstring(found[where]).xpath("//a/@href | //@hx-get"):
            to = urlsplit(urljoin(f"http://testserver{where}", link))
            if to.netloc == "testserver" and to.path.startswith("/my/"):
                ahead.append(to.path)
    return found


def test_nothing_that_names_a_payment_is_on_a_stranger_s_page(world: World, client_for: Browser) -> None:
    for provider, title in (("sandbox", "Go-live support, day 1"), ("bank_transfer", "On-site training in Lyon")):
        pay.start_payment(by=payer(world), provider=provider, invoices=[world.invoice(title)], now=world.now)
    payments = list(Payment.objects.filter(customer=world.fontaine))
    names = {
        str(name)
        for one in payments
        for name in (one.pk, one.reference, one.checkout_url, one.provider_reference, one.idempotency_key)
        if name
    }
    own, foreign = crawled(client_for(world.camille)), crawled(client_for(world.lena))
    assert max(len(own), len(foreign)) < MOST, "all of it was read"
    assert len(foreign) > 20
    shown = {name for name in names if any(name in page for page in own.values())}
    assert len(shown) >= len(payments), "the control: their customer sees them"
    assert [(where, name) for where, page in foreign.items() for name in names if name in page] == []


def test_who_knows_a_payment_s_names_may_do_nothing_with_it(world: World, client_for: Browser) -> None:
    payment = pay.start_payment(
        by=payer(world), provider="bank_transfer", invoices=[world.invoice("Go-live support, day 1")], now=world.now
    )
    before = books()
    for client, refused in ((client_for(world.lena), 404), (Client(), 302)):
        for page in ("", "receipt/", "pdf/", "qr/"):
            assert client.get(f"/my/payments/{payment.pk}/{page}").status_code == refused
        assert client.post(f"/my/payments/{payment.pk}/authenticate/").status_code == refused
        for name in (payment.reference, payment.idempotency_key):
            assert client.get(f"/my/payments/{name}/").status_code == 404
        paying = client.post(
            f"/my/invoices/{world.invoice('Go-live support, day 1').number}/pay/",
            {"seen_minor": "106800", "provider": "sandbox", "reference": payment.reference},
        )
        assert paying.status_code == refused
    assert books() == before
