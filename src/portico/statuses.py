"""Every status on screen: tone, icon, word. A colour never stands alone (design: icon and word)."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

STATUSES: dict[str, dict[str, tuple[str, str, str | Promise]]] = {
    "quotation": {
        "draft": ("", "circle-dashed", _("Draft")),
        "sent": ("accent", "circle-dot", _("To decide")),
        "changes_requested": ("warn", "message-square", _("Changes requested")),
        "accepted": ("ok", "circle-check", _("Accepted")),
        "rejected": ("danger", "circle-x", _("Rejected")),
        "expired": ("warn", "hourglass", _("Expired")),
        "withdrawn": ("", "ban", _("Withdrawn")),
        "superseded": ("", "history", _("Replaced")),
    },
    "order": {
        "awaiting_payment": ("warn", "clock", _("Awaiting payment")),
        "confirmed": ("accent", "circle-dashed", _("Confirmed")),
        "fulfilled": ("ok", "circle-check", _("Fulfilled")),
        "cancelled": ("", "ban", _("Cancelled")),
    },
    "delivery": {
        "none": ("", "circle", _("Not delivered")),
        "part": ("accent", "circle-dashed", _("Partly delivered")),
        "all": ("ok", "circle-check", _("Delivered")),
        "cancelled": ("", "ban", _("Cancelled")),
    },
    "invoicing": {
        "none": ("", "circle", _("Not invoiced")),
        "part": ("warn", "contrast", _("Partly invoiced")),
        "all": ("ok", "circle-check", _("Fully invoiced")),
        "cancelled": ("", "ban", _("Cancelled")),
    },
    "settlement": {
        "awaiting": ("warn", "clock", _("Awaiting payment")),
        "due": ("", "circle", _("To pay")),
        "paid": ("ok", "circle-check", _("Paid")),
        "none": ("", "circle-dashed", _("Nothing due")),
    },
    "invoice": {
        "not_paid": ("", "circle", _("Not paid")),
        "in_payment": ("accent", "clock", _("In payment")),
        "partially_paid": ("warn", "contrast", _("Partially paid")),
        "paid": ("ok", "circle-check", _("Paid")),
        "overdue": ("danger", "triangle-alert", _("Overdue")),
        "credited": ("", "undo-2", _("Credited")),
        "disputed": ("warn", "circle-alert", _("Disputed")),
        "credit_note": ("", "undo-2", _("Credit note")),
    },
    "subscription": {
        "pending": ("", "clock", _("Pending")),
        "active": ("ok", "circle-check", _("Active")),
        "past_due": ("danger", "triangle-alert", _("Past due")),
        "suspended": ("danger", "ban", _("Suspended")),
        "paused": ("warn", "hourglass", _("Paused")),
        "ended": ("", "circle-x", _("Ended")),
    },
    "api_key": {
        "working": ("ok", "circle-check", _("Working")),
        "revoked": ("", "ban", _("Revoked")),
    },
    "archive": {
        "queued": ("", "clock", _("Waiting")),
        "running": ("accent", "clock", _("Being made")),
        "ready": ("ok", "circle-check", _("Ready")),
        "failed": ("danger", "triangle-alert", _("Failed")),
    },
    "run": {
        "running": ("accent", "clock", _("Under way")),
        "done": ("ok", "circle-check", _("Done")),
        "failures": ("warn", "triangle-alert", _("Done, some failed")),
    },
    "letter": {
        "queued": ("accent", "clock", _("Waiting")),
        "sending": ("accent", "send", _("Being sent")),
        "sent": ("ok", "circle-check", _("Sent")),
        "failed": ("danger", "circle-x", _("Failed")),
        "dropped": ("", "ban", _("Not needed any more")),
    },
    "webhook": {
        "on": ("ok", "circle-check", _("On")),
        "off": ("", "ban", _("Off")),
        "failing": ("danger", "circle-x", _("No longer works")),
        "gone": ("danger", "circle-x", _("Gone")),
    },
    "webhook_delivery": {
        "queued": ("accent", "clock", _("Waiting")),
        "sending": ("accent", "send", _("Being sent")),
        "delivered": ("ok", "circle-check", _("Received")),
        "failed": ("danger", "circle-x", _("Failed")),
        "dropped": ("", "ban", _("Not needed any more")),
    },
    "refund": {
        "waiting": ("warn", "users", _("Waits for a second person")),
        "pending": ("accent", "clock", _("On its way")),
        "unknown": ("warn", "hourglass", _("Being looked up")),
        "succeeded": ("ok", "circle-check", _("Given back")),
        "failed": ("danger", "circle-x", _("Failed")),
        "refused": ("", "ban", _("Not agreed")),
    },
    "import": {
        "running": ("accent", "clock", _("Under way")),
        "done": ("ok", "circle-check", _("Done")),
        "refusals": ("warn", "triangle-alert", _("Done, some refused")),
        "refused": ("danger", "circle-x", _("Done, all refused")),
    },
    "import_file": {
        "waiting": ("", "clock", _("Waiting")),
        "imported": ("ok", "circle-check", _("Imported")),
        "known": ("", "history", _("Known before")),
        "refused": ("danger", "circle-x", _("Refused")),
    },
    "identity_request": {
        "open": ("warn", "circle-dot", _("To decide")),
        "confirmed": ("ok", "circle-check", _("Confirmed")),
        "refused": ("danger", "circle-x", _("Refused")),
        "withdrawn": ("", "ban", _("Withdrawn")),
    },
    "bank": {
        "new": ("", "clock", _("Being looked at")),
        "open": ("warn", "circle-alert", _("To be decided")),
        "booked": ("ok", "circle-check", _("Booked")),
        "aside": ("", "circle-minus", _("Set aside")),
    },
    "payment": {
        "pending": ("accent", "clock", _("In payment")),
        "unknown": ("warn", "hourglass", _("Being looked up")),
        "succeeded": ("ok", "circle-check", _("Received")),
        "failed": ("danger", "circle-x", _("Failed")),
        "cancelled": ("", "ban", _("Cancelled")),
        "refunded": ("", "undo-2", _("Refunded")),
        "reversed": ("danger", "undo-2", _("Taken back")),
    },
}


def status_of(kind: str, status: str) -> tuple[str, str, str | Promise]:
    """Tone ("", ok, warn, danger, accent), icon and word of a status; `kind` as in STATUSES."""
    return STATUSES[kind][status]
