"""Business terms as XML: CII (UN/CEFACT D22B, as Factur-X embeds it) and UBL 2.1. The same terms give the same bytes.

factur-x writes both from one dictionary. Its own checks are never used: without a server of its own it skips schematron
without a word (see `checker`).
"""

from functools import cache
from importlib.metadata import version
from typing import Any

from portico.billing.documents.einvoice.profiles import CORE
from portico.billing.documents.einvoice.terms import Terms


def cii(terms: Terms, guideline: str = CORE) -> bytes:
    """The terms as Cross Industry Invoice that says it follows `guideline` (BT-24)."""
    values = _fresh(terms)
    if guideline == CORE:
        values.pop("BT-23", None)  # the business process is Peppol's
    written = _generators()["cii"](values, level="en16931", check_xsd=False, check_schematron=False)
    return _named(written, b"ram:ID", guideline)


def ubl(terms: Terms) -> bytes:
    """The terms as UBL Invoice or CreditNote in the customer's own profile."""
    written = _generators()["ubl"](_fresh(terms), level="en16931", check_xsd=False, check_schematron=False)
    return _named(written, b"cbc:CustomizationID", terms["BT-24"])


def _fresh(terms: Terms) -> Terms:
    values: Terms = _copy(terms)
    values["BT-24"] = CORE
    return values


def _copy(value: Any) -> Any:
    """Of dictionaries and lists of texts, a third of what `deepcopy` takes."""
    if isinstance(value, dict):
        return {key: _copy(one) if isinstance(one, dict | list) else one for key, one in value.items()}
    return [_copy(one) if isinstance(one, dict | list) else one for one in value]


def _named(written: bytes, element: bytes, guideline: str) -> bytes:
    """factur-x knows its own levels alone: the name of a national one is put in afterwards."""
    core = b"<%s>%s</%s>" % (element, CORE.encode(), element)
    assert written.count(core) == 1, f"factur-x {version('factur-x')} writes BT-24 otherwise"
    # lxml marks a group without elements (no delivery) as nil, which the schema does not allow
    return written.replace(core, b"<%s>%s</%s>" % (element, guideline.encode(), element)).replace(
        b' xsi:nil="true"', b""
    )


@cache
def _generators() -> dict[str, Any]:
    """Read when the first e-invoice is written: a process that writes none does not pay for it."""
    from facturx.generate_xml import generate_cii_xml, generate_ubl_xml

    return {"cii": generate_cii_xml, "ubl": generate_ubl_xml}
