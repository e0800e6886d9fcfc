"""One sentence for everything that can happen to a document, in the reader's language.

A test reads the stories of billing and fails when one of them records an event that has no sentence here.
"""

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.billing.models import QuotationVersion


@dataclass(frozen=True)
class Sentence:
    """How an event reads. `by` names who did it, `alone` is for what happened by itself; both may use the event's data."""

    by: str | Promise
    icon: str = "circle-dot"
    alone: str | Promise = ""


SENTENCES: dict[str, Sentence] = {
    "quotation.drafted": Sentence(
        lazy("%(who)s began this quotation."), "file-pen-line", lazy("This quotation was begun.")
    ),
    "quotation.version_drafted": Sentence(
        lazy("%(who)s began version %(version)s."), "file-pen-line", lazy("Version %(version)s was begun.")
    ),
    "quotation.sent": Sentence(
        lazy("%(who)s sent version %(version)s: %(total)s."), "send", lazy("Version %(version)s was sent: %(total)s.")
    ),
    "quotation.viewed": Sentence(
        lazy("%(who)s opened version %(version)s."), "circle-user", lazy("Version %(version)s was opened.")
    ),
    "quotation.approved": Sentence(
        lazy("%(who)s gave the first of two approvals: %(total)s."),
        "circle-check",
        lazy("The first of two approvals was given: %(total)s."),
    ),
    "quotation.accepted": Sentence(
        lazy("%(who)s accepted version %(version)s: %(total)s."),
        "circle-check",
        lazy("Version %(version)s was accepted: %(total)s."),
    ),
    "quotation.changes_requested": Sentence(
        lazy("%(who)s asked for changes."), "message-square", lazy("Changes were asked for.")
    ),
    "quotation.rejected": Sentence(
        lazy("%(who)s rejected version %(version)s: %(reason)s."),
        "circle-x",
        lazy("Version %(version)s was rejected: %(reason)s."),
    ),
    "quotation.reopened": Sentence(
        lazy("%(who)s reopened the quotation."), "undo-2", lazy("The quotation was reopened.")
    ),
    "quotation.withdrawn": Sentence(
        lazy("%(who)s withdrew the quotation."), "ban", lazy("The quotation was withdrawn.")
    ),
    "quotation.new_requested": Sentence(
        lazy("%(who)s asked for a new quotation."), "message-square", lazy("A new quotation was asked for.")
    ),
    "quotation.scheduled": Sentence(
        lazy("%(who)s set version %(version)s to be sent later."),
        "clock",
        lazy("Version %(version)s was set to be sent later."),
    ),
    "quotation.unscheduled": Sentence(
        lazy("%(who)s took back that version %(version)s is sent later."),
        "undo-2",
        lazy("Version %(version)s is not sent later any more."),
    ),
    "quotation.not_sent": Sentence(
        lazy("%(who)s: version %(version)s could not be sent."),
        "circle-alert",
        lazy("Version %(version)s could not be sent by itself."),
    ),
    "order.placed": Sentence(
        lazy("%(who)s placed order %(number)s: %(total)s."), "package", lazy("Order %(number)s was placed: %(total)s.")
    ),
    "order.confirmed": Sentence(lazy("%(who)s confirmed the order."), "circle-check", lazy("The order was confirmed.")),
    "order.delivered": Sentence(lazy("%(who)s recorded a delivery."), "package", lazy("A delivery was recorded.")),
    "order.fulfilled": Sentence(
        lazy("%(who)s delivered the last part: the order is fulfilled."),
        "circle-check",
        lazy("Everything is delivered: the order is fulfilled."),
    ),
    "order.cancelled": Sentence(lazy("%(who)s cancelled the order."), "ban", lazy("The order was cancelled.")),
    "invoice.issued": Sentence(
        lazy("%(who)s issued invoice %(number)s: %(total)s."),
        "receipt-text",
        lazy("Invoice %(number)s was issued: %(total)s."),
    ),
    "invoice.imported": Sentence(
        lazy("%(who)s imported invoice %(number)s from another system."),
        "download",
        lazy("Invoice %(number)s was imported from another system."),
    ),
    "invoice.disputed": Sentence(
        lazy("%(who)s marked invoice %(number)s as disputed: no reminders until it is solved."),
        "triangle-alert",
        lazy("Invoice %(number)s was marked as disputed: no reminders until it is solved."),
    ),
    "invoice.solved": Sentence(
        lazy("%(who)s marked the dispute about invoice %(number)s as solved."),
        "circle-check",
        lazy("The dispute about invoice %(number)s is solved."),
    ),
    "invoice.reminded": Sentence(
        lazy("%(who)s sent a reminder of invoice %(number)s: %(amount)s due."),
        "mail",
        lazy("A reminder of invoice %(number)s was sent: %(amount)s due."),
    ),
    "invoice.handed_over": Sentence(
        lazy("%(who)s handed invoice %(number)s over: it stayed unpaid after the formal notice."),
        "triangle-alert",
        lazy("Invoice %(number)s was handed over: it stayed unpaid after the formal notice."),
    ),
    "invoice.reminders_paused": Sentence(
        lazy("%(who)s paused reminders of invoice %(number)s."),
        "hourglass",
        lazy("Reminders of invoice %(number)s were paused."),
    ),
    "invoice.reminders_resumed": Sentence(
        lazy("%(who)s lifted the pause of reminders of invoice %(number)s."),
        "history",
        lazy("Reminders of invoice %(number)s go on."),
    ),
    "customer.reminders_paused": Sentence(
        lazy("%(who)s paused reminders of this customer."), "hourglass", lazy("Reminders of this customer were paused.")
    ),
    "customer.reminders_resumed": Sentence(
        lazy("%(who)s lifted the pause of reminders of this customer."),
        "history",
        lazy("Reminders of this customer go on."),
    ),
    "seller.dunning_changed": Sentence(
        lazy("%(who)s changed when we remind."), "calendar-clock", lazy("It was changed when we remind.")
    ),
    "seller.renewal_rules_changed": Sentence(
        lazy("%(who)s changed when renewals are offered."),
        "calendar-range",
        lazy("It was changed when renewals are offered."),
    ),
    "subscription.in_arrears": Sentence(
        lazy("%(who)s marked the subscription: invoice %(number)s stayed unpaid."),
        "triangle-alert",
        lazy("The subscription was marked: invoice %(number)s stayed unpaid."),
    ),
    "invoice.held_back": Sentence(
        lazy("%(who)s: the e-invoice of %(number)s breaks a rule and is held back."),
        "circle-alert",
        lazy("The e-invoice of %(number)s breaks a rule and is held back."),
    ),
    "invoice.released": Sentence(
        lazy("%(who)s had %(number)s checked again: it is sent now."),
        "circle-check",
        lazy("%(number)s was checked again and sent."),
    ),
    "invoice.credit_used": Sentence(
        lazy("%(who)s used %(amount)s of credit note %(number)s for this invoice."),
        "circle-check",
        lazy("%(amount)s of credit note %(number)s was used for this invoice."),
    ),
    "invoice.paid": Sentence(
        lazy("With %(who)s's last step invoice %(number)s is paid."),
        "circle-check",
        lazy("Invoice %(number)s is paid."),
    ),
    "invoice.overdue": Sentence(
        lazy("%(who)s noted that invoice %(number)s is overdue."),
        "triangle-alert",
        lazy("Invoice %(number)s is overdue."),
    ),
    "credit_note.issued": Sentence(
        lazy("%(who)s issued credit note %(number)s: %(total)s."),
        "undo-2",
        lazy("Credit note %(number)s was issued: %(total)s."),
    ),
    "payment.started": Sentence(
        lazy("%(who)s began a payment of %(amount)s."), "credit-card", lazy("A payment of %(amount)s was begun.")
    ),
    "payment.processing": Sentence(
        lazy("%(who)s confirmed a payment of %(amount)s; the money is on its way."),
        "clock",
        lazy("A payment of %(amount)s was confirmed; the money is on its way."),
    ),
    "payment.succeeded": Sentence(
        lazy("%(who)s booked a payment: %(amount)s received."), "circle-check", lazy("A payment arrived: %(amount)s.")
    ),
    "payment.failed": Sentence(
        lazy("A payment of %(amount)s by %(who)s failed. Nothing was charged."),
        "circle-x",
        lazy("A payment of %(amount)s failed. Nothing was charged."),
    ),
    "payment.cancelled": Sentence(
        lazy("%(who)s gave up a payment of %(amount)s. Nothing was charged."),
        "ban",
        lazy("A payment of %(amount)s was given up. Nothing was charged."),
    ),
    "payment.unknown": Sentence(
        lazy("The outcome of a payment of %(amount)s by %(who)s is not known yet. It is being looked up."),
        "clock",
        lazy("The outcome of a payment of %(amount)s is not known yet. It is being looked up."),
    ),
    "payment.action": Sentence(
        lazy("The bank asks %(who)s to confirm a payment of %(amount)s. Nothing was charged yet."),
        "shield-check",
        lazy("The bank asks for a confirmation of a payment of %(amount)s. Nothing was charged yet."),
    ),
    "payment.refund_asked": Sentence(
        lazy("%(who)s asked to give %(amount)s of a payment back."),
        "undo-2",
        lazy("It was asked to give %(amount)s of a payment back."),
    ),
    "payment.refund_approved": Sentence(
        lazy("%(who)s agreed to give %(amount)s of a payment back."),
        "circle-check",
        lazy("It was agreed to give %(amount)s of a payment back."),
    ),
    "payment.refund_refused": Sentence(
        lazy("%(who)s did not agree to give %(amount)s of a payment back."),
        "ban",
        lazy("It was not agreed to give %(amount)s of a payment back."),
    ),
    "payment.refunded": Sentence(
        lazy("%(who)s gave %(amount)s of a payment back."), "undo-2", lazy("%(amount)s of a payment went back.")
    ),
    "payment.refund_failed": Sentence(
        lazy("%(who)s: giving %(amount)s of a payment back failed."),
        "circle-x",
        lazy("Giving %(amount)s of a payment back failed."),
    ),
    "seller.least_part_changed": Sentence(
        lazy("%(who)s changed the least amount that may be paid."),
        "credit-card",
        lazy("The least amount that may be paid was changed."),
    ),
    "seller.refund_limit_changed": Sentence(
        lazy("%(who)s changed above which amount two people must agree to a refund."),
        "users",
        lazy("It was changed above which amount two people must agree to a refund."),
    ),
    "payment.reversed": Sentence(
        lazy("%(amount)s of a payment by %(who)s were taken back by the bank. What they had paid is due again."),
        "undo-2",
        lazy("%(amount)s of a payment were taken back by the bank. What they had paid is due again."),
    ),
    "payment.reinstated": Sentence(
        lazy("%(amount)s of a payment by %(who)s came back: the bank decided for the seller."),
        "circle-check",
        lazy("%(amount)s of a payment came back: the bank decided for the seller."),
    ),
    "payment.dispute_lost": Sentence(
        lazy("The bank keeps %(amount)s of a payment by %(who)s."),
        "circle-x",
        lazy("The bank keeps %(amount)s of a payment."),
    ),
    "payment.allocated": Sentence(
        lazy("%(who)s assigned %(amount)s of a payment."), "circle-check", lazy("%(amount)s of a payment was assigned.")
    ),
    "payment.reviewed": Sentence(
        lazy("%(who)s reviewed a payment of %(amount)s."), "shield-check", lazy("A payment of %(amount)s was reviewed.")
    ),
    "subscription.started": Sentence(
        lazy("%(who)s started the subscription with order %(order)s."),
        "layers",
        lazy("The subscription began with order %(order)s."),
    ),
    "subscription.changed": Sentence(
        lazy("%(who)s changed the subscription by order %(order)s."),
        "layers",
        lazy("The subscription was changed by order %(order)s."),
    ),
    "subscription.added": Sentence(
        lazy("%(who)s added %(quantity)s × %(product)s, which costs nothing."),
        "circle-plus",
        lazy("%(quantity)s × %(product)s was added, which costs nothing."),
    ),
    "subscription.removed": Sentence(
        lazy("%(who)s removed %(quantity)s × %(product)s from the renewal on."),
        "circle-minus",
        lazy("%(quantity)s × %(product)s ends with the renewal."),
    ),
    "subscription.follows": Sentence(
        lazy("%(who)s chose %(product)s from the renewal on."),
        "calendar-range",
        lazy("%(product)s begins with the renewal."),
    ),
    "subscription.replaced": Sentence(
        lazy("%(who)s replaced %(product)s by another plan."), "circle-minus", lazy("%(product)s was replaced.")
    ),
    "subscription.kept": Sentence(
        lazy("%(who)s keeps %(quantity)s × %(product)s after all."),
        "circle-check",
        lazy("%(quantity)s × %(product)s stays after all."),
    ),
    "subscription.installed": Sentence(
        lazy(
            "%(who)s reported something added: it was installed at once, and stays if quotation %(quotation)s is settled."
        ),
        "package",
        lazy("Something reported as added was installed at once, and stays if quotation %(quotation)s is settled."),
    ),
    "subscription.lapsed": Sentence(
        lazy("%(who)s removed what was installed at once: quotation %(quotation)s was not settled in time."),
        "clock",
        lazy("What was installed at once was removed: quotation %(quotation)s was not settled in time."),
    ),
    "subscription.went_on": Sentence(
        lazy("%(who)s renewed the subscription with invoice %(number)s."),
        "calendar-range",
        lazy("The subscription renewed itself with invoice %(number)s."),
    ),
    "subscription.auto_pay_on": Sentence(
        lazy("%(who)s switched auto-pay on."), "credit-card", lazy("Auto-pay was switched on.")
    ),
    "subscription.auto_pay_off": Sentence(
        lazy("%(who)s switched auto-pay off."), "credit-card", lazy("Auto-pay was switched off.")
    ),
    "subscription.tried_again": Sentence(
        lazy("%(who)s lets the renewal be tried again."), "calendar-range", lazy("The renewal is tried again.")
    ),
    "subscription.renewed": Sentence(
        lazy("%(who)s renewed the subscription by order %(order)s."),
        "calendar-range",
        lazy("The subscription was renewed by order %(order)s."),
    ),
    "subscription.period_began": Sentence(
        lazy("%(who)s let a period of the subscription begin."),
        "calendar-range",
        lazy("A period of the subscription began."),
    ),
    "subscription.past_due": Sentence(
        lazy("%(who)s noted that something for this database is late."),
        "triangle-alert",
        lazy("Something for this database is late."),
    ),
    "subscription.suspended": Sentence(
        lazy("%(who)s suspended the database."), "ban", lazy("The database was suspended.")
    ),
    "subscription.reactivated": Sentence(
        lazy("%(who)s made the database active again: nothing is late any more."),
        "circle-check",
        lazy("Nothing is late any more: the database is active again."),
    ),
    "subscription.ended": Sentence(
        lazy("%(who)s ended the subscription."), "circle-x", lazy("The subscription ended.")
    ),
    "subscription.cancellation_asked": Sentence(
        lazy("%(who)s lets the subscription end with its period."),
        "circle-x",
        lazy("The subscription is to end with its period."),
    ),
    "subscription.cancellation_withdrawn": Sentence(
        lazy("%(who)s keeps the subscription after all."), "undo-2", lazy("The subscription stays after all.")
    ),
    "subscription.pause_asked": Sentence(
        lazy("%(who)s lets the subscription pause when its period ends."),
        "clock",
        lazy("The subscription is to pause when its period ends."),
    ),
    "subscription.pause_withdrawn": Sentence(
        lazy("%(who)s does not let the subscription pause after all."),
        "undo-2",
        lazy("The subscription does not pause after all."),
    ),
    "subscription.paused": Sentence(
        lazy("%(who)s paused the subscription."), "clock", lazy("The subscription paused.")
    ),
    "subscription.resume_asked": Sentence(
        lazy("%(who)s asked to end the pause."), "calendar-range", lazy("The end of the pause was asked for.")
    ),
    "subscription.resumed": Sentence(lazy("%(who)s ended the pause."), "calendar-range", lazy("The pause ended.")),
    "subscription.auto_renewal_on": Sentence(
        lazy("%(who)s lets the subscription renew by itself."),
        "calendar-range",
        lazy("The subscription renews by itself from now on."),
    ),
    "subscription.auto_renewal_off": Sentence(
        lazy("%(who)s no longer lets the subscription renew by itself."),
        "calendar-range",
        lazy("The subscription no longer renews by itself."),
    ),
    "member.invited": Sentence(
        lazy("%(who)s invited somebody to the portal."), "user-plus", lazy("Somebody was invited.")
    ),
    "member.changed": Sentence(
        lazy("%(who)s changed what somebody may do."), "users", lazy("What somebody may do was changed.")
    ),
    "member.removed": Sentence(lazy("%(who)s removed somebody."), "users", lazy("Somebody was removed.")),
    "customer.created": Sentence(lazy("%(who)s added the company."), "store", lazy("The company was added.")),
    "database.opened": Sentence(
        lazy("%(who)s added database %(number)s."), "layers", lazy("Database %(number)s was added.")
    ),
    "customer.identity_asked": Sentence(
        lazy("%(who)s asked for another name or VAT number."),
        "badge-check",
        lazy("Another name or VAT number was asked for."),
    ),
    "customer.identity_changed": Sentence(
        lazy("%(who)s changed the company's name or VAT number for papers to come."),
        "badge-check",
        lazy("The company's name or VAT number was changed for papers to come."),
    ),
    "customer.identity_refused": Sentence(
        lazy("%(who)s did not change the company's name or VAT number."),
        "circle-x",
        lazy("The company's name or VAT number was not changed."),
    ),
    "customer.identity_withdrawn": Sentence(
        lazy("%(who)s withdrew the request for another name or VAT number."),
        "undo-2",
        lazy("The request for another name or VAT number was withdrawn."),
    ),
    "customer.confirmed": Sentence(
        lazy("%(who)s confirmed the imported company as a customer of its own."),
        "store",
        lazy("The imported company was confirmed."),
    ),
    "customer.merged": Sentence(
        lazy("%(who)s merged imported company %(merged)s into this one, with %(papers)s invoices."),
        "store",
        lazy("Imported company %(merged)s was merged into this one, with %(papers)s invoices."),
    ),
    "customer.edited": Sentence(
        lazy("%(who)s changed the company's details."), "store", lazy("The company's details were changed.")
    ),
}

REASONS: dict[str, str | Promise] = {
    QuotationVersion.RejectedReason.PRICE: lazy("the price is too high"),
    QuotationVersion.RejectedReason.NOT_NOW: lazy("not now"),
    QuotationVersion.RejectedReason.OTHER_SOLUTION: lazy("another solution was chosen"),
    QuotationVersion.RejectedReason.OTHER: lazy("another reason"),
}


class _Known(dict[str, str]):
    """Values for a sentence; what an old event does not hold reads as an ellipsis instead of failing a page."""

    def __missing__(self, key: str) -> str:
        return "…"


def read_out(name: str, data: dict[str, Any], *, who: str, money: Any) -> str:
    """The sentence of an event; `who` is empty for what happened by itself, `money(minor, currency)` writes an amount.

    An event without a sentence reads as its name: nothing that happened is hidden from staff.
    """
    found = SENTENCES.get(name)
    if found is None:
        return name
    values = _Known({key: str(value) for key, value in data.items()})
    values["who"] = who
    for key, short in (("total_minor", "total"), ("amount_minor", "amount"), ("received_minor", "amount")):
        if isinstance(data.get(key), int):
            values[short] = money(data[key], str(data.get("currency", "")))
    values["reason"] = str(REASONS.get(str(data.get("reason", "")), _("no reason given")))
    return str(found.by if who or not found.alone else found.alone) % values
