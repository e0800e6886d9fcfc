"""The sandbox company: checkouts with idempotency keys, a ledger, and signed notices over HTTP.

It knows nothing of billing. It behaves as payment companies do: money may arrive late, notices are repeated until they are
answered with 200, and now and then nobody answers at all.
"""

import hashlib
import hmac
import json
import logging
import secrets
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F

from portico.billing.providers.sandbox.models import Checkout, Delivery, Method, Refund
from portico.kit.db import claim

ACCOUNT = "acct_sandbox"
LATE = timedelta(seconds=20)
REFUND_TAKES = timedelta(seconds=20)
RETURN_TAKES = timedelta(seconds=20)
"""From the arrival of a debit until the payer's bank takes it back; a real one has weeks."""
WANT_OF_MONEY = "insufficient_funds"
OUTAGE = timedelta(minutes=15)
BATCH = 50
LEASE = timedelta(seconds=60)
WAITS = (2, 5, 15, 60, 300, 1800, 7200)
"""Seconds between two deliveries of a notice; the last one repeats."""
GIVE_UP_AFTER = timedelta(days=3)
SECONDS_TO_ANSWER = 10

Post = Callable[[bytes, str], int]
"""Posts a body with its signature; returns the HTTP status, 0 when there was no answer."""
logger = logging.getLogger("portico.sandbox")


class KeyReused(Exception):
    """The same idempotency key came with another request: refused, nothing is charged."""


class Closed(Exception):
    """The checkout was decided or expired before."""


class Outage(Exception):
    """The company does not answer."""


@dataclass(frozen=True)
class Request:
    """What a merchant asks for."""

    merchant_reference: str
    amount_minor: int
    currency: str
    description: str
    return_url: str
    saves: bool = False
    customer_reference: str = ""
    mode: str = "payment"


CARDS: dict[str, tuple[str, str, str, Method.Behaviour]] = {
    "good": ("card", "visa", "4242", Method.Behaviour.GOOD),
    "declines": ("card", "visa", "0341", Method.Behaviour.DECLINES),
    "lost": ("card", "mastercard", "9987", Method.Behaviour.LOST),
    "asks": ("card", "visa", "3184", Method.Behaviour.ASKS),
    "late": ("sepa_debit", "", "3000", Method.Behaviour.LATE),
    "returns": ("sepa_debit", "", "3116", Method.Behaviour.RETURNS),
}
"""What a payer may save here, by name: kind, brand, last digits, and what happens when it is charged."""


# What a merchant may do -------------------------------------------------------------------------------------------------


def create(key: str, request: Request, *, now: datetime) -> Checkout:
    """A checkout for `request`; the same key again gives the same one, with another request KeyReused."""
    request_hash = hashlib.sha256(json.dumps(asdict(request), sort_keys=True).encode()).hexdigest()
    made = Checkout.objects.filter(key=key).first() or _insert(key, request, request_hash, now)
    if made.request_hash != request_hash:
        raise KeyReused(key)
    return made


def _insert(key: str, request: Request, request_hash: str, now: datetime) -> Checkout:
    try:
        with transaction.atomic():
            return Checkout.objects.create(
                key=key,
                request_hash=request_hash,
                reference=f"cs_{secrets.token_hex(12)}",
                token=secrets.token_urlsafe(32),
                account=ACCOUNT,
                merchant_reference=request.merchant_reference,
                asked_minor=request.amount_minor,
                currency=request.currency,
                description=request.description[:200],
                return_url=request.return_url,
                saves=request.saves,
                customer_reference=request.customer_reference,
                mode=request.mode,
                created_at=now,
            )
    except IntegrityError:  # the same key at the same moment
        return Checkout.objects.get(key=key)


def find(*, reference: str = "", key: str = "", now: datetime) -> Checkout | None:
    """The checkout of a reference or, without one, of a key; Outage while the company does not answer."""
    rows = Checkout.objects.filter(reference=reference) if reference else Checkout.objects.filter(key=key)
    found = rows.first()
    if found is None:
        return None
    _pass_time(found, now=now)
    if found.state == Checkout.State.SILENT:
        raise Outage(found.reference)
    return found


def expire(checkout: Checkout, *, now: datetime) -> Checkout:
    """Close an open checkout; a decided one stays as it is."""
    with transaction.atomic():
        _move(checkout, [Checkout.State.OPEN], Checkout.State.EXPIRED, now=now, decided_at=now)
    return checkout


class Gone(Exception):
    """There is no such saved method (any more), or not so much left to give back."""


def charge(key: str, request: Request, method_reference: str, *, present: bool, now: datetime) -> Checkout:
    """Charge a saved method; the same key again tells what became of the first. Gone when the method was removed."""
    method = Method.objects.filter(reference=method_reference, removed_at=None).first()
    if method is None:
        raise Gone(method_reference)
    made = create(key, request, now=now)
    with transaction.atomic():
        if claim(Checkout.objects.filter(pk=made.pk, state=Checkout.State.OPEN, method=None), method=method):
            made.refresh_from_db()
            _charge(made, method, present=present, now=now)
    made.refresh_from_db()
    return made


def _charge(made: Checkout, method: Method, *, present: bool, now: datetime) -> None:
    state, how = Checkout.State, Method.Behaviour
    if method.behaviour == how.ASKS:
        if not present:
            _owe(made, now=now)
        return
    taken = {"taken_minor": made.asked_minor, "taken_currency": made.currency}
    became: dict[str, tuple[str, dict[str, object]]] = {
        how.GOOD: (state.SUCCEEDED, {"decided_at": now, **taken}),
        how.DECLINES: (state.FAILED, {"decided_at": now, "failure_code": "insufficient_funds"}),
        how.LOST: (state.FAILED, {"decided_at": now, "failure_code": "lost_card"}),
        how.LATE: (state.PROCESSING, {"decided_at": now, "next_at": now + LATE}),
        how.RETURNS: (
            state.PROCESSING,
            {"decided_at": now, "next_at": now + LATE, "return_reason": WANT_OF_MONEY},
        ),
    }
    after, changes = became[method.behaviour]
    _move(made, [state.OPEN], after, now=now, **changes)


def forget(method_reference: str, *, now: datetime) -> None:
    """Remove a saved method; one that is gone stays gone."""
    Method.objects.filter(reference=method_reference, removed_at=None).update(removed_at=now)


def give_back(key: str, merchant_reference: str, checkout: Checkout, amount_minor: int, *, now: datetime) -> Refund:
    """Give back some of what was taken; the same key again gives the same refund. Gone when there is not so much left."""
    with transaction.atomic():
        known = Refund.objects.filter(key=key).first()
        if known is not None:
            if (known.checkout_id, known.amount_minor) != (checkout.pk, amount_minor):
                raise KeyReused(key)
            return known
        list(Checkout.objects.select_for_update().filter(pk=checkout.pk))
        gone = Refund.objects.filter(checkout=checkout).exclude(state=Refund.State.FAILED)
        given = sum(gone.values_list("amount_minor", flat=True))
        returned = Checkout.objects.filter(pk=checkout.pk, returned_at__isnull=False).exists()
        if returned or given + amount_minor > checkout.taken_minor:
            raise Gone(checkout.reference)
        refund = Refund.objects.create(
            key=key,
            reference=f"re_{secrets.token_hex(12)}",
            merchant_reference=merchant_reference,
            checkout=checkout,
            amount_minor=amount_minor,
            created_at=now,
            next_at=now + REFUND_TAKES,
        )
        _owe_refund(refund, now=now)
    return refund


def find_refund(*, reference: str = "", key: str = "", now: datetime) -> Refund | None:
    """The refund of a reference or, without one, of a key."""
    rows = Refund.objects.filter(reference=reference) if reference else Refund.objects.filter(key=key)
    found = rows.select_related("checkout").first()
    if found is not None and found.next_at is not None and found.next_at <= now:
        _settle_refund(found, Refund.State.SUCCEEDED, now=now)
    return found


def refuse_refund(refund: Refund, *, now: datetime) -> None:
    """The payer's bank does not take the money back, as with a closed account: it is the merchant's again."""
    _settle_refund(refund, Refund.State.FAILED, now=now, failure_code="expired_or_canceled_card")


def _settle_refund(refund: Refund, state: str, *, now: datetime, failure_code: str = "") -> bool:
    with transaction.atomic():
        rows = Refund.objects.filter(pk=refund.pk, state=Refund.State.PENDING)
        done = claim(rows, state=state, decided_at=now, next_at=None, failure_code=failure_code)
        refund.refresh_from_db()
        if done:
            _owe_refund(refund, now=now)
    return done


# What a payer may do ----------------------------------------------------------------------------------------------------


def pay(checkout: Checkout, *, now: datetime, taken_minor: int | None = None, currency: str = "") -> None:
    """The payer pays at once. `taken_minor` and `currency` let a test take other money than was asked."""
    _keep(checkout, "good", now=now)
    taken = checkout.asked_minor if taken_minor is None else taken_minor
    _decide(
        checkout,
        Checkout.State.SUCCEEDED,
        now=now,
        taken_minor=taken,
        taken_currency=currency or checkout.currency,
    )


def save(checkout: Checkout, card: str, *, now: datetime) -> None:
    """The payer lets the company keep a way to pay (a name of CARDS), and nothing is taken."""
    with transaction.atomic():
        _keep(checkout, card, now=now)
        _decide(checkout, Checkout.State.SUCCEEDED, now=now)


def confirm(checkout: Checkout, *, now: datetime) -> None:
    """The payer confirms to its bank what a saved method is charged for."""
    taken = {"taken_minor": checkout.asked_minor, "taken_currency": checkout.currency}
    _decide(checkout, Checkout.State.SUCCEEDED, now=now, **taken)


def _keep(checkout: Checkout, card: str, *, now: datetime) -> None:
    """Keep what the payer pays with, if it agreed to that."""
    if not checkout.saves or checkout.state != Checkout.State.OPEN or checkout.method_id:
        return
    kind, brand, last4, behaviour = CARDS[card]
    is_card = kind == "card"
    method = Method.objects.create(
        reference=f"pm_{secrets.token_hex(12)}",
        customer_reference=checkout.customer_reference or f"cus_{secrets.token_hex(8)}",
        kind=kind,
        brand=brand,
        last4=last4,
        expires_year=now.year + 3 if is_card else None,
        expires_month=now.month if is_card else None,
        behaviour=behaviour,
        created_at=now,
    )
    claim(Checkout.objects.filter(pk=checkout.pk, method=None), method=method)
    checkout.refresh_from_db()


def decline(checkout: Checkout, *, now: datetime) -> None:
    """The payer's bank declines."""
    _decide(checkout, Checkout.State.FAILED, now=now, failure_code="card_declined")


def pay_late(checkout: Checkout, *, now: datetime, after: timedelta = LATE) -> None:
    """The payer confirms, and the money arrives `after` a while."""
    _decide(checkout, Checkout.State.PROCESSING, now=now, next_at=now + after)


def pay_and_return(checkout: Checkout, *, now: datetime, after: timedelta = LATE) -> None:
    """The payer agrees to a bank debit: the money arrives `after` a while, and its bank takes it back soon after that."""
    _keep(checkout, "returns", now=now)
    _decide(checkout, Checkout.State.PROCESSING, now=now, next_at=now + after, return_reason=WANT_OF_MONEY)


def go_silent(checkout: Checkout, *, now: datetime) -> None:
    """From now on there is neither notice nor answer, until somebody ends the outage, or it ends by itself, unpaid."""
    _decide(checkout, Checkout.State.SILENT, now=now, next_at=now + OUTAGE)


def answer(checkout: Checkout, *, paid: bool, now: datetime) -> None:
    """End the outage: it turns out that the money was taken, or that it was not. Closed when there is none."""
    state = Checkout.State.SUCCEEDED if paid else Checkout.State.EXPIRED
    taken = {"taken_minor": checkout.asked_minor, "taken_currency": checkout.currency} if paid else {}
    with transaction.atomic():
        if not _move(checkout, [Checkout.State.SILENT], state, now=now, next_at=None, **taken):
            raise Closed(checkout.state)


def _decide(checkout: Checkout, state: str, *, now: datetime, **changes: object) -> None:
    """open → `state`; Closed when it was decided before."""
    with transaction.atomic():
        if not _move(checkout, [Checkout.State.OPEN], state, now=now, decided_at=now, **changes):
            raise Closed(checkout.state)


def _move(checkout: Checkout, before: list[Checkout.State], state: str, *, now: datetime, **changes: object) -> bool:
    """Claim a step and owe its notice in the same transaction; True when this call did it."""
    done = claim(Checkout.objects.filter(pk=checkout.pk, state__in=before), state=state, **changes)
    checkout.refresh_from_db()
    if done and state != Checkout.State.SILENT:
        _owe(checkout, now=now)
    return done


def pass_time(now: datetime) -> int:
    """Late money arrives or is taken back, refunds reach their payers, outages end by themselves; how many things moved."""
    due = list(Checkout.objects.filter(next_at__lte=now).order_by("next_at")[:BATCH])
    moved = sum(_pass_time(checkout, now=now) for checkout in due)
    refunds = list(Refund.objects.filter(next_at__lte=now).order_by("next_at")[:BATCH])
    return moved + sum(_settle_refund(refund, Refund.State.SUCCEEDED, now=now) for refund in refunds)


def _pass_time(checkout: Checkout, *, now: datetime) -> bool:
    if checkout.next_at is None or checkout.next_at > now:
        return False
    with transaction.atomic():
        if checkout.state == Checkout.State.PROCESSING:
            taken = {"taken_minor": checkout.asked_minor, "taken_currency": checkout.currency}
            back_at = now + RETURN_TAKES if checkout.return_reason else None
            return _move(
                checkout, [Checkout.State.PROCESSING], Checkout.State.SUCCEEDED, now=now, next_at=back_at, **taken
            )
        if checkout.state == Checkout.State.SUCCEEDED:
            return _return(checkout, now=now)
        return _move(checkout, [Checkout.State.SILENT], Checkout.State.EXPIRED, now=now, next_at=None)


def _return(checkout: Checkout, *, now: datetime) -> bool:
    """The payer's bank takes a debit back, all that was not given back before; True when this call did it."""
    list(Checkout.objects.select_for_update().filter(pk=checkout.pk))
    refunds = Refund.objects.filter(checkout=checkout).exclude(state=Refund.State.FAILED)
    left = checkout.taken_minor - sum(refunds.values_list("amount_minor", flat=True))
    rows = Checkout.objects.filter(pk=checkout.pk, state=Checkout.State.SUCCEEDED, returned_at=None)
    done = claim(rows.exclude(return_reason=""), next_at=None, returned_at=now if left else None)
    checkout.refresh_from_db()
    if done and left:
        _owe_return(checkout, left, now=now)
    return done


# Notices ----------------------------------------------------------------------------------------------------------------


def _owe(checkout: Checkout, *, now: datetime) -> Delivery:
    """Write down the notice of what has just become of a checkout."""
    event_id = f"evt_{secrets.token_hex(12)}"
    kind = f"checkout.{checkout.state}"
    return Delivery.objects.create(
        event_id=event_id,
        checkout=checkout,
        kind=kind,
        body=json.dumps(notice(checkout, event_id, kind, now=now), sort_keys=True),
        created_at=now,
        next_attempt_at=now,
    )


def _owe_refund(refund: Refund, *, now: datetime) -> None:
    """Write down the notice of what has just become of a refund."""
    event_id, kind = f"evt_{secrets.token_hex(12)}", f"refund.{refund.state}"
    body = {
        "id": event_id,
        "type": kind,
        "created": int(now.timestamp()),
        "account": refund.checkout.account,
        "refund": {
            "id": refund.reference,
            "reference": refund.merchant_reference,
            "checkout": refund.checkout.reference,
            "state": refund.state,
            "amount": refund.amount_minor,
            "currency": refund.checkout.currency,
            "failure_code": refund.failure_code,
        },
    }
    Delivery.objects.create(
        event_id=event_id,
        checkout=refund.checkout,
        kind=kind,
        body=json.dumps(body, sort_keys=True),
        created_at=now,
        next_attempt_at=now,
    )


def _owe_return(checkout: Checkout, amount_minor: int, *, now: datetime) -> None:
    """Write down the notice of a debit that the payer's bank took back."""
    event_id, kind = f"evt_{secrets.token_hex(12)}", "debit.returned"
    body = {
        "id": event_id,
        "type": kind,
        "created": int(now.timestamp()),
        "account": checkout.account,
        "debit": {
            "id": f"rt_{checkout.reference.removeprefix('cs_')}",
            "checkout": checkout.reference,
            "amount": amount_minor,
            "currency": checkout.taken_currency,
            "reason": checkout.return_reason,
        },
    }
    Delivery.objects.create(
        event_id=event_id,
        checkout=checkout,
        kind=kind,
        body=json.dumps(body, sort_keys=True),
        created_at=now,
        next_attempt_at=now,
    )


def notice(checkout: Checkout, event_id: str, kind: str, *, now: datetime) -> dict[str, object]:
    """The body of a notice."""
    return {
        "id": event_id,
        "type": kind,
        "created": int(now.timestamp()),
        "account": checkout.account,
        "checkout": {
            "id": checkout.reference,
            "reference": checkout.merchant_reference,
            "state": checkout.state,
            "amount": checkout.taken_minor,
            "currency": checkout.taken_currency,
            "failure_code": checkout.failure_code,
            "mode": checkout.mode,
            "method": described(checkout.method),
        },
    }


def described(method: Method | None) -> dict[str, object] | None:
    """A saved method, as the company tells it."""
    if method is None:
        return None
    names = "reference customer_reference kind brand last4 expires_year expires_month".split()
    return {name: getattr(method, name) for name in names}


def sign(body: bytes, secret: str, *, at: datetime) -> str:
    """`t=<unix seconds>,v1=<HMAC-SHA256 of "t.body", hexadecimal>`."""
    stamp = str(int(at.timestamp()))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def deliver(now: datetime, post: Post | None = None) -> int:
    """Post what is owed, each notice until it is answered with 200, at growing intervals; returns how many were answered.

    A delivery is claimed for a minute before it is posted, so two workers never send the same one at once; a notice that
    arrives twice after a crash is harmless to a merchant that stores it once.
    """
    send = post or post_over_http
    secret = str(settings.PORTICO_WEBHOOK_SECRETS.get("sandbox", ""))
    answered = 0
    for delivery in Delivery.objects.filter(next_attempt_at__lte=now).order_by("id")[:BATCH]:
        rows = Delivery.objects.filter(pk=delivery.pk, next_attempt_at=delivery.next_attempt_at)
        if not claim(rows, attempts=F("attempts") + 1, next_attempt_at=now + LEASE):
            continue
        body = delivery.body.encode()
        status = send(body, sign(body, secret, at=now))
        waiting = Delivery.objects.filter(pk=delivery.pk, delivered_at=None)
        if status == 200:
            waiting.update(delivered_at=now, next_attempt_at=None, answer="200")
            answered += 1
            continue
        wait = timedelta(seconds=WAITS[min(delivery.attempts, len(WAITS) - 1)])
        given_up = now - delivery.created_at > GIVE_UP_AFTER
        waiting.update(next_attempt_at=None if given_up else now + wait, answer=str(status or "no answer"))
    return answered


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A notice is for one address; it is never carried on to another one."""

    def redirect_request(self, *_args: object, **_kwargs: object) -> None:
        return None


def post_over_http(body: bytes, signature: str) -> int:
    """One delivery to the merchant's door over HTTP."""
    request = urllib.request.Request(  # noqa: S310  # the address is the portal's own setting
        f"{settings.PORTICO_BASE_URL}/webhooks/sandbox/",
        data=body,
        headers={"Content-Type": "application/json", "Sandbox-Signature": signature},
        method="POST",
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        with opener.open(request, timeout=SECONDS_TO_ANSWER) as response:
            return int(response.status)
    except urllib.error.HTTPError as fault:
        return fault.code
    except (OSError, ValueError) as fault:
        logger.info("the portal did not answer a notice: %s", type(fault).__name__)
        return 0


# The ledger -------------------------------------------------------------------------------------------------------------


def taken() -> dict[str, tuple[int, str]]:
    """What the company took, by reference: amount and currency. verify-books compares it with the bookings."""
    rows = Checkout.objects.filter(state=Checkout.State.SUCCEEDED, taken_minor__gt=0)
    return {
        reference: (amount, currency)
        for reference, amount, currency in rows.values_list("reference", "taken_minor", "taken_currency").iterator()
    }
