"""What is wrong with an invoice, as the customer says it, and how it was answered."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import User
from portico.billing.models.invoice import Invoice
from portico.kit.privacy import Privacy


class Dispute(models.Model):
    """An objection to an issued invoice: open until it is solved, at most one at a time.

    `Invoice.disputed_at` says the same for lists; both are written in one transaction (see `actions.dispute`).
    """

    privacy = {
        Privacy.NONE: "id invoice reason at solved_at outcome",
        Privacy.CONVERSATION: "message answer",
        Privacy.ACTOR: "by solved_by",
    }

    class Reason(models.TextChoices):
        AMOUNT = "amount", lazy("A price, a quantity or the VAT is not right")
        NOT_ORDERED = "not_ordered", lazy("We did not order this")
        NOT_RECEIVED = "not_received", lazy("We have not received it, or not all of it")
        FAULTY = "faulty", lazy("What we received is not as agreed")
        DETAILS = "details", lazy("Our name, address, VAT number or purchase order is wrong")
        PAID = "paid", lazy("We have paid it already")
        OTHER = "other", lazy("Something else")
        BANK = "bank", lazy("The payer's bank took the payment back")

        @classmethod
        def of_people(cls) -> "list[tuple[str, str | Promise]]":
            """What somebody may choose: that the bank took money back is known from the bank alone."""
            return [(value, label) for value, label in cls.choices if value != cls.BANK]

    class Outcome(models.TextChoices):
        STANDS = "stands"
        CREDITED = "credited"

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="disputes")
    reason = models.CharField(max_length=12, choices=Reason, default=Reason.OTHER)
    message = models.TextField(max_length=4000, blank=True)
    by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField()
    answer = models.TextField(max_length=4000, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    solved_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    solved_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["at"]
        constraints = [
            models.UniqueConstraint(
                fields=["invoice"], condition=Q(solved_at=None), name="one_open_dispute_per_invoice"
            ),
            models.CheckConstraint(
                condition=Q(solved_at__isnull=True, outcome="") | (Q(solved_at__isnull=False) & ~Q(outcome="")),
                name="dispute_solved_with_an_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"dispute of {self.invoice_id}"

    def solve(self, *, outcome: str, answer: str, by: User | None, now: datetime) -> None:
        """open → solved."""
        self.outcome, self.answer, self.solved_by, self.solved_at = outcome, answer, by, now
        self.save(update_fields=["outcome", "answer", "solved_by", "solved_at"])
