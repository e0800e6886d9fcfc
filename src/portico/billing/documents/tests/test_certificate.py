"""The certificate tells the evidence and carries the accepted paper, for both sides and nobody else."""

import hashlib
import io
from collections.abc import Callable

import pikepdf
import pypdf
import pytest
from django.test import Client

from portico.billing.documents.certificate import MOST_VIEWS, certificate_pdf, certificate_sheet
from portico.billing.models import Acceptance
from portico.cast import World

TITLE = "Manufacturing set-up"


def acceptance_of(world: World, title: str = TITLE) -> Acceptance:
    return Acceptance.objects.select_related("version__quotation__customer", "version__quotation__seller", "pdf").get(
        version__quotation=world.quotation(title)
    )


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def test_it_names_who_accepted_what_when_and_how(world: World) -> None:
    acceptance = acceptance_of(world)
    text = " ".join(text_of(certificate_pdf(acceptance)).split())
    for words in (
        "Certificate of acceptance",
        acceptance.version.quotation.number,
        acceptance.signer_name,
        acceptance.consent,
        acceptance.accepted_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        str(acceptance.ip),
        "5,199.60",
    ):
        assert words in text, words
    for digest in (acceptance.pdf_sha256, acceptance.data_sha256):
        assert digest in text.replace(" ", "")


def test_the_accepted_paper_is_inside_as_it_was(world: World) -> None:
    acceptance = acceptance_of(world)
    with pikepdf.open(io.BytesIO(certificate_pdf(acceptance))) as pdf:
        ((name, attached),) = pdf.attachments.items()
        content = attached.get_file().read_bytes()
    assert name == f"{acceptance.version.quotation.number}-v{acceptance.version.version}.pdf"
    assert hashlib.sha256(content).hexdigest() == acceptance.pdf_sha256


def test_it_is_the_same_file_every_time(world: World) -> None:
    acceptance = acceptance_of(world)
    assert certificate_pdf(acceptance) == certificate_pdf(acceptance_of(world))


def test_a_drawn_signature_is_drawn(world: World) -> None:
    acceptance = acceptance_of(world)
    typed = certificate_pdf(acceptance)
    acceptance.signature_kind, acceptance.signature = "drawn", "M20,100 L80,20 L120,110"
    drawn = certificate_pdf(acceptance)
    acceptance.signature = "M20,100 L80,90 L120,110"
    assert len({typed, drawn, certificate_pdf(acceptance)}) == 3
    assert "Drawn by hand" in text_of(drawn)


def test_many_openings_are_counted(world: World) -> None:
    acceptance = acceptance_of(world)
    acceptance.view_history = [[f"2026-08-{day:02}T09:00:00+00:00", day] for day in range(1, 21)]
    told = {text.title: text.text for text in certificate_sheet(acceptance).terms}["Opened before"].splitlines()
    assert told[0] == "2026-08-01 09:00:00 UTC"
    assert told[MOST_VIEWS:] == [f"and {20 - MOST_VIEWS} times more"]


def test_both_sides_get_it_and_nobody_else(world: World, client_for: Callable[..., Client]) -> None:
    number = world.quotation(TITLE).number
    ours = client_for(world.julien).get(f"/my/quotations/{number}/certificate/")
    theirs = client_for(world.omar).get(f"/staff/quotations/{number}/certificate/")
    assert ours.status_code == theirs.status_code == 200
    assert ours.content == theirs.content
    assert (ours["Content-Type"], ours["Cache-Control"]) == ("application/pdf", "private, no-store")
    assert client_for(world.lena).get(f"/my/quotations/{number}/certificate/").status_code == 404
    assert "Certificate of acceptance" in client_for(world.camille).get(f"/my/quotations/{number}/").content.decode()


@pytest.mark.parametrize(
    "title", ["Workshop and showroom roll-out", "Annual maintenance plan", "Inventory barcode pilot"]
)
def test_there_is_none_before_acceptance(world: World, client_for: Callable[..., Client], title: str) -> None:
    number = world.quotation(title).number
    for person, face in ((world.camille, "my"), (world.hanna, "staff")):
        answer = client_for(person).get(f"/{face}/quotations/{number}/certificate/")
        assert answer.status_code == 404
        assert "there is no certificate yet" in answer.content.decode()
