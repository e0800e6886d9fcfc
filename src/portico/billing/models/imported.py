"""What came from another system: the original of an imported invoice, and where it came from."""

from django.db import models

from portico.accounts.models import Customer, User
from portico.billing.models.invoice import Invoice
from portico.kit.files import StoredFile
from portico.kit.privacy import Privacy


class ImportedPaper(models.Model):
    """The file as it came, for ever; the invoice beside it says the same in our words.

    `seller_key` is who made it: VAT id, else another registration, else the name, without blanks. A seller uses a number once.
    """

    privacy = {
        Privacy.NONE: "id invoice syntax seller_key original xml due_minor imported_at",
        Privacy.INVOICE: "printed_number file_name",
        Privacy.ACTOR: "imported_by",
    }

    class Syntax(models.TextChoices):
        UBL = "ubl", "UBL"
        CII = "cii", "CII"

    invoice = models.OneToOneField(Invoice, on_delete=models.CASCADE, related_name="imported")
    syntax = models.CharField(max_length=3, choices=Syntax)
    seller_key = models.CharField(max_length=200)
    printed_number = models.CharField(max_length=200, help_text="BT-1")
    original = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    xml = models.ForeignKey(
        StoredFile, on_delete=models.PROTECT, related_name="+", help_text="of a PDF, what is inside"
    )
    file_name = models.CharField(max_length=255, blank=True)
    due_minor = models.BigIntegerField(help_text="BT-115 as it was stated")
    imported_at = models.DateTimeField()
    imported_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["seller_key", "printed_number"], name="imported_number_once_a_seller")
        ]

    def __str__(self) -> str:
        return self.printed_number


class OtherName(models.Model):
    """A buyer as another system names it, once staff said which customer it is: the next file finds that one."""

    privacy = {
        Privacy.NONE: "id customer created_at",
        Privacy.COMPANY: "legal_name postcode vat_id electronic_address",
        Privacy.ACTOR: "created_by",
    }

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="other_names")
    legal_name = models.CharField(max_length=160)
    postcode = models.CharField(max_length=20, blank=True)
    vat_id = models.CharField(max_length=20, blank=True)
    electronic_address = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["vat_id"], name="other_name_vat_id"),
            models.Index(fields=["legal_name", "postcode"], name="other_name_place"),
        ]

    def __str__(self) -> str:
        return self.legal_name
