"""What the bank says: statement files, each movement in them once, and how the columns of a bank's CSV are read."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Seller, User
from portico.billing.models.payment import Payment, Reversal
from portico.kit.db import claim
from portico.kit.files import StoredFile
from portico.kit.privacy import Privacy


class CsvColumns(models.Model):
    """How a bank's CSV is read: remembered by its heading, so that the next file needs no question."""

    privacy = {Privacy.NONE: "id seller heading columns delimiter decimal_point day_format"}

    seller = models.ForeignKey(Seller, on_delete=models.CASCADE, related_name="+")
    heading = models.CharField(max_length=64, help_text="SHA-256 of the heading's cells")
    columns = models.JSONField(help_text="place of each column by what it holds")
    delimiter = models.CharField(max_length=1)
    decimal_point = models.CharField(max_length=1)
    day_format = models.CharField(max_length=10)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["seller", "heading"], name="csv_columns_once_per_heading")]

    def __str__(self) -> str:
        return self.heading[:8]


class BankFile(models.Model):
    """One uploaded statement. The same bytes are taken once. `waiting` for its columns, or `read`."""

    privacy = {Privacy.NONE: "id seller file name kind state uploaded_at entries known", Privacy.ACTOR: "uploaded_by"}

    class Kind(models.TextChoices):
        CAMT = "camt", "CAMT.053"
        CSV = "csv", "CSV"

    class State(models.TextChoices):
        WAITING = "waiting"
        READ = "read"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=150)
    kind = models.CharField(max_length=4, choices=Kind)
    state = models.CharField(max_length=7, choices=State, default=State.WAITING)
    uploaded_at = models.DateTimeField()
    uploaded_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    entries = models.PositiveIntegerField(default=0, help_text="movements in it that were new")
    known = models.PositiveIntegerField(default=0, help_text="movements in it that an earlier file had brought")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["seller", "file"], name="bank_file_once")]

    def __str__(self) -> str:
        return self.name

    def was_read(self, *, entries: int, known: int) -> bool:
        """waiting → read; True when this call was the one."""
        rows = BankFile.objects.filter(pk=self.pk, state=self.State.WAITING)
        done = claim(rows, state=self.State.READ, entries=entries, known=known)
        self.refresh_from_db()
        return done


class BankEntry(models.Model):
    """One movement on the account. `new → booked | open`; `open → booked | aside`; nothing is ever deleted.

    `key` names the movement whatever file it comes in, so that files that overlap bring it once. `why` says why it could not be
    booked by itself.
    """

    privacy = {
        Privacy.NONE: (
            "id seller bank_file key account booked_on amount_minor currency state why payment decided_at by_itself "
            "bank_reference returned return_reason reversal"
        ),
        Privacy.PAYMENT: "payer_name payer_iban words end_to_end",
        Privacy.NOTE: "note",
        Privacy.ACTOR: "decided_by",
    }

    class State(models.TextChoices):
        NEW = "new", lazy("Being looked at")
        OPEN = "open", lazy("To be decided")
        BOOKED = "booked", lazy("Booked")
        ASIDE = "aside", lazy("Set aside")

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="+")
    bank_file = models.ForeignKey(BankFile, on_delete=models.PROTECT, related_name="rows")
    key = models.CharField(max_length=64)
    account = models.CharField(max_length=34, blank=True, help_text="the seller's own account")
    booked_on = models.DateField()
    amount_minor = models.BigIntegerField(help_text="below zero: money that went out")
    currency = models.CharField(max_length=3)
    payer_name = models.CharField(max_length=140, blank=True)
    payer_iban = models.CharField(max_length=34, blank=True)
    words = models.CharField(max_length=500, blank=True)
    end_to_end = models.CharField(max_length=35, blank=True)
    bank_reference = models.CharField(max_length=60, blank=True)
    returned = models.BooleanField(default=False, help_text="it takes an earlier movement back")
    return_reason = models.CharField(max_length=35, blank=True, help_text="ISO 20022: AC04, MD06, FOCR …")
    state = models.CharField(max_length=6, choices=State, default=State.NEW)
    why = models.CharField(max_length=100, blank=True)
    payment = models.OneToOneField(Payment, null=True, on_delete=models.PROTECT, related_name="bank_entry")
    reversal = models.OneToOneField(Reversal, null=True, on_delete=models.PROTECT, related_name="bank_entry")
    by_itself = models.BooleanField(default=False)
    note = models.CharField(max_length=300, blank=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-booked_on", "-id"]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="new"), name="bank_entry_new"),
            models.Index(fields=["seller", "-booked_on", "-id"], name="bank_entry_list"),
            models.Index(fields=["payer_iban"], condition=Q(state="booked"), name="bank_entry_by_iban"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["seller", "key"], name="bank_entry_once"),
            models.CheckConstraint(condition=~Q(amount_minor=0), name="bank_entry_moves_money"),
            models.CheckConstraint(
                condition=Q(state="booked", payment__isnull=False, reversal__isnull=True)
                | Q(state="booked", payment__isnull=True, reversal__isnull=False)
                | (~Q(state="booked") & Q(payment__isnull=True, reversal__isnull=True)),
                name="bank_entry_booked_as_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_minor} {self.currency} on {self.booked_on}"

    UNDECIDED = (State.NEW, State.OPEN)

    def ask(self, why: str) -> bool:
        """new → open: somebody must decide."""
        return claim(BankEntry.objects.filter(pk=self.pk, state=self.State.NEW), state=self.State.OPEN, why=why[:100])

    def end(self, state: str, *, by: User | None, now: datetime, **changes: Any) -> bool:
        """new, open → booked or aside; True when this call was the one."""
        rows = BankEntry.objects.filter(pk=self.pk, state__in=self.UNDECIDED)
        return claim(rows, state=state, decided_at=now, decided_by=by, **changes)
