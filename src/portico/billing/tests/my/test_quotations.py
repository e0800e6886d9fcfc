"""The customer's quotations through their pages: found, read, chosen, accepted, refused; and what a bad form leaves alone."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.test import Client

from portico import cast
from portico.accounts.models import Event, Membership, User
from portico.billing.actions import draft, send
from portico.billing.models import Acceptance, Approval, ChangeRequest, ChangeWish, Order, Quotation, QuotationView
from portico.billing.models import quotation as quotation_module
from portico.billing.tests.my.pages import (
    at_once,
    books,
    form_of,
    next_of,
    queries_of,
    rows_of,
    statuses_of,
    sums_of,
    text_of,
)
from portico.cast import World
from portico.kit import files

Browser = Callable[..., Client]
TITLE = "Workshop and showroom roll-out"
LIST = "/my/quotations/"
USERS, MAPPING, PRINTER, GO_LIVE, SECOND_TRAINING = 4, 6, 13, 14, 15


def where(world: World, title: str = TITLE, tail: str = "") -> str:
    return f"{LIST}{world.quotation(title).number}/{tail}"


def acceptance(client: Client, address: str, **changes: str) -> dict[str, str]:
    """The form of the acceptance page, signed and agreed to."""
    sent = form_of(client.get(address), "/accept/")
    return sent | {"consent": "on", "signature_typed": "Camille Fontaine"} | changes


def colleague(world: World, **roles: bool) -> User:
    user = User.objects.create_user("paul@fontaine.example", name="Paul Girard")
    user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, **roles))
    return user


# The list --------------------------------------------------------------------------------------------------------------


def test_the_list_shows_valid_until_and_every_state_and_no_draft(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(LIST)
    told = text_of(answer)
    shown = dict(rows_of(answer))
    for title, status in (
        (TITLE, "sent"), ("Inventory barcode pilot", "expired"), ("Annual maintenance plan", "rejected"),
        ("Point of Sale, introductory price", "withdrawn"), ("Second workshop", "accepted"),
        ("Helpdesk for the after-sales team", "changes_requested"),
    ):  # fmt: skip
        assert shown[world.quotation(title).number] == status
        assert title in told
    assert "Valid Until" in told
    assert "12 Nov 2026" in told
    assert "3 days left" in told
    assert "Expired" in told
    assert "draft" not in told
    assert len(shown) == Quotation.objects.filter(customer=world.fontaine, current__isnull=False).count()


@pytest.mark.parametrize(
    ("q", "titles"),
    [
        ("roll-OUT", {TITLE}),
        ("8,049.36", {TITLE}),
        ("€8049.36", {TITLE}),
        ("Quality checks, draft", set()),
        ("Shop till for two branches", set()),
        ("100%", set()),
        ("' OR 1=1 --", set()),
    ],
)
def test_a_search_finds_number_title_and_amount_of_ones_own_alone(
    world: World, client_for: Browser, q: str, titles: set[str]
) -> None:
    answer = client_for(world.camille).get(LIST, {"q": q})
    assert answer.status_code == 200
    assert {number for number, _status in rows_of(answer)} == {world.quotation(title).number for title in titles}
    if not titles:
        assert "No quotation matches" in text_of(answer)


def test_a_search_by_number_finds_that_one(world: World, client_for: Browser) -> None:
    number = world.quotation(TITLE).number
    assert rows_of(client_for(world.camille).get(LIST, {"q": number[3:]})) == [(number, "sent")]


@pytest.mark.parametrize("status", ["sent", "changes_requested", "accepted", "rejected", "expired", "withdrawn"])
def test_a_filter_leaves_its_status_and_loses_no_row(world: World, client_for: Browser, status: str) -> None:
    client = client_for(world.camille)
    everything = rows_of(client.get(LIST, {"size": "100"}))
    kept = rows_of(client.get(LIST, {"status": status}))
    assert kept == [row for row in everything if row[1] == status]
    assert kept


@pytest.mark.parametrize(
    ("sort", "key", "backwards"),
    [
        ("newest", "pk", True),
        ("oldest", "pk", False),
        ("valid_until", "current.valid_until", False),
        ("-valid_until", "current.valid_until", True),
        ("total", "current.total_minor", True),
        ("-total", "current.total_minor", False),
    ],
)
def test_the_list_is_sorted_as_asked_also_across_its_pages(
    world: World, client_for: Browser, sort: str, key: str, backwards: bool
) -> None:
    client = client_for(world.camille)
    numbers: list[str] = []
    query = f"?sort={sort}&size=4"
    pages = 0
    while query:
        answer = client.get(LIST + query)
        assert answer.status_code == 200
        numbers += [number for number, _status in rows_of(answer)]
        query, pages = next_of(answer), pages + 1
    own = list(Quotation.objects.filter(customer=world.fontaine, current__isnull=False).select_related("current"))
    assert sorted(numbers) == sorted(one.number for one in own), "every row once, none twice"
    assert pages == -(-len(own) // 4)
    by_number = {one.number: one for one in own}

    def value(number: str) -> Any:
        found: Any = by_number[number]
        for part in key.split("."):
            found = getattr(found, part)
        return found

    values = [value(number) for number in numbers]
    assert values == sorted(values, reverse=backwards)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("sort=secret", "cannot be sorted that way"),
        ("status=superfluous", "no such filter"),
        ("size=0", "between 1 and 100"),
        ("size=101", "between 1 and 100"),
        ("size=NaN", "between 1 and 100"),
        ("after=forged", "Start again at its first page"),
        ("before=", "Start again at its first page"),
        ("q=" + "a" * 101, "at most 100 characters"),
        ("q=%00", "cannot be read"),
    ],
)
def test_a_list_asked_for_what_it_has_not_says_what_it_has(
    world: World, client_for: Browser, query: str, said: str
) -> None:
    answer = client_for(world.camille).get(f"{LIST}?{query}")
    assert answer.status_code == 400
    assert said in text_of(answer)


def test_a_list_without_a_quotation_says_so(world: World, client_for: Browser) -> None:
    Quotation.objects.filter(customer=world.lindner).update(current=None)
    assert "No quotation yet" in text_of(client_for(world.lena).get(LIST))


def test_the_list_costs_four_statements_however_many_rows(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    few = queries_of(client, f"{LIST}?size=100")
    for n in range(25):
        cast.offer(world, world.fontaine, f"Offer {n}", [cast.line(world, "consulting-day")], world.now)
    assert len(rows_of(client.get(f"{LIST}?size=100"))) > 40
    assert queries_of(client, f"{LIST}?size=100") == few <= 4


# The page --------------------------------------------------------------------------------------------------------------


def test_the_page_shows_lines_totals_and_what_may_be_chosen(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(where(world))
    told = text_of(answer)
    for words in (
        TITLE, "Additional users", "Label printer integration", "Valid Until", "Total including VAT", "€8,049.36",
        "Accept, Sign & Pay", "Ask for changes", "Reject", "€2,414.81",
    ):  # fmt: skip
        assert words in told
    assert sums_of(answer, "total") == {(804936, "EUR")}
    assert form_of(answer, where(world), "GET") == {"chosen": "1", "quantity-4": "4", "line-13": "on"}


def test_options_and_quantities_are_chosen_priced_and_accepted_without_javascript(
    world: World, client_for: Browser
) -> None:
    client = client_for(world.camille)
    chosen = form_of(client.get(where(world)), where(world), "GET")
    del chosen["line-13"]
    chosen |= {"line-15": "on", "quantity-4": "6"}
    answer = client.get(where(world), chosen)
    total = 804936 + round((-36000 + 52000 + 2 * 20520) * 1.2)
    assert sums_of(answer, "total") == {(total, "EUR")}
    assert form_of(answer, where(world), "GET") == chosen

    page = client.get(where(world, tail="accept/"), chosen)
    assert sums_of(page, "total") == {(total, "EUR")}
    sent = form_of(page, "/accept/") | {"consent": "on", "signature_typed": "Camille Fontaine"}
    assert client.post(where(world, tail="accept/"), sent).status_code == 302
    order = world.order(TITLE)
    assert order.total_minor == total
    quantities = {line.name: line.quantity for line in order.lines.filter(kind="line")}
    assert quantities["Additional users"] == 6
    assert quantities["Second training session"] == 1
    assert "Label printer integration" not in quantities
    kept = Acceptance.objects.get(version__quotation__number=world.quotation(TITLE).number)
    assert kept.selection.choices == {"4": "6", "13": "0", "15": "1"}


@pytest.mark.parametrize(
    "quantity", ["-1", "0", "11", "1e3", "9" * 20, "NaN", "Infinity", "4.5", "4.00001", "four", "", "４"]
)
def test_a_quantity_that_is_not_offered_is_refused_on_the_page_and_at_accepting(
    world: World, client_for: Browser, quantity: str
) -> None:
    client = client_for(world.camille)
    sent = acceptance(client, where(world, tail="accept/"))
    client.get(where(world))  # the first look is noted
    before = books()
    answer = client.get(where(world), {"chosen": "1", "line-13": "on", "quantity-4": quantity})
    assert answer.status_code == 400
    assert sums_of(answer, "total") == {(804936, "EUR")}, "the page shows what is offered"
    told = text_of(answer)
    assert any(words in told for words in ("is not a number", "Additional users")), told
    assert client.get(where(world, tail="accept/"), {"chosen": "1", "quantity-4": quantity}).status_code == 400
    answer = client.post(where(world, tail="accept/"), sent | {"quantity-4": quantity})
    assert answer.status_code == 400
    assert books() == before


def test_each_refused_quantity_says_why(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    for quantity, said in (
        ("11", "Additional users: choose a quantity from 1 to 10."),
        ("-1", "Additional users: choose a quantity from 1 to 10."),
        ("0", "Additional users is part of this quotation and cannot be left out."),
        ("4.5", "Additional users: choose a whole step up or down."),
        ("NaN", "“NaN” is not a number that can be used here."),
    ):
        assert said in text_of(client.get(where(world), {"chosen": "1", "quantity-4": quantity}))


def test_what_the_seller_did_not_offer_cannot_be_chosen(world: World, client_for: Browser) -> None:
    """Fields of fixed lines and of lines that are not there change nothing: the price stays the server's."""
    client = client_for(world.camille)
    forged = {"chosen": "1", "line-13": "on", "quantity-4": "4", "quantity-6": "0", "line-999": "on", "line-2": "off"}
    assert sums_of(client.get(where(world), forged), "total") == {(804936, "EUR")}
    sent = acceptance(client, where(world, tail="accept/"), **forged)
    assert client.post(where(world, tail="accept/"), sent).status_code == 302
    order = world.order(TITLE)
    assert order.total_minor == 804936
    assert order.lines.get(name="Workshop mapping and configuration").quantity == 3


def test_a_quantity_with_three_decimals_can_be_chosen_by_a_german_reader(world: World, client_for: Browser) -> None:
    """A number field sends a point in every language; it is no thousands separator."""
    world.lena.language = "de"
    world.lena.save()
    line = cast.line(world, "consulting-day", "1.125", quantity_min=Decimal("0.125"), quantity_max=Decimal("5.125"))
    cast.offer(world, world.lindner, "Hours", [line], world.now)
    answer = client_for(world.lena).get(where(world, "Hours"), {"chosen": "1", "quantity-1": "2.125"})
    assert answer.status_code == 200
    assert sums_of(answer, "total") == {(189125, "EUR")}


def test_the_page_costs_eight_statements_however_many_lines_and_versions(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    assert queries_of(client, where(world)) <= 8
    many = [cast.line(world, "training", name=f"Session {n}") for n in range(60)]
    quotation = cast.offer(world, world.fontaine, "Many lines", many, world.now)
    for n in range(4):
        draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
        cast.write(world, world.fontaine, "Many lines", many[n:], world.now, quotation=quotation)
        send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    assert queries_of(client, where(world, "Many lines")) <= 8
    assert queries_of(client, where(world, "Many lines", "v2/")) <= 8
    assert queries_of(client, where(world, "Many lines", "accept/")) <= 8


def test_an_earlier_version_is_read_only_and_says_what_changed_since(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    answer = client.get(where(world, tail="v1/"))
    assert "This is an earlier version" in text_of(answer)
    assert "Ask for changes" not in text_of(answer)
    assert "Migration added, mapping shortened" in text_of(client.get(where(world)))
    assert client.get(where(world, tail="v2/")).headers["Location"] == where(world)
    for missing in ("v0/", "v3/", "v99999999999999999999/"):
        answer = client.get(where(world, tail=missing))
        assert answer.status_code == 404
        assert "no such version" in text_of(answer)


def test_opening_a_quotation_is_noted_once_an_hour(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    client = client_for(world.camille)
    version = world.quotation(TITLE).current
    counts = []
    for minutes in (0, 10, 61):
        clock.move_to(world.now + timedelta(minutes=minutes))
        client.get(where(world))
        counts.append(QuotationView.objects.filter(version=version, user=world.camille).count())
    assert [count - counts[0] for count in counts] == [0, 0, 1]


def test_words_that_people_wrote_stand_on_the_page_as_text(world: World, client_for: Browser) -> None:
    hostile = "<script>alert(1)</script> {{7*7}} {% now %} שלום <img src=x onerror=alert(2)>"
    cast.offer(
        world, world.fontaine, hostile,
        [cast.line(world, "training", name=hostile, detail=hostile), cast.section(hostile)],
        world.now, intro=hostile, terms=[[hostile, hostile]],
    )  # fmt: skip
    client = client_for(world.camille)
    quotation = world.quotation(hostile)
    for page in (
        LIST, f"{LIST}?q=%3Cscript%3Ealert(1)", where(world, hostile), where(world, hostile, "accept/"),
        where(world, hostile, "changes/"), where(world, hostile, "reject/"), "/my/",
    ):  # fmt: skip
        answer = client.get(page)
        raw = answer.content.decode()
        assert answer.status_code == 200
        assert "<script>alert" not in raw
        assert "<img src=x" not in raw
        assert "alert(1)</script>" not in raw
        if not page.endswith("reject/"):
            assert "{{7*7}}" in raw
            assert "שלום" in raw
    assert client.get(where(world, hostile, "pdf/")).content.startswith(b"%PDF")
    assert quotation.number in text_of(client.get(where(world, hostile, "reject/")))


def test_marks_that_turn_the_reading_direction_are_left_out_of_what_is_sent(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    wish = {"message": "pay \u202e00.1 €\u202c", "wish-comment-4": "\u2066x"}
    client.post(where(world, tail="changes/"), wish | {"version": "2"})
    assert ChangeRequest.objects.latest("id").message == "pay 00.1 €"
    assert ChangeWish.objects.latest("id").comment == "x"
    sent = acceptance(client, where(world, tail="accept/"), po_number="PO\u202e-1", signer_name="Cam\u202eille\nF")
    assert client.post(where(world, tail="accept/"), sent).status_code == 302
    kept = Acceptance.objects.latest("id")
    assert "\u202e" not in kept.po_number + kept.signer_name
    assert "\n" not in kept.signer_name


# Files -----------------------------------------------------------------------------------------------------------------


def test_the_pdf_is_drawn_with_the_choice_of_the_address(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    answer = client.get(where(world, tail="pdf/"))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert f'filename="{world.quotation(TITLE).number}-v2.pdf"' in answer.headers["Content-Disposition"]
    assert client.get(where(world, tail="pdf/"), {"chosen": "1", "quantity-4": "11"}).status_code == 400
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_the_pdf_of_an_accepted_quotation_is_the_file_as_accepted(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    client.post(where(world, tail="accept/"), acceptance(client, where(world, tail="accept/")))
    kept = Acceptance.objects.latest("id")
    for query in ({}, {"chosen": "1", "quantity-4": "9"}):
        content = client.get(where(world, tail="pdf/"), query).content
        assert hashlib.sha256(content).hexdigest() == kept.pdf_sha256


# Accepting -------------------------------------------------------------------------------------------------------------


def test_accepting_makes_the_order_and_keeps_the_evidence(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    version = world.quotation(TITLE).current
    assert version is not None
    client.get(where(world))
    sent = acceptance(
        client, where(world, tail="accept/"), signer_name="Camille A. Fontaine", signer_title="Director",
        po_number="PO 77", signature_typed="Camille A. Fontaine",
    )  # fmt: skip
    answer = client.post(
        where(world, tail="accept/"), sent, headers={"User-Agent": "Browser/1 " + "x" * 400}, REMOTE_ADDR="192.0.2.44"
    )
    order = world.order(TITLE)
    assert answer.headers["Location"] == f"/my/orders/{order.number}/pay/"
    assert (order.state, order.total_minor, order.po_number) == ("awaiting_payment", 804936, "PO 77")
    request = order.payment_requests.get()
    assert (request.amount_minor, request.state) == (241481, "open")
    version.refresh_from_db()
    assert (version.state, version.accepted_by, version.accepted_at) == ("accepted", world.camille, world.now)
    kept = Acceptance.objects.get(version=version)
    assert (kept.total_minor, kept.selection.total_minor, kept.selection.choices) == (804936, 804936, {})
    assert (kept.accepted_by, kept.accepted_at) == (world.camille, world.now)
    assert (kept.signer_name, kept.signer_title) == ("Camille A. Fontaine", "Director")
    assert (kept.signature_kind, kept.signature) == ("typed", "Camille A. Fontaine")
    assert (kept.po_number, kept.terms_version) == ("PO 77", "2026-01")
    assert (kept.ip, kept.auth_method) == ("192.0.2.44", "session")
    assert kept.user_agent.startswith("Browser/1 xxx")
    assert len(kept.user_agent) == 300
    assert kept.consent == "I accept this quotation for Atelier Fontaine SARL as shown, and I may decide for it."
    assert hashlib.sha256(kept.pdf.read()).hexdigest() == kept.pdf_sha256
    assert len(kept.data_sha256) == 64
    assert [pk for _at, pk in kept.view_history] == list(version.views.values_list("pk", flat=True))
    assert Event.objects.filter(name="quotation.accepted", actor=world.camille, at=world.now).count() == 1
    page = client.get(where(world))
    assert "Accepted by Camille A. Fontaine" in text_of(page)
    assert order.number in text_of(page)


def test_a_drawn_signature_is_kept_as_its_path(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    sent = acceptance(
        client, where(world, tail="accept/"), signature_kind="drawn", signature_typed="", signature_drawn="M1,2 L3.5,4"
    )
    assert client.post(where(world, tail="accept/"), sent).status_code == 302
    kept = Acceptance.objects.latest("id")
    assert (kept.signature_kind, kept.signature) == ("drawn", "M1,2 L3.5,4")


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"consent": ""}, 400, "Tick the box to say that you accept"),
        ({"consent": "yes"}, 400, "Tick the box to say that you accept"),
        ({"signature_typed": ""}, 400, "Sign by typing your name or drawing it"),
        ({"signature_typed": "  \u202e "}, 400, "Sign by typing your name or drawing it"),
        ({"signature_kind": "stamp"}, 400, "Sign by typing your name or drawing it"),
        ({"signature_kind": "drawn", "signature_drawn": '"/><script>'}, 400, "drawn signature could not be read"),
        ({"signature_kind": "drawn", "signature_drawn": "M" + "1" * 20_000}, 400, "drawn signature could not be read"),
        ({"signer_name": "x" * 121}, 400, "A text is too long: at most 120 characters"),
        ({"po_number": "x" * 61}, 400, "A text is too long: at most 60 characters"),
        ({"po_number": "a\x00b"}, 400, "cannot be read"),
        ({"version": ""}, 400, "The form was not complete"),
        ({"version": "two"}, 400, "The form was not complete"),
        ({"version": "9" * 30}, 400, "The form was not complete"),
        ({"version": "²"}, 400, "The form was not complete"),
        ({"version": "1"}, 409, "A new version of this quotation was sent meanwhile"),
        ({"version": "3"}, 409, "A new version of this quotation was sent meanwhile"),
        ({"seen_total_minor": ""}, 400, "The form was not complete"),
        ({"seen_total_minor": "1.5"}, 400, "The form was not complete"),
        ({"seen_total_minor": "NaN"}, 400, "The form was not complete"),
        ({"seen_total_minor": "100"}, 409, "The total is not the one you saw"),
        ({"seen_total_minor": "-804936"}, 409, "The total is not the one you saw"),
        ({"line-15": "on"}, 409, "The total is not the one you saw"),
    ],
)  # fmt: skip
def test_an_acceptance_that_does_not_hold_is_refused_and_writes_nothing(
    world: World, client_for: Browser, changes: dict[str, str], status: int, said: str
) -> None:
    client = client_for(world.camille)
    sent = acceptance(client, where(world, tail="accept/"), **changes)
    before = books()
    answer = client.post(where(world, tail="accept/"), sent)
    assert answer.status_code == status
    assert said in text_of(answer)
    assert books() == before


def test_without_a_name_typed_the_account_s_own_name_signs(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    sent = acceptance(client, where(world, tail="accept/"), signer_name="  ")
    assert client.post(where(world, tail="accept/"), sent).status_code == 302
    assert Acceptance.objects.latest("id").signer_name == "Camille Fontaine"


def test_what_was_entered_stays_after_a_refusal(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    sent = acceptance(client, where(world, tail="accept/"), po_number="PO 78", consent="")
    sent |= {"line-15": "on", "seen_total_minor": str(804936 + 62400)}
    kept = form_of(client.post(where(world, tail="accept/"), sent), "/accept/")
    assert kept["po_number"] == "PO 78"
    assert kept["line-15"] == "on"
    assert kept["seen_total_minor"] == str(804936 + 62400)


def test_a_drawing_that_is_no_drawing_is_refused_also_where_no_signature_is_asked(
    world: World, client_for: Browser
) -> None:
    cast.offer(world, world.fontaine, "Unsigned", [cast.line(world, "training")], world.now)
    client = client_for(world.camille)
    hostile = {"signature_kind": "drawn", "signature_drawn": "<svg onload=alert(1)>" * 5000}
    sent = acceptance(client, where(world, "Unsigned", "accept/"), **hostile)
    before = books()
    answer = client.post(where(world, "Unsigned", "accept/"), sent)
    assert answer.status_code == 400
    assert "drawn signature could not be read" in text_of(answer)
    assert books() == before


def test_leaving_everything_out_is_not_an_acceptance(world: World, client_for: Browser) -> None:
    lines = [cast.line(world, "training", optional=True), cast.line(world, "quality", optional=True)]
    cast.offer(world, world.fontaine, "All optional", lines, world.now)
    client = client_for(world.camille)
    sent = acceptance(client, where(world, "All optional", "accept/"))
    for name in [name for name in sent if name.startswith("line-")]:
        del sent[name]
    before = books()
    answer = client.post(where(world, "All optional", "accept/"), sent | {"seen_total_minor": "0"})
    assert answer.status_code == 400
    assert "Choose at least one line" in text_of(answer)
    assert books() == before


CLOSED = [
    ("Inventory barcode pilot", "expired"),
    ("Annual maintenance plan", "rejected"),
    ("Point of Sale, introductory price", "withdrawn"),
    ("Second workshop", "accepted"),
]
"""Quotations that can no longer be accepted, and the word that says why."""


@pytest.mark.parametrize("needs_two", [False, True])
@pytest.mark.parametrize(("title", "why"), CLOSED)
def test_a_closed_quotation_cannot_be_decided(
    world: World, client_for: Browser, title: str, why: str, needs_two: bool
) -> None:
    if needs_two:
        world.fontaine.second_approval_above_minor = 100
        world.fontaine.save()
    client = client_for(world.camille)
    version = world.quotation(title).current
    assert version is not None
    sent = {
        "version": "1", "seen_total_minor": str(version.total_minor), "consent": "on", "signer_name": "C",
        "signature_kind": "typed", "signature_typed": "C",
    }  # fmt: skip
    before = books()
    for tail, form in (
        ("accept/", sent),
        ("changes/", {"version": "1", "message": "More"}),
        ("reject/", {"version": "1", "reason": "price"}),
    ):
        answer = client.post(where(world, title, tail), form)
        assert answer.status_code == 409, tail
        assert why in text_of(answer)
        assert client.get(where(world, title, tail)).status_code == 409
    if why != "rejected":
        assert client.post(where(world, title, "reopen/")).status_code == 409
    if why == "rejected":
        assert client.post(where(world, title, "renew/")).status_code == 409, "it is still valid"
    assert books() == before


def test_a_superseded_version_cannot_be_accepted_from_a_tab_left_open(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    sent = acceptance(client, where(world, tail="accept/"))
    quotation = world.quotation(TITLE)
    draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
    send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    before = books()
    for tail, form in (
        ("accept/", sent),
        ("changes/", {"version": "2", "message": "More"}),
        ("reject/", {"version": "2", "reason": "price"}),
    ):
        answer = client.post(where(world, tail=tail), form)
        assert answer.status_code == 409
        assert "A new version of this quotation was sent meanwhile" in text_of(answer)
    assert books() == before


def test_a_quotation_expires_with_its_day_under_an_open_form(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    today = cast.offer(world, world.fontaine, "Today", [cast.line(world, "training")], world.now, valid_days=0)
    client = client_for(world.camille)
    sent = acceptance(client, where(world, "Today", "accept/"))
    before = books()
    clock.move_to("2026-11-09T23:00:00Z")  # midnight in Nantes
    answer = client.post(where(world, "Today", "accept/"), sent)
    assert answer.status_code == 409
    assert "This quotation has expired. Nothing was changed." in text_of(answer)
    assert books() == before
    assert dict(rows_of(client.get(LIST)))[today.number] == "expired"
    clock.move_to("2026-11-09T22:59:59.999999Z")
    assert dict(rows_of(client.get(LIST)))[today.number] == "sent"
    assert client.post(where(world, "Today", "accept/"), sent).status_code == 302


def test_two_tabs_that_accept_make_one_order(world: World, client_for: Browser) -> None:
    first, second = client_for(world.camille), client_for(world.camille)
    one, two = acceptance(first, where(world, tail="accept/")), acceptance(second, where(world, tail="accept/"))
    assert first.post(where(world, tail="accept/"), one).status_code == 302
    before = books()
    answer = second.post(where(world, tail="accept/"), two)
    assert answer.status_code == 409
    assert "This quotation has already been accepted" in text_of(answer)
    assert books() == before
    assert Order.objects.filter(version__quotation=world.quotation(TITLE)).count() == 1


# Two approvers ---------------------------------------------------------------------------------------------------------


def test_above_the_limit_two_people_accept_the_same_choice(world: World, client_for: Browser) -> None:
    world.fontaine.second_approval_above_minor = 804935
    world.fontaine.save()
    first, second = client_for(world.camille), client_for(colleague(world, is_approver=True))
    assert "Your company asks for two approvers" in text_of(first.get(where(world, tail="accept/")))
    sent = acceptance(
        first, where(world, tail="accept/"), **{"quantity-4": "5", "seen_total_minor": str(804936 + 24624)}
    )
    answer = first.post(where(world, tail="accept/"), sent, follow=True)
    assert "Your approval is recorded. A second approver must accept it now." in text_of(answer)
    assert "Camille Fontaine approved this choice" in text_of(answer)
    assert Approval.objects.get().by == world.camille
    assert not Order.objects.filter(version__quotation=world.quotation(TITLE)).exists()

    before = books()
    answer = first.post(where(world, tail="accept/"), sent)
    assert answer.status_code == 409
    assert "You approved this already" in text_of(answer)
    other = sent | {"quantity-4": "6", "seen_total_minor": str(804936 + 2 * 24624)}
    answer = second.post(where(world, tail="accept/"), other)
    assert answer.status_code == 409
    assert "The first approver chose other options" in text_of(answer)
    assert books() == before

    shown = acceptance(second, where(world, tail="accept/"))
    assert shown["quantity-4"] == "5", "the second approver sees the choice of the first"
    assert second.post(where(world, tail="accept/"), shown).status_code == 302
    assert world.order(TITLE).total_minor == 804936 + 24624
    assert Acceptance.objects.latest("id").accepted_by.email == "paul@fontaine.example"  # type: ignore[union-attr]  # just set


def test_at_the_limit_one_person_is_enough(world: World, client_for: Browser) -> None:
    world.fontaine.second_approval_above_minor = 804936
    world.fontaine.save()
    client = client_for(world.camille)
    client.post(where(world, tail="accept/"), acceptance(client, where(world, tail="accept/")))
    assert world.order(TITLE).total_minor == 804936
    assert not Approval.objects.exists()


# Asking for changes, rejecting, reopening ------------------------------------------------------------------------------


def test_changes_are_asked_for_with_a_message_and_wishes_for_single_lines(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    sent = form_of(client.get(where(world, tail="changes/")))
    sent |= {
        "message": "A word\r\non two lines",
        "wish-4": "quantity", "wish-quantity-4": "2.5",
        "wish-6": "remove",
        "wish-comment-7": "In English, please",
    }  # fmt: skip
    answer = client.post(where(world, tail="changes/"), sent, follow=True)
    assert "Your request is sent." in text_of(answer)
    request = ChangeRequest.objects.latest("id")
    version = world.quotation(TITLE).current
    assert version is not None
    assert (request.version, request.kind, request.by, request.at) == (version, "changes", world.camille, world.now)
    assert request.message == "A word\non two lines"
    wishes = {wish.line.key: (wish.wish, wish.quantity, wish.comment) for wish in request.wishes.select_related("line")}
    assert wishes == {
        4: ("quantity", Decimal("2.5"), ""),
        6: ("remove", None, ""),
        7: ("comment", None, "In English, please"),
    }
    assert version.state == "changes_requested"
    assert dict(rows_of(client.get(LIST)))[version.quotation.number] == "changes_requested"
    assert "Accept, Sign & Pay" in text_of(client.get(where(world))), "it can still be accepted"


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({}, 400, "Say what should change"),
        ({"message": " \r\n \u202e"}, 400, "Say what should change"),
        ({"message": "x" * 4001}, 400, "A text is too long: at most 4000 characters"),
        ({"wish-comment-4": "x" * 501}, 400, "A text is too long: at most 500 characters"),
        ({"wish-4": "gift"}, 400, "Choose what should happen with “Additional users”"),
        ({"wish-4": "quantity"}, 400, "is not a number that can be used here"),
        ({"wish-4": "quantity", "wish-quantity-4": "NaN"}, 400, "“NaN” is not a number"),
        ({"wish-4": "quantity", "wish-quantity-4": "-1"}, 400, "“Additional users”: wish for a quantity from 0"),
        ({"wish-4": "quantity", "wish-quantity-4": "10000001"}, 400, "wish for a quantity from 0 to 10,000,000"),
        ({"wish-4": "quantity", "wish-quantity-4": "1.00001"}, 400, "is not a number that can be used here"),
        ({"wish-999": "remove"}, 400, "Say what should change"),
        ({"message": "More", "version": "x"}, 400, "The form was not complete"),
        ({"message": "More", "version": "1"}, 409, "A new version of this quotation was sent meanwhile"),
    ],
)  # fmt: skip
def test_a_request_that_says_nothing_clear_is_refused_and_writes_nothing(
    world: World, client_for: Browser, form: dict[str, str], status: int, said: str
) -> None:
    before = books()
    answer = client_for(world.camille).post(where(world, tail="changes/"), {"version": "2"} | form)
    assert answer.status_code == status
    assert said in text_of(answer)
    if status == 400 and form.get("message", "").startswith("x"):
        assert form_of(answer)["message"].strip() == form["message"], "what was written is not lost"
    assert books() == before


def test_rejecting_keeps_the_reason_and_reopening_undoes_it(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    sent = form_of(client.get(where(world, tail="reject/"))) | {"reason": "price", "comment": "Too <b>dear</b>"}
    answer = client.post(where(world, tail="reject/"), sent, follow=True)
    version = world.quotation(TITLE).current
    assert version is not None
    assert (version.state, version.rejected_reason, version.rejected_by) == ("rejected", "price", world.camille)
    assert version.rejected_comment == "Too <b>dear</b>"
    assert "Rejected by Camille Fontaine" in text_of(answer)
    assert "Too <b>dear</b>" in text_of(answer)
    assert version.quotation.number in dict(rows_of(client.get(f"{LIST}?status=rejected")))
    answer = client.post(where(world, tail="reopen/"), follow=True)
    assert "The quotation is open again." in text_of(answer)
    version.refresh_from_db()
    assert (version.state, version.reopened_at) == ("sent", world.now)
    before = books()
    answer = client.post(where(world, tail="reopen/"))
    assert answer.status_code == 409
    assert "This quotation is open and waits for a decision." in text_of(answer)
    assert books() == before


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({}, 400, "Choose a reason, so that we understand"),
        ({"reason": "spite"}, 400, "Choose a reason, so that we understand"),
        ({"reason": "price", "comment": "x" * 2001}, 400, "A text is too long: at most 2000 characters"),
        ({"reason": "price", "version": "1"}, 409, "A new version of this quotation was sent meanwhile"),
        ({"reason": "price", "version": ""}, 400, "The form was not complete"),
    ],
)
def test_a_rejection_without_a_reason_is_refused_and_writes_nothing(
    world: World, client_for: Browser, form: dict[str, str], status: int, said: str
) -> None:
    before = books()
    answer = client_for(world.camille).post(where(world, tail="reject/"), {"version": "2"} | form)
    assert answer.status_code == status
    assert said in text_of(answer)
    assert books() == before


def test_a_rejected_quotation_is_not_reopened_after_valid_until(
    world: World, client_for: Browser, clock: time_machine.Traveller
) -> None:
    client = client_for(world.camille)
    version = world.quotation("Annual maintenance plan").current
    assert version is not None
    clock.move_to(world.now + timedelta(days=40))
    client = client_for(world.camille)
    before = books()
    answer = client.post(where(world, "Annual maintenance plan", "reopen/"))
    assert answer.status_code == 409
    assert "expired and can no longer be reopened" in text_of(answer)
    assert books() == before


def test_an_expired_quotation_offers_a_new_one_once(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    page = client.get(where(world, "Inventory barcode pilot"))
    assert "Ask for a new quotation" in text_of(page)
    assert "Expired" in text_of(page)
    before = books()
    long = {"message": "x" * 4001}
    answer = client.post(where(world, "Inventory barcode pilot", "renew/"), long)
    assert answer.status_code == 400
    assert "A text is too long" in text_of(answer)
    assert books() == before
    sent = form_of(page, "/renew/") | {"message": "Three days instead"}
    answer = client.post(where(world, "Inventory barcode pilot", "renew/"), sent, follow=True)
    assert "You asked for a new quotation. We are preparing it." in text_of(answer)
    request = ChangeRequest.objects.latest("id")
    assert (request.kind, request.message, request.by) == ("new_quotation", "Three days instead", world.camille)
    before = books()
    answer = client.post(where(world, "Inventory barcode pilot", "renew/"), sent)
    assert answer.status_code == 409
    assert "A new quotation was asked for already" in text_of(answer)
    assert books() == before


# Who may ---------------------------------------------------------------------------------------------------------------

DEEDS = ["accept/", "changes/", "reject/", "reopen/", "renew/"]
PAGES = ["", "pdf/", "v1/", "accept/", "changes/", "reject/"]


@pytest.mark.parametrize("roles", [{"is_viewer": True}, {"is_billing": True}])
def test_who_may_not_decide_reads_and_is_told_who_may(
    world: World, client_for: Browser, roles: dict[str, bool]
) -> None:
    client = client_for(colleague(world, **roles))
    page = client.get(where(world))
    assert page.status_code == 200
    assert "An owner or approver of your company decides on this quotation." in text_of(page)
    assert "Accept, Sign & Pay" not in text_of(page)
    assert client.get(where(world, tail="pdf/")).status_code == 200
    sent = acceptance(client_for(world.camille), where(world, tail="accept/"))
    before = books()
    for tail in DEEDS:
        answer = client.post(where(world, tail=tail), sent | {"message": "More", "reason": "price"})
        assert answer.status_code == 403
        assert "Ask an owner of your company's account" in text_of(answer)
    assert books() == before


@pytest.mark.parametrize("number", ["Q-1999-00001", "nothing", "INV-2026-00001", "..%2f", "%F0%9F%92%A9", "x" * 300])
def test_a_quotation_that_is_not_there_is_404_like_a_foreign_one_and_a_draft(
    world: World, client_for: Browser, number: str
) -> None:
    client = client_for(world.camille)
    foreign = world.quotation("Shop till for two branches").number
    unsent = Quotation.objects.get(customer=world.fontaine, current=None).number
    before = books()
    answers = {
        (key, tail): client.get(f"{LIST}{key}/{tail}") for key in (number, foreign, unsent) for tail in PAGES
    } | {
        (key, "post " + tail): client.post(f"{LIST}{key}/{tail}", {"version": "1", "message": "x", "reason": "price"})
        for key in (number, foreign, unsent)
        for tail in DEEDS
    }
    assert {key: answer.status_code for key, answer in answers.items() if answer.status_code != 404} == {}
    told = {text_of(answer) for answer in answers.values() if "%2f" not in answer.request["PATH_INFO"]}
    assert all("could not find" in words for words in told)
    assert not any(word in words for words in told for word in ("Lindner", "Shop till", "draft"))
    assert books() == before


def test_a_number_with_a_nul_is_refused_readably(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(f"{LIST}%00/")
    assert answer.status_code == 400
    assert "cannot be read" in text_of(answer)


def test_somebody_who_is_not_signed_in_is_asked_to(world: World) -> None:
    before = books()
    for tail in PAGES:
        answer = Client().get(where(world, tail=tail))
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/account/login/?next=/my/quotations/")
    assert Client().post(where(world, tail="accept/"), {"consent": "on"}).status_code == 302
    assert books() == before


def test_a_form_without_its_token_is_refused_readably_and_with_it_is_taken(world: World, client_for: Browser) -> None:
    client = client_for(world.camille, csrf=True)
    sent = acceptance(client, where(world, tail="accept/"))
    lost = {name: value for name, value in sent.items() if name != "csrfmiddlewaretoken"}
    before = books()
    for tail in DEEDS:
        answer = client.post(where(world, tail=tail), lost | {"message": "More", "reason": "price"})
        assert answer.status_code == 403
        assert "This form was open for too long, or you signed in again. Nothing was changed." in text_of(answer)
    assert books() == before
    assert client.post(where(world, tail="accept/"), sent).status_code == 302


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        ("post", ""), ("put", ""), ("delete", ""), ("patch", ""), ("post", "pdf/"), ("post", "v1/"), ("put", "accept/"),
        ("delete", "changes/"), ("patch", "reject/"), ("get", "reopen/"), ("get", "renew/"), ("delete", "renew/"),
    ],
)  # fmt: skip
def test_a_method_that_is_not_declared_is_405(world: World, client_for: Browser, method: str, tail: str) -> None:
    before = books()
    answer = getattr(client_for(world.camille), method)(where(world, tail=tail))
    assert answer.status_code == 405
    assert answer.headers["Allow"]
    assert books() == before
    assert client_for(world.camille).post(LIST).status_code == 405


# At the same moment ----------------------------------------------------------------------------------------------------


def race(world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Two tabs accept; both have passed every look at the quotation before either begins to decide."""
    clients = [client_for(world.camille), client_for(world.camille)]
    address = where(world, tail="accept/")
    forms = [acceptance(client, address) for client in clients]
    ready, store = Barrier(2, timeout=60), files.store

    def store_and_wait(*args: Any, **options: Any) -> Any:
        kept = store(*args, **options)
        ready.wait()
        return kept

    monkeypatch.setattr(files, "store", store_and_wait)
    return at_once(*(lambda c=c, f=f: c.post(address, f) for c, f in zip(clients, forms, strict=True)))


def one_wins(world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = race(world, client_for, monkeypatch)
    assert statuses_of(answers) == [302, 409]
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert "This quotation has already been accepted. Nothing else was changed." in text_of(loser)
    quotation = world.quotation(TITLE)
    assert Order.objects.filter(version__quotation=quotation).count() == 1
    assert Acceptance.objects.filter(version__quotation=quotation).count() == 1
    assert Event.objects.filter(name="quotation.accepted", object_id=str(quotation.pk)).count() == 1


def unguarded(world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: with guards that never refuse, only the database's own rule is left, and its loser gets no answer."""
    monkeypatch.setattr(quotation_module.QuotationVersion, "refuse_closed", lambda _self, _now: None)
    monkeypatch.setattr(quotation_module, "claim", lambda rows, **changes: rows.update(**changes) >= 0)
    answers = race(world, client_for, monkeypatch)
    assert statuses_of(answers) == [302, "IntegrityError"]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_who_accept_at_the_same_moment_one_wins_on_postgresql(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_wins(world, client_for, monkeypatch)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_the_control_without_a_claim_has_two_winners_on_postgresql(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded(world, client_for, monkeypatch)


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_of_two_who_accept_at_the_same_moment_one_wins_on_sqlite(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_wins(world, client_for, monkeypatch)


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_the_control_without_a_claim_has_two_winners_on_sqlite(
    world: World, client_for: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    unguarded(world, client_for, monkeypatch)


@pytest.mark.django_db(transaction=True)
def test_of_accepting_and_rejecting_at_the_same_moment_one_happens(world: World, client_for: Browser) -> None:
    accepting, rejecting = client_for(world.camille), client_for(world.camille)
    sent = acceptance(accepting, where(world, tail="accept/"))
    address, other = where(world, tail="accept/"), where(world, tail="reject/")
    answers = at_once(
        lambda: accepting.post(address, sent), lambda: rejecting.post(other, {"version": "2", "reason": "price"})
    )
    assert statuses_of(answers) == [302, 409]
    version = world.quotation(TITLE).current
    assert version is not None
    assert (version.state == "accepted") == Order.objects.filter(version=version).exists()
