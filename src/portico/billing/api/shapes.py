"""What values look like in the API: amounts in integer minor units, quantities as decimal text, days and times as ISO 8601."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from ninja import Schema
from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from portico.accounts.terms import LONGEST_TERMS_DAYS
from portico.kit.money import EXPONENTS, MOST_MINOR

MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?\d*([Zz]|[+-]\d\d:\d\d)", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1970, 9000
LONGEST_TERM = 120
NUMBER = r"^-?[0-9]{1,12}(\.[0-9]{1,4})?$"
LINE = r"^[^\u0000-\u001f\u007f-\u009f]*$"
"""One line: no control characters."""


class Body(Schema):
    """What a client sends: exactly these fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


def plain(value: Any) -> str:
    """A decimal without trailing zeros, never in powers of ten."""
    number = Decimal(value)
    return f"{number.normalize():f}" if number else "0"


def number_of(text: Any) -> Decimal:
    """A decimal from its text; anything else, a JSON number too, is refused."""
    if isinstance(text, Decimal):  # a default
        return text
    if not isinstance(text, str) or not re.fullmatch(NUMBER, text, re.ASCII):
        raise ValueError("a decimal number as text, such as 12.5, with up to four decimals")
    return Decimal(text)


def whole_of(value: Any) -> Any:
    """1.0 is the integer 1, as JSON sees it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def day_of(text: Any) -> Any:
    """A day from `2026-11-09`, and from nothing else."""
    if isinstance(text, date):
        return text
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("a day such as 2026-11-09")
    return date.fromisoformat(text)


def moment_of(text: Any) -> Any:
    """A moment from RFC 3339, with its offset; one beyond what a database keeps is the first or last that it does."""
    if not isinstance(text, str) or not MOMENT.fullmatch(text):
        raise ValueError("a moment such as 2026-11-09T10:00:00Z")
    moment = datetime.fromisoformat(text.upper())
    if moment.year < FIRST_YEAR:
        return datetime(FIRST_YEAR, 1, 1, tzinfo=UTC)
    return datetime(LAST_YEAR, 1, 1, tzinfo=UTC) if moment.year > LAST_YEAR else moment


def printable(text: str) -> str:
    """Refuse what a database cannot store: half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("this text is not valid Unicode") from None
    return text


def known_currency(code: str) -> str:
    """Refuse what ISO 4217 does not know."""
    if code not in EXPONENTS:
        raise ValueError("not a currency of ISO 4217 that this portal knows")
    return code


def utc(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Number = Annotated[
    Decimal,
    PlainSerializer(plain, return_type=str),
    WithJsonSchema({"type": "string", "pattern": NUMBER, "examples": ["12.5"]}),
]
"""A quantity, price or percentage that is told."""
GivenNumber = Annotated[
    Decimal,
    BeforeValidator(number_of),
    WithJsonSchema({"type": "string", "pattern": NUMBER, "examples": ["12.5"]}),
]
"""The same as it is sent: text, never a JSON number, with up to four decimals."""
MOST_KEY = 2**53
# Integers that are sent in a body: their limits stand before the validator, so that the description tells them.
Key = Annotated[int, Field(ge=1, le=MOST_KEY), BeforeValidator(whole_of)]
Amount = Annotated[int, Field(ge=1, le=MOST_MINOR), BeforeValidator(whole_of)]
Days = Annotated[int, Field(ge=0, le=LONGEST_TERMS_DAYS), BeforeValidator(whole_of)]
Months = Annotated[int, Field(ge=1, le=LONGEST_TERM), BeforeValidator(whole_of)]
MonthsOrOnce = Annotated[int, Field(ge=0, le=LONGEST_TERM), BeforeValidator(whole_of)]
Day = Annotated[date, BeforeValidator(day_of)]
"""A day that is sent."""
Moment = Annotated[datetime, BeforeValidator(moment_of), Field(examples=["2026-11-09T10:00:00Z"])]
"""A moment that is sent."""
Time = Annotated[
    datetime,
    PlainSerializer(utc, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-09T10:00:00Z"]}),
]
Line = Annotated[str, StringConstraints(pattern=LINE), AfterValidator(printable)]
"""One line of text."""
Text = Annotated[
    str, StringConstraints(pattern=r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f]*$"), AfterValidator(printable)
]
"""Text of several lines."""
Currency = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{3}$"),
    Field(description="ISO 4217.", examples=["EUR"]),
]
GivenCurrency = Annotated[
    str,
    AfterValidator(known_currency),
    WithJsonSchema({"type": "string", "enum": sorted(EXPONENTS), "description": "ISO 4217.", "examples": ["EUR"]}),
]
"""The same as it is sent."""
Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1 alpha-2.", examples=["FR"])
]
Email = Annotated[
    str,
    StringConstraints(pattern=r"^[^@\s\u0000-\u001f]+@[^@\s\u0000-\u001f]+$", max_length=254),
    AfterValidator(printable),
]
NewEmail = Annotated[Email, Field(examples=["julien@fontaine.example"])]
Minor = Annotated[int, Field(description="Minor units of the currency.", examples=[12000])]
