"""What a payment provider is to Portico: the whole contract, hook by hook.

A provider **translates and never saves**: it turns our words into a company's format and its answers into ours. It gets and
returns the frozen values below, never a model, and writes no row of billing; what follows from an answer is decided in
`billing.actions`. To add one: a folder `providers/<name>/` whose `provider.py` ends with `PROVIDER = <Class>()`, and its
name in PORTICO_PROVIDERS. `tests/providers/test_contract.py` runs over every provider.

How an attempt goes: its row and idempotency key are committed, then `start` is called outside any transaction. Later the
company's notices come through `verify` and `translate`; the janitor asks with `fetch`; a new attempt for the same thing
first ends the old one with `expire`.

Saving a way to pay goes the same way: the enrolment is committed, then `save_method` is called; `fetch_saving` tells what
became of it. `charge_saved` charges a saved method while the payer may be far away; where the bank asks the payer to confirm,
the attempt waits and `authenticate` says where that is done. `refund` gives money back under a key of its own, and
`fetch_refund` looks that up. Every one of them is called outside any transaction, after its row was committed.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.utils.functional import Promise

# What goes in ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Payee:
    """The seller's bank account, for providers that move money there directly.

    `reference_style`: rf, ogm or text where the seller chose one, else empty.
    """

    name: str
    iban: str = ""
    bic: str = ""
    reference_style: str = ""


@dataclass(frozen=True)
class Purchase:
    """What is to be paid. `amount_minor` is in ISO 4217 minor units; a provider maps its own exceptions.

    `key` is the idempotency key: the same key must never charge twice. `payment_id` is our id, to be echoed in every
    notice. `description` holds document numbers, never names.
    """

    key: str
    payment_id: str
    amount_minor: int
    currency: str
    description: str
    return_url: str
    language: str
    payee: Payee
    save: bool = False
    """The payer agreed that this way to pay is kept for later."""
    provider_customer: str = ""
    """The provider's name for this customer, where it has one already."""


@dataclass(frozen=True)
class Attempt:
    """What names an attempt later. `provider_reference` is empty when the answer to `start` never reached us.

    `charge_reference` is the provider's name for the money itself, where it differs; `started_at` is when we first asked.
    """

    key: str
    payment_id: str
    provider_reference: str
    charge_reference: str = ""
    started_at: datetime | None = None


@dataclass(frozen=True)
class Saving:
    """A way to pay that is to be saved, with the payer's consent. `saving_id` is our id, echoed in every notice."""

    key: str
    saving_id: str
    return_url: str
    language: str
    currency: str
    provider_customer: str = ""
    """The provider's name for this customer, where it has one already."""
    provider_reference: str = ""
    """Its name for this saving, once it has answered."""
    started_at: datetime | None = None


@dataclass(frozen=True)
class Charge:
    """A saved method that is to be charged. `present` says that the payer sits in front of the screen."""

    key: str
    payment_id: str
    amount_minor: int
    currency: str
    description: str
    return_url: str
    provider_customer: str
    provider_method: str
    present: bool = False


@dataclass(frozen=True)
class Refunding:
    """Money that goes back to where it came from: all of a payment, or a part. `refund_id` is our id."""

    key: str
    refund_id: str
    amount_minor: int
    currency: str
    attempt: Attempt
    provider_reference: str = ""
    """The provider's name for the refund, empty as long as no answer reached us."""
    started_at: datetime | None = None


# What comes out --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Started:
    """The answer to a start: the provider's name for it, where to send the payer, or what to write on a transfer."""

    provider_reference: str
    checkout_url: str = ""
    reference: str = ""


class Said(StrEnum):
    """What a provider says has become of an attempt."""

    OPEN = "open"
    """The payer can still pay."""
    PROCESSING = "processing"
    """The payer confirmed; the money is on its way."""
    ACTION = "action"
    """The bank asks the payer to confirm: nothing was charged yet, and `authenticate` says where."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It was declined: nothing was charged, and nothing can be charged any more."""
    EXPIRED = "expired"
    """It was ended unpaid: nothing can be charged any more."""
    NOTHING = "nothing"
    """The provider knows of no such attempt."""
    ASK = "ask"
    """Something became of it, and only a look-up tells what. Notices say so, look-ups never."""


@dataclass(frozen=True)
class Kept:
    """A saved method as the provider describes it. `kind` is card, sepa_debit, …; the rest is for people to know it by."""

    provider_customer: str
    provider_method: str
    kind: str
    brand: str = ""
    last4: str = ""
    expires: tuple[int, int] | None = None
    """Year and month after which a card is no longer good."""
    mandate: str = ""
    """The reference of a SEPA mandate, where the provider names it."""


@dataclass(frozen=True)
class Report:
    """What the provider says about one attempt, from a notice or a look-up.

    Amount, currency and account are those the money came with, whatever was asked; `payment_id` is our id as echoed.
    """

    said: Said
    provider_reference: str = ""
    payment_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    account: str = ""
    failure_code: str = ""
    charge_reference: str = ""
    """The provider's name for the money itself: refunds and disputes speak of that."""
    kept: Kept | None = None
    """What was saved on the way, if the payer had agreed."""


@dataclass(frozen=True)
class SavingReport:
    """What has become of a saving: OPEN, SUCCEEDED with what was kept, FAILED, EXPIRED, NOTHING or ASK."""

    said: Said
    provider_reference: str = ""
    saving_id: str = ""
    kept: Kept | None = None
    failure_code: str = ""


@dataclass(frozen=True)
class MethodReport:
    """A saved method changed at the provider: it was removed there, or its card was renewed (`kept`)."""

    provider_method: str
    removed: bool = False
    kept: Kept | None = None


class RefundSaid(StrEnum):
    """What has become of a refund."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It did not reach the payer: the money is ours again."""
    NOTHING = "nothing"
    """The provider knows of no such refund."""


@dataclass(frozen=True)
class RefundReport:
    """What a provider says about one refund, from its answer, a notice or a look-up."""

    said: RefundSaid
    provider_reference: str = ""
    refund_id: str = ""
    amount_minor: int = 0
    currency: str = ""
    failure_code: str = ""
    charge_reference: str = ""


class ReversalSaid(StrEnum):
    """What has become of money that the payer's bank asks back."""

    OPENED = "opened"
    """It was taken from us; somebody will decide."""
    WON = "won"
    """It came back to us."""
    LOST = "lost"
    """It is gone for good: a dispute that was lost, or a debit that was returned."""


@dataclass(frozen=True)
class ReversalReport:
    """A dispute (chargeback) or a returned debit."""

    said: ReversalSaid
    provider_reference: str
    charge_reference: str
    amount_minor: int
    currency: str
    reason: str = ""


Told = Report | SavingReport | MethodReport | RefundReport | ReversalReport


@dataclass(frozen=True)
class Notice:
    """A genuine notice, as it is stored before anything is done about it. `event_id` is unique at the provider."""

    event_id: str
    kind: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Instructions:
    """What a payer needs for a transfer. `epc` is the text of an EPC QR code, empty where that is not possible."""

    account_name: str
    iban: str
    bic: str
    reference: str
    amount_minor: int
    currency: str
    epc: str = ""

    @property
    def iban_text(self) -> str:
        """The IBAN in groups of four."""
        return grouped(self.iban)

    @property
    def reference_text(self) -> str:
        """The reference in groups of four."""
        return grouped(self.reference)


def grouped(text: str) -> str:
    """In groups of four, as people copy it."""
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


# What can go wrong -----------------------------------------------------------------------------------------------------


class Unanswered(Exception):
    """No answer, or none that can be read: the outcome is unknown. Any unforeseen exception counts as this one."""


class Declined(Exception):
    """The provider says that it did not begin: nothing was or will be charged for this attempt."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Forged(Exception):
    """A notice that is not genuine: unsigned, wrongly signed, altered, too old, or unreadable."""


class NoSecret(Exception):
    """Notices cannot be verified: our side of the secret is missing or too short."""


# The hooks -------------------------------------------------------------------------------------------------------------


class Provider(ABC):
    """One way to pay. Stateless: one instance serves all requests and threads."""

    name: str
    """As in PORTICO_PROVIDERS, in addresses and in Payment.provider."""
    label: str | Promise
    """Its name for the payer, in the reader's language."""
    note: str | Promise = ""
    """One sentence for the payer about how it goes on."""
    test_mode: bool = False
    """Whether no real money moves: said loudly wherever it is offered."""
    by_transfer: bool = False
    """True when staff or a bank file says that money arrived: an open attempt stays open and is never looked up."""
    sends_notices: bool = True
    """Whether `/webhooks/<name>/` exists."""
    saves: bool = False
    """Whether a way to pay can be saved here and charged later."""
    refunds: bool = False
    """Whether money can be given back through it; otherwise finance transfers it."""
    account: str = ""
    """The account on which money must arrive; a report that names another one is not allocated."""

    def accepts(self, currency: str, payee: Payee) -> bool:
        """Whether a payment in this currency to this seller can be offered."""
        return True

    def check(self) -> list[str]:
        """What is wrong with its configuration, each with what to do, for whoever runs the portal; empty when all is well."""
        return []

    @abstractmethod
    def start(self, purchase: Purchase) -> Started:
        """Begin. Called once per key, outside any transaction, after the attempt was committed.

        Raises Declined when it surely did not begin; Unanswered, or anything else, when that is not known.
        """

    @abstractmethod
    def fetch(self, attempt: Attempt) -> Report:
        """What has become of the attempt, found by reference, or by key where there is none. Raises Unanswered."""

    @abstractmethod
    def expire(self, attempt: Attempt) -> Report:
        """End the attempt so that it can no longer be paid, and say what it came to: EXPIRED, or what was before.

        Only EXPIRED, FAILED and NOTHING let a new attempt begin. Raises Unanswered.
        """

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> Notice:
        """Check signature and age of a notice, and read it. Raises Forged; NoSecret without a usable secret."""
        raise Forged("this provider sends no notices")

    def translate(self, kind: str, payload: Mapping[str, Any]) -> Told | None:
        """What a stored notice says; None for kinds that do not concern us."""
        return None

    def save_method(self, saving: Saving) -> Started:
        """Begin to save a way to pay. Raises Declined, or Unanswered, as `start` does."""
        raise Declined("saving_not_possible")

    def fetch_saving(self, saving: Saving) -> SavingReport:
        """What has become of a saving, found by reference, or by key where there is none. Raises Unanswered."""
        return SavingReport(Said.NOTHING)

    def detach(self, provider_method: str) -> None:
        """Forget a saved method at the provider; one that is not there any more is forgotten. Raises Unanswered."""
        raise Declined("saving_not_possible")

    def charge_saved(self, charge: Charge) -> Report:
        """Charge a saved method. The same key never charges twice. SUCCEEDED, PROCESSING, ACTION, or FAILED with its code.

        Raises Declined when it surely did not begin; Unanswered, or anything else, when that is not known.
        """
        raise Declined("saving_not_possible")

    def authenticate(self, attempt: Attempt, *, return_url: str) -> str:
        """Where the payer confirms a charge whose report says ACTION. Empty when nothing waits for it. Raises Unanswered."""
        return ""

    def refund(self, refunding: Refunding) -> RefundReport:
        """Give money of a payment back. The same key never gives it back twice.

        Raises Declined when it surely did not begin; Unanswered, or anything else, when that is not known: it is then
        looked up with `fetch_refund`, and never begun anew before NOTHING was said.
        """
        raise Declined("refunds_not_possible")

    def fetch_refund(self, refunding: Refunding) -> RefundReport:
        """What has become of a refund, found by reference, or by our id where there is none. Raises Unanswered."""
        return RefundReport(RefundSaid.NOTHING)

    def instructions(self, reference: str, amount_minor: int, currency: str, payee: Payee) -> Instructions | None:
        """What the payer needs to transfer the money; None where a checkout page asks for it."""
        return None
