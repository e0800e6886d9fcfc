"""Lint of our own for templates: what the Content-Security-Policy would block anyway is not written in the first place."""

import re
from pathlib import Path

from portico.commands import CHECKOUT

INLINE_STYLE = re.compile(r"<[^>]*\sstyle\s*=", re.IGNORECASE)
LETTER = re.compile(r"(?:^|/)kit/letter(?:_parts)?\.html$")
"""Mail programs know no style sheets and no Content-Security-Policy: the frame of letters alone carries its style inline."""
RULES = (
    (INLINE_STYLE, "inline style: give it a class"),
    (re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE), "inline event handler: listen in a script file"),
    (re.compile(r"<script(?![^>]*\ssrc\s*=)", re.IGNORECASE), "inline script: put it into a file"),
    (re.compile(r"<style\b", re.IGNORECASE), "inline style sheet: put it into a file"),
    (re.compile(r"""(?:href|src|action)\s*=\s*["']?\s*javascript:""", re.IGNORECASE), "javascript: address"),
    (re.compile(r"""(?:href|src|action)\s*=\s*["']?(?:https?:)?//""", re.IGNORECASE), "address of another site"),
    (re.compile(r"\|\s*safe\b"), "|safe: build Markup where the text is made safe"),
    (re.compile(r"\{%-?\s*autoescape\s+(?:false|off)"), "escaping switched off"),
)
COMMENT = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)
FORM = re.compile(r"<form\b[^>]*method\s*=\s*[\"']?post.*?</form", re.IGNORECASE | re.DOTALL)


def pages() -> list[Path]:
    """Every template of ours, Jinja2 and Django alike."""
    source = CHECKOUT / "src" / "portico"
    return sorted([*source.glob("*/templates/**/*.html"), *source.glob("*/django_templates/**/*.html")])


def faults() -> list[str]:
    """Each breach as `file:line: what`."""
    return [fault for page in pages() for fault in faults_in(page.read_text(), str(page.relative_to(CHECKOUT)))]


def faults_in(text: str, name: str) -> list[str]:
    """The breaches in one template."""
    bare = COMMENT.sub(lambda comment: "\n" * comment.group().count("\n"), text)
    found: list[str] = []
    for pattern, what in RULES:
        if pattern is INLINE_STYLE and LETTER.search(name):
            continue
        found += [f"{name}:{line_of(bare, match.start())}: {what}" for match in pattern.finditer(bare)]
    for form in FORM.finditer(bare):
        if "csrf" not in form.group():
            found.append(f"{name}:{line_of(bare, form.start())}: a posted form without its CSRF token")
    return sorted(found)


def line_of(text: str, position: int) -> int:
    """The line number of a position."""
    return text.count("\n", 0, position) + 1
