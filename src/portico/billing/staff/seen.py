"""What a form showed when it was opened, so that one that is sent twice, or too late, is told from a new one."""

from collections.abc import Mapping


def seen_of(posted: Mapping[str, str], name: str) -> int | None:
    """The sum in minor units that the form carries under this name; None for one that carries none."""
    text = posted.get(name, "")
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 17 else None
