"""The one pricing: preview, quotation, order and invoice all ask it. Pure: no database, no clock, no writes.

EN 16931 arithmetic in integer minor units: line nets rounded once and summed exactly (BR-CO-10), grouped by VAT category and
rate, VAT per group rounded once (BR-CO-17), totals adding up exactly (BR-CO-13, BR-CO-15).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from django.utils.translation import gettext as _

from portico.kit.errors import Invalid
from portico.kit.money import exponent, round_half_away
from portico.kit.periods import Period

MOST_QUANTITY = Decimal(10_000_000)
MOST_PRICE = Decimal(1_000_000_000)
MOST_TOTAL = 2**53
"""In minor units; beyond it a page's script could not count either."""


@dataclass(frozen=True)
class LineIn:
    """What is priced. `kind`: line, allowance or charge (document level, amount = `unit_price`); others do not count."""

    key: int
    kind: str
    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal
    vat_category: str
    vat_rate: Decimal


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
    counted = [price_line(line, currency) for line in lines if line.kind in {"line", "allowance", "charge"}]
    bases: dict[tuple[str, Decimal], int] = defaultdict(int)
    for line in counted:
        bases[line.vat_category, line.vat_rate] += -line.net_minor if line.kind == "allowance" else line.net_minor
    priced = Priced(
        currency=currency,
        lines=tuple(counted),
        groups=_groups(bases),
        lines_net_minor=sum(line.net_minor for line in counted if line.kind == "line"),
        allowances_minor=sum(line.net_minor for line in counted if line.kind == "allowance"),
        charges_minor=sum(line.net_minor for line in counted if line.kind == "charge"),
    )
    if abs(priced.total_minor) > MOST_TOTAL or sum(abs(line.net_minor) for line in counted) > MOST_TOTAL:
        raise Invalid(_("The total is larger than this portal counts. Split it into several documents."))
    return priced


def price_line(line: LineIn, currency: str) -> PricedLine:
    """One line: gross = quantity × price, net with the discount, each rounded once half away from zero."""
    if abs(line.quantity) > MOST_QUANTITY or abs(line.unit_price) > MOST_PRICE:
        raise Invalid(_("A quantity or price is larger than this portal counts."))
    if not 0 <= line.discount_percent <= 100:
        raise Invalid(_("A discount is between 0 and 100 percent."))
    exact = Fraction(line.quantity) * Fraction(line.unit_price) * 10 ** exponent(currency)
    gross = round_half_away(exact)
    net = round_half_away(exact * (1 - Fraction(line.discount_percent) / 100))
    return PricedLine(line.key, line.kind, gross, gross - net, net, line.vat_category, line.vat_rate)


def vat_minor(base_minor: int, rate: Decimal) -> int:
    """VAT of a group: base × rate, rounded once half away from zero (BR-CO-17)."""
    return round_half_away(Fraction(base_minor) * Fraction(rate) / 100)


def _groups(bases: Mapping[tuple[str, Decimal], int]) -> tuple[VatGroup, ...]:
    ordered = sorted(bases.items(), key=lambda item: (item[0][0], -item[0][1]))
    return tuple(VatGroup(category, rate, base, vat_minor(base, rate)) for (category, rate), base in ordered)


def deposit(priced: Priced, percent: Decimal) -> Priced:
    """The deposit: `percent` of each VAT group's base, rounded, plus its VAT. This one sum is shown everywhere."""
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


def choose(lines: Sequence[Offered], choices: Mapping[int, Decimal]) -> list[Offered]:
    """The lines of an offer that the customer takes, with its quantities; keys map to quantities, 0 leaves a line out.

    Raises Invalid for a line that is not there, is fixed, or a quantity that is not allowed.
    """
    by_key = {line.key: line for line in lines}
    unknown = set(choices) - set(by_key)
    if unknown:
        raise Invalid(_("One of the chosen lines is not on this quotation. Reload the page and choose again."))
    taken = []
    for line in lines:
        quantity = choices.get(line.key)
        if quantity is None:
            quantity = line.quantity if line.selected else Decimal(0)
        elif quantity != line.quantity:
            _refuse_quantity(line, quantity)
        if quantity or line.kind != "line":
            taken.append(_with_quantity(line, quantity) if line.kind == "line" else line)
    return taken


def _with_quantity(line: Offered, quantity: Decimal) -> Offered:
    return Offered(**{**line.__dict__, "quantity": quantity})


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


def remaining_fraction(period: Period, effective: date) -> Fraction:
    """The part of `period` from `effective` to its end: what a change in its middle costs (DOMAIN 7).

    Raises ValueError when `effective` lies outside the period.
    """
    if effective not in period:
        raise ValueError("the change must lie inside the period")
    return Fraction((period.end - effective).days, period.days)


def major(minor: int, currency: str) -> Decimal:
    """Minor units as an exact amount in the major unit: 80493 EUR → 804.93."""
    return Decimal(minor).scaleb(-exponent(currency))
