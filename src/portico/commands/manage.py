"""`./portico manage …`: Django's management commands, on the configured installation or else on the demo."""

import argparse

from django.core.management import execute_from_command_line

from portico.commands import configured


def run(options: argparse.Namespace) -> int:
    """Hand over to Django."""
    configured()
    execute_from_command_line(["./portico manage", *options.rest])
    return 0
