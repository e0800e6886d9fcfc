"""What is sold, as a system of the seller's keeps it: products and their list prices, each change one transaction.

A price that was in force and that somebody has is not changed: another one follows it from a day on.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, ApiKey, Event, Seller, User
from portico.billing.models import Price, Product
from portico.billing.models.pricelist import Tier, kept_tiers, tiers_stand
from portico.kit.errors import Conflict, Forbidden, Invalid, Missing
from portico.kit.money import MOST_PRICE, exponent
from portico.kit.text import one_line

CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MOST_TIERS = 20


def add_product(
    *,
    seller: Seller,
    code: str,
    name: str,
    kind: str,
    unit: str,
    description: str,
    vat_rate: Decimal,
    by: Actor,
    now: datetime,
) -> Product:
    """A product without a price yet; a rate of 0 is zero-rated. Raises Forbidden, Invalid, Conflict when the code is taken."""
    _refuse_others(by, seller)
    if not CODE.fullmatch(code) or len(code) > 40:
        raise Invalid(_("A code has small letters, digits and single hyphens, at most 40."))
    if kind not in Product.Kind:
        raise Invalid(_("There is no such kind of product."))
    name = one_line(name)
    if not name:
        raise Invalid(_("Give the product a name."))
    if not 0 <= vat_rate <= 100:
        raise Invalid(_("A VAT rate is between 0 and 100 percent."))
    try:
        with transaction.atomic():
            product = Product.objects.create(
                seller=seller,
                code=code,
                name=name,
                kind=kind,
                unit=one_line(unit),
                description=description,
                vat_category=Product.VatCategory.STANDARD if vat_rate else Product.VatCategory.ZERO,
                vat_rate=vat_rate,
            )
            Event.record("product.added", product, now=now, by=by, visible=False, code=code)
    except IntegrityError:
        raise Conflict(_("There is a product with this code already. Nothing was added.")) from None
    return product


def edit_product(*, product: Product, values: Mapping[str, Any], by: Actor, now: datetime) -> None:
    """Change name, description, unit or is_active; papers keep what they say. Raises Forbidden, Invalid, Missing."""
    _refuse_others(by, product.seller)
    strange = set(values) - {"name", "description", "unit", "is_active"}
    if strange:
        raise ValueError(f"not to be changed: {sorted(strange)}")
    if "name" in values and not one_line(values["name"]):
        raise Invalid(_("Give the product a name."))
    with transaction.atomic():
        if not Product.objects.select_for_update().filter(pk=product.pk).exists():
            raise Missing(_("There is no such product."))
        product.edit(**values)
        Event.record("product.edited", product, now=now, by=by, visible=False, fields=sorted(values))


def set_price(
    *,
    product: Product,
    currency: str,
    term_months: int,
    valid_from: date,
    model: str,
    unit_price: Decimal | None,
    tiers: Sequence[Tier],
    moves_from: date | None,
    by: Actor,
    now: datetime,
) -> tuple[Price, bool]:
    """The list price from a day on, and whether it is a new one; the one of that very day is replaced while nobody has it.

    By tiers (`model` graduated or volume) the first tier's price is the unit price. Raises Forbidden, Invalid, Conflict.
    """
    _refuse_others(by, product.seller)
    exponent(currency)
    if model not in Price.Model:
        raise Invalid(_("There is no such way to price."))
    tiered = model in {Price.Model.GRADUATED, Price.Model.VOLUME}
    if tiered != bool(tiers) or len(tiers) > MOST_TIERS or (tiers and not tiers_stand(tiers)):
        raise Invalid(
            _("Tiers rise by whole numbers and the last is open; only graduated and volume prices have them.")
        )
    if tiers:
        unit_price = tiers[0].unit_price
    if unit_price is None:
        raise Invalid(_("Give the price of one unit."))
    if not all(0 <= price <= MOST_PRICE for price in (unit_price, *(tier.unit_price for tier in tiers))):
        raise Invalid(_("A price is not below 0, and not above a thousand million."))
    values = {
        "model": model,
        "unit_price": unit_price,
        "tiers": kept_tiers(tiers),
        "moves_from": moves_from,
    }
    place = {"currency": currency, "term_months": term_months, "valid_from": valid_from}
    with transaction.atomic():
        list(Product.objects.select_for_update().filter(pk=product.pk).values_list("pk"))
        price = Price.objects.filter(product=product, **place).first()
        made = price is None
        if price is None:
            price = Price.objects.create(product=product, **place, **values)
        elif price.is_used:
            raise Conflict(
                _("Somebody has this price, so it stays as it is. Add a price that follows it from a day on.")
            )
        else:
            price.replace(**values)
        Event.record(
            "product.priced", product, now=now, by=by, visible=False,
            currency=currency, term_months=term_months, valid_from=valid_from.isoformat(), unit_price=str(unit_price),
        )  # fmt: skip
    return price, made


def _refuse_others(by: Actor, seller: Seller) -> None:
    if isinstance(by, ApiKey):
        allowed = by.seller_id == seller.pk and by.allows("products:write")
    else:
        allowed = by.staff_role == User.StaffRole.ADMIN
    if not allowed:
        raise Forbidden(_("Products and prices are kept by an administrator."))
