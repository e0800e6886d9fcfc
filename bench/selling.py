"""What `bench.sales` finds in its database: `bench.selling BUYERS EACH PASSWORD`, in a process of its own on an empty database.

So many customers with one person each, and so many open quotations for each; the worker has done what sending left to it. The
last line says who may accept what, as JSON. `bench.selling books` says what is wrong with the books instead.
"""

import json
import sys
from importlib import import_module
from typing import Any

import django

OLD_INVOICES = 400


def main(arguments: list[str]) -> None:
    """See above."""
    django.setup()
    if arguments[0] == "books":
        wrong = [str(one) for one in import_module("portico.billing.books").verify()]
        print(json.dumps({"wrong": wrong[:20]} | counts()))
        return
    print(json.dumps({"buyers": fill(int(arguments[0]), int(arguments[1]), arguments[2])}))


def fill(buyers: int, each: int, password: str) -> list[dict[str, Any]]:
    """The database; see above."""
    from django.core.management import call_command
    from django.db import connection, transaction
    from django.utils import timezone

    from portico import cast
    from portico.accounts.models import User
    from portico.billing.actions import draft, send
    from portico.billing.actions.issue import issue_papers
    from portico.kit import jobs
    from portico.kit.models import Letter

    workload: Any = import_module("bench.workload")
    call_command("migrate", interactive=False, verbosity=0)
    now = timezone.now()
    world = cast.build_people(now)
    customers = [workload._customer(world, number) for number in range(buyers)]
    with transaction.atomic():
        issue_papers(list(workload._papers(world, customers, OLD_INVOICES)), by=None, now=world.ago(45))
    lines = [cast.line(world, code, "3") for code in workload.SOLD]
    told = []
    for user in User.objects.filter(email__startswith="person").order_by("email")[:buyers]:
        user.set_password(password)
        user.save()
        member = user.current_membership
        assert member is not None
        offers = []
        for number in range(each):
            quotation = draft.draft_quotation(
                seller=world.seller, customer=member.customer, by=world.hanna, now=now, contact=user
            )
            title = f"Roll-out {number:03d}"
            cast.write(
                world, member.customer, title, lines, now,
                quotation=quotation, payment_policy="full", signature_required=True,
            )  # fmt: skip
            version = send.send_quotation(quotation=quotation, by=world.hanna, now=now)
            send.record_view(version=version, by=user, ip=None, user_agent="", now=now)
            offers.append([quotation.number, version.version, version.total_minor])
        told.append({"email": user.email, "offers": offers})
    Letter.objects.all().delete()  # of this filling
    jobs.run_once(timezone.now(), [one for one in jobs.discover() if one.name == "billing.quotation_papers"])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    return told


def counts() -> dict[str, int]:
    """What is there, and what still waits."""
    from portico.billing.models import Order, Payment, ProviderEvent
    from portico.billing.models.invoice import Invoice
    from portico.kit.models import Letter

    return {
        "payments": Payment.objects.filter(provider="stripe", state=Payment.State.SUCCEEDED, review="").count(),
        "orders": Order.objects.exclude(state=Order.State.AWAITING_PAYMENT).filter(payment_policy="full").count(),
        "invoices": Invoice.objects.filter(order__payment_policy="full", amount_due_minor=0).count(),
        "notices": ProviderEvent.objects.exclude(state=ProviderEvent.State.DONE).count(),
        "letters": Letter.objects.filter(state=Letter.State.QUEUED).count(),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
