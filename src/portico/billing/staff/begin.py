"""Reading the form that begins a quotation."""

from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.access import StaffRequest
from portico.accounts.models import Customer, Membership, Seller
from portico.billing.actions import draft
from portico.billing.actions.reuse import use_template
from portico.billing.models import Product, Quotation, QuotationTemplate, Subscription
from portico.billing.staff.desk import by_id
from portico.kit.errors import Invalid
from portico.kit.text import one_line

KINDS = {
    "new": lazy("Something new"),
    "upsell": lazy("More for a subscription"),
    "renewal": lazy("Renewal of a subscription"),
}
TERMS = {
    1: lazy("1 month"),
    3: lazy("3 months"),
    6: lazy("6 months"),
    12: lazy("1 year"),
    24: lazy("2 years"),
    36: lazy("3 years"),
    48: lazy("4 years"),
    60: lazy("5 years"),
    84: lazy("7 years"),
    120: lazy("10 years"),
}
MOST_TRIAL_DAYS = 366


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
    trial = form.get("trial_days", "").strip() or "0"
    if not (trial.isascii() and trial.isdigit() and len(trial) < 4 and int(trial) <= MOST_TRIAL_DAYS):
        raise Invalid(_("A trial has between 0 and %(most)d days.") % {"most": MOST_TRIAL_DAYS})
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
            trial_days=int(trial) if name and kind == Quotation.Kind.NEW else 0,
        )
        if template is not None:
            use_template(template=template, quotation=quotation, by=request.user, now=timezone.now())
    return quotation


def trial_days_offered(seller: Seller) -> int:
    """The longest trial of a plan on sale: what is proposed for a new database."""
    plans = Product.objects.filter(seller=seller, kind=Product.Kind.PLAN, is_active=True)
    return int(plans.aggregate(most=Max("trial_days"))["most"] or 0)
