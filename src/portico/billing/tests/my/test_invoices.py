"""The customer's invoices through their pages: found, read, paid in full, in part and together; kept as a file."""

import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import transaction
from django.test import Client
from lxml import html

from portico import cast
from portico.accounts.models import Membership, User
from portico.billing.actions import pay
from portico.billing.actions.dispute import dispute_invoice
from portico.billing.models import Invoice, Payment
from portico.billing.providers.sandbox import gateway
from portico.billing.tests.attempts import begin, checkout_of
from portico.billing.tests.my.pages import books, form_of, next_of, queries_of, rows_of, sums_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/my/invoices/"
OPEN, LATE, PART = "Go-live support, day 1", "On-site training in Lyon", "Manufacturing set-up"
DUE = {OPEN: 106800, LATE: 187200, PART: 163972}


def where(world: World, title: str = OPEN, tail: str = "") -> str:
    return f"{LIST}{world.invoice(title).number}/{tail}"


# The list --------------------------------------------------------------------------------------------------------------


def test_the_list_shows_every_state_with_its_tag_just_before_amount_due(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(LIST)
    shown = dict(rows_of(answer))
    for title, status in (
        (OPEN, "not_paid"), (LATE, "overdue"), (PART, "overdue"), ("Label printer on the packing bench", "in_payment"),
        ("Training, invoiced twice", "credited"), ("Boutique theme", "paid"),
    ):  # fmt: skip
        assert shown[str(world.invoice(title).number)] == status
    assert rows_of(client_for(world.lena).get(LIST, {"status": "disputed"})) == [
        (world.invoice("Oven scale integration").number, "disputed")
    ]
    tree = html.fromstring(answer.content.decode())
    headings = [" ".join(one.text_content().split()) for one in tree.xpath("//table//th[@scope='col']")]
    assert headings[-2:] == ["Status", "Amount Due"]
    row = tree.xpath("//tr[@data-number=$number]", number=world.invoice(PART).number)[0]
    cells = [" ".join(one.text_content().split()) for one in row.xpath("./td")]
    assert cells[-2:] == ["Overdue", "€1,639.72"]
    assert row.get("data-overdue") == "true"
    assert len(shown) == Invoice.objects.filter(customer=world.fontaine).exclude(kind="credit_note").count()
    assert "€4,579.72" in text_of(answer), "the open balance"


@pytest.mark.parametrize(
    ("status", "titles"),
    [
        ("to_pay", {OPEN, LATE, PART}),
        ("overdue", {LATE, PART}),
        ("not_paid", {OPEN}),
        ("partially_paid", set()),
        ("in_payment", {"Label printer on the packing bench"}),
        ("credited", {"Training, invoiced twice"}),
        ("disputed", set()),
    ],
)
def test_a_filter_leaves_its_status_alone(world: World, client_for: Browser, status: str, titles: set[str]) -> None:
    answer = client_for(world.camille).get(LIST, {"status": status})
    assert {number for number, _status in rows_of(answer)} == {world.invoice(title).number for title in titles}
    if not titles:
        assert "Nothing matches" in text_of(answer)


@pytest.mark.parametrize(("q", "title"), [("GO-live", OPEN), ("€1,872.00", LATE), ("1639.72", PART)])
def test_a_search_finds_title_total_and_amount_due(world: World, client_for: Browser, q: str, title: str) -> None:
    found = rows_of(client_for(world.camille).get(LIST, {"q": q}))
    assert [number for number, _status in found] == [world.invoice(title).number]


@pytest.mark.parametrize(
    ("sort", "field"),
    [
        ("newest", "-pk"), ("oldest", "pk"), ("due", "due_on"), ("-due", "-due_on"), ("total", "-total_minor"),
        ("-total", "total_minor"), ("amount_due", "-amount_due_minor"), ("-amount_due", "amount_due_minor"),
    ],
)  # fmt: skip
def test_the_list_is_sorted_as_asked_also_across_its_pages(
    world: World, client_for: Browser, sort: str, field: str
) -> None:
    client, numbers, query = client_for(world.camille), [], f"?sort={sort}&size=2"
    while query:
        answer = client.get(LIST + query)
        numbers += [number for number, _status in rows_of(answer)]
        query = next_of(answer)
    own = Invoice.objects.filter(customer=world.fontaine).exclude(kind="credit_note")
    tie = "-pk" if field.startswith("-") else "pk"
    assert numbers == list(own.order_by(field, tie).values_list("number", flat=True))


@pytest.mark.parametrize("query", ["sort=colour", "status=lost", "size=0", "after=xyz", "q=%00", "before="])
def test_a_list_asked_for_what_it_has_not_is_400(world: World, client_for: Browser, query: str) -> None:
    assert client_for(world.camille).get(f"{LIST}?{query}").status_code == 400


def test_list_and_page_cost_few_statements_however_many_rows(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    few = queries_of(client, f"{LIST}?size=100")
    assert few <= 4
    assert queries_of(client, where(world)) <= 8
    many = [cast.line(world, "training", name=f"Session {n}") for n in range(40)]
    for n in range(10):
        cast.accept(world, cast.offer(world, world.fontaine, f"Many {n}", many, world.now), world.now)
    for n in range(6):
        cast.transfer(world, world.invoice("Many 0"), 100 + n, world.now)
    assert queries_of(client, f"{LIST}?size=100") == few
    assert queries_of(client, where(world, "Many 0")) <= 8


# The invoice -----------------------------------------------------------------------------------------------------------


def test_an_overdue_invoice_says_how_late_it_is_and_can_be_paid(world: World, client_for: Browser) -> None:
    told = text_of(client_for(world.camille).get(where(world, LATE)))
    late = (world.now.date() - world.invoice(LATE).due_on).days  # type: ignore[operator]  # it was issued
    assert f"This invoice is {late} days late." in told
    assert "Pay €1,872.00" in told
    assert "No payment yet." in told


def test_a_partly_paid_invoice_lists_its_payment(world: World, client_for: Browser) -> None:
    told = text_of(client_for(world.camille).get(where(world, PART)))
    for words in ("€1,639.72", "of €3,639.72", "€2,000.00 settled", "Bank transfer", "Pay €1,639.72"):
        assert words in told


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Boutique theme", "is already paid. Nothing was charged."),
        ("Training, invoiced twice", "was credited: there is nothing to pay. Nothing was charged."),
        ("Label printer on the packing bench", "is on its way already. Nothing was charged a second time."),
        ("Oven scale integration", "is being looked into. Nothing is to be paid until that is solved."),
    ],
)
def test_what_is_not_to_be_paid_offers_no_payment_and_takes_none(
    world: World, client_for: Browser, title: str, said: str
) -> None:
    client = client_for(world.lena if title.startswith("Oven") else world.camille)
    assert "Pay €" not in text_of(client.get(where(world, title)))
    before = books()
    sent = {"seen_minor": str(world.invoice(title).amount_due_minor), "provider": "sandbox"}
    for answer in (client.get(where(world, title, "pay/")), client.post(where(world, title, "pay/"), sent)):
        assert answer.status_code == 409
        assert said in text_of(answer)
    assert books() == before


def test_a_credited_invoice_links_its_credit_note(world: World, client_for: Browser) -> None:
    answer = client_for(world.camille).get(where(world, "Training, invoiced twice"))
    note = Invoice.objects.get(kind="credit_note")
    assert f"/my/credit-notes/{note.number}/" in answer.content.decode()


def test_the_pdf_is_the_issued_file_every_time(world: World, client_for: Browser) -> None:
    client = client_for(world.camille)
    first = client.get(where(world, tail="pdf/"))
    assert first.status_code == 200
    assert first.headers["Content-Type"] == "application/pdf"
    assert first.content.startswith(b"%PDF")
    assert first.headers["Cache-Control"] == "private, no-store"
    again = client_for(world.julien).get(where(world, tail="pdf/"))
    at_the_desk = client_for(world.hanna).get(where(world, tail="pdf/").replace("/my/", "/staff/"))
    assert {hashlib.sha256(file.content).digest() for file in (first, again, at_the_desk)} == {
        hashlib.sha256(first.content).digest()
    }


# Paying ----------------------------------------------------------------------------------------------------------------


def test_an_invoice_is_paid_in_full_through_the_sandbox(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    page = client.get(where(world, tail="pay/"))
    assert sums_of(page, "due") == {(106800, "EUR")}
    answer = client.post(where(world, tail="pay/"), form_of(page) | {"provider": "sandbox"})
    payment = Payment.objects.latest("created_at")
    assert answer.headers["Location"] == payment.checkout_url
    assert client.post(urlsplit(payment.checkout_url).path, {"choice": "pay"}).status_code == 302
    pay.lookup_payment(payment=payment, now=world.now)
    assert (world.invoice(OPEN).payment_state, world.invoice(OPEN).amount_due_minor) == ("paid", 0)
    assert (world.invoice(OPEN).number, "paid") in rows_of(client.get(LIST))


def test_a_part_of_an_invoice_is_paid_and_the_rest_stays_due(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox", "part": "68.00"}
    client.post(where(world, tail="pay/"), sent)
    payment = Payment.objects.latest("created_at")
    assert payment.amount_minor == 6800
    client.post(urlsplit(payment.checkout_url).path, {"choice": "pay"})
    pay.lookup_payment(payment=payment, now=world.now)
    assert (world.invoice(OPEN).payment_state, world.invoice(OPEN).amount_due_minor) == ("partially_paid", 100000)


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"part": "0"}, 400, "Choose an amount above zero and no more than is due. Nothing was charged."),
        ({"part": "-1"}, 400, "Choose an amount above zero and no more than is due. Nothing was charged."),
        ({"part": "1068.01"}, 400, "Choose an amount above zero and no more than is due. Nothing was charged."),
        ({"part": "999999999999"}, 400, "Choose an amount above zero and no more than is due. Nothing was charged."),
        ({"part": "1.005"}, 400, "EUR has no such small part. Round the amount. Nothing was charged."),
        ({"part": "100 USD"}, 400, "“100 USD” is not a number that can be used here. Nothing was charged."),
        ({"part": "NaN"}, 400, "“NaN” is not a number that can be used here. Nothing was charged."),
        ({"part": "1e3"}, 400, "“1e3” is not a number that can be used here. Nothing was charged."),
        ({"part": "<b>1</b>"}, 400, "“<b>1</b>” is not a number that can be used here."),
        ({"seen_minor": "x"}, 400, "The form was not complete. Nothing was charged."),
        ({"seen_minor": "100"}, 409, "The amount due is now €1,068.00. Nothing was charged."),
        ({"provider": "cash"}, 400, "This way to pay is not offered for this amount."),
        ({"provider": ""}, 400, "Choose how you want to pay. Nothing was charged."),
    ],
)
def test_a_payment_form_that_does_not_hold_begins_nothing(
    world: World, client_for: Browser, changes: dict[str, str], status: int, said: str
) -> None:
    client = client_for(world.julien)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox"} | changes
    before = books()
    answer = client.post(where(world, tail="pay/"), sent)
    assert answer.status_code == status
    assert said in text_of(answer)
    assert "<b>1</b>” is" not in answer.content.decode()
    assert books() == before


def test_several_invoices_are_paid_in_one_go(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    numbers = [str(world.invoice(title).number) for title in DUE]
    page = client.get(f"{LIST}pay/", {"number": [*numbers, numbers[0]]})
    assert sums_of(page, "due") == {(sum(DUE.values()), "EUR")}
    sent: dict[str, Any] = form_of(page) | {"provider": "sandbox", "number": numbers}
    client.post(f"{LIST}pay/", sent)
    payment = Payment.objects.latest("created_at")
    assert payment.amount_minor == sum(DUE.values())
    client.post(urlsplit(payment.checkout_url).path, {"choice": "pay"})
    pay.lookup_payment(payment=payment, now=world.now)
    assert {world.invoice(title).payment_state for title in DUE} == {"paid"}


def test_a_selection_that_cannot_be_paid_together_begins_nothing(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    own, foreign = str(world.invoice(OPEN).number), str(world.invoice("Oven scale integration").number)
    paid, note = str(world.invoice("Boutique theme").number), str(Invoice.objects.get(kind="credit_note").number)
    before = books()
    for numbers, status, said in (
        ([], 400, "Select the invoices that you want to pay, at most 100."),
        ([f"INV-2026-{n:05d}" for n in range(101)], 400, "Select the invoices that you want to pay, at most 100."),
        ([own, foreign], 404, "One of the selected invoices cannot be found. Nothing was charged."),
        ([own, "nothing"], 404, "One of the selected invoices cannot be found. Nothing was charged."),
        ([own, note], 400, f"A credit note is not paid: {note}."),
        ([own, paid], 409, f"Invoice {paid} is already paid. Nothing was charged."),
    ):
        for answer in (
            client.get(f"{LIST}pay/", {"number": numbers}),
            client.post(f"{LIST}pay/", {"number": numbers, "seen_minor": "106800", "provider": "sandbox"}),
        ):
            assert answer.status_code == status, numbers
            assert said in text_of(answer)
    assert books() == before


def test_an_invoice_paid_meanwhile_is_not_paid_from_a_tab_left_open(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox"}
    cast.transfer(world, world.invoice(OPEN), 6800, world.now)
    before = books()
    answer = client.post(where(world, tail="pay/"), sent)
    assert answer.status_code == 409
    assert "The amount due is now €1,000.00. Nothing was charged." in text_of(answer)
    assert books() == before
    cast.transfer(world, world.invoice(OPEN), 100000, world.now)
    before = books()
    assert client.post(where(world, tail="pay/"), sent).status_code == 409
    assert books() == before


def test_an_invoice_disputed_meanwhile_is_not_paid(world: World, client_for: Browser) -> None:
    client = client_for(world.julien)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox"}
    dispute_invoice(invoice=world.invoice(OPEN), by=world.omar, now=world.now)
    before = books()
    answer = client.post(where(world, tail="pay/"), sent)
    assert answer.status_code == 409
    assert "is being looked into" in text_of(answer)
    assert books() == before


# When something is wrong -----------------------------------------------------------------------------------------------

OBJECTION = {"reason": "amount", "message": "Five <hours>, not six."}


def test_something_wrong_is_said_from_the_page_and_stands_in_the_conversation(
    world: World, client_for: Browser
) -> None:
    client, here = client_for(world.julien), where(world, tail="dispute/")
    assert here in client.get(where(world)).content.decode()
    answer = client.post(here, form_of(client.get(here)) | OBJECTION)
    assert answer.headers["Location"] == where(world)
    told = text_of(client.get(where(world)))
    for words in ("We look into it and answer you", "Nothing is to be paid until", "A price, a quantity or the VAT"):
        assert words in told
    assert "Pay €1,068.00" not in told
    assert here not in client.get(where(world)).content.decode(), "it is said already"
    assert "Five <hours>, not six." in text_of(client.get(where(world, tail="thread/")))
    assert (world.invoice(OPEN).number, "disputed") in rows_of(client.get(LIST, {"status": "disputed"}))
    before = books()
    for again in (client.get(here), client.post(here, OBJECTION)):
        assert again.status_code == 409
    assert books() == before


@pytest.mark.parametrize("changes", [{"message": " "}, {"reason": ""}, {"message": "x" * 4001}])
def test_an_objection_without_words_is_asked_for_again_and_nothing_is_lost(
    world: World, client_for: Browser, changes: dict[str, str]
) -> None:
    client, here, before = client_for(world.julien), where(world, tail="dispute/"), books()
    answer = client.post(here, OBJECTION | changes)
    assert answer.status_code == 400
    assert form_of(answer)["message"].strip() == (OBJECTION | changes)["message"].strip()
    assert books() == before


def test_who_only_reads_is_offered_no_objection_and_a_settled_invoice_none(world: World, client_for: Browser) -> None:
    user = User.objects.create_user("paul@fontaine.example", name="Paul")
    user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, is_viewer=True))
    assert "Something is wrong" not in text_of(client_for(user).get(where(world)))
    paid = world.invoice("Boutique theme").number
    client = client_for(world.julien)
    assert "Something is wrong" not in text_of(client.get(f"{LIST}{paid}/"))
    assert client.get(f"{LIST}{paid}/dispute/").status_code == 409


# Who may ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["INV-1999-00001", "nothing", "SO-2026-00001", "x" * 300, "%F0%9F%92%A9"])
def test_an_invoice_that_is_not_there_is_404_like_a_foreign_one_and_a_credit_note(
    world: World, client_for: Browser, number: str
) -> None:
    client = client_for(world.camille)
    foreign = world.invoice("Oven scale integration").number
    note = Invoice.objects.get(kind="credit_note").number
    before = books()
    for key in (number, foreign, note):
        for tail in ("", "pdf/", "pay/"):
            answer = client.get(f"{LIST}{key}/{tail}")
            assert answer.status_code == 404, (key, tail)
            assert "There is no invoice of this number." in text_of(answer)
        answer = client.post(f"{LIST}{key}/pay/", {"seen_minor": "133500", "provider": "sandbox"})
        assert answer.status_code == 404
    assert books() == before


def test_a_draft_invoice_is_not_there(world: World, client_for: Browser) -> None:
    with transaction.atomic():
        draft = world.invoice(OPEN)
        Invoice.objects.create(
            seller=draft.seller, customer=draft.customer, kind="invoice", series="INV", currency="EUR", title="Half written",
            created_at=world.now,
        )  # fmt: skip
    assert "Half written" not in text_of(client_for(world.camille).get(LIST))
    assert client_for(world.camille).get(f"{LIST}None/").status_code == 404


@pytest.mark.parametrize("roles", [{"is_viewer": True}, {"is_approver": True}])
def test_who_may_not_pay_reads_and_is_told_who_may(world: World, client_for: Browser, roles: dict[str, bool]) -> None:
    user = User.objects.create_user("paul@fontaine.example", name="Paul")
    user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, **roles))
    client = client_for(user)
    told = text_of(client.get(where(world)))
    assert "An owner, or a colleague with the billing role, can pay this." in told
    assert "Pay €1,068.00" not in told
    assert 'name="number"' not in client.get(LIST).content.decode(), "nothing can be selected"
    before = books()
    for address in (where(world, tail="pay/"), f"{LIST}pay/"):
        sent = {"seen_minor": "106800", "provider": "sandbox", "number": str(world.invoice(OPEN).number)}
        assert client.post(address, sent).status_code == 403
    assert books() == before


def test_a_form_without_its_token_is_refused_and_with_it_is_taken(world: World, client_for: Browser) -> None:
    client = client_for(world.julien, csrf=True)
    sent = form_of(client.get(where(world, tail="pay/"))) | {"provider": "sandbox"}
    before = books()
    lost = {name: value for name, value in sent.items() if name != "csrfmiddlewaretoken"}
    answer = client.post(where(world, tail="pay/"), lost)
    assert answer.status_code == 403
    assert "This form was open for too long" in text_of(answer)
    assert books() == before
    assert client.post(where(world, tail="pay/"), sent).status_code == 302


@pytest.mark.parametrize(("method", "tail"), [("post", ""), ("put", ""), ("post", "pdf/"), ("delete", "pay/")])
def test_a_method_that_is_not_declared_is_405(world: World, client_for: Browser, method: str, tail: str) -> None:
    before = books()
    assert getattr(client_for(world.camille), method)(where(world, tail=tail)).status_code == 405
    assert client_for(world.camille).post(LIST).status_code == 405
    assert books() == before


def test_a_selection_that_cannot_be_paid_together_says_why(world: World, client_for: Browser) -> None:
    client, before = client_for(world.camille), books()
    note = Invoice.objects.get(kind="credit_note", customer=world.fontaine)
    answer = client.get(f"{LIST}pay/", {"number": [str(world.invoice(OPEN).number), str(note.number)]})
    assert answer.status_code == 400
    assert f"A credit note is not paid: {note.number}" in text_of(answer)
    assert books() == before
    other = world.invoice(LATE)
    Invoice.objects.filter(pk=other.pk).update(currency="USD")
    answer = client.get(f"{LIST}pay/", {"number": [str(world.invoice(OPEN).number), str(other.number)]})
    assert answer.status_code == 400
    assert "different currencies" in text_of(answer)
    Invoice.objects.filter(pk=other.pk).update(currency="EUR")
    dispute_invoice(invoice=other, by=world.omar, now=world.now)
    answer = client.get(f"{LIST}pay/", {"number": [str(world.invoice(OPEN).number), str(other.number)]})
    assert answer.status_code == 409
    assert f"Invoice {other.number} is being looked into" in text_of(answer)
    answer = client.get(f"{LIST}pay/", {"due": "overdue"})
    assert answer.status_code == 200, "what is disputed is left out of all that is overdue"
    assert str(other.number) not in text_of(answer)


def test_the_page_that_pays_warns_of_an_attempt_without_an_answer(world: World, client_for: Browser) -> None:
    client, here = client_for(world.camille), where(world, tail="pay/")
    payment = begin(world, now=world.now)
    assert "We are asking whether" not in text_of(client.get(here))
    gateway.go_silent(checkout_of(payment), now=world.now)
    pay.lookup_payment(payment=payment, now=world.now)
    told = client.get(here)
    assert "We are asking whether €1,068.00 was paid." in text_of(told)
    answer = client.post(here, form_of(told) | {"provider": "sandbox"})
    assert answer.status_code in {302, 409, 503}
    assert Payment.objects.filter(targets__invoice=world.invoice(OPEN)).count() == 1, "nothing is begun beside it"
    shown = html.fromstring(client.get(where(world)).content.decode())
    (button,) = shown.xpath("//aside//a[contains(@href, '/pay/')]")
    assert "btn--primary" not in button.get("class")
