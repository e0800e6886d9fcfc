"""Who works for the seller: invited by an administrator, with one role; a seller never loses its last administrator."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts import letters
from portico.accounts.models import Seller, User
from portico.kit.errors import Conflict, Invalid
from portico.kit.text import one_line


def address(email: str) -> str:
    """The address as it is kept; Conflict when it has a login already, on whichever side."""
    email = one_line(email).lower()
    if User.objects.filter(email__iexact=email).exists():
        raise Conflict(_("This address has a login already."))
    return email


def invite(
    *, seller: Seller, email: str, name: str, title: str, language: str, role: str, by: User, now: datetime
) -> User:
    """A new login on the seller's side, without a password; a letter brings the link to choose one."""
    if role not in User.StaffRole or not role:
        raise Invalid(_("Choose a role."))
    with transaction.atomic():
        user = User.objects.create_user(
            address(email),
            name=one_line(name),
            title=one_line(title),
            language=language,
            staff_of=seller,
            staff_role=role,
        )
        letters.staff_invitation(user=user, seller=seller, by=by, now=now)
    return user


def keep_an_administrator(user: User, role: str | None, *, active: bool | None) -> None:
    """Conflict when `user`, with this role or signed out for good, would leave the seller without an administrator."""
    if role == User.StaffRole.ADMIN and active:
        return
    others = User.objects.filter(staff_of=user.staff_of_id, staff_role=User.StaffRole.ADMIN, is_active=True)
    if not others.exclude(pk=user.pk).exists():
        raise Conflict(_("This is the only administrator. Make somebody else one first. Nothing was changed."))


def change(user: User, *, fields: Collection[str]) -> None:
    """Keep what was changed of `user`: name, title, language, staff_role, is_active."""
    with transaction.atomic():
        list(User.objects.select_for_update().filter(staff_of=user.staff_of_id, staff_role=User.StaffRole.ADMIN))
        keep_an_administrator(user, user.staff_role, active=user.is_active)
        user.save(update_fields=list(fields))
