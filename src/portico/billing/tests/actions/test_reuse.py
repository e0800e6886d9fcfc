"""A quotation used again: copied line by line, kept as a template, and priced anew in another currency."""

from decimal import Decimal

import pytest

from portico.billing.actions import draft, reuse
from portico.billing.models import Product, Quotation, QuotationTemplate, QuotationVersion
from portico.billing.tests.my.pages import books
from portico.cast import World
from portico.kit.errors import Invalid

ROLL_OUT = "Workshop and showroom roll-out"
LINE = (
    "kind name detail product_id quantity unit unit_price discount_percent optional selected quantity_min quantity_max"
)


def lines(version: QuotationVersion) -> list[tuple[object, ...]]:
    return list(version.lines.order_by("position").values_list(*LINE.split()))


def current(world: World) -> QuotationVersion:
    version = world.quotation(ROLL_OUT).current
    assert version is not None
    return version


def begun(world: World) -> Quotation:
    return draft.begin_quotation(
        seller=world.seller, customer=world.fontaine, kind="new", contact=None, subscription=None, database_name="",
        term_months=12, by=world.hanna, now=world.now,
    )  # fmt: skip


def test_a_copy_has_the_same_lines_total_and_conditions_under_its_own_number(world: World) -> None:
    old = current(world)
    before = (lines(old), old.total_minor)
    made = reuse.duplicate_quotation(version=old, customer=world.fontaine, by=world.omar, now=world.now)
    version = made.versions.get()
    assert (lines(version), version.total_minor) == before == (lines(current(world)), current(world).total_minor)
    assert made.number != old.quotation.number
    assert (version.state, version.title, version.terms) == ("draft", old.title, old.terms)
    assert (version.payment_policy, version.deposit_percent) == (old.payment_policy, old.deposit_percent)
    assert version.signature_required == old.signature_required
    assert version.valid_until == draft.default_valid_until(world.now, world.seller)
    assert (made.salesperson, version.saved_by) == (world.omar, world.omar)


def test_a_copy_for_another_customer_is_taxed_and_priced_for_that_one(world: World) -> None:
    made = reuse.duplicate_quotation(version=current(world), customer=world.fjord, by=world.hanna, now=world.now)
    version = made.versions.get()
    assert version.currency == "NOK"
    assert version.vat_minor == 0, "a service to Norway"
    prices = {
        (line.product.code if line.product else ""): line.unit_price for line in version.lines.filter(kind="line")
    }
    for code, price in prices.items():
        listed = (
            world.products[code].prices.filter(currency="NOK", term_months__in=(0, made.term_months)) if code else None
        )
        known = {one.unit_price for one in listed} if listed is not None else set()
        assert price in (known or {Decimal(0)}), "no price in euros stands for one in kroner"
    assert made.contact is None


def test_a_template_gives_back_what_was_kept(world: World) -> None:
    old = current(world)
    kept = reuse.save_template(version=old, name="Roll-out", by=world.hanna, now=world.now)
    quotation = begun(world)
    reuse.use_template(
        template=QuotationTemplate.objects.get(pk=kept.pk), quotation=quotation, by=world.omar, now=world.now
    )
    version = quotation.versions.get()
    assert (lines(version), version.total_minor, version.terms) == (lines(old), old.total_minor, old.terms)
    assert version.title == old.title


def test_the_same_name_replaces_and_a_bad_name_keeps_nothing(world: World) -> None:
    reuse.save_template(version=current(world), name="Roll-out", by=world.hanna, now=world.now)
    reuse.save_template(version=current(world), name="Roll-out", by=world.omar, now=world.now)
    assert QuotationTemplate.objects.get().saved_by == world.omar
    before = books()
    for name in ("", "x" * 81):
        with pytest.raises(Invalid, match="Give the template a name"):
            reuse.save_template(version=current(world), name=name, by=world.hanna, now=world.now)
    assert books() == before


def test_a_product_that_is_gone_leaves_a_free_line(world: World) -> None:
    kept = reuse.save_template(version=current(world), name="Roll-out", by=world.hanna, now=world.now)
    with_product = next(row for row in kept.content["lines"] if row["product_id"])
    with_product["product_id"] = Product.objects.order_by("-pk").first().pk + 1000  # type: ignore[union-attr]  # the cast has some
    quotation = begun(world)
    reuse.use_template(template=kept, quotation=quotation, by=world.hanna, now=world.now)
    line = quotation.versions.get().lines.get(name=with_product["name"])
    assert line.product is None
