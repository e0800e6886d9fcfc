"""What a person may change about itself, the same for customers and staff: name, title, phone, language, theme."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from portico.accounts.models import User
from portico.kit.errors import Invalid
from portico.kit.text import one_line

THEMES = {"light": "light", "dark": "dark", "system": ""}


@dataclass
class Profile:
    """The fields as typed, and by field what is wrong with them."""

    name: str
    title: str
    phone: str
    language: str
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, user: User) -> "Profile":
        """As it is stored."""
        return cls(user.name, user.title, user.phone, user.language)

    @classmethod
    def read(cls, form: Mapping[str, str]) -> "Profile":
        """As it was posted, checked."""
        name, title, phone, language = (
            one_line(form.get(field, "")) for field in ("name", "title", "phone", "language")
        )
        typed = cls(name, title, phone, language)
        if not typed.name:
            typed.errors["name"] = _("Enter your name: your colleagues and the seller see it.")
        for name, longest in (("name", 120), ("title", 120), ("phone", 40)):
            if len(getattr(typed, name)) > longest:
                typed.errors[name] = _("At most %(longest)d characters.") % {"longest": longest}
        if typed.phone and not re.fullmatch(r"\+?[0-9 ().\-/]{5,40}", typed.phone):
            typed.errors.setdefault("phone", _("This is not a telephone number. Example: +33 4 72 00 00 00"))
        if typed.language not in dict(settings.LANGUAGES):
            typed.errors["language"] = _("Choose one of the languages.")
        return typed

    def save(self, user: User) -> None:
        """Keep it; only without errors."""
        user.edit_profile(name=self.name, title=self.title, phone=self.phone, language=self.language)


def read_theme(form: Mapping[str, str]) -> str:
    """The theme as stored, from light, dark or system; Invalid for anything else."""
    try:
        return THEMES[form.get("theme", "")]
    except KeyError:
        raise Invalid(_("Choose light, dark, or as the system is set.")) from None


def back(request: HttpRequest, fallback: str) -> HttpResponseRedirect:
    """To the path in `next`, if it is one of ours."""
    asked = request.POST.get("next", "")
    safe = asked.startswith("/") and url_has_allowed_host_and_scheme(asked, allowed_hosts=None)
    return HttpResponseRedirect(asked if safe else reverse(fallback))
