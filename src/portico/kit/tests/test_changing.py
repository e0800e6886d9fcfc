"""A change that is written once does what `.update()` does, for every shape the product uses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext

from portico.accounts.models import User
from portico.billing.models import Invoice, InvoiceLine, Payment
from portico.cast import World
from portico.kit import changing
from portico.kit.changing import change
from portico.kit.db import claim
from portico.kit.models import Letter

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
SHAPES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"key": "b"}, {"error": "lost"}),
    ({"key__in": ["a", "b", "b"]}, {"error": "lost", "attempts": 7}),
    ({"key__in": ("c",)}, {"next_attempt_at": None, "state": "dropped"}),
    ({"key__gte": "c"}, {"attempts": F("attempts") + 1}),
    ({"attempts": 2, "state": "queued"}, {"attempts": F("attempts") + 1, "next_attempt_at": NOW}),
    ({"sent_at__isnull": True}, {"subject": "50 % off"}),
    ({"next_attempt_at__lte": NOW}, {"subject": F("to_name")}),
    ({"key": "nobody's"}, {"subject": "none"}),
]


@pytest.fixture
def letters(db: None) -> QuerySet[Letter]:
    """Three letters that differ."""
    for number, key in enumerate("abc"):
        Letter.objects.create(
            key=key, event="test", seller=1, to_address="a@example.com", to_name=f"Name {key}", language="en", attempts=number,
            queued_at=NOW, next_attempt_at=NOW + timedelta(days=number - 1), text="as it was",
        )  # fmt: skip
    return Letter.objects.order_by("key")


def contents(rows: QuerySet[Letter]) -> list[dict[str, Any]]:
    """All that is in the rows."""
    return [dict(row) for row in rows.values()]


@pytest.mark.parametrize(("which", "changes"), SHAPES)
def test_a_change_does_what_update_does(letters: QuerySet[Letter], which: Any, changes: Any) -> None:
    before = contents(letters)
    wanted = letters.filter(**which).update(**changes)
    theirs = contents(letters)
    for _turn in range(2):  # written, then only asked
        for row in before:
            Letter.objects.filter(pk=row["id"]).update(**{name: row[name] for name in row if name != "id"})
        assert change(letters.filter(**which), **changes) == wanted
        assert contents(letters) == theirs
    assert (theirs != before) == bool(wanted)


def test_other_values_of_the_same_shape_are_not_mistaken(letters: QuerySet[Letter]) -> None:
    assert change(Letter.objects.filter(key="a"), error="first") == 1
    assert change(Letter.objects.filter(key="b"), error="second") == 1
    assert change(Letter.objects.exclude(key="b"), error="others") == 2
    assert [row["error"] for row in contents(letters)] == ["others", "second", "others"]


def test_a_flag_is_no_value(db: None) -> None:
    for number, active in enumerate((True, False)):
        User.objects.create(email=f"u{number}@example.com", is_active=active)
    for _turn in range(2):
        assert change(User.objects.filter(is_active=True, email__startswith="u"), name="on") == 1
        assert change(User.objects.filter(is_active=False, email="u1@example.com"), name="off") == 1
    assert list(User.objects.order_by("email").values_list("name", flat=True)) == ["on", "off"]


def test_a_row_is_found_by_what_it_belongs_to(world: World) -> None:
    """A foreign key is a column like another, and what is written into one may be the row itself."""
    invoice = world.invoice("Go-live support, day 1")
    lines = InvoiceLine.objects.filter(invoice=invoice)
    assert change(InvoiceLine.objects.filter(invoice=invoice.pk), detail="as agreed") == lines.count() > 0
    assert set(lines.values_list("detail", flat=True)) == {"as agreed"}
    assert change(Invoice.objects.filter(pk=invoice.pk, refers_to=None), issued_by=world.omar) == 1
    assert Invoice.objects.get(pk=invoice.pk).issued_by == world.omar
    shape, _values = changing.read(lines, {"detail": "as agreed"})
    assert changing.PLANS[shape], "it was not left to Django"


def test_what_has_no_simple_shape_is_left_to_django(world: World) -> None:
    """A join, a subquery, an expression: the same rows as `.update()` changes."""
    some = Letter.objects.create(
        key="x",
        event="e",
        seller=1,
        to_address="a@b.example",
        language="en",
        queued_at=NOW,
        attempts=4,
        next_attempt_at=NOW,
    )
    inner = Letter.objects.filter(key="x").values("pk")
    assert change(Letter.objects.filter(pk__in=inner), attempts=F("attempts") - 3) == 1
    assert change(Payment.objects.filter(customer__legal_name="nobody"), review="none") == 0
    assert change(Letter.objects.filter(Q(key="x") | Q(key="y")), error="either") == 1
    assert change(Letter.objects.filter(key__in=[]), error="never") == 0
    some.refresh_from_db()
    assert (some.attempts, some.error) == (1, "either")


def test_it_is_written_once(letters: QuerySet[Letter]) -> None:
    """The second of a shape is one statement that is there already."""
    change(Letter.objects.filter(key="a"), subject="one", text="one")
    kept = len(changing.PLANS)
    with CaptureQueriesContext(connection) as asked:
        change(Letter.objects.filter(key="b"), subject="two", text="two")
    assert len(asked) == 1
    assert len(changing.PLANS) == kept


def test_a_claim_is_won_once(letters: QuerySet[Letter]) -> None:
    rows = Letter.objects.filter(key="a", state=Letter.State.QUEUED)
    assert claim(rows, state=Letter.State.SENDING)
    assert not claim(rows, state=Letter.State.SENDING)


def test_what_the_database_refuses_spoils_the_transaction(letters: QuerySet[Letter]) -> None:
    """As with Django's own: the block that goes on after a refused statement is rolled back."""
    with pytest.raises(IntegrityError):
        change(Letter.objects.filter(key="a"), key="b", event="test")
