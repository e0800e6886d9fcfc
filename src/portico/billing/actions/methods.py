"""Saved ways to pay: adding one with consent, choosing which is charged by itself, removing one.

What a person agreed to is committed before the provider is asked. What a provider does not answer is looked up, and what it
has still to forget is told to it again and again.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Membership
from portico.billing import providers
from portico.billing.actions import kept, pay
from portico.billing.models import Enrolment, SavedMethod
from portico.billing.providers.base import Declined, Provider, Said, Saving, SavingReport, Unanswered
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing, Unavailable

FIRST_LOOKUP = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
NO_SUCH_SAVING_AFTER = timedelta(minutes=10)
UNFINISHED = timedelta(hours=24)
BATCH = 50
logger = logging.getLogger("portico.payments")


def ways_to_save(customer: Customer) -> list[Provider]:
    """The providers that can keep a way to pay in the customer's currency."""
    return [way for way in pay.offered_for(customer.seller, customer.currency) if way.saves]


def consent_to_save(customer: Customer) -> str:
    """What a payer agrees to when a way to pay is saved, in the reader's language; kept word for word."""
    return _(
        "I agree that %(seller)s keeps this way to pay with its payment provider, for payments that I start here and for "
        "invoices of subscriptions for which auto-pay is switched on. I can remove it at any time."
    ) % {"seller": customer.seller.legal_name}


def _refuse_who_may_not_pay(by: Membership) -> None:
    if not by.may_pay:
        raise Forbidden(_("Saved ways to pay need the billing role. Ask an owner of your company's account."))


def begin_saving(*, by: Membership, provider: str, consent: str, now: datetime) -> Enrolment:
    """A member agreed to `consent` and goes on to the provider's page, `checkout_url`.

    Raises Forbidden without the right to pay, Invalid without consent or for a provider that cannot save, Conflict when the
    provider refuses, Unavailable when it gives no answer (it is looked up).
    """
    _refuse_who_may_not_pay(by)
    way = next((one for one in ways_to_save(by.customer) if one.name == provider), None)
    if way is None:
        raise Invalid(_("This way to pay cannot be saved. Choose another one."))
    if not consent.strip():
        raise Invalid(_("Tick that you agree. Nothing is saved without that."))
    enrolment = Enrolment(
        customer=by.customer,
        provider=way.name,
        consent=consent,
        created_at=now,
        created_by=by.user,
        next_lookup_at=now + FIRST_LOOKUP,
    )
    enrolment.key = f"save-{enrolment.pk}"
    with transaction.atomic(durable=True):
        enrolment.save(force_insert=True)
    try:
        started = way.save_method(_saving(enrolment, by.user.language))
    except Declined as declined:
        enrolment.end(Enrolment.State.FAILED, now=now, failure_code=declined.code[:40])
        raise Conflict(_("The payment provider did not accept this. Nothing was saved. Choose another way.")) from None
    except Exception:
        logger.exception("a provider gave no answer to a saving")
        raise Unavailable(
            _("The payment provider gave no answer. Nothing was charged. Try again in a minute.")
        ) from None
    enrolment.started(provider_reference=started.provider_reference, checkout_url=started.checkout_url)
    return enrolment


def _saving(enrolment: Enrolment, language: str = "") -> Saving:
    customer = enrolment.customer
    return Saving(
        key=enrolment.key,
        saving_id=str(enrolment.pk),
        return_url=f"{settings.PORTICO_BASE_URL}/my/account/payment-methods/saving/{enrolment.pk}/",
        language=language or customer.language,
        currency=customer.currency,
        provider_customer=pay.known_as(customer, enrolment.provider),
        provider_reference=enrolment.provider_reference,
        started_at=enrolment.created_at,
    )


def apply_saving(*, enrolment: Enrolment, report: SavingReport, now: datetime) -> Enrolment:
    """Do what follows from a report about a saving; it may come twice and in any order. Opens a transaction."""
    state = Enrolment.State
    with transaction.atomic():
        if report.provider_reference and not enrolment.provider_reference:
            enrolment.started(provider_reference=report.provider_reference, checkout_url=enrolment.checkout_url)
        if report.said == Said.SUCCEEDED and report.kept is not None:
            if enrolment.state == state.DONE:
                return enrolment
            method = kept.save_kept(
                enrolment.customer, enrolment.provider, report.kept,
                consent=enrolment.consent, by=enrolment.created_by, at=enrolment.created_at, now=now,
            )  # fmt: skip
            enrolment.end(state.DONE, now=now, method=method)
        elif report.said == Said.FAILED:
            enrolment.end(state.FAILED, now=now, failure_code=report.failure_code[:40])
        elif report.said == Said.EXPIRED or (report.said == Said.NOTHING and _is_old(enrolment, now)):
            enrolment.end(state.CANCELLED, now=now)
        elif report.said == Said.ASK:
            enrolment.look_up_again(at=now)
    return enrolment


def _is_old(enrolment: Enrolment, now: datetime) -> bool:
    return now - enrolment.created_at >= NO_SUCH_SAVING_AFTER


def look_up_saving(*, enrolment: Enrolment, now: datetime) -> Enrolment:
    """Ask what has become of a saving and do what follows. Never raises for what a provider does."""
    provider = providers.find(enrolment.provider)
    if provider is None or enrolment.state != Enrolment.State.PENDING:
        return enrolment
    try:
        report = provider.fetch_saving(_saving(enrolment))
    except Exception:
        logger.exception("a provider gave no answer about a saving")
    else:
        enrolment = apply_saving(enrolment=enrolment, report=report, now=now)
    if enrolment.state == Enrolment.State.PENDING:
        if now - enrolment.created_at > UNFINISHED:
            enrolment.end(Enrolment.State.CANCELLED, now=now)
        else:
            enrolment.look_up_again(at=now + min(timedelta(minutes=2 ** min(enrolment.lookups, 20)), LONGEST_WAIT))
    return enrolment


def look_up_savings(now: datetime) -> int:
    """The sweep over savings that nobody told us about."""
    rows = Enrolment.objects.filter(state=Enrolment.State.PENDING, next_lookup_at__lte=now)
    found = list(rows.select_related("customer__seller", "created_by").order_by("next_lookup_at")[:BATCH])
    for enrolment in found:
        look_up_saving(enrolment=enrolment, now=now)
    return len(found)


def choose_default(*, method: SavedMethod, by: Membership, now: datetime) -> None:
    """This one is charged by itself from now on. Opens a transaction. Forbidden; Missing when it is not there (any more)."""
    _refuse_who_may_not_pay(by)
    _refuse_foreign(method, by)
    with transaction.atomic():
        list(Customer.objects.select_for_update().filter(pk=method.customer_id).values_list("pk"))
        kept.make_default(method, by=by.user, now=now)


def remove_method(*, method: SavedMethod, by: Membership, now: datetime) -> None:
    """Take a saved method off, and let the provider forget it: at once, or as soon as it answers.

    Another one is not made the default by that: the payer says which. Forbidden; Missing when it is not there (any more).
    """
    _refuse_who_may_not_pay(by)
    _refuse_foreign(method, by)
    with transaction.atomic():
        kept.remove(method, by=by.user, now=now)
    detach(method, now=now)


def _refuse_foreign(method: SavedMethod, by: Membership) -> None:
    if method.customer_id != by.customer_id or method.removed_at is not None:
        raise Missing(_("This saved way to pay is not there any more."))


def detach(method: SavedMethod, *, now: datetime) -> bool:
    """Let the provider forget a removed method; True when it has. Without an answer it is tried again later and later."""
    provider = providers.find(method.provider)
    try:
        if provider is None:
            raise Unanswered("there is no such provider any more")
        provider.detach(method.provider_method)
    except Exception:
        logger.exception("a provider did not forget a saved method")
        method.detach_again(at=now + min(timedelta(minutes=2 ** min(method.detach_attempts, 20)), LONGEST_WAIT))
        return False
    method.detached(now=now)
    return True


def detach_due(now: datetime) -> int:
    """The sweep over methods that a provider has still to forget."""
    found = list(SavedMethod.objects.filter(next_detach_at__lte=now).order_by("next_detach_at")[:BATCH])
    for method in found:
        detach(method, now=now)
    return len(found)
