"""CAMT.053 (ISO 20022, bank to customer statement), versions 001.02 to 001.13, read with lxml.

No kept library reads it without a data-science stack (docs/decisions). The file comes from outside: no entities, no document
type, no network, no huge trees, a size limit; what is no statement is refused in words.
"""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _
from lxml import etree

from portico.billing.statements.movement import MOST_MOVEMENTS, Movement
from portico.kit.errors import Invalid
from portico.kit.money import exponent, within_limits
from portico.kit.text import one_line

NAMESPACE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:camt\.053\.001\.(\d{2})")
VERSIONS = {f"{number:02d}" for number in range(2, 14)}


def read_camt(content: bytes) -> list[Movement]:
    """The booked movements of every statement in the file. Raises Invalid."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        raise Invalid(_("This is no XML that can be read. Export the statement again and send that.")) from None
    if root.getroottree().docinfo.doctype:
        raise Invalid(_("The file declares a document type, which no bank statement does. It was not read."))
    space = NAMESPACE.fullmatch(etree.QName(root).namespace or "")
    if space is None or space[1] not in VERSIONS:
        raise Invalid(_("This is no CAMT.053 statement. Ask your bank for CAMT.053, version 02 to 13."))
    found: list[Movement] = []
    for statement in root.iterfind("./{*}BkToCstmrStmt/{*}Stmt"):
        account = _text(statement, "Acct/Id/IBAN") or _text(statement, "Acct/Id/Othr/Id")
        for entry in statement.iterfind("./{*}Ntry"):
            found += _movements(entry, account)
            if len(found) > MOST_MOVEMENTS:
                raise Invalid(
                    _("The file holds more than %(most)d movements. Cut it by days.") % {"most": MOST_MOVEMENTS}
                )
    return found


def _movements(entry: Any, account: str) -> list[Movement]:
    """The movements of an entry: its transactions where they add up to it (a batch), else the entry as one."""
    status = _text(entry, "Sts/Cd") or _text(entry, "Sts")
    if status != "BOOK":
        return []  # pending or for information: it comes again when it is booked
    currency, amount = _amount(entry.find("./{*}Amt"))
    said = _text(entry, "CdtDbtInd")
    if said not in {"CRDT", "DBIT"} or amount < 0:
        raise Invalid(_("A movement does not say whether money came or went. The file was not read."))
    sign = 1 if said == "CRDT" else -1
    day = _day(_text(entry, "BookgDt/Dt") or _text(entry, "BookgDt/DtTm") or _text(entry, "ValDt/Dt"))
    reversal = _text(entry, "RvslInd") in {"true", "1"}
    reference = _text(entry, "AcctSvcrRef")
    details = entry.findall("./{*}NtryDtls/{*}TxDtls")
    parts = [(_own_amount(one), one) for one in details]
    fits = all(part is not None and part[0] == currency for part, _one in parts)
    if len(parts) < 2 or not fits or sum(part[1] for part, _one in parts if part) != amount:
        parts = [((currency, amount), details[0] if details else entry)]
    return [
        _movement(one, account, day, sign * part[1], currency, reference, reversal, credit=sign > 0)
        for part, one in parts
        if part is not None and part[1]
    ]


def _movement(
    one: Any, account: str, day: date, minor: int, currency: str, reference: str, reversal: bool, *, credit: bool
) -> Movement:
    returned = reversal or one.find("./{*}RtrInf") is not None
    name, iban = _party(one, "Dbtr" if credit else "Cdtr")
    if returned and iban in {"", account}:  # some banks leave the parties of what is taken back as they were
        name, iban = _party(one, "Cdtr" if credit else "Dbtr")
    structured = [_plain(found) for found in one.iterfind("./{*}RmtInf/{*}Strd/{*}CdtrRefInf/{*}Ref")]
    free = [_plain(found) for found in one.iterfind("./{*}RmtInf/{*}Ustrd")]
    further = [] if structured or free else [_text(one, "AddtlTxInf") or _text(one, "AddtlNtryInf")]
    end_to_end = _text(one, "Refs/EndToEndId")
    return Movement(
        account=account[:34],
        booked_on=day,
        amount_minor=minor,
        currency=currency,
        payer_name=name[:140],
        payer_iban=iban[:34],
        words=" ".join(part for part in (*structured, *free, *further) if part)[:500],
        end_to_end="" if end_to_end == "NOTPROVIDED" else end_to_end[:35],
        bank_reference=(_text(one, "Refs/AcctSvcrRef") or reference)[:60],
        returned=returned,
        return_reason=(_text(one, "RtrInf/Rsn/Cd") or _text(one, "RtrInf/Rsn/Prtry"))[:35],
    )


def _party(one: Any, side: str) -> tuple[str, str]:
    """Name and IBAN of one side."""
    name = _text(one, f"RltdPties/{side}/Nm") or _text(one, f"RltdPties/{side}/Pty/Nm")
    return name, _text(one, f"RltdPties/{side}Acct/Id/IBAN")


def _own_amount(one: Any) -> tuple[str, int] | None:
    """The amount of a transaction within an entry; None where it says none."""
    found = one.find("./{*}AmtDtls/{*}TxAmt/{*}Amt")
    if found is None:
        found = one.find("./{*}Amt")
    return None if found is None else _amount(found)


def _amount(found: Any) -> tuple[str, int]:
    if found is None:
        raise Invalid(_("A movement has no amount. The file was not read."))
    currency = found.get("Ccy") or ""
    return currency, minor_of(_plain(found), currency)


def minor_of(text: str, currency: str) -> int:
    """An amount with a point as decimal sign, in minor units; Invalid when it is none."""
    try:
        minor = Decimal(text).scaleb(exponent(currency))
    except InvalidOperation:
        raise Invalid(_("“%(text)s” is no amount. The file was not read.") % {"text": text[:40]}) from None
    if not minor.is_finite() or minor % 1:
        raise Invalid(_("“%(text)s” is no amount. The file was not read.") % {"text": text[:40]})
    return within_limits(int(minor))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise Invalid(_("A movement has no day of booking. The file was not read.")) from None


def _text(element: Any, path: str) -> str:
    """The text at a path of local names, on one line; empty where there is none."""
    found = element.find("./" + "/".join(f"{{*}}{part}" for part in path.split("/")))
    return "" if found is None else _plain(found)


def _plain(element: Any) -> str:
    return one_line(element.text or "")
