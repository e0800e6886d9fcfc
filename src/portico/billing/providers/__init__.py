"""Payment providers: one folder each, the same contract (`base.py`). Which are offered stands in PORTICO_PROVIDERS.

Kept free of models: Django loads `providers.sandbox` as an app of its own before any model exists.
"""

from functools import cache
from importlib import import_module
from importlib.util import find_spec

from django.conf import settings
from django.utils.translation import gettext as _

from portico.billing.providers.base import Payee, Provider


@cache
def find(name: str) -> Provider | None:
    """The provider of this name, offered or not: old payments are still looked up. None when there is no such folder."""
    if not name.isidentifier() or find_spec(f"{__name__}.{name}") is None or name == "base":
        return None
    made: Provider = import_module(f"{__name__}.{name}.provider").PROVIDER
    return made


def offered(currency: str, payee: Payee) -> list[Provider]:
    """What a payer may choose for a payment in `currency` to `payee`, in the order of the setting."""
    found = [find(name) for name in settings.PORTICO_PROVIDERS]
    return [one for one in found if one is not None and one.accepts(currency, payee)]


def label_of(name: str) -> str:
    """What a way to pay is called; a provider that is no longer there is just a payment."""
    found = find(name)
    return str(found.label) if found is not None else _("Payment")
