"""The money's whole way."""

from django.apps import AppConfig


class BillingConfig(AppConfig):
    """The app `portico.billing`."""

    name = "portico.billing"
    label = "billing"
    default_auto_field = "django.db.models.BigAutoField"
