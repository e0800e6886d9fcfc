"""What the official rules say of an issued e-invoice: XML schema here, schematron in a child process that may die.

`check` answers with what is broken; nothing broken is an empty list. A child that gives no answer (it died, or took longer
than allowed) raises `NoAnswer`: that says nothing about the invoice, and the next question starts another child.
"""

import atexit
import json
import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from lxml import etree

from portico.billing.documents.einvoice import peppol_rules
from portico.billing.documents.einvoice.rule_files import CII, RULES, SCHEMA_OF, rules_for, schema_file

SECONDS = 30.0
"""So long an answer may take; the first one compiles the rules."""
UNAVOIDABLE = {"PEPPOL-EN16931-R008"}
"""A warning about empty groups: CII asks for the group of the delivery also where there was none yet, as with a deposit."""
logger = logging.getLogger("portico.einvoices")


class NoAnswer(RuntimeError):
    """The rules could not be asked."""


@dataclass(frozen=True)
class Broken:
    """A rule that is not kept. `severity` fatal holds the paper back; warning is told."""

    rule: str
    severity: str
    words: str

    @property
    def is_fatal(self) -> bool:
        """Whether the receiver would refuse the invoice for it."""
        return self.severity in {"fatal", "error"}


class Checker:
    """One child with the rules. Threads may ask it: one after the other."""

    def __init__(self, command: Iterable[str] = (), seconds: float = SECONDS) -> None:
        self.command = tuple(command) or (sys.executable, "-m", "portico.billing.documents.einvoice.rule_runner")
        self.seconds = seconds
        self.child: subprocess.Popen[bytes] | None = None
        self.rest = b""
        self.lock = threading.Lock()

    def ask(self, rules: str, xml: bytes) -> list[Broken]:
        """The rules of the set `rules` that `xml` breaks. Raises NoAnswer."""
        question = json.dumps({"rules": rules, "xml": xml.decode()}).encode() + b"\n"
        with self.lock:
            try:
                answer = self._exchange(question)
            except (OSError, ValueError) as fault:
                self._stop()
                raise NoAnswer(f"the rules {rules} gave no answer: {fault}") from fault
        if "fault" in answer:
            raise NoAnswer(f"the rules {rules} could not be asked: {answer['fault']}")
        if not answer["fired"]:
            raise NoAnswer(f"no rule of {rules} looked at the document")
        return [
            Broken(rule, severity, words.removeprefix(f"[{rule}]-").strip())
            for rule, severity, words in answer["broken"]
        ]

    def close(self) -> None:
        """End the child."""
        with self.lock:
            self._stop()

    def _exchange(self, question: bytes) -> dict[str, Any]:
        if self.child is None or self.child.poll() is not None:
            self._start()
        child = self.child
        assert child is not None
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(question)
        child.stdin.flush()
        deadline = time.monotonic() + self.seconds
        while b"\n" not in self.rest:
            if not select.select([child.stdout], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise OSError(f"nothing within {self.seconds:g} s")
            read = os.read(child.stdout.fileno(), 65536)
            if not read:
                raise OSError(f"the child ended with {child.wait()}")
            self.rest += read
        line, _newline, self.rest = self.rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _start(self) -> None:
        self._stop()
        source = str(Path(__file__).resolve().parents[4])
        known = os.environ.get("PYTHONPATH", "")
        self.rest = b""
        # no shell; nothing of the command comes from outside
        self.child = subprocess.Popen(  # noqa: S603
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                "PATH": os.environ.get("PATH", ""),
                "PYTHONPATH": os.pathsep.join(part for part in (source, known) if part),
            },
        )
        logger.info("the checker of e-invoices is started")

    def _stop(self) -> None:
        if self.child is None:
            return
        for stream in (self.child.stdin, self.child.stdout):
            try:
                if stream is not None:
                    stream.close()
            except OSError:
                pass  # the pipe broke with the child
        self.child.kill()
        self.child.wait()
        self.child = None


@cache
def checker() -> Checker:
    """This process's child, started with the first question."""
    one = Checker()
    atexit.register(one.close)
    return one


def check(*, embedded: bytes, cii: bytes, ubl: bytes, profile: str) -> list[Broken]:
    """What is broken of a paper's files: the schemas, then every set of rules of its profile. Raises NoAnswer."""
    broken = against_schemas(embedded, cii, ubl)
    if profile == "peppol":
        broken += [Broken(rule, "fatal", words) for rule, words in peppol_rules.broken_by(ubl)]
    if broken or not settings.PORTICO_EINVOICE_RULES:
        return broken
    for name in rules_for(profile):
        file = embedded if name == "factur-x" else cii if RULES[name][0] == CII else ubl
        broken += [one for one in checker().ask(name, file) if one.rule not in UNAVOIDABLE]
    return broken


def against_schemas(*written: bytes) -> list[Broken]:
    """What the XML schemas say of these files, each once."""
    broken = []
    for file in dict.fromkeys(written):
        tree = etree.fromstring(file)
        name = SCHEMA_OF[etree.QName(tree).localname]
        schema = _schema(name)
        if not schema.validate(tree):
            first = schema.error_log[0]
            broken.append(Broken(f"XSD {name}", "fatal", f"line {first.line}: {first.message}"[:400]))
    return broken


@cache
def _schema(name: str) -> Any:
    """A schema, read once for a process: UBL's takes 50 ms."""
    return etree.XMLSchema(etree.parse(str(schema_file(name))))
