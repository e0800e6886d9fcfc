"""What a prepared query gives is what the same query would have given, asked as often as one likes."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Count, F, QuerySet
from django.test.utils import CaptureQueriesContext

from portico.accounts.models import Customer, Membership, User
from portico.billing.models import Invoice, Payment, Quotation
from portico.cast import World
from portico.kit.pagination import Cut, ask
from portico.kit.prepared import Asked, prepared, reread, with_constants

pytestmark = pytest.mark.django_db


@prepared
def late(customer: Any, day: Any) -> QuerySet[Invoice, Any]:
    """What was due before a day."""
    return (
        Invoice.objects.filter(customer=customer, due_on__lt=day)
        .order_by("id")
        .values("number", "due_on", "issued_at", "content", total=F("total_minor"))
    )


@prepared
def members(customer: Any) -> QuerySet[Membership]:
    """People with their company and its seller."""
    return Membership.objects.select_related("user", "customer__seller").filter(customer=customer).order_by("pk")


@prepared
def counted(since: Any) -> QuerySet[Customer, tuple[Any, ...]]:
    """Customers and how many invoices each has."""
    rows = Customer.objects.filter(created_at__gt=since).annotate(n=Count("invoices")).order_by("pk")
    return rows.values_list("legal_name", "n")


def test_rows_of_values_are_those_of_the_query(world: World) -> None:
    expected: list[Any] = []
    for day in (date(2026, 1, 1), date(2026, 11, 1), date(2027, 1, 1)):
        query = Invoice.objects.filter(customer=world.fontaine.pk, due_on__lt=day).order_by("id")
        expected = list(query.values("number", "due_on", "issued_at", "content", total=F("total_minor")))
        assert late(customer=world.fontaine.pk, day=day) == expected
    assert expected, "the last day has some"
    assert expected[0]["issued_at"].tzinfo is not None
    assert isinstance(expected[0]["content"], dict)


def test_instances_come_with_what_was_selected_beside_them(world: World) -> None:
    found = members(customer=world.fontaine.pk)
    with CaptureQueriesContext(connection) as asked:
        read = [(one.user.email, one.customer.seller.legal_name, one.is_owner) for one in found]
    assert not asked.captured_queries
    assert read == [
        ("camille@fontaine.example", world.seller.legal_name, True),
        ("julien@fontaine.example", world.seller.legal_name, False),
    ]
    found[0].user.choose_theme("dark")
    assert User.objects.get(pk=found[0].user_id).theme == "dark", "an instance like any other"


def test_tuples_and_moments(world: World) -> None:
    assert dict(counted(since=datetime(2020, 1, 1, tzinfo=UTC)))["Atelier Fontaine SARL"] == (
        Invoice.objects.filter(customer=world.fontaine).count()
    )
    assert counted(since=world.now + timedelta(days=1)) == []


def test_a_value_is_never_part_of_the_statement(world: World) -> None:
    @prepared
    def titled(title: Any) -> QuerySet[Invoice, tuple[Any, ...]]:
        return Invoice.objects.filter(title=title).values_list("pk")

    hostile = "' OR '1'='1"
    assert titled(title=hostile) == []
    assert hostile not in titled.plan.sql


def test_numbers_and_words_of_the_query_itself_stand_in_it() -> None:
    assert with_constants("a = %s AND b LIKE '%%x' AND c = %s AND d = %s", [3, "sent", "O'Neil"]) == (
        "a = 3 AND b LIKE '%%x' AND c = 'sent' AND d = %s",
        ["O'Neil"],
    )


def test_an_index_on_a_part_of_a_table_is_seen_whatever_the_driver_makes_of_numbers(world: World) -> None:
    @prepared
    def owing(customer: Any) -> QuerySet[Invoice, tuple[Any, ...]]:
        return Invoice.objects.filter(customer=customer, amount_due_minor__gt=0).values_list("pk")

    assert owing(customer=world.fontaine.pk)
    assert '"amount_due_minor" > 0' in owing.plan.sql
    assert owing.plan.parameters == ("customer",)


def test_a_list_asks_again_with_a_place_and_without(world: World) -> None:
    def rows(state: str, *, customer: Any) -> Any:
        found = Quotation.objects.filter(customer=customer)
        return (found.filter(current__state=state) if state else found).values("id", "number")

    asked = Asked(rows, ("",), {"customer": world.fontaine.pk})
    whole = list(rows("", customer=world.fontaine.pk).order_by("-id"))
    assert ask(asked, Cut(("-id",), False, False, 3), None) == whole[:3]
    assert ask(asked, Cut(("-id",), True, False, 3), [whole[2]["id"]]) == whole[3:6]
    assert ask(asked, Cut(("-id",), True, True, 3), [whole[2]["id"]]) == [whole[1], whole[0]]
    accepted = Asked(rows, ("accepted",), {"customer": world.fontaine.pk})
    assert [row["id"] for row in ask(accepted, Cut(("-id",), False, False, 99), None)] == list(
        Quotation.objects.filter(customer=world.fontaine, current__state="accepted")
        .order_by("-id")
        .values_list("pk", flat=True)
    )


def test_a_row_is_read_again_and_what_it_names_stays_known(world: World) -> None:
    payment = Payment.objects.select_related("customer").first()
    assert payment is not None
    Payment.objects.filter(pk=payment.pk).update(review="look at it")
    with CaptureQueriesContext(connection) as asked:
        reread(payment)
        assert payment.customer.legal_name
    assert len(asked.captured_queries) == 1
    assert payment.review == "look at it"
    User.objects.filter(pk=world.camille.pk).update(current_membership=None)
    reread(world.camille)
    assert world.camille.current_membership is None


def test_a_row_that_is_gone_cannot_be_read_again(world: World) -> None:
    gone = User(pk=10**9)
    with pytest.raises(User.DoesNotExist):
        reread(gone)


@prepared
def to_lock(key: Any) -> Any:
    """A user, locked."""
    return User.objects.select_for_update().filter(pk=key)


@pytest.mark.django_db(transaction=True)
def test_rows_are_not_locked_where_no_transaction_holds_the_lock(world: World) -> None:
    with transaction.atomic():
        assert to_lock(key=world.camille.pk) == [world.camille]
    with pytest.raises(transaction.TransactionManagementError):
        to_lock(key=world.camille.pk)
