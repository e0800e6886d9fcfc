"""What Stripe does, as far as the portal can tell: checkouts, charges, saved methods, refunds, disputes, and its notices.

Payers use Stripe's test cards. Every change owes a notice; `notices` signs them, and can repeat, shuffle, delay and forge.
`misbehave` lets the next calls go wrong: no answer before or after the effect, or an error after it.
"""

import hashlib
import hmac
import json
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

API_VERSION = "2026-10-28.endive"
GOOD = "4242424242424242"
DECLINES = {
    "4000000000000002": "generic_decline",
    "4000000000009995": "insufficient_funds",
    "4000000000009987": "lost_card",
    "4000000000009979": "stolen_card",
    "4000000000000069": "expired_card",
}
DECLINES_LATER = "4000000000000341"
"""Can be saved, and is declined when it is charged."""
ASKS = "4000002760003184"
"""Its bank asks the payer for every charge."""
ASKED_ONCE = "4000002500003155"
"""Its bank asks when it is saved, and not again."""
DISPUTED = "4000000000000259"
REFUND_PENDING = "4000000000007726"
REFUND_FAILS = "4000000000005126"
DEBIT, DEBIT_FAILS, DEBIT_RETURNED = "DE89370400440532013000", "DE62370400440532013001", "DE35370400440532013002"
Thing = dict[str, Any]


class Refused(Exception):
    """An error as the API answers it."""

    def __init__(self, status: int, kind: str, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.error = status, {"type": kind, "code": code, "message": message, **more}


@dataclass
class Fault:
    """One call that goes wrong. `how`: silent_before, silent_after, error_after. `then` is done when its effect is there."""

    path: str
    how: str
    then: Callable[[], None] | None = None


@dataclass
class Company:
    """All of Stripe for one merchant, in memory. Thread-safe: calls take `lock`."""

    key: str = "rk_test_standin"
    address: str = "http://127.0.0.1:0"
    things: dict[str, Thing] = field(default_factory=dict)
    events: list[Thing] = field(default_factory=list)
    answers: dict[str, tuple[str, int, Thing]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    endpoints: list[Thing] = field(default_factory=list)
    calls: list[tuple[str, Thing]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.RLock)
    sent: int = 0

    # Small parts

    def new(self, kind: str, prefix: str, **fields: Any) -> Thing:
        made = {
            "id": f"{prefix}_{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "livemode": False,
            "order": len(self.things), **fields,
        }  # fmt: skip
        self.things[made["id"]] = made
        return made

    def find(self, key: str, kind: str) -> Thing:
        found = self.things.get(key)
        if found is None or found["object"] != kind:
            raise Refused(404, "invalid_request_error", "resource_missing", f"No such {kind}: '{key}'", param="id")
        return found

    def all_of(self, kind: str) -> list[Thing]:
        return sorted((one for one in self.things.values() if one["object"] == kind), key=lambda one: -one["order"])

    def tell(self, kind: str, thing: Thing) -> None:
        """Owe a notice of how `thing` stands now."""
        self.events.append(
            {
                "id": f"evt_{secrets.token_hex(12)}", "object": "event", "api_version": API_VERSION,
                "created": int(time.time()), "livemode": False, "pending_webhooks": 1, "type": kind,
                "data": {"object": self.shown(thing)}, "request": {"id": None, "idempotency_key": None},
            }
        )  # fmt: skip

    def shown(self, thing: Thing, expand: list[str] | None = None) -> Thing:
        """A thing as it is answered, with what was asked to be expanded."""
        made = {name: value for name, value in thing.items() if name != "order" and not name.startswith("_")}
        paths = [path.partition(".") for path in expand or []]
        for name in {first for first, _dot, _rest in paths}:
            inner = made.get(name)
            if isinstance(inner, str) and inner in self.things:
                made[name] = self.shown(
                    self.things[inner], [rest for first, _dot, rest in paths if first == name and rest]
                )
        return json.loads(json.dumps(made))  # type: ignore[no-any-return]  # it was one

    # Checkout

    def open_session(self, params: Thing) -> Thing:
        mode = params.get("mode")
        total, currency = None, params.get("currency")
        if mode == "payment":
            items = list(params.get("line_items", {}).values())
            if not items:
                raise Refused(400, "invalid_request_error", "parameter_missing", "line_items is required")
            total = sum(int(one["price_data"]["unit_amount"]) * int(one["quantity"]) for one in items)
            currency = items[0]["price_data"]["currency"]
            if total < 50:
                raise Refused(400, "invalid_request_error", "amount_too_small", "The total must be at least 0.50")
        elif mode != "setup" or not currency:
            raise Refused(400, "invalid_request_error", "parameter_missing", "mode, and its currency, are required")
        if params.get("customer"):
            self.find(params["customer"], "customer")
        made = self.new(
            "checkout.session", "cs_test",
            mode=mode, status="open", payment_status="unpaid" if mode == "payment" else "no_payment_required",
            amount_total=total, currency=currency, customer=params.get("customer"), payment_intent=None,
            setup_intent=None, client_reference_id=params.get("client_reference_id"),
            metadata=params.get("metadata", {}), success_url=params.get("success_url"),
            cancel_url=params.get("cancel_url"), _data=params.get("payment_intent_data", {}),
            _creates=params.get("customer_creation") == "always",
        )  # fmt: skip
        made["url"] = f"{self.address}/c/pay/{made['id']}"
        return made

    def expire_session(self, key: str) -> Thing:
        session = self.find(key, "checkout.session")
        if session["status"] != "open":
            raise Refused(
                400, "invalid_request_error", "", 'Only Checkout Sessions with a status in ["open"] can be expired.'
            )
        session |= {"status": "expired", "url": None}
        if session["payment_intent"]:
            self.find(session["payment_intent"], "payment_intent")["status"] = "canceled"
        self.tell("checkout.session.expired", session)
        return session

    def pay_session(self, key: str, number: str, *, confirmed: bool = False) -> str:
        """The payer types a card or an IBAN: paid, processing, saved, or why it was declined; the last leaves it open."""
        session = self.find(key, "checkout.session")
        if session["status"] != "open":
            return "closed"
        if number in {ASKS, ASKED_ONCE} and not confirmed:
            return "ask"
        method = self.method(number)
        if session["mode"] == "setup":
            return self._save(session, method, number)
        data = session["_data"]
        intent = self.things.get(session["payment_intent"] or "") or self.new(
            "payment_intent", "pi", amount=session["amount_total"], currency=session["currency"], amount_received=0,
            metadata=data.get("metadata", {}), customer=session["customer"], last_payment_error=None, next_action=None,
            description=data.get("description"), payment_method=None, status="requires_payment_method",
        )  # fmt: skip
        session["payment_intent"] = intent["id"]
        if number in DECLINES:
            self._decline(intent, method, DECLINES[number])
            return DECLINES[number]
        if data.get("setup_future_usage"):
            self._attach(session, method)
            intent["customer"] = session["customer"]
        intent["payment_method"] = method["id"]
        session |= {"status": "complete", "url": None}
        if method["type"] == "sepa_debit":
            intent["status"] = "processing"
            self.tell("payment_intent.processing", intent)
            self.tell("checkout.session.completed", session)
            return "processing"
        session["payment_status"] = "paid"
        self._succeed(intent)
        self.tell("checkout.session.completed", session)
        return "paid"

    def _save(self, session: Thing, method: Thing, number: str) -> str:
        if number in DECLINES:
            return DECLINES[number]
        self._attach(session, method)
        setup = self.new(
            "setup_intent", "seti", status="succeeded", payment_method=method["id"], customer=session["customer"],
            last_setup_error=None, mandate=self._mandate(method),
        )  # fmt: skip
        session |= {"status": "complete", "url": None, "setup_intent": setup["id"]}
        self.tell("setup_intent.succeeded", setup)
        self.tell("checkout.session.completed", session)
        return "saved"

    def _mandate(self, method: Thing) -> str | None:
        if method["type"] != "sepa_debit":
            return None
        about = {"type": "sepa_debit", "sepa_debit": {"reference": "STANDIN0001", "url": f"{self.address}/mandate"}}
        made = self.new(
            "mandate", "mandate", payment_method=method["id"], payment_method_details=about, status="active"
        )
        return str(made["id"])

    def _attach(self, session: Thing, method: Thing) -> None:
        if session["customer"] is None:
            session["customer"] = self.new("customer", "cus")["id"]
        method["customer"] = session["customer"]

    def method(self, number: str) -> Thing:
        """What a number is: a card or an account."""
        last4 = number[-4:]
        if number.startswith("DE"):
            return self.new(
                "payment_method", "pm", type="sepa_debit", customer=None, sepa_debit={"last4": last4}, _number=number
            )
        card = {"brand": "visa", "last4": last4, "exp_month": 12, "exp_year": time.gmtime().tm_year + 4}
        return self.new("payment_method", "pm", type="card", customer=None, card=card, _number=number)

    def settle_debit(self, intent_key: str) -> str:
        """A debit's days are over: it succeeds, fails, or succeeds and is returned."""
        intent = self.find(intent_key, "payment_intent")
        if intent["status"] != "processing":
            return "decided"
        method = self.things[intent["payment_method"]]
        session = next((one for one in self.all_of("checkout.session") if one["payment_intent"] == intent_key), None)
        if method["_number"] == DEBIT_FAILS:
            self._decline(intent, method, "insufficient_funds", told="payment_intent.payment_failed")
            if session:
                self.tell("checkout.session.async_payment_failed", session)
            return "failed"
        self._succeed(intent)
        if session:
            session["payment_status"] = "paid"
            self.tell("checkout.session.async_payment_succeeded", session)
        if method["_number"] == DEBIT_RETURNED:
            self.dispute(intent_key, reason="insufficient_funds", status="lost")
        return "succeeded"

    # Charges

    def charge(self, params: Thing) -> Thing:
        method = self.find(params["payment_method"], "payment_method")
        if method["customer"] != params.get("customer"):
            raise Refused(
                400, "invalid_request_error", "payment_method_unexpected_state", "The method is not of this customer."
            )
        intent = self.new(
            "payment_intent", "pi", amount=int(params["amount"]), currency=params["currency"], amount_received=0,
            metadata=params.get("metadata", {}), customer=params.get("customer"), last_payment_error=None,
            next_action=None, description=params.get("description"), payment_method=method["id"],
            status="requires_confirmation",
        )  # fmt: skip
        off_session = params.get("off_session") == "true"
        return self._confirm(intent, method, off_session=off_session, return_url=params.get("return_url"))

    def confirm(self, key: str, params: Thing) -> Thing:
        intent = self.find(key, "payment_intent")
        if intent["status"] not in {"requires_payment_method", "requires_confirmation", "requires_action"}:
            raise Refused(400, "invalid_request_error", "payment_intent_unexpected_state", f"It is {intent['status']}.")
        method = self.find(params.get("payment_method") or intent["payment_method"], "payment_method")
        return self._confirm(intent, method, off_session=False, return_url=params.get("return_url"))

    def _confirm(self, intent: Thing, method: Thing, *, off_session: bool, return_url: str | None) -> Thing:
        number = method["_number"]
        if number in {DECLINES_LATER, *DECLINES}:
            self._decline(intent, method, DECLINES.get(number, "insufficient_funds"))
            raise self._card_error(intent)
        if number == ASKS and off_session:
            self._decline(intent, method, "authentication_required")
            raise self._card_error(intent)
        if number == ASKS:
            intent |= {
                "status": "requires_action", "payment_method": method["id"], "_return": return_url,
                "next_action": {
                    "type": "redirect_to_url",
                    "redirect_to_url": {"url": f"{self.address}/3ds/{intent['id']}", "return_url": return_url},
                },
            }  # fmt: skip
            self.tell("payment_intent.requires_action", intent)
            return intent
        if method["type"] == "sepa_debit":
            intent["status"] = "processing"
            self.tell("payment_intent.processing", intent)
            return intent
        self._succeed(intent)
        return intent

    def answer_bank(self, key: str, *, confirmed: bool) -> str:
        """The payer answers the bank; returns where the payer goes on."""
        intent = self.find(key, "payment_intent")
        if intent["status"] == "requires_action":
            if confirmed:
                self._succeed(intent)
            else:
                method = self.things[intent["payment_method"]]
                self._decline(intent, method, "payment_intent_authentication_failure")
        return str(intent.get("_return") or "/")

    def _succeed(self, intent: Thing) -> None:
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "last_payment_error": None,
            "next_action": None,
        }
        self.tell("payment_intent.succeeded", intent)
        method = self.things.get(intent["payment_method"] or "")
        if method is not None and method["_number"] == DISPUTED:
            self.dispute(intent["id"], reason="fraudulent")

    def _decline(self, intent: Thing, method: Thing, code: str, told: str = "payment_intent.payment_failed") -> None:
        is_code = code in {"authentication_required", "payment_intent_authentication_failure", "expired_card"}
        intent |= {
            "status": "requires_payment_method", "next_action": None, "payment_method": None,
            "last_payment_error": {
                "type": "card_error", "code": code if is_code else "card_declined",
                "decline_code": None if code == "payment_intent_authentication_failure" else code,
                "message": "Your card was declined.", "payment_method": self.shown(method),
            },
        }  # fmt: skip
        self.tell(told, intent)

    def _card_error(self, intent: Thing) -> Refused:
        error = intent["last_payment_error"]
        return Refused(
            402, "card_error", error["code"], error["message"],
            decline_code=error["decline_code"], payment_intent=self.shown(intent),
        )  # fmt: skip

    def cancel(self, key: str) -> Thing:
        intent = self.find(key, "payment_intent")
        if intent["status"] in {"succeeded", "canceled", "processing"}:
            raise Refused(400, "invalid_request_error", "payment_intent_unexpected_state", f"It is {intent['status']}.")
        intent["status"] = "canceled"
        self.tell("payment_intent.canceled", intent)
        return intent

    def detach(self, key: str) -> Thing:
        method = self.find(key, "payment_method")
        if method["customer"] is None:
            raise Refused(400, "invalid_request_error", "payment_method_unexpected_state", "It is not attached.")
        method["customer"] = None
        self.tell("payment_method.detached", method)
        return method

    # Refunds and disputes

    def refund(self, params: Thing) -> Thing:
        intent = self.find(params["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded":
            raise Refused(400, "invalid_request_error", "charge_not_refundable", "There is nothing to refund.")
        if any(one["payment_intent"] == intent["id"] and one["status"] != "won" for one in self.all_of("dispute")):
            raise Refused(400, "invalid_request_error", "charge_disputed", "It has been charged back.")
        gone = self.gone_of(intent)
        amount = int(params.get("amount") or intent["amount_received"] - gone)
        if gone >= intent["amount_received"]:
            raise Refused(400, "invalid_request_error", "charge_already_refunded", "It has already been refunded.")
        if amount > intent["amount_received"] - gone:
            raise Refused(400, "invalid_request_error", "", "Refund amount is greater than unrefunded amount")
        number = self.things[intent["payment_method"]]["_number"]
        late = number in {REFUND_PENDING, REFUND_FAILS} or number.startswith("DE")
        made = self.new(
            "refund", "re", amount=amount, currency=intent["currency"], payment_intent=intent["id"],
            metadata=params.get("metadata", {}), status="pending" if late else "succeeded", failure_reason=None,
            reason=params.get("reason"),
        )  # fmt: skip
        self.tell("refund.created", made)
        return made

    def settle_refund(self, key: str) -> None:
        """A pending refund arrives, or comes back."""
        refund = self.find(key, "refund")
        if refund["status"] != "pending":
            return
        intent = self.things[refund["payment_intent"]]
        if self.things[intent["payment_method"]]["_number"] == REFUND_FAILS:
            refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
            self.tell("refund.failed", refund)
        else:
            refund["status"] = "succeeded"
            self.tell("refund.updated", refund)

    def gone_of(self, intent: Thing) -> int:
        """What was given back of a charge."""
        return sum(
            one["amount"] for one in self.all_of("refund")
            if one["payment_intent"] == intent["id"] and one["status"] not in {"failed", "canceled"}
        )  # fmt: skip

    def dispute(self, intent_key: str, *, reason: str, status: str = "needs_response") -> Thing:
        """The payer's bank takes back what is left of a charge."""
        intent = self.find(intent_key, "payment_intent")
        left = intent["amount_received"] - self.gone_of(intent)
        made = self.new(
            "dispute", "du", amount=left, currency=intent["currency"], payment_intent=intent_key,
            reason=reason, status=status, metadata={},
        )  # fmt: skip
        self.tell("charge.dispute.created", made)
        if status == "lost":
            self.tell("charge.dispute.closed", made)
        return made

    def close_dispute(self, key: str, *, won: bool) -> None:
        dispute = self.find(key, "dispute")
        dispute["status"] = "won" if won else "lost"
        if won:
            self.tell("charge.dispute.funds_reinstated", dispute)
        self.tell("charge.dispute.closed", dispute)

    # Books

    def taken(self) -> dict[str, tuple[int, str]]:
        """What was taken and is still with us, by charge: for comparing with the portal's books."""
        found = {
            one["id"]: (one["amount_received"], one["currency"].upper())
            for one in self.all_of("payment_intent") if one["status"] == "succeeded"
        }  # fmt: skip
        for refund in self.all_of("refund"):
            if refund["status"] not in {"failed", "canceled"}:
                amount, currency = found[refund["payment_intent"]]
                found[refund["payment_intent"]] = amount - refund["amount"], currency
        return found


def sign(body: bytes, secret: str, at: float) -> str:
    """The header Stripe-Signature."""
    stamp = str(int(at))
    digest = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


@dataclass(frozen=True)
class Delivery:
    """How notices are sent: each so many times, in another order, signed as of another moment, with another secret."""

    secret: str
    times: int = 1
    shuffled: int | None = None
    forged: bool = False


def notices(events: list[Thing], how: Delivery, *, at: float | None = None) -> list[tuple[bytes, str]]:
    """Bodies and signatures as they are sent. A notice that is days late is signed when it is sent, as Stripe does."""
    bodies = [json.dumps(event, sort_keys=True).encode() for event in events for _time in range(how.times)]
    if how.shuffled is not None:
        random.Random(how.shuffled).shuffle(bodies)
    secret = "whsec_of_somebody_else_entirely" if how.forged else how.secret
    now = time.time() if at is None else at
    return [(body, sign(body, secret, now)) for body in bodies]
