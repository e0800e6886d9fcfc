"""Customers on the desk: who they are, what they owe, their papers and people; and what an import made, to be looked at."""

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import BigIntegerField, F, Func, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from portico.accounts import customers
from portico.accounts.access import StaffRequest, staff
from portico.accounts.members import may_manage
from portico.accounts.models import Customer, Event, Membership
from portico.accounts.my.company import DELIVERY, wrong_delivery
from portico.accounts.terms import LONGEST_TERMS_DAYS, kept, plan_of
from portico.billing.actions import review as reviewing
from portico.billing.documents.plan import terms_in_words
from portico.billing.instalments import Split, split
from portico.billing.models import Allocation, Invoice, Order, Payment, Quotation, QuotationVersion, Subscription
from portico.billing.providers import label_of
from portico.billing.staff import plans
from portico.billing.staff.desk import by_id, customers_offered
from portico.billing.statement import (
    CSV,
    KINDS,
    MOST_SHOWN,
    currencies_of,
    is_paper_asked,
    read_cut,
    statement_of,
    statement_pdf,
)
from portico.kit.answers import pdf_answer
from portico.kit.errors import Conflict, Invalid, Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.money import exponent
from portico.kit.periods import today
from portico.kit.spreadsheet import Column, amount, as_file, column, is_asked, rows_as_file
from portico.kit.text import one_line

SORTS = {
    "name": Sort(lazy("Name"), ["legal_name", "id"]),
    "owed": Sort(lazy("Open balance, highest first"), ["-open_minor", "-id"]),
    "newest": Sort(lazy("Newest first"), ["-id"]),
}
STATUSES = {"to_review": lazy("To review")}
COLUMNS = (
    column(lazy("Name"), "legal_name"),
    column(lazy("City"), "city"),
    column(lazy("Country"), "country"),
    column(lazy("Currency"), "currency"),
    amount(lazy("Open balance"), "open_minor"),
    column(lazy("Open invoices"), "open_invoices"),
    Column(lazy("To review"), lambda row: _("yes") if row["to_review"] else ""),
)
EDITED = ("legal_name", "vat_id", "street", "street_2", "postcode", "city", "country")
"""What staff may correct of what an import made."""
LATEST = 6
"""How many of each kind of paper a customer's page shows; the lists have them all."""


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponseBase:
    """All customers with what they owe, in their own currency."""
    q = search_words(request.GET)
    still_open = Invoice.objects.open().filter(customer=OuterRef("pk"), currency=OuterRef("currency"))
    status = chosen_status(request.GET, STATUSES)
    rows = Customer.objects.filter(seller=request.seller)
    if status:
        rows = rows.filter(to_review=True)
    if q:
        rows = rows.filter(Q(legal_name__icontains=q) | Q(vat_id__icontains=q) | Q(city__icontains=q))
    counted = still_open.order_by().annotate(n=Func(F("pk"), function="COUNT", output_field=BigIntegerField()))
    rows = rows.annotate(open_minor=total("amount_due_minor", still_open), open_invoices=Subquery(counted.values("n")))
    fields = "id legal_name city country currency to_review open_minor open_invoices".split()
    found = listing(rows.values(*fields), request.GET, q=q, status=status, statuses=STATUSES, sorts=SORTS)
    if is_asked(request.GET):
        return as_file(request.GET, found, COLUMNS, "customers")
    return render(request, "billing/staff/customers/index.html", {"list": found})


@staff()
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """One customer: company, people, balance, latest papers; what happened stands on a page of its own."""
    now = timezone.now()
    day = today(now, request.seller.zone)
    customer = find(request, number, day)
    drafted = QuotationVersion.objects.filter(quotation=OuterRef("pk"), state=QuotationVersion.State.DRAFT)
    quotations = (
        Quotation.objects.filter(customer=customer)
        .select_related("current", "seller")
        .annotate(written_title=Subquery(drafted.values("title")[:1]))
        .order_by("-id")[:LATEST]
    )
    context = {
        "customer": customer,
        "may_invite": may_manage(request.user, customer),
        "members": Membership.objects.filter(customer=customer).select_related("user").order_by("user__name", "id"),
        "credit_minor": customer.credited_minor + customer.received_minor - customer.used_minor,
        "quotations": [(one, status_of(one, now)) for one in quotations],
        "orders": Order.objects.filter(customer=customer).order_by("-id")[:LATEST],
        "invoices": Invoice.objects.filter(customer=customer, state=Invoice.State.ISSUED).order_by("-id")[:LATEST],
        "subscriptions": Subscription.objects.filter(customer=customer).select_related("database").order_by("id"),
        "today": day,
        "terms": terms_in_words(plan_of(customer.payment_parts), customer.payment_terms_days, request.user.language),
    }
    return render(request, "billing/staff/customers/detail.html", context)


@staff()
@require_safe
def statement(request: StaffRequest, number: int) -> HttpResponseBase:
    """The customer's statement of account, as the customer sees it."""
    now = timezone.now()
    own = Customer.objects.filter(seller=request.seller).select_related("seller")
    customer = own.filter(pk=number).first() if number < 2**63 else None
    if customer is None:
        raise Missing(_("There is no such customer."))
    cut = read_cut(request.GET, customer, now=now)
    made = statement_of(customer, cut, now=now)
    if is_asked(request.GET):
        return rows_as_file(request.GET, made.entries, CSV, f"statement-{customer.pk}-{cut.start}-{cut.end}")
    if is_paper_asked(request.GET):
        return pdf_answer(statement_pdf(customer, made, now=now), f"statement-{customer.pk}-{cut.start}-{cut.end}.pdf")
    context = {
        "customer": customer,
        "statement": made,
        "currencies": currencies_of(customer),
        "kinds": KINDS,
        "most": MOST_SHOWN,
        "label_of": label_of,
    }
    return render(request, "billing/staff/customers/statement.html", context)


@staff("sales", "finance")
@require_http_methods(["GET", "HEAD", "POST"])
def delivery(request: StaffRequest, number: int) -> HttpResponse:
    """How a customer's invoices reach it, and by which rules its e-invoices are written."""
    customer = Customer.objects.filter(seller=request.seller, pk=min(number, 2**63 - 1)).first()
    if customer is None:
        raise Missing(_("There is no such customer."))
    names = (*DELIVERY, "electronic_address")
    typed = {name: str(getattr(customer, name)) for name in names}
    errors: dict[str, str] = {}
    if request.method == "POST":
        typed = {name: one_line(request.POST.get(name, ""))[:100] for name in names}
        errors = wrong_delivery(typed)
        if not errors:
            with transaction.atomic():
                customer.edit_address(electronic_address=typed["electronic_address"])
                customer.choose_delivery(**{name: typed[name] for name in DELIVERY})
                Event.record("customer.edited", customer, now=timezone.now(), by=request.user, customer=customer)
            messages.success(request, _("Saved. It counts from the next invoice on."))
            return HttpResponseRedirect(reverse("staff:customers.detail", args=[number]))
    context = {
        "customer": customer,
        "typed": typed,
        "errors": errors,
        "deliveries": [(value, label, "") for value, label in Customer.Delivery.choices],
        "profiles": Customer.Profile.choices,
    }
    return render(request, "billing/staff/customers/delivery.html", context, status=400 if errors else 200)


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def terms(request: StaffRequest, number: int) -> HttpResponse:
    """When a customer pays: one sum after some days, or parts; with an example of what that means."""
    customer = Customer.objects.filter(seller=request.seller, pk=min(number, 2**63 - 1)).first()
    if customer is None:
        raise Missing(_("There is no such customer."))
    language = request.user.language
    plan, days = plan_of(customer.payment_parts), customer.payment_terms_days
    rows, typed = plans.typed_of(plan, language), str(days)
    errors: dict[str, str] = {}
    if request.method == "POST":
        rows, typed = plans.posted_rows(request.POST), one_line(request.POST.get("days", ""))[:8]
        try:
            plan = plans.read_plan(rows, language)
        except Invalid as refusal:
            errors["plan"] = refusal.message
        if typed.isascii() and typed.isdigit() and int(typed) <= LONGEST_TERMS_DAYS:
            days = int(typed)
        else:
            errors["days"] = _("Payment terms are between 0 and %(most)d days.") % {"most": LONGEST_TERMS_DAYS}
        if not errors and request.POST.get("do") != "preview":
            values = {"payment_terms_days": days, "payment_parts": kept(plan)}
            customers.edit(customer=customer, values=values, by=request.user, now=timezone.now())
            messages.success(request, _("Saved. It counts from the next invoice on."))
            return HttpResponseRedirect(reverse("staff:customers.detail", args=[number]))
    day = today(timezone.now(), request.seller.zone)
    example_minor = plans.EXAMPLE * 10 ** exponent(customer.currency)
    context = {
        "customer": customer,
        "days": typed,
        "rows": plans.padded(rows),
        "errors": errors,
        "example_minor": example_minor,
        "example": []
        if errors
        else split(example_minor, plan, day) or [Split(day + timedelta(days=days), example_minor)],
    }
    return render(request, "billing/staff/customers/terms.html", context, status=400 if errors else 200)


# What an import made -----------------------------------------------------------------------------------------------------


def imported(request: StaffRequest, number: int) -> Customer:
    """A customer of the seller; Missing."""
    found = Customer.objects.filter(seller=request.seller, pk=min(number, 2**63 - 1)).first()
    if found is None:
        raise Missing(_("There is no such customer."))
    return found


@staff("sales", "finance")
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: StaffRequest, number: int) -> HttpResponse:
    """What an import made, beside the customers it may be; POST corrects it."""
    customer = imported(request, number)
    if not customer.to_review:
        if request.method == "POST":
            raise Conflict(_("Somebody has decided about this customer already. Nothing was changed."))
        return HttpResponseRedirect(reverse("staff:customers.detail", args=[number]))
    typed = {name: str(getattr(customer, name)) for name in EDITED}
    error = ""
    if request.method == "POST":
        typed = {name: one_line(request.POST.get(name, "")) for name in EDITED}
        try:
            customers.edit(customer=customer, values=typed, by=request.user, now=timezone.now())
        except Invalid as refusal:
            error = refusal.message
        else:
            messages.success(request, _("Saved. The customer still waits for your decision."))
            return HttpResponseRedirect(reverse("staff:customers.review", args=[number]))
    domains = sorted(set(reviewing.domains_of(customer)))
    chosen = by_id(Customer.objects.filter(seller=request.seller).exclude(pk=number), request.GET.get("customer", ""))
    context = {
        "customer": customer,
        "typed": typed,
        "error": error,
        "papers": customer.invoices.order_by("-id")[:LATEST],
        "domains": domains,
        "candidates": [reviewing.Candidate(chosen, ())] if chosen else reviewing.candidates_for(customer, domains),
        "chosen": chosen,
        "customers": customers_offered(request) if "q" in request.GET else [],
        "today": today(timezone.now(), request.seller.zone),
    }
    return render(request, "billing/staff/customers/review.html", context, status=400 if error else 200)


@staff("sales", "finance")
@require_POST
def confirm(request: StaffRequest, number: int) -> HttpResponse:
    """It is a customer of its own."""
    customer = imported(request, number)
    reviewing.confirm_customer(customer=customer, by=request.user, now=timezone.now())
    messages.success(request, _("%(name)s is a customer of its own.") % {"name": customer.legal_name})
    return HttpResponseRedirect(reverse("staff:customers.detail", args=[number]))


@staff("sales", "finance")
@require_POST
def merge(request: StaffRequest, number: int) -> HttpResponse:
    """It is a customer that was there before: `into`."""
    customer = imported(request, number)
    into = by_id(Customer.objects.filter(seller=request.seller), request.POST.get("into", ""))
    if into is None:
        raise Invalid(_("Choose another customer to merge into. Nothing was changed."))
    reviewing.merge_customer(customer=customer, into=into, by=request.user, now=timezone.now())
    messages.success(
        request,
        _("The imported invoices are %(name)s's now. The next import knows this name.") % {"name": into.legal_name},
    )
    return HttpResponseRedirect(reverse("staff:customers.detail", args=[into.pk]))


def find(request: StaffRequest, number: int, day: date) -> Any:
    """The customer with what is open, overdue and credit in its own currency, in one statement; Missing."""
    own = {"customer": OuterRef("pk"), "currency": OuterRef("currency")}
    papers = Invoice.objects.filter(**own, state=Invoice.State.ISSUED)
    owed = papers.exclude(kind=Invoice.Kind.CREDIT_NOTE)
    of_own = Q(payment__customer=OuterRef("pk"), payment__currency=OuterRef("currency")) | Q(
        credit_note__customer=OuterRef("pk"), credit_note__currency=OuterRef("currency")
    )
    late = owed.by_part().filter(payment_state__in=Invoice.PAYABLE, due_on__lt=day, part_due_on__lt=day)
    arrived = Payment.objects.filter(**own, state__in=Payment.ARRIVED)
    own_customers = Customer.objects.filter(seller=request.seller).annotate(
        open_minor=total("amount_due_minor", owed),
        overdue_minor=total("part_left_minor", late),
        credited_minor=total("total_minor", papers.filter(kind=Invoice.Kind.CREDIT_NOTE)),
        received_minor=total("received_minor", arrived) - total("returned_minor", arrived),
        used_minor=total("amount_minor", Allocation.objects.filter(of_own)),
    )
    customer = own_customers.filter(pk=number).first() if number < 2**63 else None
    if customer is None:
        raise Missing(_("There is no such customer."))
    return customer


def total(field: str, rows: Any) -> Coalesce:
    """The sum of a field over rows that name an outer customer; each is summed by itself, so nothing is multiplied."""
    summed = rows.order_by().annotate(sum=Func(F(field), function="SUM", output_field=BigIntegerField()))
    return Coalesce(Subquery(summed.values("sum")), 0)


def status_of(quotation: Quotation, now: datetime) -> str:
    """The status as the lists show it."""
    if quotation.current is None:
        return "draft"
    quotation.current.quotation = quotation
    return quotation.current.status(now)


urlpatterns = [
    path("customers/", index, name="customers.index"),
    path("customers/<int:number>/", detail, name="customers.detail"),
    path("customers/<int:number>/statement/", statement, name="customers.statement"),
    path("customers/<int:number>/delivery/", delivery, name="customers.delivery"),
    path("customers/<int:number>/review/", review, name="customers.review"),
    path("customers/<int:number>/confirm/", confirm, name="customers.confirm"),
    path("customers/<int:number>/merge/", merge, name="customers.merge"),
    path("customers/<int:number>/terms/", terms, name="customers.terms"),
]
