"""What changed from one version of a quotation to the next, line by line, as numbers and words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from portico.billing.models import QuotationLine
from portico.billing.models.line import Line
from portico.kit import formats


@dataclass(frozen=True)
class Difference:
    """One property of a line before and after; empty where there was or is none."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class LineChange:
    """How one line changed. `kind`: added, removed, changed. Amounts count a line that is proposed, minor units."""

    name: str
    kind: str
    differences: tuple[Difference, ...]
    before_minor: int
    after_minor: int
    optional: bool = False


def compare(
    before: Iterable[QuotationLine], after: Iterable[QuotationLine], currency: str, language: str
) -> list[LineChange]:
    """The lines that differ, in the order of the newer version, removed ones last. Lines are the same by their key."""
    old, new = _counted(before), _counted(after)
    changes = []
    for key, line in new.items():
        if key not in old:
            changes.append(LineChange(line.name, "added", (), 0, _net(line), line.optional))
        elif (change := _change(old[key], line, currency, language)) is not None:
            changes.append(change)
    gone = [line for key, line in old.items() if key not in new]
    return changes + [LineChange(line.name, "removed", (), _net(line), 0, line.optional) for line in gone]


def _counted(lines: Iterable[QuotationLine]) -> dict[int, QuotationLine]:
    return {line.key: line for line in lines if line.kind not in {Line.Kind.SECTION, Line.Kind.NOTE}}


def _net(line: QuotationLine) -> int:
    """What a line adds to the proposal: nothing while it is an option that is not proposed."""
    if line.optional and not line.selected:
        return 0
    return -line.net_minor if line.kind == Line.Kind.ALLOWANCE else line.net_minor


def _change(old: QuotationLine, new: QuotationLine, currency: str, language: str) -> LineChange | None:
    rows = []
    if old.name != new.name:
        rows.append(Difference(_("Name"), old.name, new.name))
    if old.detail != new.detail:
        rows.append(Difference(_("Description"), old.detail, new.detail))
    for label, before, after in (
        (_("Quantity"), _quantity(old, language), _quantity(new, language)),
        (_("Price"), _price(old, currency, language), _price(new, currency, language)),
        (_("Discount"), _percent(old.discount_percent, language), _percent(new.discount_percent, language)),
        (_("VAT"), formats.percent(old.vat_rate, language), formats.percent(new.vat_rate, language)),
        (_("Optional"), _optional(old), _optional(new)),
    ):
        if before != after:
            rows.append(Difference(label, before, after))
    if not rows:
        return None
    return LineChange(new.name, "changed", tuple(rows), _net(old), _net(new), new.optional)


def _quantity(line: QuotationLine, language: str) -> str:
    return f"{formats.quantity(line.quantity, language)} {line.unit}".strip()


def _price(line: QuotationLine, currency: str, language: str) -> str:
    return formats.unit_price(line.unit_price, currency, language)


def _percent(value: Decimal, language: str) -> str:
    return formats.percent(value, language) if value else ""


def _optional(line: QuotationLine) -> str:
    if not line.optional:
        return ""
    return _("proposed") if line.selected else _("not proposed")
