"""A member sees everything of its company, or chosen databases with their papers alone; an owner decides."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.members import may_manage
from portico.accounts.models import Customer, Event, Membership, User
from portico.billing.models import DatabaseAccess, Subscription
from portico.kit.errors import Conflict, Forbidden, Invalid


def choose_databases(*, membership: Membership, names: Collection[str] | None, by: User, now: datetime) -> None:
    """From now on the member sees the databases of these names alone; None: everything. One transaction.

    Raises Forbidden, Invalid for no database or one that is not the company's, Conflict for an owner, who sees everything.
    """
    customer = membership.customer
    if not may_manage(by, customer):
        raise Forbidden(_("Only an owner changes who works for the company."))
    with transaction.atomic():
        Customer.objects.select_for_update().get(pk=customer.pk)
        membership = Membership.objects.select_for_update(of=("self",)).get(pk=membership.pk)
        if membership.is_owner and names is not None:
            raise Conflict(_("An owner sees everything. Take that role away first. Nothing was changed."))
        rows = list(Subscription.objects.filter(customer=customer, database__name__in=names or ()))
        if names is not None and (not rows or len(rows) != len(set(names))):
            raise Invalid(_("Choose at least one of the company's databases."))
        DatabaseAccess.objects.filter(membership=membership).delete()
        DatabaseAccess.objects.bulk_create(DatabaseAccess(membership=membership, subscription=row) for row in rows)
        membership.limit(names is not None)
        Event.record(
            "member.limited", membership, now=now, by=by, customer=customer, user=membership.user_id,
            subscriptions=sorted(row.pk for row in rows),
        )  # fmt: skip
