"""Money: what arrived, what it settles, and what is still due."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import Case, Count, F, Q, Sum, When
from django.db.models.functions import Coalesce

from portico.billing.books.papers import BATCH, batches
from portico.billing.books.violation import Violation
from portico.billing.models import (
    Allocation,
    Instalment,
    Invoice,
    Payment,
    PaymentRequest,
    PaymentTarget,
    ProviderEvent,
    Refund,
    Reversal,
)
from portico.billing.providers.sandbox.models import Checkout

States = Invoice.PaymentState


# Invoices --------------------------------------------------------------------------------------------------------------


def check_invoices() -> Iterator[Violation]:
    """Amount due, what is on its way and payment state are what allocations and open attempts say; nothing is settled twice."""
    fields = (
        "id number kind total_minor prepaid_minor rounding_minor amount_due_minor on_its_way_minor payment_state paid_at "
        "disputed_at due_on"
    ).split()
    rows = Invoice.objects.filter(state=Invoice.State.ISSUED).order_by("id").values(*fields)
    for batch in batches(rows):
        keys = [row["id"] for row in batch]
        settled: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        allocated = Allocation.objects.filter(invoice__in=keys).values("invoice", "credit_note", "amount_minor")
        for one in allocated:
            settled[one["invoice"] or 0][1 if one["credit_note"] else 0] += one["amount_minor"]
        on_its_way: dict[int, int] = defaultdict(int)
        coming = PaymentTarget.objects.filter(invoice__in=keys, open=True, payment__processing_at__isnull=False)
        for invoice, amount in coming.values_list("invoice", "amount_minor"):
            on_its_way[invoice or 0] += amount
        parts: dict[int, list[tuple[date, int]]] = defaultdict(list)
        found = Instalment.objects.filter(invoice__in=keys).order_by("position")
        for invoice, due_on, amount in found.values_list("invoice", "due_on", "amount_minor"):
            parts[invoice].append((due_on, amount))
        for row in batch:
            paid, credited = settled[row["id"]]
            if row["id"] in parts:
                yield from _check_next(row, parts[row["id"]], paid + credited + on_its_way[row["id"]])
            yield from _check_invoice(row, paid, credited, on_its_way[row["id"]])


def _check_next(row: dict[str, Any], parts: list[tuple[date, int]], settled: int) -> Iterator[Violation]:
    """An invoice in parts names the day of the first part that what settles it, or is on its way, does not fill."""
    expected = parts[-1][0]
    for due_on, amount in parts:
        settled -= amount
        if settled < 0:
            expected = due_on
            break
    if row["due_on"] != expected:
        yield Violation(
            str(row["number"]),
            "the next instalment derives from allocations",
            f"{row['due_on']} stands there, not {expected}",
        )


def _check_invoice(row: dict[str, Any], paid: int, credited: int, on_its_way: int) -> Iterator[Violation]:
    name = str(row["number"])
    if row["kind"] == Invoice.Kind.CREDIT_NOTE:
        if row["amount_due_minor"] or paid or credited:
            yield Violation(name, "a credit note owes nothing", f"{row['amount_due_minor']} stands as due")
        return
    to_settle = row["total_minor"] + row["rounding_minor"] - row["prepaid_minor"]
    due = max(to_settle, 0) - paid - credited
    if due < 0:
        yield Violation(name, "settled at most once", f"{paid + credited} settles a total of {row['total_minor']}")
    if row["amount_due_minor"] != due:
        yield Violation(
            name, "amount due derives from allocations", f"{row['amount_due_minor']} stands there, not {due}"
        )
    coming = min(on_its_way, max(due, 0))
    if row["on_its_way_minor"] != coming:
        yield Violation(
            name,
            "what is on its way derives from open attempts",
            f"{row['on_its_way_minor']} stands there, not {coming}",
        )
    settled_before = paid or row["prepaid_minor"]
    expected = expected_state(due, settled_before, credited, disputed=row["disputed_at"] is not None, on_its_way=coming)
    if row["payment_state"] != expected:
        yield Violation(
            name, "payment state derives from allocations", f"{row['payment_state']} stands there, not {expected}"
        )
    if (row["paid_at"] is None) != (due > 0):
        yield Violation(
            name, "paid when nothing is due", f"{due} is due and it says paid: {row['paid_at'] is not None}"
        )


def expected_state(due: int, paid: int, credited: int, *, disputed: bool, on_its_way: int) -> str:
    """The payment state by DOMAIN 5, told anew."""
    if due <= 0:
        return States.CREDITED if credited and not paid else States.PAID
    if disputed:
        return States.DISPUTED
    if on_its_way >= due:
        return States.IN_PAYMENT
    return States.PARTIALLY_PAID if paid or credited else States.NOT_PAID


# Payments --------------------------------------------------------------------------------------------------------------


def name_of(payment: Any) -> str:
    """How a payment is named in a report."""
    return f"payment {payment}"


def check_payments() -> Iterator[Violation]:
    """No payment settles and gives back more than arrived, and no credit note settles more than its total."""
    used = (
        Payment.objects.order_by()
        .annotate(used=Coalesce(Sum("allocations__amount_minor"), 0) + F("returned_minor"))
        .filter(used__gt=F("received_minor"))
    )
    for key, amount, received in used.values_list("pk", "used", "received_minor").iterator():
        yield Violation(name_of(key), "no more is used than arrived", f"{amount} is used of {received}")
    wrong = Payment.objects.filter(
        (Q(state__in=Payment.ARRIVED) & (Q(received_minor__lte=0) | Q(received_currency="")))
        | (~Q(state__in=Payment.ARRIVED) & Q(received_minor__gt=0))
        | (Q(state__in=[Payment.State.REFUNDED, Payment.State.REVERSED]) & Q(returned_minor__lt=F("received_minor")))
        | Q(state=Payment.State.SUCCEEDED, received_minor=F("returned_minor"))
        | (Q(state__in=Payment.UNDECIDED) & Q(ended_at__isnull=False))
        | (~Q(state__in=Payment.UNDECIDED) & Q(ended_at__isnull=True))
    )
    for key, state in wrong.values_list("pk", "state").iterator():
        yield Violation(name_of(key), "state fits what arrived", f"it is {state}, which its amounts or times deny")
    to_settle = F("total_minor") + F("rounding_minor") - F("prepaid_minor")
    gives = Case(When(kind=Invoice.Kind.CREDIT_NOTE, then=to_settle), default=-to_settle)
    spent = (
        Invoice.objects.order_by().annotate(used=Sum("spent_on__amount_minor"), gives=gives).filter(used__gt=F("gives"))
    )
    for number, amount, total in spent.values_list("number", "used", "gives").iterator():
        yield Violation(str(number), "no more is used than was credited", f"{amount} is used of {total}")


def check_refunds() -> Iterator[Violation]:
    """What a payment says went back is what its refunds and reversals took, and no refund was agreed to by who asked."""
    gone: dict[Any, int] = defaultdict(int)
    for rows, amount in (
        (Refund.objects.filter(state__in=Refund.HOLDING), "amount_minor"),
        (Reversal.objects.exclude(state=Reversal.State.WON), "taken_minor"),
    ):
        for key, taken in rows.order_by().values_list("payment").annotate(sum=Sum(amount)):
            gone[key] += int(taken or 0)
    said = dict(Payment.objects.filter(returned_minor__gt=0).values_list("pk", "returned_minor"))
    for key in sorted({*gone, *said}, key=str):
        if gone.get(key, 0) != said.get(key, 0):
            yield Violation(
                name_of(key),
                "what went back is what refunds and reversals took",
                f"{said.get(key, 0)} stands there, not {gone.get(key, 0)}",
            )
    alone = Refund.objects.filter(approved_by__isnull=False, approved_by=F("asked_by"))
    for key in alone.values_list("pk", flat=True):
        yield Violation(f"refund {key}", "a second person agrees to a refund", "whoever asked agreed")
    foreign = Refund.objects.exclude(currency=F("payment__received_currency"))
    for key in foreign.values_list("pk", flat=True):
        yield Violation(f"refund {key}", "money goes back in its own currency", "its payment has another one")


def check_allocations() -> Iterator[Violation]:
    """Money and credit settle papers of their own customer and currency."""
    rows = Allocation.objects.select_related(None)
    wrong = (
        rows.filter(payment__isnull=False, invoice__isnull=False).exclude(
            payment__customer=F("invoice__customer"), payment__received_currency=F("invoice__currency")
        )
        | rows.filter(payment__isnull=False, request__isnull=False).exclude(
            payment__customer=F("request__order__customer"), payment__received_currency=F("request__currency")
        )
        | rows.filter(credit_note__isnull=False).exclude(
            credit_note__customer=F("invoice__customer"), credit_note__currency=F("invoice__currency")
        )
    )
    fields = ("invoice__number", "request__order__number", "payment", "credit_note__number", "amount_minor")
    for invoice, order, payment, note, amount in wrong.distinct().values_list(*fields).iterator():
        source = note or name_of(payment)
        yield Violation(
            invoice or order or source,
            "settled by its own customer's money",
            f"{amount} of {source} does not belong here",
        )


def check_targets() -> Iterator[Violation]:
    """An undecided attempt is open for its papers, an ended one for none, and no paper is held by two.

    It holds them until its payer is done, a payment request until its end.
    """
    wrong = PaymentTarget.objects.filter(
        Q(open=True) & ~Q(payment__state__in=Payment.UNDECIDED) | Q(open=False, payment__state__in=Payment.UNDECIDED)
    )
    for key, is_open in wrong.values_list("payment", "open").distinct().iterator():
        said = "it has ended and still holds" if is_open else "it is undecided and does not hold"
        yield Violation(name_of(key), "an undecided attempt holds its papers", f"{said} what it is for")
    passes = Q(invoice__isnull=False, payment__processing_at__isnull=False)
    lost = PaymentTarget.objects.filter(Q(open=True, holds=False) & ~passes | Q(holds=True) & (passes | Q(open=False)))
    for key, holds in lost.values_list("payment", "holds").distinct().iterator():
        said = "it holds what others may pay the rest of" if holds else "it does not hold what it is for"
        yield Violation(name_of(key), "an attempt holds its papers until its payer is done", said)
    for field, number in (("invoice", "invoice__number"), ("request", "request__order__number")):
        held = PaymentTarget.objects.filter(holds=True, **{f"{field}__isnull": False}).order_by()
        twice = held.values(field, number).annotate(n=Count("pk")).filter(n__gt=1)
        for row in twice:
            yield Violation(str(row[number]), "one attempt holds a paper", f"{row['n']} attempts could be paid at once")


# Payment requests ------------------------------------------------------------------------------------------------------


def check_requests() -> Iterator[Violation]:
    """Open: less than asked has arrived. Settled: exactly that, and it paid the invoice issued for it. Cancelled: nothing."""
    state = PaymentRequest.State
    fields = "id order__number order__state order_id state kind amount_minor currency order__currency".split()
    rows = PaymentRequest.objects.order_by("id").values(*fields)
    for batch in batches(rows):
        found: dict[int, list[tuple[int, int | None]]] = defaultdict(list)
        papers: dict[int, tuple[int | None, int, str]] = {}
        allocated = Allocation.objects.filter(request__in=[row["id"] for row in batch]).values_list(
            "request", "amount_minor", "invoice", "invoice__order", "invoice__total_minor", "invoice__kind"
        )
        for request, amount, invoice, order, total, kind in allocated:
            found[request or 0].append((amount, invoice))
            if invoice is not None:
                papers[invoice] = (order, total or 0, kind or "")
        for row in batch:
            arrived = sum(amount for amount, _invoice in found[row["id"]])
            invoices = {invoice for _amount, invoice in found[row["id"]]}
            name, asked = str(row["order__number"]), row["amount_minor"]
            if row["currency"] != row["order__currency"]:
                yield Violation(name, "a payment request is in its order's currency", f"it asks {row['currency']}")
            if row["state"] == state.OPEN and (arrived >= asked or invoices - {None}):
                yield Violation(
                    name, "a payment request is settled when all has arrived", f"{arrived} of {asked} arrived"
                )
            if row["state"] == state.OPEN and row["order__state"] != "awaiting_payment":
                yield Violation(name, "only a waiting order asks for payment", f"the order is {row['order__state']}")
            if row["state"] == state.CANCELLED and arrived:
                yield Violation(name, "a cancelled payment request holds no money", f"it holds {arrived}")
            if row["state"] == state.SETTLED:
                kind = Invoice.Kind.DEPOSIT if row["kind"] == PaymentRequest.Kind.DEPOSIT else Invoice.Kind.INVOICE
                fits = len(invoices) == 1 and None not in invoices
                if arrived != asked or not fits or papers[next(iter(invoices)) or 0] != (row["order_id"], asked, kind):
                    yield Violation(
                        name,
                        "a settled payment request paid its invoice",
                        f"{arrived} of {asked} arrived, for {len(invoices)} invoices",
                    )


# The sandbox company's ledger ------------------------------------------------------------------------------------------


def check_sandbox_ledger() -> Iterator[Violation]:
    """What we booked is what the company took; what it took and has not been able to tell us yet is on its way."""
    booked = {
        reference: (key, received, currency)
        for key, reference, received, currency in Payment.objects.filter(
            provider="sandbox", state__in=Payment.ARRIVED
        ).values_list("pk", "provider_reference", "received_minor", "received_currency")
    }
    taken = Checkout.objects.filter(state=Checkout.State.SUCCEEDED).exclude(mode=Checkout.Mode.SETUP)
    fields = ("reference", "merchant_reference", "taken_minor", "taken_currency")
    for reference, merchant_reference, amount, currency in taken.values_list(*fields).iterator(chunk_size=BATCH):
        key, received, in_currency = booked.pop(reference, (None, 0, ""))
        if key is None:
            if not _on_its_way(reference, merchant_reference):
                yield Violation(
                    name_of(merchant_reference),
                    "what the provider took is booked",
                    f"{amount} {currency} was never booked",
                )
        elif (received, in_currency) != (amount, currency):
            yield Violation(
                name_of(key),
                "what the provider took is booked",
                f"{received} {in_currency} is booked, {amount} {currency} was taken",
            )
    for reference, (key, received, currency) in booked.items():
        yield Violation(
            name_of(key),
            "what is booked was taken",
            f"the provider did not take {received} {currency} for {reference!r}",
        )


def _on_its_way(reference: str, merchant_reference: str) -> bool:
    """Whether a notice still waits, there or here, or the janitor will ask."""
    waiting = Checkout.objects.filter(reference=reference, deliveries__next_attempt_at__isnull=False)
    stored = ProviderEvent.objects.filter(
        provider="sandbox", state__in=["stored", "parked"], payload__checkout__id=reference
    )
    asked = Payment.objects.undecided().filter(provider="sandbox", provider_reference=reference)
    nameless = Payment.objects.undecided().filter(
        provider="sandbox", provider_reference="", idempotency_key=f"portico-{merchant_reference}"
    )
    return waiting.exists() or stored.exists() or asked.exists() or nameless.exists()
