"""The mails about a quotation: to those who may decide, and to the salesperson."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import DECIDES, drawn, members, sellers
from portico.accounts.models import User
from portico.billing.documents.certificate import certificate_pdf
from portico.billing.models import Acceptance, ChangeRequest, ChangeWish, Order, Quotation, QuotationVersion
from portico.kit import formats
from portico.kit.models import Letter
from portico.kit.outbox import MEMBER, STAFF, Attachment, Drawn, Reader, kind, post

GONE = {QuotationVersion.State.WITHDRAWN, QuotationVersion.State.SUPERSEDED}
"""States in which it would mislead to offer a version."""


def quotation_sent(version: QuotationVersion, *, now: datetime) -> None:
    """The first version of a quotation is there to be decided."""
    _to_deciders("quotation_sent", version, now=now)


def new_version(version: QuotationVersion, *, now: datetime) -> None:
    """Another version takes the place of the one before."""
    _to_deciders("new_version", version, now=now)


def quotation_expires(version: QuotationVersion, *, now: datetime) -> int:
    """An open quotation soon expires; once for each version. Returns how many readers there are."""
    return _to_deciders("quotation_expires", version, now=now)


def quotation_approved(version: QuotationVersion, *, by: User, now: datetime) -> None:
    """The first of two approvals was given; the other approvers hear that one of them is needed."""
    _to_deciders("quotation_approved", version, but=by, now=now)


def quotation_accepted(version: QuotationVersion, *, now: datetime) -> None:
    """Both sides get the quotation as it was accepted."""
    _to_deciders("quotation_accepted", version, now=now)
    _to_sellers("quotation_accepted", version, now=now)


def quotation_rejected(version: QuotationVersion, *, now: datetime) -> None:
    """The salesperson hears why. A quotation that was reopened can be rejected again."""
    _to_sellers("quotation_rejected", version, again=f"{version.rejected_at:%Y%m%d%H%M%S}", now=now)


def changes_requested(request: ChangeRequest, *, version: QuotationVersion, now: datetime) -> None:
    """The salesperson hears what the customer wants otherwise, or that it wants a new quotation."""
    _to_sellers("changes_requested", version, about=f"request:{request.pk}", data={"request": request.pk}, now=now)


def _to_deciders(event: str, version: QuotationVersion, *, but: User | None = None, now: datetime) -> int:
    return _post(event, version, members(version.quotation.customer, DECIDES, event, why="decides", but=but), now=now)


def _to_sellers(event: str, version: QuotationVersion, *, now: datetime, **more: Any) -> int:
    quotation = version.quotation
    return _post(event, version, sellers(quotation.seller, quotation.salesperson, event), now=now, **more)


def _post(
    event: str,
    version: QuotationVersion,
    readers: Iterable[Reader],
    *,
    about: str = "",
    data: dict[str, int] | None = None,
    again: str = "",
    now: datetime,
) -> int:
    return post(
        event,
        readers,
        about=about or f"version:{version.pk}",
        data=data or {"version": version.pk},
        seller=version.quotation.seller_id,
        customer=version.quotation.customer_id,
        again=again,
        now=now,
    )


# Drawing --------------------------------------------------------------------------------------------------------------


@kind("quotation_sent", label=lazy("A quotation was sent"))
def draw_quotation_sent(letter: Letter) -> Drawn | None:
    """What is offered, at what total, until when; nothing where it was accepted by itself, which is told instead."""
    version = _version(letter)
    by_mandate = Acceptance.objects.filter(version=version, mandate__isnull=False).exists()
    reported = version.quotation.origin == Quotation.Origin.REPORT
    return None if version.state in GONE or by_mandate else _drawn(letter, version, reported=reported)


@kind("new_version", label=lazy("A new version of a quotation was sent"))
def draw_new_version(letter: Letter) -> Drawn | None:
    """What changed, in the seller's words, and the new total."""
    version = _version(letter)
    return None if version.state in GONE else _drawn(letter, version)


@kind("quotation_expires", label=lazy("A quotation soon expires"))
def draw_quotation_expires(letter: Letter) -> Drawn | None:
    """Until when; nothing once it was decided or its last day is over."""
    version = _version(letter)
    still_open = version.state in QuotationVersion.OPEN and not version.is_expired(timezone.now())
    return _drawn(letter, version) if still_open else None


@kind("quotation_approved", label=lazy("A second approval is needed"))
def draw_quotation_approved(letter: Letter) -> Drawn | None:
    """Who approved; nothing once it was decided."""
    version = _version(letter)
    if version.state not in QuotationVersion.OPEN:
        return None
    approval = version.first_approval
    return _drawn(letter, version, who=_name(approval.by), total_minor=approval.selection.total_minor)


@kind("quotation_accepted", label=lazy("A quotation was accepted"), sides=(MEMBER, STAFF))
def draw_quotation_accepted(letter: Letter) -> Drawn | None:
    """Who accepted what, the order, the quotation as it was accepted, and the certificate: both sides get it (DOMAIN 3)."""
    version = _version(letter)
    acceptance = Acceptance.objects.select_related("pdf").get(version=version)
    order = Order.objects.filter(version=version).first()
    number = version.quotation.number
    files = [Attachment(f"{number}-v{version.version}-{_('accepted')}.pdf", acceptance.pdf.read())]
    if acceptance.signer_name:  # the evidence may be erased by then
        files.append(Attachment(f"{number}-certificate.pdf", _certificate(acceptance.pk, str(letter.queued_at))))
    return _drawn(
        letter,
        version,
        attachments=files,
        order=order.number if order else "",
        who=acceptance.signer_name,
        total_minor=acceptance.total_minor,
        at=acceptance.accepted_at,
    )


@lru_cache(maxsize=1)
def _certificate(acceptance: int, _queued_at: str) -> bytes:
    """The certificate; the letters of one acceptance are queued at one moment and drawn one after the other."""
    rows = Acceptance.objects.select_related("pdf", "accepted_by", "version__quotation__seller")
    return certificate_pdf(rows.select_related("version__quotation__customer").get(pk=acceptance))


@kind("quotation_rejected", label=lazy("A quotation was rejected"), sides=(STAFF,))
def draw_quotation_rejected(letter: Letter) -> Drawn | None:
    """Who, and why; nothing when it was reopened meanwhile."""
    version = _version(letter)
    if version.state != QuotationVersion.State.REJECTED:
        return None
    reasons = {
        "price": _("The price is too high"),
        "not_now": _("Not now; the budget has moved"),
        "other_solution": _("We chose another solution"),
        "other": _("Another reason"),
    }
    return _drawn(
        letter,
        version,
        who=_name(version.rejected_by),
        reason=reasons.get(version.rejected_reason, ""),
        comment=version.rejected_comment,
    )


@kind("changes_requested", label=lazy("A customer asks for changes or a new quotation"), sides=(STAFF,))
def draw_changes_requested(letter: Letter) -> Drawn | None:
    """The customer's words, and its wishes line by line."""
    request = ChangeRequest.objects.select_related("by").get(pk=letter.data["request"])
    version = _version(letter, request.version_id)
    wishes = [(one.line.name, _wish(one, letter.language)) for one in request.wishes.select_related("line")]
    return _drawn(
        letter,
        version,
        who=_name(request.by),
        wants_new=request.kind == ChangeRequest.Kind.NEW_QUOTATION,
        words=request.message,
        wishes=wishes,
    )


def _wish(wish: ChangeWish, language: str) -> str:
    if wish.wish == ChangeWish.Wish.REMOVE:
        return _("leave out")
    if wish.wish == ChangeWish.Wish.QUANTITY and wish.quantity is not None:
        return _("quantity %(number)s") % {"number": formats.quantity(wish.quantity, language)}
    return wish.comment


def _version(letter: Letter, key: int | None = None) -> QuotationVersion:
    rows = QuotationVersion.objects.select_related(
        "quotation__seller", "quotation__customer", "quotation__salesperson", "rejected_by"
    )
    return rows.get(pk=key or letter.data["version"])


def _name(user: User | None) -> str:
    return user.get_full_name() if user else _("Somebody")


def _drawn(
    letter: Letter, version: QuotationVersion, *, attachments: Iterable[Attachment] = (), **context: Any
) -> Drawn:
    """A letter about a version; its button leads to the quotation on the reader's side of the desk."""
    quotation = version.quotation
    face = "staff" if letter.why == "sells" else "my"
    return drawn(
        letter,
        seller=quotation.seller,
        customer=quotation.customer,
        path=reverse(f"{face}:quotations.detail", args=[quotation.number]),
        context={
            "quotation": quotation,
            "version": version,
            "title": version.title or quotation.number,
            "total_minor": version.total_minor,
            "salesperson": quotation.salesperson.get_full_name() if quotation.salesperson else "",
            "for_staff": face == "staff",
            "zone": quotation.seller.zone,
            **context,
        },
        attachments=list(attachments),
    )
