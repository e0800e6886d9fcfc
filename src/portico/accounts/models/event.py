"""What happened: who, what, when. Ids only, so that erasing a person never rewrites history."""

from datetime import datetime
from typing import Any

from django.db import models

from portico.accounts.models.customer import Customer
from portico.accounts.models.user import User
from portico.kit.privacy import Privacy


class Event(models.Model):
    """One thing that happened to a document, written in the transaction that did it.

    `name` is `noun.verb` as in `quotation.sent`; `noun` and `object_id` say which thing; `data` holds ids, numbers
    and amounts (minor units), never names or addresses. `visible` events are shown to the customer as well.
    """

    privacy = {Privacy.AUDIT: "id at name noun object_id customer actor_kind visible data", Privacy.ACTOR: "actor"}

    class ActorKind(models.TextChoices):
        MEMBER = "member"
        STAFF = "staff"
        SYSTEM = "system"
        PROVIDER = "provider"

    at = models.DateTimeField()
    name = models.CharField(max_length=60)
    noun = models.CharField(max_length=20)
    object_id = models.CharField(max_length=40)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="events")
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_kind = models.CharField(max_length=8, choices=ActorKind)
    visible = models.BooleanField(default=True)
    data = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["noun", "object_id", "at"], name="event_of_document"),
            models.Index(fields=["customer", "-at"], name="event_of_customer"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.object_id}"

    @classmethod
    def of(
        cls,
        name: str,
        thing: models.Model,
        *,
        now: datetime,
        by: User | None = None,
        customer: Customer | None = None,
        actor_kind: str = "",
        visible: bool = True,
        **data: Any,
    ) -> "Event":
        """An event about `thing`, not yet written; the noun is the part of `name` before the dot."""
        if not actor_kind:
            actor_kind = cls.ActorKind.SYSTEM if by is None else ("staff" if by.is_staff else "member")
        return cls(
            at=now,
            name=name,
            noun=name.split(".")[0],
            object_id=str(thing.pk),
            customer=customer,
            actor=by,
            actor_kind=actor_kind,
            visible=visible,
            data=data,
        )

    @classmethod
    def record(cls, name: str, thing: models.Model, *, now: datetime, **about: Any) -> "Event":
        """Write one event about `thing`; arguments as of `of`."""
        event = cls.of(name, thing, now=now, **about)
        event.save(force_insert=True)
        return event
