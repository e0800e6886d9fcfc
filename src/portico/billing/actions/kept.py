"""What a provider keeps for us: saved ways to pay, written down and removed. Inside the caller's transaction."""

import calendar
from datetime import date, datetime

from portico.accounts.models import Customer, Event, User
from portico.billing.actions import collect
from portico.billing.models import SavedMethod
from portico.billing.providers.base import Kept, MethodReport


def expires_on(kept: Kept) -> date | None:
    """The last day a card is good."""
    if kept.expires is None:
        return None
    year, month = kept.expires
    return date(year, month, calendar.monthrange(year, month)[1])


def save_kept(
    customer: Customer, provider: str, kept: Kept, *, consent: str, by: User | None, at: datetime, now: datetime
) -> SavedMethod:
    """Write down a saved method, once; `by` agreed to `consent` at `at`. The first one is charged by default.

    The customer's row is locked, so of two at once only one becomes the default.
    """
    list(Customer.objects.select_for_update().filter(pk=customer.pk).values_list("pk"))
    known = SavedMethod.objects.kept().filter(provider=provider, provider_method=kept.provider_method).first()
    if known is not None:
        return known
    method = SavedMethod.objects.create(
        customer=customer,
        provider=provider,
        provider_customer=kept.provider_customer[:120],
        provider_method=kept.provider_method[:120],
        kind=kept.kind[:30],
        brand=kept.brand[:30],
        last4=kept.last4[:4],
        expires_on=expires_on(kept),
        mandate_reference=kept.mandate[:35],
        consent=consent,
        consent_at=at,
        consent_by=by,
        created_at=now,
    )
    _record("method.saved", method, by=by, now=now)
    if not SavedMethod.objects.filter(customer=customer, is_default=True).exists():
        make_default(method, by=by, now=now)
    return method


def make_default(method: SavedMethod, *, by: User | None, now: datetime) -> None:
    """From now on it is the one that is charged by itself; what auto-pay could not collect is tried with it at once."""
    method.make_default()
    _record("method.default", method, by=by, now=now)
    collect.begin_again(method.customer, now=now)


def remove(method: SavedMethod, *, by: User | None, now: datetime, forgotten: bool = False) -> bool:
    """Take it off; the provider is told afterwards (`forgotten`: it told us). True when this call was the one."""
    done = method.remove(by=by, now=now, forgotten=forgotten)
    if done:
        _record("method.removed", method, by=by, now=now)
    return done


def apply_method_report(provider: str, report: MethodReport, *, now: datetime) -> None:
    """A saved method changed at the provider; one that we do not know, or removed ourselves, says nothing."""
    rows = SavedMethod.objects.kept().filter(provider=provider, provider_method=report.provider_method)
    method = rows.select_related("customer").first()
    if method is None:
        return
    if report.removed:
        remove(method, by=None, now=now, forgotten=True)
    elif report.kept is not None:
        kept = report.kept
        method.renewed(last4=kept.last4[:4], brand=kept.brand[:30], expires_on=expires_on(kept))


def _record(name: str, method: SavedMethod, *, by: User | None, now: datetime) -> None:
    Event.record(
        name,
        method,
        now=now,
        by=by,
        customer=method.customer,
        actor_kind="" if by else Event.ActorKind.PROVIDER,
        provider=method.provider,
        kind=method.kind,
    )
