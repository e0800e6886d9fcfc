"""A bank's CSV: what separates its cells, where its heading is, what each column holds; guessed, shown, and remembered."""

import csv
import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.billing.statements.account import ibans_in, is_own, plain
from portico.billing.statements.camt import minor_of
from portico.billing.statements.movement import MOST_MOVEMENTS, Movement
from portico.kit.errors import Invalid
from portico.kit.money import exponent
from portico.kit.text import one_line

DELIMITERS = (";", ",", "\t", "|")
DAY_FORMATS = {
    "%d.%m.%Y": "31.12.2026",
    "%d/%m/%Y": "31/12/2026",
    "%Y-%m-%d": "2026-12-31",
    "%m/%d/%Y": "12/31/2026",
    "%d.%m.%y": "31.12.26",
    "%d-%m-%Y": "31-12-2026",
    "%Y%m%d": "20261231",
}
HOLDS = {
    "day": lazy("Day of booking"),
    "amount": lazy("Amount, signed"),
    "credit": lazy("Money in"),
    "debit": lazy("Money out"),
    "sign": lazy("In or out, beside the amount"),
    "currency": lazy("Currency"),
    "payer": lazy("Payer"),
    "iban": lazy("Payer's IBAN"),
    "words": lazy("Remittance text"),
    "account": lazy("Your own account"),
    "reference": lazy("Bank's reference"),
}
"""What a column may hold."""
COMES = frozenset({"h", "haben", "c", "cr", "crdt", "credit", "crédit", "bij", "in", "gutschrift", "+"})
GOES = frozenset({"s", "soll", "d", "dr", "dbit", "debit", "débit", "debet", "af", "out", "lastschrift", "-"})
"""What banks write beside an amount without a sign of its own: German, English, French and Dutch ones."""
GUESSES = {
    "day": r"buchungstag|buchungsdatum|booking date|date (de )?(comptabilisation|opération|operation)|^date$|datum|^day$",
    "credit": r"^cr[ée]dit|money in|haben|gutschrift",
    "debit": r"^d[ée]bit|money out|soll|lastschrift",
    "amount": r"betrag|amount|montant|umsatz|bedrag",
    "currency": r"währung|waehrung|currency|devise",
    "account": (
        r"^(auftragskonto|iban auftragskonto|eigen rekening|rekening|rekeningnummer|own account|account|account iban"
        r"|compte|num[ée]ro de compte)$"
    ),
    "iban": r"iban|tegenrekening|rekening tegenpartij|compte (de la )?contrepartie|counterparty account",
    "payer": r"beguenstigter|begünstigter|zahlungspflichtiger|auftraggeber|payer|name|naam|contrepartie|tiers|debtor",
    "words": (
        r"verwendungszweck|remittance|communication|libell|motif|reference text|description|purpose"
        r"|mededeling|omschrijving"
    ),
    "reference": r"referenz|bank reference|référence|reference|transaction id",
}


@dataclass(frozen=True)
class Table:
    """A CSV cut into cells: its heading, the rows below it, and what stands above, where many banks name the account."""

    delimiter: str
    heading: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    above: Sequence[tuple[str, ...]] = ()

    @property
    def heading_hash(self) -> str:
        """The name of this kind of file."""
        return hashlib.sha256("\x1f".join(self.heading).encode()).hexdigest()


@dataclass(frozen=True)
class Reading:
    """How the cells are read: `columns` says the place of what they hold."""

    columns: Mapping[str, int]
    decimal_point: str
    day_format: str


def cut(content: bytes) -> Table:
    """Find the signs and the heading. Raises Invalid for what is no table."""
    text = _decoded(content)
    lines = [line for line in text.splitlines() if line.strip()]
    best: tuple[int, str] = (0, "")
    for delimiter in DELIMITERS:
        widths = [len(row) for row in csv.reader(lines[:50], delimiter=delimiter)]
        most = max(widths, default=0)
        if most > 2 and (score := widths.count(most) * most) > best[0]:
            best = score, delimiter
    if not best[1]:
        raise Invalid(_("No columns can be seen in this file. Send a CSV with a heading, or CAMT.053."))
    try:
        rows = [tuple(one_line(cell)[:500] for cell in row) for row in csv.reader(io.StringIO(text), delimiter=best[1])]
    except csv.Error:
        raise Invalid(_("The file is damaged: a line is too long or a quotation mark does not end.")) from None
    rows = [row for row in rows if any(row)]
    width = max(len(row) for row in rows)
    start = next((place for place, row in enumerate(rows) if len(row) == width and _is_heading(row)), None)
    if start is None:
        raise Invalid(_("The file has no line with the names of its columns. Export it again with a heading."))
    below = [row + ("",) * (width - len(row)) for row in rows[start + 1 :]]
    if len(below) > MOST_MOVEMENTS:
        raise Invalid(_("The file holds more than %(most)d movements. Cut it by days.") % {"most": MOST_MOVEMENTS})
    return Table(best[1], rows[start], below, rows[:start])


def _decoded(content: bytes) -> str:
    if b"\x00" in content:
        raise Invalid(_("This is no text. Send a CSV or CAMT.053."))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _is_heading(row: Sequence[str]) -> bool:
    named = [cell for cell in row if cell]
    return len(named) > 2 and not any(re.search(r"\d", cell) for cell in named)


def guess(table: Table) -> Reading:
    """What the columns probably hold, as a proposal for the page."""
    columns: dict[str, int] = {}
    for holds, pattern in GUESSES.items():
        for place, name in enumerate(table.heading):
            if place not in columns.values() and re.search(pattern, name.lower()):
                columns[holds] = place
                break
    if "account" in columns and len({plain(row[columns["account"]]) for row in table.rows} - {""}) > 1:
        columns.pop("account")  # one's own is the same in every line: this is the payers'
    sign = _sign_of(table)
    if sign is not None and "amount" in (columns := {name: at for name, at in columns.items() if at != sign}):
        columns["sign"] = sign
    if "credit" in columns and "debit" in columns and "sign" not in columns:
        columns.pop("amount", None)
    else:
        columns.pop("credit", None)
        columns.pop("debit", None)
    days = [row[columns["day"]] for row in table.rows[:50]] if "day" in columns else []
    day_format = next(
        (one for one in DAY_FORMATS if days and all(_is_day(day, one) for day in days if day)), "%d.%m.%Y"
    )
    amounts = [row[place] for row in table.rows[:200] for name, place in columns.items() if name in MONEY]
    commas = sum(bool(re.search(r",\d{1,2}$", text)) for text in amounts)
    points = sum(bool(re.search(r"\.\d{1,2}$", text)) for text in amounts)
    return Reading(columns, "," if commas >= points else ".", day_format)


MONEY = ("amount", "credit", "debit")


def _sign_of(table: Table) -> int | None:
    """The column whose every cell says whether money came or went; None without one."""
    for place in range(len(table.heading)):
        cells = {row[place].lower() for row in table.rows[:200] if row[place]}
        if cells and cells <= COMES | GOES:
            return place
    return None


def _is_day(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007  # a day has no zone
    except ValueError:
        return False
    return True


def accounts_of(table: Table, reading: Reading) -> list[str]:
    """The accounts that the file says it is of: in a column of its own, else above the heading; none where it is silent."""
    place = reading.columns.get("account")
    if place is None:
        place = guess(table).columns.get("account")
        if place in reading.columns.values():
            place = None
    if place is not None and place < len(table.heading):
        named = dict.fromkeys(plain(row[place]) for row in table.rows)
        if any(named):
            return [one for one in named if one]
    return ibans_in(cell for row in table.above for cell in row)


def read_table(table: Table, reading: Reading, *, account: str, currency: str) -> list[Movement]:
    """The movements, on the account that the file names, else on `account`; lines without an amount are left out.

    Raises Invalid naming the line that cannot be read.
    """
    columns = reading.columns
    named = accounts_of(table, reading)
    if len(named) == 1 and not is_own(named[0], account):
        account = named[0]
    if "day" not in columns or not ("amount" in columns or {"credit", "debit"} <= set(columns)):
        raise Invalid(_("Say which column holds the day, and which the amount (or money in and money out)."))
    found = []
    for number, row in enumerate(table.rows, start=2):
        cell = {name: row[place] for name, place in columns.items() if 0 <= place < len(row)}
        try:
            money = (cell.get("currency") or currency).upper()
            exponent(money)
            minor = _minor(cell, reading.decimal_point, money)
            if minor:
                here = plain(cell.get("account", ""))
                here = here if here and not is_own(here, account) else account
                found.append(_movement(cell, minor, money, here, _day(cell["day"], reading.day_format)))
        except Invalid as refusal:
            raise Invalid(_("Line %(number)d: %(why)s") % {"number": number, "why": refusal.message}) from None
    if not found:
        raise Invalid(_("No movement can be read with these columns. Choose them again."))
    return found


def _movement(cell: Mapping[str, str], minor: int, currency: str, account: str, day: date) -> Movement:
    return Movement(
        account=account[:34],
        booked_on=day,
        amount_minor=minor,
        currency=currency,
        payer_name=cell.get("payer", "")[:140],
        payer_iban="".join(cell.get("iban", "").split())[:34],
        words=cell.get("words", "")[:500],
        bank_reference=cell.get("reference", "")[:60],
    )


def _minor(cell: Mapping[str, str], point: str, currency: str) -> int:
    if "amount" in cell:
        minor = _number(cell["amount"], point, currency)
        return _signed(minor, cell["sign"]) if "sign" in cell and minor else minor
    return abs(_number(cell["credit"], point, currency)) - abs(_number(cell["debit"], point, currency))


def _signed(minor: int, word: str) -> int:
    """The amount with what stands beside it; Invalid where that is no such word, or the amount says the contrary."""
    says = word.lower()
    if says not in COMES | GOES or (minor < 0 and says in COMES):
        raise Invalid(_("“%(text)s” does not say whether the money came or went.") % {"text": word[:40]})
    return -abs(minor) if says in GOES else minor


def _number(text: str, point: str, currency: str) -> int:
    """An amount with this decimal sign, a minus before or behind it; the other sign groups thousands, and so do blanks.

    Empty is nought. A group that is none is refused: read with the wrong decimal sign, 5,00 would be five hundred.
    """
    plain = re.sub(r"[\s\u00a0\u202f'’+]|[A-Z]{3}|€|\$|£", "", text.replace("\u2212", "-"))
    if not plain:
        return 0
    group, sign = re.escape("." if point == "," else ","), re.escape(point)
    found = re.fullmatch(rf"(-?)([0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+)?(?:{sign}([0-9]*))?(-?)", plain)
    if found is None or not (found[2] or found[3]) or (found[1] and found[4]):
        raise Invalid(_("“%(text)s” is no amount with this decimal sign.") % {"text": text[:40]})
    whole = re.sub(r"[^0-9]", "", found[2] or "0")
    return minor_of(f"{found[1] or found[4]}{whole}.{found[3] or '0'}", currency)


def _day(text: str, form: str) -> date:
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007  # a day has no zone
    except ValueError:
        raise Invalid(_("“%(text)s” is no day as chosen.") % {"text": text[:40]}) from None


def kept(reading: Reading) -> dict[str, Any]:
    """As it is remembered."""
    return {
        "columns": dict(reading.columns),
        "decimal_point": reading.decimal_point,
        "day_format": reading.day_format,
    }
