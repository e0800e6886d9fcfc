"""The sandbox as a Django app."""

from django.apps import AppConfig


class SandboxConfig(AppConfig):
    """Its tables are the company's, not billing's."""

    name = "portico.billing.providers.sandbox"
    label = "sandbox"
    default_auto_field = "django.db.models.BigAutoField"
