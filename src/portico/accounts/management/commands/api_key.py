"""`./portico manage api_key NAME SCOPE…`: make a key of the API on the server; its secret is printed this once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portico.accounts import api_keys
from portico.accounts.models import SCOPES, Seller
from portico.accounts.models.api_key import REQUESTS_PER_MINUTE
from portico.kit.errors import Refusal


class Command(BaseCommand):
    """Make a key of the API."""

    help = "Make a key of the API and print its secret, once. Scopes: " + ", ".join(SCOPES) + "; all for every one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """NAME SCOPE… [--per-minute N]."""
        parser.add_argument("name", help="the integration, as the history will call it")
        parser.add_argument("scopes", nargs="+", metavar="SCOPE", help="what it may do, or the word all")
        parser.add_argument("--per-minute", type=int, default=REQUESTS_PER_MINUTE, help="requests a minute")

    def handle(self, *_args: Any, **options: Any) -> None:
        """The secret alone on standard output, so that a script can keep it."""
        seller = Seller.objects.order_by("id").first()
        if seller is None:
            raise CommandError("There is no seller yet. Set the portal up first: ./portico manage setup")
        scopes = list(SCOPES) if options["scopes"] == ["all"] else options["scopes"]
        unknown = sorted(set(scopes) - set(SCOPES))
        if unknown:
            raise CommandError(f"There is no scope {unknown[0]}. Choose from: {', '.join(SCOPES)}")
        try:
            _key, secret = api_keys.create(
                seller=seller,
                name=options["name"],
                scopes=scopes,
                per_minute=options["per_minute"],
                by=None,
                now=timezone.now(),
            )
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        self.stderr.write("Keep this secret; it is not shown again:")
        self.stdout.write(secret)
