"""One movement on an account, as a file says it, and its name that is the same in every file."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

MOST_MOVEMENTS = 20_000


@dataclass(frozen=True)
class Movement:
    """Money in (above zero) or out (below zero), in minor units."""

    account: str
    booked_on: date
    amount_minor: int
    currency: str
    payer_name: str = ""
    payer_iban: str = ""
    words: str = ""
    end_to_end: str = ""
    bank_reference: str = ""
    returned: bool = False
    return_reason: str = ""

    @property
    def identity(self) -> str:
        """What tells it apart: the bank's own reference where it gives one, else everything that is known of it."""
        about = [self.account, self.booked_on.isoformat(), str(self.amount_minor), self.currency]
        about += [self.bank_reference] if self.bank_reference else [self.payer_name, self.payer_iban, self.words]
        return "\x1f".join([*about, self.end_to_end])


def keyed(movements: Iterable[Movement]) -> list[tuple[str, Movement]]:
    """Each movement with its key. Of several that look alike within a file the first, the second … have keys of their own:
    a file that overlaps counts them the same way, as banks cut files by days."""
    seen: Counter[str] = Counter()
    found = []
    for one in movements:
        identity = one.identity
        seen[identity] += 1
        key = hashlib.sha256(f"{identity}\x1f{seen[identity]}".encode()).hexdigest()
        found.append((key, one))
    return found
