"""A model field for quantities, unit prices and percentages: exact, up to four decimals, kept as an integer.

SQLite has no decimals and stores Django's as floating point numbers; an integer of ten-thousandths is the same, exact and
comparable, on every database.
"""

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

SCALE = 10_000
LIMIT = 9_000_000_000_000_000_000

if TYPE_CHECKING:
    Required = models.Field[Decimal | int | str, Decimal]
    Optional = models.Field[Decimal | int | str | None, Decimal | None]
    Exact = models.Field[Any, Any]
else:
    Required = Optional = models.BigIntegerField
    Exact = object


class TenThousandths(Exact):
    """An exact Decimal with up to 4 decimals, stored as a BIGINT of ten-thousandths.

    Accepts Decimal, int and text; a float, a fifth decimal, or a value beyond 9·10¹⁴ is refused with ValidationError.
    """

    description = "an exact number with up to four decimals"

    def get_internal_type(self) -> str:
        return "BigIntegerField"

    def to_python(self, value: Any) -> Decimal | None:
        """The value as an exact Decimal, or ValidationError."""
        if value is None:
            return None
        if isinstance(value, (float, bool)):
            raise ValidationError("Use an exact number, not a floating point one.", code="float")
        try:
            exact = Decimal(value)
            scaled = exact * SCALE
            whole = scaled.to_integral_value() if exact.is_finite() else None
        except (InvalidOperation, TypeError, ValueError):
            raise ValidationError("Enter a number.", code="invalid") from None
        if whole is None or whole != scaled:
            raise ValidationError("Enter a number with at most four decimals.", code="decimals")
        if abs(whole) > LIMIT:
            raise ValidationError("This number is too large.", code="range")
        return exact

    def get_default(self) -> Any:
        """The default as an exact Decimal, so that an unsaved object reads like a saved one."""
        return self.to_python(super().get_default())

    def get_prep_value(self, value: Any) -> Any:
        if value is None or hasattr(value, "resolve_expression"):
            return value
        exact = self.to_python(value)
        return None if exact is None else int(exact * SCALE)

    def from_db_value(self, value: Any, expression: object, connection: object) -> Decimal | None:
        """Ten-thousandths back to a Decimal without trailing zeros beyond the point."""
        if value is None:
            return None
        return Decimal(int(value)).scaleb(-4)

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))

    def formfield(self, **kwargs: Any) -> Any:
        """A number field with four decimals."""
        return forms.DecimalField(
            **{"max_digits": 18, "decimal_places": 4, "required": not self.blank, "label": self.verbose_name} | kwargs
        )


class FourDecimals(TenThousandths, Required):
    """The field of a number that is always there."""


class OptionalFourDecimals(TenThousandths, Optional):
    """The same where there may be none; give `null=True`."""
