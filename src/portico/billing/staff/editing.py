"""The editor at work: what its buttons do, what is saved, by itself or by hand, and what two people at once are told.

Only `save` and `autosave` write. What was typed stays on the page, whatever is wrong with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.access import StaffRequest
from portico.accounts.models import Customer
from portico.accounts.terms import plan_of
from portico.billing import pricing
from portico.billing.actions import draft
from portico.billing.documents import build
from portico.billing.documents.plan import after, terms_in_words
from portico.billing.models import Product, Quotation, QuotationVersion
from portico.billing.staff import editor
from portico.billing.staff.catalogue import product_to_add, products_found, products_of
from portico.billing.staff.plans import padded
from portico.billing.staff.wishes import waiting_requests
from portico.kit import formats
from portico.kit.errors import Conflict, Invalid
from portico.kit.listing import search_words
from portico.kit.periods import today

PAYMENT_POLICIES = {
    "none": lazy("Nothing is paid on acceptance"),
    "deposit": lazy("A deposit in percent"),
    "full": lazy("Everything"),
}
INVOICE_POLICIES = {
    "at_acceptance": lazy("At acceptance"),
    "on_delivery": lazy("On delivery"),
    "per_period": lazy("Per period"),
}
LATEST_TERMS = 60
"""In so many of the quotations sent last the earlier terms are looked for."""


def opened(request: StaffRequest, version: QuotationVersion) -> HttpResponse:
    """The editor with what is stored; `?q=` looks in the catalogue."""
    stored = list(version.lines.select_related("product").order_by("position"))
    form = editor.form_of(version, stored, request.user.language)
    form.words = search_words(request.GET)
    products = {line.product.pk: line.product for line in stored if line.product is not None}
    return page(request, version, form, products, status=200)


def posted(request: StaffRequest, version: QuotationVersion) -> HttpResponse:
    """Do what the posted button says."""
    form = editor.read_form(request.POST, version, request.user.language)
    button = request.POST.get("do", "save")
    if button not in {"save", "autosave"}:
        return pressed(request, version, form, button)
    day = today(timezone.now(), request.seller.zone)
    fields, lines = editor.fields(form, version, day), editor.drafts(form)
    by_itself = button == "autosave"
    if form.is_wrong:
        form.note = _("Not saved: something cannot be read yet.") if by_itself else ""
        return page(request, version, form, status=400, by_itself=by_itself)
    try:
        draft.save_draft(
            version=version, revision=form.revision, fields=fields, lines=lines, now=timezone.now(), by=request.user,
            window=form.window, insist=not by_itself,
        )  # fmt: skip
    except Invalid as refusal:
        form.errors["save"] = form.note = refusal.message
        return page(request, version, form, status=400, by_itself=by_itself)
    except Conflict as refusal:
        return conflict(request, version, form, refusal.message, by_itself=by_itself)
    if not by_itself:
        messages.success(request, _("The draft is saved."))
        after = "staff:quotations.send" if "then_send" in request.POST else "staff:quotations.edit"
        return HttpResponseRedirect(reverse(after, args=[version.quotation.number]))
    form.revision = version.revision
    for row, key in zip(form.rows, version.lines.order_by("position").values_list("key", flat=True), strict=True):
        row.key = str(key)
    return page(request, version, form, status=200, by_itself=True)


def pressed(request: StaffRequest, version: QuotationVersion, form: editor.Form, button: str) -> HttpResponse:
    """A button that changes what is typed, or only looks at it: the page again, nothing written."""
    quotation = version.quotation
    form.words = search_words(request.POST)
    if button.startswith("add-product"):
        asked = button.removeprefix("add-product").removeprefix("-") or request.POST.get("new_product", "")
        form.add_product(product_to_add(quotation, asked))
    elif button == "terms":
        chosen = next((one for one in earlier_terms(quotation) if one[0] == request.POST.get("terms_of")), None)
        if chosen is None:
            form.errors["terms_of"] = _("Choose which terms to take.")
        else:
            form.terms = editor.terms_as_text(chosen[1])
    else:
        form.act(button)
    return page(request, version, form, status=400 if form.errors else 200)


def conflict(
    request: StaffRequest, version: QuotationVersion, form: editor.Form, message: str, *, by_itself: bool
) -> HttpResponse:
    """Somebody else was faster: who and when, and beside what was typed what is stored; saving again replaces it."""
    stored = QuotationVersion.objects.select_related("saved_by").get(pk=version.pk)
    stored.quotation = version.quotation
    if stored.saved_by is not None and stored.saved_at is not None and stored.send_at is None:
        moment = formats.day_time(stored.saved_at, request.seller.zone, request.user.language)
        message += " " + _("It was saved by %(name)s, %(moment)s.") % {
            "name": stored.saved_by.get_full_name(),
            "moment": moment,
        }
    form.errors["save"] = form.note = message
    if by_itself:
        return page(request, version, form, status=409, by_itself=True)
    form.revision = stored.revision
    return page(request, stored, form, status=409, theirs=True)


def page(
    request: StaffRequest,
    version: QuotationVersion,
    form: editor.Form,
    products: Mapping[int, Product] | None = None,
    *,
    status: int,
    theirs: bool = False,
    by_itself: bool = False,
) -> HttpResponse:
    """The page of the editor; with `theirs` what is stored stands above what was typed."""
    quotation, now = version.quotation, timezone.now()
    known = products_of(quotation, (row.product for row in form.rows)) if products is None else products
    context = {
        "quotation": quotation,
        "version": version,
        "form": form,
        "products": known,
        "found": [] if by_itself else products_found(quotation, form.words),
        "priced": preview(version, form, known),
        "requests": [] if by_itself else waiting_requests(quotation),
        "theirs": build.quotation_sheet(version, {}, now=now) if theirs else None,
        "payment_policies": PAYMENT_POLICIES,
        "invoice_policies": INVOICE_POLICIES,
        "paid_in": paid_in(quotation.customer, request.user.language),
        "plan": padded(form.plan),
        "earlier_terms": [] if by_itself else [name for name, _terms in earlier_terms(quotation)],
        "today": today(now, request.seller.zone),
        "zone": request.seller.zone,
    }
    return render(request, "billing/staff/quotations/edit.html", context, status=status)


def paid_in(customer: Customer, language: str) -> list[tuple[str, str]]:
    """How an invoice may be paid: as agreed with the customer, in one sum, in parts."""
    agreed = terms_in_words(plan_of(customer.payment_parts), customer.payment_terms_days, language)
    return [
        ("agreed", _("As agreed: %(terms)s") % {"terms": agreed}),
        ("one", _("In one sum, %(when)s") % {"when": after(customer.payment_terms_days)}),
        ("parts", _("In parts")),
    ]


def preview(version: QuotationVersion, form: editor.Form, products: Mapping[int, Product]) -> pricing.Priced | None:
    """What the typed lines would cost; None while a number cannot be read."""
    typed = [editor.draft_from(row, form.language) for row in copies_of(form.rows)]
    lines = [line for line in typed if line is not None]
    try:
        return draft.price_draft(version, lines, products) if len(lines) == len(typed) else None
    except Invalid:
        return None


def copies_of(rows: Iterable[editor.Row]) -> list[editor.Row]:
    """The rows to try numbers on, without showing errors for what is still being typed."""
    return [replace(row, name=row.name or "…", errors={}) for row in rows]


def earlier_terms(quotation: Quotation) -> Sequence[tuple[str, Any]]:
    """The versions of the terms that were sent lately, the newest first, each by its name."""
    rows = QuotationVersion.objects.filter(quotation__seller=quotation.seller, sent_at__isnull=False)
    found: dict[str, Any] = {}
    for name, terms in rows.order_by("-sent_at").values_list("terms_version", "terms")[:LATEST_TERMS]:
        if name and terms:
            found.setdefault(name, terms)
    return list(found.items())
