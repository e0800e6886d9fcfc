"""Seller, customers, people, roles, history, sign-in."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """The app `portico.accounts`."""

    name = "portico.accounts"
    label = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Watch sign-ins: a session knows when it began."""
        from portico.accounts import sessions

        sessions.connect()
