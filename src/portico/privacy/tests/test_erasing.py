"""What is shown is true: a marker in every personal field of a person is found afterwards only where it was said to stay."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import CharField, F, TextField, Value
from django.db.models.functions import Cast, Concat

from portico.accounts.models import InvoiceRecipient, Membership, User
from portico.billing import books
from portico.billing.models import Acceptance, ChangeRequest, ChangeWish, Invoice, QuotationView
from portico.cast import World
from portico.conversation.models import Thread
from portico.kit import files
from portico.kit.models import Letter
from portico.kit.privacy import Privacy
from portico.privacy import actions, erasing, jobs
from portico.privacy.exporting import declared
from portico.privacy.models import ErasureRequest
from portico.privacy.retention import keep_until, rule_of

MARKER = "Zq7marker"
ROOM_FOR_A_KEY = 7  # digits after the marker that keep unique columns unique; a shorter field is looked at by name
PERSONAL = {Privacy.IDENTITY, Privacy.CONVERSATION, Privacy.EVIDENCE, Privacy.PAYLOAD, Privacy.NOTE}
ROLL_OUT = "Workshop and showroom roll-out"


def plant(user: User) -> set[str]:
    """Put the marker into every personal text of rows that are this person's, whatever models there are; the fields."""
    planted = set()
    for model in apps.get_models():
        classes = declared(model)
        for rows in rows_of(model, classes, user):
            for field in model._meta.concrete_fields:
                room = field.max_length is None or field.max_length >= len(MARKER) + ROOM_FOR_A_KEY
                text = isinstance(field, CharField | TextField) and not field.choices and room
                if text and classes.get(field.name) in PERSONAL and rows.exists():
                    rows.update(**{field.name: Concat(Value(MARKER), Cast(F("pk"), CharField()))})
                    planted.add(f"{model._meta.label}.{field.name}")
    return planted


def rows_of(model: type[models.Model], classes: dict[str, Privacy], user: User) -> Iterator[Any]:
    """The person itself, what it made, and the mails to it."""
    if model is User:
        yield User.objects.filter(pk=user.pk)
    if model is Letter:
        yield Letter.objects.filter(person=user.pk)
    for field in model._meta.concrete_fields:
        if classes.get(field.name) is Privacy.ACTOR and field.related_model is User:
            yield model._default_manager.filter(**{field.name: user})


def found() -> set[str]:
    """Where the marker is, in every field of every table."""
    places = set()
    for model in [model for model in apps.get_models() if model._meta.managed]:
        for field in model._meta.concrete_fields:
            if isinstance(field, models.FileField | models.BinaryField):
                continue
            text = Cast(F(field.name), TextField())
            if model._default_manager.annotate(as_text=text).filter(as_text__contains=MARKER).exists():
                places.add(f"{model._meta.label}.{field.name}")
    return places


def lived(world: World) -> User:
    """A colleague who opened, wrote, wished and got mails, and accepted nothing."""
    user = User.objects.create_user(
        "ines@fontaine.example", password="x", name="Inès", phone="+33 1", title="Buyer", language="fr"
    )
    Membership.objects.create(user=user, customer=world.fontaine, is_viewer=True)
    InvoiceRecipient.objects.create(customer=world.fontaine, email=user.email, name="Inès")
    quotation = world.quotation(ROLL_OUT)
    with transaction.atomic():
        file = files.store(f"private words {MARKER}".encode(), "text/plain")
        Thread.on(quotation, now=world.now).say("Hello", by=user, now=world.now, files=[("list.txt", file)])
    version = quotation.current
    assert version is not None
    QuotationView.objects.create(version=version, user=user, at=world.now, ip="192.0.2.7", user_agent="x")
    wish = ChangeRequest.objects.create(version=version, message="More", by=user, at=world.now)
    line = version.lines.filter(kind="line").earliest("position")
    ChangeWish.objects.create(request=wish, line=line, wish="comment", comment=f"{MARKER} please")
    Letter.objects.create(
        event="quotation_sent", about="x", seller=world.seller.pk, customer=world.fontaine.pk, why="member", language="en",
        person=user.pk, to_address=user.email, to_name="Inès", key="k", message_id="m", state="sent", sent_at=world.now,
        queued_at=world.now,
        next_attempt_at=None,
    )  # fmt: skip
    return user


def carried_out(world: World, user: User) -> ErasureRequest:
    """Asked, decided, done by the worker."""
    asked = actions.record_erasure(
        seller=world.seller,
        email=user.email,
        channel="post",
        received_on=world.now.date(),
        by=world.admin,
        now=world.now,
    )
    actions.begin_erasure(request=asked, by=world.admin, now=world.now)
    assert jobs.erasures(world.now) == 1
    asked.refresh_from_db()
    return asked


@pytest.mark.django_db(transaction=True)
def test_a_marker_in_every_personal_field_is_found_nowhere_afterwards(world: World, mailoutbox: list[Any]) -> None:
    user = lived(world)
    planted = plant(user)
    assert {
        "accounts.User.name",
        "conversation.Message.body",
        "kit.Letter.to_address",
        "billing.ChangeRequest.message",
    } <= planted
    User.objects.filter(pk=user.pk).update(email="ines@fontaine.example")
    InvoiceRecipient.objects.filter(email="ines@fontaine.example").update(name=MARKER)
    assert len(found()) >= len(planted)
    asked = carried_out(world, user)
    assert asked.state == "completed"
    assert found() == set()
    assert not User.objects.filter(email="ines@fontaine.example").exists()
    assert not InvoiceRecipient.objects.filter(email="ines@fontaine.example").exists()
    assert User.objects.get(pk=user.pk).language == "en", "too short for the marker, gone all the same"
    assert not list(raw_with_marker())
    assert all(count >= 0 for count in asked.steps.values())
    assert set(asked.steps) == {step.name for step in erasing.STEPS}
    assert mailoutbox[-1].to == ["ines@fontaine.example"], "the person was told before"
    assert books.verify() == [], "no total changed"


def raw_with_marker() -> Iterator[Path]:
    """Files in which the marker's bytes are: the database with its log, and what is stored."""
    places = [path for path in Path(settings.PORTICO_FILES).rglob("*") if path.is_file()]
    if connection.vendor == "sqlite":
        database = Path(str(connection.settings_dict["NAME"]))
        places += [path for path in database.parent.glob(f"{database.name}*") if path.is_file()]
    for path in places:
        if MARKER.encode() in path.read_bytes():
            yield path


@pytest.mark.sqlite
@pytest.mark.django_db(transaction=True)
def test_the_control_without_folding_the_log_leaves_it_readable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user = lived(world)
    plant(user)
    User.objects.filter(pk=user.pk).update(email="ines@fontaine.example")
    monkeypatch.setattr(erasing, "forget_pages", lambda: None)
    carried_out(world, user)
    assert found() == set()
    assert list(raw_with_marker()), "SQLite's log still holds what was deleted"


def test_what_proves_a_contract_stays_and_is_said_to_stay(world: World) -> None:
    planted = plant(world.camille)
    User.objects.filter(pk=world.camille.pk).update(email="camille@fontaine.example")
    retained = {place for place in planted if place.startswith("billing.Acceptance.")}
    assert "billing.Acceptance.signer_name" in retained
    Membership.objects.filter(user=world.julien, customer=world.fontaine).update(is_owner=True)
    (said,) = erasing.kept(world.camille, "FR")
    asked = carried_out(world, world.camille)
    assert found() == retained
    assert (asked.state, asked.kept_until) == ("partial", said.until)
    assert asked.proof == [
        {"what": "acceptance evidence", "count": said.count, "law": said.law, "until": said.until.isoformat()}
    ]
    assert said.count == Acceptance.objects.filter(accepted_by=world.camille).count()
    latest = Invoice.objects.filter(customer=world.fontaine, issued_on__isnull=False).latest("issued_on").issued_on
    assert latest is not None
    assert said.until == date(latest.year + 10, 12, 31)


class Crash(Exception):
    """The worker dies."""


@pytest.mark.parametrize("step", [step.name for step in erasing.STEPS])
def test_an_erasure_that_breaks_off_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    user = lived(world)
    asked = actions.record_erasure(
        seller=world.seller,
        email=user.email,
        channel="mail",
        received_on=world.now.date(),
        by=world.admin,
        now=world.now,
    )
    actions.begin_erasure(request=asked, by=world.admin, now=world.now)
    ran: list[str] = []

    def counted(one: erasing.Step, fails: bool) -> erasing.Step:
        def run(who: User) -> int:
            ran.append(one.name)
            if fails:
                raise Crash
            return one.run(who)

        return erasing.Step(one.name, one.words, run)

    with monkeypatch.context() as dying:
        dying.setattr(erasing, "STEPS", [counted(one, one.name == step) for one in erasing.STEPS])
        with pytest.raises(Crash):
            jobs.erasures(world.now)
    before = list(ran)
    with monkeypatch.context() as again:
        again.setattr(erasing, "STEPS", [counted(one, fails=False) for one in erasing.STEPS])
        jobs.erasures(world.now)
    assert ran[len(before) :][0] == step, "what was done is not done again"
    assert jobs.erasures(world.now) == 0
    asked.refresh_from_db()
    assert asked.state == "completed"
    assert not User.objects.filter(name="Inès").exists()


def test_the_rules_of_keeping_are_by_country_and_end_with_a_year() -> None:
    assert keep_until("FR", [date(2026, 1, 1)]) == date(2036, 12, 31)
    assert keep_until("DE", [date(2026, 12, 31), date(2024, 5, 5)]) == date(2034, 12, 31)
    assert keep_until("NO", []) is None
    assert rule_of("NO").years == 10


def test_a_file_that_somebody_else_also_sent_stays(world: World) -> None:
    user = lived(world)
    with transaction.atomic():
        shared = files.store(f"private words {MARKER}".encode(), "text/plain")
        Thread.on(world.quotation(ROLL_OUT), now=world.now).say(
            "Mine too", by=world.camille, now=world.now, files=[("same.txt", shared)]
        )
    carried_out(world, user)
    assert shared.read()
