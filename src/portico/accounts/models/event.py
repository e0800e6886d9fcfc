"""What happened: who, what, when. Ids only, so that erasing a person never rewrites history."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from django.db import connection, models

from portico.accounts.models.api_key import ApiKey
from portico.accounts.models.customer import Customer
from portico.accounts.models.user import User
from portico.kit.adding import MOST, add
from portico.kit.privacy import Privacy

Actor = User | ApiKey
"""Who does something: a person, or an integration of the seller's by its key."""


def person(by: Actor | None) -> User | None:
    """The person, for columns that name one; an integration is none."""
    return by if isinstance(by, User) else None


Listen = Callable[[Sequence["Event"]], None]
LISTENERS: list[Listen] = []
"""Who is told of every event in the transaction that writes it, such as webhooks; a room above registers itself here."""


GATHERED: ContextVar["tuple[int, list[Event]] | None"] = ContextVar("gathered", default=None)
"""The events of a block that writes them together, and how many savepoints were open as it began."""


@contextmanager
def events_together() -> Iterator[None]:
    """The events of this block are written at its end: one statement, and the listeners are asked once.

    Directly inside the transaction or savepoint whose events they are: when the block fails, none is written. What a
    savepoint inside the block records is written there and then, so that it goes if that is rolled back.
    """
    assert connection.in_atomic_block, "events are written in the transaction that they tell of"
    found: list[Event] = []
    token = GATHERED.set((len(connection.savepoint_ids), found))
    try:
        yield
    finally:
        GATHERED.reset(token)
    if found:
        Event.objects.bulk_create(found)


class EventQuerySet(models.QuerySet["Event"]):
    """Events, which are never written past the listeners."""

    def bulk_create(self, objs: Iterable["Event"], *args: Any, **kwargs: Any) -> list["Event"]:
        """As Django's; then the listeners are told. Inside `events_together` both wait for its end."""
        made = list(objs)
        gathered = GATHERED.get()
        if gathered is not None and gathered[0] == len(connection.savepoint_ids):
            gathered[1].extend(made)
            return made
        if made and len(made) <= MOST and not args and not kwargs:
            add(*made)
        else:
            made = super().bulk_create(made, *args, **kwargs)
        for listen in LISTENERS:
            listen(made)
        return made


class Event(models.Model):
    """One thing that happened to a document, written in the transaction that did it.

    `name` is `noun.verb` as in `quotation.sent`; `noun` and `object_id` say which thing; `data` holds ids, numbers
    and amounts (minor units), never names or addresses. `visible` events are shown to the customer as well.
    """

    privacy = {
        Privacy.AUDIT: "id at name noun object_id customer actor_kind integration visible data",
        Privacy.ACTOR: "actor",
    }

    class ActorKind(models.TextChoices):
        MEMBER = "member"
        STAFF = "staff"
        SYSTEM = "system"
        PROVIDER = "provider"
        API = "api"

    at = models.DateTimeField()
    name = models.CharField(max_length=60)
    noun = models.CharField(max_length=20)
    object_id = models.CharField(max_length=40)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.PROTECT, related_name="events")
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_kind = models.CharField(max_length=8, choices=ActorKind)
    integration = models.ForeignKey(
        ApiKey,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="by which key of the API",
    )
    visible = models.BooleanField(default=True)
    data = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

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
        by: Actor | None = None,
        customer: Customer | None = None,
        actor_kind: str = "",
        visible: bool = True,
        **data: Any,
    ) -> "Event":
        """An event about `thing`, not yet written; the noun is the part of `name` before the dot."""
        if not actor_kind:
            actor_kind = kind_of(by)
        return cls(
            at=now,
            name=name,
            noun=name.split(".")[0],
            object_id=str(thing.pk),
            customer=customer,
            actor=person(by),
            actor_kind=actor_kind,
            integration=by if isinstance(by, ApiKey) else None,
            visible=visible,
            data=data,
        )

    @classmethod
    def record(cls, name: str, thing: models.Model, *, now: datetime, **about: Any) -> "Event":
        """Write one event about `thing` and tell the listeners; arguments as of `of`."""
        (event,) = cls.objects.bulk_create([cls.of(name, thing, now=now, **about)])
        return event


def kind_of(by: Actor | None) -> str:
    """On whose side somebody acts."""
    if by is None:
        return Event.ActorKind.SYSTEM
    if isinstance(by, ApiKey):
        return Event.ActorKind.API
    return Event.ActorKind.STAFF if by.is_staff else Event.ActorKind.MEMBER
