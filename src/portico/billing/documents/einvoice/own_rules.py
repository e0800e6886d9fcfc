"""The rules of EN 16931 asked before there is a number, in words a colleague understands. Pure; a third of a millisecond.

A quotation is asked when it is sent, an invoice again before its number is taken. The official rules, asked after issue
(`checker`), are the measure; these here catch while it can still be mended what people can get wrong: who the parties are,
categories of VAT that do not fit, sums that do not add up. Rules are named as the standard, KoSIT (BR-DE) and OpenPeppol
name them; Peppol's own are asked of the written file by `peppol_rules`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from portico.billing.documents.einvoice.terms import Terms
from portico.kit.electronic import PEPPOL_SCHEMES, scheme_problem
from portico.kit.money import exponent

WITHOUT_VAT = {"Z", "E", "AE", "K", "G", "O"}
TAXED_BY_RULE = {"AE": "BR-AE-05", "K": "BR-IC-05", "G": "BR-G-05", "Z": "BR-Z-05", "E": "BR-E-05"}


@dataclass(frozen=True)
class Finding:
    """A rule that is not kept, and what to do about it."""

    rule: str
    words: str

    def __str__(self) -> str:
        return f"{self.words} ({self.rule})"


def findings(terms: Terms, profile: str) -> list[Finding]:
    """What is wrong with the paper; empty when it may be issued."""
    asked: tuple[Callable[[Terms], Iterator[Finding]], ...] = (_parties, _lines, _sums, _vat, _payment)
    found = [finding for ask in asked for finding in ask(terms)]
    if profile == "xrechnung":
        found += _xrechnung(terms)
    if profile == "peppol":
        found += _peppol(terms)
    return found


def _parties(terms: Terms) -> Iterator[Finding]:
    seller, buyer = terms["BG-4"], terms["BG-7"]
    if not seller["name"]:
        yield Finding("BR-06", _("Your company's legal name is missing. Enter it under Settings."))
    if not buyer["name"]:
        yield Finding("BR-07", _("The customer's legal name is missing."))
    if not seller["country_code"]:
        yield Finding("BR-09", _("Your company's country is missing. Enter it under Settings."))
    if not buyer["country_code"]:
        yield Finding("BR-11", _("The customer's country is missing."))
    if not (seller.get("legal_identifier") or seller.get("vat_identifier") or seller.get("identifiers")):
        yield Finding(
            "BR-CO-26",
            _(
                "Enter your company's VAT number or its registration under Settings: the customer must know who you are."
            ),
        )
    for party, rule in ((seller, "BT-31"), (buyer, "BT-48")):
        number = party.get("vat_identifier", "")
        if number and not (number[:2].isalpha() and number[:2].isupper()):
            yield Finding(
                "BR-CO-09",
                _("The VAT number %(number)s has no country in front (%(term)s).") % {"number": number, "term": rule},
            )


def _lines(terms: Terms) -> Iterator[Finding]:
    if not terms["BG-25"]:
        yield Finding("BR-16", _("An invoice needs at least one line with a price."))
    for line in terms["BG-25"]:
        if not line["BT-153"].strip("-"):
            yield Finding("BR-25", _("Line %(number)s has no name.") % {"number": line["BT-126"]})
        yield from _line_net(line, terms["BT-5"])


def _line_net(line: Terms, currency: str) -> Iterator[Finding]:
    """Net = quantity × price ÷ base quantity − allowances + charges; a share of a line may be two minor units off."""
    worth = Decimal(line["BT-129"]) * Decimal(line["BT-146"]) / Decimal(line.get("BT-149", "1"))
    less = sum((Decimal(one["amount"]) for one in line.get("BG-27", [])), Decimal(0))
    more = sum((Decimal(one["amount"]) for one in line.get("BG-28", [])), Decimal(0))
    slack = Decimal(2).scaleb(-exponent(currency))
    if abs(worth - less + more - Decimal(line["BT-131"])) > slack:
        yield Finding(
            "PEPPOL-EN16931-R120",
            _("Line %(number)s, %(name)s: its amount is not its quantity times its price.")
            % {"number": line["BT-126"], "name": line["BT-153"]},
        )


def _sums(terms: Terms) -> Iterator[Finding]:
    lines = _sum(line["BT-131"] for line in terms["BG-25"])
    allowances = _sum(one["amount"] for one in terms.get("BG-20", []))
    charges = _sum(one["amount"] for one in terms.get("BG-21", []))
    net, vat, total = (Decimal(terms[term]) for term in ("BT-109", "BT-110", "BT-112"))
    paid = Decimal(terms.get("BT-113", "0"))
    for rule, said, counted in (
        ("BR-CO-10", Decimal(terms["BT-106"]), lines),
        ("BR-CO-11", Decimal(terms.get("BT-107", "0")), allowances),
        ("BR-CO-12", Decimal(terms.get("BT-108", "0")), charges),
        ("BR-CO-13", net, lines - allowances + charges),
        ("BR-CO-14", vat, _sum(group["BT-117"] for group in terms["BG-23"])),
        ("BR-CO-15", total, net + vat),
        ("BR-CO-16", Decimal(terms["BT-115"]), total - paid),
    ):
        if said != counted:
            yield Finding(
                rule,
                _("The sums do not add up: %(said)s stands where %(counted)s is counted. Tell support.")
                % {"said": said, "counted": counted},
            )


def _vat(terms: Terms) -> Iterator[Finding]:
    groups = {(group["BT-118"], group.get("BT-119", "0")): group for group in terms["BG-23"]}
    if not groups:
        yield Finding("BR-CO-18", _("There is no VAT group."))
    bases: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for line in terms["BG-25"]:
        bases[line["BT-151"], line.get("BT-152", "0")] += Decimal(line["BT-131"])
    for sign, name in ((-1, "BG-20"), (1, "BG-21")):
        for one in terms.get(name, []):
            bases[one["vat_category_code"], one.get("vat_rate", "0")] += sign * Decimal(one["amount"])
    for key, base in bases.items():
        if key not in groups:
            yield Finding("BR-CO-18", _("No VAT group has the lines of category %(category)s.") % {"category": key[0]})
        elif Decimal(groups[key]["BT-116"]) != base:
            yield Finding(
                f"BR-{_rule_of(key[0])}-08",
                _("The VAT group of category %(category)s does not have the base of its lines. Tell support.")
                % {"category": key[0]},
            )
    for group in groups.values():
        yield from _group(terms, group)
    categories = {category for category, _rate in groups}
    if "O" in categories and len(categories) > 1:
        yield Finding(
            "BR-O-11",
            _("Lines outside the scope of VAT cannot stand beside others. Put goods and services on two quotations."),
        )


def _group(terms: Terms, group: Terms) -> Iterator[Finding]:
    """One group: its rate, its VAT, its reason, and who must be named with a tax number."""
    category, rate = group["BT-118"], Decimal(group.get("BT-119", "0"))
    seller, buyer = terms["BG-4"], terms["BG-7"]
    named = {"category": category}
    if category == "S" and rate <= 0:
        yield Finding("BR-S-05", _("The standard VAT category needs a rate above zero."))
    if category in TAXED_BY_RULE and rate:
        yield Finding(
            TAXED_BY_RULE[category], _("VAT category %(category)s has no rate. Set the rate to zero.") % named
        )
    # the last invoice of an order takes the remainder of its VAT: the standard allows less than one unit of the currency
    if abs(Decimal(group["BT-116"]) * rate / 100 - Decimal(group["BT-117"])) >= 1:
        yield Finding(
            "BR-CO-17", _("The VAT of category %(category)s is not its base times its rate. Tell support.") % named
        )
    if category in {"E", "AE", "K", "G", "O"} and not (group.get("BT-120") or group.get("BT-121")):
        yield Finding(
            f"BR-{_rule_of(category)}-10", _("It must say why no VAT is charged (category %(category)s).") % named
        )
    if category in {"S", "Z", "E"} and not (seller.get("vat_identifier") or seller.get("tax_identifier")):
        yield Finding(
            f"BR-{category}-02",
            _("Enter your company's VAT number or tax number under Settings: VAT cannot be charged without."),
        )
    if category in {"AE", "K", "G"} and not seller.get("vat_identifier"):
        yield Finding(
            f"BR-{_rule_of(category)}-02",
            _("Enter your company's VAT number under Settings: without it VAT cannot be left out."),
        )
    if category in {"AE", "K"} and not buyer.get("vat_identifier"):
        yield Finding(
            f"BR-{_rule_of(category)}-02",
            _("The customer's VAT number is missing: without it VAT cannot be left out. Enter and check it first."),
        )
    if category == "K":
        if not (terms.get("BT-72") or terms.get("BT-73")):
            yield Finding("BR-IC-11", _("Goods to another EU country need the day of delivery."))
        if not terms.get("BG-13", {}).get("country_code"):
            yield Finding("BR-IC-12", _("Goods to another EU country need the country of delivery."))


def _payment(terms: Terms) -> Iterator[Finding]:
    if Decimal(terms["BT-115"]) > 0 and not (terms.get("BT-9") or terms.get("BT-20")) and terms["BT-3"] != "381":
        yield Finding("BR-CO-25", _("Something is to be paid: say until when, or enter payment terms."))
    if terms.get("BT-81") in {"30", "58"} and not terms.get("BT-84"):
        yield Finding("BR-61", _("Enter your bank account under Settings: it says where to pay."))


def _xrechnung(terms: Terms) -> Iterator[Finding]:
    """KoSIT's rules for invoices to German authorities."""
    seller, buyer = terms["BG-4"], terms["BG-7"]
    contact = (seller.get("contacts") or [{}])[0]
    asked = (
        ("BR-DE-1", terms.get("BT-81"), _("XRechnung needs a way to pay: enter your bank account under Settings.")),
        (
            "BR-DE-5",
            contact.get("name"),
            _("XRechnung needs a contact at your company: enter its name under Settings."),
        ),
        (
            "BR-DE-6",
            contact.get("phone"),
            _("XRechnung needs a telephone number of your company: enter it under Settings."),
        ),
        (
            "BR-DE-7",
            contact.get("email"),
            _("XRechnung needs an e-mail address of your company: enter it under Settings."),
        ),
        ("BR-DE-3", seller.get("city"), _("XRechnung needs the city of your company: enter it under Settings.")),
        (
            "BR-DE-4",
            seller.get("postcode"),
            _("XRechnung needs the postcode of your company: enter it under Settings."),
        ),
        ("BR-DE-8", buyer.get("city"), _("XRechnung needs the customer's city.")),
        ("BR-DE-9", buyer.get("postcode"), _("XRechnung needs the customer's postcode.")),
        ("BR-DE-15", terms.get("BT-10"), _("XRechnung needs the customer's buyer reference (Leitweg-ID).")),
        *_addresses(terms, "PEPPOL-EN16931-R020", "PEPPOL-EN16931-R010", "XRechnung"),
    )
    yield from (Finding(rule, words) for rule, value, words in asked if not value)


def _peppol(terms: Terms) -> Iterator[Finding]:
    """OpenPeppol's rules, as far as its papers could break them."""
    asked = (
        (
            "PEPPOL-EN16931-R003",
            terms.get("BT-10") or terms.get("BT-13"),
            _("Peppol needs the customer's buyer reference or its order number."),
        ),
        *_addresses(terms, "PEPPOL-EN16931-R020", "PEPPOL-EN16931-R010", "Peppol"),
    )
    yield from (Finding(rule, words) for rule, value, words in asked if not value)
    words = {
        "BG-4": (
            _(
                "Peppol names participants by an identifier such as 0208:0123456749, not by an e-mail address: enter your "
                "company's under Settings."
            ),
            _("Your company's Peppol address has a typing error: correct it under Settings."),
        ),
        "BG-7": (
            _(
                "Peppol names participants by an identifier such as 0208:0123456749, not by an e-mail address: ask the "
                "customer for theirs."
            ),
            _("The customer's Peppol address has a typing error."),
        ),
    }
    for party, (no_participant, mistyped) in words.items():
        scheme, address = (terms[party].get(name, "") for name in ("einvoicing_addr_schemeid", "einvoicing_addr"))
        if address and scheme not in PEPPOL_SCHEMES:
            yield Finding("PEPPOL-EN16931-CL008", no_participant)
        elif rule := scheme_problem(scheme, address):
            yield Finding(f"PEPPOL-{rule}", mistyped)


def _addresses(terms: Terms, seller: str, buyer: str, network: str) -> tuple[tuple[str, object, str], ...]:
    named = {"network": network}
    return (
        (
            seller,
            terms["BG-4"].get("einvoicing_addr"),
            _("%(network)s needs your company's electronic address: enter it under Settings.") % named,
        ),
        (
            buyer,
            terms["BG-7"].get("einvoicing_addr"),
            _("%(network)s needs the customer's address for e-invoices.") % named,
        ),
    )


def _rule_of(category: str) -> str:
    """The standard names the rules of category K by IC."""
    return {"K": "IC"}.get(category, category)


def _sum(amounts: Iterator[str]) -> Decimal:
    return sum((Decimal(amount) for amount in amounts), Decimal(0))
