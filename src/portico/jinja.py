"""Our pages' templates: one Jinja2 environment for each language, in which all that is fixed is drawn at compile time.

What a template calls most (words, addresses, icons, amounts, dates, statuses) are plain functions of their arguments and the
language. Calls of them are compiled as filters, which Jinja2 calls without its detour for macros; where all arguments are
written in the template, the result itself is compiled in. A page then costs what differs from reader to reader.
See docs/decisions/0016-pages-at-speed.md.
"""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

import markupsafe
from django.conf import settings
from django.template.backends.jinja2 import Jinja2
from django.templatetags.static import static
from django.utils import timezone, translation
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape
from stdnum import iban as stdnum_iban

from portico.kit import formats
from portico.kit.addresses import is_mounted, path_to
from portico.statuses import status_of

KNOWN = frozenset(code for code, _name in settings.LANGUAGES)


class Backend(Jinja2):
    """Django's Jinja2 engine, which answers with the environment of the language that is active."""

    @property
    def env(self) -> Environment:
        """The environment for what is drawn now."""
        return in_words(language())

    @env.setter
    def env(self, made: object) -> None:
        """Django makes one with its options; ours are made by language, when they are needed."""

    def of(self, code: str, *, escapes: bool) -> Environment:
        """The environment of a language, for what is drawn for somebody else than who asked."""
        return in_words(code if code in KNOWN else "en", escapes=escapes)


def language() -> str:
    """The reader's language code, one of ours."""
    active = translation.get_language() or "en"
    return active if active in KNOWN else "en"


def in_words(code: str, *, escapes: bool = True) -> "Ours":
    """The environment of one language; without `escapes` for plain text."""
    return environment(code, escapes, settings.ROOT_URLCONF)


@lru_cache
def environment(code: str, escapes: bool, urls: str) -> "Ours":
    """Made once; the addresses of `urls` are compiled into its templates."""
    places: Any = next(engine["DIRS"] for engine in settings.TEMPLATES if engine["BACKEND"] == "portico.jinja.Backend")
    env = Ours(
        loader=FileSystemLoader(places),
        autoescape=escapes,
        auto_reload=settings.DEBUG,
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
    )
    env.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's: {% trans %} gives its values to gettext
    env.globals |= {
        "now": timezone.now,
        "in_language": in_language,
        "paragraphs": paragraphs,
        "language": lambda: code,
    }
    called: dict[str, Callable[..., Any]] = {
        **words(code, escapes=escapes),
        "url": path_to,
        "has_url": is_mounted,
        "static": static,
        "icon": icon,
        "money": partial(money, code),
        "amount": partial(amount, code),
        "day": partial(day, code),
        "moment": partial(moment, code),
        "tag": partial(tag, code),
    }
    assert set(called) == CALLED
    env.globals |= called
    env.filters |= {f"{name}()": function for name, function in called.items()}
    env.filters |= {
        "money": lambda minor, currency: formats.money(minor, currency, code),
        "amount": lambda minor, currency: formats.amount(minor, currency, code),
        "quantity": lambda value: formats.quantity(value, code),
        "whole": lambda value: formats.quantity(Decimal(value), code),
        "duration": formats.duration,
        "bytes": lambda value: formats.size(value, code),
        "unit_price": lambda value, currency: formats.unit_price(value, currency, code),
        "percent": lambda value: formats.percent(value, code),
        "day": lambda value: formats.day(value, code) if value else "",
        "month": lambda value: formats.month(value, code, year=True),
        "long_day": lambda value: formats.long_day(value, code),
        "day_time": lambda value, zone: formats.day_time(value, zone, code) if value else "",
        "clock": partial(clock, code),
        "country": lambda value: formats.country(value, code),
        "paragraphs": paragraphs,
        "iban": iban,
    }
    return env


def in_language(code: str, template: str, macro: str, *args: Any) -> Markup:
    """What a macro of a template draws in another language than the reader's."""
    with translation.override(code):
        drawn: Markup = getattr(in_words(language()).get_template(template).module, macro)(*args)
    return drawn


# Compiling ------------------------------------------------------------------------------------------------------------

CALLED = frozenset("_ gettext ngettext pgettext url has_url static icon money amount day moment tag".split())
"""Functions whose result follows from their arguments and the language alone."""


class Calls(NodeTransformer):
    """`{{ money(minor, currency) }}` becomes the filter of the same function, which Jinja2 folds where it can."""

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802  # the visitor's name
        """Rewrite a call of one of CALLED."""
        self.generic_visit(node)
        if not (isinstance(node.node, nodes.Name) and node.node.name in CALLED and node.args):
            return node
        first, *others = node.args
        return nodes.Filter(
            first, f"{node.node.name}()", others, node.kwargs, node.dyn_args, node.dyn_kwargs, lineno=node.lineno
        )


class Generator(CodeGenerator):
    """Writes what a page puts out through `put`, which costs a third of markupsafe's own `escape`."""

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.volatile or not frame.eval_ctx.autoescape or finalize.src is not None:
            super()._output_child_pre(node, frame, finalize)
        else:
            self.write("environment.put(")

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:  # noqa: N802  # the visitor's name
        """`row.number` of a dict, which most rows are, without a call."""
        if not isinstance(node.node, nodes.Name):
            super().visit_Getattr(node, frame)
            return
        name = frame.symbols.ref(node.node.name)
        self.write(f"({name}[{node.attr!r}] if {name}.__class__ is dict and {node.attr!r} in {name} else ")
        super().visit_Getattr(node, frame)
        self.write(")")


escaped: Callable[[str], str] = markupsafe._escape_inner  # type: ignore[attr-defined]  # its C part
"""The characters of a str escaped, as a plain str."""


def put(value: Any) -> str:
    """A value as HTML text: markup as it is, anything else escaped."""
    kind = type(value)
    if kind is str:
        return escaped(value)
    if kind is Markup:
        return value  # type: ignore[no-any-return]  # a str, by the line before
    return str(value) if kind is int else escape(value)


class OurTemplate(Template):
    """A template whose macros are made once: ours never depend on who imports them."""

    def _get_default_module(self, ctx: Any = None) -> Any:
        if self._module is None:
            self._module = self.make_module()
        return self._module


class Ours(Environment):
    """An environment that compiles calls as described above, and looks into a dict before it looks at its attributes."""

    code_generator_class = Generator
    template_class = OurTemplate
    put = staticmethod(put)

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        """Jinja2's own hook: from the parsed template to Python."""
        return super()._generate(Calls().visit(source).set_environment(self), *args, **kwargs)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`row.number`."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


# Words ----------------------------------------------------------------------------------------------------------------


def words(code: str, *, escapes: bool) -> dict[str, Callable[..., Any]]:
    """gettext and its kin in one language. What is put into a text is escaped, the text itself is ours."""
    with translation.override(code):
        catalogue = translation.trans_real.catalog()  # type: ignore[attr-defined]  # Django's, with every app's texts in it

    def filled(text: str, values: dict[str, Any]) -> str:
        if not escapes:
            return text % values
        return Markup(text % {name: one if type(one) is int else put(one) for name, one in values.items()})  # noqa: S704

    @lru_cache(maxsize=2048)
    def fixed(text: str) -> str:
        return filled(catalogue.gettext(text) if text else "", {})

    def gettext(text: str, /, **values: Any) -> str:
        return filled(catalogue.gettext(text), values) if values else fixed(text)

    @lru_cache(maxsize=2048)
    def counted(one: str, many: str, count: int) -> str:
        return filled(catalogue.ngettext(one, many, count), {"num": count})

    def ngettext(one: str, many: str, count: int, /, **values: Any) -> str:
        if values:
            return filled(catalogue.ngettext(one, many, count), {"num": count, **values})
        return counted(one, many, count)

    def pgettext(context: str, text: str, /, **values: Any) -> str:
        found = catalogue.gettext(f"{context}\x04{text}")
        return filled(text if "\x04" in found else found, values)

    return {"_": gettext, "gettext": gettext, "ngettext": ngettext, "pgettext": pgettext}


# Small parts of every page --------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def icon(name: str, large: bool = False) -> Markup:
    """An icon of the sprite: a Lucide name (static/portico/icons.svg). Decorative; the word stands beside it."""
    size = " icon--lg" if large else ""
    sprite = static("portico/icons.svg")
    return Markup('<svg class="icon{}" aria-hidden="true"><use href="{}#i-{}"/></svg>').format(size, sprite, name)


def money(code: str, minor: int, currency: str, role: str = "") -> Markup:
    """An amount with its currency; `role` is total or due where the document has that one."""
    return marked(minor, currency, role, formats.money(minor, currency, code))


def amount(code: str, minor: int, currency: str, role: str = "") -> Markup:
    """An amount under a heading that names the currency."""
    return marked(minor, currency, role, formats.amount(minor, currency, code))


@lru_cache(maxsize=20_000)
def marked(minor: int, currency: str, role: str, shown: str) -> Markup:
    """What is shown of an amount, with the amount itself for programs that read the page."""
    said = f' data-role="{escape(role)}"' if role else ""
    return Markup(  # noqa: S704  # every part is escaped or a number
        f'<span class="nowrap" data-minor="{minor:d}" data-currency="{escape(currency)}"{said}>{escape(shown)}</span>'
    )


@lru_cache(maxsize=4096)
def day(code: str, value: date | None) -> Markup:
    """A day; nothing for none."""
    return timed(value, formats.day(value, code)) if value else Markup("")


def moment(code: str, value: datetime | None, zone: ZoneInfo) -> Markup:
    """A moment in a zone; nothing for none."""
    return timed(value, formats.day_time(value, zone, code)) if value else Markup("")


def timed(value: date, shown: str) -> Markup:
    """A day or moment, for programs as well."""
    return Markup('<time class="nowrap" datetime="{}">{}</time>').format(value.isoformat(), shown)


@lru_cache(maxsize=512)
def tag(code: str, kind: str, status: str, pill: bool = False) -> Markup:
    """A status with its icon and word. `kind` as in portico.statuses."""
    tone, name, word = status_of(kind, status)
    classes = f"tag{f' tag--{tone}' if tone else ''}{' tag--pill' if pill else ''}"
    with translation.override(code):
        return Markup('<span class="{}">{}{}</span>').format(classes, icon(name), str(word))


def clock(code: str, value: datetime, zone: ZoneInfo) -> str:
    """A moment in a zone by the clock alone, 16:20, where it is today; with its day otherwise."""
    local = value.astimezone(zone)
    today = timezone.now().astimezone(zone).date()
    return f"{local:%H:%M}" if local.date() == today else formats.day_time(value, zone, code)


def iban(text: str) -> str:
    """An account number in groups of four: FR76 3000 6000 0112 3456 7890 189."""
    return str(stdnum_iban.format(text))


def paragraphs(text: str) -> Markup:
    """Plain text from a person as escaped HTML, its line breaks kept."""
    return Markup("<br>").join(escape(line) for line in text.splitlines())
