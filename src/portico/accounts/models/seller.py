"""The company that runs this installation."""

import hashlib
from zoneinfo import ZoneInfo

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from portico.kit.privacy import Privacy


class Address(models.Model):
    """A postal address as EN 16931 knows it (BG-5, BG-8)."""

    street = models.CharField(max_length=160, blank=True)
    street_2 = models.CharField(max_length=160, blank=True)
    postcode = models.CharField(max_length=20, blank=True)
    city = models.CharField(max_length=80, blank=True)
    region = models.CharField(max_length=80, blank=True)
    country = models.CharField(max_length=2, validators=[RegexValidator(r"^[A-Z]{2}$")], help_text="ISO 3166-1")

    class Meta:
        abstract = True


class Seller(Address):
    """The seller: its name and registrations stand on every paper (EN 16931 BG-4)."""

    privacy = {
        Privacy.NONE: "id accent logo time_zone currency language reference_style",
        Privacy.COMPANY: (
            "legal_name short_name street street_2 postcode city region country vat_id tax_registration "
            "company_registration legal_form_note support_email privacy_email iban bic bank_account_name "
            "contact_name phone electronic_address sepa_creditor_id"
        ),
    }

    legal_name = models.CharField(max_length=160)
    short_name = models.CharField(max_length=80, help_text="as shown at the top of every page")
    vat_id = models.CharField(max_length=20, blank=True, help_text="BT-31")
    tax_registration = models.CharField(max_length=40, blank=True, help_text="BT-32, used where no VAT id may stand")
    company_registration = models.CharField(max_length=60, blank=True, help_text="BT-30")
    legal_form_note = models.CharField(max_length=160, blank=True, help_text="e.g. share capital, at the sheet's foot")
    support_email = models.EmailField()
    privacy_email = models.EmailField()
    contact_name = models.CharField(max_length=80, blank=True, help_text="BT-41, such as a department")
    phone = models.CharField(max_length=40, blank=True, help_text="BT-42")
    electronic_address = models.CharField(max_length=100, blank=True, help_text="BT-34; empty: the support address")
    accent = models.CharField(
        max_length=7, default="#17506a", validators=[RegexValidator(r"^#[0-9a-f]{6}$", "A colour such as #17506a.")]
    )
    logo = models.TextField(blank=True, help_text="SVG checked on upload; empty shows the name")
    time_zone = models.CharField(max_length=40, default="Europe/Paris", help_text="IANA name; days end here")
    currency = models.CharField(max_length=3, default="EUR")
    language = models.CharField(max_length=2, default="en")
    bank_account_name = models.CharField(max_length=70, blank=True)
    iban = models.CharField(max_length=34, blank=True)
    bic = models.CharField(max_length=11, blank=True)
    sepa_creditor_id = models.CharField(max_length=35, blank=True, help_text="BT-90, of mandates for direct debits")
    reference_style = models.CharField(
        max_length=4,
        blank=True,
        choices=[("rf", "ISO 11649"), ("ogm", "OGM/VCS"), ("text", "number")],
        help_text="what payers write on a transfer; empty: as is usual in the country of the account",
    )

    class Meta:
        verbose_name, verbose_name_plural = _("company"), _("company")

    def __str__(self) -> str:
        return self.short_name

    @property
    def logo_version(self) -> str:
        """What changes with the logo, for its address; empty without one."""
        return hashlib.sha256(self.logo.encode()).hexdigest()[:8] if self.logo else ""

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which this seller's days begin and end."""
        return ZoneInfo(self.time_zone)
