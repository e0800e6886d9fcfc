"""A database that the vendor's own system has opened for a customer, before anything is sold for it."""

import re
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, ApiKey, Customer, Event, User
from portico.billing.models import Database
from portico.kit.errors import Conflict, Forbidden, Invalid

NAME = re.compile(r"[a-z0-9](-?[a-z0-9])*")
LONGEST = 63


def open_database(*, customer: Customer, name: str, by: Actor, now: datetime) -> Database:
    """The customer's database of this name, without a subscription yet.

    Raises Forbidden, Invalid for a name that cannot be, Conflict when it is taken.
    """
    if isinstance(by, ApiKey):
        allowed = by.seller_id == customer.seller_id and by.allows("databases:write")
    else:
        allowed = by.staff_role in {User.StaffRole.SALES, User.StaffRole.ADMIN}
    if not allowed:
        raise Forbidden(_("Databases are added by sales and administrators."))
    if len(name) > LONGEST or not NAME.fullmatch(name):
        raise Invalid(_("A database's name has small letters, digits and single hyphens, at most 63."))
    try:
        with transaction.atomic():
            database = Database.objects.create(customer=customer, name=name, created_at=now)
            Event.record("database.opened", database, now=now, by=by, customer=customer, visible=False, number=name)
    except IntegrityError:
        raise Conflict(_("The database name %(name)s is taken. Choose another one.") % {"name": name}) from None
    return database
