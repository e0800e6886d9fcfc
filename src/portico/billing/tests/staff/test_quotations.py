"""Quotations on the desk, through the pages: found, begun, written, sent, answered, withdrawn, and what is refused."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from lxml import html

from portico.accounts.models import Customer, Event, Membership, Seller, User
from portico.billing.actions import decide, draft, send
from portico.billing.models import (
    Acceptance,
    ChangeRequest,
    Database,
    Product,
    Quotation,
    QuotationLine,
    QuotationVersion,
    QuotationView,
)
from portico.billing.tests.my.pages import books, queries_of, rows_of, sums_of, text_of
from portico.billing.tests.staff.pages import main_form
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/staff/quotations/"
DRAFT = "Quality checks, draft"
ROLL_OUT = "Workshop and showroom roll-out"
HELPDESK = "Helpdesk for the after-sales team"


def where(world: World, title: str = DRAFT, tail: str = "") -> str:
    return f"{LIST}{world.quotation(title).number}/{tail}"


def draft_in(world: World, title: str = DRAFT) -> QuotationVersion:
    version = world.quotation(title).draft_version
    assert version is not None
    return version


def with_rows(form: dict[str, str], *rows: dict[str, str]) -> dict[str, str]:
    """The editor's form with these rows instead of its own."""
    kept = {name: value for name, value in form.items() if not name.startswith("l")}
    typed = {f"l{at}-{name}": value for at, row in enumerate(rows) for name, value in row.items()}
    return kept | {"rows": str(len(rows))} | typed


def line(name: str, price: str, **more: str) -> dict[str, str]:
    return {"kind": "line", "name": name, "quantity": "1", "price": price} | more


def stored(version: QuotationVersion) -> list[tuple[Any, ...]]:
    fields = ("kind", "name", "quantity", "unit_price", "discount_percent", "net_minor")
    return list(QuotationLine.objects.filter(version=version).order_by("position").values_list(*fields))


# The list --------------------------------------------------------------------------------------------------------------


def test_the_list_has_every_quotation_with_its_status_and_drafts_too(world: World, client_for: Browser) -> None:
    answer = client_for(world.hanna).get(f"{LIST}?size=100")
    shown = dict(rows_of(answer))
    assert set(shown) == set(Quotation.objects.values_list("number", flat=True))
    for title, status in (
        (DRAFT, "draft"),
        (ROLL_OUT, "sent"),
        (HELPDESK, "changes_requested"),
        ("Inventory barcode pilot", "expired"),
        ("Boutique theme", "accepted"),
        ("Annual maintenance plan", "rejected"),
        ("Point of Sale, introductory price", "withdrawn"),
    ):
        assert shown[world.quotation(title).number] == status
        assert title in text_of(answer)
    assert "Valid Until" in text_of(answer)
    assert "12 Nov 2026" in text_of(answer)
    assert (3_636_000, "NOK") in sums_of(answer, "total")


@pytest.mark.parametrize(
    ("status", "titles"),
    [
        ("draft", {DRAFT}),
        ("changes_requested", {HELPDESK}),
        ("expired", {"Inventory barcode pilot"}),
        ("rejected", {"Annual maintenance plan"}),
        ("withdrawn", {"Point of Sale, introductory price"}),
        (
            "sent",
            {
                ROLL_OUT,
                "Shop till for two branches",
                "Renewal of fontaine-boutique",
                "Helpdesk for the harbour office",
            },
        ),
    ],
)
def test_a_filter_leaves_the_rows_of_its_status(
    world: World, client_for: Browser, status: str, titles: set[str]
) -> None:
    found = rows_of(client_for(world.omar).get(f"{LIST}?status={status}"))
    assert {number for number, _status in found} == {world.quotation(title).number for title in titles}
    assert {one for _number, one in found} == {status}


def test_a_version_being_written_beside_one_that_was_sent_is_found_under_drafts(
    world: World, client_for: Browser
) -> None:
    client = client_for(world.hanna)
    client.post(where(world, ROLL_OUT, "version/"))
    answer = client.get(f"{LIST}?status=draft")
    assert (world.quotation(ROLL_OUT).number, "sent") in rows_of(answer)
    assert "version 3 is being written" in text_of(answer)


@pytest.mark.parametrize(
    ("words", "titles"),
    [
        ("quality checks", {DRAFT}),
        ("harbour", {"Helpdesk for the harbour office"}),
        ("FJORD", {"Helpdesk for the harbour office", "Fjord database, first year"}),
        ("100% nobody_knows", set()),
    ],
)
def test_search_finds_titles_drafts_and_customers(
    world: World, client_for: Browser, words: str, titles: set[str]
) -> None:
    answer = client_for(world.hanna).get(LIST, {"q": words})
    assert {number for number, _status in rows_of(answer)} == {world.quotation(title).number for title in titles}
    assert ("Nothing matches" in text_of(answer)) == (not titles)


def test_search_finds_a_number_and_goes_together_with_a_filter(world: World, client_for: Browser) -> None:
    client, number = client_for(world.hanna), world.quotation(ROLL_OUT).number
    assert rows_of(client.get(LIST, {"q": number[-5:], "status": "sent"})) == [(number, "sent")]
    nothing = client.get(LIST, {"q": number, "status": "rejected"})
    assert rows_of(nothing) == []
    assert "Nothing matches" in text_of(nothing)


@pytest.mark.parametrize("sort", ["newest", "valid_until", "total", "customer"])
def test_every_sort_reads_each_row_once_page_by_page(world: World, client_for: Browser, sort: str) -> None:
    client, seen, asked = client_for(world.hanna), [], f"?sort={sort}&size=4"
    while asked:
        answer = client.get(LIST + asked)
        seen += [number for number, _status in rows_of(answer)]
        links = html.fromstring(answer.content.decode()).xpath("//a[contains(@href, 'after=')]/@href")
        asked = links[-1] if links else ""
    assert sorted(seen) == sorted(Quotation.objects.values_list("number", flat=True))
    rows = {one.number: one for one in Quotation.objects.select_related("current", "customer")}
    if sort == "customer":
        names = [rows[number].customer.legal_name for number in seen]
        assert names == sorted(names)
    elif sort == "newest":
        assert seen == [one.number for one in Quotation.objects.order_by("-id")]
    else:
        sent = [current for number in seen if (current := rows[number].current)]
        days, totals = [one.valid_until for one in sent], [one.total_minor for one in sent]
        assert days == sorted(days, key=str) if sort == "valid_until" else totals == sorted(totals, reverse=True)
        assert seen[-1] == world.quotation(DRAFT).number, "what was never sent has no such value and comes last"


@pytest.mark.parametrize(
    "asked",
    ["status=lost", "sort=random", "size=0", "size=101", "size=many", "after=forged", "before=", f"q={'x' * 101}"],
)
def test_a_list_asked_for_nonsense_says_what_is_wrong(world: World, client_for: Browser, asked: str) -> None:
    answer = client_for(world.hanna).get(f"{LIST}?{asked}")
    assert answer.status_code == 400
    assert "This could not be done" in text_of(answer)
    assert rows_of(answer) == []


def test_the_list_costs_the_same_however_long_it_is(world: World, client_for: Browser) -> None:
    client, asked = client_for(world.hanna), f"{LIST}?size=100"
    few = queries_of(client, asked)
    for _ in range(30):
        draft.draft_quotation(seller=world.seller, customer=world.lindner, by=world.hanna, now=world.now)
    assert len(rows_of(client.get(asked))) > 50
    assert queries_of(client, asked) == few <= 4


# Who may do what -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tail", ["edit/", "send/", "version/", "withdraw/"])
def test_finance_reads_quotations_and_writes_none(world: World, client_for: Browser, tail: str) -> None:
    client, before = client_for(world.omar), books()
    page = client.get(where(world, HELPDESK))
    assert page.status_code == 200
    assert "New version" not in text_of(page)
    assert "Withdraw" not in text_of(page)
    for title in (DRAFT, HELPDESK):
        answer = client.post(where(world, title, tail))
        assert answer.status_code == 403
        assert "Your role does not allow this" in text_of(answer)
    assert client.post(f"{LIST}new/", {"customer": world.fontaine.pk, "kind": "new"}).status_code == 403
    assert books() == before


def test_an_administrator_may_do_what_sales_may(world: World, client_for: Browser) -> None:
    answer = client_for(world.admin).post(where(world, DRAFT, "send/"))
    assert answer.status_code == 302
    assert world.quotation(DRAFT).current is not None


@pytest.mark.parametrize("tail", ["", "edit/", "send/", "withdraw/", "pdf/"])
def test_the_desk_does_not_exist_for_a_customer_and_asks_nobody_in(
    world: World, client_for: Browser, tail: str
) -> None:
    here, before = where(world, DRAFT, tail), books()
    for answer in (client_for(world.camille).get(here), client_for(world.camille).post(here)):
        assert answer.status_code == 404
        assert DRAFT not in text_of(answer)
    stranger = Client().get(here)
    assert stranger.status_code == 302
    assert stranger.headers["Location"] == f"/account/login/?next={here}"
    assert books() == before


@pytest.mark.parametrize("number", ["Q-1999-00001", "nothing", "Q-2026-00013%00"])
def test_a_number_that_is_none_is_not_found(world: World, client_for: Browser, number: str) -> None:
    client, before = client_for(world.hanna), books()
    for tail in ("", "edit/", "send/", "withdraw/", "pdf/"):
        assert client.get(f"{LIST}{number}/{tail}").status_code in {400, 404}
    assert client.post(f"{LIST}{number}/send/").status_code in {400, 404}
    assert books() == before


def test_another_seller_s_quotation_is_not_found(world: World, client_for: Browser) -> None:
    other = Seller.objects.create(legal_name="Southwind BV", country="NL")
    stranger = User.objects.create_user("s@southwind.example", name="Sam", staff_role="sales", staff_of=other)
    client, before = client_for(stranger), books()
    assert rows_of(client.get(LIST)) == []
    for tail in ("", "edit/", "send/", "pdf/"):
        assert client.get(where(world, DRAFT, tail)).status_code == 404
    for tail in ("edit/", "send/", "version/", "withdraw/"):
        assert client.post(where(world, HELPDESK, tail)).status_code == 404
    assert books() == before


# Beginning -------------------------------------------------------------------------------------------------------------


def beginning(client: Client, customer: Customer, **changes: str) -> dict[str, str]:
    """What the page for a new quotation would send, changed."""
    return main_form(client.get(f"{LIST}new/?customer={customer.pk}")) | changes


def test_a_new_quotation_gets_the_next_number_thirty_days_and_the_terms_in_use(
    world: World, client_for: Browser
) -> None:
    client = client_for(world.hanna)
    assert "Atelier Fontaine SARL" in text_of(client.get(f"{LIST}new/"))
    answer = client.post(f"{LIST}new/", beginning(client, world.lindner, database_name="Lindner-Cafe"))
    made = Quotation.objects.latest("id")
    assert answer.headers["Location"] == f"{LIST}{made.number}/edit/"
    assert made.number == "Q-2026-00023"
    assert (made.customer, made.salesperson, made.contact) == (world.lindner, world.hanna, world.lena)
    assert (made.kind, made.database_name, made.term_months) == ("new", "lindner-cafe", 12)
    version = made.versions.get()
    assert (version.state, version.currency, version.total_minor) == ("draft", "EUR", 0)
    assert version.valid_until == date(2026, 12, 9)
    assert version.terms_version == "2026-01"
    assert version.terms
    assert version.terms[0][0] == "Payment"
    page = client.get(answer.headers["Location"])
    assert "No line yet" in text_of(page)
    assert client_for(world.lena).get(f"/my/quotations/{made.number}/").status_code == 404, "a draft is nobody's yet"


def test_a_new_quotation_for_a_subscription_keeps_its_term(world: World, client_for: Browser) -> None:
    client, running = client_for(world.hanna), world.subscription("fontaine-boutique")
    sent = beginning(
        client, world.fontaine, kind="upsell", subscription=str(running.pk), database_name="ignored", term_months="36"
    )
    assert client.post(f"{LIST}new/", sent).status_code == 302
    made = Quotation.objects.latest("id")
    assert (made.kind, made.subscription, made.term_months, made.database_name) == ("upsell", running, 1, "")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"kind": "gift"}, "Choose what the quotation is about"),
        ({"kind": ""}, "Choose what the quotation is about"),
        ({"term_months": "13"}, "Choose for how long"),
        ({"term_months": "twelve"}, "Choose for how long"),
        ({"kind": "upsell", "subscription": ""}, "Choose the subscription"),
        ({"kind": "renewal", "subscription": "9" * 30}, "Choose the subscription"),
        ({"database_name": "a--b"}, "single hyphens"),
        ({"database_name": "büro"}, "small letters"),
        ({"database_name": "x" * 64}, "at most 63"),
        ({"database_name": "fjord"}, "is taken"),
        ({"contact": "0"}, "not a member"),
        ({"contact": "abc"}, "not a member"),
    ],
)
def test_a_quotation_that_cannot_be_begun_says_why(
    world: World, client_for: Browser, changes: dict[str, str], told: str
) -> None:
    client = client_for(world.hanna)
    sent, before = beginning(client, world.fontaine, **changes), books()
    answer = client.post(f"{LIST}new/", sent)
    assert answer.status_code == 400
    assert told in text_of(answer)
    assert books() == before


def test_contact_and_subscription_of_another_customer_are_refused(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    foreign = Membership.objects.get(user=world.lena)
    theirs = world.subscription("lindner-lager")
    sent, before = beginning(client, world.fontaine), books()
    answer = client.post(f"{LIST}new/", sent | {"contact": str(foreign.pk)})
    assert "not a member" in text_of(answer)
    answer = client.post(f"{LIST}new/", sent | {"kind": "upsell", "subscription": str(theirs.pk)})
    assert answer.status_code == 400
    assert "Choose the subscription" in text_of(answer)
    assert books() == before


@pytest.mark.parametrize("customer", ["0", "abc", "9" * 30])
def test_a_quotation_for_nobody_is_not_found(world: World, client_for: Browser, customer: str) -> None:
    client, before = client_for(world.hanna), books()
    assert client.get(f"{LIST}new/?customer={customer}").status_code == 404
    assert client.post(f"{LIST}new/", {"customer": customer, "kind": "new", "term_months": "12"}).status_code == 404
    assert books() == before


# The editor ------------------------------------------------------------------------------------------------------------


def test_the_editor_sends_back_what_is_stored_when_nothing_is_touched(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    client.post(where(world, ROLL_OUT, "version/"))
    version = draft_in(world, ROLL_OUT)
    before = (stored(version), version.total_minor, version.terms, version.terms_version, version.intro)
    here = where(world, ROLL_OUT, "edit/")
    page = client.get(here)
    assert len(before[0]) == 14
    answer = client.post(here, main_form(page))
    assert answer.headers["Location"] == here
    version.refresh_from_db()
    assert (stored(version), version.total_minor, version.terms, version.terms_version, version.intro) == before
    assert version.revision == 1
    assert "The draft is saved" in text_of(client.get(here))


def test_buttons_change_the_rows_and_write_nothing(world: World, client_for: Browser) -> None:
    client, here, before = client_for(world.hanna), where(world, DRAFT, "edit/"), books()
    form = main_form(client.get(here))
    theme, users = world.products["boutique-theme"], world.products["users"]
    for button, chosen, name, price in (
        ("add-product", str(theme.pk), "Boutique theme", "290.00"),
        ("add-product", str(users.pk), "Users", "228.00"),
    ):
        page = client.post(here, form | {"do": button, "new_product": chosen})
        assert page.status_code == 200
        form = main_form(page)
        last = f"l{int(form['rows']) - 1}-"
        assert (form[f"{last}name"], form[f"{last}price"], form[f"{last}product"]) == (name, price, chosen)
    assert form["rows"] == "3"
    for kind in ("line", "section", "note", "allowance", "charge"):
        form = main_form(client.post(here, form | {"do": f"add-{kind}"}))
        assert form[f"l{int(form['rows']) - 1}-kind"] == kind
    form = main_form(client.post(here, form | {"do": "up-2"}))
    assert [form[f"l{at}-name"] for at in range(3)] == ["Quality", "Users", "Boutique theme"]
    form = main_form(client.post(here, form | {"do": "down-0"}))
    assert [form[f"l{at}-name"] for at in range(3)] == ["Users", "Quality", "Boutique theme"]
    form = main_form(client.post(here, form | {"do": "remove-1"}))
    assert [form[f"l{at}-name"] for at in range(2)] == ["Users", "Boutique theme"]
    assert form["rows"] == "7"
    assert main_form(client.post(here, form | {"do": "remove-99"}))["rows"] == "7"
    assert books() == before


@pytest.mark.parametrize("chosen", ["", "0", "abc", "9" * 30])
def test_a_product_that_does_not_exist_cannot_be_added(world: World, client_for: Browser, chosen: str) -> None:
    client, here, before = client_for(world.hanna), where(world, DRAFT, "edit/"), books()
    answer = client.post(here, main_form(client.get(here)) | {"do": "add-product", "new_product": chosen})
    assert answer.status_code == 400
    assert "Choose a product to add" in text_of(answer)
    assert main_form(answer)["rows"] == "1"
    assert books() == before


def test_a_quotation_has_at_most_a_hundred_lines(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    full = with_rows(main_form(client.get(here)), *[line(f"Line {at}", "1") for at in range(100)])
    before = books()
    answer = client.post(here, full | {"do": "add-line"})
    assert answer.status_code == 400
    assert "at most 100 lines" in text_of(answer)
    answer = client.post(here, full | {"rows": "101"})
    assert answer.status_code == 400
    assert "at most 100 lines" in text_of(answer)
    assert books() == before
    assert client.post(here, full).status_code == 302
    assert len(stored(draft_in(world))) == 100


EVERYTHING = (
    {"kind": "section", "name": "Applications"},
    line("Point of Sale", "420", quantity="2", discount="12.5", detail="For the till."),
    {"kind": "note", "name": "Prices are for one year."},
    line("Users", "228.0001", quantity="3", least="1", most="10", unit="users"),
    line("Label printer integration", "360", optional="on", selected="on"),
    line("Second session", "520", optional="on"),
    {"kind": "allowance", "name": "Returning customer", "price": "150", "vat": "20"},
    {"kind": "charge", "name": "Travel", "price": "80.555", "vat": "20"},
)


def test_sections_options_discounts_ranges_and_allowances_are_saved_and_counted(
    world: World, client_for: Browser
) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    sent = with_rows(main_form(client.get(here)), *EVERYTHING) | {
        "title": "  Quality  checks,\tdraft ",
        "payment_policy": "deposit",
        "deposit_percent": "30",
        "invoice_policy": "on_delivery",
        "signature_required": "on",
        "valid_until": "2026-11-09",
        "terms": "Payment\nThirty days.\n\nLate\nInterest.",
    }
    assert client.post(here, sent).status_code == 302
    version = draft_in(world)
    assert stored(version) == [
        ("section", "Applications", Decimal(0), Decimal(0), Decimal(0), 0),
        ("line", "Point of Sale", Decimal(2), Decimal(420), Decimal("12.5"), 73_500),
        ("note", "Prices are for one year.", Decimal(0), Decimal(0), Decimal(0), 0),
        ("line", "Users", Decimal(3), Decimal("228.0001"), Decimal(0), 68_400),
        ("line", "Label printer integration", Decimal(1), Decimal(360), Decimal(0), 36_000),
        ("line", "Second session", Decimal(1), Decimal(520), Decimal(0), 52_000),
        ("allowance", "Returning customer", Decimal(1), Decimal(150), Decimal(0), 15_000),
        ("charge", "Travel", Decimal(1), Decimal("80.555"), Decimal(0), 8_056),
    ]
    net = 73_500 + 68_400 + 36_000 - 15_000 + 8_056
    assert (version.net_minor, version.vat_minor, version.total_minor) == (net, 34_191, net + 34_191)
    rows = {row.name: row for row in version.lines.all()}
    assert (rows["Users"].quantity_min, rows["Users"].quantity_max) == (Decimal(1), Decimal(10))
    assert (rows["Second session"].optional, rows["Second session"].selected) == (True, False)
    assert (rows["Label printer integration"].optional, rows["Label printer integration"].selected) == (True, True)
    assert {(row.vat_category, row.vat_rate) for row in rows.values() if row.net_minor} == {("S", Decimal(20))}
    assert len({row.key for row in rows.values()}) == 8
    assert (version.title, version.valid_until) == (DRAFT, date(2026, 11, 9))
    assert (version.payment_policy, version.deposit_percent) == ("deposit", Decimal(30))
    assert (version.invoice_policy, version.signature_required) == ("on_delivery", True)
    assert version.terms == [["Payment", "Thirty days."], ["Late", "Interest."]]
    assert version.terms_version == "2026-11-09", "terms that were changed get a version of their own"
    shown = main_form(client.get(here))
    assert (shown["l1-discount"], shown["l3-least"], shown["l3-most"]) == ("12.5", "1", "10")
    assert "l5-selected" not in shown


@pytest.mark.parametrize(
    "rows",
    [
        EVERYTHING,
        (line("Half a cent", "0.005"), line("Half a cent", "0.005")),
        (line("Thirds", "33.3333", quantity="3"), line("Five and a half", "24", quantity="5", vat="5.5")),
    ],
)
def test_the_totals_shown_while_typing_are_the_totals_saved(
    world: World, client_for: Browser, rows: tuple[dict[str, str], ...]
) -> None:
    client, here, before = client_for(world.hanna), where(world, DRAFT, "edit/"), books()
    sent = with_rows(main_form(client.get(here)), *rows)
    shown = client.post(here, sent | {"do": "price"}, headers={"HX-Request": "true"})
    assert shown.status_code == 200
    assert books() == before
    assert client.post(here, sent).status_code == 302
    version = draft_in(world)
    assert version.total_minor > 0
    assert sums_of(shown, "total") == sums_of(client.get(here), "total") == {(version.total_minor, "EUR")}
    assert (version.total_minor, "EUR") in sums_of(client.get(where(world, DRAFT, "send/")), "total")


def test_while_a_number_is_being_typed_no_total_is_made_up(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    sent = with_rows(main_form(client.get(here)), line("Point of Sale", "42o"))
    answer = client.post(here, sent | {"do": "price"})
    assert "A line cannot be counted yet" in text_of(answer)
    assert sums_of(answer, "total") == set()
    assert "is not a number" not in text_of(answer), "nobody is scolded in the middle of a word"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"l0-quantity": "-1"}, "Enter a number above zero"),
        ({"l0-quantity": "0"}, "Enter a number above zero"),
        ({"l0-quantity": ""}, "Enter a number."),
        ({"l0-quantity": "three"}, "is not a number"),
        ({"l0-quantity": "1e3"}, "is not a number"),
        ({"l0-quantity": "NaN"}, "is not a number"),
        ({"l0-quantity": "Infinity"}, "is not a number"),
        ({"l0-quantity": "1.23456"}, "is not a number"),
        ({"l0-quantity": "10000001"}, "larger than this portal counts"),
        ({"l0-quantity": "9" * 40}, "is not a number"),
        ({"l0-price": ""}, "Enter a number."),
        ({"l0-price": "-5"}, "A price is not negative"),
        ({"l0-price": "12.34567"}, "is not a number"),
        ({"l0-price": "1.068,00"}, "is not a number"),
        ({"l0-price": "1000000001"}, "larger than this portal counts"),
        ({"l0-price": "٣"}, "is not a number"),
        ({"l0-discount": "101"}, "Between 0 and 100 percent"),
        ({"l0-discount": "-1"}, "Enter a number above zero"),
        ({"l0-vat": "101"}, "Between 0 and 100 percent"),
        ({"l0-vat": "full"}, "is not a number"),
        ({"l0-least": "2", "l0-most": "5"}, "between the smallest and the largest"),
        ({"l0-least": "1", "l0-most": ""}, "between the smallest and the largest"),
        ({"l0-least": "5", "l0-most": "1"}, "between the smallest and the largest"),
        ({"l0-name": ""}, "Give this line a name"),
        ({"l0-name": " \u202e "}, "Give this line a name"),
        ({"l0-name": "x" * 201}, "At most 200 characters"),
        ({"l0-detail": "x" * 2001}, "At most 2000 characters"),
        ({"l0-unit": "x" * 21}, "At most 20 characters"),
        ({"title": "x" * 161}, "At most 160 characters"),
        ({"intro": "x" * 4001}, "At most 4000 characters"),
        ({"terms": "x" * 12_001}, "At most 12000 characters"),
        ({"valid_until": "tomorrow"}, "Enter a day"),
        ({"valid_until": "2026-02-30"}, "Enter a day"),
        ({"valid_until": "09/12/2026"}, "Enter a day"),
        ({"valid_until": "2026-11-08"}, "Choose today or a later day"),
        ({"valid_until": "2036-12-31"}, "Choose today or a later day"),
        ({"payment_policy": "later"}, "Choose what is paid on acceptance"),
        ({"payment_policy": "deposit", "deposit_percent": ""}, "Enter the deposit"),
        ({"payment_policy": "deposit", "deposit_percent": "0"}, "above 0 and below 100"),
        ({"payment_policy": "deposit", "deposit_percent": "100"}, "above 0 and below 100"),
        ({"payment_policy": "deposit", "deposit_percent": "a third"}, "is not a number"),
        ({"invoice_policy": "never"}, "Choose when the invoice is made"),
    ],
)
def test_what_cannot_be_saved_is_told_and_what_was_typed_stays(
    world: World, client_for: Browser, changes: dict[str, str], told: str
) -> None:
    client, here, before = client_for(world.hanna), where(world, DRAFT, "edit/"), books()
    sent = with_rows(main_form(client.get(here)), line("Till", "420")) | {"title": "New words"} | changes
    answer = client.post(here, sent)
    assert answer.status_code == 400
    assert told in text_of(answer)
    kept, choices = main_form(answer), {"payment_policy", "invoice_policy"}
    assert kept["title"] == sent["title"]
    for name in changes.keys() - choices:
        assert kept[name] in sent[name], "cut to what fits, if at all"
        assert bool(kept[name]) == bool(sent[name].strip(" \u202e"))
    assert books() == before


@pytest.mark.parametrize(
    "changes", [{"rows": "many"}, {"rows": "-1"}, {"rows": "1000"}, {"l0-kind": "bribe"}, {"l0-kind": ""}]
)
def test_a_form_that_no_page_sends_is_refused_whole(world: World, client_for: Browser, changes: dict[str, str]) -> None:
    client, here, before = client_for(world.hanna), where(world, DRAFT, "edit/"), books()
    answer = client.post(here, main_form(client.get(here)) | changes)
    assert answer.status_code == 400
    assert "This could not be done" in text_of(answer)
    assert books() == before


def test_a_forged_total_category_or_currency_changes_nothing(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    sent = with_rows(main_form(client.get(here)), line("Till", "420", net_minor="1", vat_category="Z"))
    forged = {"total_minor": "1", "total": "0.01", "net_minor": "1", "currency": "XXX", "state": "accepted"}
    assert client.post(here, sent | forged).status_code == 302
    version = draft_in(world)
    assert (version.net_minor, version.vat_minor, version.total_minor) == (42_000, 8_400, 50_400)
    assert (version.currency, version.state) == ("EUR", "draft")
    assert version.lines.get().vat_category == "S"


def test_lines_of_another_quotation_cannot_be_reached(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    other = QuotationLine.objects.filter(version__quotation__customer=world.lindner).latest("id")
    theirs = stored(other.version)
    for key in (str(other.pk), "999999999", "-1", "1; DROP"):
        sent = with_rows(main_form(client.get(here)), line("Mine", "1", key=key))
        assert client.post(here, sent).status_code == 302
        assert [row[1] for row in stored(draft_in(world))] == ["Mine"]
    assert stored(other.version) == theirs
    other.refresh_from_db()
    assert other.version.quotation.customer == world.lindner


def test_the_same_line_twice_and_a_foreign_product_are_refused(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    foreign = Product.objects.create(
        seller=Seller.objects.create(legal_name="Southwind BV", country="NL"), code="x", name="X", kind="service"
    )
    form, before = main_form(client.get(here)), books()
    twice = with_rows(form, line("A", "1", key="1"), line("B", "2", key="1"))
    answer = client.post(here, twice)
    assert answer.status_code == 400
    assert "The same line was sent twice" in text_of(answer)
    for product in (str(foreign.pk), "999999999999"):
        answer = client.post(here, with_rows(form, line("A", "1", product=product)))
        assert answer.status_code == 400
        assert "names a product that does not exist" in text_of(answer)
    assert books() == before


def test_what_is_written_is_shown_as_text(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    evil = "<script>alert(1)</script> {{ 7*7 }}"
    sent = with_rows(main_form(client.get(here)), line(evil, "1", detail=evil)) | {"title": evil, "intro": evil}
    assert client.post(here, sent).status_code == 302
    for tail in ("", "edit/", "send/"):
        page = client.get(where(world, evil, tail)).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7*7 }}" in page


def test_a_buyer_whose_vat_id_nobody_checked_gets_no_reverse_charge(world: World, client_for: Browser) -> None:
    Customer.objects.filter(pk=world.lindner.pk).update(vat_id_checked_on=None, vat_id_check="")
    client = client_for(world.hanna)
    client.post(f"{LIST}new/", beginning(client, world.lindner))
    made = Quotation.objects.latest("id")
    here = f"{LIST}{made.number}/edit/"
    form, before = main_form(client.get(here)), books()
    answer = client.post(here, with_rows(form, line("A day", "890")))
    assert answer.status_code == 400
    assert "VAT id must be checked" in text_of(answer)
    assert books() == before


def test_nothing_can_be_edited_where_nothing_is_being_written(world: World, client_for: Browser) -> None:
    client, before = client_for(world.hanna), books()
    for title in ("Boutique theme", ROLL_OUT, "Annual maintenance plan"):
        for answer in (client.get(where(world, title, "edit/")), client.post(where(world, title, "edit/"))):
            assert answer.status_code == 409
            assert "Draft a new version first" in text_of(answer)
    assert books() == before


# Two people ------------------------------------------------------------------------------------------------------------


def test_of_two_who_edit_the_second_overwrites_nothing(world: World, client_for: Browser) -> None:
    hanna, admin, here = client_for(world.hanna), client_for(world.admin), where(world, DRAFT, "edit/")
    first, second = main_form(hanna.get(here)), main_form(admin.get(here))
    assert hanna.post(here, with_rows(first, line("Hanna's line", "100"))).status_code == 302
    before = books()
    mine = with_rows(second, line("The other line", "200")) | {"title": "Another title"}
    answer = admin.post(here, mine)
    assert answer.status_code == 409
    told = text_of(answer)
    assert "Somebody else saved this draft meanwhile" in told
    assert "What is stored now" in told
    assert "Hanna's line" in told
    kept = main_form(answer)
    assert (kept["title"], kept["l0-name"]) == ("Another title", "The other line"), "what was typed is not lost"
    assert books() == before
    assert admin.post(here, kept).status_code == 302
    version = draft_in(world, "Another title")
    assert [row[1] for row in stored(version)] == ["The other line"], "having seen it, one may replace it"


@pytest.mark.parametrize("revision", ["", "-1", "x", "99999", "1 OR 1=1"])
def test_a_form_without_a_readable_revision_overwrites_nothing(
    world: World, client_for: Browser, revision: str
) -> None:
    client, here, before = client_for(world.hanna), where(world, DRAFT, "edit/"), books()
    answer = client.post(here, main_form(client.get(here)) | {"revision": revision, "title": "New"})
    assert answer.status_code == 409
    assert books() == before


def test_what_was_sent_while_one_was_typing_stays_as_it_was_sent(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    form = main_form(client.get(here))
    assert client_for(world.admin).post(where(world, DRAFT, "send/")).status_code == 302
    before = books()
    answer = client.post(here, form | {"title": "Too late"})
    assert answer.status_code == 409
    assert books() == before


# Sending ---------------------------------------------------------------------------------------------------------------


def test_sending_shows_it_to_the_customer_and_freezes_it(world: World, client_for: Browser) -> None:
    client, quotation = client_for(world.hanna), world.quotation(DRAFT)
    look = client.get(where(world, DRAFT, "send/"))
    assert "Who will see it" in text_of(look)
    assert "Camille Fontaine" in text_of(look)
    assert client_for(world.camille).get(f"/my/quotations/{quotation.number}/").status_code == 404
    answer = client.post(where(world, DRAFT, "send/"), main_form(look))
    assert answer.headers["Location"] == f"{LIST}{quotation.number}/"
    assert "Version 1 is sent. Atelier Fontaine SARL sees it now." in text_of(client.get(answer.headers["Location"]))
    quotation.refresh_from_db()
    version = quotation.current
    assert version is not None
    assert (version.state, version.sent_by, version.sent_at) == ("sent", world.hanna, world.now)
    assert client_for(world.camille).get(f"/my/quotations/{quotation.number}/").status_code == 200
    event = Event.objects.get(name="quotation.sent", object_id=str(quotation.pk))
    assert (event.actor, event.data["version"], event.data["total_minor"]) == (world.hanna, 1, 28_800)


def test_save_and_look_leads_to_the_page_that_sends(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "edit/")
    answer = client.post(here, main_form(client.get(here)) | {"then_send": "yes"})
    assert answer.headers["Location"] == where(world, DRAFT, "send/")


def test_sending_twice_sends_once(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "send/")
    assert client.post(here).status_code == 302
    before = books()
    for answer in (client.post(here), client.get(here)):
        assert answer.status_code == 409
        assert "There is no draft to send" in text_of(answer)
    assert books() == before


@pytest.mark.parametrize(
    ("rows", "changes", "told"),
    [
        ((), {}, "needs at least one line"),
        (({"kind": "section", "name": "Only words"},), {}, "needs at least one line"),
        ((line("Till", "1"),), {"title": ""}, "Give the quotation a title"),
        ((line("Till", "1"),), {"valid_until": ""}, "Set Valid Until"),
        ((line("Till", "0"),), {}, "total must be above zero"),
        (
            (line("Till", "1"), {"kind": "allowance", "name": "All of it", "price": "1", "vat": "20"}),
            {},
            "total must be above zero",
        ),
        ((line("Till", "100", optional="on"),), {}, "total must be above zero"),
    ],
)
def test_what_is_not_complete_is_saved_but_not_sent(
    world: World, client_for: Browser, rows: tuple[dict[str, str], ...], changes: dict[str, str], told: str
) -> None:
    client, quotation = client_for(world.hanna), world.quotation(DRAFT)
    edit, here = f"{LIST}{quotation.number}/edit/", f"{LIST}{quotation.number}/send/"
    assert client.post(edit, with_rows(main_form(client.get(edit)), *rows) | changes).status_code == 302
    before = books()
    answer = client.post(here)
    assert answer.status_code == 400
    assert told in text_of(answer)
    assert books() == before
    assert client.get(here).status_code == 200


def test_an_old_draft_whose_day_has_passed_is_not_sent(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    client, here = client_for(world.hanna), where(world, DRAFT, "send/")
    clock.shift(timedelta(days=30))
    client = client_for(world.hanna)
    before = books()
    answer = client.post(here)
    assert answer.status_code == 400
    assert "Valid Until lies in the past" in text_of(answer)
    assert books() == before


# Answering wishes ------------------------------------------------------------------------------------------------------


def test_a_change_request_is_answered_by_a_version_that_has_the_wishes(world: World, client_for: Browser) -> None:
    client, quotation = client_for(world.hanna), world.quotation(HELPDESK)
    page = client.get(where(world, HELPDESK))
    for words in (
        "We are three in after-sales. Could the training be online?",
        "Online instead of on site",
        "Camille Fontaine",
        "New version with the wishes",
    ):
        assert words in text_of(page)
    answer = client.post(where(world, HELPDESK, "version/"), {"apply": "yes"})
    assert answer.headers["Location"] == where(world, HELPDESK, "edit/")
    second = draft_in(world, HELPDESK)
    assert second.version == 2
    assert [row[2] for row in stored(second)] == [Decimal(1), Decimal(3), Decimal(1)]
    assert second.total_minor == (36_000 + 3 * 22_800 + 52_000) * 120 // 100
    assert "Could the training be online?" in text_of(client.get(where(world, HELPDESK, "edit/")))
    quotation.refresh_from_db()
    assert quotation.current is not None
    assert (quotation.current.version, quotation.current.state) == (1, "changes_requested"), "drafting changes nothing"
    assert client.post(where(world, HELPDESK, "send/")).status_code == 302
    states = dict(quotation.versions.values_list("version", "state"))
    assert states == {1: "superseded", 2: "sent"}
    assert ChangeRequest.objects.get(version__quotation=quotation).answered_at == world.now
    page = client.get(where(world, HELPDESK))
    assert "Could the training be online?" not in text_of(page)
    assert "Replaced" in text_of(page)
    old = client.get(f"{where(world, HELPDESK)}?version=1")
    assert (160_320, "EUR") in sums_of(old, "total")


def test_wishes_are_not_applied_over_a_draft_that_somebody_writes(world: World, client_for: Browser) -> None:
    client, here = client_for(world.hanna), where(world, HELPDESK, "version/")
    assert client.post(here).status_code == 302
    assert [row[2] for row in stored(draft_in(world, HELPDESK))] == [Decimal(1), Decimal(2), Decimal(1)]
    before = books()
    answer = client.post(here, {"apply": "yes"})
    assert answer.status_code == 409
    assert "being written already" in text_of(answer)
    assert books() == before
    assert client.post(here).headers["Location"] == where(world, HELPDESK, "edit/"), "the draft that is there opens"
    assert books() == before


def test_a_line_wished_away_is_gone_and_a_range_reaches_to_the_wish(world: World, client_for: Browser) -> None:
    decide.ask_for_changes(
        quotation=world.quotation(ROLL_OUT), by=world.member(world.camille), version=2, message="",
        wishes={2: ("remove", None, ""), 4: ("quantity", Decimal(12), "")}, now=world.now,
    )  # fmt: skip
    client_for(world.hanna).post(where(world, ROLL_OUT, "version/"), {"apply": "yes"})
    rows = {row.key: row for row in draft_in(world, ROLL_OUT).lines.all()}
    assert 2 not in rows
    assert (rows[4].quantity, rows[4].quantity_min, rows[4].quantity_max) == (Decimal(12), Decimal(1), Decimal(12))


def test_an_accepted_quotation_gets_no_further_version(world: World, client_for: Browser) -> None:
    client, before = client_for(world.hanna), books()
    answer = client.post(where(world, "Boutique theme", "version/"))
    assert answer.status_code == 409
    assert "was accepted" in text_of(answer)
    assert books() == before
    assert client.get(where(world, "Boutique theme", "version/")).status_code == 405


@pytest.mark.parametrize("title", ["Annual maintenance plan", "Point of Sale, introductory price"])
def test_after_a_no_a_new_version_may_be_written_and_sent(world: World, client_for: Browser, title: str) -> None:
    client = client_for(world.hanna)
    assert client.post(where(world, title, "version/")).status_code == 302
    here = where(world, title, "edit/")
    form = main_form(client.get(here)) | {"valid_until": "2026-12-31", "then_send": "yes"}
    assert client.post(here, form).status_code == 302
    assert client.post(where(world, title, "send/")).status_code == 302
    assert world.quotation(title).current == world.quotation(title).versions.get(version=2, state="sent")


# Withdrawing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("title", [ROLL_OUT, HELPDESK, "Inventory barcode pilot"])
def test_an_open_quotation_is_withdrawn_once(world: World, client_for: Browser, title: str) -> None:
    client, here = client_for(world.hanna), where(world, title, "withdraw/")
    look = client.get(here)
    assert "Withdraw this quotation?" in text_of(look)
    assert client.post(here, main_form(look)).headers["Location"] == where(world, title)
    version = world.quotation(title).current
    assert version is not None
    assert (version.state, version.withdrawn_by, version.withdrawn_at) == ("withdrawn", world.hanna, world.now)
    before = books()
    for answer in (client.get(here), client.post(here)):
        assert answer.status_code == 409
        assert "Nothing was changed" in text_of(answer)
    assert books() == before


@pytest.mark.parametrize("title", ["Boutique theme", "Annual maintenance plan", DRAFT])
def test_what_is_not_open_cannot_be_withdrawn(world: World, client_for: Browser, title: str) -> None:
    client, before = client_for(world.hanna), books()
    for answer in (client.get(where(world, title, "withdraw/")), client.post(where(world, title, "withdraw/"))):
        assert answer.status_code == 409
    assert books() == before


# Looking ---------------------------------------------------------------------------------------------------------------


def test_staff_read_the_document_without_being_counted_as_viewers(world: World, client_for: Browser) -> None:
    before = QuotationView.objects.count()
    page = client_for(world.omar).get(where(world, "Boutique theme"))
    told = text_of(page)
    acceptance = Acceptance.objects.get(version__quotation=world.quotation("Boutique theme"))
    for words in ("Evidence of the acceptance", "camille@fontaine.example", acceptance.pdf_sha256, "192.0.2.10"):
        assert words in told
    assert world.order("Boutique theme").number in told
    assert QuotationView.objects.count() == before


@pytest.mark.parametrize("asked", ["9", "0", "x", "-1"])
def test_a_version_that_does_not_exist_is_not_found(world: World, client_for: Browser, asked: str) -> None:
    client = client_for(world.hanna)
    assert client.get(f"{where(world, ROLL_OUT)}?version={asked}").status_code == 404
    assert client.get(f"{where(world, ROLL_OUT, 'pdf/')}?version={asked}").status_code == 404


def test_the_pdf_is_the_accepted_one_or_a_preview_of_what_is_written(world: World, client_for: Browser) -> None:
    client, before = client_for(world.hanna), books()
    preview = client.get(where(world, DRAFT, "pdf/"))
    assert preview.content.startswith(b"%PDF-")
    assert preview["Content-Type"] == "application/pdf"
    assert preview["Cache-Control"] == "private, no-store"
    assert preview["Content-Disposition"] == f'inline; filename="{world.quotation(DRAFT).number}-v1.pdf"'
    acceptance = Acceptance.objects.get(version__quotation=world.quotation("Boutique theme"))
    assert client.get(where(world, "Boutique theme", "pdf/")).content == acceptance.pdf.read()
    assert books() == before


@pytest.mark.parametrize("tail", ["", "edit/", "send/", "?version=1"])
def test_a_page_of_one_quotation_costs_few_statements(world: World, client_for: Browser, tail: str) -> None:
    client = client_for(world.hanna)
    client.post(where(world, ROLL_OUT, "version/"))
    assert queries_of(client, where(world, ROLL_OUT, tail)) <= 8
    assert queries_of(client, where(world, DRAFT, "" if "version" in tail else tail)) <= 8


def test_the_reason_of_a_rejection_is_for_the_seller_to_read(world: World, client_for: Browser) -> None:
    told = text_of(client_for(world.hanna).get(where(world, "Annual maintenance plan")))
    assert "The budget has moved to the spring." in told
    assert "New version" in told


def test_a_request_after_expiry_is_shown_until_it_is_answered(world: World, client_for: Browser) -> None:
    decide.ask_for_new_quotation(
        quotation=world.quotation("Inventory barcode pilot"),
        by=world.member(world.camille),
        message="Still wanted, please.",
        now=world.now,
    )
    client = client_for(world.hanna)
    told = text_of(client.get(where(world, "Inventory barcode pilot")))
    assert "A new quotation is asked for" in told
    assert "Still wanted, please." in told
    client.post(where(world, "Inventory barcode pilot", "version/"))
    version = draft_in(world, "Inventory barcode pilot")
    assert version.valid_until is None, "a day that has passed is not taken over"
    send_to(world, version)
    told = text_of(client.get(where(world, "Inventory barcode pilot")))
    assert "A new quotation is asked for" not in told


def send_to(world: World, version: QuotationVersion) -> None:
    lines = [draft.draft_of(row) for row in version.lines.select_related("product")]
    draft.save_draft(
        version=version,
        revision=version.revision,
        fields={"valid_until": date(2026, 12, 1)},
        lines=lines,
        now=world.now,
    )
    send.send_quotation(quotation=version.quotation, by=world.hanna, now=world.now)


def test_a_database_name_in_use_is_told_before_the_quotation_is_begun(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    name = Database.objects.latest("id").name
    before = Quotation.objects.count()
    answer = client.post(f"{LIST}new/", beginning(client, world.fontaine, database_name=name))
    assert f"The database name {name} is taken" in text_of(answer)
    assert Quotation.objects.count() == before
