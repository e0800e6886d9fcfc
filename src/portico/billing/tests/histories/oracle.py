"""What must hold at every moment of a history, told anew from the tables and from the stand-in's own books.

Nothing here calls the code that wrote the rows; the whole of `books.verify` runs beside it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from portico.billing.providers.stripe.amounts import from_stripe
from portico.billing.tests.providers.standin.company import Company

ARRIVED = {"succeeded", "refunded", "reversed"}
UNDECIDED = {"pending", "unknown"}
PAYABLE = {"requires_action", "processing"}
Paper = tuple[str, int]


def key_of(value: Any) -> str:
    """A UUID as both databases give it, as one text."""
    return str(value).replace("-", "")


@dataclass
class Books:
    """The rows that money is told from."""

    invoices: list[tuple[Any, ...]] = field(default_factory=list)
    requests: list[tuple[Any, ...]] = field(default_factory=list)
    payments: list[tuple[Any, ...]] = field(default_factory=list)
    targets: dict[str, list[tuple[Paper, int, bool]]] = field(default_factory=lambda: defaultdict(list))
    allocations: list[tuple[Any, ...]] = field(default_factory=list)
    ordered: set[int] = field(default_factory=set)
    refunds: int = 0

    @classmethod
    def read(cls) -> "Books":
        """Six statements."""
        found = cls(
            rows(
                "SELECT id, number, series, kind, total_minor + rounding_minor - prepaid_minor, amount_due_minor, "
                "payment_state, disputed_at, customer_id, on_its_way_minor FROM billing_invoice WHERE state = 'issued'"
            ),
            rows("SELECT id, state, amount_minor, order_id FROM billing_paymentrequest"),
            rows(
                "SELECT id, provider, state, received_minor, returned_minor, provider_reference, charge_reference, "
                "processing_at, received_currency, customer_id FROM billing_payment"
            ),
            allocations=rows(
                "SELECT payment_id, credit_note_id, invoice_id, request_id, amount_minor FROM billing_allocation"
            ),
        )
        for payment, invoice, request, amount, is_open in rows(
            "SELECT payment_id, invoice_id, request_id, amount_minor, open FROM billing_paymenttarget"
        ):
            paper = ("invoice", invoice) if invoice else ("request", request)
            found.targets[key_of(payment)].append((paper, amount, bool(is_open)))
        for quotation, refunds in rows(
            "SELECT v.quotation_id, (SELECT COUNT(*) FROM billing_refund) FROM billing_order o "
            "JOIN billing_quotationversion v ON v.id = o.version_id"
        ):
            found.ordered.add(quotation)
            found.refunds = refunds
        return found

    @property
    def totals(self) -> dict[Paper, int]:
        """What each paper asks."""
        found = {("invoice", row[0]): row[4] for row in self.invoices}
        return found | {("request", row[0]): row[2] for row in self.requests}


def rows(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


# Our own rows ----------------------------------------------------------------------------------------------------------


def faults(books: Books, company: Company) -> Iterator[str]:
    """Everything that is wrong now."""
    yield from settled(books)
    yield from used(books)
    yield from held(books)
    yield from numbered(books)
    yield from booked(books, company)
    yield from payable(books, company)


def settled(books: Books) -> Iterator[str]:
    """No invoice is settled beyond its total; Paid says that all of it is, In payment that the rest is on its way."""
    paid, credited = Counter[int](), Counter[int]()
    for payment, _note, invoice, _request, amount in books.allocations:
        if invoice:
            (paid if payment else credited)[invoice] += amount
    on_its_way = Counter[Paper]()
    for row in books.payments:
        if row[7] is not None and row[2] in UNDECIDED:
            for paper, amount, is_open in books.targets[key_of(row[0])]:
                on_its_way[paper] += amount * is_open
    for key, number, _series, kind, total, due, state, disputed, _customer, coming in books.invoices:
        if kind == "credit_note":
            continue
        left = max(total, 0) - paid[key] - credited[key]
        if left < 0 or due != left:
            yield f"{number}: {due} is due, of {total} {paid[key]} is paid and {credited[key]} credited"
        if (state in {"paid", "credited"}) != (left == 0):
            yield f"{number} says {state} with {left} left"
        confirmed = on_its_way["invoice", key]
        if coming != min(confirmed, max(left, 0)):
            yield f"{number} says that {coming} is on its way, of {left} payers have confirmed {confirmed}"
        if left and (state == "in_payment") != (confirmed >= left and disputed is None):
            yield f"{number} says {state}, and of {left} payers have confirmed {confirmed}"


def used(books: Books) -> Iterator[str]:
    """No more of a payment or of a credit note is used than it has."""
    of_payment, of_note = Counter[str](), Counter[int]()
    for payment, note, _invoice, _request, amount in books.allocations:
        if payment:
            of_payment[key_of(payment)] += amount
        else:
            of_note[note] += amount
    for key, _provider, state, received, returned, *_rest in books.payments:
        if of_payment[key_of(key)] + returned > received or returned > received or returned < 0:
            yield f"payment {key} ({state}) gave {of_payment[key_of(key)]} and gave back {returned} of {received}"
        if (received > 0) != (state in ARRIVED):
            yield f"payment {key} is {state} with {received} received"
    for key, number, _series, kind, total, *_rest in books.invoices:
        if kind == "credit_note" and of_note[key] > total:
            yield f"{number} of {total} settles {of_note[key]}"


def held(books: Books) -> Iterator[str]:
    """One undecided attempt holds a paper, an invoice until its payer is done; what has ended holds none."""
    holders = Counter[Paper]()
    for row in books.payments:
        for paper, _amount, is_open in books.targets[key_of(row[0])]:
            holders[paper] += is_open and not passes(row, paper)
            if is_open != (row[2] in UNDECIDED):
                yield f"payment {row[0]} is {row[2]} and holds {paper}: {is_open}"
    yield from (f"{paper} is held by {count} attempts" for paper, count in holders.items() if count > 1)


def passes(payment: tuple[Any, ...], paper: Paper) -> bool:
    """Whether the payer is done with this attempt, as far as we know, so that the rest of an invoice may be paid beside it."""
    return payment[7] is not None and paper[0] == "invoice"


def numbered(books: Books) -> Iterator[str]:
    """No number is missing or twice in a series of this history."""
    series = defaultdict[str, list[int]](list)
    for _key, number, name, *_rest in books.invoices:
        series[f"{name} {number.split('-')[1]}"].append(int(number.split("-")[-1]))
    for name, numbers in series.items():
        if sorted(numbers) != list(range(min(numbers), min(numbers) + len(numbers))):
            yield f"{name} has the numbers {sorted(numbers)}"


# Ours and theirs -------------------------------------------------------------------------------------------------------


def charge_of(company: Company, reference: str, charge: str) -> str:
    """The intent at the stand-in that a payment of ours is."""
    if charge or reference.startswith("pi_"):
        return charge or reference
    return str(company.things.get(reference, {}).get("payment_intent") or "")


def booked(books: Books, company: Company) -> Iterator[str]:
    """What we booked was taken, in the same amount, and was booked once."""
    seen = Counter[str]()
    for (
        key,
        provider,
        state,
        received,
        _returned,
        reference,
        charge,
        _processing,
        currency,
        _customer,
    ) in books.payments:
        if provider != "stripe" or state not in ARRIVED:
            continue
        intent = company.things.get(charge_of(company, reference, charge), {})
        seen[str(intent.get("id"))] += 1
        taken = from_stripe(int(intent.get("amount_received", 0)), currency) if intent else 0
        if intent.get("status") != "succeeded" or taken != received:
            yield f"payment {key} booked {received} {currency}, Stripe took {taken} for {intent.get('id')}"
    yield from (f"the charge {intent} is booked {count} times" for intent, count in seen.items() if count > 1)


def owner_of(thing: dict[str, Any]) -> str:
    """Our payment's id, as Stripe echoes it."""
    return key_of(thing.get("metadata", {}).get("portico_payment", ""))


def payable(books: Books, company: Company) -> Iterator[str]:
    """At most one thing can still be paid at Stripe for a paper: else two tabs would pay twice.

    Beside it only what we know to be on its way, and all of them never for more than the paper asks.
    """
    found, asked, totals = defaultdict[Paper, list[str]](list), Counter[Paper](), books.totals
    payments = {key_of(row[0]): row for row in books.payments}
    for thing in company.things.values():
        kind, status = thing["object"], thing.get("status")
        is_open = (kind == "checkout.session" and status == "open" and thing["mode"] == "payment") or (
            kind == "payment_intent" and status in PAYABLE
        )
        if is_open:
            owner = owner_of(thing)
            for paper, amount, _open in books.targets.get(owner, []):
                asked[paper] += amount
                if status != "processing" or not passes(payments[owner], paper):
                    found[paper].append(thing["id"])
    yield from (f"{paper} can be paid at {', '.join(ids)}" for paper, ids in found.items() if len(ids) > 1)
    yield from (
        f"{paper} asks {totals[paper]} and is charged {minor}"
        for paper, minor in asked.items()
        if paper in totals and minor > totals[paper]
    )


def charged_twice(books: Books, company: Company, intent: dict[str, Any]) -> Iterator[str]:
    """Whether a charge that has just succeeded takes more for a paper than it asks, beside what other charges took for it.

    What was given back or taken back before is left out.
    """
    totals, live = books.totals, Counter[Paper]()
    gone = Counter[str]()
    for thing in company.things.values():
        if thing["object"] == "refund" and thing["status"] not in {"failed", "canceled"}:
            gone[thing["payment_intent"]] += thing["amount"]
        if thing["object"] == "dispute":
            gone[thing["payment_intent"]] += thing["amount"]
    for thing in company.things.values():
        if thing["object"] == "payment_intent" and thing["status"] == "succeeded":
            mine = thing["id"] == intent["id"]
            if mine or not gone[thing["id"]]:
                for paper, amount, _open in books.targets.get(owner_of(thing), []):
                    live[paper] += amount
    for paper, _amount, _open in books.targets.get(owner_of(intent), []):
        if paper in totals and live[paper] > totals[paper]:
            yield f"{paper} asks {totals[paper]} and was charged {live[paper]}"


def all_booked(books: Books, company: Company) -> Iterator[str]:
    """Once every notice is delivered and nothing is undecided: what was taken is booked, and what went back too."""
    by_intent = {
        charge_of(company, row[5], row[6]): row for row in books.payments if row[1] == "stripe" and row[2] in ARRIVED
    }
    returned = dict(rows("SELECT payment_id, SUM(amount_minor) FROM billing_refund WHERE way = 'provider' "
                         "AND state = 'succeeded' GROUP BY payment_id"))  # fmt: skip
    given_back = {key_of(key): int(amount) for key, amount in returned.items()}
    taken_back = dict(
        rows("SELECT payment_id, SUM(taken_minor) FROM billing_reversal WHERE state <> 'won' GROUP BY payment_id")
    )
    reversed_ = {key_of(key): int(amount) for key, amount in taken_back.items()}
    for intent in company.things.values():
        if intent["object"] != "payment_intent" or intent["status"] != "succeeded":
            continue
        row = by_intent.get(intent["id"])
        if row is None:
            yield f"Stripe took {intent['amount_received']} for {intent['id']}, which is booked nowhere"
            continue
        refunds = sum(
            one["amount"] for one in company.all_of("refund")
            if one["payment_intent"] == intent["id"] and one["status"] == "succeeded"
        )  # fmt: skip
        disputed = sum(
            one["amount"] for one in company.all_of("dispute")
            if one["payment_intent"] == intent["id"] and one["status"] in {"needs_response", "lost"}
        )  # fmt: skip
        key, amount, by_hand = key_of(row[0]), intent["amount_received"], _by_hand(key_of(row[0]))
        if refunds != given_back.get(key, 0):
            yield f"Stripe gave {refunds} of {intent['id']} back, our books say {given_back.get(key, 0)}"
        if disputed and by_hand:
            continue  # it went back twice, by a transfer of ours and by the payer's bank: staff are told
        if disputed != reversed_.get(key, 0):
            yield f"{disputed} of {intent['id']} was taken back, our books say {reversed_.get(key, 0)}"
        left = amount - refunds - disputed
        if left != row[3] - row[4] + by_hand:
            yield f"{left} of {intent['id']} is at Stripe, our books hold {row[3] - row[4]}"
    yield from (
        f"payment {row[0]} is still {row[2]}" for row in books.payments if row[1] == "stripe" and row[2] in UNDECIDED
    )


def _by_hand(payment: str) -> int:
    """What went back by a transfer of our own, or is promised: Stripe knows nothing of it."""
    found = rows(
        "SELECT payment_id, SUM(amount_minor) FROM billing_refund WHERE (way = 'transfer' AND state IN "
        "('waiting', 'pending', 'succeeded')) OR (way = 'provider' AND state = 'waiting') GROUP BY payment_id"
    )
    return sum(int(amount) for key, amount in found if key_of(key) == payment)
