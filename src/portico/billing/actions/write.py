"""A whole quotation written at once, as a system of the seller's sends it: begun, filled, priced; nothing is sent yet."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, ApiKey, Customer, User
from portico.billing.actions.draft import LineDraft, begin_quotation, save_draft
from portico.billing.models import Price, Product, Quotation, Subscription
from portico.kit.errors import Forbidden, Invalid

MOST_LINES = 500


def write_quotation(
    *,
    customer: Customer,
    kind: str,
    contact: User | None,
    subscription: Subscription | None,
    database_name: str,
    term_months: int,
    fields: Mapping[str, Any],
    lines: Sequence[tuple[LineDraft, str, Decimal | None]],
    by: Actor,
    now: datetime,
) -> Quotation:
    """A new quotation with a filled draft. Each of `lines` is what is written of it, the code of its product, and its price.

    A line with a product and without a price comes at the list price for the customer's currency and the term; without a
    name or unit it has the product's. `fields` as for `save_draft`. Raises Forbidden, Invalid naming the line, and what
    `begin_quotation` and `save_draft` raise.
    """
    if isinstance(by, ApiKey):
        allowed = by.seller_id == customer.seller_id and by.allows("quotations:write")
    else:
        allowed = by.staff_role in {User.StaffRole.SALES, User.StaffRole.ADMIN}
    if not allowed:
        raise Forbidden(_("Quotations are written by sales and administrators."))
    if len(lines) > MOST_LINES:
        raise Invalid(_("A quotation has at most %(most)d lines.") % {"most": MOST_LINES})
    with transaction.atomic():
        quotation = begin_quotation(
            seller=customer.seller,
            customer=customer,
            kind=kind,
            contact=contact,
            subscription=subscription,
            database_name=database_name,
            term_months=term_months,
            by=by,
            now=now,
            origin=Quotation.Origin.API if isinstance(by, ApiKey) else Quotation.Origin.STAFF,
        )
        version = quotation.versions.get()
        save_draft(
            version=version,
            revision=version.revision,
            fields=fields,
            lines=completed(lines, quotation),
            now=now,
            by=by,
        )
    return quotation


def completed(lines: Sequence[tuple[LineDraft, str, Decimal | None]], quotation: Quotation) -> list[LineDraft]:
    """The lines with what their products say; Invalid for a product that is not sold, and for a price that is nowhere."""
    codes = {code for _line, code, _price in lines if code}
    sold = Product.objects.filter(seller=quotation.seller, code__in=codes, is_active=True)
    products = {product.code: product for product in sold}
    listed = list_prices(quotation, products.values()) if products else {}
    found = []
    for position, (line, code, price) in enumerate(lines, start=1):
        if code and code not in products:
            raise Invalid(
                _("Line %(position)s: there is no product %(code)s on sale.")
                % {"position": position, "code": code[:40]}
            )
        product = products.get(code)
        if product is not None:
            price = listed.get(product.pk) if price is None else price
            line = replace(line, product_id=product.pk, name=line.name or product.name, unit=line.unit or product.unit)
            if price is None:
                raise Invalid(
                    _("Line %(position)s: %(code)s has no list price in this currency and term. Send its unit price.")
                    % {"position": position, "code": code[:40]}
                )
        found.append(replace(line, unit_price=price or Decimal(0)))
    return found


def list_prices(quotation: Quotation, products: Any) -> dict[int, Decimal]:
    """By product its list price in the customer's currency: for the term, else a single one."""
    rows = Price.objects.filter(
        product__in=[product.pk for product in products],
        currency=quotation.customer.currency,
        term_months__in=(0, quotation.term_months),
    )
    return dict(rows.order_by("term_months").values_list("product_id", "unit_price"))
