"""Leaving, pausing and coming back: what a customer decides about a whole subscription, and what staff does for it.

Leaving and pausing take effect when the period that is paid ends, and can be taken back until then. Staff may end one at once:
what was invoiced for the days that are left is credited, to the day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Membership, User
from portico.billing import letters, pricing
from portico.billing.actions import ahead, standing
from portico.billing.actions.arrears import papers_of, reactivate
from portico.billing.actions.bill import left_to_credit
from portico.billing.actions.issue import Groups, Paper, Totalled, bases_of, issue_paper, row_of
from portico.billing.actions.settle import allocate_credit_note
from portico.billing.models import Invoice, InvoiceLine, Quotation, Subscription
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.money import exponent, round_half_away
from portico.kit.periods import Period, today
from portico.kit.text import paragraphs

State = Subscription.State
LONGEST_COMMENT = 2000


DESK = {User.StaffRole.SALES, User.StaffRole.FINANCE, User.StaffRole.ADMIN}


def _locked(subscription: Subscription, by: Membership | User) -> Subscription:
    """The row, locked, for somebody who may decide about the whole of it: an owner, or the desk for it. Raises Forbidden."""
    if isinstance(by, User):
        if by.staff_role not in DESK:
            raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    elif not by.is_owner:
        raise Forbidden(_("Only an owner of your company's account can do this."))
    return ahead.locked(subscription.pk)


def _who(by: Membership | User) -> User:
    return by if isinstance(by, User) else by.user


def _told(name: str, row: Subscription, *, by: User, now: datetime, **data: str) -> None:
    Event.record(name, row, now=now, by=by, customer=row.customer, **data)


# Leaving ---------------------------------------------------------------------------------------------------------------


def ask_to_leave(
    *, subscription: Subscription, reason: str, comment: str, by: Membership | User, now: datetime
) -> None:
    """Let the subscription end with its period, for a reason; until then it runs, and it can be taken back.

    Raises Forbidden for who is no owner, Invalid without a reason or before the minimum term is over, Conflict when it does not
    run or ends already.
    """
    if reason not in Subscription.LeaveReason.values:
        raise Invalid(_("Choose why you leave: it helps us. Nothing was changed."))
    with transaction.atomic():
        row = _locked(subscription, by)
        if row.state not in Subscription.GOING or row.leave_asked_at is not None:
            raise Conflict(_("This subscription does not run, or ends with its period already. Nothing was changed."))
        until = row.committed_until()
        if until is not None and row.period_end is not None and row.period_end < until:
            raise Invalid(
                _("It is agreed until %(date)s at least: cancel it in the period that ends then. Nothing was changed.")
                % {"date": until.isoformat()}
            )
        row.leave_asked_at, row.leave_reason = now, reason
        row.leave_comment = paragraphs(comment)[:LONGEST_COMMENT]
        row.pause_asked_at = None
        row.save(update_fields=["leave_asked_at", "leave_reason", "leave_comment", "pause_asked_at"])
        on = row.period_end.isoformat() if row.period_end else ""
        _told("subscription.cancellation_asked", row, by=_who(by), now=now, on=on)


def stay(*, subscription: Subscription, by: Membership | User, now: datetime) -> None:
    """Take leaving back before it happens. Raises Forbidden, and Conflict when it does not leave, or has ended."""
    with transaction.atomic():
        row = _locked(subscription, by)
        if row.state == State.ENDED or row.leave_asked_at is None:
            raise Conflict(_("This subscription does not end with its period, or has ended. Nothing was changed."))
        row.leave_asked_at, row.leave_reason, row.leave_comment = None, "", ""
        row.save(update_fields=["leave_asked_at", "leave_reason", "leave_comment"])
        _told("subscription.cancellation_withdrawn", row, by=_who(by), now=now)


# Pausing ---------------------------------------------------------------------------------------------------------------


def ask_to_pause(*, subscription: Subscription, by: Membership | User, now: datetime) -> None:
    """Let it pause when its period ends. Raises Forbidden; Conflict when it is not active, leaves, or is renewed already."""
    with transaction.atomic():
        row = _locked(subscription, by)
        renewed = row.periods.filter(start__gte=row.period_end).exists() if row.period_end else False
        if row.state != State.ACTIVE or row.leave_asked_at or row.pause_asked_at or renewed:
            raise Conflict(
                _(
                    "Only an active subscription that does not end, and is not renewed yet, can pause. Nothing was changed."
                )
            )
        row.pause_asked_at = now
        row.save(update_fields=["pause_asked_at"])
        on = row.period_end.isoformat() if row.period_end else ""
        _told("subscription.pause_asked", row, by=_who(by), now=now, on=on)


def do_not_pause(*, subscription: Subscription, by: Membership | User, now: datetime) -> None:
    """Take pausing back before it happens. Raises Forbidden, and Conflict when it does not pause, or does so already."""
    with transaction.atomic():
        row = _locked(subscription, by)
        if row.state != State.ACTIVE or row.pause_asked_at is None:
            raise Conflict(_("This subscription is not going to pause. Nothing was changed."))
        row.pause_asked_at = None
        row.save(update_fields=["pause_asked_at"])
        _told("subscription.pause_withdrawn", row, by=_who(by), now=now)


def resume(*, subscription: Subscription, by: Membership | User, now: datetime) -> Quotation | None:
    """End the pause: the next period begins today, of the same term, and keeps to this day of the month.

    One that renews by itself is active at once and invoiced by the next run (None); for another there is a quotation, and it is
    active when that is paid. Raises Forbidden, Conflict when it does not pause.
    """
    with transaction.atomic():
        row = _locked(subscription, by)
        if row.state != State.PAUSED:
            raise Conflict(_("This subscription does not pause. Nothing was changed."))
        day = today(now, row.customer.seller.zone)
        row.resumes_on = row.anchored_on = day
        row.save(update_fields=["resumes_on", "anchored_on"])
        if not row.auto_renew:
            quotation = ahead.quote_renewal(
                row, origin=Quotation.Origin.PORTAL, by=None, contact=None if isinstance(by, User) else by.user, now=now
            )
            _told("subscription.resume_asked", row, by=_who(by), now=now)
            return quotation
        row.move(State.ACTIVE, from_=[State.PAUSED])
        _told("subscription.resumed", row, by=_who(by), now=now)
        letters.subscription_state(row, "resumed", now=now)
    return None


# Renewing by itself ----------------------------------------------------------------------------------------------------


def switch_auto_renewal(*, subscription: Subscription, on: bool, by: Membership, now: datetime) -> None:
    """Let the subscription renew by itself from now on, or no longer. Raises Forbidden without the billing role; Conflict when
    it has ended, or is so already.
    """
    if not by.may_pay:
        raise Forbidden(_("This needs the billing role. Ask an owner of your company's account."))
    with transaction.atomic():
        row = ahead.locked(subscription.pk)
        if row.state == State.ENDED or row.auto_renew == on:
            raise Conflict(_("Nothing was changed: it is so already, or the subscription has ended."))
        row.auto_renew = on
        row.save(update_fields=["auto_renew"])
        _told("subscription.auto_renewal_on" if on else "subscription.auto_renewal_off", row, by=by.user, now=now)
        if on:  # what was late only because it was not renewed is renewed by the next run
            reactivate(row, day=today(now, row.customer.seller.zone), now=now)


# Ended at once by staff ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GivenBack:
    """What ending at once credits: of one invoice, its lines for the days that are left, with the totals."""

    invoice: Invoice
    rows: Sequence[InvoiceLine]
    groups: Groups

    @property
    def total_minor(self) -> int:
        """With VAT."""
        return sum(base + vat for base, vat in self.groups.values())


def given_back(row: Subscription, *, on: date) -> list[GivenBack]:
    """What would be credited if the subscription ended on `on` (the first day without it), invoice by invoice; reads only.

    Each line that was invoiced for a period is given back by the days of that period that are left: from what was really
    charged, less what was credited of it before, rounded once a line. An agreed period that has not begun is given back whole.
    """
    found: list[GivenBack] = []
    for period in row.periods.filter(end__gt=on).order_by("start"):
        days = Period(period.start, period.end)
        left = Fraction((days.end - max(on, days.start)).days, days.days)
        own = Q(period=period) | Q(period=None, order__subscription=row, issued_on__lt=days.end)
        for invoice in papers_of(row).filter(own).order_by("id").select_related("order__version__quotation"):
            one = _of_invoice(row, invoice, days, left)
            if one is not None and all(known.invoice.pk != invoice.pk for known in found):
                found.append(one)
    return found


def _of_invoice(row: Subscription, invoice: Invoice, days: Period, left: Fraction) -> GivenBack | None:
    """The lines of an invoice that were charged for this period; by its own period, or by the order's days."""
    rows: list[InvoiceLine] = []
    for line in invoice.lines.filter(kind="line", quantity__gt=0).select_related("product").order_by("position"):
        if line.product is None or not line.product.in_database or not _charged_for(row, invoice, line, days):
            continue
        share = (
            left / line.part if line.part != 1 else left
        )  # a part of the period is given back by what is left of that part
        charged = line.net_minor - sum(line.credited_by.values_list("net_minor", flat=True))
        net = round_half_away(charged * min(share, Fraction(1)))
        if net <= 0:
            continue
        rows.append(
            row_of(
                line, position=len(rows) + 1, quantity=Decimal(1), unit_price=_price(net, invoice.currency),
                discount_percent=Decimal(0), part_days=1, part_of_days=1, net_minor=net,
            )
        )  # fmt: skip
    creditable = left_to_credit(invoice)
    rows = _no_more_than(creditable, rows, invoice.currency)
    if not rows:
        return None
    groups: Groups = {}
    for key, base in bases_of(rows).items():
        left_base, left_vat = creditable[key]
        vat = left_vat if base == left_base else min(pricing.vat_minor(base, key[1]), max(left_vat, 0))
        groups[key] = base, vat
    return GivenBack(invoice, rows, groups)


def _no_more_than(left: Groups, rows: list[InvoiceLine], currency: str) -> list[InvoiceLine]:
    """The rows, the last ones cut, so that no VAT group is given back more than other credit notes left of it."""
    room = {key: max(base, 0) for key, (base, _vat) in left.items()}
    kept: list[InvoiceLine] = []
    for row in rows:
        key = row.vat_category, row.vat_rate
        net = min(row.net_minor, room.get(key, 0))
        if net:
            row.position, row.net_minor, row.unit_price = len(kept) + 1, net, _price(net, currency)
            room[key] -= net
            kept.append(row)
    return kept


def _price(net_minor: int, currency: str) -> Decimal:
    return Decimal(net_minor).scaleb(-exponent(currency))


def _charged_for(row: Subscription, invoice: Invoice, line: InvoiceLine, days: Period) -> bool:
    """Whether a line of an invoice was charged for this period: for part of it, as its renewal, or as the first that the order
    had before it. Each order is of one period.
    """
    if invoice.period_id is not None:
        return True
    if line.part != 1:
        return line.part_of_days == days.days and invoice.issued_on is not None and invoice.issued_on in days
    order = invoice.order
    if order is None:
        return False
    quotation = order.version.quotation if order.version is not None else None
    if quotation is not None and quotation.kind == Quotation.Kind.RENEWAL:
        return quotation.renews_from == days.start
    starts = row.periods.filter(end__gt=order.ordered_on).order_by("start").values_list("start", flat=True)
    return starts.first() == days.start


def end_now(
    *, subscription: Subscription, reason: str, by: User, now: datetime, give_back: bool = True
) -> list[Invoice]:
    """Staff ends a subscription today: it stops at once, and what was invoiced for the days left is credited.

    The credit first settles what is due of the invoice; the rest is the customer's credit. Returns the credit notes. Raises
    Forbidden without the finance role, Invalid without a reason, Conflict when it has ended or not begun.
    """
    if by.staff_role not in {User.StaffRole.FINANCE, User.StaffRole.ADMIN}:
        raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    if not reason.strip():
        raise Invalid(_("Say why the credit note is made: the reason stands on it."))
    with transaction.atomic():
        row = ahead.locked(subscription.pk)
        if row.state in {State.ENDED, State.PENDING}:
            raise Conflict(_("This subscription does not run. Nothing was changed."))
        day = today(now, row.customer.seller.zone)
        notes = []
        for one in given_back(row, on=day) if give_back else []:
            paper = one.invoice
            invoice = (
                Invoice.objects.select_for_update(of=("self",))
                .select_related("seller", "customer", "order")
                .get(pk=paper.pk)
            )
            note = Invoice(
                seller=invoice.seller, customer=invoice.customer, kind=Invoice.Kind.CREDIT_NOTE, series="CN",
                order=invoice.order, refers_to=invoice, title=invoice.title, reason=reason.strip()[:300],
                po_number=invoice.po_number, language=invoice.language, currency=invoice.currency, created_at=now,
            )  # fmt: skip
            issue_paper(Paper(note, Totalled(one.rows, one.groups), terms=[], due_days=0), by=by, now=now)
            allocate_credit_note(note, invoice, now=now)
            notes.append(note)
        standing.end(row, on=day, now=now, why="ended_by_staff", by=by)
    return notes
