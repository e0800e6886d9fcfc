"""Writing a quotation once and using it again: as a template, or as a copy for the same or another customer."""

from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Membership, User
from portico.billing.actions.draft import (
    LineDraft,
    begin_quotation,
    default_valid_until,
    draft_of,
    save_draft,
)
from portico.billing.models import Price, Product, Quotation, QuotationTemplate, QuotationVersion
from portico.kit.errors import Invalid
from portico.kit.periods import today

KEPT = (
    "title intro payment_policy deposit_percent invoice_policy invoice_before_payment signature_required terms terms_version"
).split()
NUMBERS = ("quantity", "unit_price", "discount_percent", "vat_rate", "quantity_min", "quantity_max")


def duplicate_quotation(*, version: QuotationVersion, customer: Customer, by: User, now: datetime) -> Quotation:
    """A new quotation for `customer` with the words, conditions and lines of `version`, as a draft.

    Another currency takes the list prices of that currency. A change or renewal of a subscription stays one for the same
    customer; for another it becomes something new.
    """
    old, lines = version.quotation, _lines_of(version)
    same = old.customer_id == customer.pk
    stays = same and Membership.objects.filter(user=old.contact_id, customer=customer).exists()
    with transaction.atomic():
        quotation = begin_quotation(
            seller=old.seller,
            customer=customer,
            kind=old.kind if same else Quotation.Kind.NEW,
            contact=old.contact if stays else None,
            subscription=old.subscription if same else None,
            database_name="",
            term_months=old.term_months,
            by=by,
            now=now,
        )
        fill(quotation, {name: getattr(version, name) for name in KEPT}, lines, version.currency, by=by, now=now)
    return quotation


def save_template(*, version: QuotationVersion, name: str, by: User, now: datetime) -> QuotationTemplate:
    """Keep a version's words, conditions and lines under `name`, which replaces what was kept under it; Invalid for none."""
    if not 0 < len(name) <= 80:
        raise Invalid(_("Give the template a name of at most 80 characters."))
    content = {
        "fields": {one: _plain(getattr(version, one)) for one in KEPT},
        "lines": [{key: _plain(value) for key, value in asdict(line).items()} for line in _lines_of(version)],
    }
    return QuotationTemplate.keep(
        seller=version.quotation.seller, name=name, currency=version.currency, content=content, by=by, now=now
    )


def use_template(*, template: QuotationTemplate, quotation: Quotation, by: User, now: datetime) -> None:
    """Fill the draft of a quotation just begun with what the template holds."""
    kept = dict(template.content["fields"]) | {
        "deposit_percent": Decimal(template.content["fields"]["deposit_percent"])
    }
    lines = [_line(row) for row in template.content["lines"]]
    fill(quotation, kept, lines, template.currency, by=by, now=now)


def fill(
    quotation: Quotation, kept: dict[str, Any], lines: Sequence[LineDraft], currency: str, *, by: User, now: datetime
) -> None:
    """Save words, conditions and lines into a new draft; Valid Until is the usual one from today."""
    version = quotation.versions.get()
    products = Product.objects.filter(
        seller=quotation.seller, pk__in=[line.product_id for line in lines if line.product_id]
    )
    known = set(products.values_list("pk", flat=True))
    lines = [line if line.product_id in known else replace(line, product_id=None) for line in lines]
    if version.currency != currency:
        lines = _at_list_prices(lines, version.currency, quotation.term_months, today(now, quotation.seller.zone))
    values = kept | {"valid_until": default_valid_until(now, quotation.seller)}
    save_draft(version=version, revision=version.revision, fields=values, lines=lines, now=now, by=by)


def _at_list_prices(lines: Sequence[LineDraft], currency: str, term_months: int, day: date) -> list[LineDraft]:
    """The lines at the day's list prices of another currency; 0 where there is none: no price is carried over as it stands."""
    keys = [line.product_id for line in lines if line.product_id]
    rows = Price.objects.in_force(day).filter(product__in=keys, currency=currency, term_months__in=(0, term_months))
    prices = {price.product_id: price.unit_price for price in rows.order_by("term_months")}
    return [replace(line, unit_price=prices.get(line.product_id or 0, Decimal(0))) for line in lines]


def _lines_of(version: QuotationVersion) -> list[LineDraft]:
    """The lines as they would be typed anew, without their keys."""
    rows = version.lines.select_related("product").order_by("position")
    return [replace(draft_of(row), key=0) for row in rows]


def _plain(value: Any) -> Any:
    """A value as JSON keeps it exactly."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _line(row: dict[str, Any]) -> LineDraft:
    """A line of a template."""
    names = {field.name for field in fields(LineDraft)}
    values = {name: value for name, value in row.items() if name in names}
    numbers = {name: Decimal(values[name]) for name in NUMBERS if values.get(name) is not None}
    return LineDraft(**(values | numbers))
