"""Export, erasure, retention."""

from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    """The app `portico.privacy`."""

    name = "portico.privacy"
    label = "privacy"
    default_auto_field = "django.db.models.BigAutoField"
