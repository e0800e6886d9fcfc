"""A sheet as plain texts: every amount, date and label formatted in its language, ready to be laid out.

The result is inert data (texts, lists, switches). The template adds no word and no number of its own.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from django.utils import translation
from django.utils.translation import gettext as _

from portico.billing.documents.coverage import printable
from portico.billing.documents.sheet import (
    Sheet,
    SheetLine,
    SheetParty,
    SheetPayment,
    SheetSum,
    SheetSummary,
    SheetText,
    SheetVat,
)
from portico.kit import formats

Data: TypeAlias = "str | int | Sequence[Data] | Mapping[str, Data] | None"

LONGEST_WORD = 28
"""Letters without a place to break that the narrowest column still takes."""
_LONG_WORD = re.compile(rf"[^\s\u200b]{{{LONGEST_WORD + 1},}}")
_BREAKS_AFTER = re.compile(r"([@/._\-])(?=[^\s@/._\-])")
_WIDE, _NARROW = frozenset("mwMW%@—"), frozenset(" \u00a0\u202f.,;:'’|!()[]/ijltfrI-")
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_]([a-z]{2}))?$", re.IGNORECASE)
FROM_RIGHT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
"""Hebrew, Arabic and their kin: letters that run from the right."""
_EMAIL = re.compile(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,190}$")


def _breakable(word: re.Match[str]) -> str:
    """Invisible places to break in a word that no column can hold: after its own joints, else every few letters."""
    parts = _BREAKS_AFTER.sub("\\1\u200b", word[0]).split("\u200b")
    few = 6
    return "\u200b".join(
        part if len(part) <= LONGEST_WORD else "\u200b".join(part[at : at + few] for at in range(0, len(part), few))
        for part in parts
    )


def say(text: str) -> str:
    """`text` as it is set: printable, and safe for a narrow column."""
    return _LONG_WORD.sub(_breakable, printable(text).strip())


def wording(sheet: Sheet) -> dict[str, Data]:
    """All the texts of `sheet`, formatted and labelled in its language."""
    with translation.override(sheet.language):
        return _wording(sheet)


def _wording(sheet: Sheet) -> dict[str, Data]:
    language = _LANGUAGE.match(sheet.language)
    columns = _columns(sheet)
    rows = [_row(sheet, line) for line in sheet.lines]
    number = sheet.number
    if sheet.version:
        number += ", " + _("version %(number)s") % {"number": sheet.version}
    return {
        "language": language[1].lower() if language else "en",
        "region": language[2].upper() if language and language[2] else None,
        "document_title": printable(f"{sheet.title} {sheet.number}".strip()),
        "author": printable(sheet.seller.name),
        "subject_line": printable(sheet.subject),
        "issued_on": [sheet.issued_on.year, sheet.issued_on.month, sheet.issued_on.day],
        "title": say(sheet.title),
        "number": say(number),
        "stamp": _stamp(sheet),
        "letterhead": {"name": say(sheet.seller_short_name or sheet.seller.name), "lines": _texts(sheet.seller.lines)},
        "buyer": _party(sheet.buyer),
        "contact": _party(sheet.contact) if sheet.contact else None,
        "facts": [[say(fact.label), say(_value(fact.value, sheet.language))] for fact in sheet.facts],
        "subject": say(sheet.subject),
        "intro": say(sheet.intro),
        "columns": columns,
        "widest": _widest(rows, len(columns) - 1),
        "lines": [row.data() for row in rows],
        "vat": _summary(sheet.summary) if sheet.summary else _vat(sheet),
        "vat_notes": _unique(say(group.note) for group in sheet.vat if group.note),
        "vat_in_seller_currency": _foreign_vat(sheet),
        "sums": [_sum(entry, sheet) for entry in sheet.sums],
        "notes": _texts(sheet.notes),
        "payment": _payment(sheet.payment, sheet),
        "terms": _two_columns(sheet.terms),
        "signature": _signature(sheet),
        "drawn_alt": _("Signature drawn by hand"),
        "footer": _texts(sheet.footer),
        "page": _("Page {page} of {pages}"),
    }


def _texts(texts: Iterable[str]) -> list[Data]:
    return [said for text in texts if (said := say(text))]


def _unique(texts: Iterable[str]) -> list[Data]:
    return list(dict.fromkeys(texts))


def _value(value: str | date, language: str) -> str:
    return formats.day(value, language) if isinstance(value, date) else value


def _party(party: SheetParty) -> dict[str, Data]:
    return {
        "heading": say(party.heading),
        "name": say(party.name),
        "lines": _texts(party.lines),
        "email": say(party.email),
        "mailto": f"mailto:{party.email}" if _EMAIL.match(party.email) and party.email.isascii() else None,
    }


def _stamp(sheet: Sheet) -> Data:
    """The word of the stamp and, after the first line break, what stands small under it (a date)."""
    if not sheet.stamp:
        return None
    word, _line, small = printable(sheet.stamp).strip().partition("\n")
    tone = sheet.stamp_tone if sheet.stamp_tone in ("ok", "warn", "danger", "accent") else ""
    return {"word": word, "small": small.replace("\n", ", "), "tone": tone}


def _shows_progress(sheet: Sheet) -> bool:
    """Whether the table counts what was delivered and invoiced instead of showing prices in columns of their own."""
    return any(line.delivered_quantity is not None or line.invoiced_quantity is not None for line in sheet.lines)


def _shows_discount(sheet: Sheet) -> bool:
    return any(line.discount_percent for line in sheet.lines)


def _shows_price(sheet: Sheet) -> bool:
    """Whether any line has a price: a receipt, a letter or a request for payment lists sums alone."""
    return any(line.unit_price is not None for line in sheet.lines)


def _shows_vat(sheet: Sheet) -> bool:
    """Whether any line has a rate: outside the scope of VAT there is none."""
    return any(group.category != "O" for group in sheet.vat)


def _columns(sheet: Sheet) -> list[Data]:
    if sheet.columns:
        return [say(heading) for heading in sheet.columns]
    amount = _("Amount, %(currency)s") % {"currency": sheet.currency}
    if _shows_progress(sheet):
        return [_("Description"), _("Ordered"), _("Delivered"), _("Invoiced"), amount]
    price = [_("Quantity"), _("Unit price")] if _shows_price(sheet) else []
    discount = [_("Discount")] if _shows_discount(sheet) else []
    vat = [_("VAT")] if _shows_vat(sheet) else []
    return [_("Description"), *price, *discount, *vat, amount]


@dataclass(frozen=True)
class Row:
    """One row of the table: its words, the cells between the description and the amount, and the amount."""

    kind: str
    name: str
    detail: str = ""
    choice: str = ""
    optional: bool = False
    included: bool = True
    cells: tuple[str, ...] = ()
    amount: str = ""

    def data(self) -> dict[str, Data]:
        """For the template; `plain`: the words stand as they are, from left to right, with no break of their own."""
        words = (self.name, self.detail, *self.cells)
        return vars(self) | {"plain": not any("\n" in text or "\u200b" in text or _turns(text) for text in words)}


def _turns(text: str) -> bool:
    return not text.isascii() and FROM_RIGHT.search(text) is not None


def _row(sheet: Sheet, line: SheetLine) -> Row:
    language, currency = sheet.language, sheet.currency
    if line.kind == "note":
        return Row("note", say(line.name), say(line.detail))
    amount = formats.amount(line.net_minor, currency, language)
    if line.cells:
        return Row(
            "line", say(line.name), say(line.detail), cells=tuple(say(cell) for cell in line.cells), amount=amount
        )
    if line.kind == "section":
        return Row("section", say(line.name), say(line.detail), amount=amount)
    quantity = _quantity(line.quantity, line.unit, language)
    price = "" if line.unit_price is None else formats.unit_price(line.unit_price, currency, language)
    discount = formats.percent(line.discount_percent, language) if line.discount_percent else ""
    vat = formats.percent(line.vat_rate, language) if sheet.vat and line.vat_category != "O" else ""
    open_choice = not (sheet.stamp or sheet.signed_by_buyer)
    details = [line.detail, _bounds(line, language) if open_choice else ""]
    if line.kind in ("allowance", "charge"):
        quantity = price = discount = ""
    if _shows_progress(sheet):
        details.append(_calculation(quantity, price, discount, vat))
        delivered = _quantity(line.delivered_quantity, line.unit, language)
        cells = [quantity, delivered, _quantity(line.invoiced_quantity, line.unit, language)]
    else:
        cells = [quantity, price] if _shows_price(sheet) else []
        cells += [discount] if _shows_discount(sheet) else []
        cells += [vat] if _shows_vat(sheet) else []
    return Row(
        kind=line.kind,
        name=say(line.name),
        detail=say("\n".join(detail for detail in details if detail)),
        choice=_choice(line),
        optional=line.optional,
        included=line.included,
        cells=tuple(say(cell) for cell in cells),
        amount=amount,
    )


def _widest(rows: Sequence[Row], columns: int) -> list[Data]:
    """For each column of figures its longest texts: the template measures only these."""
    texts: list[set[str]] = [set() for _column in range(columns)]
    for row in rows:
        texts[-1].add(row.amount)
        for column, cell in zip(texts, row.cells, strict=False):
            column.add(cell)
    return [sorted(column, key=lambda text: (-_width(text), text))[:3] for column in texts]


def _width(text: str) -> float:
    """About how wide a text is set, in figures: "10 mars 2026" has fewer letters than "16 sept. 2026" and is wider."""
    return sum(1.5 if char in _WIDE else 0.5 if char in _NARROW else 1 for char in text)


def _quantity(quantity: Decimal | None, unit: str, language: str) -> str:
    if quantity is None:
        return ""
    return f"{formats.quantity(quantity, language)} {unit}" if unit else formats.quantity(quantity, language)


def _calculation(quantity: str, price: str, discount: str, vat: str) -> str:
    """How a line's amount came about, in words, where there are no columns for it: "5 days × 890.00, less 5%, VAT 20%"."""
    parts = [f"{quantity} × {price}" if price else quantity]
    if discount:
        parts.append(_("less %(percent)s") % {"percent": discount})
    if vat:
        parts.append(_("VAT %(percent)s") % {"percent": vat})
    return ", ".join(part for part in parts if part)


def _choice(line: SheetLine) -> str:
    """Whether an option was chosen, in words: a ticked box alone says nothing to a screen reader."""
    if not line.optional:
        return ""
    return _("Optional, included") if line.included else _("Optional, not included")


def _bounds(line: SheetLine, language: str) -> str:
    if line.quantity_min is None or line.quantity_max is None:
        return ""
    least, most = formats.quantity(line.quantity_min, language), formats.quantity(line.quantity_max, language)
    return _("Quantity can be chosen from %(least)s to %(most)s") % {"least": least, "most": most}


def _vat(sheet: Sheet) -> Data:
    if not sheet.vat:
        return None
    heads: list[Data] = [
        _("Rate"),
        _("Taxable, %(currency)s") % {"currency": sheet.currency},
        _("VAT, %(currency)s") % {"currency": sheet.currency},
    ]
    rows: list[Data] = [
        [
            _rate(group, sheet.language),
            formats.amount(group.base_minor, sheet.currency, sheet.language),
            formats.amount(group.vat_minor, sheet.currency, sheet.language),
        ]
        for group in sheet.vat
    ]
    return {"title": _("VAT summary"), "heads": heads, "rows": rows}


def _summary(summary: SheetSummary) -> Data:
    return {
        "title": say(summary.title),
        "heads": [say(heading) for heading in summary.heads],
        "rows": [[say(cell) for cell in row] for row in summary.rows],
    }


def _rate(group: SheetVat, language: str) -> str:
    percent = "" if group.category == "O" else formats.percent(group.rate, language)
    return ", ".join(part for part in (percent, group.reason) if part)


def _foreign_vat(sheet: Sheet) -> Data:
    entry = sheet.vat_in_seller_currency
    if entry is None:
        return None
    return [say(entry.label), formats.money(entry.minor, sheet.seller_currency or sheet.currency, sheet.language)]


def _sum(entry: SheetSum, sheet: Sheet) -> dict[str, Data]:
    label = f"{entry.label}, {sheet.currency}" if entry.role == "grand" else entry.label
    return {
        "label": say(label),
        "amount": formats.amount(entry.minor, sheet.currency, sheet.language),
        "role": entry.role,
    }


def _payment(payment: SheetPayment | None, sheet: Sheet) -> Data:
    if payment is None:
        return None
    iban = "".join(payment.iban.split())
    rows: list[Data] = [
        [label, say(value)]
        for label, value in (
            (_("Account holder"), payment.account_name),
            ("IBAN", " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))),
            ("BIC", payment.bic),
            (_("Reference"), payment.reference),
        )
        if value
    ]
    return {
        "title": _("Pay by bank transfer"),
        "rows": rows,
        "hint": _("Scan with your banking app") if payment.epc else "",
        "alt": printable(
            _("QR code that fills in a bank transfer for %(number)s with the details beside it")
            % {"number": sheet.number}
        ),
    }


def _two_columns(terms: Sequence[SheetText]) -> list[Data]:
    """The terms in reading order, cut where both columns come out about equally long."""
    heights = [2 + len(term.text) // 60 + term.text.count("\n") for term in terms]
    cut = min(
        range(1, len(terms) + 1),
        key=lambda at: (max(sum(heights[:at]), sum(heights[at:])), at),
        default=0,
    )
    return [
        [{"title": say(term.title), "text": say(term.text)} for term in column] for column in (terms[:cut], terms[cut:])
    ]


def _signature(sheet: Sheet) -> Data:
    if not sheet.show_signature:
        return None
    seller = _("For %(company)s, %(date)s") if sheet.signed_by_seller else _("For %(company)s")
    buyer = (
        _("For %(company)s")
        if sheet.signed_by_buyer or sheet.kind == "certificate"
        else _("For %(company)s: name, date and signature")
    )
    signed: list[Data] = [say(sheet.signed_by_buyer), say(buyer % {"company": sheet.buyer.name})]
    if sheet.kind == "certificate":
        return [signed]
    return [
        [
            say(sheet.signed_by_seller),
            say(
                seller
                % {
                    "company": sheet.seller_short_name or sheet.seller.name,
                    "date": formats.day(sheet.issued_on, sheet.language),
                }
            ),
        ],
        signed,
    ]
