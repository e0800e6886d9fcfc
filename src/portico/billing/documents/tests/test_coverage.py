"""Which characters are printed as they are, and what stands for the others."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.billing.documents.coverage import FONTS, covered, east_asian_font, missing, plainly, printable
from portico.billing.documents.render import TEMPLATES


@pytest.mark.parametrize(
    "name",
    [
        "Atelier Fontaine SARL",
        "Straße Łódź Çankırı Đặng Þór",
        "Ελληνική Εταιρεία",
        "ООО «Ромашка»",
        "شركة الاختبار المحدودة",
        'שלום בע"מ',
        "บริษัท",
        "हिन्दी क्\u200dष",
        "বাংলা தமிழ் Հայաստան საქართველო",
        "株式会社山田製作所 北京科技有限公司 臺灣 주식회사 한국",
        "Café 😀 🚀",
        "1\u202f234,00\u00a0€ − ½ × 2 → ✓",
    ],
)
def test_what_the_fonts_hold_stays(name: str) -> None:
    assert printable(name) == name


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("ᏣᎳᎩ Ltd", "[U+13E3][U+13B3][U+13A9] Ltd"),
        ("ஃ𑀅", "ஃ[U+11005]"),
        ("ＦＵＬＬ　ｗｉｄｔｈ", "FULL width"),
        ("𝐁𝐨𝐥𝐝", "Bold"),
        ("e\u0301clair", "éclair"),
        ("a\x00b\x07c\x1b[31m", "abc[31m"),
        ("tab\there\r\nnext\u2028line", "tab here\nnext\nline"),
        ("pay \u202e001\u202c to \u2066me\u2069", "pay 001 to me"),
        ("soft\u00adhyphen zero\u200bwidth \ufeffmark", "softhyphen zerowidth mark"),
        ("lone \ud800 surrogate", "lone [U+D800] surrogate"),
        ("private \ue000 use", "private [U+E000] use"),
        ("❤\ufe0f", "❤"),
    ],
)
def test_what_the_fonts_lack_is_replaced(written: str, printed: str) -> None:
    assert printable(written) == printed


@given(st.text(alphabet=st.characters(), max_size=60))
def test_only_printable_characters_are_left(text: str) -> None:
    assert all(char in covered() or char in "\n\u200c\u200d" for char in printable(text))
    assert all(char in covered("Inter-Regular.ttf") or char == "\n" for char in plainly(printable(text)))


def test_every_alphabet_that_is_bundled_is_used_by_the_template() -> None:
    families = set(re.findall(r'"(Noto [\w ]+)"', (TEMPLATES / "look.typ").read_text())) - {"Noto Sans CJK JP"}
    files = {
        path.stem.removesuffix("-Regular").replace("NotoSans", "Noto Sans ").replace("NotoE", "Noto E")
        for path in FONTS.glob("Noto*.ttf")
    }
    assert families == files
    assert len(list(FONTS.glob("OFL-*.txt"))) == 4


def test_what_is_missing_is_named_and_nothing_else() -> None:
    assert missing("ᏣᎳᎩ Ltd ᏣᎳᎩ") == "ᏣᎳᎩ"
    assert missing("株式会社 “Łódź” e\u0301 😀\ufe0f") == ""
    assert east_asian_font().is_file()
