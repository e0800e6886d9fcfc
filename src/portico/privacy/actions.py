"""What can be asked about one's data, and what becomes of it. Each step is one transaction with its event."""

from datetime import date, datetime, timedelta

from django.contrib.sessions.models import Session
from django.core import signing
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Membership, Seller, User
from portico.kit import formats
from portico.kit.addresses import absolute
from portico.kit.db import claim
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.periods import add_months, one_month_after, today
from portico.kit.text import one_line
from portico.privacy.erasing import STEPS, kept
from portico.privacy.models import Closing, ErasureRequest, Export

SALT_REOPEN, SALT_FETCH = "portico.privacy.reopen", "portico.privacy.fetch"


# Closing ---------------------------------------------------------------------------------------------------------------


def close_account(*, user: User, password: str, now: datetime) -> Closing:
    """End this person's sign-in; the mail holds a link that opens it again for thirty days.

    Raises Invalid for a wrong password, Conflict for the only owner of a company that has other people.
    """
    confirm(user, password)
    with transaction.atomic():
        for membership in Membership.objects.select_for_update().filter(user=user, is_owner=True):
            others = Membership.objects.filter(customer=membership.customer, user__is_active=True).exclude(user=user)
            if others.exists() and not others.filter(is_owner=True).exists():
                raise Conflict(
                    _("You are the only owner of %(company)s. Make somebody else an owner first. Nothing was closed.")
                    % {"company": membership.customer.legal_name}
                )
        closing = Closing.objects.create(user=user, closed_at=now)
        User.objects.filter(pk=user.pk).update(is_active=False)
        end_sessions(user)
        Event.record("account.closed", user, now=now, by=user, user=user.pk)
    tell_closed(closing)
    return closing


def tell_closed(closing: Closing) -> None:
    """The link that opens the account again, sent directly: it is a credential and is kept nowhere."""
    user = closing.user
    link = absolute(reverse("share:privacy.reopen", args=[signing.dumps(closing.pk, salt=SALT_REOPEN)]))
    with translation.override(user.language or "en"):
        text = _(
            "Your account is closed: nobody can sign in with it. Documents and contracts stay, and so does the personal data "
            "in them; to have that erased, ask for it. Within thirty days this link opens the account again:"
        )
        send_mail(_("Your account is closed"), f"{text}\n\n{link}\n", None, [user.email])


def read_reopen(token: str, *, now: datetime) -> Closing:
    """The closing of a mailed link; Missing when it is none, too old or used."""
    try:
        key = signing.loads(token, salt=SALT_REOPEN, max_age=Closing.REVERSIBLE)
    except signing.BadSignature:
        raise Missing(_("This link is too old or not whole. Write to us to open your account again.")) from None
    found = Closing.objects.select_related("user").filter(pk=key, undone_at=None).first()
    if found is None or now - found.closed_at > Closing.REVERSIBLE:
        raise Missing(_("This link is too old or not whole. Write to us to open your account again."))
    return found


def reopen(closing: Closing, *, now: datetime) -> None:
    """Sign-in works again. Conflict when it was opened before."""
    with transaction.atomic():
        if not claim(Closing.objects.filter(pk=closing.pk, undone_at=None), undone_at=now):
            raise Conflict(_("This account is open already. Sign in."))
        User.objects.filter(pk=closing.user_id).update(is_active=True)
        Event.record("account.reopened", closing.user, now=now, by=closing.user, user=closing.user_id)


def confirm(user: User, password: str) -> None:
    """The person types its password again: a borrowed screen is not enough."""
    if not user.check_password(password):
        raise Invalid(_("This is not your password. Nothing was changed."))


def end_sessions(user: User) -> None:
    """Sign the person out everywhere."""
    ended = [one.session_key for one in Session.objects.all() if one.get_decoded().get("_auth_user_id") == str(user.pk)]
    Session.objects.filter(session_key__in=ended).delete()


# A copy ----------------------------------------------------------------------------------------------------------------


def ask_export(*, user: User, password: str, now: datetime) -> Export:
    """The worker makes a copy of this person's data. Conflict while one is being made."""
    confirm(user, password)
    try:
        with transaction.atomic():
            return Export.objects.create(user=user, asked_at=now)
    except IntegrityError:
        raise Conflict(_("A copy is being made already. It is listed below.")) from None


def fetch_token(export: Export) -> str:
    """What the link of a finished copy holds."""
    return signing.dumps(export.pk, salt=SALT_FETCH)


def take_export(token: str, *, user: User, now: datetime) -> bytes:
    """The ZIP, once: the file is gone afterwards. Missing for another person's, a used and a stale link alike."""
    try:
        key = signing.loads(token, salt=SALT_FETCH, max_age=Export.KEPT)
    except signing.BadSignature:
        raise Missing(_("This link is too old or was used. Ask for a new copy.")) from None
    ready = Export.objects.filter(pk=key, user=user, state=Export.State.READY, ready_at__gt=now - Export.KEPT)
    export = ready.first()
    if export is None:
        raise Missing(_("This link is too old or was used. Ask for a new copy."))
    content = export.path.read_bytes()
    if not claim(ready, state=Export.State.FETCHED, fetched_at=now):
        raise Missing(_("This link is too old or was used. Ask for a new copy."))
    export.path.unlink(missing_ok=True)
    return content


# Erasure ---------------------------------------------------------------------------------------------------------------


def ask_erasure(*, user: User, seller: Seller, password: str, now: datetime) -> ErasureRequest:
    """A person asks to be erased: the clock of one calendar month begins today. Conflict while a request is open."""
    confirm(user, password)
    return _receive(user, seller, ErasureRequest.Channel.PORTAL, today(now, seller.zone), by=user, now=now)


def record_erasure(
    *, seller: Seller, email: str, channel: str, received_on: date, by: User, now: datetime
) -> ErasureRequest:
    """Staff record a request that came by mail, post or telephone; the clock began when it came.

    Raises Invalid, Missing for an address without a login, Conflict while a request is open or for one of the staff.
    """
    if channel not in ErasureRequest.Channel.values or channel == ErasureRequest.Channel.PORTAL:
        raise Invalid(_("Choose how it came."))
    if not today(now, seller.zone) - timedelta(days=365) <= received_on <= today(now, seller.zone):
        raise Invalid(_("Enter the day on which it came, within the last year."))
    user = User.objects.filter(email__iexact=one_line(email), memberships__customer__seller=seller).first()
    if user is None:
        raise Missing(_("No customer's login has this address. Answer that you hold no login for it."))
    return _receive(user, seller, channel, received_on, by=by, now=now)


def _receive(user: User, seller: Seller, channel: str, received_on: date, *, by: User, now: datetime) -> ErasureRequest:
    if user.is_staff:
        raise Conflict(_("The data of the seller's own people is erased by their employer's rules."))
    try:
        with transaction.atomic():
            request = ErasureRequest.objects.create(
                seller=seller, user=user, channel=channel, received_on=received_on, due_on=one_month_after(received_on)
            )
            Event.record("erasure.received", request, now=now, by=by, visible=False, request=request.pk)
    except IntegrityError:
        raise Conflict(_("A request of this person is open already.")) from None
    return request


def withdraw(*, user: User, now: datetime) -> None:
    """The person takes its request back, while nothing was erased yet."""
    rows = ErasureRequest.objects.filter(user=user, state=ErasureRequest.State.RECEIVED)
    _decide(rows, ErasureRequest.State.WITHDRAWN, "erasure.withdrawn", by=user, now=now)


def refuse(*, request: ErasureRequest, reason: str, by: User, now: datetime) -> None:
    """Staff refuse with a reason, which the person is told together with its right to complain."""
    reason = reason.strip()[:2000]
    if not reason:
        raise Invalid(_("Say why: the person is told, and may complain to the authority."))
    rows = ErasureRequest.objects.filter(pk=request.pk, state=ErasureRequest.State.RECEIVED)
    _decide(rows, ErasureRequest.State.REFUSED, "erasure.refused", by=by, now=now, reason=reason)
    request.refresh_from_db()
    _tell(request, _("Your request %(receipt)s was refused"), reason)


def extend(*, request: ErasureRequest, reason: str, by: User, now: datetime) -> None:
    """Two months more, told within the first (Art. 12(3)); once."""
    reason = reason.strip()[:2000]
    if not reason:
        raise Invalid(_("Say why it takes longer: the person is told."))
    day = today(now, request.seller.zone)
    with transaction.atomic():
        rows = ErasureRequest.objects.filter(pk=request.pk, state=ErasureRequest.State.RECEIVED, extended_on=None)
        later = add_months(request.received_on, 3)
        if day > request.due_on or not claim(rows, extended_on=day, due_on=later, reason=reason):
            raise Conflict(_("It can be extended once, within its first month. Nothing was changed."))
        Event.record("erasure.extended", request, now=now, by=by, visible=False, request=request.pk)
    request.refresh_from_db()
    _tell(request, _("Your request %(receipt)s takes longer"), reason)


def begin_erasure(*, request: ErasureRequest, by: User, now: datetime) -> None:
    """Staff have it carried out: the worker does it from here, and it cannot be taken back."""
    rows = ErasureRequest.objects.filter(pk=request.pk, state=ErasureRequest.State.RECEIVED)
    request.refresh_from_db()
    if request.state == ErasureRequest.State.RECEIVED:
        _tell(request, _("Your request %(receipt)s is being carried out"), _told_by(request))
    _decide(rows, ErasureRequest.State.EXECUTING, "erasure.begun", by=by, now=now)


def _told_by(request: ErasureRequest) -> str:
    with translation.override(request.user.language or "en"):
        lines = [_("This is erased now:"), *(f"- {step.words}" for step in STEPS)]
        stays = kept(request.user, request.seller.country)
        if stays:
            lines += ["", _("This the law makes us keep:")]
            lines += [
                _("- %(what)s, until %(day)s (%(law)s)")
                % {"what": one.words, "day": formats.day(one.until, request.user.language or "en"), "law": one.law}
                for one in stays
            ]
        return "\n".join(lines)


def _tell(request: ErasureRequest, subject: str, text: str) -> None:
    """Sent directly, not through the outbox: the letters about a person are among what is erased."""
    with translation.override(request.user.language or "en"):
        more = _("You may complain to the data protection authority. Write to us at %(address)s.")
        body = f"{text}\n\n{more % {'address': request.seller.privacy_email}}\n"
        send_mail(subject % {"receipt": request.receipt}, body, None, [request.user.email])


def _decide(
    rows: QuerySet[ErasureRequest], state: str, event: str, *, by: User, now: datetime, **changes: object
) -> None:
    with transaction.atomic():
        request = rows.first()
        if request is None or not claim(
            rows.filter(pk=request.pk), state=state, decided_by=by, decided_at=now, **changes
        ):
            raise Conflict(_("This request was decided before. Nothing was changed."))
        Event.record(event, request, now=now, by=by, visible=False, request=request.pk)


def expire_exports(now: datetime) -> int:
    """Copies that nobody fetched within a week are removed."""
    count = 0
    for export in Export.objects.filter(state=Export.State.READY, ready_at__lte=now - Export.KEPT):
        if claim(Export.objects.filter(pk=export.pk, state=Export.State.READY), state=Export.State.EXPIRED):
            export.path.unlink(missing_ok=True)
            count += 1
    return count
