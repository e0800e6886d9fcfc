"""Bank transfer: the payer writes a structured reference; staff (later a bank file) say that the money arrived."""

from uuid import UUID

from django.utils.translation import gettext_lazy as _
from stdnum import iban as stdnum_iban
from stdnum import iso11649
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

from portico.billing.providers.base import (
    Attempt,
    Declined,
    Instructions,
    Payee,
    Provider,
    Purchase,
    Report,
    Said,
    Started,
)

DIGITS = 15
MOST_EPC_MINOR = 999_999_999_99


def creditor_reference(payment_id: str) -> str:
    """The ISO 11649 reference of a payment: RF, two check digits, fifteen digits made of its id."""
    body = str(UUID(payment_id).int % 10**DIGITS).zfill(DIGITS)
    return str(iso11649.validate(f"RF{mod_97_10.calc_check_digits(f'{body}RF')}{body}"))


def read_reference(text: str) -> str:
    """A reference as people type it, with blanks and in small letters, in its plain form; empty when it is not one."""
    try:
        return str(iso11649.validate(text))
    except ValidationError:
        return ""


def epc_text(*, payee: Payee, amount_minor: int, currency: str, reference: str) -> str:
    """The text of a SEPA credit transfer's QR code (EPC069-12, version 002); empty where there is none.

    Only euro, only up to 999,999,999.99, only with a valid IBAN and a name.
    """
    if currency != "EUR" or not 0 < amount_minor <= MOST_EPC_MINOR:
        return ""
    if not payee.name or not stdnum_iban.is_valid(payee.iban):
        return ""
    name = " ".join(payee.name.split())[:70]
    amount = f"EUR{amount_minor // 100}.{amount_minor % 100:02d}"
    lines = ["BCD", "002", "1", "SCT", payee.bic, name, stdnum_iban.compact(payee.iban), amount, "", reference]
    return "\n".join(lines)


class BankTransfer(Provider):
    """Pay by bank transfer."""

    name = "bank_transfer"
    label = _("Bank transfer")
    note = _("We show the account and a reference. The money takes one to three working days.")
    by_transfer = True
    sends_notices = False

    def accepts(self, currency: str, payee: Payee) -> bool:
        """Whatever the currency, to a seller whose account is known."""
        return stdnum_iban.is_valid(payee.iban)

    def start(self, purchase: Purchase) -> Started:
        """Nothing is asked of anybody; the payer gets a reference. See Provider."""
        if not self.accepts(purchase.currency, purchase.payee):
            raise Declined("no_bank_account")
        reference = creditor_reference(purchase.payment_id)
        return Started(provider_reference="", reference=reference)

    def fetch(self, attempt: Attempt) -> Report:
        """Nobody can be asked: it is open until its arrival is booked. See Provider."""
        return Report(Said.OPEN, payment_id=attempt.payment_id)

    def expire(self, attempt: Attempt) -> Report:
        """An announced transfer can be given up; money that comes nevertheless is kept as credit. See Provider."""
        return Report(Said.EXPIRED, payment_id=attempt.payment_id)

    def instructions(self, reference: str, amount_minor: int, currency: str, payee: Payee) -> Instructions | None:
        """See Provider."""
        return Instructions(
            account_name=payee.name,
            iban=str(stdnum_iban.compact(payee.iban)),
            bic=payee.bic,
            reference=reference,
            amount_minor=amount_minor,
            currency=currency,
            epc=epc_text(payee=payee, amount_minor=amount_minor, currency=currency, reference=reference),
        )


PROVIDER = BankTransfer()
