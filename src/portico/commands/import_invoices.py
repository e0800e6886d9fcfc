"""`./portico import-invoices FILE…`: invoices of another system into the portal, one line a file."""

import argparse
import json
from importlib import import_module
from pathlib import Path

import django

from portico.commands import Stop, configured, embedded

MOST_BYTES = 20 * 1024 * 1024


def run(options: argparse.Namespace) -> int:
    """Import each file by itself; 1 when any was refused."""
    prepare(options.data)
    seller = import_module("portico.accounts.models").Seller.objects.order_by("id").first()
    if seller is None:
        raise Stop("this portal has no company yet. Set it up first: ./portico manage setup, or in the browser.")
    refused = 0
    for path in options.files:
        row = take_in(path, seller, any_seller=options.any_seller)
        refused += row["status"] == "refused"
        print(json.dumps(row, ensure_ascii=False) if options.json else as_text(row), flush=True)
    return 1 if refused else 0


def prepare(data: Path | None) -> None:
    """Where the books are. A directory without any gets those of a demo first."""
    if data is None:
        configured()
        django.setup()
        return
    fresh = not (data / "portico.sqlite3").is_file()
    embedded(data)
    if fresh:
        demo = import_module("portico.commands.demo")
        with demo.alone(data.absolute()):
            demo.keep_secrets(data.absolute())
            with import_module("contextlib").redirect_stdout(import_module("sys").stderr):
                demo.fill(data.absolute())
    else:
        django.setup()


def take_in(path: Path, seller: object, *, any_seller: bool) -> dict[str, object]:
    """What became of a file."""
    errors = import_module("portico.kit.errors")
    timezone = import_module("django.utils.timezone")
    row: dict[str, object] = {
        "file": str(path), "status": "refused", "number": "", "currency": "", "total_minor": None, "due_minor": None,
        "reason": "", "code": "",
    }  # fmt: skip
    try:
        if path.stat().st_size > MOST_BYTES:
            reasons = import_module("portico.billing.documents.reading.reasons")
            raise reasons.Unreadable("too_large", megabytes=MOST_BYTES // 1024 // 1024)
        found = import_module("portico.billing.actions.take_in").import_invoice(
            content=path.read_bytes(), file_name=path.name, seller=seller, now=timezone.now(), any_seller=any_seller
        )
    except OSError as fault:
        return row | {"reason": f"The file cannot be read: {fault.strerror}."}
    except errors.Refusal as refusal:
        return row | {"reason": refusal.message, "code": getattr(refusal, "code", "")}
    invoice = found.invoice
    return row | {
        "status": found.status, "number": invoice.shown_number, "currency": invoice.currency,
        "total_minor": invoice.total_minor, "due_minor": found.due_minor,
    }  # fmt: skip


def as_text(row: dict[str, object]) -> str:
    """A line for a person."""
    if row["status"] == "refused":
        return f"refused   {row['file']}: {row['reason']}"
    amounts = f"total {row['total_minor']}, due {row['due_minor']} (minor units of {row['currency']})"
    return f"{row['status']:<9} {row['file']}: {row['number']}, {amounts}"
