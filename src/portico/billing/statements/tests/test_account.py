"""Whose account a statement is of: named in a column, above the heading, as an IBAN or as the country writes it, or not."""

import pytest

from portico.billing.statements.account import ibans_in, is_own, masked, others
from portico.billing.statements.table import accounts_of, cut, guess, read_table

OWN, OTHER, THIRD = "FR7630006000011234567890189", "DE89370400440532013000", "DE02120300000000202051"
LINES = "Date;Payer;Amount\n2026-11-06;Somebody;1.00\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DE89 3704 0044 0532 0130 00", [OTHER]),
        ("IBAN:DE89370400440532013000", [OTHER]),
        ("Girokonto DE89370400440532013000 EUR", [OTHER]),
        ("DE89370400440532013001", []),
        ("Statement of 31.12.2026, page 1", []),
        (f"{OWN} and {OTHER}", [OWN, OTHER]),
        ("", []),
    ],
)
def test_ibans_are_found_in_text_and_only_valid_ones(text: str, found: list[str]) -> None:
    assert ibans_in([text]) == found


@pytest.mark.parametrize(
    ("named", "own"),
    [(OWN, True), ("FR76 3000 6000 0112 3456 7890 189", True), ("30006000011234567890189", True), (OTHER, False)],
)
def test_one_s_own_account_is_known_by_iban_and_as_the_country_writes_it(named: str, own: bool) -> None:
    assert is_own(named, OWN) == own
    assert others([named], OWN) == ([] if own else [OTHER])
    assert others([named], "") == [], "nobody knows one's own"


def test_the_history_keeps_enough_to_know_an_account_again() -> None:
    assert masked(OTHER) == "DE89…3000"
    assert masked("12345678") == "12345678"


@pytest.mark.parametrize(
    ("text", "accounts"),
    [
        (LINES, []),
        (f"Kontonummer;{OTHER};\n;;\n{LINES}", [OTHER]),
        (f"Auftragskonto;Datum;Name;IBAN;Betrag\n{OTHER};06.11.2026;A;{THIRD};1,00\n", [OTHER]),
        (f"Datum;Name;IBAN;Betrag\n06.11.2026;A;{THIRD};1,00\n", []),
        (f"Date;Name;Account;Amount\n2026-11-06;A;{OTHER};1.00\n2026-11-07;B;{THIRD};2.00\n", []),
    ],
)
def test_a_csv_names_its_account_in_a_column_or_above_the_heading_or_not(text: str, accounts: list[str]) -> None:
    table = cut(text.encode())
    assert accounts_of(table, guess(table)) == accounts
    movements = read_table(table, guess(table), account=OWN, currency="EUR")
    assert {one.account for one in movements} == set(accounts or [OWN])


def test_one_s_own_account_written_otherwise_leaves_the_movement_what_it_is() -> None:
    """A file that overlaps with one of another kind brings the movement once."""
    silent, saying = cut(LINES.encode()), cut(f"IBAN;FR76 3000 6000 0112 3456 7890 189;\n{LINES}".encode())
    first, second = (read_table(one, guess(one), account=OWN, currency="EUR") for one in (silent, saying))
    assert first == second
