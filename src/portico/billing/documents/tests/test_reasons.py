"""Why a file is refused: in the reader's language on pages, in English and with a code that stays for programs."""

import re

import pytest
from django.utils.translation import override
from lxml import etree

from portico.billing.documents.reading.reasons import REASONS, TERMS, Taken, Unreadable, what_is_wrong, what_to_do
from portico.billing.documents.reading.xml import code, text

NAMED = re.compile(r"%\((\w+)\)s")


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_has_words_in_every_language(code: str) -> None:
    about = {name: "BT-115" if name == "term" else "x1" for name in NAMED.findall(REASONS[code][0])}
    said = set()
    for language in ("en", "fr", "de"):
        with override(language):
            words = what_is_wrong(code, about), what_to_do(code)
            assert all(words)
            assert "%" not in "".join(words).replace(" %", "")
            assert all(value in words[0] for name, value in about.items() if name != "term")
            said.add(words)
    assert len(said) == 3, "a translation says something of its own"


def test_a_term_is_named_in_the_readers_language() -> None:
    refusal = Unreadable("sum", term="BT-115", stated="120.00", made="121.00", rule="BR-CO-16")
    with override("de"):
        assert what_is_wrong(refusal.code, refusal.about).startswith("Der fällige Betrag (BT-115) ist 120.00")
    assert len({TERMS[term] for term in TERMS}) == len(TERMS)


@pytest.mark.parametrize("kind", [Unreadable, Taken])
def test_the_message_of_a_refusal_is_english_whoever_asks(kind: type[Unreadable | Taken]) -> None:
    with override("fr"):
        refusal = kind("ours", number="INV-2026-00001")
    assert refusal.message == (
        "INV-2026-00001 was issued by this portal itself. Nothing was changed. It is among your invoices already."
    )
    assert (refusal.code, refusal.about) == ("ours", {"number": "INV-2026-00001"})


def test_marks_that_turn_the_reading_direction_are_left_out() -> None:
    turned = etree.fromstring("<a>INV\u202e10\u2066-\u200e7\u200f\u2069</a>")
    assert code(turned) == "INV10-7"
    assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(text(turned))
    assert text(etree.fromstring("<a> שלום \u200f(Israel) </a>")) == "שלום \u200f(Israel)"
