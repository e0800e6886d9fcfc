"""The pages' parts fit together: every template compiles, every icon is in the sprite, every class is in the style sheet."""

import re
from pathlib import Path

import pytest
from django.template import engines

from portico.commands import CHECKOUT
from portico.commands.markup import pages
from portico.statuses import STATUSES

STATIC = CHECKOUT / "src" / "portico" / "kit" / "static" / "portico"
SPRITE = set(re.findall(r'<symbol[^>]* id="i-([a-z0-9-]+)"', (STATIC / "icons.svg").read_text()))
STYLES = set(re.findall(r"\.(-?[_a-zA-Z][\w-]*)", (STATIC / "portico.css").read_text()))
CODE = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)
CONDITION = re.compile(r'==\s*"[^"]*"|"[^"]*":')  # what decides on an icon is none


def shown(page: Path) -> str:
    return str(page.relative_to(CHECKOUT / "src" / "portico"))


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_a_template_compiles(page: Path) -> None:
    engines["jinja2"].get_template(str(page).split("/templates/")[-1])  # TemplateSyntaxError otherwise


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_an_icon_is_in_the_sprite(page: Path) -> None:
    text = CONDITION.sub("", CODE.sub("", page.read_text()))
    named = {name for call in re.findall(r"\bicon\(([^)]*)\)", text) for name in re.findall(r'"([a-z0-9-]+)"', call)}
    assert named <= SPRITE, f"add it from Lucide: {sorted(named - SPRITE)}"


def test_a_status_has_an_icon_of_the_sprite_and_a_tone_of_the_style_sheet() -> None:
    for kind, statuses in STATUSES.items():
        for status, (tone, icon, word) in statuses.items():
            assert icon in SPRITE, (kind, status)
            assert not tone or f"tag--{tone}" in STYLES, (kind, status)
            assert str(word).strip(), (kind, status)


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_a_class_is_in_the_style_sheet(page: Path) -> None:
    text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " ", CODE.sub("", page.read_text()), flags=re.DOTALL)
    used = {name for names in re.findall(r'\bclass="([^"]*)"', text) for name in names.split()}
    unknown = {name for name in used if name not in STYLES and not name.endswith("-")}
    assert not unknown, f"no such class: {sorted(unknown)}"
