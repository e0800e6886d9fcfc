"""A customer asks for another name or VAT id on its papers to come, when both are locked."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models.customer import Customer
from portico.accounts.models.user import User
from portico.kit.db import claim
from portico.kit.privacy import Privacy


class IdentityRequest(models.Model):
    """`open → confirmed | refused | withdrawn`; a customer has one open at a time. What was, stands beside what is wanted."""

    privacy = {
        Privacy.NONE: "id customer state asked_at decided_at",
        Privacy.COMPANY: "legal_name vat_id old_legal_name old_vat_id",
        Privacy.CONVERSATION: "reason",
        Privacy.NOTE: "answer",
        Privacy.ACTOR: "asked_by decided_by",
    }

    class State(models.TextChoices):
        OPEN = "open", lazy("To decide")
        CONFIRMED = "confirmed", lazy("Confirmed")
        REFUSED = "refused", lazy("Refused")
        WITHDRAWN = "withdrawn", lazy("Withdrawn")

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="identity_requests")
    legal_name = models.CharField(max_length=160)
    vat_id = models.CharField(max_length=20, blank=True)
    old_legal_name = models.CharField(max_length=160)
    old_vat_id = models.CharField(max_length=20, blank=True)
    reason = models.CharField(max_length=500)
    state = models.CharField(max_length=9, choices=State, default=State.OPEN)
    asked_at = models.DateTimeField()
    asked_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    answer = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["customer"], condition=Q(state="open"), name="one_open_identity_request")
        ]

    def __str__(self) -> str:
        return f"{self.old_legal_name} → {self.legal_name}"

    def end(self, state: str, *, by: User, now: datetime, answer: str = "") -> bool:
        """open → `state`; True when this call was the one."""
        rows = IdentityRequest.objects.filter(pk=self.pk, state=self.State.OPEN)
        return claim(rows, state=state, decided_at=now, decided_by=by, answer=answer)
