"""What is sold: products with their prices, and the rates charged at home."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

from django import forms
from django.contrib.admin import SimpleListFilter, display, register
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import ProtectedError, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.access import StaffRequest
from portico.accounts.models import Seller
from portico.billing.actions.setup import KINDS
from portico.billing.models import ExchangeRate, Product, VatRate
from portico.home.admin.prices import PriceRows, priced
from portico.home.admin.site import Active, Pages, site
from portico.home.admin.unfolding import widgets
from portico.kit import formats
from portico.kit.money import EXPONENTS
from portico.kit.periods import today

CATEGORIES = [
    ("S", lazy("Standard: charged at the rate below")),
    ("Z", lazy("Zero-rated")),
    ("E", lazy("Exempt from VAT")),
]


def percent(rate: Decimal) -> str:
    """As the reader writes it."""
    return formats.percent(rate, get_language() or "en")


class ProductForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """A product: its code is made from its name where none is given; its rate is one that the seller charges."""

    seller: Seller

    class Meta:
        model = Product
        fields = [
            "name",
            "code",
            "description",
            "kind",
            "unit",
            "vat_category",
            "vat_rate",
            "minimum_months",
            "trial_days",
            "is_active",
        ]
        labels = {
            "name": lazy("Name"),
            "code": lazy("Code"),
            "description": lazy("Description"),
            "kind": lazy("Kind"),
            "unit": lazy("Unit"),
            "vat_category": lazy("VAT category"),
            "vat_rate": lazy("VAT rate"),
            "minimum_months": lazy("Minimum term, months"),
            "trial_days": lazy("Free trial, days"),
            "is_active": lazy("On sale"),
        }
        help_texts = {
            "code": lazy("Short, for searching. Made from the name if you leave it empty."),
            "unit": lazy("As printed after a quantity: days, users."),
            "vat_rate": lazy("For a sale at home. Other rates: under VAT rates."),
            "minimum_months": lazy("For how long it is agreed at least; 0: until the next renewal."),
            "trial_days": lazy("For a plan: proposed for a new database; 0: none."),
            "is_active": lazy("Offered when a quotation is written. Papers that name it stay as they are."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("code", "minimum_months", "trial_days"):
            self.fields[name].required = False
        self.fields["description"].widget.attrs["rows"] = 4
        if "kind" in self.fields:
            self.fields["kind"].choices = KINDS  # type: ignore[attr-defined]  # a choice field
        self.fields["vat_category"].choices = CATEGORIES  # type: ignore[attr-defined]  # a choice field
        rates = {one.rate for one in self.seller.vat_rates.all()} | {Decimal(0)}
        if self.instance.pk:
            rates.add(self.instance.vat_rate)
        chosen = self.instance.vat_rate if self.instance.pk else max(rates)
        usual = self.seller.vat_rates.first()
        if not self.instance.pk and usual is not None:
            chosen = usual.rate
        self.fields["vat_rate"] = forms.TypedChoiceField(
            label=self.fields["vat_rate"].label,
            help_text=self.fields["vat_rate"].help_text,
            choices=[(plain(rate), percent(rate)) for rate in sorted(rates, reverse=True)],
            coerce=Decimal,
            widget=widgets.UnfoldAdminSelectWidget,
        )
        self.initial["vat_rate"] = plain(chosen)

    def clean_minimum_months(self) -> int:
        """At most ten years."""
        if (months := int(self.cleaned_data["minimum_months"] or 0)) > 120:
            raise ValidationError(_("At most 120 months."))
        return months

    def clean_trial_days(self) -> int:
        """At most a year."""
        if (days := int(self.cleaned_data["trial_days"] or 0)) > 366:
            raise ValidationError(_("At most 366 days."))
        return days

    def clean_name(self) -> str:
        """Never blanks alone."""
        return " ".join(str(self.cleaned_data["name"]).split())

    def clean(self) -> dict[str, Any]:
        """The rate that the category allows; a code that no other product has."""
        values = super().clean() or self.cleaned_data
        category, rate = values.get("vat_category"), values.get("vat_rate")
        if category == Product.VatCategory.STANDARD and rate == 0:
            self.add_error(
                "vat_rate", _("The standard category needs a rate above 0. Choose zero-rated or exempt instead.")
            )
        elif category:
            values["vat_rate"] = rate if category == Product.VatCategory.STANDARD else Decimal(0)
        if "code" not in self.errors:
            values["code"] = code = values.get("code") or slugify(values.get("name", ""))[:40] or "product"
            if Product.objects.filter(seller=self.seller, code=code).exclude(pk=self.instance.pk).exists():
                self.add_error("code", _("Another product has this code."))
        return values


def plain(number: Decimal) -> str:
    """5.5000 as 5.5."""
    return f"{number.normalize():f}" if number else "0"


class OnSale(Active):
    """What is offered."""

    title = lazy("on sale")


class OfKind(SimpleListFilter):
    """Products of one kind."""

    title = lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All kinds there are."""
        return [(kind, str(words)) for kind, words in KINDS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """All of them unless one was chosen."""
        return queryset.filter(kind=self.value()) if self.value() in dict(KINDS) else queryset


@register(Product, site=site)
class Products(Pages):
    """The catalogue."""

    form = ProductForm
    fields = ProductForm.Meta.fields
    inlines = [PriceRows]
    list_display = ["listed_name", "listed_code", "listed_kind", "listed_prices", "listed_vat", "listed_active"]
    list_filter = [OnSale, OfKind]
    search_fields = ["name", "code", "description"]
    ordering = ["name", "pk"]

    def get_queryset(self, request: StaffRequest) -> QuerySet[Any]:
        """With their prices in one statement, however many."""
        return super().get_queryset(request).select_related("seller").prefetch_related("prices")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What a product does when it is bought does not change under those who bought it."""
        return ("kind",) if obj is not None and obj.is_used else ()

    @display(description=lazy("Name"), ordering="name")
    def listed_name(self, product: Product) -> str:
        """Leads to the product."""
        return product.name

    @display(description=lazy("Code"), ordering="code")
    def listed_code(self, product: Product) -> str:
        """For searching."""
        return product.code

    @display(description=lazy("Kind"), ordering="kind")
    def listed_kind(self, product: Product) -> str:
        """In words."""
        return str(dict(KINDS)[product.kind])

    @display(description=lazy("Prices"))
    def listed_prices(self, product: Product) -> str:
        """Each that counts, or will, with its currency and term."""
        language, day = get_language() or "en", today(timezone.now(), product.seller.zone)
        rows = sorted(product.prices.all(), key=lambda one: (one.currency, one.term_months, one.valid_from))
        past = {
            earlier.pk
            for earlier, later in pairwise(rows)
            if (earlier.currency, earlier.term_months) == (later.currency, later.term_months)
            and later.valid_from <= day
        }
        return ", ".join(priced(one, language, day) for one in rows if one.pk not in past)

    @display(description=lazy("VAT"), ordering="vat_rate")
    def listed_vat(self, product: Product) -> str:
        """The rate, or why there is none."""
        if product.vat_category == Product.VatCategory.STANDARD:
            return percent(product.vat_rate)
        return str(dict(CATEGORIES)[product.vat_category])

    @display(description=lazy("On sale"), ordering="is_active", boolean=True)
    def listed_active(self, product: Product) -> bool:
        """Whether it is offered."""
        return product.is_active

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """A product that stands on a paper stays."""
        product = self.get_object(request, object_id)
        if product is not None and product.is_used:
            return self._kept(request, product)
        try:
            answer: HttpResponseBase = super().delete_view(request, object_id, extra_context)
        except (ProtectedError, IntegrityError):  # it was put on one meanwhile
            return self._kept(request, product)
        return answer

    def _kept(self, request: HttpRequest, product: Any) -> HttpResponseRedirect:
        said = _(
            "%(name)s stands on papers or in subscriptions and cannot be deleted. Take it off sale instead: untick “On sale”."
        )
        self.message_user(request, said % {"name": product.name}, level="error")
        return HttpResponseRedirect(reverse("admin:billing_product_change", args=[product.pk]))


class VatRateForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """A rate the seller charges."""

    seller: Seller

    class Meta:
        model = VatRate
        fields = ["rate", "position"]
        labels = {"rate": lazy("Rate in percent"), "position": lazy("Place in the list")}
        help_texts = {"rate": "", "position": lazy("The lowest is the usual rate; it is proposed first.")}

    def clean_rate(self) -> Decimal:
        """Between 0 and 100, and once."""
        rate = Decimal(self.cleaned_data["rate"])
        if not 0 <= rate <= 100:
            raise ValidationError(_("A rate lies between 0 and 100 percent."))
        if VatRate.objects.filter(seller=self.seller, rate=rate).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("This rate is there already."))
        return rate


class ExchangeRateForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """What a foreign currency is worth from a day on."""

    seller: Seller

    class Meta:
        model = ExchangeRate
        fields = ["currency", "valid_from", "rate"]
        labels = {"currency": lazy("Currency"), "valid_from": lazy("From"), "rate": lazy("Rate")}
        help_texts = {
            "currency": lazy("Of an invoice that is not in your own currency."),
            "valid_from": lazy("Until a later rate is entered."),
            "rate": lazy("So much of it is worth one unit of your currency, such as 11.7345 for the krone in euro."),
        }

    def clean_currency(self) -> str:
        """A known currency that is not the seller's own."""
        currency = str(self.cleaned_data["currency"]).strip().upper()
        if currency not in EXPONENTS or currency == self.seller.currency:
            raise ValidationError(_("Enter a currency other than your own, such as NOK."))
        return currency

    def clean_rate(self) -> Decimal:
        """Above zero."""
        rate = Decimal(self.cleaned_data["rate"])
        if rate <= 0:
            raise ValidationError(_("A rate is above zero."))
        return rate

    def clean(self) -> dict[str, Any]:
        """One rate a currency and day."""
        values = super().clean() or self.cleaned_data
        currency, day = values.get("currency"), values.get("valid_from")
        same = ExchangeRate.objects.filter(seller=self.seller).exclude(pk=self.instance.pk)
        if currency and day and same.filter(currency=currency, valid_from=day).exists():
            self.add_error("valid_from", _("This day has a rate already."))
        return values


@register(ExchangeRate, site=site)
class ExchangeRates(Pages):
    """For the VAT in the seller's currency on invoices in another; issued papers keep theirs."""

    form = ExchangeRateForm
    list_display = ["currency", "valid_from", "rate"]
    ordering = ["currency", "-valid_from"]


@register(VatRate, site=site)
class VatRates(Pages):
    """The rates charged at home; products keep theirs when one changes here."""

    form = VatRateForm
    list_display = ["listed_rate", "listed_position"]
    ordering = ["position", "pk"]

    @display(description=lazy("Rate"), ordering="rate")
    def listed_rate(self, one: VatRate) -> str:
        """With its sign."""
        return percent(one.rate)

    @display(description=lazy("Place in the list"), ordering="position")
    def listed_position(self, one: VatRate) -> int:
        """0 is first."""
        return one.position

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The last rate stays: something has to be proposed."""
        return obj is None or VatRate.objects.filter(seller=obj.seller_id).exclude(pk=obj.pk).exists()
