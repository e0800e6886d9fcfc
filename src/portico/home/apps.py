"""What joins the apps: dashboards, search, reports."""

from django.apps import AppConfig


class HomeConfig(AppConfig):
    """The app `portico.home`."""

    name = "portico.home"
    label = "home"
    default_auto_field = "django.db.models.BigAutoField"
