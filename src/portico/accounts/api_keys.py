"""Keys of the seller's own systems: made, rotated and revoked by an administrator, or on the server's command line.

Each change is one transaction with its event; a secret is told once, by the function that makes it.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import SCOPES, ApiKey, Event, KeptAnswer, Seller, User
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.text import one_line

OVERLAPS = {
    "0": lazy("Not at all: it stops at once"),
    "1": lazy("For an hour"),
    "24": lazy("For a day"),
    "168": lazy("For a week"),
}
"""How long the old secret works on beside a new one, in hours."""
MOST_PER_MINUTE = 60_000
NAME_LENGTH = 60
BATCH = 500


def create(
    *, seller: Seller, name: str, scopes: Collection[str], per_minute: int, by: User | None, now: datetime
) -> tuple[ApiKey, str]:
    """A new key and its secret. `by` is empty for whoever runs the server.

    Raises Forbidden, Invalid (name, scopes, limit), Conflict when a working key has this name.
    """
    _refuse_others(by)
    name = one_line(name)
    if not name or len(name) > NAME_LENGTH:
        raise Invalid(_("Give the integration a name, at most %(longest)d characters.") % {"longest": NAME_LENGTH})
    if not scopes or not set(scopes) <= set(SCOPES):
        raise Invalid(_("Choose what the integration may do."))
    if not 1 <= per_minute <= MOST_PER_MINUTE:
        raise Invalid(_("Requests a minute are between 1 and %(most)d.") % {"most": MOST_PER_MINUTE})
    try:
        with transaction.atomic():
            key, secret = ApiKey.issue(
                seller=seller, name=name, scopes=scopes, per_minute=per_minute, by=by, now=now
            )  # fmt: skip
            _record("api_key.created", key, by=by, now=now, scopes=key.scopes)
    except IntegrityError:
        raise Conflict(_("There is a key of this name already. Choose another name, or revoke that one.")) from None
    return key, secret


def rotate(*, key: ApiKey, overlap_hours: str, by: User | None, now: datetime) -> str:
    """A new secret; the old one works on for one of `OVERLAPS`. Forbidden, Invalid, Conflict."""
    _refuse_others(by)
    if overlap_hours not in OVERLAPS:
        raise Invalid(_("Choose how long the old secret still works."))
    with transaction.atomic():
        secret = key.rotate(overlap=timedelta(hours=int(overlap_hours)), now=now)
        _record("api_key.rotated", key, by=by, now=now, overlap_hours=int(overlap_hours))
    return secret


def revoke(*, key: ApiKey, by: User | None, now: datetime) -> None:
    """From the next request on it opens nothing. Forbidden, Conflict."""
    _refuse_others(by)
    with transaction.atomic():
        key.revoke(by=by, now=now)
        _record("api_key.revoked", key, by=by, now=now)


def forget_answers(now: datetime) -> int:
    """Delete a batch of kept answers that are older than a day; how many."""
    old = KeptAnswer.objects.filter(taken_at__lt=now - KeptAnswer.KEPT).order_by("taken_at")
    gone, _by_model = KeptAnswer.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:BATCH])).delete()
    return gone


def _refuse_others(by: User | None) -> None:
    if by is not None and by.staff_role != User.StaffRole.ADMIN:
        raise Forbidden(_("Keys of the API are made and revoked by an administrator."))


def _record(name: str, key: ApiKey, *, by: User | None, now: datetime, **data: object) -> None:
    Event.record(name, key, now=now, by=by, visible=False, **data)
