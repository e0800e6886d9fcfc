"""CAMT.053 as banks write it: versions, batches, what is not booked yet; and what a hostile file gets."""

import pytest

from portico.billing.statements.camt import read_camt
from portico.billing.statements.movement import keyed
from portico.billing.tests.banks import OWN, PAYER, Line, camt
from portico.kit.errors import Invalid


@pytest.mark.parametrize("version", ["02", "04", "08", "10", "13"])
def test_every_version_is_read_alike(version: str) -> None:
    (one, out) = read_camt(
        camt(
            Line(106_800, "Fontaine & Fils", "INV-2026-00011", reference="RF18539007547034", bank_reference="B1"),
            Line(-5_00, "The Bank", "Fee"),
            version=version,
        )
    )
    assert (one.account, one.amount_minor, one.currency, one.booked_on.isoformat()) == (
        OWN,
        106_800,
        "EUR",
        "2026-11-06",
    )
    assert (one.payer_name, one.payer_iban, one.bank_reference) == ("Fontaine & Fils", PAYER, "B1")
    assert one.words == "RF18539007547034 INV-2026-00011"
    assert (out.amount_minor, out.payer_name) == (-500, "The Bank")


def test_what_is_pending_is_left_out_and_a_return_is_marked() -> None:
    assert read_camt(camt(Line(100, status="PDNG"))) == []
    (one,) = read_camt(camt(Line(-100, returned=True)))
    assert one.returned


@pytest.mark.parametrize(("said", "instead"), [(b">CRDT<", b">CRED<"), (b">CRDT<", b"><"), (b">1.00<", b">-1.00<")])
def test_money_of_which_nobody_says_whether_it_came_is_not_read(said: bytes, instead: bytes) -> None:
    whole = camt(Line(100))
    assert read_camt(whole)[0].amount_minor == 100
    with pytest.raises(Invalid, match="came or went"):
        read_camt(whole.replace(said, instead))


def test_a_reversal_is_marked_in_either_spelling_of_true() -> None:
    for spelling, marked in ((b"true", True), (b"1", True), (b"false", False)):
        content = camt(Line(100)).replace(b"</CdtDbtInd>", b"</CdtDbtInd><RvslInd>" + spelling + b"</RvslInd>")
        assert read_camt(content)[0].returned is marked


def test_currencies_keep_their_own_decimals() -> None:
    text = camt(Line(100, currency="JPY")).replace(b">1.00<", b">1500<")
    assert read_camt(text)[0].amount_minor == 1500
    with pytest.raises(Invalid):
        read_camt(camt(Line(100, currency="JPY")).replace(b">1.00<", b">1.50<"))
    with pytest.raises(Invalid):
        read_camt(camt(Line(100, currency="XQX")))


AMOUNT = '<AmtDtls><TxAmt><Amt Ccy="EUR">{}</Amt></TxAmt></AmtDtls>'
PART = f"<TxDtls>{AMOUNT}<RltdPties><Dbtr><Nm>{{}}</Nm></Dbtr></RltdPties></TxDtls>"
BATCH = f"<NtryDtls>{PART.format('0.40', 'A')}{PART.format('0.60', 'B')}</NtryDtls>".encode()


def test_a_batch_is_cut_where_its_parts_add_up() -> None:
    whole = camt(Line(100))
    start, end = whole.index(b"<NtryDtls>"), whole.index(b"</NtryDtls>") + len(b"</NtryDtls>")
    cut = whole[:start] + BATCH + whole[end:]
    assert [(one.payer_name, one.amount_minor) for one in read_camt(cut)] == [("A", 40), ("B", 60)]
    (one,) = read_camt(cut.replace(b"0.60", b"0.70"))
    assert one.amount_minor == 100, "parts that do not add up are one movement of what was booked"


@pytest.mark.parametrize(
    "hostile",
    [
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Document>&e;</Document>',
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>',
        b'<!DOCTYPE Document SYSTEM "http://127.0.0.1:1/x.dtd">' + camt(Line(100))[38:],
        b"<Document>",
        b"<html/>",
        camt(Line(100)).replace(b"camt.053", b"camt.054"),
        camt(Line(100), version="99"),
        b"<" * 1000,
    ],
)
def test_a_hostile_or_foreign_file_is_refused_in_words(hostile: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        read_camt(hostile)
    assert "root:" not in refusal.value.message


def test_alike_movements_of_a_day_have_keys_of_their_own_in_every_file() -> None:
    twice = camt(Line(100), Line(100)).replace(b"E2", b"E1")
    first, second = [key for key, _one in keyed(read_camt(twice))]
    assert first != second
    assert [key for key, _one in keyed(read_camt(twice))] == [first, second]
    assert [key for key, _one in keyed(read_camt(camt(Line(100))))] == [first]
