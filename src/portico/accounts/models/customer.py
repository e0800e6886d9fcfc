"""A company that buys."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models.seller import Address, Seller
from portico.kit.db import claim
from portico.kit.errors import Conflict, Invalid
from portico.kit.privacy import Privacy


class Customer(Address):
    """One buyer company: billing address, tax, terms (EN 16931 BG-7)."""

    privacy = {
        Privacy.NONE: (
            "id seller currency language payment_terms_days payment_parts is_business vat_id_checked_on vat_id_check "
            "tax_approved identity_locked_at created_at to_review second_approval_above_minor einvoice_profile delivery"
        ),
        Privacy.COMPANY: (
            "legal_name street street_2 postcode city region country vat_id electronic_address buyer_reference"
        ),
    }

    class Profile(models.TextChoices):
        """The rules that its e-invoices follow (BT-24)."""

        EN16931 = "en16931", "EN 16931 (Factur-X, ZUGFeRD)"
        XRECHNUNG = "xrechnung", "XRechnung 3.0"
        PEPPOL = "peppol", "Peppol BIS Billing 3"

    class Delivery(models.TextChoices):
        """How its invoices reach it. In the portal they are always."""

        PORTAL = "portal", lazy("In the portal; a mail says that it is there")
        PDF = "pdf", lazy("By mail, as PDF")
        EINVOICE = "einvoice", lazy("By mail, as PDF and e-invoice (XML)")

    class VatCheck(models.TextChoices):
        NONE = "", "not checked"
        VIES = "vies", "VIES"
        STAFF = "staff", "confirmed by staff"

    seller = models.ForeignKey(Seller, on_delete=models.PROTECT, related_name="customers")
    legal_name = models.CharField(max_length=160)
    vat_id = models.CharField(max_length=20, blank=True, help_text="BT-48")
    vat_id_checked_on = models.DateField(null=True, blank=True)
    vat_id_check = models.CharField(max_length=5, choices=VatCheck, blank=True, default="")
    tax_approved = models.BooleanField(default=False, help_text="staff approved AE or K without a checked VAT id")
    is_business = models.BooleanField(default=True)
    electronic_address = models.CharField(max_length=100, blank=True, help_text="BT-49")
    buyer_reference = models.CharField(max_length=100, blank=True, help_text="BT-10, such as a Leitweg-ID")
    einvoice_profile = models.CharField(max_length=9, choices=Profile, default=Profile.EN16931)
    delivery = models.CharField(max_length=8, choices=Delivery, default=Delivery.PDF)
    currency = models.CharField(max_length=3, default="EUR")
    language = models.CharField(max_length=2, default="en")
    payment_terms_days = models.PositiveSmallIntegerField(default=30)
    payment_parts = models.JSONField(default=list, blank=True, help_text="pairs of percent and days; none: one sum")
    second_approval_above_minor = models.BigIntegerField(
        null=True, blank=True, help_text="two approvers above this total, minor units of the customer's currency"
    )
    identity_locked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    to_review = models.BooleanField(default=False, help_text="made by an import; staff has not looked at it yet")

    class Meta:
        ordering = ["legal_name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(second_approval_above_minor__isnull=True)
                | models.Q(second_approval_above_minor__gte=0),
                name="customer_second_approval_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(payment_terms_days__lte=365), name="customer_terms_within_a_year"
            ),
        ]

    def __str__(self) -> str:
        return self.legal_name

    @property
    def vat_checked(self) -> bool:
        """Whether AE or K may be used: a checked VAT id, or staff's approval (DOMAIN 2)."""
        return bool(self.vat_id and self.vat_id_checked_on) or self.tax_approved

    def edit_address(self, **values: str) -> None:
        """Where papers go: street to country, and electronic_address. Issued papers keep what they say."""
        allowed = {"street", "street_2", "postcode", "city", "region", "country", "electronic_address"}
        if not set(values) <= allowed:
            raise ValueError(f"not an address: {sorted(set(values) - allowed)}")
        for name, value in values.items():
            setattr(self, name, value)
        self.save(update_fields=list(values))

    def edit_terms(self, **values: Any) -> None:
        """language, payment_terms_days, payment_parts: for what is written from now on."""
        if not set(values) <= {"language", "payment_terms_days", "payment_parts"}:
            raise ValueError(f"not terms: {sorted(values)}")
        for name, value in values.items():
            setattr(self, name, value)
        self.save(update_fields=list(values))

    def choose_delivery(self, *, delivery: str, einvoice_profile: str, buyer_reference: str) -> None:
        """How the next invoices reach it and by which rules they are written. Issued ones keep theirs."""
        if delivery not in self.Delivery or einvoice_profile not in self.Profile:
            raise Invalid(_("Choose one of the ways that are offered. Nothing was saved."))
        self.delivery, self.einvoice_profile, self.buyer_reference = delivery, einvoice_profile, buyer_reference
        self.save(update_fields=["delivery", "einvoice_profile", "buyer_reference"])

    def was_reviewed(self) -> bool:
        """Staff has looked at what an import made; True for the one who did."""
        return claim(Customer.objects.filter(pk=self.pk, to_review=True), to_review=False)

    def rename(self, *, legal_name: str, vat_id: str) -> None:
        """Change name or VAT id while that is still free; Conflict afterwards."""
        if not claim(
            Customer.objects.filter(pk=self.pk, identity_locked_at__isnull=True), legal_name=legal_name, vat_id=vat_id
        ):
            raise Conflict(
                _(
                    "Name and VAT id stand on issued invoices. Ask the seller to change them; old papers stay as they are."
                )
            )
        if vat_id != self.vat_id:
            Customer.objects.filter(pk=self.pk).update(vat_id_checked_on=None, vat_id_check="", tax_approved=False)
        self.refresh_from_db()

    def change_identity(
        self, *, legal_name: str, vat_id: str, vat_check: str, day: date, before: tuple[str, str]
    ) -> bool:
        """Staff changes a locked name or VAT id for what is issued from now on; False when they are no longer as `before`.

        A new VAT id counts as checked on `day` when `vat_check` says how, else it has to be checked again.
        """
        new: dict[str, Any] = {"legal_name": legal_name, "vat_id": vat_id}
        if vat_id != before[1]:
            checked = bool(vat_id and vat_check)
            new |= {"vat_id_checked_on": day if checked else None, "vat_id_check": vat_check if checked else ""}
            new["tax_approved"] = False
        done = claim(Customer.objects.filter(pk=self.pk, legal_name=before[0], vat_id=before[1]), **new)
        self.refresh_from_db(fields=["legal_name", "vat_id", "vat_id_checked_on", "vat_id_check", "tax_approved"])
        return done


def lock_identities(customers: Iterable[Customer], *, now: datetime) -> None:
    """VAT id and legal name stay as they are once an invoice was issued. Idempotent; a transaction."""
    free = [customer for customer in customers if customer.identity_locked_at is None]
    if free:
        keys = {customer.pk for customer in free}
        Customer.objects.filter(pk__in=keys, identity_locked_at__isnull=True).update(identity_locked_at=now)
        locked = Customer.objects.in_bulk(keys)
        for customer in free:
            customer.identity_locked_at = locked[customer.pk].identity_locked_at
