"""The paper of a quotation is there before it is accepted, and the evidence takes it only where it is the one accepted."""

import hashlib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from portico import cast
from portico.accounts.models import Customer
from portico.billing import jobs
from portico.billing.actions import decide, send
from portico.billing.documents import build, drawn, render, wording
from portico.billing.models import Acceptance, Quotation, QuotationVersion
from portico.cast import World
from portico.kit import files
from portico.kit.files import StoredFile
from portico.privacy.erasing import identity

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def offered(world: World, *, opened: bool = True) -> Quotation:
    """A quotation with an option, open before Camille."""
    lines = [cast.line(world, "users", "3"), cast.line(world, "helpdesk", "1", optional=True, selected=False)]
    quotation = cast.offer(world, world.fontaine, "Drawn ahead", lines, world.now, payment_policy="full")
    if opened:
        assert quotation.current is not None
        send.record_view(version=quotation.current, by=world.camille, ip=None, user_agent="", now=world.now)
    return quotation


def accepted(world: World, quotation: Quotation, choices: dict[int, Decimal] | None = None) -> Acceptance:
    """Camille accepts it."""
    version = send.current_of(quotation)
    total = build.quotation_sheet(version, choices or {}, now=world.now).sums[-1].minor
    decide.accept_quotation(
        quotation=quotation, by=world.member(world.camille), version=version.version, choices=choices or {},
        seen_total_minor=total, consent=True, signature=decide.Signature("Camille"), po_number="",
        origin=decide.Origin(None, "", "password"), now=world.now + timedelta(minutes=1),
    )  # fmt: skip
    return Acceptance.objects.select_related("pdf", "version__paper").get(version=version)


def current(quotation: Quotation) -> QuotationVersion:
    """Its version as it is in the books now."""
    return QuotationVersion.objects.select_related("paper").get(quotation=quotation)


@pytest.fixture
def pens(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was drawn for quotations since then."""
    found: list[Any] = []
    draw = render.render_pdf

    def noted(sheet: Any, **more: Any) -> bytes:
        found.append(sheet)
        return draw(sheet, **more)

    monkeypatch.setattr(drawn, "render_pdf", noted)
    return found


def test_what_a_customer_opens_is_drawn_by_the_worker_and_accepted_without_drawing(
    world: World, pens: list[Any]
) -> None:
    quotation = offered(world)
    assert jobs.quotation_papers(world.now) >= 1
    while jobs.quotation_papers(world.now):
        pass
    version = current(quotation)
    assert version.paper is not None
    pens.clear()
    evidence = accepted(world, quotation)
    assert pens == []
    assert evidence.pdf == version.paper
    assert evidence.pdf_sha256 == version.paper.sha256
    # And it is what drawing at that moment would have given.
    version = send.current_of(quotation)
    QuotationVersion.objects.filter(pk=version.pk).update(state="sent", accepted_at=None)
    version.refresh_from_db()
    version.paper_key = "something else"
    assert drawn.paper_of(version, {}, now=world.now) == evidence.pdf
    assert len(pens) == 1


def test_before_the_worker_came_it_is_drawn_by_who_accepts(world: World, pens: list[Any]) -> None:
    evidence = accepted(world, offered(world))
    assert len(pens) == 1
    assert evidence.pdf.read().startswith(b"%PDF")


def test_what_nobody_has_opened_costs_no_drawing(world: World, pens: list[Any]) -> None:
    while jobs.quotation_papers(world.now):
        pass
    pens.clear()
    offered(world, opened=False)
    assert jobs.quotation_papers(world.now) == 0
    assert pens == []


def test_other_options_are_drawn_as_they_were_chosen(world: World, pens: list[Any]) -> None:
    quotation = offered(world)
    while jobs.quotation_papers(world.now):
        pass
    pens.clear()
    option = current(quotation).lines.get(optional=True)
    evidence = accepted(world, quotation, {option.key: Decimal(1)})
    assert len(pens) == 1
    assert evidence.pdf != evidence.version.paper


def test_a_paper_with_an_address_that_changed_meanwhile_is_not_the_one_accepted(world: World, pens: list[Any]) -> None:
    quotation = offered(world)
    while jobs.quotation_papers(world.now):
        pass
    pens.clear()
    Customer.objects.filter(pk=world.fontaine.pk).update(street="1 rue Nouvelle")
    evidence = accepted(world, quotation)
    assert len(pens) == 1
    assert evidence.pdf != evidence.version.paper


def test_a_paper_that_names_somebody_erased_goes_and_is_drawn_anew(world: World) -> None:
    quotation = offered(world)
    while jobs.quotation_papers(world.now):
        pass
    before = current(quotation).paper
    assert before is not None
    identity(world.camille)
    assert not StoredFile.objects.filter(pk=before.pk).exists()
    assert not before.path.exists()
    assert jobs.quotation_papers(world.now) >= 1
    after = current(quotation).paper
    assert after is not None
    assert after.sha256 != before.sha256


def test_who_is_erased_while_the_paper_is_drawn_is_on_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    while jobs.quotation_papers(world.now):
        pass
    quotation, draw, found = offered(world), render.render_pdf, []

    def slow(sheet: Any, **more: Any) -> bytes:
        found.append(draw(sheet, **more))
        if len(found) == 1:
            identity(quotation.salesperson)  # type: ignore[arg-type]  # the cast has one
        return found[-1]

    monkeypatch.setattr(drawn, "render_pdf", slow)
    while jobs.quotation_papers(world.now):
        pass
    named = hashlib.sha256(found[0]).hexdigest()
    assert not StoredFile.objects.filter(sha256=named).exists()
    paper = current(quotation).paper
    assert paper is not None
    assert paper.sha256 != named


def test_a_paper_whose_bytes_are_gone_is_drawn_again_by_who_accepts(world: World) -> None:
    quotation = offered(world)
    while jobs.quotation_papers(world.now):
        pass
    paper = current(quotation).paper
    assert paper is not None
    paper.path.unlink()
    evidence = accepted(world, quotation)
    assert hashlib.sha256(evidence.pdf.read()).hexdigest() == evidence.pdf_sha256


def test_other_words_for_the_same_sheet_are_another_paper(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    version = send.current_of(offered(world))
    sheet = build.quotation_sheet(version, {}, now=world.now)
    before = drawn.key_of(sheet, version.quotation.seller)
    assert drawn.key_of(sheet, version.quotation.seller) == before
    monkeypatch.setattr(wording, "_", lambda text: f"{text}!")
    assert drawn.key_of(sheet, version.quotation.seller) != before


def test_a_paper_that_cannot_be_made_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    while jobs.quotation_papers(world.now):
        pass
    first, second = offered(world), offered(world)
    make = build.quotation_sheet

    def broken(version: QuotationVersion, *given: Any, **more: Any) -> Any:
        if version.quotation == first:
            raise ValueError("a fault nobody thought of")
        return make(version, *given, **more)

    monkeypatch.setattr(drawn, "quotation_sheet", broken)
    while jobs.quotation_papers(world.now):
        pass
    assert (current(first).paper, current(first).paper_key) == (None, QuotationVersion.CANNOT_BE_DRAWN)
    assert current(second).paper is not None
    monkeypatch.setattr(drawn, "quotation_sheet", make)
    assert accepted(world, first).pdf.read().startswith(b"%PDF")


def test_a_disk_that_is_full_marks_no_paper(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    quotation = offered(world)

    def full(*_given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "store", full)
    with pytest.raises(OSError, match="No space"):
        jobs.quotation_papers(world.now)
    assert current(quotation).paper_key == ""


def rejected(world: World, quotation: Quotation) -> None:
    decide.reject_quotation(
        quotation=quotation, by=world.member(world.camille), version=send.current_of(quotation).version,
        reason="price", comment="", now=world.now,
    )  # fmt: skip


def test_the_paper_of_what_is_over_goes_and_is_drawn_anew_when_it_is_reopened(world: World) -> None:
    over, open_one, done = offered(world), offered(world), offered(world)
    while jobs.quotation_papers(world.now):
        pass
    rejected(world, over)
    evidence = accepted(world, done)
    paper, kept = current(over).paper, current(open_one).paper
    assert paper is not None
    assert kept is not None
    while jobs.papers_left_over(world.now):
        pass
    assert current(over).paper is None
    assert not StoredFile.objects.filter(pk=paper.pk).exists()
    assert not paper.path.exists()
    assert current(open_one).paper == kept
    assert evidence.pdf.read().startswith(b"%PDF")
    decide.reopen_quotation(quotation=over, by=world.member(world.camille), now=world.now)
    while jobs.quotation_papers(world.now):
        pass
    again = current(over).paper
    assert again is not None
    assert again.sha256 == paper.sha256


def test_a_paper_of_what_was_reopened_meanwhile_stays(world: World) -> None:
    quotation = offered(world)
    while jobs.quotation_papers(world.now):
        pass
    rejected(world, quotation)
    (found,) = [one for one in QuotationVersion.objects.left_over() if one.quotation == quotation]
    decide.reopen_quotation(quotation=quotation, by=world.member(world.camille), now=world.now)
    assert not found.let_go_of_paper()
    assert current(quotation).paper is not None
