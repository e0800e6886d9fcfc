"""From an invoice's frozen copy to the business terms of EN 16931, keyed as the standard numbers them (BT-1 …).

Reads what was frozen at issue alone, so that the same paper gives the same e-invoice for ever. Amounts are texts with the
currency's decimals: exact, and what factur-x asks for. One dictionary serves both syntaxes; `write` copies it, for factur-x
changes what it is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from django.utils import translation

from portico.billing.documents.einvoice.profiles import PROFILES, Profile, unit_code
from portico.billing.documents.plan import parts_in_words
from portico.billing.instalments import frozen_parts
from portico.billing.models import Invoice
from portico.billing.references import invoice_reference, style_in
from portico.kit.electronic import electronic_address
from portico.kit.money import exponent, line_net_minor

Terms = dict[str, Any]
MOST_DECIMALS = 2
"""BR-DEC-09 and its like: EN 16931 has no currency of three."""
TITLES = {"invoice": "380", "deposit": "386", "credit_note": "381"}


@dataclass(frozen=True)
class Head:
    """What stands on a paper beside its frozen copy. Before a number is taken `number` and `issued_on` are stand-ins."""

    kind: str
    number: str
    issued_on: date
    due_on: date | None
    currency: str
    earlier: tuple[tuple[str, date | None], ...] = ()
    """The invoices it refers to (BG-3): what a credit note takes back, the deposits a final invoice deducts."""
    reference: str = ""
    """What the payer writes on a transfer (BT-83), as it is printed."""
    periods: tuple[date, date] | None = None
    """First and last day of what is invoiced."""
    language: str = "en"
    """The language of what is text (BT-20)."""


def can_be_electronic(currency: str) -> bool:
    """Whether EN 16931 can say amounts of this currency: one with three decimals it cannot."""
    return exponent(currency) <= MOST_DECIMALS


def profile_of(buyer: Mapping[str, Any]) -> Profile:
    """The profile frozen with the buyer; papers from before there was a choice follow EN 16931."""
    return PROFILES.get(buyer.get("einvoice_profile") or "en16931", PROFILES["en16931"])


def head_of(invoice: Invoice) -> Head:
    """The head of an issued paper."""
    assert invoice.issued_on is not None
    frozen = invoice.content
    earlier = [(number, date.fromisoformat(day) if day else None) for number, day in frozen.get("earlier", [])]
    if not earlier and frozen.get("refers_to"):
        earlier = [(frozen["refers_to"], invoice.refers_to.issued_on if invoice.refers_to else None)]
    return Head(
        kind=invoice.kind,
        number=str(invoice.number),
        issued_on=invoice.issued_on,
        due_on=invoice.first_due_on,
        currency=invoice.currency,
        earlier=tuple(earlier),
        reference=invoice_reference(str(invoice.number), invoice.pk, style_in(frozen["seller"])),
        periods=period_of(frozen),
        language=invoice.language,
    )


def period_of(frozen: Mapping[str, Any]) -> tuple[date, date] | None:
    """First and last day of the period of a frozen copy."""
    days = frozen.get("period")
    return (date.fromisoformat(days[0]), date.fromisoformat(days[1])) if days else None


def terms_of(invoice: Invoice) -> Terms:
    """The business terms of an issued paper."""
    return build(head_of(invoice), invoice.content, invoice.buyer)


def build(head: Head, content: Mapping[str, Any], buyer: Mapping[str, Any]) -> Terms:
    """The business terms of a paper from what is or will be frozen of it."""
    profile = profile_of(buyer)
    seller = content["seller"]
    vat = [tuple(group) for group in content["vat"]]
    categories = {group[0] for group in vat}
    outside = categories == {"O"}
    totals = content["totals"]
    paid = totals["total"] if content.get("prepaid") else 0

    def amount(minor: int) -> str:
        return decimal_text(minor, head.currency)

    terms: Terms = {
        "BT-1": head.number,
        "BT-2": head.issued_on.isoformat(),
        "BT-3": TITLES[head.kind],
        "BT-5": head.currency,
        "BT-24": profile.ubl,
        "BT-106": amount(totals["lines"]),
        "BT-109": amount(totals["net"]),
        "BT-110": amount(totals["vat"]),
        "BT-112": amount(totals["total"]),
        "BT-115": amount(totals["total"] - paid),
        "BG-4": _seller(seller, outside=outside),
        "BG-7": _buyer(buyer, outside=outside),
        "BG-23": [_group(group, amount, profile) for group in vat],
        "BG-25": [],
    }
    _put(
        terms,
        {
            "BT-9": head.due_on.isoformat() if head.due_on and head.kind != "credit_note" else "",
            "BT-10": one_line(str(buyer.get("buyer_reference", ""))),
            "BT-13": one_line(content["po_number"]),
            "BT-14": content["order"] if content["po_number"] else "",
            "BT-20": _payment_terms(head, content, profile),
            "BT-23": profile.process,
            "BT-107": amount(totals["allowances"]) if totals["allowances"] else "",
            "BT-108": amount(totals["charges"]) if totals["charges"] else "",
            "BT-113": amount(paid) if paid else "",
        },
    )
    if foreign := content.get("vat_in_seller_currency"):
        terms |= {"BT-6": seller["currency"], "BT-111": decimal_text(foreign["minor"], seller["currency"])}
    _delivery(terms, head, content, buyer, categories)
    if head.earlier:
        terms["BG-3"] = [
            {"BT-25": number} | ({"BT-26": day.isoformat()} if day else {}) for number, day in head.earlier
        ]
    if notes := [note for note in (one_line(content.get("reason", "")), one_line(content["title"])) if note]:
        terms["BG-1"] = [{"BT-22": note} for note in notes]
    _lines(terms, head, content)
    if profile.code == "peppol" and len(terms.get("BG-1", [])) > 1:
        terms["BG-1"] = [{"BT-22": ". ".join(note["BT-22"].rstrip(".") for note in terms["BG-1"])}]  # R002: one note
    _payment_means(terms, head, content, paid=bool(paid) and paid == totals["total"])
    return terms


# Parts ----------------------------------------------------------------------------------------------------------------


def decimal_text(minor: int, currency: str) -> str:
    """Minor units as EN 16931 writes an amount: 80493 EUR is 804.93."""
    places = exponent(currency)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(places + 1, "0")
    return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def one_line(text: str) -> str:
    """What XML can hold, on one line: control characters and line breaks become spaces."""
    return " ".join("".join(char if char.isprintable() or char in "\u200c\u200d" else " " for char in text).split())


def _put(terms: Terms, values: Mapping[str, Any]) -> None:
    """What has a value; EN 16931 knows no empty element (PEPPOL-EN16931-R008)."""
    terms |= {key: value for key, value in values.items() if value}


def _address(values: Mapping[str, Any]) -> Terms:
    address: Terms = {"name": one_line(values["legal_name"]), "country_code": values["country"]}
    names = {"addr_l1": "street", "addr_l2": "street_2", "city": "city", "postcode": "postcode"}
    _put(address, {key: one_line(str(values.get(name, ""))) for key, name in names.items()})
    _put(address, {"country_subdivision": one_line(str(values.get("region", "")))})
    return address


def _seller(values: Mapping[str, Any], *, outside: bool) -> Terms:
    """BG-4. Outside the scope of VAT no VAT number may stand (BR-O-02): its tax registration stands instead (BT-32)."""
    party = _address(values)
    scheme, address = electronic_address(values.get("electronic_address") or values.get("support_email", ""))
    _put(
        party,
        {
            "biz_name": one_line(values.get("short_name", "")),
            "legal_identifier": one_line(values.get("company_registration", "")),
            "legal_info": one_line(values.get("legal_form_note", "")),
            "vat_identifier": "" if outside else values.get("vat_id", ""),
            "tax_identifier": values.get("tax_registration", "")
            if outside or not values.get("vat_id")
            else "",
            "einvoicing_addr": address,
            "einvoicing_addr_schemeid": scheme,
        },
    )  # fmt: skip
    contact: Terms = {}
    _put(
        contact,
        {
            "name": one_line(values.get("contact_name", "")),
            "phone": one_line(values.get("phone", "")),
            "email": values.get("support_email", ""),
        },
    )
    if contact:
        party["contacts"] = [contact]
    return party


def _buyer(values: Mapping[str, Any], *, outside: bool) -> Terms:
    """BG-7, without its VAT number outside the scope of VAT (BR-O-02)."""
    party = _address(values)
    scheme, address = electronic_address(values.get("electronic_address", ""))
    _put(
        party,
        {
            "vat_identifier": "" if outside else values.get("vat_id", ""),
            "einvoicing_addr": address,
            "einvoicing_addr_schemeid": scheme,
        },
    )
    return party


def _group(group: tuple[Any, ...], amount: Any, profile: Profile) -> Terms:
    """BG-23. A category outside the scope has no rate (BR-48), but XRechnung wants to read 0 (BR-DE-14)."""
    category, rate, base, vat, code, note = group
    values: Terms = {"BT-116": amount(base), "BT-117": amount(vat), "BT-118": category}
    if category != "O" or profile.code == "xrechnung":
        values["BT-119"] = rate
    _put(values, {"BT-120": one_line(note), "BT-121": code})
    return values


def _payment_terms(head: Head, content: Mapping[str, Any], profile: Profile) -> str:
    """BT-20: the parts in which it is to be paid, then the terms of the sale.

    BT-9 names the first day of several; the others can stand here alone, as text. XRechnung reads lines in # signs as
    discount terms (BR-DE-18): there are none in ours.
    """
    words = [one_line(f"{title}: {text}") for title, text in content["terms"]]
    if parts := frozen_parts(content):
        with translation.override(head.language):
            words.insert(0, one_line(parts_in_words(parts, head.currency, head.language)))
    text = " ".join(words)[:2000]
    return text.replace("#", "") if profile.code == "xrechnung" else text


def _delivery(
    terms: Terms, head: Head, content: Mapping[str, Any], buyer: Mapping[str, Any], categories: set[str]
) -> None:
    """BT-72 or the period, and where to (BG-13), which goods to another EU country must say (BR-IC-11, BR-IC-12)."""
    delivered = content.get("delivered_on") or (head.issued_on.isoformat() if "K" in categories else "")
    if head.periods:
        terms |= {"BT-73": head.periods[0].isoformat(), "BT-74": head.periods[1].isoformat()}
    elif delivered:
        terms["BT-72"] = delivered
    if categories & {"K", "G"}:
        address = _address(buyer)
        terms["BG-13"] = {key: value for key, value in address.items() if key != "country_subdivision"}


def _lines(terms: Terms, head: Head, content: Mapping[str, Any]) -> None:
    """BG-25 for what is sold, BG-20 and BG-21 for allowances and charges of the whole paper; notes join BG-1."""
    for line in content["lines"]:
        position, kind, name, detail = line[0], line[1], one_line(line[2]), one_line(line[3])
        if kind == "line":
            terms["BG-25"].append(_line(line, head.currency))
        elif kind in ("allowance", "charge"):
            entry = {
                "amount": decimal_text(line[10], head.currency),
                "reason": name or detail or ("Discount" if kind == "allowance" else "Charge"),
                "vat_category_code": line[8],
            }
            if line[8] != "O":
                entry["vat_rate"] = line[9]
            terms.setdefault("BG-20" if kind == "allowance" else "BG-21", []).append(entry)
        elif kind == "note" and (name or detail):
            terms.setdefault("BG-1", []).append({"BT-22": " ".join(part for part in (name, detail) if part)})
        assert position >= 0


def _line(line: list[Any], currency: str) -> Terms:
    """One line: net = quantity × price ÷ base quantity − discount (PEPPOL-EN16931-R120).

    A price is never negative (BR-27): the sign goes to the quantity. Of a part of a period the price is the one of its
    days, and the base quantity the days of the whole period, so that both stay exact (docs/decisions/0017).
    """
    position, _kind, name, detail, quantity, unit, price, _discount, category, rate, net = line[:11]
    name, detail = one_line(name), one_line(detail)
    days, of_days = (line[11], line[12]) if len(line) > 12 else (1, 1)
    count, each = Decimal(quantity), Decimal(price)
    if each < 0:
        count, each = -count, -each
    values: Terms = {
        "BT-126": str(position),
        "BT-129": plain(count),
        "BT-130": unit_code(unit),
        "BT-131": decimal_text(net, currency),
        "BT-146": plain(each * days),
        "BT-151": category,
        "BT-153": name or detail or "-",
    }
    if category != "O":
        values["BT-152"] = rate
    if of_days > 1:
        values["BT-149"] = str(of_days)
    _put(values, {"BT-154": detail if name else ""})
    _line_discount(values, line, currency, Fraction(days, of_days))
    return values


def _line_discount(values: Terms, line: list[Any], currency: str, part: Fraction) -> None:
    """The discount as an allowance of the line (BG-27); and what rounding to whole units of a currency without decimals
    leaves, which Peppol would take for an error beyond 0.02 (R120)."""
    quantity, price, discount = Decimal(line[4]), Decimal(line[6]), Decimal(line[7])
    net = Decimal(values["BT-131"])
    worth = Decimal(values["BT-129"]) * Decimal(values["BT-146"]) / Decimal(values.get("BT-149", "1"))
    if discount:
        gross_minor = line_net_minor(quantity, price, Decimal(0), currency, part=part)
        less_minor = gross_minor - line[10]
        if less_minor > 0:
            less = decimal_text(less_minor, currency)
            allowance: Terms = {"amount": less, "reason_code": "95", "reason": "Discount"}
            if line_net_minor(quantity, price, discount, currency, part=part) == line[10]:
                # of a share of a line, rounded from its beginning, the percentage would not fit
                allowance |= {"base_amount": decimal_text(gross_minor, currency), "rate": plain(discount)}
            values["BG-27"] = [allowance]
            worth -= Decimal(less)
        elif less_minor < 0:
            more = decimal_text(-less_minor, currency)
            values["BG-28"] = [{"amount": more, "reason": "Discount"}]
            worth += Decimal(more)
    rest = (net - worth).quantize(Decimal("0.01"), ROUND_HALF_UP)
    if abs(rest) > Decimal("0.02"):
        values.setdefault("BG-28" if rest > 0 else "BG-27", []).append({"amount": str(abs(rest)), "reason": "Rounding"})


def plain(value: Decimal) -> str:
    """A decimal as the shortest plain text."""
    return f"{value.normalize():f}" if value else "0"


SEPA = frozenset(
    "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GI GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE SI "
    "SK SM VA".split()
)


def _payment_means(terms: Terms, head: Head, content: Mapping[str, Any], *, paid: bool) -> None:
    """BG-16. How it was paid where that is known (`means`), else by transfer to the seller's account."""
    seller, means = content["seller"], content.get("means") or {}
    if means.get("code"):
        terms["BT-81"] = means["code"]
        _put(
            terms,
            {
                "BT-87": means.get("card", ""),
                "BT-87-1": means.get("network", "") or ("NA" if means.get("card") else ""),
                "BT-89": means.get("mandate", ""),
                "BT-90": means.get("creditor", ""),
                "BT-91": means.get("account", ""),
            },
        )
        if means["code"] not in {"30", "58"}:
            return
    elif paid or head.kind == "credit_note":
        terms["BT-81"] = "1"  # nothing is to be paid by the buyer: the instrument is not said
        return
    if seller.get("iban"):
        iban = "".join(seller["iban"].split())
        terms["BT-81"] = "58" if head.currency == "EUR" and iban[:2] in SEPA else "30"
        terms |= {"BT-83": head.reference or head.number, "BT-84": iban}
        _put(
            terms,
            {
                "BT-85": one_line(seller.get("bank_account_name") or seller["legal_name"]),
                "BT-86": "".join(str(seller.get("bic", "")).split()),
            },
        )
