"""VAT ids as people type them, and those with a digit typed wrongly."""

import pytest

from portico.kit.errors import Invalid
from portico.kit.vat_ids import check_vat_id


@pytest.mark.parametrize(
    ("text", "compact"),
    [
        ("FR 40 303 265 045", "FR40303265045"),
        ("fr40303265045", "FR40303265045"),
        ("DE 136,695 976".replace(",", "."), "DE136695976"),
        ("ATU13585627", "ATU13585627"),
        ("BE 0428.759.497", "BE0428759497"),
        ("BE 697449992", "BE0697449992"),
        ("EL094259216", "EL094259216"),
        ("GR 094259216", "EL094259216"),
        ("NL004495445B01", "NL004495445B01"),
        ("RO 18547290", "RO18547290"),
        ("XI 980 7806 84", "XI980780684"),
        ("GB980780684", "GB980780684"),
        ("CHE-107.787.577 IVA", "CHE107787577IVA"),
        ("NO 995 525 828 MVA", "NO995525828MVA"),
    ],
)
def test_a_vat_id_is_kept_compact(text: str, compact: str) -> None:
    assert check_vat_id(text) == compact
    assert check_vat_id(compact) == compact


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FR",
        "FR40303265046",
        "DE136695977",
        "40303265045",
        "EU372022452",
        "IM3720000224",
        "ZZ123456789",
        "US123456789",
        "FR40303265045" * 3,
        "ＤＥ136695976",
        "DE13669597٦",
    ],
)
def test_a_wrong_vat_id_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="not a valid VAT id"):
        check_vat_id(text)
