"""`./portico verify-books`: every rule of money and numbering, checked on the real rows."""

import argparse
from importlib import import_module

import django

from portico.commands import Stop, configured, embedded


def run(options: argparse.Namespace) -> int:
    """Print each violation with its document; 1 if there is any."""
    if options.data is None:
        configured()
    elif (options.data / "portico.sqlite3").is_file():
        embedded(options.data)
    else:
        raise Stop(f"there is no portico.sqlite3 in {options.data}. Name the directory of a demo.")
    django.setup()
    violations = list(import_module("portico.billing.books").verify())
    for violation in violations:
        print(violation)
    print(f"{len(violations)} violations" if violations else "The books are in order.")
    return 1 if violations else 0
