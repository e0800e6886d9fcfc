"""Reading the form that begins a quotation."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.access import StaffRequest
from portico.accounts.models import Customer, Membership
from portico.billing.actions import draft
from portico.billing.actions.reuse import use_template
from portico.billing.models import Quotation, QuotationTemplate, Subscription
from portico.billing.staff.desk import by_id
from portico.kit.errors import Invalid
from portico.kit.text import one_line

KINDS = {
    "new": lazy("Something new"),
    "upsell": lazy("More for a subscription"),
    "renewal": lazy("Renewal of a subscription"),
}
TERMS = {1: lazy("1 month"), 12: lazy("1 year"), 24: lazy("2 years"), 36: lazy("3 years")}


def begin(request: StaffRequest, customer: Customer) -> Quotation:
    """The new quotation of the posted form; Invalid when it cannot be begun like that."""
    form = request.POST
    kind, name, term = (
        form.get("kind", ""),
        one_line(form.get("database_name", "")).lower(),
        form.get("term_months", ""),
    )
    if kind not in KINDS:
        raise Invalid(_("Choose what the quotation is about."))
    if term not in {str(months) for months in TERMS}:
        raise Invalid(_("Choose for how long."))
    if name and (len(name) > 63 or not all(part.isascii() and part.isalnum() for part in name.split("-"))):
        raise Invalid(_("A database name has small letters, digits and single hyphens, at most 63 characters."))
    members = Membership.objects.filter(customer=customer).select_related("user")
    contact = by_id(members, form.get("contact", "")) if form.get("contact") else None
    if form.get("contact") and contact is None:
        raise Invalid(_("The contact is not a member of this customer."))
    template = None
    if form.get("template"):
        template = by_id(QuotationTemplate.objects.filter(seller=request.seller), form["template"])
        if template is None:
            raise Invalid(_("This template is gone. Choose another one."))
    with transaction.atomic():
        quotation = draft.begin_quotation(
            seller=request.seller,
            customer=customer,
            kind=kind,
            contact=contact.user if contact else None,
            subscription=by_id(Subscription.objects.filter(customer=customer), form.get("subscription", "")),
            database_name=name,
            term_months=int(term),
            by=request.user,
            now=timezone.now(),
        )
        if template is not None:
            use_template(template=template, quotation=quotation, by=request.user, now=timezone.now())
    return quotation
