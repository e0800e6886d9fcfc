"""A bank's CSV: its signs are found, its columns proposed, its amounts and days read as that bank writes them."""

import pytest

from portico.billing.statements.table import Reading, cut, guess, read_table
from portico.kit.errors import Invalid

GERMAN = (
    "Umsätze;;;;\nBuchungstag;Name Zahlungspflichtiger;IBAN;Verwendungszweck;Betrag\n"
    "06.11.2026;Bäckerei Lindner;DE89 3704 0044 0532 0130 00;INV-2026-00042;1.234,56\n"
    "07.11.2026;Bank;;Gebühr;-5,00\n08.11.2026;;;;\n"
).encode("cp1252")
FRENCH = (
    'Date opération,Libellé,Débit,Crédit\n06/11/2026,VIR FONTAINE,,"1 068,00"\n07/11/2026,FRAIS,"5,00",\n'
).encode()
ENGLISH = b"Booking date\tPayer\tAmount\tCurrency\n2026-11-06\tFjord\t1,500.00\tNOK\n"


@pytest.mark.parametrize(
    ("content", "delimiter", "point", "day_format", "columns", "amounts"),
    [
        (GERMAN, ";", ",", "%d.%m.%Y", {"day", "payer", "iban", "words", "amount"}, [123_456, -500]),
        (FRENCH, ",", ",", "%d/%m/%Y", {"day", "words", "credit", "debit"}, [106_800, -500]),
        (ENGLISH, "\t", ".", "%Y-%m-%d", {"day", "payer", "amount", "currency"}, [150_000]),
    ],
)
def test_what_is_guessed_reads_the_file(
    content: bytes, delimiter: str, point: str, day_format: str, columns: set[str], amounts: list[int]
) -> None:
    table = cut(content)
    reading = guess(table)
    assert (table.delimiter, reading.decimal_point, reading.day_format) == (delimiter, point, day_format)
    assert set(reading.columns) == columns
    found = read_table(table, reading, account="FR76", currency="EUR")
    assert [one.amount_minor for one in found] == amounts


def test_names_and_accounts_come_along() -> None:
    table = cut(GERMAN)
    first = read_table(table, guess(table), account="FR76", currency="EUR")[0]
    assert (first.payer_name, first.payer_iban, first.words) == (
        "Bäckerei Lindner", "DE89370400440532013000", "INV-2026-00042",
    )  # fmt: skip
    assert first.booked_on.isoformat() == "2026-11-06"


@pytest.mark.parametrize("content", [b"", b"hello", b"1;2;3\n4;5;6\n", b"a\x00b;c;d", b"Date;Amount;Payer\n"])
def test_what_is_no_table_is_refused(content: bytes) -> None:
    def read() -> None:
        table = cut(content)
        read_table(table, guess(table), account="", currency="EUR")

    with pytest.raises(Invalid):
        read()


@pytest.mark.parametrize(
    ("columns", "line"), [({"day": 0, "amount": 1}, "Line 2"), ({"amount": 4}, "Say which"), ({"day": 0}, "Say which")]
)
def test_columns_that_do_not_fit_name_the_line(columns: dict[str, int], line: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_table(cut(GERMAN), Reading(columns, ",", "%d.%m.%Y"), account="", currency="EUR")
    assert line in refusal.value.message
