"""Bank statements for tests: CAMT.053 as banks write it, made of a few movements."""

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from portico.billing.actions import bank
from portico.billing.models import BankFile
from portico.cast import World
from portico.kit import files

OWN = "FR7630006000011234567890189"
PAYER = "DE89370400440532013000"


@dataclass(frozen=True)
class Line:
    """One movement as a test writes it; below zero it goes out."""

    minor: int
    name: str = "Atelier Fontaine SARL"
    words: str = ""
    reference: str = ""
    iban: str = PAYER
    day: str = "2026-11-06"
    currency: str = "EUR"
    status: str = "BOOK"
    bank_reference: str = ""
    returned: bool = False
    end_to_end: str = ""
    reason: str = "AC04"
    swapped: bool = False


def credit(minor: int, name: str = "Atelier Fontaine SARL", words: str = "", **more: str) -> Line:
    """Money in."""
    return Line(minor, name, words, **more)  # type: ignore[arg-type]


def debit(minor: int, words: str = "", **more: Any) -> Line:
    """Money that the bank took back."""
    return Line(-minor, words=words, returned=True, **{"day": "2026-11-08"} | more)


def camt(*lines: Line, version: str = "02", account: str = OWN) -> bytes:
    """The file."""
    entries = "".join(_entry(line, number, version) for number, line in enumerate(lines, start=1))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}">'
        f"<BkToCstmrStmt><GrpHdr><MsgId>M1</MsgId></GrpHdr><Stmt><Id>S1</Id><Acct><Id><IBAN>{account}</IBAN></Id></Acct>"
        f"{entries}</Stmt></BkToCstmrStmt></Document>"
    ).encode()


def _entry(line: Line, number: int, version: str) -> str:
    """One entry. `swapped`: the parties stand as in what is taken back, as some banks write it."""
    new = int(version) >= 8
    status = f"<Sts><Cd>{line.status}</Cd></Sts>" if new else f"<Sts>{line.status}</Sts>"
    side, account = ("Dbtr", "DbtrAcct") if (line.minor > 0) != line.swapped else ("Cdtr", "CdtrAcct")
    name = f"<Pty><Nm>{escape(line.name)}</Nm></Pty>" if new else f"<Nm>{escape(line.name)}</Nm>"
    strd = f"<Strd><CdtrRefInf><Ref>{escape(line.reference)}</Ref></CdtrRefInf></Strd>" if line.reference else ""
    back = f"<RtrInf><Rsn><Cd>{line.reason}</Cd></Rsn></RtrInf>" if line.returned else ""
    reference = line.end_to_end or f"E{number}"
    own = f"<AcctSvcrRef>{line.bank_reference}</AcctSvcrRef>" if line.bank_reference else ""
    amount = f"{abs(line.minor) / 100:.2f}"
    return (
        f'<Ntry><Amt Ccy="{line.currency}">{amount}</Amt><CdtDbtInd>{"CRDT" if line.minor > 0 else "DBIT"}</CdtDbtInd>{status}'
        f"<BookgDt><Dt>{line.day}</Dt></BookgDt>{own}<NtryDtls><TxDtls><Refs><EndToEndId>{reference}</EndToEndId></Refs>"
        f"<RltdPties><{side}>{name}</{side}><{account}><Id><IBAN>{line.iban}</IBAN></Id></{account}></RltdPties>"
        f"<RmtInf><Ustrd>{escape(line.words)}</Ustrd>{strd}</RmtInf>{back}</TxDtls></NtryDtls></Ntry>"
    )


def statement(world: World, *lines: Line, open_columns: bool = False, **about: str) -> BankFile:
    """A CAMT.053 that Omar sent; with `open_columns` a CSV of one line instead that waits for its columns."""
    taken = bank.take_file(
        seller=world.seller, name="statement.xml", content=camt(*lines, **about), by=world.omar, now=world.now
    )
    if open_columns:
        BankFile.objects.filter(pk=taken.pk).update(kind="csv", state="waiting", file=csv_file())
        taken.refresh_from_db()
    return taken


def csv_file() -> int:
    """A small CSV in store."""
    return files.store(b"Date;Montant;Tiers\n06/11/2026;1,00;Somebody\n", "text/csv").pk


def work(world: World) -> int:
    """Let the worker look at what is new."""
    return bank.work_on_new(world.now)
