"""The packed file holds what typst wrote, and a PDF library agrees."""

import io
from datetime import date

import pikepdf
import pytest

from portico.billing.documents.packed import packed
from portico.billing.documents.render import render_pdf
from portico.billing.documents.sheet import Sheet, SheetLine, SheetParty


def paper(lines: int) -> bytes:
    return render_pdf(
        Sheet(
            kind="invoice",
            title="Invoice",
            number="INV-2026-00001",
            currency="EUR",
            language="en",
            issued_on=date(2026, 11, 1),
            seller=SheetParty("", "Northwind Software SAS"),
            seller_short_name="Northwind",
            buyer=SheetParty("Billed to", "Atelier Fontaine SARL"),
            lines=tuple(SheetLine("line", f"Seat {place}", net_minor=place) for place in range(lines)),
        )
    )


def test_every_object_and_every_stream_is_the_same_and_the_file_half_as_long() -> None:
    before = paper(60)
    after = packed(before, metadata=lambda packet: packet.replace("proof", "fair"))
    assert len(after) < len(before) * 0.6
    with pikepdf.open(io.BytesIO(before)) as old, pikepdf.open(io.BytesIO(after)) as new:
        assert new.check_pdf_syntax() == []
        assert new.trailer.ID[0] == old.trailer.ID[0]
        for number in range(1, len(old.objects) + 1):
            was, now = old.get_object((number, 0)), new.get_object((number, 0))
            if isinstance(was, pikepdf.Stream) and was.get("/Type") == "/Metadata":
                assert now.read_bytes() == was.read_bytes().replace(b"proof", b"fair") != was.read_bytes()
                continue
            assert now.unparse() == was.unparse()
            if isinstance(was, pikepdf.Stream):
                assert now.read_raw_bytes() == was.read_raw_bytes()


def test_the_same_file_gives_the_same_bytes() -> None:
    assert packed(paper(3), metadata=str) == packed(paper(3), metadata=str)


@pytest.mark.parametrize(
    ("written", "otherwise"),
    [
        (b"\n5 0 obj\n", b"\n5 0  obj"),  # another way to begin an object
        (b"\nstartxref\n", b"\nstartxref\n1"),  # a table that is elsewhere
        (b"trailer\n", b"trailer "),
    ],
)  # fmt: skip
def test_a_file_that_is_written_otherwise_is_refused(written: bytes, otherwise: bytes) -> None:
    pdf = paper(1)
    assert pdf.count(written) == 1
    with pytest.raises(ValueError, match=r"typst|written otherwise"):
        packed(pdf.replace(written, otherwise), metadata=str)
