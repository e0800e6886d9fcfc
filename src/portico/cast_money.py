"""The cast's money in its less usual states: only the demo shows them, the tests have worlds of their own.

Bank statements of which one movement fits, one is of another sum, one names nobody and one takes a transfer back; a partial
refund; an invoice paid in parts; a saved card with auto-pay; an attempt without an answer; a dispute at the payer's bank; a
customer's credit. Atelier Fontaine has no part in them: its papers are those of the pictures.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from django.db import transaction

from portico.billing.actions import autopay, bank, methods, pay, refund, reverse
from portico.billing.actions.credit import credit_invoice
from portico.billing.models import Invoice, Payment, Refund
from portico.billing.providers.base import ReversalReport, ReversalSaid
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout
from portico.cast import PASSWORD, PEOPLE, Story, World, at_gateway, build_world, line, sold, transfer, world_contact
from portico.cast_imports import import_old_papers
from portico.kit.periods import today

BAKERY, STRANGER = "DE89370400440532013000", "FR1420041010050500013M02606"
Row = tuple[int, str, str, str]
"""A movement of a statement: cents (below zero: taken back), payer, IBAN, text."""


def statement(world: World, name: str, at: datetime, *rows: Row) -> None:
    """A CAMT.053 that Omar sends, and that the worker looks at."""
    day = today(at, world.seller.zone).isoformat()
    entries = "".join(_entry(row, f"{name}-{place}", day) for place, row in enumerate(rows))
    content = (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><GrpHdr><MsgId>1</MsgId></GrpHdr>'
        f"<Stmt><Id>1</Id><Acct><Id><IBAN>{world.seller.iban}</IBAN></Id></Acct>{entries}</Stmt></BkToCstmrStmt></Document>"
    )
    bank.take_file(seller=world.seller, name=f"{name}.xml", content=content.encode(), by=world.omar, now=at)
    bank.work_on_new(at)


def _entry(row: Row, reference: str, day: str) -> str:
    minor, payer, iban, words = row
    side, way = ("Dbtr", "CRDT") if minor > 0 else ("Cdtr", "DBIT")
    back = "" if minor > 0 else "<RtrInf><Rsn><Cd>FOCR</Cd></Rsn></RtrInf>"
    return (
        f'<Ntry><Amt Ccy="EUR">{abs(minor) // 100}.{abs(minor) % 100:02d}</Amt><CdtDbtInd>{way}</CdtDbtInd>'
        f"<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef>"
        f"<NtryDtls><TxDtls><RltdPties><{side}><Pty><Nm>{payer}</Nm></Pty></{side}>"
        f"<{side}Acct><Id><IBAN>{iban}</IBAN></Id></{side}Acct></RltdPties>"
        f"<RmtInf><Ustrd>{words}</Ustrd></RmtInf>{back}</TxDtls></NtryDtls></Ntry>"
    )


def paid_online(world: World, invoice: Invoice, at: datetime) -> Payment:
    """The owner pays an invoice through the sandbox, and the money arrives at once."""
    by = world.member(world_contact(world, invoice.customer))
    payment = pay.start_payment(by=by, provider="sandbox", invoices=[invoice], now=at)
    gateway.pay(at_gateway(payment, at), now=at)
    return pay.lookup_payment(payment=payment, now=at)


def _bank_files(world: World, at: datetime) -> Story:
    """A transfer that arrived and is taken back, one that fits, one of another sum, one of nobody."""
    first = yield from sold(world, world.lindner, "Scale calibration", [line(world, "label-printer")], at)
    second = yield from sold(
        world, world.lindner, "Training for the counter", [line(world, "training")], at + timedelta(days=4)
    )
    third = yield from sold(
        world, world.lindner, "Recipe import", [line(world, "consulting-day")], at + timedelta(days=5)
    )
    one, two, three = (order.invoices.get() for order in (first, second, third))
    payer = world.lindner.legal_name
    later = yield at + timedelta(days=9)
    words = f"Rechnung {one.number}"
    statement(world, "october", later, (one.total_minor, payer, BAKERY, words))
    later = yield at + timedelta(days=18)
    statement(
        world,
        "november",
        later,
        (two.total_minor, payer, BAKERY, f"{two.number} Schulung"),
        (three.total_minor - 5000, payer, BAKERY, f"{three.number} abzgl. Skonto"),
        (48000, "M. DUPONT", STRANGER, "merci pour tout"),
        (-one.total_minor, payer, BAKERY, words),
    )


def _partial_refund(world: World, at: datetime) -> Story:
    """Half of what was paid online was not needed: credited, and given back."""
    order = yield from sold(world, world.lindner, "Opening day support", [line(world, "consulting-day", "2")], at)
    invoice = order.invoices.get()
    later = yield at + timedelta(days=1)
    payment = paid_online(world, invoice, later)
    later = yield at + timedelta(days=3)
    with transaction.atomic():
        note = credit_invoice(
            invoice=invoice,
            quantities={invoice.lines.get(kind="line").pk: Decimal(1)},
            reason="One day was enough.",
            invoice_again=False,
            by=world.omar,
            now=later,
        )
    payment.refresh_from_db()
    refund.ask_refund(
        payment=payment,
        amount_minor=note.total_minor,
        way=Refund.Way.PROVIDER,
        reason="One of two days was not needed.",
        by=world.omar,
        now=later,
    )


def _saved_card(world: World, at: datetime) -> Story:
    """Lena saves a card, and lets the bakery's subscription be charged to it."""
    yield at
    by = world.member(world.lena)
    saving = methods.begin_saving(by=by, provider="sandbox", consent=methods.consent_to_save(world.lindner), now=at)
    gateway.save(Checkout.objects.get(merchant_reference=str(saving.pk)), "good", now=at)
    methods.look_up_saving(enrolment=saving, now=at)
    subscription = world.subscription("baeckerei-lindner")
    consent = autopay.consent_to_auto_pay(subscription)
    autopay.switch_on(subscription=subscription, by=by, consent=consent, now=at + timedelta(minutes=2))


def _disputed_at_the_bank(world: World, at: datetime) -> Story:
    """Ingrid's bank asks a card payment back, and has not decided yet."""
    lines = [line(world, "training", price="6200")]
    order = yield from sold(world, world.fjord, "Onboarding at the harbour", lines, at)
    later = yield at + timedelta(days=2)
    payment = paid_online(world, order.invoices.get(), later)
    later = yield at + timedelta(days=14)
    report = ReversalReport(
        ReversalSaid.OPENED,
        "dp_demo",
        payment.charge_reference,
        payment.received_minor,
        payment.received_currency,
        "product_not_received",
    )
    reverse.apply_reversal(payment=payment, report=report, now=later)


def _credit(world: World, at: datetime) -> Story:
    """Fjord paid more than it owed; Omar has looked at it, and it is its credit."""
    yield at
    payment = pay.book_transfer(
        customer=world.fjord,
        amount_minor=450_000,
        currency="NOK",
        received_on=today(at, world.seller.zone),
        payer_name=world.fjord.legal_name,
        by=world.omar,
        now=at,
    )
    pay.review_payment(payment=payment, by=world.omar, now=at + timedelta(hours=1))


def _no_answer(world: World, at: datetime) -> Story:
    """An attempt of which the provider says nothing at the moment."""
    lines = [line(world, "label-printer", price="4300")]
    order = yield from sold(world, world.fjord, "Labels for the cold store", lines, at)
    later = yield at + timedelta(hours=20)
    by = world.member(world.ingrid)
    payment = pay.start_payment(by=by, provider="sandbox", invoices=[order.invoices.get()], now=later)
    checkout = at_gateway(payment, later)
    gateway.go_silent(checkout, now=later)
    Checkout.objects.filter(pk=checkout.pk).update(next_at=world.now + timedelta(days=30))
    pay.lookup_payment(payment=payment, now=later)


def _in_parts(world: World, at: datetime) -> Story:
    """Paid in two parts: the first has arrived, the second is due in a few days."""
    order = yield from sold(
        world,
        world.lindner,
        "Bakery counters, second branch",
        [line(world, "consulting-day", "6")],
        at,
        payment_parts=[["30", 0], ["70", 30]],
    )
    later = yield at + timedelta(days=2)
    invoice = order.invoices.get()
    transfer(world, invoice, invoice.instalments.get(position=1).amount_minor, later)


STORIES = (
    (52, _partial_refund),
    (40, _disputed_at_the_bank),
    (26, _in_parts),
    (24, _bank_files),
    (20, _saved_card),
    (14, _credit),
    (2, _no_answer),
)


def fill_demo(now: datetime) -> list[tuple[str, str, str]]:
    """Fill the demo's empty database around `now`; returns e-mail, role and password of each person."""
    world = build_world(now, more=STORIES)
    import_old_papers(seller=world.seller, known=world.fontaine, by=world.omar, now=now)
    return [(email, role, PASSWORD) for email, role in PEOPLE]
