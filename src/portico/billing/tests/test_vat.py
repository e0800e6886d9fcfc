"""VAT categories by product and place, the law's words, and VAT ids."""

from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from portico.billing.vat import (
    CATEGORIES,
    EU,
    STATUTORY_NOTES,
    VatDecision,
    check_groups,
    decide,
    exemption_code,
    statutory_note,
)
from portico.kit.errors import Invalid

NOTHING, TWENTY = Decimal(0), Decimal(20)


def decided(seller: str, buyer: str, kind: str = "service", **others: Any) -> VatDecision:
    facts: dict[str, Any] = {"buyer_vat_checked": True, "product_category": "S", "product_rate": TWENTY} | others
    return decide(kind=kind, seller_country=seller, buyer_country=buyer, **facts)


@pytest.mark.parametrize(
    ("seller", "buyer", "kind", "category", "code"),
    [
        ("FR", "FR", "service", "S", ""),
        ("FR", "FR", "goods", "S", ""),
        ("FR", "MC", "goods", "S", ""),
        ("MC", "FR", "service", "S", ""),
        ("FR", "DE", "service", "AE", "VATEX-EU-AE"),
        ("FR", "DE", "application", "AE", "VATEX-EU-AE"),
        ("FR", "DE", "users", "AE", "VATEX-EU-AE"),
        ("FR", "DE", "goods", "K", "VATEX-EU-IC"),
        ("DE", "MC", "goods", "K", "VATEX-EU-IC"),
        ("FR", "GR", "goods", "K", "VATEX-EU-IC"),
        ("FR", "NO", "service", "O", "VATEX-EU-O"),
        ("FR", "NO", "goods", "G", "VATEX-EU-G"),
        ("FR", "GB", "goods", "G", "VATEX-EU-G"),
        ("CH", "FR", "service", "S", ""),
    ],
)
def test_the_category_follows_product_and_place(seller: str, buyer: str, kind: str, category: str, code: str) -> None:
    decision = decided(seller, buyer, kind)
    assert decision == VatDecision(category, TWENTY if category == "S" else NOTHING)
    assert decision.exemption_code == code


@pytest.mark.parametrize("category", ["Z", "E"])
def test_at_home_the_product_decides(category: str) -> None:
    assert decided("FR", "FR", product_category=category) == VatDecision(category, NOTHING)
    assert decided("FR", "FR", product_rate=Decimal("5.5")) == VatDecision("S", Decimal("5.5"))


@pytest.mark.parametrize("kind", ["service", "goods"])
def test_vat_is_left_out_in_the_eu_only_for_a_checked_or_approved_company(kind: str) -> None:
    with pytest.raises(Invalid, match="Check it, or have it approved"):
        decided("FR", "DE", kind, buyer_vat_checked=False)
    approved = decided("FR", "DE", kind, buyer_vat_checked=False, staff_approved=True)
    assert approved.category == ("K" if kind == "goods" else "AE")


def test_outside_the_eu_and_at_home_no_vat_id_is_asked_for() -> None:
    assert decided("FR", "US", buyer_vat_checked=False).category == "O"
    assert decided("FR", "US", "goods", buyer_vat_checked=False).category == "G"
    assert decided("FR", "FR", buyer_vat_checked=False).category == "S"


@pytest.mark.parametrize(("category", "rate", "message"), [("S", NOTHING, "above zero"), ("X", NOTHING, "not a VAT")])
def test_a_product_that_contradicts_itself_is_refused(category: str, rate: Decimal, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        decided("FR", "FR", product_category=category, product_rate=rate)


def test_the_eu_has_its_27_members_and_monaco() -> None:
    assert len(EU) == 28
    assert not EU & {"GB", "NO", "CH", "XI", "EL"}


# On one invoice --------------------------------------------------------------------------------------------------------


def test_groups_that_may_stand_together() -> None:
    check_groups([])
    check_groups([("O", NOTHING), ("O", NOTHING)])
    check_groups(
        [("S", TWENTY), ("S", Decimal("5.5")), ("Z", NOTHING), ("E", NOTHING), ("AE", NOTHING), ("K", NOTHING)]
    )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([("O", NOTHING), ("S", TWENTY)], "two quotations"),
        ([("G", NOTHING), ("O", NOTHING)], "two quotations"),
        ([("S", NOTHING)], "above zero"),
        ([("AE", TWENTY)], "no rate"),
        ([("Z", Decimal("0.1"))], "no rate"),
        ([("O", TWENTY)], "no rate"),
        ([("", NOTHING)], "not a VAT category"),
    ],
)
def test_groups_that_may_not(groups: list[tuple[str, Decimal]], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        check_groups(groups)


# The law's words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "language", "words"),
    [
        ("AE", "en", "Reverse charge"),
        ("AE", "fr", "Autoliquidation"),
        ("AE", "de", "Steuerschuldnerschaft des Leistungsempfängers"),
        ("AE", "de-at", "Steuerschuldnerschaft des Leistungsempfängers"),
        ("K", "en", "intra-Community supply"),
        ("K", "fr", "Livraison intracommunautaire"),
        ("K", "de", "innergemeinschaftliche Lieferung"),
        ("G", "fr", "Exportation"),
        ("O", "de", "Nicht steuerbar"),
        ("E", "fr", "Exonéré"),
        ("AE", "nl", "Reverse charge"),
    ],
)
def test_the_note_uses_the_words_of_the_law_in_the_papers_language(category: str, language: str, words: str) -> None:
    with translation.override("en"):
        assert words in statutory_note(category, language)


def test_every_language_has_every_note_and_taxed_lines_have_none() -> None:
    assert set(STATUTORY_NOTES) == {"en", "fr", "de"}
    for language, notes in STATUTORY_NOTES.items():
        assert set(notes) == CATEGORIES - {"S", "Z"}
        assert statutory_note("S", language) == statutory_note("Z", language) == ""
    assert exemption_code("S") == exemption_code("E") == ""


# VAT ids ---------------------------------------------------------------------------------------------------------------
