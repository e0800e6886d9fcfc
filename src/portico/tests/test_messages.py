"""Every text on screen is found for its translators, and what they wrote fits it."""

from pathlib import Path

import pytest

from portico.commands import messages

CODE = """
from django.utils.translation import gettext as _, gettext_lazy as lazy, ngettext
LABEL = lazy("To decide")
def said(count: int) -> str:
    return _("Paid %(day)s.") % {"day": count} + ngettext("%(num)s day", "%(num)s days", count) % {"num": count}
"""
PAGE = """{% extends "kit/frame.html" %}{{ _("Pay now") }}{% trans %}Hello {{ name }}{% endtrans %}
{{ ngettext("%(num)s line", "%(num)s lines", count) }}{# _("not this") #}"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small source tree with one module and one page."""
    source = tmp_path / "src" / "portico"
    (source / "billing" / "templates" / "billing").mkdir(parents=True)
    (source / "billing" / "tests").mkdir()
    (source / "billing" / "said.py").write_text(CODE)
    (source / "billing" / "tests" / "test_said.py").write_text('_("only a test")')
    (source / "billing" / "templates" / "billing" / "page.html").write_text(PAGE)
    monkeypatch.setattr(messages, "CHECKOUT", tmp_path)
    monkeypatch.setattr(messages, "SOURCE", source)
    monkeypatch.setattr(messages, "LOCALE", source / "locale")
    monkeypatch.setattr(messages, "TRANSLATED", ("fr",))
    return source


def translate(**words: str) -> None:
    """Write French for the texts that begin with these words."""
    catalogue = messages.update("fr")
    for message in catalogue:
        for start, text in words.items():
            first = message.id if isinstance(message.id, str) else message.id[0]
            if first.startswith(start):
                message.string = text if isinstance(message.id, str) else (text, text)
    messages.write("fr", catalogue)


def test_texts_are_found_in_code_and_in_pages_but_not_in_tests(house: Path) -> None:
    found = {text.words for text in messages.texts()}
    assert found == {
        "To decide",
        "Paid %(day)s.",
        ("%(num)s day", "%(num)s days"),
        "Pay now",
        "Hello %(name)s",
        ("%(num)s line", "%(num)s lines"),
    }


def test_a_missing_translation_is_a_fault_and_a_whole_one_is_none(house: Path) -> None:
    assert sum("not translated" in fault for fault in messages.faults()) == 6
    translate(To="À décider", Paid="Payé le %(day)s.", Pay="Payer", Hello="Bonjour %(name)s", **{"%(num)s": "%(num)s"})
    assert messages.faults() == []
    translate(Paid="Payé.")
    assert messages.faults() == [
        "fr: the translation lacks ['%(day)s']: 'Paid %(day)s.' (src/portico/billing/said.py:5)"
    ]
    translate(Paid="Payé le %(date)s.")
    assert len(messages.faults()) == 2, "one placeholder is lost, one invented"
    translate(Paid="Payé le %(day)s.")
    assert messages.faults() == []


def test_bringing_in_step_keeps_what_was_translated_and_drops_what_is_gone(house: Path) -> None:
    translate(To="À décider", Hello="Bonjour %(name)s")
    (house / "billing" / "said.py").write_text('_("Rejected"); lazy("To decide")')
    known = {message.id: message.string for message in messages.update("fr") if message.id}
    assert known["To decide"] == "À décider"
    assert known["Rejected"] == ""
    assert "Paid %(day)s." not in known
