"""A program of its own: answers, line by line, which rules an e-invoice breaks.

Saxon is a native library that may take its whole process down, needs 200 MB and compiles its rules for a while: so the
worker keeps this child (`checker.Checker`) and starts another when it died. A question is one line of JSON on standard
input, `{"rules": "factur-x", "xml": "…"}`; its answer is one line on standard output, `{"fired": 232, "broken": [[rule,
severity, words], …]}` or `{"fault": "…"}`. It ends with its input, or when it was asked nothing for ten minutes.
"""

import json
import select
import sys
from typing import Any

from lxml import etree
from saxonche import PySaxonProcessor

from portico.billing.documents.einvoice.rule_files import rules_file

IDLE_SECONDS = 600
SVRL = "{http://purl.oclc.org/dsdl/svrl}"


class Rules:
    """The stylesheets, each compiled when it is first asked for."""

    def __init__(self, saxon: Any) -> None:
        self.saxon = saxon
        self.compiled: dict[str, Any] = {}

    def answer(self, name: str, xml: str) -> dict[str, object]:
        """The rules of set `name` that `xml` breaks, and how many were asked."""
        if name not in self.compiled:
            self.compiled[name] = self.saxon.new_xslt30_processor().compile_stylesheet(
                stylesheet_file=str(rules_file(name))
            )
        report = self.compiled[name].transform_to_string(xdm_node=self.saxon.parse_xml(xml_text=xml))
        found = etree.fromstring(report.encode())
        broken = [
            [failed.get("id") or "?", failed.get("flag") or "fatal", " ".join("".join(failed.itertext()).split())]
            for failed in found.iter(f"{SVRL}failed-assert", f"{SVRL}successful-report")
        ]
        return {"fired": sum(1 for _ in found.iter(f"{SVRL}fired-rule")), "broken": broken}


def main() -> None:
    """Read questions, write answers."""
    with PySaxonProcessor(license=False) as saxon:
        rules = Rules(saxon)
        while select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
            line = sys.stdin.readline()
            if not line:
                return
            try:
                question = json.loads(line)
                answer = rules.answer(question["rules"], question["xml"])
            except Exception as fault:  # noqa: BLE001  # whatever it was, the worker hears of it and the child goes on
                answer = {"fault": f"{type(fault).__name__}: {fault}"[:500]}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
