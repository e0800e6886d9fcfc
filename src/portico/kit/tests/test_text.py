"""Text that people send."""

import pytest
from django.test import Client

from portico.kit.text import one_line, paragraphs


def test_one_line_has_no_invisible_characters() -> None:
    assert one_line("  in\u202evoice\x00 \r\n one\t") == "in voice one"


def test_paragraphs_keep_their_lines() -> None:
    assert paragraphs(" one\r\ntwo\x07\x00\u202e\rthree \n") == "one\ntwo\nthree"


@pytest.mark.parametrize("query", ["q=%00", "%00=1"])
def test_a_nul_is_refused_before_the_view(db: None, query: str) -> None:
    answer = Client().get(f"/health/live?{query}")
    assert answer.status_code == 400
    assert "cannot be read" in answer.content.decode()
