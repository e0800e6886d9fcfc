"""Writing a quotation below its pages: numbers, keys, prices, wishes, and two people at the same moment."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from portico import cast
from portico.accounts.models import Event
from portico.billing.actions import decide, draft, send
from portico.billing.actions.draft import LineDraft
from portico.billing.models import Price, Product, Quotation, QuotationLine, QuotationVersion
from portico.billing.tests.my.pages import at_once, books
from portico.cast import World
from portico.kit.errors import Conflict, Invalid

DRAFT = "Quality checks, draft"
HELPDESK = "Helpdesk for the after-sales team"
"""Changes are requested: three users instead of two, and a word about the training."""
ROLL_OUT = "Workshop and showroom roll-out"
BEGUN: dict[str, Any] = {
    "kind": "new", "contact": None, "subscription": None, "database_name": "", "term_months": 12,
}  # fmt: skip


def written(version: QuotationVersion) -> list[LineDraft]:
    return [draft.draft_of(row) for row in version.lines.select_related("product").order_by("position")]


def save(version: QuotationVersion, lines: list[LineDraft], now: datetime, **fields: Any) -> None:
    draft.save_draft(version=version, revision=version.revision, fields=fields, lines=lines, now=now)


def the_draft(world: World, title: str = DRAFT) -> QuotationVersion:
    version = world.quotation(title).draft_version
    assert version is not None
    return version


# Beginning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "number", "valid_until"),
    [
        (datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC), "Q-2026-00001", date(2027, 1, 30)),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), "Q-2027-00001", date(2027, 1, 31)),
    ],
)
def test_year_and_validity_are_those_of_the_seller_s_zone(
    people: World, moment: datetime, number: str, valid_until: date
) -> None:
    made = draft.begin_quotation(seller=people.seller, customer=people.fontaine, by=people.hanna, now=moment, **BEGUN)
    assert (made.number, made.versions.get().valid_until) == (number, valid_until)
    assert made.versions.get().terms == [], "where nothing was ever sent there are no terms to take over"


def test_a_beginning_that_is_refused_takes_no_number(world: World) -> None:
    before = books()
    for changes in (
        {"contact": world.lena},
        {"database_name": "fjord"},
        {"kind": "upsell"},
        {"kind": "renewal", "subscription": world.subscription("lindner-lager")},
    ):
        with pytest.raises(Invalid):
            draft.begin_quotation(
                seller=world.seller, customer=world.fontaine, by=world.hanna, now=world.now, **BEGUN | changes
            )
    assert books() == before
    made = draft.begin_quotation(seller=world.seller, customer=world.fontaine, by=world.hanna, now=world.now, **BEGUN)
    assert made.number == "Q-2026-00023"


@pytest.mark.django_db(transaction=True)
def test_two_begun_at_the_same_moment_get_two_numbers(people: World) -> None:
    def begin() -> Quotation:
        return draft.begin_quotation(
            seller=people.seller, customer=people.fontaine, by=people.hanna, now=people.now, **BEGUN
        )

    made = at_once(begin, begin)
    assert sorted(str(one) for one in made) == ["Q-2026-00001", "Q-2026-00002"]


# Saving ----------------------------------------------------------------------------------------------------------------


def test_lines_keep_their_keys_and_a_new_one_gets_a_key_that_no_version_had(world: World) -> None:
    quotation = world.quotation(ROLL_OUT)
    used = set(QuotationLine.objects.filter(version__quotation=quotation).values_list("key", flat=True))
    version = draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
    lines = written(version)
    last = lines.pop()
    save(version, [*reversed(lines), cast.line(world, "quality")], world.now)
    keys = list(version.lines.order_by("position").values_list("key", flat=True))
    assert keys[:-1] == [line.key for line in reversed(lines)]
    assert keys[-1] not in used
    assert last.key not in keys


def test_a_save_that_is_refused_leaves_every_line_as_it_was(world: World) -> None:
    version, before = the_draft(world), books()
    good, bad = cast.line(world, "helpdesk"), LineDraft("line", "Bad", unit_price=Decimal(-1))
    with pytest.raises(Invalid, match="Bad: a price is not negative"):
        save(version, [good, bad], world.now, title="New title")
    assert books() == before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (LineDraft("line", "  "), "has no name"),
        (LineDraft("line", "A", product_id=10**9), "product that does not exist"),
        (LineDraft("line", "A", quantity=Decimal(0)), "above zero"),
        (LineDraft("line", "A", quantity=Decimal(-2)), "above zero"),
        (LineDraft("line", "A", discount_percent=Decimal(101)), "between 0 and 100"),
        (LineDraft("line", "A", quantity=Decimal("1e9"), unit_price=Decimal(1)), "larger than this portal counts"),
        (LineDraft("line", "A", quantity_min=Decimal(1)), "must lie between"),
        (LineDraft("line", "A", quantity_min=Decimal(0), quantity_max=Decimal(2)), "must lie between"),
        (LineDraft("line", "A", quantity_min=Decimal(2), quantity_max=Decimal(3)), "must lie between"),
    ],
)
def test_a_line_that_cannot_be_is_named(world: World, line: LineDraft, told: str) -> None:
    version, before = the_draft(world), books()
    with pytest.raises(Invalid, match=told):
        save(version, [line], world.now)
    with pytest.raises(Invalid, match=told):
        draft.price_draft(version, [line], {})
    assert books() == before


def test_a_deposit_percent_goes_with_its_policy(world: World) -> None:
    version = the_draft(world)
    save(version, written(version), world.now, payment_policy="deposit", deposit_percent=Decimal(30))
    assert version.deposit_percent == Decimal(30)
    save(version, written(version), world.now, payment_policy="full")
    assert (version.payment_policy, version.deposit_percent) == ("full", Decimal(0))


def test_the_price_looked_at_is_the_price_saved(world: World) -> None:
    version = draft.new_version(quotation=world.quotation(ROLL_OUT), by=world.hanna, now=world.now)
    lines = [
        replace(line, quantity=line.quantity + Decimal("0.3333")) for line in written(version) if not line.quantity_max
    ]
    products = {product.pk: product for product in Product.objects.all()}
    priced = draft.price_draft(version, lines, products)
    save(version, lines, world.now)
    assert (priced.net_minor, priced.vat_minor, priced.total_minor) == (
        version.net_minor, version.vat_minor, version.total_minor,
    )  # fmt: skip


def test_vat_follows_the_buyer_whatever_rate_is_typed(world: World) -> None:
    quotation = draft.draft_quotation(seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now)
    version = quotation.versions.get()
    lines = [cast.line(world, "consulting-day", vat_rate=Decimal(20)), cast.line(world, "handbook")]
    save(version, lines, world.now)
    assert list(version.lines.order_by("position").values_list("vat_category", "vat_rate")) == [
        ("AE", Decimal(0)),
        ("K", Decimal(0)),
    ]
    assert version.total_minor == version.net_minor == 91_400


def test_of_two_who_loaded_the_same_draft_the_second_is_refused(world: World) -> None:
    first, second = the_draft(world), the_draft(world)
    save(first, written(first), world.now, title=DRAFT, intro="First")
    before = books()
    with pytest.raises(Conflict, match="Somebody else saved this draft meanwhile"):
        save(second, written(second), world.now, intro="Second")
    assert books() == before


@pytest.mark.django_db(transaction=True)
def test_of_two_who_save_at_the_same_moment_one_is_kept_whole(world: World) -> None:
    version = the_draft(world)
    loaded = {name: QuotationVersion.objects.get(pk=version.pk) for name in ("Hanna", "The administrator")}

    def saving(name: str) -> Any:
        save(loaded[name], [LineDraft("line", name, unit_price=Decimal(len(name)))], world.now, intro=name)
        return name

    answers = at_once(lambda: saving("Hanna"), lambda: saving("The administrator"))
    (kept,) = [answer for answer in answers if isinstance(answer, str)]
    assert [type(answer) for answer in answers if not isinstance(answer, str)] == [Conflict]
    version.refresh_from_db()
    assert (version.intro, version.revision, version.net_minor) == (kept, 2, len(kept) * 100)
    assert [line.name for line in version.lines.all()] == [kept]


def test_what_was_sent_is_never_saved_again(world: World) -> None:
    version = the_draft(world)
    send.send_quotation(quotation=version.quotation, by=world.hanna, now=world.now)
    before = books()
    with pytest.raises(Conflict, match="was sent meanwhile"):
        save(version, [cast.line(world, "helpdesk")], world.now)
    assert books() == before


# The next version ------------------------------------------------------------------------------------------------------


def test_asking_twice_for_a_new_version_drafts_one(world: World) -> None:
    quotation = world.quotation(ROLL_OUT)
    first = draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
    again = draft.new_version(quotation=quotation, by=world.admin, now=world.now + timedelta(minutes=1))
    assert first == again
    assert quotation.versions.count() == 3
    assert Event.objects.filter(name="quotation.version_drafted", object_id=str(quotation.pk)).count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_who_begin_the_next_version_at_the_same_moment_write_one(world: World) -> None:
    quotation = world.quotation(HELPDESK)

    def answer() -> Any:
        return draft.answer_request(quotation=quotation, apply_wishes=True, by=world.hanna, now=world.now)

    answers = at_once(answer, answer)
    assert sorted(type(one).__name__ for one in answers) == ["Conflict", "QuotationVersion"]
    version = quotation.versions.get(state="draft")
    assert [line.quantity for line in version.lines.order_by("position")] == [Decimal(1), Decimal(3), Decimal(1)]


def test_a_new_version_copies_prices_as_they_were_offered_not_as_they_are_listed_now(world: World) -> None:
    Price.objects.update(unit_price=Decimal(9999))
    Product.objects.update(name="Renamed", vat_rate=Decimal(10))
    quotation = world.quotation(HELPDESK)
    version = draft.answer_request(quotation=quotation, apply_wishes=False, by=world.hanna, now=world.now)
    assert quotation.current is not None
    fields = ("key", "name", "quantity", "unit_price", "vat_rate", "net_minor")
    copied = list(version.lines.order_by("position").values_list(*fields))
    assert copied == list(quotation.current.lines.order_by("position").values_list(*fields))
    assert version.total_minor == quotation.current.total_minor


def test_of_two_wishes_for_a_line_the_later_one_counts(world: World) -> None:
    quotation, camille = world.quotation(HELPDESK), world.member(world.camille)
    for quantity in (7, 5):
        decide.ask_for_changes(
            quotation=quotation, by=camille, version=1, message="", wishes={2: ("quantity", Decimal(quantity), "")},
            now=world.now + timedelta(minutes=10 - quantity),
        )  # fmt: skip
    version = draft.answer_request(quotation=quotation, apply_wishes=True, by=world.hanna, now=world.now)
    assert version.lines.get(key=2).quantity == Decimal(5)
    assert version.lines.get(key=3).name == "Training on site, half a day", "a comment is for a person to answer"


def test_wishes_about_an_older_version_are_not_applied_again(world: World) -> None:
    quotation = world.quotation(HELPDESK)
    draft.answer_request(quotation=quotation, apply_wishes=False, by=world.hanna, now=world.now)
    send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    quotation.refresh_from_db()
    version = draft.answer_request(quotation=quotation, apply_wishes=True, by=world.hanna, now=world.now)
    assert version.version == 3
    assert version.lines.get(key=2).quantity == Decimal(2)


def test_wishes_that_leave_nothing_to_sell_are_refused_when_it_is_sent(world: World) -> None:
    quotation, lines = world.quotation(HELPDESK), (1, 2, 3)
    decide.ask_for_changes(
        quotation=quotation, by=world.member(world.camille), version=1, message="",
        wishes=dict.fromkeys(lines, ("remove", None, "")), now=world.now,
    )  # fmt: skip
    version = draft.answer_request(quotation=quotation, apply_wishes=True, by=world.hanna, now=world.now)
    assert (version.lines.count(), version.total_minor) == (0, 0)
    before = books()
    with pytest.raises(Invalid, match="at least one line"):
        send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    assert books() == before


def test_a_quotation_accepted_meanwhile_gets_no_new_version(world: World) -> None:
    quotation = world.quotation("Renewal of fontaine-boutique")
    cast.accept(world, quotation, world.now)
    before = books()
    with pytest.raises(Conflict, match="was accepted"), transaction.atomic():
        draft.answer_request(quotation=quotation, apply_wishes=True, by=world.hanna, now=world.now)
    assert books() == before
