"""What the law gives a seller when a company pays late, by the seller's country: a fixed fee and interest, as versioned data.

Directive 2011/7/EU, Art. 3, 5 and 6: at least EUR 40, and at least eight points above the reference rate, which is that of
the European Central Bank on 1 January for the first and on 1 July for the second half of a year. Nothing of it is claimed
unless the seller has switched it on. A half-year whose rate is not in the table gives no interest: a rate is never guessed.
A new one is one line here, with its source.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_CEILING, Decimal
from fractions import Fraction

from django.utils.translation import gettext as _

from portico.kit.money import round_half_away, within_limits

YEAR_DAYS = 365
ECB = "ecb"
BUNDESBANK = "bundesbank"
OENB = "oenb"
HALF_YEARS: dict[str, dict[tuple[int, int], Decimal]] = {
    # European Central Bank, main refinancing operations, rate in force on the first day of the half-year. Through 2024, 2nd
    # half: table of the Banque de France (banque-france.fr/en/policy-rates, read for this file); 2025, 1st half: quoted in
    # the Bundesbank's announcement of 2.27 %; both again in the dated table of retout.fr. 2.15 % from July 2025 through
    # 1 January 2026: quoted with the Bundesbank's announcement for that day (as reported by state-of.biz).
    ECB: {
        (2023, 1): Decimal("2.5"),
        (2023, 2): Decimal(4),
        (2024, 1): Decimal("4.5"),
        (2024, 2): Decimal("4.25"),
        (2025, 1): Decimal("3.15"),
        (2025, 2): Decimal("2.15"),
        (2026, 1): Decimal("2.15"),
    },
    # Deutsche Bundesbank, Basiszinssatz nach § 247 (1) BGB: moves by the points that the rate above moved, from -0.88 on
    # 1 January 2021 (the Bundesbank's announcement); 2.27 on 1 January 2025 as announced; "unchanged at 1.27" on 1 January
    # 2026, as reported of its announcement.
    BUNDESBANK: {
        (2023, 1): Decimal("1.62"),
        (2023, 2): Decimal("3.12"),
        (2024, 1): Decimal("3.62"),
        (2024, 2): Decimal("3.37"),
        (2025, 1): Decimal("2.27"),
        (2025, 2): Decimal("1.27"),
        (2026, 1): Decimal("1.27"),
    },
    # Oesterreichische Nationalbank, Basiszinssatz on the first day of the half-year: its own page on business arrears
    # (oenb.at, "Interest rates on business arrears"), which was read as it stood in 2024. It moves in steps of half a point
    # at least, so that it cannot be told from the rate above; later ones are not known here.
    OENB: {
        (2023, 1): Decimal("1.88"),
        (2023, 2): Decimal("3.38"),
        (2024, 1): Decimal("3.88"),
    },
}
CHECKED_THROUGH: dict[str, tuple[int, int]] = {ECB: (2025, 1), BUNDESBANK: (2025, 1), OENB: (2024, 1)}
"""The last half-year whose rate was compared with an official publication; a report of one is not it."""


@dataclass(frozen=True)
class Rule:
    """What may be claimed in a country: points above a reference rate, and a fixed fee in euro cents. `source` is the law."""

    reference: str
    points: Decimal
    fee_minor: int
    source: str
    rounded_up_to: Decimal = Decimal(0)
    checked: bool = False
    """Whether points and fee were compared with a publication of today, not only with the law as it is remembered."""

    def percent(self, year: int, half: int) -> Decimal | None:
        """The yearly rate of a half-year; None when its reference rate is not known here."""
        rate = HALF_YEARS[self.reference].get((year, half))
        if rate is None:
            return None
        percent = rate + self.points
        step = self.rounded_up_to
        return (percent / step).to_integral_value(ROUND_CEILING) * step if step else percent


_EU = Rule(ECB, Decimal(8), 40_00, "Directive 2011/7/EU, Art. 3 and 6")
RULES: dict[str, Rule] = {
    "FR": Rule(ECB, Decimal(10), 40_00, "Code de commerce, art. L441-10 II and D441-5", checked=True),
    "AT": Rule(OENB, Decimal("9.2"), 40_00, "UGB §§ 456 and 458"),
    "DE": Rule(BUNDESBANK, Decimal(9), 40_00, "BGB § 288 (2) and (5)"),
    "BE": Rule(
        ECB,
        Decimal(8),
        40_00,
        "Loi du 2 août 2002, art. 5 and 6, rounded up to half a point",
        rounded_up_to=Decimal("0.5"),
    ),
    "NL": Rule(ECB, Decimal(8), 40_00, "BW art. 6:119a, 6:120 lid 2 and 6:96 lid 4"),
    "LU": Rule(ECB, Decimal(8), 40_00, "Loi modifiée du 18 avril 2004, art. 3 to 5"),
    "IE": Rule(ECB, Decimal(8), 40_00, "S.I. No. 580/2012"),
    "IT": Rule(ECB, Decimal(8), 40_00, "D.Lgs. 231/2002, art. 5 and 6"),
    "ES": Rule(ECB, Decimal(8), 40_00, "Ley 3/2004, art. 7 and 8"),
    **dict.fromkeys(("CY", "EE", "FI", "GR", "HR", "LT", "LV", "MT", "PT", "SI", "SK"), _EU),
}
"""By the seller's country. Elsewhere nothing is claimed by itself."""


def is_checked(rule: Rule) -> bool:
    """Whether its points, its fee and each of its rates were compared with a publication."""
    return rule.checked and CHECKED_THROUGH[rule.reference] >= max(HALF_YEARS[rule.reference])


def statutory_terms(country: str) -> list[list[str]]:
    """What an invoice from this country must say of late payment, as title and text in the active language.

    France: rate of the penalties, the fixed fee, and whether paying early is rewarded (Code de commerce, art. L441-9 I and
    L441-10 II). The other countries here do not ask for it on the invoice.
    """
    if country != "FR":
        return []
    words = _(
        "Penalties for late payment at the rate of the European Central Bank's main refinancing operations plus ten points, "
        "and a fixed recovery fee of €40 (Code de commerce, art. L441-10). No discount for early payment."
    )
    return [[_("Late payment"), words]]


@dataclass(frozen=True)
class Claim:
    """What is claimed beside the invoice, in its currency's minor units."""

    fee_minor: int = 0
    interest_minor: int = 0


def claim_of(
    *,
    country: str,
    due_minor: int,
    currency: str,
    due_on: date,
    day: date,
    fee: bool,
    interest: bool,
    own_percent: Decimal | None = None,
) -> Claim:
    """What may be claimed on `day` for an amount that was due on `due_on`, as far as the seller wants it.

    Interest runs from the day after the due day through `day`; `own_percent` is the yearly rate that was agreed instead of the
    law's. The fee is in euro and is claimed on invoices in euro only.
    """
    rule = RULES.get(country)
    if day <= due_on or due_minor <= 0:
        return Claim()
    fee_minor = rule.fee_minor if fee and rule is not None and currency == "EUR" else 0
    return Claim(fee_minor, _interest(rule, due_minor, due_on, day, own_percent) if interest else 0)


def _interest(rule: Rule | None, due_minor: int, due_on: date, day: date, own_percent: Decimal | None) -> int:
    """Simple interest, each half-year with its own rate, rounded once."""
    if own_percent is not None:
        share = Fraction(own_percent) * (day - due_on).days
    elif rule is None:
        return 0
    else:
        share = Fraction(0)
        start = due_on
        while start < day:
            first = start + timedelta(days=1)
            half = 1 if first.month <= 6 else 2
            last = date(first.year, 6, 30) if half == 1 else date(first.year, 12, 31)
            end = min(last, day)
            percent = rule.percent(first.year, half)
            if percent is None:
                return 0
            share += Fraction(percent) * (end - start).days
            start = end
    return within_limits(round_half_away(due_minor * share / (100 * YEAR_DAYS)))
