"""Bank statements: a file is taken once, each movement once; what fits exactly is booked by itself, the rest waits.

Exactly means: the reference or the number of papers of one customer, their currency, and the sum that is due, to the cent.
Every movement has an end: booked (with its payment), or set aside with a reason; until then it stands in the work list.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import gettext_noop

from portico.accounts.models import Customer, Event, Seller, User
from portico.billing.actions import pay, returns
from portico.billing.actions.amounts import Due, offers_of
from portico.billing.actions.receive import FINANCE
from portico.billing.actions.settle import request_due_minor
from portico.billing.models import LEFT_TO_PAY, BankEntry, BankFile, CsvColumns, Invoice, Order, Payment, PaymentRequest
from portico.billing.references import OGM, Read, read_words
from portico.billing.statements.account import masked, others, plain
from portico.billing.statements.camt import read_camt
from portico.billing.statements.movement import Movement, keyed
from portico.billing.statements.table import Reading, Table, accounts_of, cut, guess, kept, read_table
from portico.kit import files
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Refusal
from portico.kit.text import one_line

LARGEST_BYTES = 10 * 1000 * 1000
BATCH = 50
MOST_PAPERS = 30
NUMBER = re.compile(r"(?<![A-Z0-9])([A-Z]{2,3})[^A-Z0-9]?(\d{4})[^A-Z0-9]?(\d{5,7})(?![A-Z0-9])")
logger = logging.getLogger("portico.payments")
WHY = {
    "out": gettext_noop("money that went out"),
    "returned": gettext_noop("a payment that was returned"),
    "came_back": gettext_noop("money that we had sent and that came back"),
    "unknown": gettext_noop("no reference or number that we know"),
    "amount": gettext_noop("another amount than is due"),
    "currency": gettext_noop("another currency than was invoiced"),
    "settled": gettext_noop("nothing is due on what it names"),
    "several": gettext_noop("it names papers of several customers"),
    "twice": gettext_noop("the same arrival seems to be booked already"),
    "failed": gettext_noop("it could not be booked by itself"),
}
"""Why a movement waits for a person."""


@dataclass(frozen=True)
class Candidate:
    """What a movement may be for. `exact` when reference, currency and amount all fit. `key` names it in a form."""

    customer: Customer
    reasons: tuple[str | Promise, ...]
    payment: Payment | None = None
    invoices: tuple[Invoice, ...] = ()
    order: Order | None = None
    due_minor: int = 0
    currency: str = ""
    exact: bool = False

    @property
    def key(self) -> str:
        """c<customer>, with p<payment>, o<order> or i<invoices>."""
        what = f"p{self.payment.pk}" if self.payment else (f"o{self.order.pk}" if self.order else "")
        papers = "i" + "-".join(str(one.pk) for one in self.invoices) if self.invoices else ""
        return f"c{self.customer.pk}{what}{papers}"


# Files -----------------------------------------------------------------------------------------------------------------


class OtherAccount(Invalid):
    """A statement names an account that is not the seller's: nothing was taken, unless somebody says that it is theirs."""


def take_file(
    *, seller: Seller, name: str, content: bytes, by: User, now: datetime, nevertheless: bool = False
) -> BankFile:
    """Keep a statement and read it. A CSV of a kind not seen before waits for its columns (`read_columns`).

    `nevertheless`: also one of an account that is not the seller's IBAN, such as a second account; the history keeps who
    said so. Raises Forbidden without the finance role, OtherAccount for such a file, Invalid for what is no statement,
    Conflict when the same file was sent before.
    """
    _need_finance(by)
    if not content:
        raise Invalid(_("Choose a file first."))
    if len(content) > LARGEST_BYTES:
        raise Invalid(_("The file is larger than 10 MB. Cut it by days."))
    is_xml = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    movements: list[Movement] | None = read_camt(content) if is_xml else None
    table = None if is_xml else cut(content)
    known = reading_of(seller, table) if table else None
    named = accounts_of(table, known or guess(table)) if table else [one.account for one in movements or ()]
    foreign = _refuse_other_account(seller, named, nevertheless=nevertheless)
    try:
        with transaction.atomic():
            stored = files.store(content, "application/xml" if is_xml else "text/csv")
            taken = BankFile.objects.create(
                seller=seller,
                file=stored,
                name=one_line(name)[:150] or "statement",
                kind=BankFile.Kind.CAMT if is_xml else BankFile.Kind.CSV,
                uploaded_at=now,
                uploaded_by=by,
            )
            Event.record("bank.file_taken", taken, now=now, by=by, visible=False, **foreign)
            if movements is not None:
                _keep(taken, movements)
            elif table is not None and known is not None:
                _keep(taken, read_table(table, known, account=seller.iban, currency=seller.currency))
    except IntegrityError:
        raise Conflict(_("This very file was sent before. Nothing was taken twice.")) from None
    return taken


def _refuse_other_account(seller: Seller, named: Iterable[str], *, nevertheless: bool) -> dict[str, list[str]]:
    """What the history keeps of the accounts that are not the seller's; OtherAccount unless they are taken nevertheless."""
    foreign = others(named, seller.iban)
    if foreign and not nevertheless:
        raise OtherAccount(
            _(
                "This statement is of account %(account)s, and your account is %(own)s. Nothing of it was taken or booked. "
                "Send the statement of your own account; if this one is yours too, say so below and send it once more."
            )
            % {"account": ", ".join(foreign[:3]), "own": plain(seller.iban)}
        )
    return {"nevertheless": [masked(one) for one in foreign[:20]]} if foreign else {}


def reading_of(seller: Seller, table: Table) -> Reading | None:
    """How a CSV with this heading is read, if that was said before."""
    row = CsvColumns.objects.filter(seller=seller, heading=table.heading_hash).first()
    return Reading(row.columns, row.decimal_point, row.day_format) if row else None


def read_columns(*, bank_file: BankFile, reading: Reading, by: User, now: datetime, nevertheless: bool = False) -> None:
    """Say how a waiting CSV is read, remember it for its kind, and keep the movements. Raises as `take_file`."""
    _need_finance(by)
    table = cut(bank_file.file.read())
    seller = bank_file.seller
    foreign = {}
    if not _taken_nevertheless(bank_file):
        foreign = _refuse_other_account(seller, accounts_of(table, reading), nevertheless=nevertheless)
    movements = read_table(table, reading, account=seller.iban, currency=seller.currency)
    with transaction.atomic():
        CsvColumns.objects.update_or_create(
            seller=seller, heading=table.heading_hash, defaults={"delimiter": table.delimiter, **kept(reading)}
        )
        _keep(bank_file, movements)
        Event.record("bank.file_read", bank_file, now=now, by=by, visible=False, **foreign)


def _taken_nevertheless(bank_file: BankFile) -> bool:
    """Whether somebody said at the upload that the account is theirs too."""
    said = Event.objects.filter(name="bank.file_taken", noun="bank", object_id=str(bank_file.pk))
    return any("nevertheless" in data for data in said.values_list("data", flat=True))


def _keep(bank_file: BankFile, movements: Iterable[Movement]) -> None:
    """Write the movements that no file has brought before; in the caller's transaction."""
    rows = [
        BankEntry(
            seller_id=bank_file.seller_id,
            bank_file=bank_file,
            key=key,
            account=one.account,
            booked_on=one.booked_on,
            amount_minor=one.amount_minor,
            currency=one.currency,
            payer_name=one.payer_name,
            payer_iban=one.payer_iban,
            words=one.words,
            end_to_end=one.end_to_end,
            bank_reference=one.bank_reference,
            returned=one.returned,
            return_reason=one.return_reason,
            state=BankEntry.State.OPEN if (why := _for_a_person(one)) else BankEntry.State.NEW,
            why=why,
        )
        for key, one in keyed(movements)
    ]
    before = BankEntry.objects.filter(bank_file=bank_file).count()
    for start in range(0, len(rows), 1000):
        BankEntry.objects.bulk_create(rows[start : start + 1000], ignore_conflicts=True)
    new = BankEntry.objects.filter(bank_file=bank_file).count() - before
    if not bank_file.was_read(entries=new, known=len(rows) - new):
        raise Conflict(_("This file was read already. Nothing was taken twice."))


def _for_a_person(one: Movement) -> str:
    """Why a movement is not even looked at by the worker; empty when it is."""
    if one.amount_minor > 0:
        return WHY["came_back"] if one.returned else ""
    return "" if one.returned else WHY["out"]


# Matching --------------------------------------------------------------------------------------------------------------


def candidates_for(entry: BankEntry) -> list[Candidate]:
    """What a movement may be for, the most likely first; an exact one stands alone."""
    if entry.amount_minor <= 0:
        return []
    refund = returns.refund_that_came_back(entry)
    if refund is not None:
        return [Candidate(refund.payment.customer, (lazy("a refund of this sum went to this account"),))]
    found = named_by(entry)
    exact = [one for one in found if one.exact]
    if exact:
        return exact[:1] if len({one.customer.pk for one in exact}) == 1 else [_not_exact(one) for one in exact]
    known = {(one.customer.pk, one.payment, one.invoices, one.order) for one in found}
    return found + [
        one for one in _guessed(entry) if (one.customer.pk, one.payment, one.invoices, one.order) not in known
    ]


def named_by(entry: BankEntry) -> list[Candidate]:
    """What the words of a movement name."""
    read = read_words(f"{entry.words} {entry.end_to_end}")
    return _announced(entry, read) + _named(entry, read) + _ordered(entry, read)


def _not_exact(one: Candidate) -> Candidate:
    return Candidate(one.customer, one.reasons, one.payment, one.invoices, one.order, one.due_minor, one.currency)


def _fits(entry: BankEntry, due_minor: int, currency: str) -> bool:
    return (entry.amount_minor, entry.currency) == (due_minor, currency)


def _announced(entry: BankEntry, read: Read) -> list[Candidate]:
    """Transfers that were announced with a reference in the words."""
    rows = Payment.objects.filter(
        provider="bank_transfer", reference__in=read.references, customer__seller=entry.seller_id
    ).select_related("customer__seller")
    found = []
    for payment in rows.order_by("-created_at")[:5]:
        left = pay.left_of(payment, list(payment.targets.select_related("invoice", "request")))
        expected = {payment.amount_minor, left} - {0}  # its page asks for what is left of it
        found.append(
            Candidate(
                payment.customer,
                (lazy("the reference of an announced transfer"),),
                payment=payment,
                due_minor=entry.amount_minor if entry.amount_minor == left else payment.amount_minor,
                currency=payment.currency,
                exact=payment.state in Payment.UNDECIDED
                and any(_fits(entry, minor, payment.currency) for minor in expected),
            )
        )
    return found


def _named(entry: BankEntry, read: Read) -> list[Candidate]:
    """Invoices whose number or structured reference is in the words: together, if they are of one customer."""
    numbers, keys = numbers_in(read)
    if not numbers and not keys:
        return []
    rows = Invoice.objects.filter(Q(number__in=numbers) | Q(pk__in=keys), seller=entry.seller_id, state="issued")
    papers = list(
        rows.exclude(kind=Invoice.Kind.CREDIT_NOTE)
        .select_related("customer__seller")
        .order_by("due_on", "pk")[:MOST_PAPERS]
    )
    by_customer: dict[int, list[Invoice]] = {}
    for paper in papers:
        by_customer.setdefault(paper.customer_id, []).append(paper)
    return [
        Candidate(
            found[0].customer,
            (lazy("the numbers of invoices") if len(found) > 1 else lazy("the number of an invoice"),),
            invoices=tuple(found),
            due_minor=sum(one.amount_due_minor for one in found),
            currency=found[0].currency,
            exact=len(by_customer) == 1
            and all(one.disputed_at is None and one.amount_due_minor for one in found)
            and {one.currency for one in found} == {entry.currency}
            and any(_fits(entry, minor, found[0].currency) for minor in payable_amounts(found, entry.booked_on)),
        )
        for found in by_customer.values()
    ]


def payable_amounts(invoices: Sequence[Invoice], day: date) -> set[int]:
    """What somebody would transfer for these invoices: all of it, of invoices in parts also the next or what is due.

    All of it is what is left beside what is on its way; or, of a payer that does not know of that, what is due.
    """
    left = [Due(one, one.left_to_pay_minor, one.currency, one.number or "") for one in invoices]
    return {offer.amount_minor for offer in offers_of(left, day)} | {sum(one.amount_due_minor for one in invoices)}


def numbers_in(read: Read) -> tuple[set[str], set[int]]:
    """Numbers of papers in free text or inside RF references, and keys of invoices inside Belgian ones."""
    texts = [read.words.upper(), *(reference[4:] for reference in read.references if reference.startswith("RF"))]
    numbers = {f"{one[1]}-{one[2]}-{one[3]}" for text in texts for one in NUMBER.finditer(text)}
    bodies = {int("".join(re.findall(r"\d", one))[:10]) for one in read.references if OGM.fullmatch(one)}
    return numbers, {body for body in bodies if body < 10**9}


def _ordered(entry: BankEntry, read: Read) -> list[Candidate]:
    """Payment requests of orders whose number is in the words."""
    numbers, _keys = numbers_in(read)
    rows = PaymentRequest.objects.filter(
        order__number__in=numbers, order__seller=entry.seller_id, state=PaymentRequest.State.OPEN
    ).select_related("order__customer__seller")
    found = []
    for request in rows[:5]:
        due = request_due_minor(request)
        found.append(
            Candidate(
                request.order.customer,
                (lazy("the number of an order"),),
                order=request.order,
                due_minor=due,
                currency=request.currency,
                exact=_fits(entry, due, request.currency),
            )
        )
    return found


def _guessed(entry: BankEntry) -> list[Candidate]:
    """By the payer's account or name, and by an amount that is due: for a person to decide, never by itself."""
    customers: dict[int, tuple[Customer, list[str | Promise]]] = {}
    if entry.payer_iban:
        earlier = BankEntry.objects.filter(
            seller=entry.seller_id, payer_iban=entry.payer_iban, state=BankEntry.State.BOOKED
        ).values("payment__customer")
        for one in Customer.objects.filter(pk__in=earlier).select_related("seller")[:5]:
            customers.setdefault(one.pk, (one, []))[1].append(lazy("it paid from this account before"))
    if len(entry.payer_name) > 2:
        for one in Customer.objects.filter(seller=entry.seller_id, legal_name__iexact=entry.payer_name).select_related(
            "seller"
        )[:5]:
            customers.setdefault(one.pk, (one, []))[1].append(lazy("the payer has its name"))
    fits = Q(amount_due_minor=entry.amount_minor) | Q(left=entry.amount_minor)
    open_ones = Invoice.objects.open().annotate(left=LEFT_TO_PAY)
    open_ones = open_ones.filter(fits, seller=entry.seller_id, currency=entry.currency)
    found = []
    for paper in open_ones.select_related("customer__seller").order_by("due_on", "pk")[:5]:
        _one, reasons = customers.get(paper.customer_id, (None, []))
        found.append(
            Candidate(
                paper.customer,
                (*reasons, lazy("exactly this amount is due")),
                invoices=(paper,),
                due_minor=entry.amount_minor,
                currency=paper.currency,
            )
        )
    found.sort(key=lambda one: -len(one.reasons))
    return found + [Candidate(one, tuple(reasons)) for one, reasons in customers.values()]


# Booking ---------------------------------------------------------------------------------------------------------------


def work_on(entry: BankEntry, *, now: datetime) -> bool:
    """Book a new movement that fits exactly, by itself, in the name of who sent the file; else put it on the work list."""
    if entry.returned:
        return _work_on_returned(entry, now=now)
    found = candidates_for(entry)
    exact = next((one for one in found if one.exact), None)
    by = entry.bank_file.uploaded_by
    if exact is not None and by is not None:
        try:
            book_entry(entry=entry, candidate=exact, by=by, now=now, by_itself=True)
        except Conflict:
            return entry.ask(WHY["twice"])
        except Refusal:
            return entry.ask(WHY["failed"])
        return True
    return entry.ask(_why_not(entry, named_by(entry)))


def _work_on_returned(entry: BankEntry, *, now: datetime) -> bool:
    """Take back the one payment that fits exactly; else a person decides."""
    exact = next((one for one in returns.arrivals_for(entry) if one.exact), None)
    by = entry.bank_file.uploaded_by
    if exact is None or by is None:
        return entry.ask(WHY["returned"])
    try:
        returns.take_back(entry=entry, payment=exact.payment, by=by, now=now, by_itself=True)
    except Refusal:
        return entry.ask(WHY["failed"])
    return True


def _why_not(entry: BankEntry, named: Sequence[Candidate]) -> str:
    if not named:
        return WHY["unknown"]
    if len({one.customer.pk for one in named}) > 1:
        return WHY["several"]
    if all(one.currency != entry.currency for one in named):
        return WHY["currency"]
    return WHY["settled"] if all(not one.due_minor for one in named) else WHY["amount"]


def work_on_new(now: datetime) -> int:
    """The next batch of new movements; returns how many were looked at. One that cannot be read goes on the work list."""
    rows = BankEntry.objects.filter(state=BankEntry.State.NEW).select_related("bank_file__uploaded_by", "seller")
    return sum(_work_on_or_ask(entry, now=now) for entry in rows.order_by("id")[:BATCH])


def _work_on_or_ask(entry: BankEntry, *, now: datetime) -> bool:
    try:
        return work_on(entry, now=now)
    except OperationalError:  # the database went away: it is looked at again
        raise
    except Exception:  # a fault of ours in one does not hold up all that came after it
        logger.exception("a movement of a bank statement could not be worked on")
        return entry.ask(WHY["failed"])


def book_entry(
    *,
    entry: BankEntry,
    candidate: Candidate,
    by: User,
    now: datetime,
    by_itself: bool = False,
    again: bool = False,
) -> Payment:
    """Book the movement for what the candidate names, or as its customer's credit. One transaction.

    Raises Forbidden without the finance role, Conflict when it is booked already, by another click or another file.
    """
    _need_finance(by)
    if entry.amount_minor <= 0:
        raise Invalid(_("Money that went out cannot be booked as a payment. Set it aside."))
    with transaction.atomic():
        list(BankEntry.objects.select_for_update().filter(pk=entry.pk).values_list("pk"))
        announced = candidate.payment
        payment = pay.book_transfer(
            customer=candidate.customer,
            amount_minor=entry.amount_minor,
            currency=entry.currency,
            received_on=entry.booked_on,
            payer_name=entry.payer_name,
            reference=announced.reference if announced is not None else "",
            invoices=candidate.invoices,
            order=candidate.order,
            again=again,
            by=by,
            now=now,
        )
        if not entry.end(BankEntry.State.BOOKED, by=by, now=now, payment=payment, by_itself=by_itself, why=""):
            raise Conflict(_("This movement was decided already, perhaps in another tab. Nothing was booked twice."))
        if (
            not by_itself
            and payment.review
            and payment.reviewed_at is None
            and not (candidate.invoices or candidate.order)
        ):
            pay.review_payment(payment=payment, by=by, now=now)  # somebody has just said whose it is
    return payment


def set_aside(*, entry: BankEntry, note: str, by: User, now: datetime) -> None:
    """The movement is no payment of a customer: it stays in the list with its reason. Raises Forbidden, Invalid, Conflict."""
    _need_finance(by)
    words = one_line(note)
    if not words or len(words) > 300:
        raise Invalid(_("Say in at most 300 characters what this movement is."))
    with transaction.atomic():
        if not entry.end(BankEntry.State.ASIDE, by=by, now=now, note=words):
            raise Conflict(_("This movement was decided already, perhaps in another tab. Nothing was changed."))
        Event.record("bank.set_aside", entry, now=now, by=by, visible=False)


def candidate_of(seller: Seller, key: str, offered: Iterable[Candidate], form: Mapping[str, Any]) -> Candidate:
    """What a form chose: one of the candidates, or a customer with invoices of it. Raises Invalid, Missing."""
    for one in offered:
        if one.key == key:
            return one
    found = re.fullmatch(r"c(\d{1,18})", key)
    customer = (
        Customer.objects.filter(seller=seller, pk=int(found[1])).select_related("seller").first() if found else None
    )
    if customer is None:
        raise Invalid(_("Choose what the movement is for. Nothing was booked."))
    keys = [int(one) for one in form.get("invoices", []) if one.isascii() and one.isdigit() and len(one) < 19]
    papers = list(Invoice.objects.filter(customer=customer, pk__in=keys).order_by("due_on", "pk"))
    if len(papers) != len(set(keys)):
        raise Missing(_("One of these invoices is not an invoice of this customer. Nothing was booked."))
    return Candidate(customer, (), invoices=tuple(papers))


def _need_finance(by: User) -> None:
    if by.staff_role not in FINANCE:
        raise Forbidden(_("Booking money needs the finance role. Ask an administrator."))
