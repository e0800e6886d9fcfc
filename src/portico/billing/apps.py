"""The money's whole way."""

from importlib import import_module

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """The app `portico.billing`."""

    name = "portico.billing"
    label = "billing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Webhooks hear of every event from now on."""
        heard = import_module("portico.accounts.models.event").LISTENERS
        listen = import_module("portico.billing.hooks").listen
        if listen not in heard:
            heard.append(listen)
