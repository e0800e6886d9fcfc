"""Templates that are compiled for speed say what Jinja2 alone would have said, in each language, and escape as it does."""

from datetime import date

import pytest
from django.template import engines
from django.urls import reverse
from django.utils import translation
from markupsafe import Markup

from portico.jinja import in_words, put
from portico.kit.addresses import path_to


def drawn(source: str, code: str = "en", **values: object) -> str:
    """A template's text in one language."""
    return in_words(code).from_string(source).render(**values)


def test_what_is_fixed_is_compiled_in() -> None:
    code = in_words("en").compile("""{{ url("my:home.index") }}{{ icon("house") }}{{ _("Invoices") }}""", raw=True)
    assert "/my/" in code
    assert "#i-house" in code
    assert "environment.put" not in code, "nothing is left to do"


def test_what_is_put_in_is_escaped() -> None:
    hostile = "<script>alert('&')</script>"
    assert drawn("{{ name }}", name=hostile) == "&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"
    assert "<script>" not in drawn("""{{ _("For %(company)s", company=name) }}""", name=hostile)
    assert "<script>" not in drawn("""{% trans n=name %}For {{ n }}{% endtrans %}""", name=hostile)
    assert "<script>" not in drawn("""{{ money(5, 'EUR', name) }}{{ row.a }}""", name=hostile, row={"a": hostile})
    assert drawn("{{ name }}", name=Markup("<b>")) == "<b>"
    assert put(None) == "None"
    assert put(1.5) == "1.5"


def test_plain_text_is_not_escaped() -> None:
    text = in_words("en", escapes=False).from_string("""{{ _("For %(company)s", company=name) }} {{ name }}""")
    assert text.render(name="O'Neil & Co") == "For O'Neil & Co O'Neil & Co"


def test_a_dict_is_looked_into_before_its_methods() -> None:
    assert drawn("{{ row.items }} {{ row.number }}", row={"items": 3, "number": "A"}) == "3 A"
    assert drawn("{% for key, value in row.items() %}{{ key }}{{ value }}{% endfor %}", row={"a": 1}) == "a1"


@pytest.mark.parametrize(("code", "word"), [("en", "26 Nov 2026"), ("de", "26.11.2026"), ("fr", "26 nov. 2026")])
def test_each_language_has_its_own_environment(code: str, word: str) -> None:
    with translation.override(code):
        assert engines["jinja2"].env is in_words(code)  # type: ignore[attr-defined]  # our backend's
        assert word in engines["jinja2"].from_string("{{ day(d) }}").render({"d": date(2026, 11, 26)})
    assert drawn("{{ 1234567|amount('EUR') }}", "de") == "12.345,67"


def test_counted_words_take_their_number() -> None:
    source = """{{ ngettext("%(num)s day left", "%(num)s days left", n) }}"""
    assert (drawn(source, n=1), drawn(source, n=3)) == ("1 day left", "3 days left")


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("my:home.index", ()),
        ("my:invoices.detail", ("INV-2026-00007",)),
        ("my:quotations.version", ("Q-2026-00001", 2)),
        ("my:invoices.detail", ("a b",)),
        ("my:invoices.detail", ("Ä{}%",)),
    ],
)
def test_an_address_is_what_django_gives(name: str, args: tuple[object, ...]) -> None:
    assert path_to(name, *args) == reverse(name, args=args)
    assert drawn("{{ url(name, *args) }}", name=name, args=args) == str(Markup.escape(reverse(name, args=args)))
