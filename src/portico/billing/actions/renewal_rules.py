"""When a seller offers renewals, and how long it waits: kept by finance."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Seller, User
from portico.billing.models import RenewalRules
from portico.kit.errors import Forbidden, Invalid


def change_renewal_rules(
    *, seller: Seller, ahead_days: int, grace_days: int, ending_days: int, by: User, now: datetime
) -> RenewalRules:
    """Keep the days. Raises Forbidden without the finance role, Invalid for days that are out of range."""
    if by.staff_role not in {User.StaffRole.FINANCE, User.StaffRole.ADMIN}:
        raise Forbidden(_("Your role does not allow this. Ask an administrator."))
    if not 1 <= ahead_days <= 180:
        raise Invalid(_("Offer renewals at least one and at most 180 days ahead."))
    if not 1 <= grace_days <= 180:
        raise Invalid(_("The days of grace are at least one and at most 180."))
    if not 1 <= ending_days <= 365:
        raise Invalid(_("A suspended subscription ends after at least one and at most 365 days."))
    with transaction.atomic():
        rules, _made = RenewalRules.objects.update_or_create(
            seller=seller, defaults={"ahead_days": ahead_days, "grace_days": grace_days, "ending_days": ending_days}
        )
        Event.record("seller.renewal_rules_changed", seller, now=now, by=by, visible=False)
    return rules
