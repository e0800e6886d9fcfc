"""Writing a quotation: begun, its draft saved, its next version begun from what the customer wished.

Nothing here is seen by the customer. Whatever writes opens its own transaction and locks the quotation's row first.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Actor, Customer, Event, Membership, Seller, User, person
from portico.billing import pricing, vat
from portico.billing.documents.offer import offered
from portico.billing.models import (
    ChangeWish,
    Database,
    Price,
    Product,
    Quotation,
    QuotationLine,
    QuotationVersion,
    Subscription,
)
from portico.billing.models.line import Line
from portico.kit.errors import Conflict, Invalid
from portico.kit.periods import today
from portico.kit.prepared import prepared

NOT_DECIDED_HERE = ("AE", "K", "G", "O", "E")
"""VAT categories that follow from who buys what: their rate is never typed."""

COPIED = (
    "currency net_minor vat_minor total_minor title intro valid_until payment_policy deposit_percent payment_parts "
    "invoice_policy invoice_before_payment signature_required terms terms_version"
).split()


@dataclass(frozen=True)
class LineDraft:
    """One line as the editor sends it. `key` 0 is a new line; `product_id` None a free line."""

    kind: str
    name: str
    key: int = 0
    product_id: int | None = None
    detail: str = ""
    quantity: Decimal = Decimal(1)
    unit: str = ""
    unit_price: Decimal = Decimal(0)
    discount_percent: Decimal = Decimal(0)
    vat_rate: Decimal | None = None
    optional: bool = False
    selected: bool = True
    quantity_min: Decimal | None = None
    quantity_max: Decimal | None = None
    list_price_id: int | None = None
    discount_until: date | None = None
    discount_after: Decimal = Decimal(0)


# Beginning ------------------------------------------------------------------------------------------------------------


def begin_quotation(
    *,
    seller: Seller,
    customer: Customer,
    kind: str,
    contact: User | None,
    subscription: Subscription | None,
    database_name: str,
    term_months: int,
    by: Actor | None,
    now: datetime,
    **more: Any,
) -> Quotation:
    """A new quotation with an empty draft that has thirty days of validity and the terms of the last one sent.

    `more` are further fields of Quotation: its origin, the fraction of a period that an upsell charges.

    Raises Invalid when the contact, the subscription or the name of the new database does not fit the customer.
    """
    if contact is not None and not Membership.objects.filter(user=contact, customer=customer).exists():
        raise Invalid(_("The contact is not a member of this customer."))
    if kind == Quotation.Kind.NEW:
        subscription = None
        taken = Database.objects.filter(name=database_name).exclude(customer=customer, subscription=None)
        if database_name and taken.exists():
            raise Invalid(_("The database name %(name)s is taken. Choose another one.") % {"name": database_name})
    else:
        database_name = ""
        if subscription is None or subscription.customer_id != customer.pk:
            raise Invalid(_("Choose the subscription that this quotation changes or renews."))
        term_months = subscription.term_months
    with transaction.atomic():
        quotation = draft_quotation(
            seller=seller,
            customer=customer,
            by=by,
            now=now,
            kind=kind,
            contact=contact,
            subscription=subscription,
            database_name=database_name,
            term_months=term_months,
            **more,
        )
        version = quotation.versions.get()
        fields: dict[str, Any] = {"valid_until": default_valid_until(now, seller)}
        last = (
            QuotationVersion.objects.filter(quotation__seller=seller, sent_at__isnull=False)
            .order_by("-sent_at")
            .first()
        )
        if last is not None:
            fields |= {"terms": last.terms, "terms_version": last.terms_version}
        save_draft(version=version, revision=version.revision, fields=fields, lines=[], now=now)
    return quotation


def draft_quotation(*, seller: Seller, customer: Customer, by: Actor | None, now: datetime, **fields: Any) -> Quotation:
    """A new quotation with its number and an empty first version; `fields` as on Quotation (kind, origin, …)."""
    with transaction.atomic():
        quotation = Quotation.draft(seller=seller, customer=customer, salesperson=person(by), now=now, **fields)
        Event.record("quotation.drafted", quotation, now=now, by=by, customer=customer, visible=False)
    return quotation


def default_valid_until(now: datetime, seller: Seller) -> date:
    """Thirty days from today in the seller's zone."""
    return today(now, seller.zone) + timedelta(days=30)


# Saving ---------------------------------------------------------------------------------------------------------------


def save_draft(
    *,
    version: QuotationVersion,
    revision: int,
    fields: Mapping[str, Any],
    lines: Sequence[LineDraft],
    now: datetime,
    by: Actor | None = None,
    window: str = "",
    insist: bool = False,
) -> None:
    """Replace the draft's content. `revision` is the one the editor loaded: Conflict when somebody saved meanwhile.

    With `insist`, what the same `window` of the same person saved by itself meanwhile is no conflict.
    A draft that is to be sent by itself is not changed (Conflict): that is taken back first.

    `fields`: title, intro, change_note, valid_until, payment_policy, deposit_percent, invoice_policy,
    invoice_before_payment, signature_required, terms, terms_version. Lines are priced; the VAT category and rate follow
    product, seller and customer (DOMAIN 2). Raises Invalid naming the line that is wrong.
    """
    with transaction.atomic():
        quotation = locked(version.quotation_id)
        fresh = quotation.versions.get(pk=version.pk)
        if fresh.state != QuotationVersion.State.DRAFT:
            raise Conflict(_("This version was sent meanwhile and can no longer be edited. Draft a new version."))
        if fresh.send_at is not None:
            raise Conflict(_("This version waits to be sent by itself. Take that back before you change it."))
        saver = person(by)
        own = insist and bool(window) and (fresh.saved_from, fresh.saved_by_id) == (window, saver.pk if saver else None)
        if fresh.revision != revision and not own:
            raise Conflict(_("Somebody else saved this draft meanwhile. Look at it again before you save."))
        for name, value in fields.items():
            setattr(fresh, name, value)
        if fresh.payment_policy != QuotationVersion.PaymentPolicy.DEPOSIT:
            fresh.deposit_percent = Decimal(0)
        used = QuotationLine.objects.filter(version__quotation=quotation).values_list("key", flat=True)
        products = Product.objects.filter(seller=quotation.seller)
        chosen = products.in_bulk([line.product_id for line in lines if line.product_id])
        rows = _rows(quotation, fresh, lines, chosen, used)
        _keep_agreed(rows, {row.key: row for row in fresh.lines.all()})
        _name_list_prices(rows, quotation, fresh, today(now, quotation.seller.zone))
        priced = pricing.price(pricing.choose(offered(rows), {}), fresh.currency)
        _put_totals(fresh, priced)
        fresh.revision += 1
        fresh.saved_at, fresh.saved_by, fresh.saved_from, fresh.send_problem = now, saver, window, ""
        fresh.save()
        fresh.lines.all().delete()
        for row, line_net in _with_nets(rows, fresh.currency):
            row.net_minor = line_net
        QuotationLine.objects.bulk_create(rows)
    version.refresh_from_db()


def price_draft(
    version: QuotationVersion, lines: Sequence[LineDraft], products: Mapping[int, Product]
) -> pricing.Priced:
    """What the draft would cost with these lines, as `save_draft` would keep it; nothing is read or written.

    Raises Invalid naming the line that is wrong. `version.quotation` comes with its seller and customer; `products` are
    all of the seller's that the lines may name.
    """
    rows = _rows(version.quotation, version, lines, products, ())
    return pricing.price(pricing.choose(offered(rows), {}), version.currency)


def _rows(
    quotation: Quotation,
    version: QuotationVersion,
    drafts: Sequence[LineDraft],
    products: Mapping[int, Product],
    used_keys: Iterable[int],
) -> list[QuotationLine]:
    """The rows of a draft, with VAT category and rate; a new line gets a key that no version of the quotation had."""
    next_key = 1 + max([0, *(draft.key for draft in drafts), *used_keys])
    rows = []
    for position, draft in enumerate(drafts, start=1):
        product = products.get(draft.product_id or 0)
        if draft.product_id and product is None:
            raise Invalid(_("Line %(position)s names a product that does not exist.") % {"position": position})
        row = QuotationLine(
            version=version, key=draft.key or next_key, position=position, kind=draft.kind, name=draft.name.strip(),
            detail=draft.detail.strip(), product=product, unit=draft.unit, list_price_id=draft.list_price_id,
            discount_until=draft.discount_until, discount_after=draft.discount_after,
        )  # fmt: skip
        next_key += 0 if draft.key else 1
        if not row.name:
            raise Invalid(_("Line %(position)s has no name.") % {"position": position})
        if draft.kind in {Line.Kind.LINE, Line.Kind.ALLOWANCE, Line.Kind.CHARGE}:
            _put_amounts(row, draft, quotation)
        rows.append(row)
    if len({row.key for row in rows}) != len(rows):
        raise Invalid(_("The same line was sent twice. Reload the page and try again."))
    return rows


def _keep_agreed(rows: Iterable[QuotationLine], before: Mapping[int, QuotationLine]) -> None:
    """A line that is saved again at the same price and discount keeps its list price and until when its discount lasts."""
    same = ("product_id", "unit_price", "discount_percent")
    for row in rows:
        old = before.get(row.key)
        if old is None or any(getattr(row, name) != getattr(old, name) for name in same):
            continue
        row.list_price_id = row.list_price_id or old.list_price_id
        if row.discount_until is None and old.discount_until is not None:
            row.discount_until, row.discount_after = old.discount_until, old.discount_after


def _name_list_prices(
    rows: Iterable[QuotationLine], quotation: Quotation, version: QuotationVersion, day: date
) -> None:
    """Say of the lines that come at the list price of the day that they do; by tiers, where all of a product's lines do.

    Not of what was priced from a subscription: there the item that is added to tells.
    """
    if quotation.effective_on is not None:
        return
    lines: dict[int, list[QuotationLine]] = defaultdict(list)
    for row in rows:
        if row.kind == Line.Kind.LINE and row.product is not None and row.product.in_database:
            lines[row.product.pk].append(row)
    if not any(row.list_price_id is None for found in lines.values() for row in found):
        return
    prices = Price.objects.in_force(day).filter(
        product__in=list(lines), currency=version.currency, term_months=quotation.term_months
    )
    for price in prices:
        own, listed = lines[price.product_id], price.listed
        whole = sum((row.quantity for row in own), Decimal(0))
        as_listed = [(piece.quantity, piece.unit_price) for piece in listed.pieces(whole)]
        for row in own:
            stands = [(row.quantity, row.unit_price) for row in own] == as_listed and row.quantity_max is None
            if row.list_price_id is None and (stands if listed.is_tiered else row.unit_price == listed.unit_price):
                row.list_price_id = price.pk


def _put_amounts(row: QuotationLine, draft: LineDraft, quotation: Quotation) -> None:
    """Quantity, price, discount, options and VAT of a row that counts; Invalid when out of range."""
    where = {"name": row.name}
    row.quantity = draft.quantity if draft.kind == Line.Kind.LINE else Decimal(1)
    row.unit_price, row.discount_percent = draft.unit_price, draft.discount_percent
    if row.quantity <= 0:
        raise Invalid(_("%(name)s: the quantity must be above zero.") % where)
    if row.unit_price < 0:
        raise Invalid(_("%(name)s: a price is not negative. Use a discount or an allowance.") % where)
    if not 0 <= row.discount_percent <= 100:
        raise Invalid(_("%(name)s: the discount is between 0 and 100 percent.") % where)
    row.optional = draft.optional and draft.kind == Line.Kind.LINE
    row.selected = draft.selected or not row.optional
    row.quantity_min, row.quantity_max = draft.quantity_min, draft.quantity_max
    if (row.quantity_min is None) != (row.quantity_max is None) or (
        row.quantity_min is not None
        and row.quantity_max is not None
        and not 0 < row.quantity_min <= row.quantity <= row.quantity_max
    ):
        raise Invalid(_("%(name)s: the quantity must lie between the smallest and the largest allowed.") % where)
    rate = draft.vat_rate if draft.vat_rate is not None else (row.product.vat_rate if row.product else Decimal(20))
    decision = vat.decide(
        kind=row.product.kind if row.product else Product.Kind.SERVICE,
        seller_country=quotation.seller.country,
        buyer_country=quotation.customer.country,
        buyer_vat_checked=quotation.customer.vat_checked,
        product_category=row.product.vat_category if row.product and draft.vat_rate is None else ("S" if rate else "Z"),
        product_rate=rate,
    )
    row.vat_category, row.vat_rate = decision.category, decision.rate
    joins = row.product is not None and row.product.in_database and draft.kind == Line.Kind.LINE
    if joins and quotation.trial_days:
        row.discount_percent, row.discount_after = Decimal(100), draft.discount_percent
    if joins and quotation.fraction_days:
        row.part_days, row.part_of_days = quotation.fraction_days, quotation.fraction_of_days or 1


def _put_totals(version: QuotationVersion, priced: pricing.Priced) -> None:
    version.net_minor, version.vat_minor, version.total_minor = priced.net_minor, priced.vat_minor, priced.total_minor


def _with_nets(rows: Sequence[QuotationLine], currency: str) -> list[tuple[QuotationLine, int]]:
    """Each row with its own net, as if chosen."""
    everything = {row.key: row.quantity for row in rows if row.optional}
    nets = {
        line.key: line.net_minor for line in pricing.price(pricing.choose(offered(rows), everything), currency).lines
    }
    return [(row, nets.get(row.key, 0)) for row in rows]


# The next version -----------------------------------------------------------------------------------------------------


def new_version(*, quotation: Quotation, by: User, now: datetime) -> QuotationVersion:
    """Draft the next version as a copy of the last; the one that the customer sees stays as it is until this is sent.

    Returns the draft that is already there, if any. Conflict when the quotation was accepted.
    """
    with transaction.atomic():
        quotation = locked(quotation.pk)
        versions = list(quotation.versions.order_by("version"))
        last = versions[-1]
        if any(version.state == QuotationVersion.State.ACCEPTED for version in versions):
            raise Conflict(_("This quotation was accepted. Write a new quotation for anything more."))
        if last.state == QuotationVersion.State.DRAFT:
            return last
        lines = list(last.lines.all())
        copied = QuotationVersion(
            quotation=quotation, version=last.version + 1, created_at=now, created_by=by,
            **{name: getattr(last, name) for name in COPIED},
        )  # fmt: skip
        if copied.valid_until is not None and copied.valid_until < today(now, quotation.seller.zone):
            copied.valid_until = None
        copied.save()
        for line in lines:
            line.pk, line.version = None, copied
            line._state.adding = True
        QuotationLine.objects.bulk_create(lines)
        Event.record(
            "quotation.version_drafted", quotation, now=now, by=by, customer=quotation.customer, visible=False,
            version=copied.version,
        )  # fmt: skip
    return copied


def draft_of(line: QuotationLine) -> LineDraft:
    """A stored line as the editor sends it. The rate is left open where product or buyer decide it."""
    decided = line.vat_category in NOT_DECIDED_HERE or (
        line.product is not None and line.vat_rate == line.product.vat_rate
    )
    recurs = line.kind == Line.Kind.LINE and line.product is not None and line.product.in_database
    free = recurs and line.version.quotation.trial_days > 0  # its own discount counts after the trial
    return LineDraft(
        kind=line.kind,
        name=line.name,
        key=line.key,
        product_id=line.product_id,
        detail=line.detail,
        quantity=line.quantity,
        unit=line.unit,
        unit_price=line.unit_price,
        discount_percent=line.discount_after if free else line.discount_percent,
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
        quotation = locked(quotation.pk)
        if apply_wishes and quotation.versions.filter(state=QuotationVersion.State.DRAFT).exists():
            raise Conflict(_("A new version is being written already. Edit that one. Nothing was changed."))
        version = new_version(quotation=quotation, by=by, now=now)
        if apply_wishes:
            wishes = ChangeWish.objects.filter(
                request__version__quotation=quotation, request__version=quotation.current, request__answered_at=None
            )
            rows = version.lines.select_related("product").order_by("position")
            lines = with_wishes([draft_of(row) for row in rows], wishes.select_related("line").order_by("request__at"))
            save_draft(version=version, revision=version.revision, fields={}, lines=lines, now=now)
    return version


def with_wishes(lines: Iterable[LineDraft], wishes: Iterable[ChangeWish]) -> list[LineDraft]:
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


def _with_quantity(line: LineDraft, quantity: Decimal) -> LineDraft:
    """The line in another quantity; the range offered to the customer reaches as far."""
    if line.quantity_min is None or line.quantity_max is None:
        return replace(line, quantity=quantity)
    return replace(
        line,
        quantity=quantity,
        quantity_min=min(line.quantity_min, quantity),
        quantity_max=max(line.quantity_max, quantity),
    )


# Small parts ----------------------------------------------------------------------------------------------------------


@prepared
def to_lock(quotation: Any) -> Any:
    """The quotation, to be locked."""
    rows = Quotation.objects.select_for_update(of=("self",)).select_related("seller", "customer")
    return rows.filter(pk=quotation)


def locked(pk: int) -> Quotation:
    """The quotation, its row locked until the transaction ends (SQLite locks the whole file at BEGIN IMMEDIATE)."""
    assert connection.in_atomic_block, "a row is locked in the transaction that changes it"
    found: Quotation | None = to_lock.first(quotation=pk)
    if found is None:
        raise Quotation.DoesNotExist
    return found
