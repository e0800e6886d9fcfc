"""Bank transfer: the payer writes a structured reference; staff or a bank file say that the money arrived."""

from django.utils.translation import gettext_lazy as _
from stdnum import iban as stdnum_iban

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
from portico.billing.references import epc_text, payment_reference, style_of


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
        reference = payment_reference(
            purchase.payment_id, style_of(purchase.payee.iban, purchase.payee.reference_style)
        )
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
            epc=epc_text(
                name=payee.name,
                iban=payee.iban,
                bic=payee.bic,
                amount_minor=amount_minor,
                currency=currency,
                reference=reference,
            ),
        )


PROVIDER = BankTransfer()
