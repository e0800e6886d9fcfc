"""A whole quotation written at once, as a system of the seller's sends it: begun, filled, priced; nothing is sent yet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, ApiKey, Customer, User
from portico.billing.actions.draft import LineDraft, begin_quotation, save_draft
from portico.billing.models import Price, Product, Quotation, QuotationVersion, Subscription
from portico.billing.models.pricelist import ListPrice
from portico.kit.errors import Forbidden, Invalid
from portico.kit.periods import today

MOST_LINES = 500
LONGEST_VALIDITY = timedelta(days=3660)


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
    latest = today(now, customer.seller.zone) + LONGEST_VALIDITY
    if fields.get("valid_until") is not None and fields["valid_until"] > latest:
        raise Invalid(_("Valid Until lies more than ten years ahead. Choose an earlier day."))
    deposit = fields.get("payment_policy") == QuotationVersion.PaymentPolicy.DEPOSIT
    if deposit and not 0 < fields.get("deposit_percent", Decimal(0)) < 100:
        raise Invalid(_("A deposit is above 0 and below 100 percent."))
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
            lines=completed(lines, quotation, today(now, customer.seller.zone)),
            now=now,
            by=by,
        )
    return quotation


def completed(
    lines: Sequence[tuple[LineDraft, str, Decimal | None]], quotation: Quotation, day: date
) -> list[LineDraft]:
    """The lines with what their products say; Invalid for a product that is not sold, and for a price that is nowhere."""
    codes = {code for _line, code, _price in lines if code}
    sold = Product.objects.filter(seller=quotation.seller, code__in=codes, is_active=True)
    products = {product.code: product for product in sold}
    listed = list_prices(quotation, products.values(), day)
    found: list[LineDraft] = []
    for position, (line, code, price) in enumerate(lines, start=1):
        if code and code not in products:
            raise Invalid(
                _("Line %(position)s: there is no product %(code)s on sale.")
                % {"position": position, "code": code[:40]}
            )
        product = products.get(code)
        if product is None:
            found.append(replace(line, unit_price=price or Decimal(0)))
            continue
        line = replace(line, product_id=product.pk, name=line.name or product.name, unit=line.unit or product.unit)
        if price is not None:
            found.append(replace(line, unit_price=price))
        elif product.pk in listed:
            found += at_list_price(line, listed[product.pk], position)
        else:
            raise Invalid(
                _("Line %(position)s: %(code)s has no list price in this currency and term. Send its unit price.")
                % {"position": position, "code": code[:40]}
            )
    return found


def at_list_price(line: LineDraft, listed: ListPrice, position: int) -> list[LineDraft]:
    """The line at its list price; by tiers, where it reaches several, one line for each."""
    pieces = listed.pieces(line.quantity)
    if len(pieces) > 1 and (line.optional or line.quantity_max is not None):
        raise Invalid(
            _("Line %(position)s is priced by tiers, so its quantity is fixed. Send its unit price to leave it open.")
            % {"position": position}
        )
    if not pieces:  # no quantity, which the draft refuses in its own words
        return [replace(line, unit_price=listed.unit_price)]
    return [replace(line, quantity=piece.quantity, unit_price=piece.unit_price) for piece in pieces]


def list_prices(quotation: Quotation, products: Iterable[Product], day: date) -> dict[int, ListPrice]:
    """By product its list price of the day in the customer's currency: for the term, else a single one."""
    rows = Price.objects.in_force(day).filter(
        product__in=[product.pk for product in products],
        currency=quotation.customer.currency,
        term_months__in=(0, quotation.term_months),
    )
    return {price.product_id: price.listed for price in rows.order_by("term_months")}
