"""`./portico bench [name] [--json]`: the measurements of bench/, each beside the number to beat; 1 when a gate is missed."""

import argparse
import shutil
import sys
from importlib import import_module

from portico.commands import CHECKOUT, Stop
from portico.commands.postgres import binaries
from portico.commands.processes import stop_on_signals
from portico.commands.test import install


def names() -> list[str]:
    """The benchmarks there are: modules of bench/ that can be run."""
    return [path.stem for path in sorted((CHECKOUT / "bench").glob("*.py")) if "\ndef run(" in path.read_text()]


def run(options: argparse.Namespace) -> int:
    """Run one benchmark, or all."""
    if options.name and options.name not in names():
        raise Stop(f"there is no benchmark {options.name!r}. Choose one of: {', '.join(names())}.")
    stop_on_signals()
    sys.path.insert(0, str(CHECKOUT))
    install([*([] if binaries() else ["postgresql"]), *([] if shutil.which("wrk") else ["wrk"])])
    table = import_module("bench.table")
    rows = []
    for name in [options.name] if options.name else names():
        for row in import_module(f"bench.{name}").run(options):
            rows.append(row)
            print(table.as_json(row) if options.json else table.progress(row), flush=True)
    missed = [row for row in rows if row.ok is False]
    if not options.json:
        print(f"\n{table.as_text(rows)}\n\n{len(missed)} of {sum(row.ok is not None for row in rows)} gates missed")
    return 1 if missed else 0
