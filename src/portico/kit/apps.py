"""Plumbing without business words."""

from importlib import import_module

from django.apps import AppConfig


class KitConfig(AppConfig):
    """The app `portico.kit`."""

    name = "portico.kit"
    label = "kit"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register our system checks."""
        import_module("portico.kit.checks")
