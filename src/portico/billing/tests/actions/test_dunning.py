"""Reminding of invoices: each stage once, in its order and its days, never of what is paid, disputed or paused."""

from datetime import datetime, timedelta

import pytest
from django.core import mail

from portico.accounts.models import Event
from portico.billing import books
from portico.billing.actions import dunning, pay
from portico.billing.models import DunningRules, Invoice, Reminder
from portico.billing.tests.attempts import begin
from portico.billing.tests.my.pages import at_once
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.models import Letter
from portico.kit.outbox import render, send_letters

LATE = "On-site training in Lyon"
SENT = {"before": "invoice_due", "due": "invoice_due", "late": "invoice_overdue", "formal": "invoice_formal"}


def at(world: World, days: int, title: str = LATE) -> datetime:
    invoice = world.invoice(title)
    assert invoice.due_on is not None
    return datetime.combine(invoice.due_on, world.now.timetz()) + timedelta(days=days)


def stages(world: World, title: str = LATE) -> list[tuple[str, int]]:
    return list(Reminder.objects.filter(invoice=world.invoice(title)).values_list("stage", "days"))


def letter_of(world: World, event: str) -> Letter:
    return Letter.objects.filter(event=event, about=f"invoice:{world.invoice(LATE).pk}").earliest("id")


def day_by_day(world: World, first: int, last: int) -> None:
    for days in range(first, last + 1):
        for _again in range(2):
            dunning.remind_due(at(world, days))


def test_every_stage_comes_once_on_its_day(world: World) -> None:
    day_by_day(world, -6, 40)
    assert stages(world) == [("before", -3), ("due", 0), ("late", 7), ("formal", 14), ("suspend", 28)]
    letters = Letter.objects.filter(about=f"invoice:{world.invoice(LATE).pk}", event__in=set(SENT.values()))
    told = [(letter.event, letter.data["days"]) for letter in letters.order_by("id")]
    assert told == [(SENT[stage], days) for stage, days in stages(world) if stage in SENT for _reader in range(2)]
    events = Event.objects.filter(
        name__in=["invoice.reminded", "invoice.handed_over"], data__number=world.invoice(LATE).number
    )
    assert [event.data["stage"] for event in events.order_by("id")] == ["before", "due", "late", "formal", "suspend"]
    assert books.verify() == []


@pytest.mark.parametrize(
    ("late", "wanted"),
    [(-4, []), (-1, ["before"]), (1, ["due"]), (6, ["due"]), (30, ["late"]), (44, ["late"]), (45, [])],
)
def test_after_a_time_without_a_worker_only_what_helps_is_sent(world: World, late: int, wanted: list[str]) -> None:
    dunning.remind_due(at(world, late))
    assert [stage for stage, _days in stages(world)] == wanted


def test_nobody_is_reminded_of_what_was_perhaps_paid(world: World) -> None:
    """The provider has not said what became of an attempt: reminders go on as soon as it is known that nothing was charged."""
    payment = begin(world, invoice=world.invoice(LATE), now=at(world, 5))
    pay.not_known(payment, now=at(world, 5))
    day_by_day(world, 6, 9)
    assert stages(world) == []
    pay.cancel_payment(payment=payment, now=at(world, 10))
    day_by_day(world, 10, 10)
    assert stages(world) == [("late", 10)]


def test_a_formal_notice_leaves_time_after_the_reminder(world: World) -> None:
    """The worker slept until the thirtieth day: the reminder comes first, and the notice a week after it."""
    day_by_day(world, 30, 45)
    assert stages(world) == [("late", 30), ("formal", 37)]


def test_what_was_just_issued_is_not_reminded_of(world: World) -> None:
    invoice = world.invoice(LATE)
    Invoice.objects.filter(pk=invoice.pk).update(issued_on=at(world, 0).date())
    dunning.remind_due(at(world, 0))
    assert stages(world) == []


def test_a_paid_invoice_stops_and_its_letter_is_not_sent(world: World) -> None:
    day_by_day(world, 7, 7)
    letter = letter_of(world, "invoice_overdue")
    assert render(letter) is not None
    invoice = world.invoice(LATE)
    pay.book_transfer(
        customer=world.fontaine, invoices=[invoice], amount_minor=invoice.amount_due_minor, by=world.omar,
        received_on=world.now.date(), payer_name="Atelier Fontaine", now=world.now,
    )  # fmt: skip
    assert render(letter) is None
    day_by_day(world, 8, 40)
    assert stages(world) == [("late", 7)]


@pytest.mark.parametrize("whole_customer", [False, True])
def test_a_pause_holds_until_its_day_or_until_it_is_lifted(world: World, whole_customer: bool) -> None:
    invoice = None if whole_customer else world.invoice(LATE)
    about = {"customer": world.fontaine, "invoice": invoice, "by": world.hanna}
    for reason, refusal in (("", Invalid), ("x" * 301, Invalid)):
        with pytest.raises(refusal):
            dunning.pause_dunning(**about, reason=reason, until=None, now=at(world, 6))  # type: ignore[arg-type]
    pause = dunning.pause_dunning(**about, reason="They wait for a part.", until=None, now=at(world, 6))  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        dunning.pause_dunning(**about, reason="Again.", until=None, now=at(world, 6))  # type: ignore[arg-type]
    day_by_day(world, 6, 9)
    assert stages(world) == []
    assert dunning.pauses_of(world.invoice(LATE), at(world, 8).date()).exists()
    dunning.resume_dunning(pause=pause, by=world.omar, now=at(world, 9))
    with pytest.raises(Conflict):
        dunning.resume_dunning(pause=pause, by=world.omar, now=at(world, 9))
    until = at(world, 12).date()
    dunning.pause_dunning(**about, reason="Promised.", until=until, now=at(world, 9))  # type: ignore[arg-type]
    day_by_day(world, 9, 30)
    assert stages(world) == [("late", 13), ("formal", 20)]


def test_a_formal_notice_claims_what_is_switched_on_and_nothing_by_itself(world: World) -> None:
    day_by_day(world, 7, 14)
    assert Reminder.objects.get(stage="formal", invoice=world.invoice(LATE)).fee_minor == 0
    Reminder.objects.all().delete()
    Letter.objects.all().delete()
    with pytest.raises(Forbidden):
        rules(world, by=world.hanna)
    rules(world, by=world.omar, claims_fee=True, claims_interest=True, interest_percent=10)
    day_by_day(world, 7, 14)
    notice = Reminder.objects.get(stage="formal", invoice=world.invoice(LATE))
    assert (notice.due_minor, notice.fee_minor, notice.interest_minor) == (
        187_200,
        40_00,
        718,
    )  # 1872 × 10 % × 14 / 365
    assert world.invoice(LATE).amount_due_minor == 187_200, "nothing of it is booked"
    drawn = render(letter_of(world, "invoice_formal"))
    assert drawn is not None
    for words in ("€1,872.00", "€40.00", "€7.18", "€1,919.18"):
        assert words in drawn.text
    paper, invoice = drawn.drawn.attachments
    assert paper.name.startswith("notice-INV")
    assert paper.content.startswith(b"%PDF")
    assert invoice.name.startswith("INV")


def rules(world: World, **more: object) -> DunningRules:
    about = {
        "before_days": 3, "at_due": True, "first_days": 7, "formal_days": 14, "suspend_days": 28, "claims_fee": False,
        "claims_interest": False, "interest_percent": None, "by": world.omar, "now": world.now,
    } | more  # fmt: skip
    return dunning.change_rules(seller=world.seller, **about)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [
        {"first_days": 14},
        {"formal_days": 200},
        {"suspend_days": 14},
        {"before_days": 0},
        {"first_days": 0},
        {"interest_percent": 31},
    ],
)
def test_stages_out_of_order_are_refused(world: World, wrong: dict[str, int]) -> None:
    with pytest.raises(Invalid):
        rules(world, **wrong)
    assert not DunningRules.objects.exists()


def test_the_schedule_is_the_seller_s(world: World) -> None:
    rules(world, before_days=None, at_due=False, first_days=5, formal_days=10, suspend_days=None)
    day_by_day(world, -6, 40)
    assert stages(world) == [("late", 5), ("formal", 10)]


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_the_formal_notice_is_sent_in_the_readers_language(world: World, language: str) -> None:
    for person in (world.camille, world.julien):
        person.language = language
        person.save()
    Letter.objects.all().delete()
    day_by_day(world, 7, 14)
    send_letters(at(world, 14))
    subjects = " ".join(str(one.subject) for one in mail.outbox)
    assert {"en": "Formal notice", "fr": "Mise en demeure", "de": "Mahnung"}[language] in subjects


def test_the_subscription_of_a_handed_over_invoice_is_in_arrears(world: World) -> None:
    subscription = world.subscription("atelier-fontaine")
    invoice = Invoice.objects.filter(customer=world.fontaine, order__subscription=subscription).open().first()
    assert list(dunning.in_arrears(world.seller)) == []
    if invoice is None:
        invoice = world.invoice(LATE)
        assert invoice.order is not None
        type(invoice.order).objects.filter(pk=invoice.order.pk).update(subscription=subscription)
    day_by_day(world, 7, 28)
    assert list(dunning.in_arrears(world.seller)) == [subscription]
    assert Event.objects.filter(name="subscription.in_arrears", object_id=str(subscription.pk)).count() == 1
    pay.book_transfer(
        customer=world.fontaine, invoices=[world.invoice(LATE)], amount_minor=187_200, by=world.omar,
        received_on=world.now.date(), payer_name="Atelier Fontaine", now=world.now,
    )  # fmt: skip
    assert list(dunning.in_arrears(world.seller)) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [True, False])
def test_two_workers_at_once_remind_once(world: World, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    """When nobody looks at the row (the control), all of them write their event."""
    if not guarded:
        monkeypatch.setattr(
            Reminder, "take", lambda self: Reminder.objects.bulk_create([self], ignore_conflicts=True) != []
        )
    invoice = Invoice.objects.select_related("seller", "customer", "period", "order").get(pk=world.invoice(LATE).pk)
    usual, day_due = DunningRules.of(world.seller), invoice.due_on
    assert day_due is not None
    late = next(stage for stage in usual.stages if stage.key == "late")
    taken = at_once(*[lambda: dunning.take_stage(invoice, late, usual, due_on=day_due, now=at(world, 7))] * 4)
    told = Event.objects.filter(name="invoice.reminded", data__number=invoice.number).count()
    assert (sum(taken), told) == ((1, 1) if guarded else (4, 4))
