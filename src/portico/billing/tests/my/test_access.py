"""A member that is limited to one database: what is not of it is missing, on every page, in every list, file and count."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from portico.accounts.models import InvoiceRecipient, Membership, User
from portico.billing.actions.access import choose_databases
from portico.billing.actions.receive import book_transfer
from portico.billing.actions.settle import allocate_to_invoice
from portico.billing.models import DatabaseAccess, Invoice, Order, Payment, Quotation, Subscription
from portico.billing.my.nav import Nav
from portico.billing.tests.my.pages import books, queries_of, rows_of, text_of
from portico.cast import World
from portico.conversation.models import Attachment, Message, Thread
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.privacy.exporting import papers_of
from portico.tests.test_access import DECLARED, Route, fill, keys

Browser = Callable[..., Client]
MAIN, OTHER = "fontaine-boutique", "atelier-fontaine"


@pytest.fixture
def limited(world: World) -> Membership:
    """A colleague who may do all but own, in the main database alone."""
    user = User.objects.create_user("bea@fontaine.example", name="Bea")
    made = Membership.objects.create(
        user=user, customer=world.fontaine, is_approver=True, is_billing=True, is_viewer=True
    )
    user.switch_to(made)
    choose_databases(membership=made, names=[OTHER], by=world.camille, now=world.now)
    return Membership.objects.select_related("user", "customer__seller").get(pk=made.pk)


def of_database(model: Any, name: str) -> set[int]:
    """The keys of what belongs to a database, told in another way than the querysets do."""
    found = set()
    for row in model.objects.all():
        if isinstance(row, Subscription):
            names = {row.database.name}
        elif isinstance(row, Order):
            names = {row.subscription.database.name} if row.subscription else set()
        elif isinstance(row, Quotation):
            ordered = [version.order for version in row.versions.all() if hasattr(version, "order")]
            subscriptions = [row.subscription, *(order.subscription for order in ordered)]
            names = {one.database.name for one in subscriptions if one}
        else:
            paper = row.refers_to or row
            one = paper.order.subscription if paper.order else paper.period.subscription if paper.period else None
            names = {one.database.name} if one else set()
        if name in names:
            found.add(row.pk)
    return found


@pytest.mark.parametrize("model", [Subscription, Quotation, Order, Invoice])
def test_exactly_what_is_of_the_chosen_database_is_seen(world: World, limited: Membership, model: Any) -> None:
    owner = set(model.objects.visible_to(world.member(world.camille)).values_list("pk", flat=True))
    seen = set(model.objects.visible_to(limited).values_list("pk", flat=True))
    assert seen == of_database(model, OTHER) & owner
    assert seen < owner, "the control: an owner sees more"
    assert seen, "and there is something to see"
    choose_databases(membership=limited, names=[MAIN, OTHER], by=world.camille, now=world.now)
    both = set(model.objects.visible_to(limited).values_list("pk", flat=True))
    assert both == (of_database(model, OTHER) | of_database(model, MAIN)) & owner
    choose_databases(membership=limited, names=None, by=world.camille, now=world.now)
    limited.refresh_from_db()
    assert set(model.objects.visible_to(limited).values_list("pk", flat=True)) == owner


def hidden(world: World, limited: Membership) -> dict[str, set[Any]]:
    """Numbers that an owner sees and a limited member must not read anywhere."""
    found = {}
    for model in (Quotation, Order, Invoice):
        owner = set(model.objects.visible_to(world.member(world.camille)).values_list("number", flat=True))
        found[model.__name__] = owner - set(model.objects.visible_to(limited).values_list("number", flat=True))
        assert found[model.__name__]
    return found


def test_every_page_that_shows_something_shows_nothing_hidden(
    world: World, limited: Membership, client_for: Browser
) -> None:
    """Lists, with search and filter, home, search of everything, details of what is seen, files."""
    client = client_for(limited.user)
    numbers = set().union(*hidden(world, limited).values())
    pages = ["/my/", "/my/account/", f"/my/subscriptions/{OTHER}/"]
    for noun in ("quotations", "orders", "invoices", "subscriptions"):
        pages += [f"/my/{noun}/", f"/my/{noun}/?size=100", f"/my/{noun}/?size=100&sort=-number"]
        pages += [f"/my/{noun}/?q={number}" for number in sorted(numbers)[:6]]
    for where in pages:
        page = client.get(where)
        if page.status_code == 400:
            continue
        assert page.status_code == 200, where
        words = page.content.decode().replace("?q=", "")
        shown = {number for number in numbers if re.search(rf"/{re.escape(number)}/", words)}
        assert shown == set(), where
        assert f"/my/subscriptions/{MAIN}/" not in words, where
    assert {key for key, _status in rows_of(client.get("/my/subscriptions/"))} == {OTHER}


def test_no_address_opens_what_is_hidden(world: World, limited: Membership, client_for: Browser) -> None:
    """Every address of the customer's face, filled with papers of the other database, GET and POST: missing or refused."""
    client = client_for(limited.user)
    known = keys(world)
    secret = hidden(world, limited)
    main = Subscription.objects.get(database__name=MAIN)
    known |= {
        ("quotations", "number"): min(secret["Quotation"]),
        ("orders", "number"): min(secret["Order"]),
        ("orders.payment_request", "number"): min(secret["Order"]),
        ("subscriptions", "database"): main.database.name,
    }
    papers = Invoice.objects.filter(number__in=secret["Invoice"])
    known["invoices", "number"] = papers.exclude(kind="credit_note").earliest("id").number
    notes = papers.filter(kind="credit_note")
    if notes.exists():
        known["credit_notes", "number"] = notes.earliest("id").number
    documents = ("quotations", "orders", "invoices", "credit_notes", "subscriptions", "payments", "attachments")
    routes = [
        route for route in DECLARED if route.name.startswith("my:") and route.noun in documents and route.parameters
    ]
    assert len(routes) > 20
    before = books()
    opened: list[tuple[str, int]] = []
    for route in routes:
        where = fill(route, world, known)
        for method in ("get", "post"):
            status = getattr(client, method)(where).status_code
            if status not in {404, 405, 403}:
                opened.append((f"{method} {where}", status))
    assert opened == []
    assert books() == before
    assert owner_opens(routes, world, known, client_for) > 10, "the control: an owner opens them"


def owner_opens(routes: list[Route], world: World, known: dict[tuple[str, str], Any], client_for: Browser) -> int:
    client = client_for(world.camille)
    return sum(client.get(fill(route, world, known)).status_code == 200 for route in routes)


def test_counts_files_threads_and_payments_are_of_the_chosen_database_alone(
    world: World, limited: Membership, client_for: Browser
) -> None:
    owner = world.member(world.camille)
    mine, all_of_it = Nav(limited), Nav(owner)
    to_decide = Quotation.objects.visible_to(limited).filter(
        current__state__in=["sent", "changes_requested"], current__valid_until__gte=world.now.date()
    )
    assert mine.quotations == to_decide.count() <= all_of_it.quotations
    payable = Invoice.objects.visible_to(limited).filter(payment_state__in=Invoice.PAYABLE, amount_due_minor__gt=0)
    assert mine.invoices == payable.count() < all_of_it.invoices
    assert sum(one.open_minor for one in mine.balances) == sum(one.amount_due_minor for one in payable)
    names = {name for name, _read in papers_of(limited.user)}
    secret = hidden(world, limited)
    assert not {name for name in names for number in secret["Invoice"] | secret["Quotation"] if number in name}
    assert names < {name for name, _read in papers_of(world.camille)}
    for model in (Thread, Message, Attachment, Payment):
        seen = set(model.objects.visible_to(limited).values_list("pk", flat=True))
        assert seen <= set(model.objects.visible_to(owner).values_list("pk", flat=True)), model
    seen_payments = Payment.objects.visible_to(limited)
    for payment in seen_payments:
        for target in payment.targets.all():
            order = target.invoice.order if target.invoice else target.request.order if target.request else None
            assert order is None or order.subscription is None or order.subscription.database.name == OTHER
    client = client_for(limited.user)
    number = min(secret["Invoice"])
    assert client.get(f"/my/invoices/zip/?number={number}").status_code in {400, 404, 405}
    assert client.get(f"/my/invoices/pay/?number={number}").status_code == 404
    for company in ("/my/statement/", "/my/account/payment-methods/"):
        assert client.get(company).status_code == 403, company
        assert client_for(world.camille).get(company).status_code == 200, company


def payable(world: World, limited: Membership) -> Invoice:
    """An unpaid invoice about the chosen database: the cast has none, so one of another order becomes it."""
    found = world.invoice("Go-live support, day 1")
    assert found.order_id
    seen = Subscription.objects.visible_to(limited).get()
    Order.objects.filter(pk=found.order_id).update(subscription=seen)
    return Invoice.objects.visible_to(limited).open().get(pk=found.pk)


def test_what_is_of_the_whole_company_is_not_changed_by_who_sees_a_part(
    world: World, limited: Membership, client_for: Browser
) -> None:
    """An address that gets all invoices by mail, and a way to pay that is charged for everything."""
    client, there = client_for(limited.user), reverse("my:company.recipients")
    sent = {"email": "bea@elsewhere.example", "language": "en"}
    assert client.post(there, sent).status_code == 403
    assert not InvoiceRecipient.objects.filter(email=sent["email"]).exists()
    assert client_for(world.camille).post(there, sent).status_code == 302, "the control: an owner may"
    own = payable(world, limited)
    where = reverse("my:invoices.pay", args=[own.number])
    assert 'name="save"' not in client.get(where).content.decode()
    assert 'name="save"' in client_for(world.camille).get(where).content.decode(), "the control: an owner may"
    form = {"provider": "sandbox", "seen_minor": own.amount_due_minor, "save": "on"}
    assert client.post(where, form).status_code == 302
    begun = Payment.objects.get(created_by=limited.user)
    assert (begun.state, begun.save_consent) == ("pending", "")


def test_a_receipt_names_no_paper_that_is_hidden(world: World, limited: Membership, client_for: Browser) -> None:
    """Money for a paper that is seen, of which staff used a part on one that is not."""
    own = payable(world, limited)
    rows = Invoice.objects.open().filter(customer=world.fontaine, currency=own.currency)
    other = rows.exclude(pk__in=Invoice.objects.visible_to(limited).values("pk")).earliest("id")
    payment = book_transfer(
        customer=world.fontaine, amount_minor=own.amount_due_minor + 1000, received_on=world.now.date(),
        payer_name="Fontaine", invoices=[own], by=world.omar, now=world.now,
    )  # fmt: skip
    with transaction.atomic():
        assert allocate_to_invoice(payment, other, 1000, now=world.now)
    receipt = reverse("my:payments.receipt", args=[payment.pk])
    assert str(other.number) in text_of(client_for(world.camille).get(receipt)), "the control: an owner reads it"
    client = client_for(limited.user)
    for where in [reverse(f"my:payments.{page}", args=[payment.pk]) for page in ("receipt", "pdf", "detail")]:
        answer = client.get(where)
        assert answer.status_code == 404 or str(other.number) not in text_of(answer), where


def test_it_costs_no_statement_more(world: World, limited: Membership, client_for: Browser) -> None:
    client, owner = client_for(limited.user), client_for(world.camille)
    for where in ("/my/", "/my/invoices/", "/my/quotations/", "/my/orders/", "/my/subscriptions/"):
        assert queries_of(client, where) <= queries_of(owner, where), where


# Choosing --------------------------------------------------------------------------------------------------------------


def test_an_owner_chooses_on_the_members_page(world: World, client_for: Browser) -> None:
    julien = world.member(world.julien)
    client, where = client_for(world.camille), reverse("my:access.databases", args=[julien.pk])
    assert where in client.get(reverse("my:members.detail", args=[julien.pk])).content.decode()
    for wrong in ({}, {"scope": "some"}, {"scope": "some", "database": "nobody-s"}, {"scope": "most"}):
        assert client.post(where, wrong).status_code == 400
    assert client.post(where, {"scope": "some", "database": [OTHER]}).status_code == 302
    julien.refresh_from_db()
    assert not julien.sees_all
    assert "Databases: chosen ones" in text_of(client.get(reverse("my:members.detail", args=[julien.pk])))
    assert client_for(world.julien).get(f"/my/subscriptions/{MAIN}/").status_code == 404
    assert client.post(where, {"scope": "all"}).status_code == 302
    assert client_for(world.julien).get(f"/my/subscriptions/{MAIN}/").status_code == 200
    assert not DatabaseAccess.objects.exists()


def test_an_owner_sees_everything_and_only_an_owner_chooses(world: World, limited: Membership) -> None:
    with pytest.raises(Conflict):
        choose_databases(membership=world.member(world.camille), names=[OTHER], by=world.camille, now=world.now)
    with pytest.raises(Forbidden):
        choose_databases(membership=limited, names=[MAIN], by=limited.user, now=world.now)
    theirs = Subscription.objects.exclude(customer=world.fontaine).values_list("database__name", flat=True)[0]
    with pytest.raises(Invalid):
        choose_databases(membership=limited, names=[theirs], by=world.camille, now=world.now)
    Membership.objects.filter(pk=limited.pk).update(is_owner=True)
    limited.refresh_from_db()
    assert MAIN in set(Subscription.objects.visible_to(limited).values_list("database__name", flat=True))
