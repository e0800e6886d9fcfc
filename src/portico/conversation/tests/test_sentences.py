"""Everything that can happen has a sentence, in every language without a hole."""

import ast
import re

import pytest

from portico.commands import CHECKOUT
from portico.conversation.sentences import SENTENCES, read_out

NOUNS = ("quotation.", "order.", "invoice.", "credit_note.", "payment.", "subscription.")


def recorded() -> set[str]:
    """The names of events that the stories of billing record: every text in them that looks like one."""
    sources = (CHECKOUT / "src" / "portico" / "billing" / "actions").glob("*.py")
    nodes = [node for source in sources for node in ast.walk(ast.parse(source.read_text()))]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {text for text in texts if text.startswith(NOUNS) and re.fullmatch(r"[a-z_]+\.[a-z_]+", text)}


def test_every_recorded_event_has_its_sentence() -> None:
    assert len(recorded()) > 15
    assert recorded() - set(SENTENCES) == set()


@pytest.mark.parametrize("name", SENTENCES)
@pytest.mark.parametrize("who", ["Camille", ""])
def test_a_sentence_reads_with_and_without_a_person(name: str, who: str) -> None:
    data = {
        "version": 2, "total_minor": 100, "amount_minor": 100, "number": "X-1", "order": "SO-1", "reason": "price",
        "currency": "EUR", "product": "Users", "quantity": "2", "quotation": "Q-1",
        "merged": 7, "papers": 2,
    }  # fmt: skip
    text = read_out(name, data, who=who, money=lambda minor, currency: f"{minor} {currency}")
    assert "%" not in text
    assert "…" not in text
    assert text.endswith(".")
    assert ("Camille" in text) is bool(who)


def test_an_old_event_without_its_data_still_reads() -> None:
    assert read_out("quotation.sent", {}, who="Hanna", money=str) == "Hanna sent version …: …."


def test_an_unknown_event_shows_its_name() -> None:
    assert read_out("order.teleported", {}, who="", money=str) == "order.teleported"
