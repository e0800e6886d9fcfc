"""The Jinja2 environment of our pages: translations, addresses, and values written as the reader's language writes them."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone, translation
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from stdnum import iban as stdnum_iban

from portico.kit import formats
from portico.statuses import status_of


def environment(**options: Any) -> Environment:
    """The environment Django's Jinja2 backend asks for (settings.TEMPLATES)."""
    options |= {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined, "auto_reload": settings.DEBUG}
    env = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"], **options)  # noqa: S701  # Django's backend sets autoescape
    env.install_gettext_callables(  # type: ignore[attr-defined]  # the extension adds it
        gettext=translation.gettext, ngettext=translation.ngettext, newstyle=True, pgettext=translation.pgettext
    )
    env.globals.update(
        {
            "url": address,
            "has_url": has_address,
            "static": static,
            "language": language,
            "in_language": in_language,
            "now": timezone.now,
            "paragraphs": paragraphs,
            "status_of": status_of,
        }
    )
    env.filters.update(
        {
            "money": money,
            "amount": amount,
            "quantity": quantity,
            "unit_price": unit_price,
            "percent": percent,
            "day": day,
            "long_day": long_day,
            "day_time": day_time,
            "clock": clock,
            "paragraphs": paragraphs,
            "country": country,
            "iban": iban,
        }
    )
    return env


def address(name: str, *args: Any, **kwargs: Any) -> str:
    """The address of a named view: `url("my:quotations.detail", number)`."""
    return reverse(name, args=args, kwargs=kwargs or None)


def has_address(name: str, *args: Any) -> bool:
    """Whether a view of this name is mounted, for links from a lower room to a higher one."""
    try:
        reverse(name, args=args)
    except NoReverseMatch:
        return False
    return True


def language() -> str:
    """The reader's language code."""
    return translation.get_language() or "en"


def in_language(code: str, macro: Callable[..., Markup], *args: Any) -> Markup:
    """What a macro draws in another language than the reader's."""
    with translation.override(code):
        return macro(*args)


def money(minor: int, currency: str) -> str:
    """An amount with its currency: €8,049.36."""
    return formats.money(minor, currency, language())


def amount(minor: int, currency: str) -> str:
    """An amount for a column headed by its currency: 8,049.36."""
    return formats.amount(minor, currency, language())


def quantity(value: Decimal) -> str:
    """A quantity: 1.5."""
    return formats.quantity(value, language())


def unit_price(value: Decimal, currency: str) -> str:
    """A unit price: 228.00."""
    return formats.unit_price(value, currency, language())


def percent(value: Decimal) -> str:
    """A percentage: 5.5%."""
    return formats.percent(value, language())


def day(value: date | None) -> str:
    """A day: 26 Nov 2026; nothing for none."""
    return formats.day(value, language()) if value else ""


def long_day(value: date) -> str:
    """A day in full: Monday 23 November 2026."""
    return formats.long_day(value, language())


def day_time(value: datetime | None, zone: ZoneInfo) -> str:
    """A moment in a zone: 9 Nov 2026, 16:20."""
    return formats.day_time(value, zone, language()) if value else ""


def clock(value: datetime, zone: ZoneInfo) -> str:
    """A moment in a zone by the clock alone, 16:20, where it is today; with its day otherwise."""
    local = value.astimezone(zone)
    return f"{local:%H:%M}" if local.date() == timezone.now().astimezone(zone).date() else day_time(value, zone)


def country(code: str) -> str:
    """The name of a country: France."""
    return formats.country(code, language())


def iban(text: str) -> str:
    """An account number in groups of four: FR76 3000 6000 0112 3456 7890 189."""
    return str(stdnum_iban.format(text))


def paragraphs(text: str) -> Markup:
    """Plain text from a person as escaped HTML, its line breaks kept."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())
