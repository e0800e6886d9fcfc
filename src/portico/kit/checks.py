"""Checks that fail the build: every field of ours has a privacy class."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import CheckMessage, Error, register

from portico.kit.privacy import undeclared


@register()
def privacy_declared(app_configs: Sequence[AppConfig] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """`kit.E001`: a field without a privacy class, declared twice, or declared but gone (SAFETY.md 4)."""
    configs = app_configs or list(apps.get_app_configs())
    ours = [model for config in configs if config.name.startswith("portico.") for model in config.get_models()]
    return [
        Error(fault, hint="Name the field in its model's `privacy` (portico.kit.privacy).", id="kit.E001")
        for fault in undeclared(ours)
    ]
