"""Plumbing without business words."""

from django.apps import AppConfig


class KitConfig(AppConfig):
    """The app `portico.kit`."""

    name = "portico.kit"
    label = "kit"
    default_auto_field = "django.db.models.BigAutoField"
