"""Translations are compiled when they changed, and only then."""

import gettext
import os
from pathlib import Path

from portico.kit.catalogues import compile_changed

TEXT = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Pay"\nmsgstr "%s"\n'


def catalogue(root: Path, translation: str) -> Path:
    source = root / "fr" / "LC_MESSAGES" / "django.po"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(TEXT % translation)
    return source


def said(compiled: Path) -> str:
    with compiled.open("rb") as file:
        return gettext.GNUTranslations(file).gettext("Pay")


def test_a_catalogue_is_compiled_when_it_changed(tmp_path: Path) -> None:
    source = catalogue(tmp_path, "Payer")
    (compiled,) = compile_changed(tmp_path)
    assert said(compiled) == "Payer"
    assert compile_changed(tmp_path) == [], "nothing changed"
    catalogue(tmp_path, "Régler")
    later = compiled.stat().st_mtime_ns + 1_000_000_000
    os.utime(source, ns=(later, later))
    assert compile_changed(tmp_path) == [compiled]
    assert said(compiled) == "Régler"
    assert [path.name for path in sorted(compiled.parent.iterdir())] == ["django.mo", "django.po"], "nothing left lying"


def test_no_catalogue_is_no_fault(tmp_path: Path) -> None:
    assert compile_changed(tmp_path / "none") == []
