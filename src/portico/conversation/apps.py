"""Threads, messages, attachments."""

from django.apps import AppConfig


class ConversationConfig(AppConfig):
    """The app `portico.conversation`."""

    name = "portico.conversation"
    label = "conversation"
    default_auto_field = "django.db.models.BigAutoField"
