"""Beginning a quotation, and beginning its next version from what the customer wished."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing.actions import sell
from portico.billing.models import (
    ChangeWish,
    Database,
    Quotation,
    QuotationLine,
    QuotationVersion,
    Subscription,
)
from portico.kit.errors import Conflict, Invalid

NOT_DECIDED_HERE = ("AE", "K", "G", "O", "E")
"""VAT categories that follow from who buys what: their rate is never typed."""


def begin_quotation(
    *,
    seller: Seller,
    customer: Customer,
    kind: str,
    contact: User | None,
    subscription: Subscription | None,
    database_name: str,
    term_months: int,
    by: User,
    now: datetime,
) -> Quotation:
    """A new quotation with an empty draft that has thirty days of validity and the terms of the last one sent.

    Raises Invalid when the contact, the subscription or the name of the new database does not fit the customer.
    """
    if contact is not None and not Membership.objects.filter(user=contact, customer=customer).exists():
        raise Invalid(_("The contact is not a member of this customer."))
    if kind == Quotation.Kind.NEW:
        subscription = None
        if database_name and Database.objects.filter(name=database_name).exists():
            raise Invalid(_("The database name %(name)s is taken. Choose another one.") % {"name": database_name})
    else:
        database_name = ""
        if subscription is None or subscription.customer_id != customer.pk:
            raise Invalid(_("Choose the subscription that this quotation changes or renews."))
        term_months = subscription.term_months
    with transaction.atomic():
        quotation = sell.draft_quotation(
            seller=seller,
            customer=customer,
            by=by,
            now=now,
            kind=kind,
            contact=contact,
            subscription=subscription,
            database_name=database_name,
            term_months=term_months,
        )
        version = quotation.versions.get()
        fields: dict[str, Any] = {"valid_until": sell.default_valid_until(now, seller)}
        last = (
            QuotationVersion.objects.filter(quotation__seller=seller, sent_at__isnull=False)
            .order_by("-sent_at")
            .first()
        )
        if last is not None:
            fields |= {"terms": last.terms, "terms_version": last.terms_version}
        sell.save_draft(version=version, revision=version.revision, fields=fields, lines=[], now=now)
    return quotation


def draft_of(line: QuotationLine) -> sell.LineDraft:
    """A stored line as the editor sends it. The rate is left open where product or buyer decide it."""
    decided = line.vat_category in NOT_DECIDED_HERE or (
        line.product is not None and line.vat_rate == line.product.vat_rate
    )
    return sell.LineDraft(
        kind=line.kind,
        name=line.name,
        key=line.key,
        product_id=line.product_id,
        detail=line.detail,
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        discount_percent=line.discount_percent,
        vat_rate=None if decided else line.vat_rate,
        optional=line.optional,
        selected=line.selected,
        quantity_min=line.quantity_min,
        quantity_max=line.quantity_max,
    )


def answer_request(*, quotation: Quotation, apply_wishes: bool, by: User, now: datetime) -> QuotationVersion:
    """Draft the next version; with `apply_wishes` the quantities and removals that the customer wished are in it.

    Comments are for a person to answer. Conflict when a draft is there already and wishes were to be applied.
    """
    with transaction.atomic():
        if apply_wishes and quotation.versions.filter(state=QuotationVersion.State.DRAFT).exists():
            raise Conflict(_("A new version is being written already. Edit that one. Nothing was changed."))
        version = sell.new_version(quotation=quotation, by=by, now=now)
        if apply_wishes:
            wishes = ChangeWish.objects.filter(
                request__version__quotation=quotation, request__version=quotation.current, request__answered_at=None
            )
            rows = version.lines.select_related("product").order_by("position")
            lines = with_wishes([draft_of(row) for row in rows], wishes.select_related("line").order_by("request__at"))
            sell.save_draft(version=version, revision=version.revision, fields={}, lines=lines, now=now)
    return version


def with_wishes(lines: Iterable[sell.LineDraft], wishes: Iterable[ChangeWish]) -> list[sell.LineDraft]:
    """The lines with the wished quantities, without those wished away; of two wishes for a line the later one counts."""
    wished = {wish.line.key: wish for wish in wishes if wish.wish != ChangeWish.Wish.COMMENT}
    answered = []
    for line in lines:
        wish = wished.get(line.key)
        if wish is None:
            answered.append(line)
        elif wish.wish == ChangeWish.Wish.QUANTITY and wish.quantity:
            answered.append(_with_quantity(line, wish.quantity))
    return answered


def _with_quantity(line: sell.LineDraft, quantity: Decimal) -> sell.LineDraft:
    """The line in another quantity; the range offered to the customer reaches as far."""
    if line.quantity_min is None or line.quantity_max is None:
        return replace(line, quantity=quantity)
    return replace(
        line,
        quantity=quantity,
        quantity_min=min(line.quantity_min, quantity),
        quantity_max=max(line.quantity_max, quantity),
    )
