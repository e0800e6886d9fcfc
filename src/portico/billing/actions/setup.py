"""The settings of an installation, step by step: what the first run asks, and what `./portico manage setup` reads from a file.

Each step is a form, so that a page and a file are checked by the same rules. A step saves in one transaction, or changes
nothing and says what is wrong field by field.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from stdnum import bic as stdnum_bic
from stdnum import iban as stdnum_iban
from stdnum.eu import at_02 as stdnum_creditor

from portico.accounts import letters
from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing.models import NumberSeries, Price, Product, VatRate
from portico.kit.errors import Conflict, Invalid
from portico.kit.money import EXPONENTS
from portico.kit.periods import today
from portico.kit.vat_ids import check_vat_id

REFERENCES = [
    ("", lazy("As is usual in the country of the account")),
    ("rf", lazy("Creditor reference (ISO 11649), such as RF18 5390 0754 7034")),
    ("ogm", lazy("Belgian structured communication, such as +++010/8068/17183+++")),
    ("text", lazy("The number of the invoice")),
]
"""What payers write on a transfer (`references.STYLES`)."""
LANGUAGES = [("en", "English"), ("fr", "Français"), ("de", "Deutsch")]
COUNTRY = re.compile(r"[A-Z]{2}")
COLOUR = re.compile(r"#[0-9a-f]{6}")
RATES_AT_HOME = {
    "FR": "20, 10, 5.5",
    "DE": "19, 7",
    "BE": "21, 12, 6",
    "AT": "20, 13, 10",
    "NL": "21, 9",
    "IT": "22, 10, 5",
}
"""What is proposed, the usual rate first; the seller knows better."""
TERMS = [("0", lazy("Once")), ("1", lazy("A month")), ("12", lazy("A year"))]
KINDS = [
    ("application", lazy("Application")),
    ("users", lazy("Users")),
    ("plan", lazy("Plan")),
    ("theme", lazy("Theme")),
    ("service", lazy("Service")),
    ("goods", lazy("Goods")),
]


# What several steps ask -------------------------------------------------------------------------------------------------


class Step(forms.Form):
    """One step: plain values in, cleaned values out; messages are read by people who are not developers."""

    def __init__(self, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        for field in self.fields.values():
            field.error_messages["required"] = _("Fill this in.")

    @property
    def messages(self) -> dict[str, str]:
        """By field what is wrong with it, in one line."""
        return {name: " ".join(str(error) for error in errors) for name, errors in self.errors.items()}

    def values(self) -> dict[str, Any]:
        """The cleaned values; Invalid, naming each field, when one is wrong."""
        if not self.is_valid():
            said = "; ".join(f"{name}: {message}" for name, message in self.messages.items())
            raise Invalid(said)
        return dict(self.cleaned_data)

    def clean_country(self) -> str:
        """ISO 3166-1 alpha-2."""
        code = str(self.cleaned_data["country"]).strip().upper()
        if not COUNTRY.fullmatch(code):
            raise ValidationError(_("Two letters, such as FR or DE."))
        return code

    def clean_currency(self) -> str:
        """ISO 4217."""
        code = str(self.cleaned_data["currency"]).strip().upper()
        if code not in EXPONENTS:
            raise ValidationError(_("Three letters of a currency, such as EUR."))
        return code

    def clean_vat_id(self) -> str:
        """Format and check digits; empty is allowed."""
        text = str(self.cleaned_data["vat_id"]).strip()
        try:
            return check_vat_id(text) if text else ""
        except Invalid as refusal:
            raise ValidationError(refusal.message) from None

    def clean_time_zone(self) -> str:
        """A zone of the IANA database."""
        name = str(self.cleaned_data["time_zone"]).strip()
        if name not in available_timezones():
            raise ValidationError(_("A name such as Europe/Paris."))
        return name


def word(length: int = 160, *, required: bool = False, **more: Any) -> forms.CharField:
    """A line of text."""
    return forms.CharField(max_length=length, required=required, **more)


# The beginning ---------------------------------------------------------------------------------------------------------


class Begin(Step):
    """The seller's name and the first administrator: with these the portal can be signed in to."""

    legal_name = word(required=True)
    country = word(2, required=True)
    currency = word(3, required=True)
    language = forms.ChoiceField(choices=LANGUAGES)
    time_zone = word(40, required=True)
    name = word(120, required=True)
    email = forms.EmailField(max_length=254)
    password = forms.CharField(max_length=200)

    def clean_password(self) -> str:
        """As strong as every other password here."""
        password = str(self.cleaned_data["password"])
        validate_password(password, User(email=str(self.cleaned_data.get("email", ""))))
        return password


def is_empty() -> bool:
    """Whether nobody has begun yet."""
    return not Seller.objects.exists()


def setup_code() -> str:
    """What whoever runs the server reads there and types here: nobody else can begin. It follows from the secret key."""
    digest = salted_hmac("portico.setup", "the first administrator", algorithm="sha256").hexdigest()[:12].upper()
    return "-".join(digest[start : start + 4] for start in (0, 4, 8))


def is_setup_code(text: str) -> bool:
    """Whether somebody typed it; blanks and small letters do not matter."""
    typed = re.sub(r"[^0-9A-Z]", "", text.upper())
    return constant_time_compare(typed, setup_code().replace("-", ""))


def begin(values: Mapping[str, Any]) -> User:
    """Make the seller and its first administrator from `Begin`'s values. Raises Conflict when somebody was quicker."""
    with transaction.atomic():
        list(Seller.objects.select_for_update())
        if not is_empty():
            raise Conflict(_("This portal has been begun already. Sign in instead."))
        seller = Seller.objects.create(
            **{name: values[name] for name in ("legal_name", "country", "currency", "language", "time_zone")},
            short_name=values["legal_name"][:80],
            support_email=values["email"],
            privacy_email=values["email"],
        )
        VatRate.replace(seller, read_rates(RATES_AT_HOME.get(seller.country, "20")))
        return User.objects.create_user(
            values["email"],
            password=values["password"],
            name=values["name"],
            language=values["language"],
            staff_of=seller,
            staff_role=User.StaffRole.ADMIN,
        )


# The steps -------------------------------------------------------------------------------------------------------------


class CompanyStep(Step):
    """What stands on every paper (EN 16931 BG-4)."""

    legal_name = word(required=True)
    short_name = word(80, required=True)
    street = word()
    street_2 = word()
    postcode = word(20)
    city = word(80)
    country = word(2, required=True)
    vat_id = word(20)
    tax_registration = word(40)
    company_registration = word(60)
    legal_form_note = word()
    currency = word(3, required=True)
    language = forms.ChoiceField(choices=LANGUAGES)
    time_zone = word(40, required=True)
    support_email = forms.EmailField()
    privacy_email = forms.EmailField()


class LookStep(Step):
    """The seller's colour and logo."""

    accent = word(7, required=True)
    logo = forms.CharField(max_length=64_000, required=False)

    def clean_accent(self) -> str:
        """A colour, and nothing else."""
        colour = str(self.cleaned_data["accent"]).strip().lower()
        if not COLOUR.fullmatch(colour):
            raise ValidationError(_("A colour such as #17506a."))
        return colour

    def clean_logo(self) -> str:
        """A drawing in SVG without anything that acts or that is loaded from elsewhere."""
        return checked_logo(str(self.cleaned_data["logo"]))


def checked_logo(text: str) -> str:
    """`text` when it is a plain SVG drawing; raises ValidationError otherwise. Empty is no logo."""
    text = text.strip()
    if not text:
        return ""
    lowered = text.lower()
    start = lowered.find("<svg")
    if start < 0 or not lowered.endswith("</svg>"):
        raise ValidationError(_("The file is not an SVG drawing."))
    acts = (
        "<!",
        "<?",
        "<script",
        "<foreignobject",
        "<iframe",
        "<image",
        "<use",
        "<animate",
        "<set",
        "<style",
        "javascript:",
        "data:",
    )
    if re.search(r"\son\w+\s*=", lowered[start:]) or any(part in lowered[start:] for part in acts):
        raise ValidationError(
            _("The drawing holds more than shapes. Save it as a plain SVG without scripts, styles and images.")
        )
    if re.search(r"(?:href|src|url)\s*[=(]\s*[\"']?\s*(?!#)", lowered[start:]):
        raise ValidationError(_("The drawing refers to something outside of it. Save it as a plain SVG."))
    return text[start:]


class VatStep(Step):
    """The rates charged at home."""

    rates = word(120, required=True)

    def clean_rates(self) -> list[Decimal]:
        """Percentages between commas."""
        return read_rates(str(self.cleaned_data["rates"]))


def read_rates(text: str) -> list[Decimal]:
    """ "20, 10, 5.5" as numbers, the usual one first."""
    found = [part for part in re.split(r"[;,\s]+", text.replace("%", " ")) if part]
    if not found or len(found) > 12 or not all(re.fullmatch(r"\d{1,2}(\.\d{1,2})?", part) for part in found):
        raise ValidationError(_("Percentages with commas between them, such as 20, 10, 5.5."))
    return list(dict.fromkeys(Decimal(part) for part in found))


class NumberingStep(Step):
    """The first number of each kind of document this year, where another system numbered before."""

    quotation = forms.IntegerField(min_value=1, max_value=9_999_999)
    order = forms.IntegerField(min_value=1, max_value=9_999_999)
    invoice = forms.IntegerField(min_value=1, max_value=9_999_999)
    credit_note = forms.IntegerField(min_value=1, max_value=9_999_999)


SERIES = {"quotation": "Q", "order": "SO", "invoice": "INV", "credit_note": "CN"}


class BankStep(Step):
    """The account that stands on invoices."""

    bank_account_name = word(70)
    iban = word(42)
    bic = word(11)
    sepa_creditor_id = word(35)
    reference_style = forms.ChoiceField(choices=REFERENCES, required=False)

    def clean_iban(self) -> str:
        """ISO 13616 with its check digits."""
        text = str(self.cleaned_data["iban"])
        if text.strip() and not stdnum_iban.is_valid(text):
            raise ValidationError(_("This is no valid IBAN. Check it for a typing error."))
        return str(stdnum_iban.compact(text))

    def clean_bic(self) -> str:
        """ISO 9362."""
        text = str(self.cleaned_data["bic"])
        if text.strip() and not stdnum_bic.is_valid(text):
            raise ValidationError(_("This is no valid BIC. Check it for a typing error."))
        return str(stdnum_bic.compact(text))

    def clean_sepa_creditor_id(self) -> str:
        """AT-02 of the SEPA rulebook, with its check digits."""
        text = str(self.cleaned_data["sepa_creditor_id"])
        if text.strip() and not stdnum_creditor.is_valid(text):
            raise ValidationError(_("This is no valid creditor identifier. Check it for a typing error."))
        return str(stdnum_creditor.compact(text))


class ProductStep(Step):
    """Something to sell, with its price in the seller's currency."""

    name = word(required=True)
    kind = forms.ChoiceField(choices=KINDS)
    unit = word(20)
    vat_rate = forms.DecimalField(min_value=0, max_value=100, max_digits=7, decimal_places=4)
    unit_price = forms.DecimalField(min_value=0, max_value=10**9, max_digits=14, decimal_places=4)
    term_months = forms.TypedChoiceField(choices=TERMS, coerce=int)


class CustomerStep(Step):
    """A company that buys, and the person who owns its account."""

    legal_name = word(required=True)
    street = word()
    postcode = word(20)
    city = word(80)
    country = word(2, required=True)
    vat_id = word(20)
    currency = word(3, required=True)
    language = forms.ChoiceField(choices=LANGUAGES)
    contact_name = word(120, required=True)
    contact_email = forms.EmailField(max_length=254)

    def clean_contact_email(self) -> str:
        """Somebody who has no login yet."""
        email = str(self.cleaned_data["contact_email"]).strip().lower()
        if User.objects.filter(email__iexact=email).exists():
            raise ValidationError(_("This address has a login already."))
        return email


# Saving ----------------------------------------------------------------------------------------------------------------


def save_seller(seller: Seller, values: Mapping[str, Any]) -> None:
    """Company, look or bank: the values are the seller's own fields. Issued papers keep what they say."""
    for name, value in values.items():
        setattr(seller, name, value)
    seller.save(update_fields=list(values))


def save_rates(seller: Seller, rates: list[Decimal]) -> None:
    """The rates charged at home; products keep theirs."""
    with transaction.atomic():
        VatRate.replace(seller, rates)


def save_numbering(seller: Seller, first: Mapping[str, int], *, now: datetime) -> None:
    """Begin this year's series at these numbers. Conflict, and nothing changed, where one has been used already."""
    year = today(now, seller.zone).year
    with transaction.atomic():
        for kind, number in first.items():
            counter = NumberSeries.objects.filter(seller=seller, series=SERIES[kind], year=year).first()
            if (counter.first_number if counter else 1) == number:
                continue
            if not NumberSeries.begin_at(seller, SERIES[kind], year, number):
                raise Conflict(
                    _("%(series)s-%(year)s has documents already; its first number cannot change. Nothing was changed.")
                    % {"series": SERIES[kind], "year": year}
                )


def add_product(seller: Seller, values: Mapping[str, Any]) -> Product:
    """A product with its price. Conflict when its code is taken."""
    code = slugify(values["name"])[:40] or "product"
    with transaction.atomic():
        if Product.objects.filter(seller=seller, code=code).exists():
            raise Conflict(_("There is a product of this name already. Nothing was added."))
        rate = values["vat_rate"]
        product = Product.objects.create(
            seller=seller,
            code=code,
            name=values["name"],
            kind=values["kind"],
            unit=values["unit"],
            vat_category="S" if rate else "Z",
            vat_rate=rate,
        )
        Price.objects.create(
            product=product,
            currency=seller.currency,
            term_months=values["term_months"],
            unit_price=values["unit_price"],
        )
    return product


def add_customer(seller: Seller, values: Mapping[str, Any], *, by: User, now: datetime) -> Membership:
    """A customer with its owner, who is invited by mail and chooses a password."""
    names = ("legal_name", "street", "postcode", "city", "country", "vat_id", "currency", "language")
    with transaction.atomic():
        customer = Customer.objects.create(seller=seller, created_at=now, **{name: values[name] for name in names})
        owner = User.objects.create_user(
            values["contact_email"], name=values["contact_name"], language=values["language"]
        )
        membership = Membership.objects.create(user=owner, customer=customer, is_owner=True)
        letters.invitation(membership=membership, by=by, now=now)
    return membership


# A file ----------------------------------------------------------------------------------------------------------------


def from_file(document: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Carry out what a settings file says: `begin`, `company`, `look`, `vat`, `numbering`, `bank`, `products`, `customers`.

    All or nothing. Returns what was done, a line each. Raises Invalid, naming section and field.
    """
    unknown = set(document) - {"begin", "company", "look", "vat", "numbering", "bank", "products", "customers"}
    if unknown:
        raise Invalid(_("There is no section of this name: %(names)s.") % {"names": ", ".join(sorted(unknown))})
    done: list[str] = []
    with transaction.atomic():
        if "begin" in document:
            admin = begin(_read(Begin, document["begin"], "begin"))
            done.append(f"{admin.staff_of}, with {admin.email} as its administrator")
        seller = Seller.objects.order_by("id").first()
        if seller is None:
            raise Invalid(_("The portal is empty: the file needs a section [begin]."))
        for section, step in (("company", CompanyStep), ("look", LookStep), ("bank", BankStep)):
            if section in document:
                present = {name: getattr(seller, name) for name in step.base_fields}
                save_seller(seller, _read(step, present | dict(document[section]), section))
                done.append(section)
        if "vat" in document:
            rates = document["vat"].get("rates", "")
            text = ", ".join(str(rate) for rate in rates) if isinstance(rates, list) else rates
            save_rates(seller, _read(VatStep, {"rates": text}, "vat")["rates"])
            done.append("vat")
        if "numbering" in document:
            first = _read(NumberingStep, dict.fromkeys(SERIES, 1) | dict(document["numbering"]), "numbering")
            save_numbering(seller, first, now=now)
            done.append("numbering")
        for row in document.get("products", []):
            usual = {"vat_rate": seller.vat_rates.first().rate, "term_months": 0, "unit": ""}  # type: ignore[union-attr]  # begin makes one
            done.append(f"product {add_product(seller, _read(ProductStep, usual | dict(row), 'products'))}")
        for row in document.get("customers", []):
            usual = {"currency": seller.currency, "language": seller.language}
            values = _read(CustomerStep, usual | dict(row), "customers")
            by = User.objects.filter(staff_role=User.StaffRole.ADMIN).earliest("pk")
            done.append(f"customer {add_customer(seller, values, by=by, now=now).customer}")
    return done


def _read(step: type[Step], values: Mapping[str, Any], section: str) -> dict[str, Any]:
    """A section's values; Invalid when a field is wrong or is none."""
    strange = set(values) - set(step.base_fields)
    if strange:
        raise Invalid(_("[%(section)s] has no %(names)s.") % {"section": section, "names": ", ".join(sorted(strange))})
    try:
        return step(values).values()
    except Invalid as refusal:
        raise Invalid(f"[{section}] {refusal.message}") from None
