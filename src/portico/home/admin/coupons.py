"""Coupons: written, ended, and never taken from who used them."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.admin import display, register
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.models import Seller
from portico.billing.models import Coupon, Product
from portico.home.admin.catalogue import percent
from portico.home.admin.site import Active, Pages, site
from portico.home.admin.unfolding import widgets
from portico.kit import formats
from portico.kit.errors import Invalid
from portico.kit.money import parse_amount

DURATIONS = [
    (Coupon.Duration.ONCE, lazy("until the next renewal")),
    (Coupon.Duration.PERIODS, lazy("for a number of periods")),
    (Coupon.Duration.FOREVER, lazy("for good")),
]


class CouponForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """A percentage, or an amount for each currency, which is taken off once."""

    seller: Seller
    amounts_typed = forms.CharField(
        required=False,
        max_length=300,
        label=lazy("Or amounts"),
        help_text=lazy("Taken off once: EUR 50; NOK 590."),
        widget=widgets.UnfoldAdminTextInputWidget,
    )

    class Meta:
        model = Coupon
        fields = [
            "code", "percent", "amounts_typed", "duration", "periods", "products", "valid_from", "valid_until", "max_uses",
            "is_active",
        ]  # fmt: skip
        labels = {
            "code": lazy("Code"),
            "percent": lazy("Percent"),
            "duration": lazy("Lasts"),
            "periods": lazy("Periods"),
            "products": lazy("Products"),
            "valid_from": lazy("Valid from"),
            "valid_until": lazy("Valid until"),
            "max_uses": lazy("Most uses"),
            "is_active": lazy("Can be used"),
        }
        help_texts = {
            "code": lazy("Capital letters, digits and single hyphens. Customers may type it as they like."),
            "percent": lazy("Off each price; not added to another discount."),
            "periods": lazy("The running one included."),
            "products": lazy("None chosen: every product."),
            "valid_until": lazy("The last day. An offer that was made by then keeps it."),
            "max_uses": lazy("Empty: any number."),
            "duration": "", "valid_from": "", "is_active": "",
        }  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["duration"].choices = DURATIONS  # type: ignore[attr-defined]  # a choice field
        self.fields["periods"].required = False
        products = Product.objects.filter(seller=self.seller).exclude(kind__in=["service", "goods"])
        self.fields["products"].queryset = products  # type: ignore[attr-defined]  # a choice of rows
        language = get_language() or "en"
        if self.instance.pk:
            self.initial["amounts_typed"] = "; ".join(
                f"{currency} {formats.amount(minor, currency, language)}"
                for currency, minor in sorted(self.instance.amounts.items())
            )

    def clean_code(self) -> str:
        """As it is compared; no other coupon has it."""
        code = str(self.cleaned_data["code"]).strip().upper()
        if Coupon.objects.filter(seller=self.seller, code=code).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("Another coupon has this code."))
        return code

    def clean_percent(self) -> Decimal | None:
        """Above nothing, at most everything."""
        found: Decimal | None = self.cleaned_data["percent"]
        if found is not None and not 0 < found <= 100:
            raise ValidationError(_("A discount is above 0, and at most 100 percent."))
        return found

    def clean_periods(self) -> int:
        """One unless told otherwise."""
        return int(self.cleaned_data["periods"] or 1)

    def clean_amounts_typed(self) -> dict[str, int]:
        """Minor units by currency."""
        found: dict[str, int] = {}
        for one in str(self.cleaned_data["amounts_typed"]).split(";"):
            if not one.strip():
                continue
            read = re.fullmatch(r"\s*([A-Za-z]{3})\s*(.+?)\s*", one)
            if read is None:
                raise ValidationError(_("Write each amount with its currency: EUR 50; NOK 590."))
            try:
                found[read[1].upper()] = parse_amount(read[2], read[1].upper(), get_language() or "en")
            except Invalid as refusal:
                raise ValidationError(refusal.message) from refusal
        if any(minor <= 0 for minor in found.values()):
            raise ValidationError(_("The amount must be above zero."))
        return found

    def clean(self) -> dict[str, Any]:
        """Either a percentage or amounts; an amount is taken off once."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        amounts = values.get("amounts_typed") or {}
        if "percent" in values and "amounts_typed" in values and bool(amounts) == (values["percent"] is not None):
            self.add_error("percent", _("Give either a percentage or amounts."))
        if amounts and values.get("duration") != Coupon.Duration.ONCE:
            self.add_error("duration", _("An amount is taken off once, until the next renewal."))
        first, last = values.get("valid_from"), values.get("valid_until")
        if first and last and last < first:
            self.add_error("valid_until", _("The last day is before the first."))
        most = values.get("max_uses")
        if most is not None and most < self.instance.used:
            self.add_error("max_uses", _("It was used %(count)d times already.") % {"count": self.instance.used})
        self.instance.amounts = amounts
        return values


@register(Coupon, site=site)
class Coupons(Pages):
    """The coupons, with how often each was used."""

    form = CouponForm
    fields = CouponForm.Meta.fields
    filter_horizontal = ("products",)
    list_display = ["listed_code", "listed_off", "listed_lasts", "listed_used", "listed_active"]
    list_filter = [Active]
    search_fields = ["code"]
    ordering = ["code", "pk"]

    @display(description=lazy("Code"), ordering="code")
    def listed_code(self, one: Coupon) -> str:
        """Leads to it."""
        return one.code

    @display(description=lazy("Takes off"))
    def listed_off(self, one: Coupon) -> str:
        """The percentage or the amounts."""
        language = get_language() or "en"
        if one.percent is not None:
            return percent(one.percent)
        return ", ".join(formats.money(minor, currency, language) for currency, minor in sorted(one.amounts.items()))

    @display(description=lazy("Lasts"), ordering="duration")
    def listed_lasts(self, one: Coupon) -> str:
        """In words."""
        if one.duration == Coupon.Duration.PERIODS:
            return _("%(count)d periods") % {"count": one.periods}
        return str(dict(DURATIONS)[Coupon.Duration(one.duration)])

    @display(description=lazy("Used"), ordering="used")
    def listed_used(self, one: Coupon) -> str:
        """How often, of how many."""
        return f"{one.used} / {one.max_uses}" if one.max_uses is not None else str(one.used)

    @display(description=lazy("Can be used"), ordering="is_active", boolean=True)
    def listed_active(self, one: Coupon) -> bool:
        """Whether it can be used."""
        return one.is_active

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that was used stays; it can be ended."""
        return obj is None or not obj.uses.exists()
