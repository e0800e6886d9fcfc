"""Customers on the desk: who they are, what is open with them in their own currency, and their latest papers."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client
from lxml import html

from portico.accounts.models import Customer, Seller, User
from portico.billing.actions import draft, pay
from portico.billing.actions.take_in import import_invoice
from portico.billing.models import Invoice
from portico.billing.tests.foreign import ubl
from portico.billing.tests.my.pages import Answer, books, queries_of, rows_of, sums_of, text_of
from portico.cast import World, line, sold

Browser = Callable[..., Client]
LIST = "/staff/customers/"


def due_of(customer: Customer) -> int:
    open_papers = Invoice.objects.filter(customer=customer, state="issued", currency=customer.currency)
    return int(open_papers.exclude(kind="credit_note").aggregate(sum=Sum("amount_due_minor"))["sum"] or 0)


def figures(client: Client, customer: Customer) -> list[tuple[int, str]]:
    """Open balance, overdue and credit as the page shows them."""
    tree = html.fromstring(client.get(f"{LIST}{customer.pk}/").content.decode())
    found: list[Any] = tree.xpath("//dl[@class='figures']//*[@data-minor]")
    return [(int(one.get("data-minor")), one.get("data-currency")) for one in found]


def test_the_list_says_what_each_customer_owes_in_its_currency(world: World, client_for: Browser) -> None:
    answer = client_for(world.hanna).get(LIST)
    assert rows_of(answer) == [
        (str(world.fontaine.pk), "open"),
        (str(world.lindner.pk), "open"),
        (str(world.fjord.pk), "settled"),
    ]
    fontaine = 163_972 + 187_200 + 43_200 + 106_800
    assert fontaine == due_of(world.fontaine)
    assert sums_of(answer, "due") == {(fontaine, "EUR"), (133_500, "EUR"), (0, "NOK")}
    tree = html.fromstring(answer.content.decode())
    assert tree.xpath("string(//tr[1]/td[@data-label='Open invoices'])") == "4"


def test_invoices_of_an_earlier_currency_are_never_added_to_those_of_today(world: World, client_for: Browser) -> None:
    Customer.objects.filter(pk=world.lindner.pk).update(currency="CHF")
    world.lindner.refresh_from_db()
    for _moment in sold(world, world.lindner, "In francs", [line(world, "training")], world.now):
        pass
    client = client_for(world.omar)
    assert world.invoice("In francs").currency == "CHF"
    assert (52_000, "CHF") in sums_of(client.get(LIST), "due")
    assert figures(client, world.lindner) == [(52_000, "CHF"), (0, "CHF"), (0, "CHF")]


@pytest.mark.parametrize("words", ["bäckerei", "DE136695976", "leipzig"])
def test_search_finds_name_vat_number_and_city(world: World, client_for: Browser, words: str) -> None:
    client = client_for(world.hanna)
    assert rows_of(client.get(LIST, {"q": words})) == [(str(world.lindner.pk), "open")]
    assert "Nothing matches" in text_of(client.get(LIST, {"q": f"{words}%"}))


@pytest.mark.parametrize("sort", ["name", "owed", "newest"])
def test_every_sort_reads_each_customer_once_page_by_page(world: World, client_for: Browser, sort: str) -> None:
    client, asked = client_for(world.hanna), f"?sort={sort}&size=1"
    seen: list[str] = []
    while asked:
        answer = client.get(LIST + asked)
        seen += [number for number, _status in rows_of(answer)]
        links = html.fromstring(answer.content.decode()).xpath("//a[contains(@href, 'after=')]/@href")
        asked = links[-1] if links else ""
    customers = {
        "name": [world.fontaine, world.lindner, world.fjord],
        "owed": [world.fontaine, world.lindner, world.fjord],
        "newest": [world.fjord, world.lindner, world.fontaine],
    }[sort]
    assert seen == [str(one.pk) for one in customers]


@pytest.mark.parametrize("asked", ["sort=random", "size=0", "after=forged", f"q={'x' * 101}"])
def test_a_list_asked_for_nonsense_says_what_is_wrong(world: World, client_for: Browser, asked: str) -> None:
    answer = client_for(world.omar).get(f"{LIST}?{asked}")
    assert answer.status_code == 400
    assert "This could not be done" in text_of(answer)


def test_the_page_has_company_people_balance_and_latest_papers(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    told = text_of(client.get(f"{LIST}{world.fontaine.pk}/"))
    for words in (
        "27 rue des Tanneurs, 69005 Lyon, France",
        "FR40303265045",
        "not checked",
        "30 days",
        "locked, they stand on issued invoices",
        "Julien Mercier",
        "julien@fontaine.example",
        world.quotation("Quality checks, draft").number,
        "Second workshop",
        str(world.invoice("On-site training in Lyon").title),
        "atelier-fontaine",
    ):
        assert words in told
    assert figures(client, world.fontaine) == [(due_of(world.fontaine), "EUR"), (163_972 + 187_200, "EUR"), (0, "EUR")]
    assert "checked on" in text_of(client.get(f"{LIST}{world.lindner.pk}/"))


def test_money_that_settles_nothing_stands_as_credit_until_it_is_used(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    stray = pay.book_transfer(
        customer=world.lindner, amount_minor=20_000, received_on=world.now.date(), payer_name="", by=world.omar,
        now=world.now,
    )  # fmt: skip
    assert figures(client, world.lindner)[2] == (20_000, "EUR")
    pay.allocate_credit(payment=stray, invoice=world.invoice("Oven scale integration"), by=world.omar, now=world.now)
    assert figures(client, world.lindner) == [(113_500, "EUR"), (0, "EUR"), (0, "EUR")]


def test_list_and_page_cost_the_same_however_much_there_is(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    few, page = queries_of(client, LIST), queries_of(client, f"{LIST}{world.fontaine.pk}/")
    for at in range(12):
        draft.draft_quotation(seller=world.seller, customer=world.fontaine, by=world.hanna, now=world.now)
        Customer.objects.create(seller=world.seller, legal_name=f"Nobody {at}", country="FR", created_at=world.now)
    assert queries_of(client, LIST) == few <= 4
    assert queries_of(client, f"{LIST}{world.fontaine.pk}/") == page <= 8


def test_a_customer_is_not_there_for_customers_for_nobody_and_for_another_seller(
    world: World, client_for: Browser
) -> None:
    here, before = f"{LIST}{world.fontaine.pk}/", books()
    for address in (LIST, here):
        assert client_for(world.camille).get(address).status_code == 404
        assert Client().get(address).headers["Location"] == f"/account/login/?next={address}"
    other = Seller.objects.create(legal_name="Southwind BV", country="NL")
    stranger = User.objects.create_user("s@southwind.example", name="Sam", staff_role="admin", staff_of=other)
    assert client_for(stranger).get(here).status_code == 404
    assert rows_of(client_for(stranger).get(LIST)) == []
    for number in ("0", "999999", "9" * 25):
        assert client_for(world.omar).get(f"{LIST}{number}/").status_code == 404
    assert client_for(world.omar).post(here).status_code == 405
    assert books() == before


def test_only_sales_is_offered_a_new_quotation(world: World, client_for: Browser) -> None:
    for user, offered in ((world.hanna, True), (world.admin, True), (world.omar, False)):
        told = text_of(client_for(user).get(f"{LIST}{world.fontaine.pk}/"))
        assert ("New quotation" in told) == offered


# What an import made ---------------------------------------------------------------------------------------------------


def imported(world: World, **changes: str) -> Customer:
    """A customer that an import made."""
    content = ubl(**{"id": "OLD-1", "buyer": "Atelier Fontaine SARL", "buyer_vat": "", **changes})
    return import_invoice(content=content, file_name="a.xml", seller=world.seller, now=world.now).invoice.customer


def test_an_imported_customer_waits_on_today_in_the_list_and_on_its_page(world: World, client_for: Browser) -> None:
    new, client = imported(world), client_for(world.omar)
    assert "1 imported customer to review" in text_of(client.get("/staff/"))
    where = f"/staff/customers/{new.pk}/review/"
    assert where in client.get("/staff/").content.decode()
    assert rows_of(client.get("/staff/customers/", {"status": "to_review"})) == [(str(new.pk), "to_review")]
    assert where in client.get(f"/staff/customers/{new.pk}/").content.decode()
    told = text_of(client.get(where))
    assert "the same name" in told
    assert "OLD-1" in told
    assert "Correct it" not in told, "finance does not write customers"
    assert queries_of(client, where) <= 8
    answer = client.post(f"/staff/customers/{new.pk}/merge/", {"into": world.fontaine.pk}, follow=True)
    assert "are Atelier Fontaine SARL's now" in text_of(answer)
    assert client.get(where).status_code == 404
    assert rows_of(client.get("/staff/customers/", {"status": "to_review"})) == []
    assert "merged imported company" in text_of(client.get(f"/staff/customers/{world.fontaine.pk}/timeline/"))


def test_sales_correct_it_and_confirm_it(world: World, client_for: Browser) -> None:
    new, client = imported(world, buyer="Gentse"), client_for(world.hanna)
    where = f"/staff/customers/{new.pk}/review/"
    form = main_form_of(client.get(where), where)
    wrong = client.post(where, form | {"vat_id": "BE0428759498"})
    assert (wrong.status_code, "not a valid VAT id" in text_of(wrong)) == (400, True)
    assert (
        client.post(where, form | {"legal_name": "Gentse NV", "vat_id": "BE0428759497", "country": "BE"}).status_code
        == 302
    )
    new.refresh_from_db()
    assert (new.legal_name, new.vat_id, new.country, new.to_review) == ("Gentse NV", "BE0428759497", "BE", True)
    found = client.get(where, {"q": "lindner"})
    assert f"?customer={world.lindner.pk}" in found.content.decode()
    assert "The one you chose" in text_of(client.get(where, {"customer": world.lindner.pk}))
    assert client.post(f"/staff/customers/{new.pk}/merge/", {"into": "x"}).status_code == 400
    assert client.post(f"/staff/customers/{new.pk}/confirm/").status_code == 302
    assert client.post(f"/staff/customers/{new.pk}/confirm/").status_code == 409
    assert client.get(where).status_code == 302


def main_form_of(response: Answer, action: str) -> dict[str, str]:
    """The form of the page that posts to itself."""
    forms = html.fromstring(response.content.decode()).xpath("//main//form[@method='post'][not(@action)]")
    assert forms, action
    return dict(forms[0].form_values())


# Payment terms ---------------------------------------------------------------------------------------------------------


def test_sales_sets_payment_in_parts_and_sees_an_example_first(world: World, client_for: Browser) -> None:
    client, page = client_for(world.hanna), f"{LIST}{world.fontaine.pk}/terms/"
    typed = {"days": "30", "plan_percent": ["30", "70 %", ""], "plan_days": ["0", "30", ""]}
    answer = client.post(page, {**typed, "do": "preview"})
    assert answer.status_code == 200
    amounts = html.fromstring(answer.content.decode()).xpath("//section[@aria-labelledby='example']//@data-minor")
    assert amounts == ["30000", "70000"]
    world.fontaine.refresh_from_db()
    assert world.fontaine.payment_parts == []
    assert client.post(page, {**typed, "do": "save"}).status_code == 302
    world.fontaine.refresh_from_db()
    assert world.fontaine.payment_parts == [["30", 0], ["70", 30]]
    assert "30% on receipt, 70% after 30 days" in text_of(client.get(f"{LIST}{world.fontaine.pk}/"))
    assert 'value="70"' in client.get(page).content.decode()
    assert client.post(page, {"days": "14", "do": "save"}).status_code == 302
    world.fontaine.refresh_from_db()
    assert (world.fontaine.payment_parts, world.fontaine.payment_terms_days) == ([], 14)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"plan_percent": ["30", "60"], "plan_days": ["0", "30"]}, "The parts make 90 percent together."),
        ({"plan_percent": ["30", "70"], "plan_days": ["30", "30"]}, "Each part is due later"),
        ({"plan_percent": ["30", "many"], "plan_days": ["0", "30"]}, "Part 2: “many” is not a number"),
        ({"plan_percent": ["30", "70"], "plan_days": ["0", ""]}, "Part 2: say after how many days"),
        ({"plan_percent": ["100"], "plan_days": ["0"]}, "takes two to 12 parts"),
        ({"days": "366"}, "between 0 and 365 days"),
        ({"days": "soon"}, "between 0 and 365 days"),
    ],
)
def test_terms_that_cannot_be_come_back_as_they_were_typed(
    world: World, client_for: Browser, typed: dict[str, Any], words: str
) -> None:
    answer = client_for(world.hanna).post(f"{LIST}{world.fontaine.pk}/terms/", {"days": "30", **typed, "do": "save"})
    assert answer.status_code == 400
    assert words in text_of(answer)
    for value in typed.get("plan_percent", []):
        assert f'value="{value}"' in answer.content.decode()
    world.fontaine.refresh_from_db()
    assert world.fontaine.payment_parts == []
