"""Whether an e-invoice adds up, by the rules of EN 16931-1 and with the tolerance that its official checks grant.

Sums are exact after rounding to two decimals; VAT of a group may be off by less than one unit of the currency (BR-CO-17,
BR-S-08 and their sisters), since the standard leaves open how its maker rounded. Amounts below zero are
allowed: a document that takes back is one (BT-112 has no sign rule), and halves are rounded away from zero on both sides.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from portico.billing.documents.reading.found import CREDIT_NOTES, INVOICES, Found
from portico.kit.errors import Invalid
from portico.kit.money import EXPONENTS, MOST_MINOR

CENT = Decimal("0.01")
FIRST_YEAR, LAST_YEAR = 1970, 2999
MOST_NUMBER = Decimal(10) ** 14
"""The largest quantity or price; our columns hold a little more."""
TAXED = {"S", "L", "M", "B"}
"""Categories in which VAT may be above zero (UNTDID 5305: standard, IGIC, IPSI, split payment)."""
CATEGORIES = {*TAXED, "Z", "E", "AE", "K", "G", "O"}


def check(found: Found) -> None:
    """Raises Invalid with the first thing that is missing or does not add up, and the rule that says so."""
    for problem in _problems(found):
        raise Invalid(problem)


def _problems(found: Found) -> Iterator[str]:
    yield from _missing(found)
    yield from _out_of_bounds(found)
    yield from _too_fine(found)
    yield from _sums(found)
    yield from _vat(found)


def _missing(found: Found) -> Iterator[str]:
    if not found.number:
        yield "It has no number (BR-02)."
    if len(found.number) > 200:
        yield "Its number is longer than 200 characters."
    if found.type_code not in CREDIT_NOTES | INVOICES:
        yield f"This is not an invoice: its type code is {found.type_code[:10]!r} (BT-3, BR-CL-01)."
    if found.currency not in EXPONENTS:
        yield f"{found.currency[:10]!r} is not a currency (BR-05, BR-CL-04)."
    if not found.seller.name:
        yield "The seller has no name (BR-06)."
    if not found.buyer.name:
        yield "The buyer has no name (BR-07)."
    if not found.lines:
        yield "It has no line (BR-16)."
    if not found.groups:
        yield "It has no VAT breakdown (BR-CO-18)."
    used = {line.category for line in found.lines} | {extra.category for extra in found.extras}
    for category in used | {group.category for group in found.groups}:
        if category not in CATEGORIES:
            yield f"{category[:10]!r} is not a VAT category (BR-CO-04, BR-CL-17)."


def _out_of_bounds(found: Found) -> Iterator[str]:
    """What no invoice says, and no column of ours holds."""
    days = {"issue date (BT-2)": found.issued_on, "due date (BT-9)": found.due_on,
            "delivery date (BT-72)": found.delivered_on}  # fmt: skip
    for what, day in days.items():
        if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
            yield f"Its {what} is {day}: no invoice is of that year."
    for place, line in enumerate(found.lines, 1):
        unit_price = line.price / line.base_quantity if line.base_quantity else line.price
        for what, number in (
            ("quantity (BT-129)", line.quantity), ("price (BT-146)", line.price),
            ("price base (BT-149)", line.base_quantity), ("price of one unit", unit_price),
        ):  # fmt: skip
            if not -MOST_NUMBER <= number <= MOST_NUMBER:
                yield f"The {what} of line {place} is larger than this portal counts."
    rates = {one.rate for one in found.lines} | {one.rate for one in found.extras} | {one.rate for one in found.groups}
    for rate in rates:
        if not 0 <= rate <= 100:
            yield f"{rate} is not a VAT rate: it is between 0 and 100 percent."


def _too_fine(found: Found) -> Iterator[str]:
    """Two decimals at most (BR-DEC-…), and no more than the currency has."""
    places = min(EXPONENTS[found.currency], 2)
    stated = {
        "the sum of line nets (BT-106)": found.lines_net, "the sum of allowances (BT-107)": found.allowances,
        "the sum of charges (BT-108)": found.charges, "the total without VAT (BT-109)": found.net,
        "the total VAT (BT-110)": found.vat, "the total with VAT (BT-112)": found.total,
        "the paid amount (BT-113)": found.prepaid, "the rounding amount (BT-114)": found.rounding,
        "the amount due (BT-115)": found.due,
    }  # fmt: skip
    parts = [
        *((f"the net of line {place} (BT-131)", line.net) for place, line in enumerate(found.lines, 1)),
        *(("an allowance or charge (BT-92, BT-99)", extra.amount) for extra in found.extras),
        *(("a VAT base (BT-116)", group.base) for group in found.groups),
        *(("a VAT amount (BT-117)", group.vat) for group in found.groups),
    ]
    for what, amount in (*stated.items(), *parts):
        if amount != amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):
            yield f"{amount} as {what} is finer than {found.currency} allows (BR-DEC)."
        if abs(amount.scaleb(EXPONENTS[found.currency])) > MOST_MINOR:
            yield f"{amount} as {what} is larger than this portal counts."


def _sums(found: Found) -> Iterator[str]:
    lines = sum((line.net for line in found.lines), Decimal(0))
    allowances = sum((one.amount for one in found.extras if not one.is_charge), Decimal(0))
    charges = sum((one.amount for one in found.extras if one.is_charge), Decimal(0))
    for rule, what, stands, makes in (
        ("BR-CO-10", "sum of line nets", found.lines_net, lines),
        ("BR-CO-11", "sum of allowances", found.allowances, allowances),
        ("BR-CO-12", "sum of charges", found.charges, charges),
        ("BR-CO-13", "total without VAT", found.net, found.lines_net - found.allowances + found.charges),
        ("BR-CO-14", "total VAT", found.vat, sum((group.vat for group in found.groups), Decimal(0))),
        ("BR-CO-15", "total with VAT", found.total, found.net + found.vat),
        ("BR-CO-16", "amount due", found.due, found.total - found.prepaid + found.rounding),
    ):
        if stands != makes.quantize(CENT, ROUND_HALF_UP):
            yield f"The {what} is {stands}, its parts make {makes} ({rule})."


def _vat(found: Found) -> Iterator[str]:
    bases: dict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for line in found.lines:
        bases[line.category, line.rate] += line.net
    for extra in found.extras:
        bases[extra.category, extra.rate] += extra.amount if extra.is_charge else -extra.amount
    groups: dict[tuple[str, Decimal], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for group in found.groups:
        groups[group.category, group.rate][0] += group.base
        groups[group.category, group.rate][1] += group.vat
    for (category, rate), (base, vat) in groups.items():
        what = f"VAT {category} {rate.normalize():f} %"
        if category not in TAXED and vat:
            yield f"{what}: there is no VAT in this category, {vat} stands there (BR-{category}-09)."
        exact = (base * rate / 100).quantize(CENT, ROUND_HALF_UP)
        if abs(vat - exact) >= 1:
            yield f"{what} of {base} is {exact}, {vat} stands there (BR-CO-17)."
        if abs(base - bases.get((category, rate), Decimal(0))) >= 1:
            yield f"{what}: its base is {base}, its lines make {bases.get((category, rate), Decimal(0))} (BR-{category}-08)."
    for (category, rate), base in bases.items():
        if (category, rate) not in groups and base:
            yield f"VAT {category} {rate.normalize():f} % of {base} is missing in the breakdown (BR-{category}-01)."
