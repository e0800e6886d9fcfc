"""The one pricing: preview, quotation, order and invoice all ask it. Pure: no database, no clock, no writes.

EN 16931 arithmetic in integer minor units: line nets rounded once and summed exactly (BR-CO-10), grouped by VAT category and
rate, VAT per group rounded once (BR-CO-17), totals adding up exactly (BR-CO-13, BR-CO-15).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from django.utils.translation import gettext as _

from portico.kit.errors import Invalid
from portico.kit.money import MOST_MINOR, exponent, line_net_minor, round_half_away
from portico.kit.periods import Period

Key = tuple[str, Decimal]
"""What makes a VAT group: category and rate."""

COUNTED = {"line", "allowance", "charge"}
"""The kinds of line that have an amount."""


@dataclass(frozen=True)
class LineIn:
    """What is priced. `kind`: line, allowance or charge (document level, amount = `unit_price`); others do not count.

    `part` is the share of a period that is charged, for what joins a subscription in its middle (`remaining_fraction`).
    """

    key: int
    kind: str
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    vat_category: str
    vat_rate: Decimal
    part: Fraction = Fraction(1)


@dataclass(frozen=True)
class Offered(LineIn):
    """A line of an offer: what the customer may leave out, include, or take in another quantity."""

    name: str = ""
    optional: bool = False
    selected: bool = True
    quantity_min: Decimal | None = None
    quantity_max: Decimal | None = None


@dataclass(frozen=True)
class PricedLine:
    """A line with its amounts: `gross − allowance = net` (BT-131). All in minor units, positive for allowances too."""

    key: int
    kind: str
    gross_minor: int
    allowance_minor: int
    net_minor: int
    vat_category: str
    vat_rate: Decimal


@dataclass(frozen=True)
class VatGroup:
    """One VAT category and rate (BG-23): taxable base and VAT."""

    category: str
    rate: Decimal
    base_minor: int
    vat_minor: int


@dataclass(frozen=True)
class Priced:
    """The amounts of a document, minor units of `currency`."""

    currency: str
    lines: tuple[PricedLine, ...]
    groups: tuple[VatGroup, ...]
    lines_net_minor: int
    """BT-106"""
    allowances_minor: int
    """BT-107"""
    charges_minor: int
    """BT-108"""

    @property
    def net_minor(self) -> int:
        """BT-109 = BT-106 − BT-107 + BT-108 (BR-CO-13)."""
        return self.lines_net_minor - self.allowances_minor + self.charges_minor

    @property
    def vat_minor(self) -> int:
        """BT-110 = Σ BT-117 (BR-CO-14)."""
        return sum(group.vat_minor for group in self.groups)

    @property
    def total_minor(self) -> int:
        """BT-112 = BT-109 + BT-110 (BR-CO-15)."""
        return self.net_minor + self.vat_minor


def price(lines: Iterable[LineIn], currency: str) -> Priced:
    """Price `lines` in `currency`; Invalid when a number is beyond what the product counts."""
    counted = [price_line(line, currency) for line in lines if line.kind in COUNTED]
    priced = Priced(
        currency=currency,
        lines=tuple(counted),
        groups=_groups(bases_of(counted)),
        lines_net_minor=sum(line.net_minor for line in counted if line.kind == "line"),
        allowances_minor=sum(line.net_minor for line in counted if line.kind == "allowance"),
        charges_minor=sum(line.net_minor for line in counted if line.kind == "charge"),
    )
    if abs(priced.total_minor) > MOST_MINOR or sum(abs(line.net_minor) for line in counted) > MOST_MINOR:
        raise Invalid(_("The total is larger than this portal counts. Split it into several documents."))
    return priced


def price_line(line: LineIn, currency: str) -> PricedLine:
    """One line: gross = quantity × price, net with the discount, each rounded once half away from zero."""
    if not (line.vat_rate.is_finite() and 0 <= line.vat_rate <= 100):
        raise Invalid(_("A VAT rate is between 0 and 100 percent."))
    gross = line_net_minor(line.quantity, line.unit_price, Decimal(0), currency, part=line.part)
    net = gross
    if line.discount_percent:
        net = line_net_minor(line.quantity, line.unit_price, line.discount_percent, currency, part=line.part)
    return PricedLine(line.key, line.kind, gross, gross - net, net, line.vat_category, line.vat_rate)


def bases_of(lines: Iterable[PricedLine]) -> dict[Key, int]:
    """The base of each VAT group: lines − allowances + charges (BT-116)."""
    bases: dict[Key, int] = defaultdict(int)
    for line in lines:
        bases[line.vat_category, line.vat_rate] += -line.net_minor if line.kind == "allowance" else line.net_minor
    return dict(bases)


def vat_minor(base_minor: int, rate: Decimal) -> int:
    """VAT of a group: base × rate, rounded once half away from zero (BR-CO-17)."""
    return round_half_away(Fraction(base_minor) * Fraction(rate) / 100)


def _groups(bases: Mapping[Key, int]) -> tuple[VatGroup, ...]:
    return _in_order(VatGroup(category, rate, base, vat_minor(base, rate)) for (category, rate), base in bases.items())


def _in_order(groups: Iterable[VatGroup]) -> tuple[VatGroup, ...]:
    return tuple(sorted(groups, key=lambda group: (group.category, -group.rate)))


# The invoices of one order ---------------------------------------------------------------------------------------------


def deposit(priced: Priced, percent: Decimal) -> Priced:
    """The deposit: `percent` of each VAT group's base, rounded, plus its VAT. This one sum is shown everywhere."""
    if not (percent.is_finite() and 0 <= percent <= 100):
        raise Invalid(_("A deposit is between 0 and 100 percent."))
    bases = {
        (group.category, group.rate): round_half_away(Fraction(group.base_minor) * Fraction(percent) / 100)
        for group in priced.groups
    }
    return Priced(
        currency=priced.currency,
        lines=(),
        groups=_groups(bases),
        lines_net_minor=sum(bases.values()),
        allowances_minor=0,
        charges_minor=0,
    )


def share_minor(net_minor: int, quantity: Decimal, upto: Decimal) -> int:
    """What the first `upto` of a line's `quantity` cost of its net, rounded once.

    An invoice of a part takes `share_minor(…, upto now) − share_minor(…, upto before)`: counted from the beginning, the
    parts add up to the line exactly, in however many steps. Such a part is at most one and a half minor units from its own
    quantity × price (Peppol's R120 allows two cents). Raises ValueError when `upto` is not between nothing and all.
    """
    part = Fraction(upto) / Fraction(quantity)
    if not 0 <= part <= 1:
        raise ValueError("a share is between nothing and all of the quantity")
    return round_half_away(net_minor * part)


def invoice_groups(
    order: Iterable[VatGroup], before: Iterable[VatGroup], bases: Mapping[Key, int], currency: str, *, last: bool
) -> tuple[VatGroup, ...]:
    """The VAT groups of one invoice of an order, such that all its invoices add up to the order to the minor unit.

    `order` holds the order's groups; `before` those of every earlier invoice, deposit invoices included (what a credit
    note gave back: negated); `bases` the bases of this invoice's own lines, deducted deposits included as negative.

    VAT is base × rate rounded once (BR-CO-17). The last invoice takes what is left of the order's VAT instead; that differs
    from its own base × rate by the roundings before it, at most half a minor unit for each earlier invoice. The official
    schematron allows less than one unit of the currency (BR-CO-17, BR-S-09: `abs(VAT) - 1 < … < abs(VAT) + 1`). So where
    roundings would pile up to half a unit (a hundred invoices in EUR, two in JPY), an invoice before the last settles them.
    An invoice that leaves no less than nothing of the order's base takes no more than is left of its VAT either, so that the
    last one is never below zero by roundings alone.

    Raises ValueError when the last invoice's lines do not leave exactly nothing of the order's bases.
    """
    whole = {(group.category, group.rate): group for group in order}
    billed: dict[Key, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for group in before:
        base, vat = billed[group.category, group.rate]
        billed[group.category, group.rate] = (base + group.base_minor, vat + group.vat_minor)
    groups = []
    for category, rate in {**bases, **(whole if last else {})}:
        key, base = (category, rate), bases.get((category, rate), 0)
        billed_base, billed_vat = billed[key]
        if last:
            if key not in whole or whole[key].base_minor - billed_base != base:
                raise ValueError("the lines of the last invoice are not what is left of the order")
            vat = whole[key].vat_minor - billed_vat
        else:
            vat = vat_minor(base, rate)
            drift = billed_vat + vat - Fraction(billed_base + base) * Fraction(rate) / 100
            if 2 * abs(drift) >= 10 ** exponent(currency):
                vat = vat_minor(billed_base + base, rate) - billed_vat
            if base > 0 and key in whole and whole[key].base_minor >= billed_base + base:
                vat = min(vat, max(whole[key].vat_minor - billed_vat, 0))
        if key in bases or base or vat:
            groups.append(VatGroup(category, rate, base, vat))
    return _in_order(groups)


# What the customer chooses ---------------------------------------------------------------------------------------------


def choose(lines: Sequence[Offered], choices: Mapping[int, Decimal]) -> list[Offered]:
    """The lines of an offer that the customer takes, with its quantities; keys map to quantities, 0 leaves a line out.

    A line without a choice stays as the seller proposes it. Raises Invalid for a line that is not there, is fixed, a
    quantity that is not allowed, and when nothing at all is taken.
    """
    unknown = set(choices) - {line.key for line in lines}
    if unknown:
        raise Invalid(_("One of the chosen lines is not on this quotation. Reload the page and choose again."))
    taken = []
    for line in lines:
        quantity = choices.get(line.key)
        if quantity is None:
            quantity = line.quantity if line.selected or not line.optional else Decimal(0)
        elif not quantity.is_finite() or quantity != line.quantity:
            _refuse_quantity(line, quantity)
        if line.kind != "line":
            taken.append(line)
        elif quantity:
            taken.append(replace(line, quantity=quantity))
    if choices and not any(line.kind == "line" for line in taken):
        raise Invalid(_("Choose at least one line. If you need nothing of this, reject the quotation."))
    return taken


def _refuse_quantity(line: Offered, quantity: Decimal) -> None:
    """Raise Invalid unless the customer may take this other quantity of the line."""
    name = {"name": line.name}
    if not quantity.is_finite() or line.kind != "line":
        raise Invalid(_("%(name)s cannot be changed.") % name)
    if quantity == 0:
        if line.optional:
            return
        raise Invalid(_("%(name)s is part of this quotation and cannot be left out. Ask for changes instead.") % name)
    if line.quantity_min is None or line.quantity_max is None:
        raise Invalid(_("The quantity of %(name)s is fixed. Ask for changes instead.") % name)
    if not line.quantity_min <= quantity <= line.quantity_max:
        allowed = {"least": f"{line.quantity_min.normalize():f}", "most": f"{line.quantity_max.normalize():f}"}
        raise Invalid(_("%(name)s: choose a quantity from %(least)s to %(most)s.") % (name | allowed))
    if (quantity - line.quantity) % 1:
        raise Invalid(_("%(name)s: choose a whole step up or down.") % name)


# What joins in the middle of a period ----------------------------------------------------------------------------------


def remaining_fraction(period: Period, effective: date) -> Fraction:
    """The part of `period` from `effective` to its end: remaining days ÷ days, half-open `[effective, end)` (DOMAIN 7).

    It is a `LineIn.part`; numerator and denominator are stored with the quotation. Raises ValueError when `effective`
    lies outside the period.
    """
    if effective not in period:
        raise ValueError("the change must lie inside the period")
    return Fraction((period.end - effective).days, period.days)


def major(minor: int, currency: str) -> Decimal:
    """Minor units as an exact amount in the major unit: 80493 EUR → 804.93."""
    return Decimal(minor).scaleb(-exponent(currency))
