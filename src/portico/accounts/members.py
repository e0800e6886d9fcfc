"""Who works for a customer, and what each may do: invited, changed, removed, by an owner or by the seller's people.

A customer never loses its last owner. Each change is one transaction that locks the customer, with its event.
"""

from collections.abc import Collection
from datetime import datetime

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts import letters
from portico.accounts.models import Actor, ApiKey, Customer, Event, Membership, User
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing
from portico.kit.text import one_line

ROLES = ("owner", "approver", "billing", "viewer")
MOST_MEMBERS = 500


def may_manage(user: Actor, customer: Customer) -> bool:
    """Owners of the customer; of the seller's people sales and administrators; of its integrations those that may."""
    if isinstance(user, ApiKey):
        return user.seller_id == customer.seller_id and user.allows("members:write")
    if user.is_staff:
        return user.staff_role in {User.StaffRole.SALES, User.StaffRole.ADMIN}
    return Membership.objects.filter(user=user, customer=customer, is_owner=True).exists()


def read_roles(chosen: Collection[str]) -> dict[str, bool]:
    """The roles as a membership holds them; Invalid for none and for one there is not."""
    if not chosen or not set(chosen) <= set(ROLES):
        raise Invalid(_("Choose at least one role."))
    return {f"is_{role}": role in chosen for role in ROLES}


def invite(
    *, customer: Customer, email: str, name: str, roles: Collection[str], by: Actor, now: datetime
) -> Membership:
    """Somebody may work for `customer` from now on, and is told by mail; with a login already, or with a new one.

    Raises Forbidden, Invalid (address, name, roles), Conflict (a member already, or one of the seller's people).
    """
    email, name, held = one_line(email).lower(), one_line(name), read_roles(roles)
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid(_("This is not an e-mail address.")) from None
    if len(email) > 254 or len(name) > 120:
        raise Invalid(_("At most %(longest)d characters.") % {"longest": 120})
    with transaction.atomic():
        _lock(customer, by)
        if customer.memberships.count() >= MOST_MEMBERS:
            raise Conflict(_("This company has as many people as it can. Remove somebody first."))
        user = User.objects.filter(email__iexact=email).first()
        if user is None:
            if not name:
                raise Invalid(_("Enter the person's name."))
            user = User.objects.create_user(email, name=name, language=customer.language)
        if user.is_staff or not user.is_active:
            raise Conflict(_("This address cannot be invited. Nobody was invited."))
        membership, made = Membership.objects.get_or_create(user=user, customer=customer, defaults=held)
        if not made:
            raise Conflict(_("This person is a member already. Change the roles instead."))
        letters.invitation(membership=membership, by=by, now=now)
        _record("member.invited", membership, by=by, now=now)
    return membership


def invite_again(*, membership: Membership, by: Actor, now: datetime) -> None:
    """Send the invitation once more, with a new link. Conflict for somebody who has signed in already."""
    with transaction.atomic():
        _lock(membership.customer, by)
        if membership.user.has_usable_password():
            raise Conflict(_("This person has a password already and can sign in. No mail was sent."))
        letters.invitation(membership=membership, by=by, now=now, again=now.isoformat())
        _record("member.invited", membership, by=by, now=now)


def change_roles(*, membership: Membership, roles: Collection[str], by: Actor, now: datetime) -> None:
    """From now on this member may do that. Conflict when the company would be left without an owner."""
    held = read_roles(roles)
    with transaction.atomic():
        _lock(membership.customer, by)
        if not held["is_owner"]:
            _refuse_last_owner(membership)
        for name, holds in held.items():
            setattr(membership, name, holds)
        membership.save(update_fields=list(held))
        _record("member.changed", membership, by=by, now=now)


def remove(*, membership: Membership, by: Actor, now: datetime) -> None:
    """This person no longer works for the customer; what it did stays. Conflict for the last owner."""
    with transaction.atomic():
        _lock(membership.customer, by)
        _refuse_last_owner(membership)
        _record("member.removed", membership, by=by, now=now)
        User.objects.filter(current_membership=membership).update(current_membership=None)
        membership.delete()


def _lock(customer: Customer, by: Actor) -> None:
    """One change of a company's people at a time, by somebody who may."""
    if not Customer.objects.select_for_update().filter(pk=customer.pk).exists():
        raise Missing(_("There is no such company."))
    if not may_manage(by, customer):
        raise Forbidden(_("Only an owner changes who works for the company."))


def _refuse_last_owner(membership: Membership) -> None:
    others = Membership.objects.filter(customer=membership.customer_id, is_owner=True, user__is_active=True)
    if membership.is_owner and not others.exclude(pk=membership.pk).exists():
        raise Conflict(_("This is the only owner. Make somebody else an owner first. Nothing was changed."))


def _record(name: str, membership: Membership, *, by: Actor, now: datetime) -> None:
    Event.record(
        name,
        membership,
        now=now,
        by=by,
        customer=membership.customer,
        user=membership.user_id,
        roles=sorted(membership.roles),
    )
