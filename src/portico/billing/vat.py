"""Which VAT category a sale has, by what is sold and where (DOMAIN 2; EN 16931, UNTDID 5305).

Rules in short, for a seller in the EU selling to companies: at home S, Z or E as the product says; a service to another EU
country AE (Directive 2006/112/EC Art. 44, 196); goods to another EU country K (Art. 138); a service outside the EU O (Art.
44); goods outside the EU G (Art. 146). Kept simple, and said here: Monaco counts as France; Northern Ireland is not told
apart from Great Britain, nor the Canary Islands, Åland and other territories outside the EU's VAT from their country; a
product that is exempt or zero-rated at home is not across a border; a seller outside the EU charges what the product says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from portico.kit.errors import Invalid

EU = frozenset("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MC MT NL PL PT RO SE SI SK".split())

CATEGORIES = frozenset({"S", "Z", "E", "AE", "K", "G", "O"})

EXEMPTION_CODES = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G", "O": "VATEX-EU-O"}
"""BT-121 by category; E and Z have none that fits every product."""

STATUTORY_NOTES = {
    "en": {
        "AE": "Reverse charge: VAT is due by the recipient (Art. 196 Directive 2006/112/EC).",
        "K": "VAT-exempt intra-Community supply (Art. 138 Directive 2006/112/EC).",
        "G": "VAT-exempt export (Art. 146 Directive 2006/112/EC).",
        "O": "Not subject to VAT: place of supply outside the EU (Art. 44 Directive 2006/112/EC).",
        "E": "Exempt from VAT.",
    },
    "fr": {
        "AE": "Autoliquidation\u00a0: TVA due par le preneur (art. 196 de la directive 2006/112/CE).",
        "K": "Livraison intracommunautaire exonérée de TVA (art. 138 de la directive 2006/112/CE).",
        "G": "Exportation exonérée de TVA (art. 146 de la directive 2006/112/CE).",
        "O": "TVA non applicable\u00a0: lieu de la prestation hors de l’UE (art. 44 de la directive 2006/112/CE).",
        "E": "Exonéré de TVA.",
    },
    "de": {
        "AE": "Steuerschuldnerschaft des Leistungsempfängers (Art. 196 der Richtlinie 2006/112/EG).",
        "K": "Steuerfreie innergemeinschaftliche Lieferung (Art. 138 der Richtlinie 2006/112/EG).",
        "G": "Steuerfreie Ausfuhrlieferung (Art. 146 der Richtlinie 2006/112/EG).",
        "O": "Nicht steuerbar: Leistungsort außerhalb der EU (Art. 44 der Richtlinie 2006/112/EG).",
        "E": "Umsatzsteuerfrei.",
    },
}
"""The law's own words by language and category, not a translation: they stay even where a screen is worded anew.

Directive 2006/112/EC Art. 226 (11) and (11a) in each language: the provision that exempts, and the mention "Reverse charge",
« Autoliquidation » (CGI, annexe II, art. 242 nonies A, I, 13°), „Steuerschuldnerschaft des Leistungsempfängers“ (§ 14a
Abs. 5 UStG).
"""


@dataclass(frozen=True)
class VatDecision:
    """The category and rate of a line."""

    category: str
    rate: Decimal

    @property
    def exemption_code(self) -> str:
        """BT-121, empty where none is needed."""
        return exemption_code(self.category)


def decide(
    *,
    kind: str,
    seller_country: str,
    buyer_country: str,
    buyer_vat_checked: bool,
    product_category: str,
    product_rate: Decimal,
    staff_approved: bool = False,
) -> VatDecision:
    """The VAT category of a line: `kind` of product ("goods" or any service), countries as ISO 3166-1.

    Raises Invalid where AE or K would apply and the buyer's VAT id is neither checked nor approved by staff, and for a
    product's category and rate that do not belong together.
    """
    seller_country, buyer_country = _vat_country(seller_country), _vat_country(buyer_country)
    if seller_country == buyer_country or seller_country not in EU:
        decision = VatDecision(product_category, product_rate if product_category == "S" else Decimal(0))
        check_groups([(decision.category, decision.rate)])
        return decision
    goods = kind == "goods"
    if buyer_country not in EU:
        return VatDecision("G" if goods else "O", Decimal(0))
    if not (buyer_vat_checked or staff_approved):
        raise Invalid(
            _(
                "The customer's VAT id must be checked before VAT is left out. Check it, or have it approved, then save "
                "again."
            )
        )
    return VatDecision("K" if goods else "AE", Decimal(0))


def _vat_country(code: str) -> str:
    """The country whose VAT applies: Monaco's is France's (Directive 2006/112/EC Art. 7)."""
    return "FR" if code == "MC" else code


def exemption_code(category: str) -> str:
    """BT-121, empty where none is needed."""
    return EXEMPTION_CODES.get(category, "")


def statutory_note(category: str, language: str) -> str:
    """BT-120: the words the law asks for where no VAT is charged, in the paper's language; empty for S and Z."""
    return STATUTORY_NOTES.get(language[:2], STATUTORY_NOTES["en"]).get(category, "")


def check_groups(groups: Iterable[tuple[str, Decimal]]) -> None:
    """Refuse categories and rates that cannot stand on one invoice.

    O beside any other category (BR-O-11), a rate of zero under S (BR-S-05), one above zero elsewhere (BR-Z-05, BR-E-05,
    BR-AE-05, BR-IC-05, BR-G-05), a category that is none of UNTDID 5305's seven used here.
    """
    categories = set()
    for category, rate in groups:
        categories.add(category)
        if category not in CATEGORIES:
            raise Invalid(_("“%(category)s” is not a VAT category.") % {"category": category[:10]})
        if category == "S" and rate <= 0:
            raise Invalid(_("The standard VAT category needs a rate above zero. Choose zero-rated or exempt instead."))
        if category != "S" and rate != 0:
            raise Invalid(_("VAT category %(category)s has no rate. Set the rate to zero.") % {"category": category})
    if "O" in categories and len(categories) > 1:
        raise Invalid(
            _("Lines outside the scope of VAT cannot stand beside others. Put goods and services on two quotations.")
        )
