"""Which VAT category a sale has, by what is sold and where (DOMAIN 2; EN 16931, UNTDID 5305).

Rules in short, for a seller in the EU selling to companies: at home S, Z or E as the product says; a service to another EU
country AE (Directive 2006/112/EC Art. 44, 196); goods to another EU country K (Art. 138); a service outside the EU O (Art.
44); goods outside the EU G (Art. 146). Monaco counts as France; Northern Ireland is not told apart from Great Britain.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.utils import translation
from django.utils.translation import gettext as _
from stdnum import get_cc_module
from stdnum.exceptions import ValidationError

from portico.kit.errors import Invalid

EU = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MC MT NL PL PT RO SE SI SK".split())

EXEMPTION_CODES = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G", "O": "VATEX-EU-O"}
"""BT-121 by category; E and Z have none that fits every product."""


@dataclass(frozen=True)
class VatDecision:
    """The category and rate of a line."""

    category: str
    rate: Decimal


def decide(
    *,
    kind: str,
    seller_country: str,
    buyer_country: str,
    buyer_vat_checked: bool,
    product_category: str,
    product_rate: Decimal,
) -> VatDecision:
    """The VAT category of a line: `kind` of product ("goods" or any service), countries as ISO 3166-1.

    Raises Invalid where AE or K would apply and the buyer's VAT id is neither checked nor approved by staff.
    """
    home = {"MC": "FR"}.get(seller_country, seller_country) == {"MC": "FR"}.get(buyer_country, buyer_country)
    if home or seller_country not in EU:
        return VatDecision(product_category, product_rate if product_category == "S" else Decimal(0))
    goods = kind == "goods"
    if buyer_country not in EU:
        return VatDecision("G" if goods else "O", Decimal(0))
    if not buyer_vat_checked:
        raise Invalid(
            _(
                "The customer's VAT id must be checked before VAT is left out. Check it, or have it approved, then save "
                "again."
            )
        )
    return VatDecision("K" if goods else "AE", Decimal(0))


def exemption_code(category: str) -> str:
    """BT-121, empty where none is needed."""
    return EXEMPTION_CODES.get(category, "")


def statutory_note(category: str, language: str) -> str:
    """BT-120: the words the law asks for where no VAT is charged, in the paper's language; empty for S and Z."""
    with translation.override(language):
        return {
            "AE": _("Reverse charge: VAT is due by the recipient (Art. 196 Directive 2006/112/EC)."),
            "K": _("VAT-exempt intra-Community supply (Art. 138 Directive 2006/112/EC)."),
            "G": _("VAT-exempt export (Art. 146 Directive 2006/112/EC)."),
            "O": _("Not subject to VAT: place of supply outside the EU (Art. 44 Directive 2006/112/EC)."),
            "E": _("Exempt from VAT."),
        }.get(category, "")


def check_groups(groups: Iterable[tuple[str, Decimal]]) -> None:
    """Refuse what cannot stand on one invoice: O beside any other category (BR-O-11)."""
    categories = {category for category, _rate in groups}
    if "O" in categories and len(categories) > 1:
        raise Invalid(
            _("Lines outside the scope of VAT cannot stand beside others. Put goods and services on two quotations.")
        )


def check_vat_id(text: str) -> str:
    """A VAT id in its compact form, checked for format and checksum; Invalid otherwise."""
    compact = "".join(text.split()).replace(".", "").replace("-", "").upper()
    country = {"EL": "gr", "XI": "gb"}.get(compact[:2], compact[:2].lower())
    module = get_cc_module(country, "vat") if country.isalpha() else None
    try:
        if module is None:
            raise ValidationError
        number = str(module.validate(compact))
    except ValidationError:
        raise Invalid(
            _("%(id)s is not a valid VAT id. Check it for a typing error.") % {"id": compact[:20]}
        ) from None
    return number if number[:2] == compact[:2] else compact[:2] + number
