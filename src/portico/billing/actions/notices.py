"""Notices of providers: stored once, then worked on until they are done.

A notice is stored under the provider's own event id before anything is done about it, so that nothing that was answered
with 200 can be lost. One about a payment that is not there yet is parked and tried again by the worker.
"""

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from portico.billing import providers
from portico.billing.actions import kept, methods, pay, refund, reverse
from portico.billing.models import Enrolment, Payment, ProviderEvent
from portico.billing.providers.base import (
    MethodReport,
    Notice,
    Provider,
    RefundReport,
    Report,
    ReversalReport,
    SavingReport,
)
from portico.kit.adding import add
from portico.kit.changing import change
from portico.kit.crash import crashpoint
from portico.kit.db import claim
from portico.kit.prepared import prepared

WAITS = (5, 15, 60, 300, 1800, 7200, 21600)
"""Seconds until a notice that could not be worked on is tried again; the last one repeats."""
GIVE_UP_AFTER = timedelta(days=7)
WAITING = (ProviderEvent.State.STORED, ProviderEvent.State.PARKED)
logger = logging.getLogger("portico.notices")


def store(provider: Provider, notice: Notice, *, now: datetime) -> ProviderEvent | None:
    """Keep a notice, once; None when it is here already."""
    try:
        with transaction.atomic():
            return add(
                ProviderEvent(
                    provider=provider.name,
                    event_id=notice.event_id,
                    kind=notice.kind,
                    payload=notice.payload,
                    received_at=now,
                    next_attempt_at=now,
                )
            )
    except IntegrityError:
        return None


def work_on(event: ProviderEvent, *, now: datetime) -> bool:
    """Do what a stored notice says; True when it is done with. A fault leaves it for the next turn, later and later.

    What is done and the mark that it is done are one transaction. The attempt is counted before, in one of its own, which
    also keeps two workers from working on the same notice at once.
    """
    wait = timedelta(seconds=WAITS[min(event.attempts, len(WAITS) - 1)])
    rows = ProviderEvent.objects.filter(pk=event.pk, state__in=WAITING)
    if not claim(rows.filter(attempts=event.attempts), attempts=F("attempts") + 1, next_attempt_at=now + wait):
        return False
    done = False
    try:
        with transaction.atomic():
            error = _apply(event, now=now)
            if not error:
                done = bool(change(rows, state=ProviderEvent.State.DONE, done_at=now, error=""))
        crashpoint("committed")
    except Exception as fault:
        logger.exception("a stored notice could not be worked on")
        error = type(fault).__name__
    if error:
        given_up = now - event.received_at > GIVE_UP_AFTER
        state = ProviderEvent.State.FAILED if given_up else ProviderEvent.State.PARKED
        change(rows, state=state, error=error[:200])
    return done


def _apply(event: ProviderEvent, *, now: datetime) -> str:
    """Tell the notice to the payment it is about; returns why it must wait, or nothing."""
    provider = providers.find(event.provider)
    if provider is None:
        return "there is no such provider any more"
    told = provider.translate(event.kind, event.payload)
    if isinstance(told, Report):
        return _about_payment(provider, told, now=now)
    if isinstance(told, SavingReport):
        return _about_saving(provider, told, now=now)
    if isinstance(told, RefundReport):
        return _about_refund(provider, told, now=now)
    if isinstance(told, MethodReport):
        kept.apply_method_report(provider.name, told, now=now)
    elif isinstance(told, ReversalReport):
        return _about_reversal(provider, told, now=now)
    return ""


def _about_payment(provider: Provider, report: Report, *, now: datetime) -> str:
    payment = payment_of(provider, report)
    if payment is None:
        return "no payment has this reference yet"
    pay.apply_report(payment=payment, report=report, account=provider.account, now=now)
    return ""


def _about_saving(provider: Provider, report: SavingReport, *, now: datetime) -> str:
    rows = Enrolment.objects.filter(provider=provider.name).select_related("customer__seller", "created_by")
    try:
        found = rows.filter(pk=UUID(report.saving_id)).first()
    except ValueError:
        found = None
    if found is None or found.provider_reference not in {"", report.provider_reference}:
        return "nothing is being saved under this reference"
    methods.apply_saving(enrolment=found, report=report, now=now)
    return ""


def _about_refund(provider: Provider, report: RefundReport, *, now: datetime) -> str:
    """A notice may overtake our own write of the refund's name: it is found by our id."""
    found = refund.refund_of(provider.name, report)
    if found is None:
        return "no refund has this reference yet"
    refund.apply_refund_report(refund=found, report=report, now=now)
    return ""


def _about_reversal(provider: Provider, report: ReversalReport, *, now: datetime) -> str:
    """A reversal may overtake the payment, or come while a refund of it is on its way: it waits until that is known."""
    rows = Payment.objects.filter(provider=provider.name, state__in=Payment.ARRIVED).select_related("customer__seller")
    payment = rows.filter(charge_reference=report.charge_reference).first() if report.charge_reference else None
    if payment is None:
        return "no payment that arrived has this reference yet"
    if report.amount_minor > payment.received_minor - payment.returned_minor and refund.is_refunding(payment):
        return "it is not known yet what became of a refund"
    reverse.apply_reversal(payment=payment, report=report, now=now)
    return ""


@prepared
def by_reference(provider: Any, reference: Any) -> Any:
    """The payment that a provider calls so."""
    rows = Payment.objects.filter(provider=provider, provider_reference=reference).exclude(provider_reference="")
    return rows.select_related("customer__seller")


@prepared
def by_our_id(provider: Any, payment: Any) -> Any:
    """The payment of this id, if it went to that provider."""
    return Payment.objects.filter(provider=provider, pk=payment).select_related("customer__seller")


def payment_of(provider: Provider, report: Report) -> Payment | None:
    """The payment a report is about: by the provider's reference, else by our id as the provider echoes it."""
    if report.provider_reference:
        named: Payment | None = by_reference.first(provider=provider.name, reference=report.provider_reference)
        if named is not None:
            return named
    try:
        ours = UUID(report.payment_id)
    except ValueError:
        return None
    found: Payment | None = by_our_id.first(provider=provider.name, payment=ours)
    return found
