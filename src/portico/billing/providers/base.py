"""What a payment provider is to Portico: the whole contract, hook by hook.

A provider **translates and never saves**: it turns our words into a company's format and its answers into ours. It gets and
returns the frozen values below, never a model, and writes no row of billing; what follows from an answer is decided in
`billing.actions`. To add one: a folder `providers/<name>/` whose `provider.py` ends with `PROVIDER = <Class>()`, and its
name in PORTICO_PROVIDERS. `tests/providers/test_contract.py` runs over every provider.

How an attempt goes: its row and idempotency key are committed, then `start` is called outside any transaction. Later the
company's notices come through `verify` and `translate`; the janitor asks with `fetch`; a new attempt for the same thing
first ends the old one with `expire`. Refunds and saved cards get hooks of their own with their own stories.
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
    """The seller's bank account, for providers that move money there directly."""

    name: str
    iban: str = ""
    bic: str = ""


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


@dataclass(frozen=True)
class Attempt:
    """What names an attempt later. `provider_reference` is empty when the answer to `start` never reached us."""

    key: str
    payment_id: str
    provider_reference: str


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
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """It was declined: nothing was charged, and nothing can be charged any more."""
    EXPIRED = "expired"
    """It was ended unpaid: nothing can be charged any more."""
    NOTHING = "nothing"
    """The provider knows of no such attempt."""


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
    account: str = ""
    """The account on which money must arrive; a report that names another one is not allocated."""

    def accepts(self, currency: str, payee: Payee) -> bool:
        """Whether a payment in this currency to this seller can be offered."""
        return True

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

    def translate(self, kind: str, payload: Mapping[str, Any]) -> Report | None:
        """What a stored notice says; None for kinds that do not concern us."""
        return None

    def instructions(self, reference: str, amount_minor: int, currency: str, payee: Payee) -> Instructions | None:
        """What the payer needs to transfer the money; None where a checkout page asks for it."""
        return None
