"""`./portico manage openapi FILE`: write the description of the API down, as the tests compare it."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from portico.billing.api.reference import written


class Command(BaseCommand):
    """Write the OpenAPI description to a file."""

    help = "Write the OpenAPI description of the API to FILE."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """FILE."""
        parser.add_argument("file", type=Path)

    def handle(self, *_args: Any, **options: Any) -> None:
        """Write it."""
        options["file"].write_bytes(written() + b"\n")
        self.stdout.write(f"written: {options['file']}")
