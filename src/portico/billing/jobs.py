"""What the tables say is still to be done about money."""

from datetime import datetime, timedelta

from django.conf import settings

from portico.accounts.models import Seller
from portico.billing.actions import (
    ahead,
    archive,
    autopay,
    bank,
    dunning,
    hooks,
    importing,
    methods,
    notices,
    order,
    pay,
    refund,
    remind,
    report,
    run,
    schedule,
    standing,
    verify,
)
from portico.billing.documents.drawn import draw_due, drop_left_over
from portico.billing.models import Payment, PaymentRequest, ProviderEvent
from portico.billing.providers.sandbox import gateway
from portico.kit.jobs import sweep

BATCH = 50
ABANDONED_AFTER = timedelta(hours=24)
UNCONFIRMED_AFTER = timedelta(days=8)


@sweep(every=1)
def sandbox_company(now: datetime) -> int:
    """The sandbox goes about its business: late money arrives, and notices are posted over HTTP."""
    if "sandbox" not in settings.PORTICO_PROVIDERS:
        return 0
    return gateway.pass_time(now) + gateway.deliver(now)


@sweep(every=2)
def provider_events(now: datetime) -> int:
    """Notices that were stored and not worked on, or parked, and are due."""
    due = ProviderEvent.objects.filter(state__in=notices.WAITING, next_attempt_at__lte=now).order_by(
        "next_attempt_at", "pk"
    )
    return sum(notices.work_on(event, now=now) for event in due[:BATCH])


@sweep(every=5)
def undecided_payments(now: datetime) -> int:
    """The janitor: ask what has become of attempts that nobody told us about, at growing intervals.

    A checkout that nobody finished within a day, or whose order was cancelled, is ended there instead.
    """
    rows = Payment.objects.undecided().filter(next_lookup_at__lte=now).select_related("customer__seller")
    found = list(rows.order_by("next_lookup_at")[:BATCH])
    for payment in found:
        if _abandoned(payment, now):
            pay.expire_payment(payment=payment, now=now)
        else:
            pay.lookup_payment(payment=payment, now=now)
    return len(found)


def _abandoned(payment: Payment, now: datetime) -> bool:
    if payment.processing_at is not None:
        return False
    if payment.action_at is not None:  # auto-pay's own plan ends it sooner
        return payment.action_at <= now - UNCONFIRMED_AFTER
    cancelled = payment.targets.filter(request__state=PaymentRequest.State.CANCELLED)
    return payment.created_at <= now - ABANDONED_AFTER or cancelled.exists()


@sweep(every=5)
def undecided_refunds(now: datetime) -> int:
    """The janitor of refunds: ask what has become of those that nobody told us about, at growing intervals."""
    return refund.look_up_refunds(now)


@sweep(every=2)
def bank_entries(now: datetime) -> int:
    """Movements of bank statements that nobody has looked at."""
    return bank.work_on_new(now)


@sweep(every=1)
def imports(now: datetime) -> int:
    """Files of other systems' invoices that staff sent."""
    return importing.go_on(now)


@sweep(every=5)
def savings(now: datetime) -> int:
    """Ways to pay that were to be saved and nobody told us about."""
    return methods.look_up_savings(now)


@sweep(every=30)
def methods_to_forget(now: datetime) -> int:
    """Removed ways to pay that a provider has still to forget."""
    return methods.detach_due(now)


@sweep(every=10)
def invoices_to_collect(now: datetime) -> int:
    """Invoices that auto-pay is to collect."""
    return sum(autopay.find_due(seller, now=now) for seller in Seller.objects.all())


@sweep(every=10)
def collections(now: datetime) -> int:
    """What auto-pay charges now."""
    return autopay.collect_due(now)


@sweep(every=300)
def expiring_cards(now: datetime) -> int:
    """Cards that auto-pay charges and that expire soon."""
    return autopay.remind_expiring_cards(now)


@sweep(every=5)
def scheduled_quotations(now: datetime) -> int:
    """Quotations whose moment to be sent has come."""
    return schedule.send_due(now)


@sweep(every=60)
def lapsed_orders(now: datetime) -> int:
    """Orders for more that were not paid before their period ended."""
    return sum(order.cancel_lapsed(seller, now=now) for seller in Seller.objects.all())


@sweep(every=5)
def renewals(now: datetime) -> int:
    """Subscriptions that renew by themselves and whose period is over."""
    return sum(run.go_on(seller, now=now) for seller in Seller.objects.all())


@sweep(every=2)
def rehearsals(now: datetime) -> int:
    """What a run of renewals would do, where staff ask."""
    return sum(run.rehearse(seller, now=now) for seller in Seller.objects.all())


@sweep(every=2)
def quotation_papers(now: datetime) -> int:
    """Open quotations that a customer looks at: their PDF is there before they are accepted."""
    return draw_due(now=now)


@sweep(every=3600)
def papers_left_over(_now: datetime) -> int:
    """The PDFs of quotations that were rejected, withdrawn or replaced: drawn ahead, and of no use any more."""
    return drop_left_over()


@sweep(every=3600)
def imports_left_over(now: datetime) -> int:
    """What became of the files of an import goes after a while; what became an invoice stays with it."""
    return importing.forget(now=now)


@sweep(every=2)
def einvoices(now: datetime) -> int:
    """Issued papers whose e-invoice was not checked yet."""
    return verify.verify_due(now=now)


@sweep(every=2)
def archives(now: datetime) -> int:
    """ZIP files that somebody waits for, one turn of some seconds at a time."""
    return archive.go_on(now)


@sweep(every=600)
def old_archives(now: datetime) -> int:
    """ZIP files that have expired."""
    return archive.take_away(now)


@sweep(every=60)
def standings(now: datetime) -> int:
    """Subscriptions that begin an agreed period, are late, are suspended, pause or end."""
    return sum(standing.keep_in_step(seller, now=now) for seller in Seller.objects.all())


@sweep(every=60)
def renewals_offered(now: datetime) -> int:
    """Renewal quotations for those that do not renew by themselves."""
    return sum(ahead.quote_ahead(seller, now=now) for seller in Seller.objects.all())


# What is told by mail without anybody doing something.


@sweep(every=300)
def expiring_quotations(now: datetime) -> int:
    """Quotations that soon expire."""
    return remind.remind_expiring(now)


@sweep(every=300)
def overdue_invoices(now: datetime) -> int:
    """Invoices that are due soon, or late, and reach their next stage of reminding."""
    return dunning.remind_due(now)


@sweep(every=300)
def newly_overdue(now: datetime) -> int:
    """Invoices that became overdue, for the history and for webhooks."""
    return remind.note_overdue(now)


@sweep(every=60)
def ended_grace(now: datetime) -> int:
    """What was installed after a report and not settled in time."""
    return report.end_grace(now)


@sweep(every=30)
def dead_webhooks(now: datetime) -> int:
    """Endpoints that no longer work, told to the administrators once."""
    return hooks.tell_of_dead(now)


@sweep(every=300)
def renewals_ahead(now: datetime) -> int:
    """Subscriptions that are to be renewed."""
    return remind.remind_renewals(now)
