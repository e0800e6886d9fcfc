"""The prices of a product in its form: by currency and term, from a day on, for a unit or by tiers."""

from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.access import StaffRequest
from portico.accounts.models import Seller
from portico.billing.models import Price
from portico.billing.models.catalog import BEGINNING
from portico.billing.models.pricelist import Tier, kept_tiers, tiers_of, tiers_stand
from portico.home.admin.site import EXACT
from portico.home.admin.unfolding import TabularInline, widgets
from portico.kit import formats
from portico.kit.errors import Invalid
from portico.kit.money import EXPONENTS, MOST_PRICE, parse_decimal
from portico.kit.periods import today

TERMS = (0, 1, 3, 6, 12, 24, 36, 48, 60, 84, 120)
MODELS = [
    (Price.Model.PER_UNIT, lazy("for each unit")),
    (Price.Model.GRADUATED, lazy("by tiers, each unit at its own")),
    (Price.Model.VOLUME, lazy("by tiers, all units at the one reached")),
    (Price.Model.FLAT, lazy("flat, sold once")),
]
MOST_TIERS = 20
AGREED = ("currency", "term_months", "valid_from", "model", "unit_price", "tiers_typed")
"""What stays as it is once somebody has the price."""
NO_BREAK = "\N{NO-BREAK SPACE}"


def term_in_words(months: int) -> str:
    """How long a price is for."""
    if months == 0:
        return _("Once")
    several = _("%(count)s years") % {"count": months // 12} if months % 12 == 0 else ""
    return {1: _("A month"), 12: _("A year")}.get(months, several or _("%(count)s months") % {"count": months})


def priced(one: Price, language: str, day: date) -> str:
    """1,200.00 EUR / year, which stays on one line; with the day from which it counts, where that is ahead."""
    words = f"{formats.unit_price(one.unit_price, one.currency, language)} {one.currency}"
    if one.term_months:
        several = _("%(count)s months") % {"count": one.term_months}
        words += " / " + {1: _("month"), 12: _("year")}.get(one.term_months, several)
    if one.listed.is_tiered:
        words = _("%(price)s, by tiers") % {"price": words}
    if one.valid_from > day:
        words += " " + _("(from %(day)s)") % {"day": formats.day(one.valid_from, language)}
    return words.replace(" ", NO_BREAK)


class PriceForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """One price: a known currency, a term that is sold, an amount that money can be, tiers that rise.

    A price that somebody has is not changed: another one follows it from a day on. Only when it moves can still be said.
    """

    tiers_typed = forms.CharField(required=False, label=lazy("Tiers"), max_length=1000)

    class Meta:
        model = Price
        fields = ["currency", "term_months", "valid_from", "model", "unit_price", "tiers_typed", "moves_from"]
        labels = {
            "currency": lazy("Currency"),
            "term_months": lazy("For"),
            "valid_from": lazy("From"),
            "model": lazy("Priced"),
            "unit_price": lazy("Price without VAT"),
            "moves_from": lazy("Those who have it move to the list price from"),
        }
        help_texts = {
            "currency": "", "term_months": "", "valid_from": "", "model": "", "unit_price": "",
            "moves_from": lazy("Empty: they keep this price at every renewal."),
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = {self.instance.term_months} if self.instance.pk else set()
        choices = [(code, code) for code in sorted(EXPONENTS)]
        self.fields["currency"] = forms.ChoiceField(
            label=self.fields["currency"].label, choices=choices, widget=widgets.UnfoldAdminSelectWidget
        )
        self.fields["term_months"] = forms.TypedChoiceField(
            label=self.fields["term_months"].label,
            choices=[(str(months), term_in_words(months)) for months in sorted({*TERMS, *own})],
            coerce=int,
            widget=widgets.UnfoldAdminSelectWidget,
        )
        self.fields["model"].choices = MODELS  # type: ignore[attr-defined]  # a choice field
        self.fields["model"].required = self.fields["valid_from"].required = False
        self.fields["valid_from"].widget = widgets.UnfoldAdminSingleDateWidget()
        self.fields["moves_from"].widget = widgets.UnfoldAdminSingleDateWidget()
        self.fields["tiers_typed"].widget = widgets.UnfoldAdminTextInputWidget()
        self.fields["tiers_typed"].help_text = _("10: 20; 50: 15; more: 12.50")
        if self.instance.pk:
            self.initial["tiers_typed"] = self._told(self.instance)
            if self.instance.valid_from == BEGINNING:
                self.initial["valid_from"] = None

    @staticmethod
    def _told(price: Price) -> str:
        """The tiers as they are typed."""
        language = get_language() or "en"
        return "; ".join(
            f"{_('more') if tier.upto is None else f'{tier.upto.normalize():f}'}: "
            f"{formats.unit_price(tier.unit_price, price.currency, language)}"
            for tier in tiers_of(price.tiers)
        )

    def clean_valid_from(self) -> date:
        """None: since always."""
        return self.cleaned_data["valid_from"] or BEGINNING

    def clean_model(self) -> str:
        """The usual one unless chosen."""
        return self.cleaned_data["model"] or Price.Model.PER_UNIT

    def clean_unit_price(self) -> Decimal:
        """Between nothing and the most that a line may cost."""
        price = Decimal(self.cleaned_data["unit_price"])
        if not 0 <= price <= MOST_PRICE:
            raise ValidationError(_("A price is not below 0, and not above a thousand million."))
        return price

    def clean(self) -> dict[str, Any]:
        """Tiers where the price goes by tiers; nothing that somebody has is changed."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk and self.has_changed() and set(self.changed_data) & set(AGREED) and self.instance.is_used:
            raise ValidationError(
                _("Somebody has this price, so it stays as it is. Add a price that follows it from a day on.")
            )
        self.instance.tiers = []
        if values.get("model") in {Price.Model.GRADUATED, Price.Model.VOLUME}:
            tiers = self._tiers(values.get("tiers_typed", ""))
            self.instance.tiers = kept_tiers(tiers)
            if tiers:
                values["unit_price"] = tiers[0].unit_price
        return values

    def _tiers(self, typed: str) -> list[Tier]:
        """Read as they are typed; what is wrong is said at the field."""
        tiers, language = [], get_language() or "en"
        try:
            for one in [part for part in typed.split(";") if part.strip()]:
                upto, colon, unit_price = one.partition(":")
                if not colon:
                    raise Invalid(_("Write each tier as a number, a colon and a price: 10: 20."))
                word = upto.strip("\xa0 \u202f").lower()
                last = word in {"more", _("more").lower()}
                price = parse_decimal(unit_price.strip(), language)
                if not 0 <= price <= MOST_PRICE:
                    raise Invalid(_("A price is not below 0, and not above a thousand million."))
                tiers.append(Tier(None if last else parse_decimal(word, language), price))
            if len(tiers) > MOST_TIERS or not tiers_stand(tiers):
                raise Invalid(
                    _("Tiers rise by whole numbers, and the last one is “more”: 10: 20; 50: 15; more: 12.50.")
                )
        except Invalid as refusal:
            self.add_error("tiers_typed", refusal.message)
            return []
        return tiers


class PriceRows(TabularInline):
    """The prices in the product's own form, the newest of each currency and term first."""

    model = Price
    form = PriceForm
    formfield_overrides = EXACT
    extra = 0
    ordering = ("currency", "term_months", "-valid_from")
    verbose_name = lazy("price")
    verbose_name_plural = lazy("Prices")

    def get_formset(self, request: StaffRequest, obj: Model | None = None, **kwargs: Any) -> Any:
        """A new row begins with the seller's own currency and today; a new product with one row."""
        formset = super().get_formset(request, obj, **kwargs)
        usual = {"currency": request.seller.currency} | ({"valid_from": self._today(request.seller)} if obj else {})

        class Rows(formset):  # type: ignore[valid-type,misc]  # made by Django for this request
            @property
            def empty_form(self) -> Any:
                form = super().empty_form
                form.initial = usual | form.initial
                return form

            def _construct_form(self, i: int, **more: Any) -> Any:
                form = super()._construct_form(i, **more)
                if not form.instance.pk:
                    form.initial = usual | form.initial
                return form

        return Rows

    @staticmethod
    def _today(seller: Seller) -> date:
        return today(timezone.now(), seller.zone)

    def get_extra(self, request: HttpRequest, obj: Model | None = None, **kwargs: Any) -> int:
        return 0 if obj else 1

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True

    has_change_permission = has_delete_permission = has_view_permission = has_add_permission
