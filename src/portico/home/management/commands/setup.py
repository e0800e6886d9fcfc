"""`./portico manage setup`: what the first run asks, from a file; without one, where and with which code to begin."""

import tomllib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portico.billing.actions import setup
from portico.kit.errors import Refusal


class Command(BaseCommand):
    """Set up an installation."""

    help = (
        "Set up the portal from a TOML file (docs/operate/setup.md), or print the code with which a browser may begin."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """--from FILE."""
        parser.add_argument("--from", dest="file", type=Path, metavar="FILE", help="a TOML file with the settings")

    def handle(self, *_args: Any, **options: Any) -> None:
        """All of the file, or nothing."""
        if options["file"] is None:
            if not setup.is_empty():
                raise CommandError("This portal has been begun already. Sign in and open /staff/settings/.")
            self.stdout.write(f"Open {settings.PORTICO_BASE_URL}/setup/ and enter the code {setup.setup_code()}")
            return
        try:
            document = tomllib.loads(options["file"].read_text())
        except OSError as fault:
            raise CommandError(f"{options['file']} cannot be read: {fault.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
            raise CommandError(f"{options['file']} is not TOML: {fault}") from None
        try:
            done = setup.from_file(document, now=timezone.now())
        except Refusal as refusal:
            raise CommandError(f"Nothing was set up. {refusal.message}") from None
        for line in done:
            self.stdout.write(f"done: {line}")
