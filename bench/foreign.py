"""A worker of `./portico bench documents`: imports another system's invoices as the desk does, and says what they cost.

Files of our own writer stand for the other system's: UBL, CII, and PDFs with a CII inside, in one ZIP, each of other content.
Everything is inside: the upload's rows, the ZIP, reading, arithmetic, customers, lines, hashes, originals on the disk, results.
"""

import io
import json
import sys
import time
import zipfile
from datetime import UTC, datetime

import django

BUYERS = 40


def main(count: int) -> None:
    """Migrate an empty database, make `count` files of each kind, and import them."""
    django.setup()
    from django.core.files.uploadedfile import SimpleUploadedFile
    from django.core.management import call_command

    from bench.papers import invoice_of
    from portico.accounts.models import Customer, Seller, User
    from portico.billing.actions import importing
    from portico.billing.documents import build, issued
    from portico.billing.documents.einvoice import terms, write
    from portico.billing.models import ImportFile

    call_command("migrate", interactive=False, verbosity=0)
    papers = {one.pk: one for one in (invoice_of(place, 8) for place in range(1, 3 * count + 1))}
    rows = {key: paper.rows_in_memory for key, paper in papers.items()}
    build.invoice_lines = lambda invoice: rows[invoice]  # type: ignore[assignment]  # no database here
    now = datetime(2026, 11, 9, 10, tzinfo=UTC)
    seller = papers[1].seller
    seller.save()
    by = User.objects.create_user("omar@northwind.example", name="Omar", staff_of=seller, staff_role="finance")
    said: dict[str, float] = {}
    for kind, make in (
        ("ubl", lambda one: write.ubl(terms.terms_of(one))),
        ("cii", lambda one: write.cii(terms.terms_of(one))),
        ("pdf", issued.draw_pdf),
    ):
        start = 1 + count * ("ubl", "cii", "pdf").index(kind)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for place in range(start, start + count):
                one = papers[place]
                one.number = f"OLD-{place:05d}"
                one.buyer |= {"vat_id": "", "legal_name": f"Buyer {place % BUYERS}", "electronic_address": ""}
                archive.writestr(f"{place}.{kind}", make(one))
        sent = [SimpleUploadedFile("old.zip", out.getvalue())]
        began, own = time.perf_counter(), time.process_time()
        importing.start_import(seller=seller, sent=sent, by=by, now=now)
        while importing.go_on(now):
            pass
        said[kind] = count / (time.perf_counter() - began)
        said[f"{kind}_ms"] = 1000 * (time.process_time() - own) / count
    states = list(ImportFile.objects.exclude(state="unpacked").values_list("state", flat=True))
    refused = ImportFile.objects.filter(state="refused").values_list("name", "code", "about")
    assert states == ["imported"] * (3 * count), list(refused)[:3]
    assert Customer.objects.count() == BUYERS
    assert Seller.objects.count() == 1
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
