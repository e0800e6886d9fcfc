"""Accepting and paying through faults, the parts that look into the database: each a process of its own, JSON on its last line.

python -m bench.paying fill 30       migrate an empty database; so many quotations wait for Camille, paid in full on acceptance
python -m bench.paying later 3600    what a worker finds to do that many seconds from now, until there is nothing more
python -m bench.paying verify 7200   the same, then what the books say, and all that a fault test compares with the world
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import django

TITLE = "Sale"
AFTERWARDS = (
    "billing.provider_events", "billing.undecided_payments", "billing.undecided_refunds", "billing.einvoices",
    "kit.outbox.send_letters",
)  # fmt: skip


def fill(count: int) -> dict[str, Any]:
    """The quotations, by their numbers."""
    from django.core.management import call_command
    from django.utils import timezone

    from portico import cast

    call_command("migrate", interactive=False, verbosity=0)
    now = timezone.now()
    world = cast.build_people(now)
    lines = [cast.line(world, "users", "3"), cast.line(world, "point-of-sale")]
    for number in range(count):
        cast.offer(world, world.fontaine, f"{TITLE} {number:03d}", lines, now, payment_policy="full")
    return {"quotations": count}


def later(seconds: int) -> dict[str, Any]:
    """The sweeps that money, papers and mail wait for."""
    from django.utils import timezone

    from portico.kit.jobs import discover, run_once

    known = {one.name: one for one in discover()}
    return {"handled": run_once(timezone.now() + timedelta(seconds=seconds), [known[name] for name in AFTERWARDS])}


def verify() -> dict[str, Any]:
    """Everything that is compared."""
    from portico.billing.books import verify as books
    from portico.billing.models import Payment, ProviderEvent
    from portico.kit.models import Letter

    arrived = Payment.objects.filter(state__in=Payment.ARRIVED)
    return {
        "violations": [str(one) for one in books()],
        "sales": sales(),
        "money": {
            reference: [received - returned, currency]
            for reference, received, returned, currency in arrived.values_list(
                "charge_reference", "received_minor", "returned_minor", "received_currency"
            )
        },
        "credit": Payment.objects.exclude(review="").count(),
        "undecided": [str(key) for key in Payment.objects.undecided().values_list("pk", flat=True)],
        "notices": dict(Counter(ProviderEvent.objects.values_list("state", flat=True))),
        "letters": [
            list(row) for row in Letter.objects.order_by("pk").values_list("key", "message_id", "state", "error")
        ],
        "files": list(files()),
    }


def sales() -> dict[str, Any]:
    """What became of each quotation."""
    from portico.accounts.models import Event
    from portico.billing.models import Invoice, Order, Payment, Quotation

    found: dict[str, Any] = {}
    for quotation in Quotation.objects.order_by("pk"):
        version = quotation.current
        if version is None:
            continue
        orders = list(Order.objects.filter(version__quotation=quotation))
        payments = Payment.objects.filter(targets__request__order__in=orders) | Payment.objects.filter(
            targets__invoice__order__in=orders
        )
        accepted = Event.objects.filter(name="quotation.accepted", object_id=str(version.pk))
        found[str(quotation.number)] = {
            "state": version.state,
            "accepted": accepted.count(),
            "orders": [[order.number, order.state] for order in orders],
            "invoices": [
                list(row)
                for row in Invoice.objects.filter(order__in=orders, state="issued").values_list(
                    "number", "payment_state", "amount_due_minor"
                )
            ],
            "payments": {str(one.pk): [one.state, one.charge_reference] for one in payments.distinct()},
        }
    return found


def files() -> Iterator[str]:
    """What is wrong with issued papers' files: one without its PDF, changed bytes, bytes that no row of a paper names.

    What a killed process left half written is taken away an hour later and is none of these.
    """
    from django.conf import settings
    from django.db.models import ForeignObjectRel

    from portico.billing.models import Invoice
    from portico.kit.files import DamagedFile, StoredFile, being_written

    named: set[int] = set()
    for relation in StoredFile._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel):
            papers: Any = relation.related_model
            named |= set(papers._default_manager.values_list(relation.field.name, flat=True))
    for invoice in Invoice.objects.filter(state="issued").select_related("pdf", "cii", "ubl"):
        for name in ("pdf", "cii", "ubl"):
            kept: StoredFile | None = getattr(invoice, name)
            if kept is None:
                if name == "pdf":
                    yield f"{invoice.number} has no PDF"
                continue
            try:
                kept.read()
            except DamagedFile as fault:
                yield f"{invoice.number}: {fault}"
    for lost in StoredFile.objects.exclude(pk__in=named):
        yield f"no paper names file {lost.sha256}"
    rows = set(StoredFile.objects.values_list("sha256", flat=True))
    for path in Path(settings.PORTICO_FILES).rglob("*"):
        if path.is_file() and path.parent != being_written() and path.name not in rows:
            yield f"no row names the bytes {path.name}"


def main(words: list[str]) -> None:
    """See above."""
    django.setup()
    import_module("portico.kit.jobs").discover()
    what, number = words[0], int(words[1])
    said = fill(number) if what == "fill" else later(number)
    print(json.dumps(said | (verify() if what == "verify" else {})))


if __name__ == "__main__":
    main(sys.argv[1:])
