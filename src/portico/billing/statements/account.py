"""Whose account a statement is of: the accounts that a file names, compared with one's own.

An IBAN is ISO 13616: letters of the country, two check digits, and the account as the country writes it, which older files
give alone.
"""

import re
from collections.abc import Iterable

from stdnum import iban as stdnum_iban

PERHAPS = re.compile(r"(?<![A-Z0-9])(?=([A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}))")
"""What may begin an IBAN, as far as it may reach; several begin in one text, and words may follow."""
LONGEST = 34
SHORTEST = 15


def plain(account: str) -> str:
    """An account without blanks and signs, in capitals."""
    return re.sub(r"[^A-Z0-9]", "", account.upper())


def ibans_in(cells: Iterable[str]) -> list[str]:
    """The valid IBANs in some cells of text, each once, in their order."""
    found: dict[str, None] = {}
    for cell in cells:
        for perhaps in PERHAPS.findall(cell.upper()):
            text = plain(perhaps)
            for length in range(min(len(text), LONGEST), SHORTEST - 1, -1):
                if stdnum_iban.is_valid(text[:length]):
                    found[text[:length]] = None
                    break
    return list(found)


def is_own(named: str, own: str) -> bool:
    """Whether `named`, an IBAN or the account as the country writes it, is the account of the IBAN `own`."""
    theirs, ours = plain(named), plain(own)
    return theirs in {ours, ours[4:]}


def others(named: Iterable[str], own: str) -> list[str]:
    """Those of the named accounts that are not one's own, each once; none where nothing is named or `own` is empty."""
    if not own:
        return []
    return list(dict.fromkeys(plain(one) for one in named if plain(one) and not is_own(one, own)))


def masked(account: str) -> str:
    """Enough of an account to know it again, as for the history: its first four and last four signs."""
    return account if len(account) <= 8 else f"{account[:4]}…{account[-4:]}"
