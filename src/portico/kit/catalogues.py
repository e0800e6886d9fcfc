"""Translations: catalogues are kept as text (`locale/<language>/LC_MESSAGES/django.po`), compiled where they are used.

Run before Django reads them; it costs a look at two files' dates when nothing changed.
"""

from pathlib import Path
from tempfile import NamedTemporaryFile


def compile_changed(locale: Path) -> list[Path]:
    """Compile each catalogue under `locale` that is newer than its compiled form; the files written.

    Several processes may do so at once: each writes a file of its own and puts it in place whole.
    """
    written = []
    for source in sorted(locale.glob("*/LC_MESSAGES/django.po")):
        compiled = source.with_suffix(".mo")
        if compiled.exists() and compiled.stat().st_mtime_ns >= source.stat().st_mtime_ns:
            continue
        from babel.messages.mofile import write_mo  # only now: what reads text files is not needed at every start
        from babel.messages.pofile import read_po

        with source.open("rb") as text:
            catalogue = read_po(text, locale=source.parts[-3])
        with NamedTemporaryFile(dir=source.parent, prefix=".django-", suffix=".mo", delete=False) as made:
            write_mo(made, catalogue)
        Path(made.name).chmod(0o644)
        Path(made.name).replace(compiled)
        written.append(compiled)
    return written
