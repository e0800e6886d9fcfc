"""What was said and what happened on one document, in the order of time, as one reader may see it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import CharField, Prefetch, Q, QuerySet
from django.db.models.functions import Cast
from django.utils import translation
from django.utils.translation import gettext as _

from portico.accounts.models import Event, User
from portico.billing.models import (
    ChangeRequest,
    ChangeWish,
    Dispute,
    Invoice,
    Order,
    Payment,
    Quotation,
    QuotationVersion,
)
from portico.conversation.models import Attachment, Document, Message
from portico.conversation.sentences import SENTENCES, Sentence, read_out
from portico.kit import formats

LATEST = 100
"""How many messages and how many happenings are shown at first."""


@dataclass(frozen=True)
class File:
    """An attachment as it is listed."""

    pk: int
    name: str
    size: int

    @property
    def size_text(self) -> str:
        """The size as people say it: 86 KB, 1.3 MB."""
        language = translation.get_language() or "en"
        if self.size < 1_000_000:
            return f"{formats.quantity(Decimal(max(1, round(self.size / 1000))), language)} KB"
        return f"{formats.quantity(Decimal(round(self.size / 100_000)) / 10, language)} MB"


@dataclass(frozen=True)
class Wish:
    """What was wished of one line."""

    line: str
    text: str


@dataclass(frozen=True)
class Entry:
    """One entry. `kind`: message, note (internal) or event; an event has a `sentence`, the others a `body`."""

    kind: str
    at: datetime
    who: str
    initials: str
    from_staff: bool
    sentence: str = ""
    icon: str = ""
    body: str = ""
    internal: bool = False
    files: Sequence[File] = ()
    wishes: Sequence[Wish] = ()


@dataclass(frozen=True)
class Timeline:
    """The entries, oldest first, and whether earlier ones were left out."""

    entries: Sequence[Entry] = field(default_factory=tuple)
    has_earlier: bool = False

    @property
    def messages(self) -> int:
        """How many of the entries were said by somebody."""
        return sum(entry.kind != "event" for entry in self.entries)


def timeline(document: Document, *, staff: bool, seller_name: str, everything: bool = False) -> Timeline:
    """What a customer, or with `staff` the seller's people, may see of `document`."""
    limit = 10_000 if everything else LATEST
    said = list(messages_on(document, staff=staff)[: limit + 1])
    payments = payments_for(document)
    happened = list(events_of(document, payments, staff=staff)[: limit + 1])
    requests, disputes = requests_of(happened), disputes_of(happened)
    entries = [
        of_event(event, document, payments.get(event.object_id, {}), requests, disputes, seller_name, staff=staff)
        for event in reversed(happened[:limit])
    ]
    entries += [of_message(message, seller_name) for message in reversed(said[:limit])]
    entries.sort(key=lambda entry: entry.at)  # stable: of the same moment, what happened stands before what was said
    return Timeline(entries, has_earlier=len(said) > limit or len(happened) > limit)


# What was said ---------------------------------------------------------------------------------------------------------


def messages_on(document: Document, *, staff: bool) -> QuerySet[Message]:
    """The messages on a document, latest first; internal notes for staff alone."""
    rows = Message.objects.filter(**{f"thread__{document._meta.model_name}": document})
    if not staff:
        rows = rows.filter(internal=False)
    with_files = Prefetch("attachments", Attachment.objects.select_related("file"))
    return rows.select_related("author").prefetch_related(with_files).order_by("-at", "-id")


def of_message(message: Message, seller_name: str) -> Entry:
    """A message as an entry."""
    who, initials = name_of(message.author, from_staff=message.from_staff, seller_name=seller_name)
    return Entry(
        kind="note" if message.internal else "message",
        at=message.at,
        who=who,
        initials=initials,
        from_staff=message.from_staff,
        body=message.body,
        internal=message.internal,
        files=[File(one.pk, one.name, one.file.size) for one in message.attachments.all()],
    )


def name_of(person: User | None, *, from_staff: bool, seller_name: str) -> tuple[str, str]:
    """Name and initials; a person whose data was erased is still on one side or the other."""
    if person is not None:
        return person.get_full_name(), person.initials
    return (seller_name, seller_name[:1].upper()) if from_staff else (_("A former colleague"), "–")


def of_integration(name: str) -> str:
    """What did it, where that was not a person."""
    return _("Integration %(name)s") % {"name": name}


# What happened ---------------------------------------------------------------------------------------------------------


def events_of(document: Document, payments: Iterable[str], *, staff: bool) -> QuerySet[Event]:
    """What happened to a document and to the papers and payments that belong to it, latest first."""
    rows = Event.objects.filter(related_to(document, payments), customer_id=document.customer_id)
    if not staff:
        rows = rows.filter(visible=True, name__in=SENTENCES)
    return rows.select_related("actor", "integration").order_by("-at", "-id")


def related_to(document: Document, payments: Iterable[str]) -> Q:
    """The events of a document: its own, those of an order's or invoice's papers, and those of the payments for them."""
    own = Q(noun=str(document._meta.model_name), object_id=str(document.pk))
    if isinstance(document, Order):
        papers = keys(Invoice.objects.filter(order=document))
    elif isinstance(document, Invoice):
        papers = keys(Invoice.objects.filter(Q(pk=document.pk) | Q(refers_to=document)))
    else:
        return own
    return (
        own
        | Q(noun__in=["invoice", "credit_note"], object_id__in=papers)
        | Q(noun="payment", object_id__in=list(payments))
    )


def keys(rows: QuerySet[Invoice]) -> QuerySet[Any, Any]:
    """The keys of some rows as the text that events hold."""
    found: QuerySet[Any, Any] = rows.annotate(key=Cast("pk", CharField())).values("key")
    return found


def payments_for(document: Document) -> dict[str, dict[str, Any]]:
    """The payments for an order or invoice by their key, with the amount that their events leave out."""
    if isinstance(document, Order):
        condition = (
            Q(targets__request__order=document)
            | Q(targets__invoice__order=document)
            | Q(allocations__request__order=document)
            | Q(allocations__invoice__order=document)
        )
    elif isinstance(document, Invoice):
        condition = Q(targets__invoice=document) | Q(allocations__invoice=document)
    else:
        return {}
    rows = Payment.objects.filter(condition).order_by().values("pk", "amount_minor", "currency").distinct()
    return {str(row["pk"]): {"amount_minor": row["amount_minor"], "currency": row["currency"]} for row in rows}


def of_event(
    event: Event,
    document: Document,
    about: dict[str, Any],
    requests: dict[int, "Asked"],
    disputes: dict[int, tuple[str, str]],
    seller_name: str,
    *,
    staff: bool,
) -> Entry:
    """An event as an entry with its sentence; `about` is what is known of its thing beside the event's own data."""
    language = translation.get_language() or "en"
    from_staff = event.actor_kind in {Event.ActorKind.STAFF, Event.ActorKind.API}
    by_person = event.actor_kind in {Event.ActorKind.STAFF, Event.ActorKind.MEMBER}
    who, initials = name_of(event.actor, from_staff=from_staff, seller_name=seller_name) if by_person else ("", "")
    if event.integration is not None:  # what the seller calls its own systems is for its own people
        who = of_integration(event.integration.name) if staff else seller_name
        initials = who[:1].upper()

    def money(minor: int, currency: str) -> str:
        return formats.money(minor, currency or currency_of(document), language)

    asked = requests.get(event.data.get("request") or 0, Asked())
    return Entry(
        kind="event",
        at=event.at,
        who=who,
        initials=initials,
        from_staff=from_staff,
        sentence=read_out(event.name, about | event.data, who=who, money=money),
        icon=SENTENCES.get(event.name, Sentence("")).icon,
        internal=not event.visible,
        body=asked.message or disputed(event, disputes) or comment_of(event, document),
        wishes=asked.wishes,
    )


def currency_of(document: Document) -> str:
    """The currency amounts about this document are in, where an event does not say it."""
    return document.customer.currency if isinstance(document, Quotation) else document.currency


def comment_of(event: Event, document: Document) -> str:
    """What was written when the quotation was rejected."""
    if event.name != "quotation.rejected" or not isinstance(document, Quotation) or document.current is None:
        return ""
    current = document.current
    same = current.version == event.data.get("version") and current.state == QuotationVersion.State.REJECTED
    return current.rejected_comment if same else ""


# Change requests, merged when shown --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """The words and wishes of a change request."""

    message: str = ""
    wishes: Sequence[Wish] = ()


def requests_of(events: Iterable[Event]) -> dict[int, Asked]:
    """The change requests that the events speak of, in one statement."""
    wanted = {event.data["request"] for event in events if "request" in event.data}
    if not wanted:
        return {}
    fields = "pk message wishes__wish wishes__quantity wishes__comment wishes__line__name wishes__line__unit".split()
    found: dict[int, Asked] = {}
    rows = ChangeRequest.objects.filter(pk__in=wanted).order_by("pk", "wishes__line__position").values(*fields)
    for row in rows:
        before = found.get(row["pk"], Asked(row["message"]))
        wishes = list(before.wishes)
        if row["wishes__wish"]:
            text = wish_text(
                row["wishes__wish"], row["wishes__quantity"], row["wishes__line__unit"], row["wishes__comment"]
            )
            wishes.append(Wish(row["wishes__line__name"], text))
        found[row["pk"]] = Asked(before.message, wishes)
    return found


def disputes_of(events: Iterable[Event]) -> dict[int, tuple[str, str]]:
    """What was objected and what was answered, of the disputes that the events speak of, in one statement at most."""
    wanted = {event.data.get("dispute") or event.data.get("solved") for event in events} - {None}
    if not wanted:
        return {}
    rows = Dispute.objects.filter(pk__in=wanted).values_list("pk", "reason", "message", "answer")
    found = {}
    for key, reason, message, answer in rows:
        words = "" if reason == Dispute.Reason.OTHER and message else str(Dispute.Reason(reason).label)
        found[key] = ("\n".join(part for part in (words, message) if part), answer)
    return found


def disputed(event: Event, disputes: dict[int, tuple[str, str]]) -> str:
    """The words of an objection, or of its answer."""
    objection, answer = disputes.get(event.data.get("dispute") or event.data.get("solved") or 0, ("", ""))
    return objection if event.data.get("dispute") else answer


def wish_text(wish: str, quantity: Decimal | None, unit: str, comment: str) -> str:
    """A wish in words."""
    if wish == ChangeWish.Wish.REMOVE:
        return _("leave out")
    if wish == ChangeWish.Wish.QUANTITY and quantity is not None:
        number = formats.quantity(quantity, translation.get_language() or "en")
        return _("quantity %(number)s") % {"number": f"{number} {unit}".strip()}
    return comment
