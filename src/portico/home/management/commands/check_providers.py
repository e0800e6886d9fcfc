"""`./portico manage check_providers`: what is wrong with the ways to pay, in words."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portico.billing import providers


class Command(BaseCommand):
    """Check the configuration of every payment provider that is offered."""

    help = "Check keys, rights and webhook endpoints of the payment providers in PORTICO_PROVIDERS; exit 1 if any is wrong."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """One line a fault, each with what to do."""
        if not settings.PRODUCTION:
            self.stderr.write(
                f"This is the demo in {settings.PORTICO_DATA}. To check an installation, run this with its environment: "
                "DATABASE_URL, PORTICO_SECRET_KEY and what else serve has."
            )
        wrong = 0
        for name in settings.PORTICO_PROVIDERS:
            provider = providers.find(name)
            faults = [f"there is no provider {name}"] if provider is None else provider.check()
            wrong += len(faults)
            for fault in faults or ["in order"]:
                self.stdout.write(f"{name}: {fault}")
        if wrong:
            raise CommandError(f"{wrong} to be put right.")
