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
DUTCH = (
    b'"Datum","Naam / Omschrijving","Rekening","Tegenrekening","Code","Af Bij","Bedrag (EUR)","Mededelingen"\n'
    b'"20261106","Fontaine","NL91","FR7630006000011234567890189","GT","Bij","1.068,00","INV-2026-00042"\n'
    b'"20261107","Huur","NL91","NL02","GT","Af","1200,00","INV-2026-00043"\n'
)
COOPERATIVE = (
    "Buchungstag;Auftraggeber/Zahlungsempfänger;IBAN;Verwendungszweck;Währung;Umsatz; \n"
    "06.11.2026;Bäckerei Lindner;DE89370400440532013000;INV-2026-00042;EUR;890,00;H\n"
    "07.11.2026;Miete;DE02120300000000202051;November;EUR;1.500,00;S\n"
).encode("cp1252")


@pytest.mark.parametrize(
    ("content", "delimiter", "point", "day_format", "columns", "amounts"),
    [
        (GERMAN, ";", ",", "%d.%m.%Y", {"day", "payer", "iban", "words", "amount"}, [123_456, -500]),
        (FRENCH, ",", ",", "%d/%m/%Y", {"day", "words", "credit", "debit"}, [106_800, -500]),
        (
            DUTCH,
            ",",
            ",",
            "%Y%m%d",
            {"day", "payer", "account", "iban", "amount", "sign", "words"},
            [106_800, -120_000],
        ),
        (
            COOPERATIVE,
            ";",
            ",",
            "%d.%m.%Y",
            {"day", "payer", "iban", "words", "currency", "amount", "sign"},
            [89_000, -150_000],
        ),
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


@pytest.mark.parametrize(
    ("text", "point", "minor"),
    [
        ("1.234,56", ",", 123_456), ("1 234,5", ",", 123_450), ("1'234.56", ".", 123_456), ("12", ",", 1_200),
        ("-5,00", ",", -500), ("5,00-", ",", -500), ("+5,00", ",", 500), ("EUR 5,00", ",", 500), (",50", ",", 50),
        ("1.234.567,00", ",", 123_456_700),
    ],
)  # fmt: skip
def test_amounts_are_read_as_banks_write_them(text: str, point: str, minor: int) -> None:
    table = cut(f"Date;Payer;Amount\n2026-11-06;A;{text}\n".encode())
    reading = Reading({"day": 0, "payer": 1, "amount": 2}, point, "%Y-%m-%d")
    assert [one.amount_minor for one in read_table(table, reading, account="", currency="EUR")] == [minor]


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("5,00", "."), ("12.34", ","), ("1.23.456,00", ","), ("1,2345,678.00", "."), ("-5,00-", ","), ("1e3", ","),
        ("--5", ","), (",", ","),
    ],
)  # fmt: skip
def test_an_amount_read_with_the_wrong_decimal_sign_is_refused(text: str, point: str) -> None:
    """Else 5,00 were five hundred."""
    table = cut(f"Date;Payer;Amount\n2026-11-06;A;{text}\n".encode())
    with pytest.raises(Invalid, match="Line 2"):
        read_table(table, Reading({"day": 0, "payer": 1, "amount": 2}, point, "%Y-%m-%d"), account="", currency="EUR")


@pytest.mark.parametrize(("amount", "word"), [("5,00", "?"), ("5,00", ""), ("-5,00", "Bij")])
def test_money_of_which_nobody_says_whether_it_came_is_refused(amount: str, word: str) -> None:
    table = cut(f"Date;Payer;Amount;Af Bij\n2026-11-06;A;{amount};{word}\n".encode())
    with pytest.raises(Invalid, match="came or went"):
        read_table(
            table, Reading({"day": 0, "payer": 1, "amount": 2, "sign": 3}, ",", "%Y-%m-%d"), account="", currency="EUR"
        )
