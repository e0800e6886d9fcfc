"""A model field for quantities, unit prices and percentages: exact, up to four decimals, kept as an integer.

SQLite has no decimals and stores Django's as floating point numbers; an integer of ten-thousandths is the same, exact and
comparable, on every database. Comparing, adding, subtracting and summing such fields in a query is exact too; to put a
number beside one, write `Value(Decimal(2), output_field=FourDecimals())`. Multiplying them in a query is refused by Django
("Cannot infer type"): its result would have eight decimals.
"""

from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.expressions import Combinable, register_combinable_fields
from django.utils.translation import gettext as _

PLACES = Decimal("0.0001")
LIMIT = Decimal(900_000_000_000_000)
"""Its ten-thousandths fit a BIGINT."""
EXACTLY = Context(prec=19, traps=[InvalidOperation, Inexact])

if TYPE_CHECKING:
    Required = models.Field[Decimal | int | str, Decimal]
    Optional = models.Field[Decimal | int | str | None, Decimal | None]
    Exact = models.Field[Any, Any]
else:
    # Not BigIntegerField: its lookups round a float, and adding two of them would give plain integers.
    Required = Optional = models.Field
    Exact = object


class FourDecimalsField(forms.DecimalField):
    """A form's number field; what it shows has no trailing zeros."""

    def prepare_value(self, value: Any) -> Any:
        """The shortest plain text of a Decimal; what a person typed stays as typed."""
        if isinstance(value, Decimal) and value.is_finite():
            return f"{value.normalize():f}" if value else "0"
        return value


class TenThousandths(Exact):
    """An exact Decimal with up to 4 decimals, stored as a BIGINT of ten-thousandths.

    Accepts Decimal, int and text; a float, a fifth decimal, or a value beyond 9·10¹⁴ is refused with ValidationError.
    """

    description = "an exact number with up to four decimals"
    empty_strings_allowed = False

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def deconstruct(self) -> Any:
        """Migrations know one class: whether a number may be missing is said by `null`."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "portico.kit.decimals.FourDecimals", args, kwargs

    def to_python(self, value: Any) -> Decimal | None:
        """The value with exactly four decimals, as it is read from the database; ValidationError if that is not it."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
            raise ValidationError(_("Use an exact number, not a floating point one."), code="float")
        try:
            number = Decimal(value)
        except DecimalException:
            raise ValidationError(_("Enter a number."), code="invalid") from None
        if not number.is_finite():
            raise ValidationError(_("Enter a number."), code="invalid")
        if not -LIMIT <= number <= LIMIT:  # compares exactly, however large; abs() would round
            raise ValidationError(_("This number is too large."), code="range")
        try:
            return number.quantize(PLACES, context=EXACTLY)
        except Inexact:
            raise ValidationError(_("Enter a number with at most four decimals."), code="decimals") from None

    def get_default(self) -> Any:
        """The default as an exact Decimal, so that an unsaved object reads like a saved one."""
        return self.to_python(super().get_default())

    def get_prep_value(self, value: Any) -> Any:
        """Ten-thousandths, as the database keeps them."""
        value = super().get_prep_value(value)
        if value is None or hasattr(value, "resolve_expression"):
            return value
        exact = self.to_python(value)
        return None if exact is None else int(exact.scaleb(4))

    def from_db_value(self, value: Any, expression: object, connection: object) -> Decimal | None:
        """Ten-thousandths back to a Decimal, always with four decimals. A sum arrives as an int or a whole Decimal."""
        return None if value is None else Decimal(int(value)).scaleb(-4)

    def value_to_string(self, obj: models.Model) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else str(value)

    def formfield(self, **kwargs: Any) -> Any:
        """A number field with four decimals that shows 1.5, not 1.5000."""
        options: dict[str, Any] = {"form_class": FourDecimalsField, "max_digits": 19, "decimal_places": 4}
        return super().formfield(**options | kwargs)


class FourDecimals(TenThousandths, Required):
    """The field of a number that is always there."""


class OptionalFourDecimals(TenThousandths, Optional):
    """The same where there may be none; give `null=True`."""


for _connector in (Combinable.ADD, Combinable.SUB):
    for _left in (FourDecimals, OptionalFourDecimals):
        for _right in (FourDecimals, OptionalFourDecimals):
            register_combinable_fields(_left, _connector, _right, FourDecimals)
