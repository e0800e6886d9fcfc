"""Money goes back: once, never more than came, above a limit only when a second person agrees, and never lost on the way."""

from collections.abc import Callable
from datetime import date, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from portico.accounts.models import Customer, Event, User
from portico.billing import books, providers
from portico.billing.actions import notices, pay, refund
from portico.billing.actions.credit import credit_invoice
from portico.billing.models import Invoice, Payment, Refund, RefundRules
from portico.billing.providers.base import Declined, RefundReport, RefundSaid, Unanswered
from portico.billing.statement import Cut, Statement, statement_of
from portico.billing.tests.attempts import begin, path_of
from portico.billing.tests.my.pages import at_once, text_of
from portico.cast import World
from portico.kit.errors import Conflict, Forbidden, Invalid
from portico.kit.models import Letter

IBAN = "FR7630006000011234567890189"
OTHER = "DE89370400440532013000"
OPEN = "Go-live support, day 1"


def money_of(world: World, amount_minor: int = 50_000, customer: Customer | None = None) -> Payment:
    """Money that nobody knows what it is for."""
    return pay.book_transfer(
        customer=customer or world.fontaine, amount_minor=amount_minor, received_on=world.now.date(), payer_name="ATELIER F.",
        by=world.omar, now=world.now,
    )  # fmt: skip


def online(world: World) -> Payment:
    """€1,068.00 that came through the sandbox for an invoice."""
    payment = begin(world, now=world.now)
    Client().post(path_of(payment), {"choice": "pay"})
    return pay.lookup_payment(payment=payment, now=world.now)


def note_for(world: World, title: str = OPEN) -> Invoice:
    with transaction.atomic():
        return credit_invoice(
            invoice=world.invoice(title), quantities=None, reason="Not needed.", invoice_again=False, by=world.omar,
            now=world.now,
        )  # fmt: skip


def ask(world: World, payment: Payment, amount_minor: int, **more: Any) -> Refund:
    about: dict[str, Any] = {"way": "transfer", "iban": IBAN, "reason": "Paid twice.", "by": world.omar}
    about = about | {"now": world.now} | more
    return refund.ask_refund(payment=payment, amount_minor=amount_minor, **about)


@pytest.fixture
def colleague(world: World) -> User:
    """A second person of finance."""
    return User.objects.create_user("olga@northwind.example", name="Olga", staff_role="finance", staff_of=world.seller)


class Company:
    """What the provider says next, and what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    def say(self, hook: str, key: str) -> RefundReport:
        self.asked.append((hook, key))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return RefundReport(answer, provider_reference="re_1")


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> Company:
    made, sandbox = Company(), providers.find("sandbox")
    monkeypatch.setattr(sandbox, "refund", lambda asked: made.say("refund", asked.key), raising=False)
    monkeypatch.setattr(sandbox, "fetch_refund", lambda asked: made.say("fetch", asked.key), raising=False)
    return made


# What can go back ------------------------------------------------------------------------------------------------------


def test_credit_goes_back_by_transfer_when_somebody_says_it_was_sent(world: World) -> None:
    payment = money_of(world)
    made = ask(world, payment, 30_000)
    payment.refresh_from_db()
    assert (made.state, payment.returned_minor, payment.unallocated_minor) == ("pending", 30_000, 20_000)
    assert books.verify() == []
    refund.transfer_done(refund=made, sent=True, by=world.omar, now=world.now)
    assert made.state == "succeeded"
    assert Letter.objects.filter(event="payment_refunded").count() == 2
    assert Event.objects.filter(name="payment.refunded").count() == 1
    with pytest.raises(Conflict):
        refund.transfer_done(refund=made, sent=True, by=world.omar, now=world.now)
    with pytest.raises(Conflict):
        ask(world, payment, 20_001)
    rest = ask(world, payment, 20_000)
    refund.transfer_done(refund=rest, sent=True, by=world.omar, now=world.now)
    payment.refresh_from_db()
    assert payment.state == "refunded"
    assert books.verify() == []


def test_what_settles_an_invoice_does_not_go_back_without_a_credit_note(world: World, company: Company) -> None:
    payment = online(world)
    assert refund.refundable_minor(payment) == 0
    with pytest.raises(Conflict):
        ask(world, payment, 1, way="provider")
    note = note_for(world)
    assert refund.refundable_minor(payment) == 106_800
    company.answers = [RefundSaid.SUCCEEDED]
    admin_sets(world, None)
    made = ask(world, payment, 106_800, way="provider")
    assert (made.state, made.credit_note) == ("succeeded", note)
    assert company.asked == [("refund", made.idempotency_key)]
    payment.refresh_from_db()
    invoice = world.invoice(OPEN)
    assert (payment.state, invoice.amount_due_minor, invoice.payment_state) == ("refunded", 0, "credited")
    assert books.verify() == []
    day = world.now.date()
    made_statement = statement_of(world.fontaine, Cut("EUR", day, day), now=world.now)
    assert [entry["debit_minor"] for entry in made_statement.entries if entry["kind"] == "refund"] == [106_800]
    assert made_statement.closing_minor == made_statement.open_minor - made_statement.credit_minor - waiting(world)


def waiting(world: World) -> int:
    """Money that waits on payment requests."""
    rows = Payment.objects.filter(
        customer=world.fontaine, allocations__request__isnull=False, allocations__invoice=None
    ).values_list("allocations__amount_minor", flat=True)
    return sum(rows)


def admin_sets(world: World, above_minor: int | None) -> None:
    refund.change_limit(seller=world.seller, above_minor=above_minor, by=world.admin, now=world.now)


@pytest.mark.parametrize(
    "wrong",
    [
        {"way": "provider"},
        {"iban": "FR7630006000011234567890188"},
        {"iban": ""},
        {"reason": " "},
        {"reason": "x" * 301},
    ],
)
def test_what_cannot_be_is_refused_and_nothing_moves(world: World, wrong: dict[str, str]) -> None:
    payment = money_of(world)
    with pytest.raises(Invalid):
        ask(world, payment, 100, **wrong)
    for amount in (0, -1):
        with pytest.raises(Invalid):
            ask(world, payment, amount)
    with pytest.raises(Forbidden):
        ask(world, payment, 100, by=world.hanna)
    assert not Refund.objects.exists()


# Two people ------------------------------------------------------------------------------------------------------------


def test_above_the_limit_a_second_person_must_agree(world: World, colleague: User) -> None:
    payment = money_of(world, 300_000)
    made = ask(world, payment, 100_001)
    assert made.state == "waiting"
    payment.refresh_from_db()
    assert payment.unallocated_minor == 199_999, "what waits cannot be used meanwhile"
    with pytest.raises(Forbidden):
        refund.approve_refund(refund=made, by=world.omar, now=world.now)
    with pytest.raises(Forbidden):
        refund.approve_refund(refund=made, by=world.hanna, now=world.now)
    with pytest.raises(Conflict):
        refund.transfer_done(refund=made, sent=True, by=world.omar, now=world.now)
    refund.approve_refund(refund=made, by=colleague, now=world.now)
    assert (made.state, made.approved_by) == ("pending", colleague)
    with pytest.raises(Conflict):
        refund.refuse_refund(refund=made, by=colleague, now=world.now)
    assert [event.name for event in Event.objects.filter(name__startswith="payment.refund").order_by("id")] == [
        "payment.refund_asked", "payment.refund_approved",
    ]  # fmt: skip
    assert ask(world, payment, 100_000).state == "pending", "at the limit one person is enough"
    assert books.verify() == []


def test_a_large_sum_is_not_cut_into_small_ones(world: World, colleague: User) -> None:
    payment = money_of(world, 300_000)
    assert ask(world, payment, 60_000).state == "pending"
    second = ask(world, payment, 60_000)
    assert second.state == "waiting", "together they are above the limit"
    refund.refuse_refund(refund=second, by=colleague, now=world.now)
    assert ask(world, payment, 40_000).state == "pending", "at the limit one person is enough"
    third = ask(world, payment, 1_000)
    assert third.state == "waiting"
    refund.approve_refund(refund=third, by=colleague, now=world.now)
    assert books.verify() == []


def test_nor_into_refunds_of_several_payments(world: World, colleague: User) -> None:
    assert ask(world, money_of(world, 60_000), 60_000).state == "pending"
    second = ask(world, money_of(world, 50_001), 50_001)
    assert second.state == "waiting", "together they are above the limit"
    refund.refuse_refund(refund=second, by=colleague, now=world.now)
    assert ask(world, money_of(world, 40_000), 40_000).state == "pending", "at the limit one person is enough"
    week = world.now + refund.COUNTED_TOGETHER
    assert ask(world, money_of(world, 50_002), 50_002, now=week).state == "pending", "that was a while ago"
    assert books.verify() == []


def test_nor_into_refunds_of_several_customers_to_one_account(world: World) -> None:
    assert ask(world, money_of(world, 60_000), 60_000).state == "pending"
    assert ask(world, money_of(world, 50_001, world.lindner), 50_001, iban=OTHER).state == "pending", "another account"
    assert ask(world, money_of(world, 50_002, world.lindner), 50_002).state == "waiting"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("locked", [True, False], ids=["locked", "control: without the lock"])
@pytest.mark.postgresql
def test_two_at_once_for_two_payments_count_each_other(
    world: World, locked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = money_of(world, 60_000), money_of(world, 60_001)
    together = Barrier(2)

    def counted(self: RefundRules, amount_minor: int, currency: str) -> bool:
        if not locked:
            together.wait(timeout=10)  # both have counted, and none has written
        return amount_minor > 100_000

    monkeypatch.setattr(RefundRules, "needs_second_look", counted)
    if not locked:
        monkeypatch.setattr(refund, "_lock_customer", lambda payment: None)
    made = at_once(lambda: ask(world, first, 60_000), lambda: ask(world, second, 60_001))
    assert sorted(one.state for one in made) == (["pending", "waiting"] if locked else ["pending", "pending"])


@pytest.mark.parametrize("agreed", [True, False], ids=["agreed", "refused"])
def test_a_refund_stands_in_the_statement_of_account_when_the_money_has_left(
    world: World, colleague: User, agreed: bool, client_for: Callable[..., Client]
) -> None:
    admin_sets(world, 0)
    day, client = world.now.date(), client_for(world.julien)
    payment = money_of(world)

    def account(through: date = day) -> Statement:
        made = statement_of(world.fontaine, Cut("EUR", day, through), now=world.now)
        assert made.closing_minor == made.open_minor - made.credit_minor - waiting(world)
        return made

    def refunds(made: Statement) -> list[tuple[date, int]]:
        return [(entry["on"], entry["debit_minor"]) for entry in made.entries if entry["kind"] == "refund"]

    before = account()
    asked = ask(world, payment, 30_000)
    assert asked.state == "waiting"
    shown = "of it set aside to be given back: €300.00"
    for _step in ("it waits for the second person", "it is agreed and was not sent"):
        made = account()
        assert refunds(made) == []
        assert (made.closing_minor, made.credit_minor) == (before.closing_minor, before.credit_minor)
        assert made.set_aside_minor == 30_000
        assert shown in text_of(client.get("/my/statement/"))
        if agreed and asked.state == "waiting":
            refund.approve_refund(refund=asked, by=colleague, now=world.now)
    later = world.now + timedelta(days=3)
    if agreed:
        refund.transfer_done(refund=asked, sent=True, by=world.omar, now=later)
    else:
        refund.refuse_refund(refund=asked, by=colleague, now=later)
    made = account(day + timedelta(days=3))
    assert refunds(made) == ([(day + timedelta(days=3), 30_000)] if agreed else []), "on the day that it left"
    assert made.credit_minor == before.credit_minor - (30_000 if agreed else 0)
    assert made.set_aside_minor == 0
    assert shown not in text_of(client.get("/my/statement/"))
    assert books.verify() == []


def test_what_is_not_agreed_is_credit_again(world: World, colleague: User) -> None:
    admin_sets(world, 0)
    payment = money_of(world)
    made = ask(world, payment, 50_000)
    refund.refuse_refund(refund=made, by=colleague, now=world.now)
    payment.refresh_from_db()
    assert (made.state, payment.state, payment.unallocated_minor) == ("refused", "succeeded", 50_000)
    with pytest.raises(Conflict):
        refund.approve_refund(refund=made, by=colleague, now=world.now)
    assert books.verify() == []


def test_only_an_administrator_changes_the_limit(world: World) -> None:
    with pytest.raises(Forbidden):
        refund.change_limit(seller=world.seller, above_minor=None, by=world.omar, now=world.now)


# Outcomes --------------------------------------------------------------------------------------------------------------


def asked_online(world: World, company: Company, *answers: Any) -> tuple[Payment, Refund]:
    payment = online(world)
    note_for(world)
    company.answers = list(answers)
    return payment, ask(world, payment, 50_000, way="provider")


@pytest.mark.parametrize("fault", [Unanswered("silent"), RuntimeError("broken")])
def test_no_answer_is_unknown_and_looked_up_with_the_same_key(world: World, company: Company, fault: Exception) -> None:
    payment, made = asked_online(world, company, fault)
    assert made.state == "unknown"
    assert refund.look_up_refunds(world.now) == 0, "not before its time"
    assert made.next_lookup_at is not None
    company.answers = [RefundSaid.NOTHING, RefundSaid.SUCCEEDED]
    assert refund.look_up_refunds(made.next_lookup_at) == 1
    made.refresh_from_db()
    assert made.state == "succeeded"
    assert company.asked == [(hook, made.idempotency_key) for hook in ("refund", "fetch", "refund")]
    payment.refresh_from_db()
    assert payment.returned_minor == 50_000
    assert books.verify() == []


def test_a_refund_whose_asking_was_lost_in_a_crash_begins_again(world: World, company: Company) -> None:
    """Committed, and the process died before the provider was asked."""
    _payment, made = asked_online(world, company, Unanswered("died"))
    Refund.objects.filter(pk=made.pk).update(state="pending", begun_at=None, lookups=0, next_lookup_at=world.now)
    company.asked, company.answers = [], [RefundSaid.NOTHING, RefundSaid.PENDING]
    refund.look_up_refunds(world.now)
    made.refresh_from_db()
    assert (made.state, [hook for hook, _key in company.asked]) == ("pending", ["fetch", "refund"])


@pytest.mark.parametrize("end", [Declined("no"), RefundSaid.FAILED])
def test_a_failed_refund_is_credit_again_and_staff_hear_of_it(world: World, company: Company, end: Any) -> None:
    payment, made = asked_online(world, company, end)
    payment.refresh_from_db()
    assert (made.state, payment.returned_minor, payment.unallocated_minor) == ("failed", 0, 50_000)
    assert payment.review == "a refund of it failed"
    assert not Letter.objects.filter(event="payment_refunded").exists()
    assert books.verify() == []


def test_the_sandbox_gives_back_and_tells_by_notice(world: World) -> None:
    payment, note = online(world), note_for(world)
    made = ask(world, payment, 40_000, way="provider")
    assert made.state in {"pending", "succeeded"}
    assert made.credit_note == note
    report = RefundReport(RefundSaid.SUCCEEDED, provider_reference=made.provider_reference, refund_id=str(made.pk))
    for _again in range(3):
        found = refund.refund_of("sandbox", report)
        assert found == made
        refund.apply_refund_report(refund=found, report=report, now=world.now)
    made.refresh_from_db()
    assert made.state == "succeeded"
    assert Letter.objects.filter(event="payment_refunded").count() == 2
    assert notices._about_refund(providers.find("sandbox"), RefundReport(RefundSaid.SUCCEEDED, "re_x"), now=world.now)  # type: ignore[arg-type]
    assert books.verify() == []


# At once ---------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("guarded", [True, False])
def test_two_refunds_at_once_never_give_back_more_than_came(
    world: World, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Without the sums being looked at under the lock (the control) more goes back than came."""
    payment = money_of(world, 50_000)
    if not guarded:
        monkeypatch.setattr(refund, "refundable_minor", lambda payment: 50_000)
        monkeypatch.setattr(Payment, "give_back", lambda self, amount_minor, *, gone: True)
    ends = at_once(*[lambda: ask(world, Payment.objects.get(pk=payment.pk), 30_000)] * 4)
    given = [one for one in ends if isinstance(one, Refund)]
    if guarded:
        assert len(given) == 1
        assert all(isinstance(one, Conflict) for one in ends if one not in given)
        assert books.verify() == []
    else:
        assert sum(one.amount_minor for one in given) > 50_000
        assert books.verify() != [], "verify-books sees it"


def test_verify_books_sees_a_refund_that_was_edited(world: World) -> None:
    made = ask(world, money_of(world), 30_000)
    assert books.verify() == []
    Refund.objects.filter(pk=made.pk).update(amount_minor=20_000)
    assert [one.invariant for one in books.verify()] == ["what went back is what refunds and reversals took"]
