"""Threads, messages, attachments."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from portico.accounts.models import Customer, User
from portico.billing.models import Invoice, Order, Quotation, Subscription
from portico.kit.files import StoredFile
from portico.kit.privacy import Privacy


class Thread(models.Model):
    """The conversation on one document."""

    privacy = {Privacy.NONE: "id customer quotation order invoice subscription created_at"}

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="threads")
    quotation = models.OneToOneField(Quotation, null=True, on_delete=models.CASCADE, related_name="thread")
    order = models.OneToOneField(Order, null=True, on_delete=models.CASCADE, related_name="thread")
    invoice = models.OneToOneField(Invoice, null=True, on_delete=models.CASCADE, related_name="thread")
    subscription = models.OneToOneField(Subscription, null=True, on_delete=models.CASCADE, related_name="thread")
    created_at = models.DateTimeField()

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
    def on(cls, document: Quotation | Order | Invoice | Subscription, *, now: datetime) -> "Thread":
        """The thread of `document`, begun when there was none."""
        noun = document._meta.model_name
        thread, _ = cls.objects.get_or_create(
            **{str(noun): document}, defaults={"customer_id": document.customer_id, "created_at": now}
        )
        return thread

    def say(self, body: str, *, by: User, now: datetime, internal: bool = False) -> "Message":
        """Add a message; an internal note is for the seller's people alone."""
        return self.messages.create(author=by, from_staff=by.is_staff, body=body, at=now, internal=internal)


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

    class Meta:
        ordering = ["at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(internal=False) | Q(from_staff=True), name="internal_note_is_from_staff"),
            models.CheckConstraint(condition=~Q(body=""), name="message_not_empty"),
        ]

    def __str__(self) -> str:
        return f"message {self.pk}"


class Attachment(models.Model):
    """A file of a message; always sent as a download, never shown inside a page."""

    privacy = {Privacy.NONE: "id message file", Privacy.CONVERSATION: "name"}

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="attachments")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name
