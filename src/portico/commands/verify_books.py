"""`./portico verify-books`: every rule of money and numbering, checked on the real rows; with `--chain` the chain alone."""

import argparse
import sys
import time
from importlib import import_module

import django

from portico.commands import Stop, configured, embedded

EVERY = 2.0
"""Seconds between two words about the progress."""


def run(options: argparse.Namespace) -> int:
    """Print each violation with its document; 1 if there is any."""
    if options.data is None:
        configured()
    elif (options.data / "portico.sqlite3").is_file():
        embedded(options.data)
    else:
        raise Stop(f"there is no portico.sqlite3 in {options.data}. Name the directory of a demo.")
    django.setup()
    violations = chain() if options.chain else everything()
    print(f"{violations} violations" if violations else "The books are in order.")
    return 1 if violations else 0


def everything() -> int:
    """All rules; how many violations there are."""
    violations = list(import_module("portico.billing.books").verify())
    for violation in violations:
        print(violation)
    return len(violations)


def chain() -> int:
    """Numbers, links and hashes alone, and where each series and year ends; progress on stderr."""
    books = import_module("portico.billing.books")
    checks = import_module("portico.billing.books.chain")
    began = told = time.monotonic()
    violations = 0

    def tell(count: int) -> None:
        nonlocal told
        if time.monotonic() - told >= EVERY:
            told = time.monotonic()
            print(f"{count:,} documents, {count / (told - began):,.0f} a second", file=sys.stderr)

    with books.one_view():
        for found in checks.check_chain(tell):
            print(found, flush=True)
            violations += isinstance(found, books.Violation)
    return violations
