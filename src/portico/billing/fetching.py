"""What both faces share about ZIP files of invoices: what a request asks for, and sending what is ready."""

from typing import Any

from django.db.models import QuerySet
from django.http import FileResponse, HttpResponseBase, QueryDict, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from portico.billing.documents.bundle import SYNTAXES, zip_of
from portico.billing.models import Archive, Invoice
from portico.kit.errors import Conflict, Invalid, Missing

AT_ONCE = 1000
"""So many invoices are sent while the ZIP is made; more are prepared by a worker."""
HEADERS = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
BLOCK = 64 * 1024


def syntax_asked(params: QueryDict) -> str:
    """`?xml=cii` or `ubl`, or empty; Invalid for anything else."""
    syntax = params.get("xml", "")
    if syntax not in SYNTAXES:
        raise Invalid(_("Choose cii or ubl as the syntax."))
    return syntax


def ticked(params: QueryDict) -> list[str] | None:
    """The numbers that were ticked in the list; None when the whole list is asked for. Invalid for none, and for too many.

    What can be paid is ticked as `number`, everything else as `paper`; a ticked list says `of=ticked`, so that an empty one
    is not taken for the whole.
    """
    numbers = list(dict.fromkeys([*params.getlist("number"), *params.getlist("paper")]))
    if not numbers and params.get("of") != "ticked":
        return None
    if not 1 <= len(numbers) <= AT_ONCE:
        raise Invalid(_("Select the invoices that you want to download, at most %(most)d.") % {"most": AT_ONCE})
    return numbers


def those(rows: QuerySet[Invoice], numbers: list[str]) -> QuerySet[Invoice]:
    """The invoices of these numbers among `rows`; Missing when one is not there."""
    found = rows.filter(number__in=numbers)
    if found.count() != len(numbers):
        raise Missing(_("One of the selected invoices cannot be found."))
    return found


def at_once(rows: QuerySet[Invoice]) -> int:
    """How many there are, where they are few enough to be sent at once; else 0. Invalid for none."""
    count = len(rows.order_by().values_list("pk", flat=True)[: AT_ONCE + 1])
    if not count:
        raise Invalid(_("Nothing matches, so there is nothing to download."))
    return count if count <= AT_ONCE else 0


def sent(rows: QuerySet[Invoice], syntax: str, language: str) -> HttpResponseBase:
    """The ZIP, which begins at once and is made while it is sent."""
    name = f"invoices-{timezone.now():%Y%m%d-%H%M}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', **HEADERS}
    return StreamingHttpResponse(zip_of(rows, syntax, language), content_type="application/zip", headers=headers)


def file_answer(archive: Archive) -> HttpResponseBase:
    """The prepared ZIP; Conflict while it is not ready, and when its file is gone."""
    if archive.state != Archive.State.READY:
        raise Conflict(_("This file is not ready yet."))
    try:
        file: Any = archive.path.open("rb")
    except FileNotFoundError:
        raise Conflict(_("This file is gone. Delete it, and have it prepared again.")) from None
    answer = FileResponse(
        file, as_attachment=True, filename=archive.name, content_type="application/zip", headers=HEADERS
    )
    answer.block_size = BLOCK
    return answer
