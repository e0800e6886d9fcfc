"""The copy of a person's data: JSON of every row that is the person's, by the declared privacy classes, and its PDFs.

A field that holds a credential, or that points to somebody else, is never in it.
"""

import json
import zipfile
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Membership, User
from portico.billing.documents.issued import issued_pdf
from portico.billing.models import Acceptance, Invoice, Quotation
from portico.kit.models import Letter
from portico.kit.privacy import Privacy
from portico.privacy.models import Export

TOLD_EVERY = 10
"""Files after which the progress is written down."""
SECRET = {Privacy.CREDENTIAL}


def declared(model: type[Model]) -> dict[str, Privacy]:
    """The privacy class of each field of a model."""
    classes: dict[Any, str] = getattr(model, "privacy", {})
    return {name: Privacy(key) for key, names in classes.items() for name in names.split()}


def rows_of(user: User) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """By model, the rows that the person made or that are about it, with their fields but secrets and other people."""
    yield "profile", [plain(user, keep_actor="")]
    for model in apps.get_models():
        classes = declared(model)
        for field in model._meta.concrete_fields:
            if classes.get(field.name) is not Privacy.ACTOR:
                continue
            if field.related_model is User:
                rows = model._default_manager.filter(**{field.name: user})
            elif model is Letter and field.name == "person":
                rows = model._default_manager.filter(person=user.pk)
            else:
                continue
            found = [plain(row, keep_actor=field.name) for row in rows.order_by("pk").iterator(chunk_size=500)]
            if found:
                yield f"{model._meta.label_lower}.{field.name}", found


def plain(row: Model, *, keep_actor: str) -> dict[str, Any]:
    """A row as JSON holds it."""
    classes = declared(type(row))
    values: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        kind = classes.get(field.name)
        if kind in SECRET or (kind is Privacy.ACTOR and field.name != keep_actor):
            continue
        values[field.name] = field.value_from_object(row)
    return values


def papers_of(user: User) -> list[tuple[str, Any]]:
    """The PDFs the person may see: names in the ZIP with what reads them."""
    invoices, quotations = Invoice.objects.none(), Quotation.objects.none()
    for membership in Membership.objects.filter(user=user):
        invoices |= Invoice.objects.visible_to(membership)
        quotations |= Quotation.objects.visible_to(membership)
    invoices = invoices.select_related("seller", "pdf")
    accepted = Acceptance.objects.filter(version__quotation__in=quotations.values("pk"))
    found: list[tuple[str, Any]] = [
        (f"invoices/{invoice.number}.pdf", lambda one=invoice: issued_pdf(one)) for invoice in invoices.order_by("id")
    ]
    found += [
        (f"quotations/{one.version.quotation.number}-v{one.version.version}.pdf", lambda one=one: one.pdf.read())
        for one in accepted.select_related("pdf", "version__quotation").order_by("id")
    ]
    return found


def make(export: Export, *, now: datetime) -> None:
    """Write the ZIP, file by file, telling the progress; what was begun before is begun anew."""
    papers = papers_of(export.user)
    export.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    export.done, export.total = 0, len(papers) + 1
    export.save(update_fields=["done", "total"])
    unfinished = export.path.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        data = dict(rows_of(export.user))
        archive.writestr("data.json", json.dumps(data, cls=DjangoJSONEncoder, ensure_ascii=False, indent=1))
        archive.writestr("README.txt", readme(export.user, data, len(papers), now))
        for number, (name, read) in enumerate(papers, start=2):
            archive.writestr(name, read())
            if number % TOLD_EVERY == 0:
                export.done = number
                export.save(update_fields=["done"])
    unfinished.chmod(0o600)
    unfinished.replace(export.path)
    export.done, export.state, export.ready_at = export.total, Export.State.READY, now
    export.save(update_fields=["done", "state", "ready_at"])


def readme(user: User, data: dict[str, list[dict[str, Any]]], papers: int, now: datetime) -> str:
    """What is in the ZIP, in the person's language."""
    with translation.override(user.language or "en"):
        lines = [
            _("Your data as this portal held it on %(when)s.") % {"when": now.strftime("%Y-%m-%d %H:%M UTC")},
            "",
            _("data.json: every row that is yours, by kind. Passwords and keys are left out, and so are other people."),
            *(f"  {name}: {len(rows)}" for name, rows in data.items()),
            "",
            _("PDF files: %(count)s") % {"count": papers},
        ]
    return "\n".join(lines) + "\n"
