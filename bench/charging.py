"""What `bench.payments` measures in a process of its own, on the database of the environment: `bench.charging NOTICES FILE`.

Fills the database, times accepting and paying, writes the notices of Stripe that are to be posted into FILE, one a line; the
last line says what came of it, as JSON.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import django

STORIES = 60
CUSTOMERS = 50
SPARE = 200


def main(arguments: list[str]) -> None:
    """See above."""
    django.setup()
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.utils import timezone

    from portico import cast
    from portico.billing.actions.issue import issue_papers

    workload: Any = import_module("bench.workload")
    call_command("migrate", interactive=False, verbosity=0)
    count, now = int(arguments[0]), timezone.now()
    world = cast.build_people(now)
    papers = workload._papers(world, [workload._customer(world, number) for number in range(CUSTOMERS)], count + SPARE)
    while batch := list(islice(papers, workload.BATCH)):
        with transaction.atomic():
            issue_papers(batch, by=None, now=world.ago(45))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    cpu = time.process_time()
    took = list(accept_and_pay(world))
    cpu = time.process_time() - cpu
    bodies = [json.dumps(notice) for notice in notices(count, now)]
    Path(arguments[1]).write_text("\n".join(bodies))
    told = {
        "rate": 1000 * len(took) / sum(took),
        "p50": statistics.median(took),
        "p95": sorted(took)[len(took) * 95 // 100],
        "cpu": 1000 * cpu / len(took),
        "notices": len(bodies),
    }
    print(json.dumps(told))


def accept_and_pay(world: Any) -> Iterator[float]:
    """Milliseconds of each: quotation accepted, order made, attempt written down, money told, invoice issued, order confirmed.

    What the sandbox company does for itself in between is the provider's time and is not counted.
    """
    from portico import cast
    from portico.billing import providers
    from portico.billing.actions import decide, notices, pay
    from portico.billing.providers.base import Notice
    from portico.billing.providers.sandbox import gateway
    from portico.billing.providers.sandbox.provider import Sandbox

    now, fontaine = world.now, world.fontaine
    lines = [cast.line(world, code, "3") for code in ("users", "point-of-sale")]
    by = world.member(world.camille)
    outside = Outside()
    start = Sandbox.start

    def timed(self: Any, purchase: Any) -> Any:
        with outside.timed():
            return start(self, purchase)

    Sandbox.start = timed  # type: ignore[method-assign]  # a measurement
    sandbox = providers.find("sandbox")
    assert sandbox is not None
    for number in range(STORIES):
        quotation = cast.offer(world, fontaine, f"Bought {number:03d}", lines, now, payment_policy="full")
        version = quotation.current
        assert version is not None
        begun, outside.spent = time.perf_counter(), 0.0
        done = decide.accept_quotation(
            quotation=quotation, by=by, version=version.version, choices=dict[int, Decimal](),
            seen_total_minor=version.total_minor, consent=True, po_number="", now=now,
            signature=decide.Signature("Camille", "", "typed", "Camille"),
            origin=decide.Origin("192.0.2.10", "bench", "password"),
        )  # fmt: skip
        payment = pay.start_payment(by=by, provider="sandbox", order=done.order, now=now)
        with outside.timed():
            checkout = gateway.find(reference=payment.provider_reference, now=now)
            assert checkout is not None
            gateway.pay(checkout, now=now)
            payload: Any = gateway.notice(checkout, f"evt_{payment.pk}", "checkout.succeeded", now=now)
        event = notices.store(sandbox, Notice(payload["id"], payload["type"], payload), now=now)
        assert event is not None
        assert notices.work_on(event, now=now)
        yield 1000 * (time.perf_counter() - begun - outside.spent)
        payment.refresh_from_db()
        assert payment.state == "succeeded"


class Outside:
    """Time that is not ours."""

    spent = 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what is done inside as somebody else's."""
        begun = time.perf_counter()
        yield
        self.spent += time.perf_counter() - begun


def notices(count: int, now: Any) -> Iterator[dict[str, Any]]:
    """Open invoices, each with an attempt at Stripe, and the notice that each of them was paid."""
    from portico.billing.models import Invoice, Payment, PaymentTarget

    for invoice in Invoice.objects.open().select_related("customer").order_by("-id")[:count]:
        payment = Payment(
            customer=invoice.customer, provider="stripe", amount_minor=invoice.amount_due_minor, currency=invoice.currency,
            created_at=now, next_lookup_at=None,
        )  # fmt: skip
        payment.idempotency_key, payment.provider_reference = f"portico-{payment.pk}", f"cs_live_{payment.pk.hex}"
        payment.save(force_insert=True)
        PaymentTarget.objects.create(payment=payment, invoice=invoice, amount_minor=payment.amount_minor)
        session = {
            "id": payment.provider_reference, "object": "checkout.session", "mode": "payment", "status": "complete",
            "payment_status": "paid", "amount_total": payment.amount_minor, "currency": payment.currency.lower(),
            "client_reference_id": str(payment.pk), "payment_intent": f"pi_{payment.pk.hex}",
            "metadata": {"portico_payment": str(payment.pk), "portico_way": "checkout"},
        }  # fmt: skip
        yield {
            "id": f"evt_{payment.pk.hex}", "object": "event", "type": "checkout.session.completed", "livemode": True,
            "data": {"object": session},
        }  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
