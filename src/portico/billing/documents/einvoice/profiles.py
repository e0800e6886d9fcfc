"""The rules an e-invoice says it follows (BT-24), and the units it names by a code list."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import npgettext

from portico.accounts.models import Customer

BILLING = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0"
"""BT-23 of XRechnung and Peppol: an invoice on its own."""


@dataclass(frozen=True)
class Profile:
    """A customer's choice. `cii` and `ubl` are BT-24 in each syntax; Peppol knows UBL alone, so its CII is plain EN 16931."""

    code: str
    cii: str
    ubl: str
    process: str = ""


CORE = "urn:cen.eu:en16931:2017"
_XRECHNUNG = f"{CORE}#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0"
PROFILES: dict[str, Profile] = {
    Customer.Profile.EN16931: Profile("en16931", CORE, CORE),
    Customer.Profile.XRECHNUNG: Profile("xrechnung", _XRECHNUNG, _XRECHNUNG, BILLING),
    Customer.Profile.PEPPOL: Profile(
        "peppol", CORE, f"{CORE}#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0", BILLING
    ),
}

UNITS = {
    "HUR": "h hr hrs hour hours heure heures stunde stunden std",
    "DAY": "d day days jour jours tag tage tagen",
    "WEE": "week weeks semaine semaines woche wochen",
    "MON": "month months mois monat monate monaten",
    "ANN": "year years an ans année années jahr jahre jahren",
    "MIN": "min minute minutes minuten",
    "KGM": "kg kilogram kilograms kilogramme kilogrammes kilogramm",
    "GRM": "g gram grams gramme grammes gramm",
    "TNE": "t tonne tonnes",
    "MTR": "m metre metres meter meters mètre mètres",
    "KMT": "km kilometre kilometres kilomètre kilomètres kilometer",
    "MTK": "m² m2 sqm",
    "MTQ": "m³ m3",
    "LTR": "l litre litres liter",
    "KWH": "kwh",
    "H87": "piece pieces pc pcs pièce pièces stück stk unit units unité unités",
    "XBX": "box boxes carton cartons boîte boîtes karton kartons",
    "SET": "set sets jeu satz",
    "LS": "lump sum forfait pauschal pauschale",
}
PIECES = {"C62", "H87", "EA", "NAR", "NPR", "PCE", "XPP", "XPK", "LS", "1", "ZZ", "E48"}
"""Codes that say no more than the number before them: one, piece, each, lump sum, service unit."""
NAMES: dict[str, Callable[[int], str]] = {
    "HUR": lambda count: npgettext("unit", "hour", "hours", count),
    "DAY": lambda count: npgettext("unit", "day", "days", count),
    "WEE": lambda count: npgettext("unit", "week", "weeks", count),
    "MON": lambda count: npgettext("unit", "month", "months", count),
    "ANN": lambda count: npgettext("unit", "year", "years", count),
    "MIN": lambda count: npgettext("unit", "minute", "minutes", count),
    "XBX": lambda count: npgettext("unit", "box", "boxes", count),
    "BX": lambda count: npgettext("unit", "box", "boxes", count),
    "SET": lambda count: npgettext("unit", "set", "sets", count),
}
"""The word beside so many of it, in the active language."""
SIGNS = {
    "KGM": "kg",
    "GRM": "g",
    "TNE": "t",
    "MTR": "m",
    "KMT": "km",
    "MTK": "m²",
    "MTQ": "m³",
    "LTR": "l",
    "KWH": "kWh",
}
_UNIT_OF = {word: code for code, words in UNITS.items() for word in words.split()}


def unit_code(unit: str) -> str:
    """UN/ECE Recommendation 20 for the unit as printed; C62 ("one") for users, seats, licences and what it does not know."""
    return _UNIT_OF.get(unit.strip().lower().rstrip("."), "C62")


def unit_words(code: str, quantity: Decimal) -> str:
    """A unit of UN/ECE Recommendation 20 as it is printed beside a quantity, in the active language.

    What is not known stands as its code.
    """
    if code in PIECES:
        return ""
    if code in NAMES:
        return NAMES[code](_counted(quantity))
    return SIGNS.get(code, code[:20])


def _counted(quantity: Decimal) -> int:
    """The whole number whose word fits a quantity: 1.5 days as 0 days, which is one in French and several elsewhere."""
    amount = abs(quantity)
    if amount % 1 == 0:
        return int(amount)
    return 0 if amount < 2 else 2
