"""Electronic addresses of companies: an e-mail address, or an identifier with its scheme of the EAS list (as Peppol has)."""

import re

_SCHEMED = re.compile(r"(EM|AN|AQ|AS|AU|0[0-9]{3}|9[0-9]{3}):(\S{1,80})")
_EMAIL = re.compile(r"[^\s@:]+@[^\s@:]+\.[^\s@:]+")


def electronic_address(text: str) -> tuple[str, str]:
    """Scheme and address of what was typed: `0204:991-1234512345-06`, `9930:DE123456789`, or an e-mail address (EM).

    Both are empty for what is neither.
    """
    typed = text.strip()
    if found := _SCHEMED.fullmatch(typed):
        return found[1], found[2]
    return ("EM", typed) if _EMAIL.fullmatch(typed) else ("", "")
