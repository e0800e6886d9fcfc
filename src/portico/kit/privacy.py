"""Every model field declares what becomes of it when a person asks for erasure (GDPR Art. 17).

A model says so in one attribute, fields grouped by class:

    privacy = {Privacy.NONE: "id created_at", Privacy.IDENTITY: "name email"}

`undeclared` lists what is missing; a test and a system check fail on anything it returns.
"""

from collections.abc import Iterable
from enum import StrEnum

from django.db.models import Model


class Privacy(StrEnum):
    """What erasure does with a field."""

    NONE = "no personal data"
    IDENTITY = "delete: name, mail, phone, language of a person"
    CREDENTIAL = "delete at once: passwords, factors, sessions, tokens"
    COMPANY = "a company's own data, kept with the contract; a person's name in it is replaced"
    INVOICE = "keep, restricted to finance, until the retention date"
    PAYMENT = "keep with its invoice"
    CONTRACT = "restrict: accepted quotation, order"
    OFFER = "delete after the claim period unless accepted; a draft at once"
    SUBSCRIPTION = "pseudonymise the contact, keep until the last invoice goes"
    CONVERSATION = "delete; keep only what proves a contract"
    EVIDENCE = "restrict, kept with the order"
    AUDIT = "keep action, object, time"
    ACTOR = "a person's id: the row it points to is pseudonymised"
    PAYLOAD = "delete: queued mails, webhooks, exports"
    NOTE = "staff free text: delete or review"


def undeclared(models: Iterable[type[Model]]) -> list[str]:
    """Names, as `app.Model.field`, every concrete field without a class, declared twice, or declared but gone."""
    faults: list[str] = []
    for model in models:
        declared: list[str] = [name for names in getattr(model, "privacy", {}).values() for name in names.split()]
        real = {field.name for field in model._meta.concrete_fields}
        label = model._meta.label
        faults += [f"{label}.{name}: no privacy class" for name in sorted(real - set(declared))]
        faults += [f"{label}.{name}: no such field" for name in sorted(set(declared) - real)]
        faults += [f"{label}.{name}: declared twice" for name in sorted({n for n in declared if declared.count(n) > 1})]
    return faults
