"""Two versions of a quotation side by side: what changed in its words and conditions."""

from django.utils.translation import gettext as _

from portico.accounts.terms import plan_of
from portico.billing.documents.changes import Difference
from portico.billing.documents.plan import terms_in_words
from portico.billing.models import QuotationVersion
from portico.billing.staff.editing import INVOICE_POLICIES, PAYMENT_POLICIES
from portico.kit import formats


def conditions(old: QuotationVersion, new: QuotationVersion, language: str) -> list[Difference]:
    """The words and conditions that differ."""
    rows = (
        (_("Title"), old.title, new.title),
        (_("Opening words"), old.intro, new.intro),
        (_("Valid Until"), _day(old, language), _day(new, language)),
        (_("Paid on acceptance"), _payment(old, language), _payment(new, language)),
        (_("Payment terms"), _plan(old, language), _plan(new, language)),
        (_("Invoice"), _invoice(old), _invoice(new)),
        (_("Signature"), _yes(old.signature_required), _yes(new.signature_required)),
        (_("Terms"), *_terms(old, new)),
    )
    return [Difference(label, before, after) for label, before, after in rows if before != after]


def _day(version: QuotationVersion, language: str) -> str:
    return formats.day(version.valid_until, language) if version.valid_until else _("not set yet")


def _payment(version: QuotationVersion, language: str) -> str:
    if version.payment_policy == QuotationVersion.PaymentPolicy.DEPOSIT:
        return _("A deposit of %(percent)s") % {"percent": formats.percent(version.deposit_percent, language)}
    return str(PAYMENT_POLICIES[version.payment_policy])


def _plan(version: QuotationVersion, language: str) -> str:
    days = version.quotation.customer.payment_terms_days
    return terms_in_words(plan_of(version.agreed_parts), days, language)


def _invoice(version: QuotationVersion) -> str:
    when = str(INVOICE_POLICIES[version.invoice_policy])
    return f"{when}, {_('before the payment')}" if version.invoice_before_payment else when


def _yes(asked: bool) -> str:
    return _("asked for") if asked else _("not asked for")


def _terms(old: QuotationVersion, new: QuotationVersion) -> tuple[str, str]:
    """The versions of the terms, where the terms differ."""
    if old.terms == new.terms:
        return "", ""
    return old.terms_version or _("none"), new.terms_version or _("none")
