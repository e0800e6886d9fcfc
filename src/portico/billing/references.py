"""What payers write on a transfer, and how it is read back from a bank statement.

As the seller chose, else by the country of its account: in Belgium the OGM/VCS communication (+++123/4567/89012+++, ten digits
and their remainder by 97), in France free text with the invoice's number, elsewhere the creditor reference of ISO 11649. A
transfer that was announced always has a structured one. Reading accepts all of them, whatever the seller prints.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from stdnum import iban as stdnum_iban
from stdnum import iso11649
from stdnum.exceptions import ValidationError
from stdnum.iso7064 import mod_97_10

DIGITS = 15
LONGEST_RF = 21
MOST_EPC_MINOR = 999_999_999_99
OGM = re.compile(
    r"(?<!\d)(?:\+{3}|\*{3})?\s?(\d{3})\s?/\s?(\d{4})\s?/\s?(\d{5})\s?(?:\+{3}|\*{3})?(?!\d)|(?<!\d)(\d{12})(?!\d)"
)
RF = re.compile(r"(?<![A-Z0-9])RF\d{2}(?:\s?[A-Z0-9]){1,21}(?![A-Z0-9])")
STYLES = ("rf", "ogm", "text")


def style_of(iban: str, chosen: str = "") -> str:
    """How references are written: rf, ogm or text, as chosen, else as is usual in the country of the account."""
    if chosen in STYLES:
        return chosen
    return {"BE": "ogm", "FR": "text", "MC": "text"}.get(iban[:2].upper(), "rf")


def style_in(seller: Mapping[str, Any]) -> str:
    """How references are written on a paper, from its frozen copy of the seller."""
    return style_of(str(seller["iban"]), str(seller.get("reference_style", "")))


def creditor_reference(body: str) -> str:
    """The ISO 11649 reference of letters and digits: RF, two check digits, at most 21 characters; empty when impossible."""
    plain = re.sub(r"[^A-Z0-9]", "", body.upper())
    if not plain or len(plain) > LONGEST_RF:
        return ""
    return str(iso11649.validate(f"RF{mod_97_10.calc_check_digits(f'{plain}RF')}{plain}"))


def ogm_reference(body: int) -> str:
    """The Belgian communication of at most ten digits: +++123/4567/89012+++."""
    check = body % 97 or 97
    digits = f"{body:010d}{check:02d}"
    return f"+++{digits[:3]}/{digits[3:7]}/{digits[7:]}+++"


def payment_reference(payment_id: str, style: str) -> str:
    """The reference of an announced transfer, made of its id."""
    number = UUID(payment_id).int
    if style == "ogm":
        return ogm_reference(10**9 + number % (9 * 10**9))
    return creditor_reference(str(number % 10**DIGITS).zfill(DIGITS))


def invoice_reference(number: str, key: int, style: str) -> str:
    """What is printed on an invoice: structured where the country does so, else its number."""
    if style == "ogm" and key < 10**9:
        return ogm_reference(key)
    return (creditor_reference(number) if style == "rf" else "") or number


def read_reference(text: str) -> str:
    """A structured reference as people type it, in its plain form; empty when it is none."""
    try:
        return str(iso11649.validate(text))
    except ValidationError:
        found = OGM.fullmatch("".join(text.split()))
        return _ogm_of(found) if found else ""


def _ogm_of(found: re.Match[str]) -> str:
    digits = found[4] or f"{found[1]}{found[2]}{found[3]}"
    body = int(digits[:10])
    return ogm_reference(body) if int(digits[10:]) == (body % 97 or 97) else ""


@dataclass(frozen=True)
class Read:
    """What a line of a bank statement names: structured references in plain form, and the words as one line."""

    references: frozenset[str]
    words: str

    def names(self, number: str) -> bool:
        """Whether the number of a paper stands in the words, as a whole, with or without its dashes."""
        plain = re.sub(r"[^A-Z0-9]", "", number.upper())
        if len(plain) < 5:
            return False
        pattern = r"[^A-Z0-9]?".join(plain)
        return re.search(rf"(?<![A-Z0-9]){pattern}(?![A-Z0-9])", self.words.upper()) is not None


def read_words(words: str) -> Read:
    """Find the structured references in free text, wherever they stand, with right check digits."""
    text = " ".join(words.split())
    found = {read for one in OGM.finditer(text) if (read := _ogm_of(one))}
    for one in RF.finditer(text.upper()):
        # the words after it may look like a part of it: the longest head with right check digits is meant
        parts = one[0].split(" ")
        for count in range(len(parts), 0, -1):
            try:
                found.add(str(iso11649.validate("".join(parts[:count]))))
            except ValidationError:
                continue
            break
    return Read(frozenset(found), text)


def epc_text(*, name: str, iban: str, bic: str, amount_minor: int, currency: str, reference: str) -> str:
    """The text of a SEPA credit transfer's QR code (EPC069-12, version 002); empty where there is none.

    Only euro, only up to 999,999,999.99, only with a valid IBAN and a name. An ISO 11649 reference is structured remittance,
    anything else is free text.
    """
    if currency != "EUR" or not 0 < amount_minor <= MOST_EPC_MINOR:
        return ""
    if not name or not stdnum_iban.is_valid(iban):
        return ""
    amount = f"EUR{amount_minor // 100}.{amount_minor % 100:02d}"
    structured = iso11649.is_valid(reference)
    remittance = [reference] if structured else ["", " ".join(reference.split())[:140]]
    head = ["BCD", "002", "1", "SCT", bic, " ".join(name.split())[:70], str(stdnum_iban.compact(iban)), amount, ""]
    return "\n".join([*head, *remittance])
