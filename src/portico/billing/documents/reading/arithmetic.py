"""Whether an e-invoice adds up, by the rules of EN 16931-1 and with the tolerance that its official checks grant.

Sums are exact after rounding to two decimals; VAT of a group may be off by less than one unit of the currency (BR-CO-17,
BR-S-08 and their sisters), since the standard leaves open how its maker rounded. Amounts below zero are
allowed: a document that takes back is one (BT-112 has no sign rule), and halves are rounded away from zero on both sides.
"""

from collections import defaultdict
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from portico.billing.documents.reading.found import CREDIT_NOTES, INVOICES, Found
from portico.billing.documents.reading.reasons import Unreadable
from portico.billing.documents.reading.xml import MOST_LINES
from portico.kit.money import EXPONENTS, MOST_MINOR

CENT = Decimal("0.01")
FIRST_YEAR, LAST_YEAR = 1970, 2999
MOST_CHARACTERS = 200
"""The longest number of an invoice."""
MOST_NUMBER = Decimal(10) ** 14
"""The largest quantity or price; our columns hold a little more."""
TAXED = {"S", "L", "M", "B"}
"""Categories in which VAT may be above zero (UNTDID 5305: standard, IGIC, IPSI, split payment)."""
CATEGORIES = {*TAXED, "Z", "E", "AE", "K", "G", "O"}


def check(found: Found) -> None:
    """Raises Unreadable with the first thing that is missing or does not add up, and the rule that says so."""
    for problem in _problems(found):
        raise problem


def _problems(found: Found) -> Iterator[Unreadable]:
    yield from _missing(found)
    yield from _out_of_bounds(found)
    yield from _too_fine(found)
    yield from _sums(found)
    yield from _vat(found)


def _missing(found: Found) -> Iterator[Unreadable]:
    if not found.number:
        yield Unreadable("no_number")
    if len(found.number) > MOST_CHARACTERS:
        yield Unreadable("long_number", most=MOST_CHARACTERS)
    if found.type_code not in CREDIT_NOTES | INVOICES:
        yield Unreadable("not_type", value=repr(found.type_code[:10]))
    if found.currency not in EXPONENTS:
        yield Unreadable("not_currency", value=repr(found.currency[:10]))
    if not found.seller.name:
        yield Unreadable("no_seller")
    if not found.buyer.name:
        yield Unreadable("no_buyer")
    if not found.lines:
        yield Unreadable("no_line")
    if len(found.lines) > MOST_LINES:
        yield Unreadable("many_lines", most=MOST_LINES)
    if not found.groups:
        yield Unreadable("no_breakdown")
    used = {line.category for line in found.lines} | {extra.category for extra in found.extras}
    for category in used | {group.category for group in found.groups}:
        if category not in CATEGORIES:
            yield Unreadable("not_category", value=repr(category[:10]))


def _out_of_bounds(found: Found) -> Iterator[Unreadable]:
    """What no invoice says, and no column of ours holds."""
    for term, day in {"BT-2": found.issued_on, "BT-9": found.due_on, "BT-72": found.delivered_on}.items():
        if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
            yield Unreadable("no_year", term=term, value=day)
    for place, line in enumerate(found.lines, 1):
        unit_price = line.price / line.base_quantity if line.base_quantity else line.price
        for term, number in (
            ("BT-129", line.quantity), ("BT-146", line.price), ("BT-149", line.base_quantity), ("BT-146", unit_price),
        ):  # fmt: skip
            if not -MOST_NUMBER <= number <= MOST_NUMBER:
                yield Unreadable("large_of_line", term=term, line=place)
    rates = {one.rate for one in found.lines} | {one.rate for one in found.extras} | {one.rate for one in found.groups}
    for rate in rates:
        if not 0 <= rate <= 100:
            yield Unreadable("not_rate", value=rate)


def _too_fine(found: Found) -> Iterator[Unreadable]:
    """Two decimals at most (BR-DEC-…), and no more than the currency has."""
    finest = Decimal(1).scaleb(-min(EXPONENTS[found.currency], 2))
    stated = [
        ("BT-106", found.lines_net), ("BT-107", found.allowances), ("BT-108", found.charges), ("BT-109", found.net),
        ("BT-110", found.vat), ("BT-112", found.total), ("BT-113", found.prepaid), ("BT-114", found.rounding),
        ("BT-115", found.due),
    ]  # fmt: skip
    stated += [("BT-92", extra.amount) for extra in found.extras]
    stated += [("BT-116", group.base) for group in found.groups] + [("BT-117", group.vat) for group in found.groups]
    amounts = [(term, amount, 0) for term, amount in stated]
    amounts += [("BT-131", line.net, place) for place, line in enumerate(found.lines, 1)]
    for term, amount, place in amounts:
        if amount != amount.quantize(finest, ROUND_HALF_UP):
            if place:
                yield Unreadable("too_fine_of_line", term=term, line=place, value=amount, currency=found.currency)
            yield Unreadable("too_fine", term=term, value=amount, currency=found.currency)
        if abs(amount.scaleb(EXPONENTS[found.currency])) > MOST_MINOR:
            yield Unreadable("large", term=term, value=amount)


def _sums(found: Found) -> Iterator[Unreadable]:
    lines = sum((line.net for line in found.lines), Decimal(0))
    allowances = sum((one.amount for one in found.extras if not one.is_charge), Decimal(0))
    charges = sum((one.amount for one in found.extras if one.is_charge), Decimal(0))
    for rule, term, stands, makes in (
        ("BR-CO-10", "BT-106", found.lines_net, lines),
        ("BR-CO-11", "BT-107", found.allowances, allowances),
        ("BR-CO-12", "BT-108", found.charges, charges),
        ("BR-CO-13", "BT-109", found.net, found.lines_net - found.allowances + found.charges),
        ("BR-CO-14", "BT-110", found.vat, sum((group.vat for group in found.groups), Decimal(0))),
        ("BR-CO-15", "BT-112", found.total, found.net + found.vat),
        ("BR-CO-16", "BT-115", found.due, found.total - found.prepaid + found.rounding),
    ):
        if stands != makes.quantize(CENT, ROUND_HALF_UP):
            yield Unreadable("sum", term=term, stated=stands, made=makes, rule=rule)


def _vat(found: Found) -> Iterator[Unreadable]:
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
        what = {"category": category, "rate": f"{rate.normalize():f}"}
        if category not in TAXED and vat:
            yield Unreadable("vat_none", **what, stated=vat, rule=f"BR-{category}-09")
        exact = (base * rate / 100).quantize(CENT, ROUND_HALF_UP)
        if abs(vat - exact) >= 1:
            yield Unreadable("vat_amount", **what, base=base, made=exact, stated=vat, rule="BR-CO-17")
        made = bases.get((category, rate), Decimal(0))
        if abs(base - made) >= 1:
            yield Unreadable("vat_base", **what, stated=base, made=made, rule=f"BR-{category}-08")
    for (category, rate), base in bases.items():
        if (category, rate) not in groups and base:
            what = {"category": category, "rate": f"{rate.normalize():f}"}
            yield Unreadable("vat_missing", **what, base=base, rule=f"BR-{category}-01")
