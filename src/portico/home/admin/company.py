"""The seller, the numbers of its papers, and the quotations it begins from."""

from typing import Any

from django.contrib.admin import display, register
from django.core.exceptions import ValidationError
from django.db import transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.access import StaffRequest
from portico.accounts.models import Seller
from portico.billing.actions import setup
from portico.billing.models import NumberSeries, QuotationTemplate
from portico.home.admin.site import Pages, site
from portico.home.admin.unfolding import widgets
from portico.kit import formats
from portico.kit.electronic import electronic_address
from portico.kit.errors import Conflict

STEPS = (setup.CompanyStep, setup.BankStep)


class SellerForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """What the settings' steps ask, in one form and by the same rules."""

    seller: Seller

    class Meta:
        model = Seller
        fields = [
            *setup.CompanyStep.base_fields, *setup.BankStep.base_fields, "accent", "contact_name", "phone",
            "electronic_address",
        ]  # fmt: skip
        labels = {
            "legal_name": lazy("Legal name"),
            "short_name": lazy("Short name"),
            "street": lazy("Street"),
            "street_2": lazy("Address, second line"),
            "postcode": lazy("Postcode"),
            "city": lazy("City"),
            "country": lazy("Country"),
            "vat_id": lazy("VAT number"),
            "tax_registration": lazy("Tax number"),
            "company_registration": lazy("Company registration"),
            "legal_form_note": lazy("Line at the foot"),
            "currency": lazy("Currency"),
            "language": lazy("Language"),
            "time_zone": lazy("Time zone"),
            "support_email": lazy("E-mail for help"),
            "privacy_email": lazy("E-mail for privacy"),
            "bank_account_name": lazy("Account holder"),
            "iban": lazy("IBAN"),
            "bic": lazy("BIC"),
            "sepa_creditor_id": lazy("SEPA creditor identifier"),
            "reference_style": lazy("Reference on transfers"),
            "accent": lazy("Colour"),
            "contact_name": lazy("Contact for invoices"),
            "phone": lazy("Telephone"),
            "electronic_address": lazy("Address for e-invoices"),
        }
        help_texts = dict.fromkeys(labels, "") | {
            "short_name": lazy("At the top of every page."),
            "country": lazy("Two letters, such as FR or DE."),
            "tax_registration": lazy("Where you have no VAT number."),
            "company_registration": lazy("Such as RCS Nantes 404 833 048."),
            "legal_form_note": lazy("Such as the share capital."),
            "bank_account_name": lazy("Where it is not your legal name."),
            "sepa_creditor_id": lazy("Named by the mandates of your direct debits, such as FR72ZZZ123456."),
            "accent": lazy("Your logo is uploaded on the desk, under Settings, Look."),
            "contact_name": lazy("A person or department. XRechnung asks for it and for the telephone number."),
            "electronic_address": lazy("An e-mail address, or scheme and identifier such as 9930:DE123456789."),
        }
        widgets = {
            "accent": widgets.UnfoldAdminColorInputWidget,
            "language": widgets.UnfoldAdminSelectWidget(choices=setup.LANGUAGES),
            "reference_style": widgets.UnfoldAdminSelectWidget(choices=setup.REFERENCES),
        }

    def clean_accent(self) -> str:
        """A colour, and nothing else."""
        colour = str(self.cleaned_data["accent"]).strip().lower()
        if not setup.COLOUR.fullmatch(colour):
            raise ValidationError(_("A colour such as #17506a."))
        return colour

    def clean_electronic_address(self) -> str:
        """Nothing, an e-mail address, or an identifier with its scheme."""
        typed = str(self.cleaned_data["electronic_address"]).strip()
        if typed and not electronic_address(typed)[0]:
            raise ValidationError(_("Enter an e-mail address, or scheme and identifier such as 9930:DE123456789."))
        return typed

    def clean(self) -> dict[str, Any]:
        """Each step looks at its own fields, and writes them as it would."""
        values = super().clean() or self.cleaned_data
        for step in STEPS:
            typed = step({name: values.get(name, "") for name in step.base_fields})
            for name, message in typed.messages.items():
                if name not in self.errors:
                    self.add_error(name, message)
            values |= {name: value for name, value in typed.cleaned_data.items() if name not in self.errors}
        return values


@register(Seller, site=site)
class TheSeller(Pages):
    """One row: the administrator's own company. Issued papers keep what they say."""

    verbs = ("changelist", "change", "history")
    of_seller = "pk"
    form = SellerForm
    fieldsets = [
        (
            lazy("Company"),
            {"fields": ["legal_name", "short_name", "vat_id", "tax_registration", "company_registration"]},
        ),
        (lazy("Address"), {"fields": ["street", "street_2", "postcode", "city", "country"]}),
        (lazy("On papers and pages"), {"fields": ["legal_form_note", "support_email", "privacy_email", "accent"]}),
        (lazy("Usual values"), {"fields": ["currency", "language", "time_zone"]}),
        (lazy("Bank account"), {"fields": ["bank_account_name", "iban", "bic", "reference_style", "sepa_creditor_id"]}),
        (lazy("E-invoices"), {"fields": ["contact_name", "phone", "electronic_address"]}),
    ]

    def get_queryset(self, request: StaffRequest) -> Any:
        return Seller.objects.filter(pk=request.seller.pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """There is one: it is opened at once."""
        seller = request.seller  # type: ignore[attr-defined]  # the guard has set it
        return HttpResponseRedirect(reverse("admin:accounts_seller_change", args=[seller.pk]))


class SeriesForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """Where a series begins."""

    seller: Seller

    class Meta:
        model = NumberSeries
        fields = ["first_number"]
        labels = {"first_number": lazy("First number")}
        help_texts = {"first_number": lazy("Above 1 only where another system gave the ones before.")}

    def clean_first_number(self) -> int:
        """As many digits as the settings allow."""
        number = int(self.cleaned_data["first_number"])
        if not 1 <= number <= 9_999_999:
            raise ValidationError(_("A number from 1 to 9,999,999."))
        return number


@register(NumberSeries, site=site)
class Series(Pages):
    """Where the numbers stand. Only the first number of a series that gave none yet can change."""

    verbs = ("changelist", "change", "history")
    form = SeriesForm
    fields = ["listed_series", "listed_year", "first_number", "listed_last", "listed_day"]
    list_display = ["listed_series", "listed_year", "listed_first", "listed_last", "listed_day"]
    ordering = ["-year", "series"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A number that was given is given."""
        fixed = [name for name in self.fields if name != "first_number"]
        return fixed if obj is not None and not begun(obj) else [*fixed, "first_number"]

    @display(description=lazy("Series"), ordering="series")
    def listed_series(self, one: NumberSeries) -> str:
        """As it stands on papers."""
        return one.series

    @display(description=lazy("Year"), ordering="year")
    def listed_year(self, one: NumberSeries) -> int:
        """Numbers begin anew in each."""
        return one.year

    @display(description=lazy("First number"), ordering="first_number")
    def listed_first(self, one: NumberSeries) -> int:
        """1, or where another system stopped."""
        return one.first_number

    @display(description=lazy("Last number given"), ordering="last_number")
    def listed_last(self, one: NumberSeries) -> str:
        """None before the first paper."""
        return str(one.last_number) if begun(one) else "–"

    @display(description=lazy("Last used on"), ordering="last_issued_on")
    def listed_day(self, one: NumberSeries) -> str:
        """The day of its newest paper."""
        return formats.day(one.last_issued_on, get_language() or "en") if one.last_issued_on else "–"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the model's own rule, which looks at the row again."""
        if not form.changed_data:
            return
        with transaction.atomic():
            if not NumberSeries.begin_at(obj.seller, obj.series, obj.year, obj.first_number):
                raise Conflict(_("This series has given a number already. Nothing was changed."))


def begun(one: NumberSeries) -> bool:
    """Whether it has given a number."""
    return one.last_issued_on is not None or one.last_number >= one.first_number


class TemplateForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """A template's name; what is in it is written on the desk."""

    seller: Seller

    class Meta:
        model = QuotationTemplate
        fields = ["name"]
        labels = {"name": lazy("Name")}

    def clean_name(self) -> str:
        """Once, and never blanks alone."""
        name = " ".join(str(self.cleaned_data["name"]).split())
        others = QuotationTemplate.objects.filter(seller=self.seller, name=name).exclude(pk=self.instance.pk)
        if others.exists():
            raise ValidationError(_("Another template has this name."))
        return name


@register(QuotationTemplate, site=site)
class Templates(Pages):
    """Quotations to begin from: renamed and thrown away here, written on the desk."""

    verbs = ("changelist", "change", "delete", "history")
    form = TemplateForm
    fields = ["name", "shown_currency", "shown_lines", "shown_saved"]
    readonly_fields = ["shown_currency", "shown_lines", "shown_saved"]
    list_display = ["listed_name", "shown_currency", "shown_lines", "shown_saved"]
    search_fields = ["name"]

    @display(description=lazy("Name"), ordering="name")
    def listed_name(self, one: QuotationTemplate) -> str:
        """Leads to the template."""
        return one.name

    @display(description=lazy("Currency"), ordering="currency")
    def shown_currency(self, one: QuotationTemplate) -> str:
        """Of its prices."""
        return one.currency

    @display(description=lazy("Lines"))
    def shown_lines(self, one: QuotationTemplate) -> int:
        """How many."""
        return len(one.content.get("lines", []))

    @display(description=lazy("Saved on"), ordering="saved_at")
    def shown_saved(self, one: QuotationTemplate) -> str:
        """The day, where the seller is."""
        return formats.day(one.saved_at.astimezone(one.seller.zone).date(), get_language() or "en")
