"""The field of exact numbers, on whichever database runs: stored, filtered, compared, summed, refused."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django import forms
from django.core.exceptions import FieldError, ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.db.migrations.writer import MigrationWriter
from django.db.models import F, Max, Q, Sum, Value
from django.test.utils import isolate_apps
from hypothesis import given
from hypothesis import strategies as st

from portico.kit.decimals import LIMIT, FourDecimals, OptionalFourDecimals

four_decimals = st.integers(-9 * 10**18, 9 * 10**18).map(lambda n: Decimal(n).scaleb(-4))


@pytest.fixture
def sample(db: None) -> Iterator[Any]:
    """A model with a table of its own, gone with the test's transaction."""
    with isolate_apps("portico.kit"):

        class Sample(models.Model):
            quantity = FourDecimals()
            delivered = FourDecimals(default=0)
            most = OptionalFourDecimals(null=True, blank=True)

            class Meta:
                app_label = "kit"
                constraints = [
                    models.CheckConstraint(condition=Q(quantity__gte=0), name="sample_quantity_not_negative"),
                    models.CheckConstraint(condition=Q(delivered__lte=F("quantity")), name="sample_delivered"),
                    models.CheckConstraint(condition=Q(quantity__lte=Decimal("1000.5")), name="sample_at_most"),
                ]

            def __str__(self) -> str:
                return str(self.quantity)

        statement, _parameters = connection.SchemaEditorClass(connection).table_sql(Sample)
        with connection.cursor() as cursor:
            cursor.execute(statement)
        yield Sample


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("1.5", "1.5000"),
        (Decimal("1.50000"), "1.5000"),
        (Decimal("1E+2"), "100.0000"),
        (7, "7.0000"),
        ("-0.0001", "-0.0001"),
        (LIMIT, "900000000000000.0000"),
        (-LIMIT, "-900000000000000.0000"),
        ("0E-50", "0.0000"),
    ],
)
def test_a_value_is_kept_exactly_and_always_reads_the_same(given_: Any, kept: str) -> None:
    field = FourDecimals()
    assert str(field.to_python(given_)) == kept
    assert str(field.from_db_value(field.get_prep_value(given_), None, None)) == kept


@given(four_decimals)
def test_the_stored_integer_is_ten_thousand_times_the_value(value: Decimal) -> None:
    stored = FourDecimals().get_prep_value(value)
    assert isinstance(stored, int)
    assert Decimal(stored) == value * 10_000
    assert FourDecimals().from_db_value(stored, None, None) == value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (1.5, "float"),
        (True, "float"),
        (object(), "float"),
        ("1.00001", "decimals"),
        (Decimal("1.00000000000000000000000000001"), "decimals"),
        ("1e-999999999", "decimals"),
        (LIMIT + 1, "range"),
        ("1e30", "range"),
        ("9e999999999", "range"),
        ("NaN", "invalid"),
        ("sNaN", "invalid"),
        ("Infinity", "invalid"),
        ("", "invalid"),
        ("one", "invalid"),
    ],
)
def test_what_is_not_exact_is_refused(value: Any, code: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FourDecimals().get_prep_value(value)
    assert refused.value.code == code


def test_it_survives_the_database(sample: Any) -> None:
    sample.objects.bulk_create([sample(quantity=value) for value in ("0.0001", 2, Decimal("999.9999"))])
    assert [str(row.quantity) for row in sample.objects.order_by("quantity")] == ["0.0001", "2.0000", "999.9999"]
    assert list(sample.objects.order_by("pk").values_list("quantity", "delivered", "most"))[1] == (2, 0, None)
    assert sample.objects.order_by("pk").values("quantity")[0] == {"quantity": Decimal("0.0001")}
    assert str(sample().delivered) == "0.0000"


def test_a_thousand_tenths_sum_to_a_hundred(sample: Any) -> None:
    sample.objects.bulk_create([sample(quantity=Decimal("0.1"), most="-0.3") for _ in range(1000)])
    sums = sample.objects.aggregate(all=Sum("quantity"), most=Sum("most"), largest=Max("quantity"))
    assert sums == {"all": 100, "most": -300, "largest": Decimal("0.1")}
    assert sample.objects.none().aggregate(all=Sum("quantity")) == {"all": None}


def test_filters_compare_the_numbers(sample: Any) -> None:
    sample.objects.create(quantity="1.5", delivered="1.5", most=2)
    sample.objects.create(quantity="10", delivered="0.5")

    def found(**conditions: Any) -> list[Decimal]:
        return list(sample.objects.filter(**conditions).order_by("pk").values_list("quantity", flat=True))

    assert found(quantity=Decimal("1.50")) == [Decimal("1.5")]
    assert found(quantity="1.5") == [Decimal("1.5")]
    assert found(quantity__gt=2) == [10]
    assert found(quantity__gte="1.5", quantity__lt=10) == [Decimal("1.5")]
    assert found(quantity__in=[10, "1.5"]) == [Decimal("1.5"), 10]
    assert found(quantity__range=(1, 2)) == [Decimal("1.5")]
    assert found(delivered=F("quantity")) == [Decimal("1.5")]
    assert found(delivered__lt=F("quantity")) == [10]
    assert found(most__gt=F("quantity")) == [Decimal("1.5")]
    assert found(most=None) == [10]


@pytest.mark.parametrize("lookup", ["exact", "gt", "gte", "lt", "lte"])
def test_a_filter_refuses_a_float_and_never_rounds_it(sample: Any, lookup: str) -> None:
    with pytest.raises(ValidationError):
        sample.objects.filter(**{f"quantity__{lookup}": 1.5}).exists()


def test_sums_and_differences_in_a_query_are_numbers_again(sample: Any) -> None:
    row = sample.objects.create(quantity="10.5", delivered="0.25", most=1)
    left = sample.objects.annotate(left=F("quantity") - F("delivered"), more=F("quantity") + F("most")).get()
    assert (left.left, left.more) == (Decimal("10.25"), Decimal("11.5"))
    assert sample.objects.filter(quantity__gt=F("delivered") + F("most")).count() == 1
    one = Value(Decimal("0.5"), output_field=FourDecimals())
    sample.objects.filter(pk=row.pk).update(delivered=F("delivered") + one)
    row.refresh_from_db()
    assert row.delivered == Decimal("0.75")
    with pytest.raises(FieldError):
        list(sample.objects.annotate(wrong=F("quantity") * F("delivered")))


def test_bulk_update_and_update(sample: Any) -> None:
    rows = sample.objects.bulk_create([sample(quantity=1), sample(quantity=2)])
    for row in rows:
        row.quantity = Decimal("3.25")
        row.most = None
    sample.objects.bulk_update(rows, ["quantity", "most"])
    assert sample.objects.filter(quantity="3.25", most=None).count() == 2
    sample.objects.update(quantity="4.0001", most=Decimal(5))
    assert set(sample.objects.values_list("quantity", "most")) == {(Decimal("4.0001"), Decimal(5))}
    with pytest.raises(ValidationError):
        sample.objects.update(quantity=0.5)


@pytest.mark.parametrize(
    "wrong", [{"quantity": "-0.0001"}, {"quantity": "1000.5001"}, {"quantity": 1, "delivered": "1.0001"}]
)
def test_the_database_keeps_the_rules(sample: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        sample.objects.create(**wrong)


def test_a_model_is_cleaned_exactly(sample: Any) -> None:
    row = sample(quantity="2", delivered="0.5", most="")
    row.most = None
    row.full_clean()
    assert str(row.quantity) == "2.0000"
    with pytest.raises(ValidationError, match="four decimals"):
        sample(quantity="2.00001").full_clean()


def test_migrations_know_one_class() -> None:
    for field in (FourDecimals(default=0), OptionalFourDecimals(default=0)):
        name, path, args, kwargs = field.deconstruct()
        assert (name, path, args, kwargs) == (None, "portico.kit.decimals.FourDecimals", [], {"default": 0})
    assert (
        MigrationWriter.serialize(OptionalFourDecimals(null=True))[0] == "portico.kit.decimals.FourDecimals(null=True)"
    )


def test_the_form_field_shows_no_trailing_zeros() -> None:
    field = FourDecimals(verbose_name="Quantity", default=1).formfield()
    assert isinstance(field, forms.DecimalField)
    assert field.prepare_value(Decimal("1.5000")) == "1.5"
    assert field.prepare_value(Decimal("100.0000")) == "100"
    assert field.prepare_value(Decimal("0.0000")) == "0"
    assert field.prepare_value("1,x") == "1,x"
    assert field.clean("0.0125") == Decimal("0.0125")
    assert field.label == "Quantity"
    with pytest.raises(ValidationError):
        field.clean("0.00001")
    assert OptionalFourDecimals(null=True, blank=True).formfield().clean("") is None
