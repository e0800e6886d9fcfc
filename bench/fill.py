"""Fill the database of the environment: `python -m bench.fill [INVOICES]`; the last line says what is in it, as JSON."""

import json
import sys
from importlib import import_module

import django


def main(arguments: list[str]) -> None:
    """Migrate an empty database and put the workload into it."""
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.utils import timezone

    from portico.accounts.models import User

    workload = import_module("bench.workload")
    call_command("migrate", interactive=False, verbosity=0)
    issued = workload.build(timezone.now(), invoices=int(arguments[0]) if arguments else workload.INVOICES)
    if connection.vendor == "postgresql":  # what autovacuum does by itself where it is not switched off
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    visitor = User.objects.get(email=workload.VISITOR).current_membership
    assert visitor is not None
    own = visitor.customer
    told = {
        "rate": issued.rate,
        "customer": own.pk,
        "invoice": own.invoices.order_by("-id")[5].number,
        "quotation": own.quotations.order_by("-id")[5].number,
        "order": own.orders.order_by("-id")[5].number,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
