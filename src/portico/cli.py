"""`./portico`: one word for everything a person or a machine does with this project.

Imports are made when a command needs them, so that every command starts at once. A mistake on the command line or in the
configuration is one readable line a fault on stderr and exit 2; where a fault is ours, PORTICO_DEBUG=1 shows where.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

from portico.commands import CHECKOUT, Stop


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the command line, and end."""
        print(f"{self.prog}: {message}. See {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def parser() -> Parser:
    """The commands and their options."""
    whole = Parser(
        prog="./portico", description="A customer portal for quotations, orders, invoices and subscriptions."
    )
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)

    demo = commands.add_parser("demo", help="the portal with example data, on this computer, in one process group")
    demo.add_argument("--host", default="127.0.0.1")
    demo.add_argument("--port", type=port, default=8000)
    demo.add_argument(
        "--data", type=Path, default=CHECKOUT / "var" / "demo", metavar="DIR", help="where its data is kept (var/demo)"
    )
    demo.add_argument("--fresh", action="store_true", help="begin again: throw the data in DIR away")

    serve = commands.add_parser("serve", help="the production web server; configured by the environment")
    serve.add_argument("--host", default=os.environ.get("PORTICO_HOST", "127.0.0.1"))
    serve.add_argument("--port", type=port, default=os.environ.get("PORTICO_PORT", "8000"))

    commands.add_parser("worker", help="the production background worker")
    commands.add_parser(
        "test", help="all tests on SQLite and PostgreSQL; further arguments go to pytest", add_help=False
    )
    commands.add_parser("check", help="formatting, lint, types, import rules, templates, settings, migrations")
    bench = commands.add_parser(
        "bench", help="the measurements of bench/, beside the numbers to beat; exit 1 on a missed one"
    )
    bench.add_argument("name", nargs="?", default="", help="one of them alone, as pages")
    bench.add_argument("--json", action="store_true", help="one object a line")
    bench.add_argument("--faults", action="store_true", help="of renewals or payments: the fault test at its full size")
    commands.add_parser("messages", help="bring the translations' catalogues in step with the texts in the code")
    commands.add_parser("manage", help="Django's management commands", add_help=False)

    imports = commands.add_parser(
        "import-invoices", help="EN 16931 invoices of another system (UBL, CII, Factur-X PDF) into the portal"
    )
    imports.add_argument("files", nargs="+", type=Path, metavar="FILE")
    imports.add_argument(
        "--data", type=Path, metavar="DIR", help="the data of a demo; else DATABASE_URL, else var/demo"
    )
    imports.add_argument("--any-seller", action="store_true", help="also invoices that another company made")
    imports.add_argument("--json", action="store_true", help="one object a line")

    books = commands.add_parser("verify-books", help="check every rule of money and numbering; exit 1 on a violation")
    books.add_argument("--data", type=Path, metavar="DIR", help="the data of a demo; else DATABASE_URL, else var/demo")
    books.add_argument(
        "--chain", action="store_true", help="the chain of hashes alone, quickly, with the last hash of each series"
    )
    return whole


def port(value: str) -> int:
    """A TCP port."""
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise argparse.ArgumentTypeError(f"{value!r} is not a port (1 to 65535)")
    return int(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is 0 when all is well, 1 when something was found, 2 when it could not be done."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    passed_on: list[str] = []
    if given[:1] in (["test"], ["manage"]):  # the rest belongs to pytest, to Django
        given, passed_on = given[:1], given[1:]
    if not given:
        parser().print_help(sys.stderr)
        return 2
    options = parser().parse_args(given)
    options.rest = passed_on
    command = import_module(f"portico.commands.{options.command.replace('-', '_')}")
    try:
        return int(command.run(options))
    except Stop as stop:
        for line in str(stop).splitlines():
            print(f"portico: {line}", file=sys.stderr)
        return stop.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read us has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as fault:
        if os.environ.get("PORTICO_DEBUG") == "1":
            raise
        for line in readable(fault):
            print(f"portico: {line}", file=sys.stderr)
        return 2


def readable(fault: Exception) -> list[str]:
    """What a person needs to know about a fault that no command foresaw."""
    kind = type(fault).__name__
    lines = str(fault).strip().splitlines() or [kind]
    if kind == "ImproperlyConfigured":
        return lines
    if kind == "OperationalError":
        return [f"the database does not answer: {lines[0]}"]
    return [f"{kind}: {lines[0]} (PORTICO_DEBUG=1 shows where)"]


if __name__ == "__main__":
    sys.exit(main())
