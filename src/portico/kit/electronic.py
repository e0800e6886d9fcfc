"""Electronic addresses of companies: an e-mail address, or an identifier with its scheme of the EAS list (as Peppol has)."""

import re
from collections.abc import Callable

from stdnum import ean, luhn
from stdnum.au import abn
from stdnum.be import vat as be
from stdnum.no import orgnr

PEPPOL_SCHEMES = frozenset(
    "0002 0007 0009 0037 0060 0088 0096 0097 0106 0130 0135 0142 0151 0183 0184 0188 0190 0191 0192 0193 0195 0196 0198 0199 "
    "0200 0201 0202 0204 0208 0209 0210 0211 0212 0213 0215 0216 0218 0221 0230 9901 9910 9913 9914 9915 9918 9919 9920 9922 "
    "9923 9924 9925 9926 9927 9928 9929 9930 9931 9932 9933 9934 9935 9936 9937 9938 9939 9940 9941 9942 9943 9944 9945 9946 "
    "9947 9948 9949 9950 9951 9952 9953 9957 9959".split()
)
"""By which a participant of Peppol may be named (its list of electronic address schemes). An e-mail address is none."""
_CHECKED: dict[str, tuple[str, Callable[[str], bool]]] = {
    "0007": ("COMMON-R049", lambda text: bool(re.fullmatch(r"[0-9]{10}", text)) and luhn.is_valid(text)),
    "0088": ("COMMON-R040", lambda text: text.isascii() and text.isdigit() and ean.is_valid(text)),
    "0151": ("COMMON-R050", lambda text: bool(re.fullmatch(r"[0-9]{11}", text)) and abn.is_valid(text)),
    "0184": ("COMMON-R042", lambda text: bool(re.fullmatch(r"DK[0-9]{8}", text))),
    "0192": ("COMMON-R041", lambda text: bool(re.fullmatch(r"[0-9]{9}", text)) and orgnr.is_valid(text)),
    "0208": ("COMMON-R043", lambda text: bool(re.fullmatch(r"[0-9]{10}", text)) and be.is_valid(text)),
}
_SCHEMED = re.compile(r"(EM|AN|AQ|AS|AU|0[0-9]{3}|9[0-9]{3}):(\S{1,80})")
_EMAIL = re.compile(r"[^\s@:]+@[^\s@:]+\.[^\s@:]+")


def electronic_address(text: str) -> tuple[str, str]:
    """Scheme and address of what was typed: `0204:991-1234512345-06`, `9930:DE123456789`, or an e-mail address (EM).

    Both are empty for what is neither.
    """
    typed = text.strip()
    if found := _SCHEMED.fullmatch(typed):
        return found[1], found[2]
    return ("EM", typed) if _EMAIL.fullmatch(typed) else ("", "")


def scheme_problem(scheme: str, identifier: str) -> str:
    """The Peppol rule that an identifier of a scheme with check digits breaks; empty where it is right or has none."""
    rule, is_right = _CHECKED.get(scheme, ("", None))
    return rule if is_right is not None and not is_right(identifier) else ""
