"""Customers that an import made: which known one each may be, confirmed as new, or merged while nobody decided otherwise."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from portico.accounts import members
from portico.accounts.models import Customer, Event
from portico.billing import books
from portico.billing.actions import review
from portico.billing.actions.pay import book_transfer
from portico.billing.actions.review import candidates_for, confirm_customer, merge_customer
from portico.billing.actions.take_in import import_invoice
from portico.billing.models import Invoice, OtherName
from portico.billing.tests.foreign import ubl
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid

pytestmark = pytest.mark.django_db


def take(people: World, **changes: str) -> Invoice:
    """An invoice taken in."""
    content = ubl(**changes)
    return import_invoice(content=content, file_name="a.xml", seller=people.seller, now=people.now).invoice


def made(people: World, **changes: str) -> Customer:
    """A customer whom nobody knows."""
    return take(people, **{"id": "OLD-1", "buyer": "Fontaine (old)", "buyer_vat": "", **changes}).customer


def test_it_may_be_whoever_has_something_in_common(people: World) -> None:
    new = made(people)
    assert candidates_for(new) == []
    for values, reason in (
        ({"vat_id": people.fontaine.vat_id}, "the same VAT id"),
        ({"legal_name": "ATELIER FONTAINE SARL"}, "the same name"),
        ({"legal_name": "Atelier F.", "postcode": people.fontaine.postcode}, "the same postcode"),
        ({"electronic_address": "invoices@fontaine.example"}, "mail addresses at fontaine.example"),
    ):
        Customer.objects.filter(pk=new.pk).update(
            **{"vat_id": "", "legal_name": "Nobody", "postcode": "", "electronic_address": ""} | values
        )
        new.refresh_from_db()
        found = candidates_for(new)
        assert [one.customer for one in found] == [people.fontaine], values
        assert reason in [str(words) for words in found[0].reasons]


def test_anybodys_mail_domain_says_nothing(people: World) -> None:
    new = made(people)
    Customer.objects.filter(pk=new.pk).update(electronic_address="somebody@gmail.com")
    members.invite(
        customer=people.lindner, email="x@gmail.com", name="X", roles=["viewer"], by=people.admin, now=people.now
    )
    new.refresh_from_db()
    assert candidates_for(new) == []


def test_another_sellers_customers_are_never_offered(people: World) -> None:
    new = made(people)
    other = people.seller
    other.pk, other.short_name = None, "Other"
    other.save()
    Customer.objects.create(seller=other, legal_name=new.legal_name, country="FR", created_at=people.now)
    assert candidates_for(new) == []


def test_merged_its_papers_and_their_history_are_the_known_ones(people: World) -> None:
    paper = take(people, id="OLD-1", buyer="Fontaine (old)", buyer_vat="")
    new, frozen = paper.customer, (paper.buyer, paper.buyer_hash, paper.content_hash)
    merge_customer(customer=new, into=people.fontaine, by=people.omar, now=people.now)
    paper.refresh_from_db()
    assert paper.customer == people.fontaine
    assert (paper.buyer, paper.buyer_hash, paper.content_hash) == frozen
    assert paper.imported.original.read() == ubl(id="OLD-1", buyer="Fontaine (old)", buyer_vat="")
    assert not Customer.objects.filter(pk=new.pk).exists()
    event = Event.objects.get(name="customer.merged")
    assert (event.customer, event.actor, event.data) == (people.fontaine, people.omar, {"merged": new.pk, "papers": 1})
    assert Event.objects.filter(name="invoice.imported", customer=people.fontaine).exists()
    assert not books.verify()


def test_the_next_file_under_that_name_finds_the_known_one(people: World) -> None:
    merge_customer(customer=made(people), into=people.fontaine, by=people.hanna, now=people.now)
    assert made(people, id="OLD-2") == people.fontaine
    assert made(people, id="OLD-3", buyer="Somebody else") != people.fontaine
    merge_customer(
        customer=take(people, id="OLD-4").customer, into=people.fontaine, by=people.hanna, now=people.now
    )  # by VAT id
    assert take(people, id="OLD-5", buyer="Renamed NV").customer == people.fontaine


def test_confirmed_it_is_a_customer_like_any(people: World) -> None:
    new = made(people)
    confirm_customer(customer=new, by=people.omar, now=people.now)
    assert not Customer.objects.get(pk=new.pk).to_review
    for again in (confirm_customer, lambda **about: merge_customer(into=people.fontaine, **about)):
        with pytest.raises(Conflict, match="decided"):
            again(customer=Customer.objects.get(pk=new.pk), by=people.omar, now=people.now)
    assert Customer.objects.filter(pk=new.pk).exists()


def invited(people: World, new: Customer) -> None:
    members.invite(customer=new, email="n@new.example", name="N", roles=["owner"], by=people.admin, now=people.now)


def paid(people: World, new: Customer) -> None:
    book_transfer(
        customer=new, amount_minor=100, received_on=people.now.date(), payer_name="N", by=people.omar, now=people.now
    )


@pytest.mark.parametrize("decide", [invited, paid])
def test_not_once_somebody_treated_it_as_a_customer(people: World, decide: Callable[..., None]) -> None:
    new = made(people)
    decide(people, new)
    with pytest.raises(Conflict, match="more than imported invoices"):
        merge_customer(customer=new, into=people.fontaine, by=people.omar, now=people.now)
    new.refresh_from_db()
    assert new.to_review
    assert new.invoices.count() == 1
    assert not OtherName.objects.exists()


def test_nor_into_itself_another_that_waits_or_by_a_customer(people: World) -> None:
    new, other = made(people), made(people, id="OLD-2", buyer="Other")
    with pytest.raises(Invalid):
        merge_customer(customer=new, into=new, by=people.omar, now=people.now)
    with pytest.raises(Conflict, match="waits for a look"):
        merge_customer(customer=new, into=other, by=people.omar, now=people.now)
    with pytest.raises(Forbidden):
        merge_customer(customer=new, into=people.fontaine, by=people.camille, now=people.now)
    assert Customer.objects.get(pk=new.pk).to_review


@pytest.mark.django_db(transaction=True)
def test_of_two_who_decide_at_once_one_does(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    new = made(people)

    def at_once() -> list[str]:
        told: list[str] = []

        def decide(act: Callable[..., None], **about: Any) -> None:
            try:
                act(customer=Customer.objects.get(pk=new.pk), by=people.omar, now=people.now, **about)
                told.append("done")
            except Conflict:
                told.append("conflict")
            finally:
                connection.close()

        threads = [
            threading.Thread(target=decide, args=(merge_customer,), kwargs={"into": into})
            for into in (people.fontaine, people.lindner)
        ]
        gate = threading.Barrier(2)
        refuse = review._refuse_others

        def together(by: Any) -> None:
            refuse(by)
            gate.wait(timeout=20)

        monkeypatch.setattr(review, "_refuse_others", together)
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return sorted(told)

    assert at_once() == ["conflict", "done"]
    assert Event.objects.filter(name="customer.merged").count() == 1
