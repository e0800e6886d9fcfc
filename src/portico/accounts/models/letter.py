"""Who gets which mails: what a person has switched off, and the addresses that get a company's invoices."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from portico.accounts.models.customer import Customer
from portico.accounts.models.user import User
from portico.kit.prepared import prepared
from portico.kit.privacy import Privacy


class LetterChoice(models.Model):
    """Whether a person wants the mails of one event; without a row it does."""

    privacy: ClassVar = {Privacy.NONE: "id event wanted", Privacy.ACTOR: "user"}

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="letter_choices")
    event = models.CharField(max_length=40)
    wanted = models.BooleanField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "event"], name="letter_choice_once")]

    def __str__(self) -> str:
        return f"{self.event}: {self.wanted}"

    @classmethod
    def choose(cls, user: User, choices: Mapping[str, bool]) -> None:
        """Keep what a person chose, by event. In a transaction."""
        for event, wanted in choices.items():
            cls.objects.update_or_create(user=user, event=event, defaults={"wanted": wanted})

    @classmethod
    def refusing(cls, users: Iterable[int], event: str) -> set[int]:
        """Which of these people do not want the mails of `event`; one statement."""
        people = list(users)
        if len(people) == 1:
            return {user for (user,) in declined(event=event, user=people[0])}
        rows = cls.objects.filter(user__in=people, event=event, wanted=False)
        return set(rows.values_list("user_id", flat=True))


@prepared
def declined(event: Any, user: Any) -> Any:
    """The person, if it does not want the mails of an event."""
    return LetterChoice.objects.filter(event=event, user=user, wanted=False).values_list("user_id")


class InvoiceRecipient(models.Model):
    """An address without a login that gets a company's invoices and their reminders, such as its bookkeeping."""

    privacy: ClassVar = {Privacy.NONE: "id customer created_at", Privacy.IDENTITY: "email name language"}

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="invoice_recipients")
    email = models.EmailField()
    name = models.CharField(max_length=120, blank=True)
    language = models.CharField(max_length=2, default="en")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint("customer", Lower("email"), name="invoice_recipient_once_per_customer")]

    def __str__(self) -> str:
        return f"recipient {self.pk}"
