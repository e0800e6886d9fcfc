"""Threads, messages, attachments."""

from collections.abc import Iterable
from datetime import datetime

from django.db import models
from django.db.models import Q

from portico.accounts.models import Customer, Membership, User
from portico.billing.models import Invoice, Order, Quotation, Subscription
from portico.kit.files import StoredFile
from portico.kit.privacy import Privacy

Document = Quotation | Order | Invoice | Subscription
"""What a thread can be about."""


class ThreadQuerySet(models.QuerySet["Thread"]):
    """Threads as a person may see them."""

    def visible_to(self, membership: Membership) -> "ThreadQuerySet":
        """Those on documents that the member's customer may see: nothing about a draft."""
        rows = self.filter(customer_id=membership.customer_id).exclude(
            Q(quotation__isnull=False, quotation__current=None) | Q(invoice__state=Invoice.State.DRAFT)
        )
        if membership.sees_all:
            return rows
        return rows.filter(
            Q(quotation__in=Quotation.objects.visible_to(membership).values("pk"))
            | Q(order__in=Order.objects.visible_to(membership).values("pk"))
            | Q(invoice__in=Invoice.objects.visible_to(membership).values("pk"))
            | Q(subscription__in=Subscription.objects.visible_to(membership).values("pk"))
        )


class Thread(models.Model):
    """The conversation on one document."""

    privacy = {Privacy.NONE: "id customer quotation order invoice subscription created_at"}

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="threads")
    quotation = models.OneToOneField(Quotation, null=True, on_delete=models.CASCADE, related_name="thread")
    order = models.OneToOneField(Order, null=True, on_delete=models.CASCADE, related_name="thread")
    invoice = models.OneToOneField(Invoice, null=True, on_delete=models.CASCADE, related_name="thread")
    subscription = models.OneToOneField(Subscription, null=True, on_delete=models.CASCADE, related_name="thread")
    created_at = models.DateTimeField()

    objects = ThreadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(quotation__isnull=False, order=None, invoice=None, subscription=None)
                | Q(quotation=None, order__isnull=False, invoice=None, subscription=None)
                | Q(quotation=None, order=None, invoice__isnull=False, subscription=None)
                | Q(quotation=None, order=None, invoice=None, subscription__isnull=False),
                name="thread_on_one_document",
            )
        ]

    def __str__(self) -> str:
        return f"thread {self.pk}"

    @classmethod
    def on(cls, document: Document, *, now: datetime) -> "Thread":
        """The thread of `document`, begun when there was none."""
        noun = document._meta.model_name
        thread, _ = cls.objects.get_or_create(
            **{str(noun): document}, defaults={"customer_id": document.customer_id, "created_at": now}
        )
        return thread

    def say(
        self,
        body: str,
        *,
        by: User,
        now: datetime,
        internal: bool = False,
        files: Iterable[tuple[str, StoredFile]] = (),
    ) -> "Message":
        """Add a message with its files by name; an internal note is for the seller's people alone. In a transaction."""
        message = self.messages.create(author=by, from_staff=by.is_staff, body=body, at=now, internal=internal)
        Attachment.objects.bulk_create(Attachment(message=message, file=file, name=name) for name, file in files)
        return message


class MessageQuerySet(models.QuerySet["Message"]):
    """Messages as a person may see them."""

    def visible_to(self, membership: Membership) -> "MessageQuerySet":
        """Those of visible threads, internal notes left out."""
        return self.filter(internal=False, thread__in=Thread.objects.visible_to(membership))


class Message(models.Model):
    """One message. `internal` notes are never shown to the customer, nor are their attachments."""

    privacy = {
        Privacy.NONE: "id thread at internal from_staff",
        Privacy.CONVERSATION: "body",
        Privacy.ACTOR: "author",
    }

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    author = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    from_staff = models.BooleanField()
    body = models.TextField(max_length=8000)
    at = models.DateTimeField()
    internal = models.BooleanField(default=False)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(internal=False) | Q(from_staff=True), name="internal_note_is_from_staff"
            ),
            models.CheckConstraint(condition=~Q(body=""), name="message_not_empty"),
        ]

    def __str__(self) -> str:
        return f"message {self.pk}"


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    """Attachments as a person may see them."""

    def visible_to(self, membership: Membership) -> "AttachmentQuerySet":
        """Those of visible messages: an internal note's files are as internal as the note."""
        return self.filter(message__in=Message.objects.visible_to(membership))


class Attachment(models.Model):
    """A file of a message; always sent as a download, never shown inside a page."""

    privacy = {Privacy.NONE: "id message file", Privacy.CONVERSATION: "name"}

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
