"""What happened with a customer: every event as a sentence with its paper, the latest first, page by page."""

from collections.abc import Callable

from django.test import Client
from lxml import html

from portico.accounts.models import Event, Seller, User
from portico.billing.actions import pay
from portico.billing.tests.my.pages import books, next_of, queries_of, text_of
from portico.cast import World

Browser = Callable[..., Client]


def where(world: World) -> str:
    return f"/staff/customers/{world.fontaine.pk}/timeline/"


def test_every_event_is_told_once_with_its_paper_and_who_did_it(world: World, client_for: Browser) -> None:
    client, asked, told, links = client_for(world.omar), where(world), "", set[str]()
    seen = 0
    while asked:
        answer = client.get(asked)
        tree = html.fromstring(answer.content.decode())
        seen += len(tree.xpath("//ol[@class='rows']/li"))
        links |= set(tree.xpath("//ol[@class='rows']//a/@href"))
        told += text_of(answer)
        following = next_of(answer)
        asked = f"{where(world)}{following}" if following else ""
    assert seen == Event.objects.filter(customer=world.fontaine).count() > 20
    order = world.order("Showroom configuration")
    assert f"/staff/orders/{order.number}/" in links
    for words in ("Camille Fontaine accepted version 1", "Hanna", f"placed order {order.number}", order.number):
        assert words in told
    assert "Lindner" not in told
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)


def test_htmx_takes_the_latest_few_into_the_customer_s_page(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    piece = client.get(where(world), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in piece
    assert piece.count("<li>") == 12
    assert "See all" in piece
    page = client.get(f"/staff/customers/{world.fontaine.pk}/").content.decode()
    assert f'hx-get="{where(world)}"' in page


def test_what_a_person_did_who_is_gone_is_told_without_a_name(world: World, client_for: Browser) -> None:
    stray = pay.book_transfer(
        customer=world.fontaine, amount_minor=1_000, received_on=world.now.date(), payer_name="", by=world.omar,
        now=world.now,
    )  # fmt: skip
    Event.objects.filter(object_id=str(stray.pk)).update(actor=None)
    told = text_of(client_for(world.hanna).get(where(world)))
    assert "Northwind Software booked a payment: €10.00 received." in told


def test_it_costs_the_same_however_much_happened(world: World, client_for: Browser) -> None:
    client = client_for(world.hanna)
    few = queries_of(client, where(world))
    quotation = world.quotation("Workshop and showroom roll-out")
    for _ in range(60):
        Event.record("quotation.viewed", quotation, now=world.now, by=world.camille, customer=world.fontaine, version=1)
    assert queries_of(client, where(world)) <= few <= 8


def test_another_seller_s_customer_and_one_that_is_not_there_are_not_found(world: World, client_for: Browser) -> None:
    before = books()
    other = Seller.objects.create(legal_name="Southwind BV", country="NL")
    stranger = User.objects.create_user("s@southwind.example", name="Sam", staff_role="admin", staff_of=other)
    assert client_for(stranger).get(where(world)).status_code == 404
    for number in ("0", "999999", "9" * 25):
        assert client_for(world.hanna).get(f"/staff/customers/{number}/timeline/").status_code == 404
    assert client_for(world.hanna).get(f"{where(world)}?after=forged").status_code == 400
    assert client_for(world.hanna).post(where(world)).status_code == 405
    assert books() == before
