"""Stripe against its stand-in, with the real SDK: paid, declined, asked, returned, disputed, refunded, and never twice."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from threading import Event as ThreadEvent
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.test import Client

from portico.accounts.models import Event
from portico.billing import books, jobs
from portico.billing.actions import charge, methods, notices, pay, receive
from portico.billing.models import Payment, ProviderEvent, Reversal, SavedMethod
from portico.billing.providers import find
from portico.billing.providers.base import (
    Charge,
    Declined,
    Notice,
    Provider,
    Purchase,
    Refunding,
    RefundSaid,
    Unanswered,
)
from portico.billing.providers.stripe import amounts
from portico.billing.tests.attempts import OPEN, payer
from portico.billing.tests.my.pages import at_once, text_of
from portico.billing.tests.my.pages import books as rows
from portico.billing.tests.providers.standin import company as stripe
from portico.billing.tests.providers.standin.company import GOOD, Company, Fault, sign
from portico.billing.tests.providers.stripes import (
    SECRET,
    begin,
    knock,
    pay_with,
    post,
    saved_at,
    tell_portal,
)
from portico.cast import World
from portico.kit.errors import Conflict, Unavailable
from portico.kit.models import Letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock", "company")]
Clock = time_machine.Traveller


def provider() -> Provider:
    found = find("stripe")
    assert found is not None
    return found


def janitor(world: World, **later: float) -> None:
    """The worker, so much later: notices that wait, then attempts and savings that nobody told us about."""
    at = world.now + timedelta(**later)
    jobs.provider_events(at)
    jobs.undecided_payments(at)
    jobs.savings(at)


# Checkout --------------------------------------------------------------------------------------------------------------


def test_an_invoice_is_paid_by_card_and_only_the_notice_settles_it(
    world: World, company: Company, client_for: Callable[..., Client]
) -> None:
    payment = begin(world)
    assert payment.checkout_url.startswith(company.address)
    status, back = pay_with(payment)
    assert (status, back.endswith(f"/my/payments/{payment.pk}/")) == (303, True)
    before = rows()
    page = client_for(world.julien).get(f"/my/payments/{payment.pk}/")
    assert "not finished yet" in text_of(page)
    assert b'hx-trigger="every 2s"' in page.content
    assert rows() == before, "coming back settles nothing"
    assert {one.status_code for one in tell_portal(company, at=world.now, times=3)} == {200}
    payment.refresh_from_db()
    assert (payment.state, payment.received_minor, world.invoice(OPEN).payment_state) == ("succeeded", 106_800, "paid")
    assert payment.charge_reference.startswith("pi_")
    assert company.taken() == {payment.charge_reference: (106_800, "EUR")}
    assert books.verify() == []


def test_what_is_asked_at_stripe_names_ids_and_numbers_and_no_people(world: World, company: Company) -> None:
    payment = begin(world)
    (route, params), *_rest = company.calls
    assert route == "POST checkout/sessions"
    assert params["client_reference_id"] == str(payment.pk)
    assert params["payment_intent_data"]["metadata"]["portico_payment"] == str(payment.pk)
    text = json.dumps(params)
    for word in ("Julien", "fontaine.example", "Fontaine"):
        assert word not in text
    assert "payment_method_types" not in text, "the account at Stripe says which"


def test_several_invoices_a_part_and_an_order_s_request_are_paid(world: World, company: Company) -> None:
    part = begin(world, amount_minor=6_800)
    pay_with(part)
    tell_portal(company, at=world.now)
    assert world.invoice(OPEN).amount_due_minor == 100_000
    order = pay.start_payment(by=payer(world), provider="stripe", order=world.order("Second workshop"), now=world.now)
    pay_with(order)
    tell_portal(company, at=world.now)
    order.refresh_from_db()
    assert order.state == "succeeded"
    assert world.order("Second workshop").state == "confirmed"
    papers = [world.invoice(OPEN), order.allocations.select_related("invoice").get().invoice]
    open_ones = [one for one in papers if one is not None and one.amount_due_minor]
    both = begin(world, invoices=open_ones)
    pay_with(both)
    tell_portal(company, at=world.now)
    assert world.invoice(OPEN).payment_state == "paid"
    assert books.verify() == []


def test_a_charge_s_notice_is_asked_about_only_when_its_checkout_s_does_not_come(
    world: World, company: Company
) -> None:
    payment = begin(world)
    pay_with(payment)
    charge = next(event for event in company.events if event["type"] == "payment_intent.succeeded")
    body = json.dumps(charge).encode()
    assert knock(body, sign(body, SECRET, world.now.timestamp())).status_code == 200
    payment.refresh_from_db()
    assert (payment.state, payment.next_lookup_at) == ("pending", world.now + receive.SOON)
    payment.ask_soon(at=world.now + timedelta(hours=1))
    payment.refresh_from_db()
    assert payment.next_lookup_at == world.now + receive.SOON, "what is due sooner is never put off"
    asked = len(company.calls)
    jobs.undecided_payments(world.now + timedelta(seconds=4))
    assert len(company.calls) == asked, "the company is not asked yet"
    janitor(world, minutes=1)
    assert world.invoice(OPEN).payment_state == "paid"
    assert len(company.calls) > asked


def test_a_declined_card_can_be_tried_again_on_the_same_page(world: World, company: Company) -> None:
    payment = begin(world)
    assert "declined" in pay_with(payment, "4000000000009995")[1]
    tell_portal(company, at=world.now)
    janitor(world, minutes=1)
    payment.refresh_from_db()
    assert payment.state == "pending", "the payer may still pay with another one"
    pay_with(payment)
    tell_portal(company, at=world.now)
    assert world.invoice(OPEN).payment_state == "paid"


def test_a_bank_that_asks_on_the_hosted_page_is_answered_there(world: World, company: Company) -> None:
    payment = begin(world)
    assert "Your bank asks" in pay_with(payment, stripe.ASKS)[1]
    assert pay_with(payment, stripe.ASKS, answer="yes")[0] == 303
    tell_portal(company, at=world.now)
    assert world.invoice(OPEN).payment_state == "paid"


@pytest.mark.parametrize(
    ("number", "state", "invoice"),
    [
        (stripe.DEBIT, "succeeded", "paid"),
        (stripe.DEBIT_FAILS, "failed", "not_paid"),
        (stripe.DEBIT_RETURNED, "reversed", "not_paid"),
    ],
)
def test_a_direct_debit_is_on_its_way_and_then_arrives_fails_or_is_returned(
    world: World, company: Company, number: str, state: str, invoice: str
) -> None:
    payment = begin(world)
    assert pay_with(payment, number)[0] == 303
    tell_portal(company, at=world.now)
    janitor(world, minutes=1)
    assert world.invoice(OPEN).payment_state == "in_payment"
    (intent,) = company.all_of("payment_intent")
    company.settle_debit(intent["id"])
    tell_portal(company, at=world.now)
    janitor(world, minutes=2)
    payment.refresh_from_db()
    assert (payment.state, world.invoice(OPEN).payment_state) == (state, invoice)
    assert books.verify() == []


def test_the_second_tab_closes_the_first_one_s_checkout(world: World, company: Company) -> None:
    first = begin(world)
    second = begin(world)
    first.refresh_from_db()
    assert first.state == "cancelled"
    assert pay_with(first)[0] == 200
    assert pay_with(second)[0] == 303
    tell_portal(company, at=world.now, shuffled=1, times=2)
    assert len(company.taken()) == 1
    with pytest.raises(Conflict):
        begin(world)
    assert books.verify() == []


def test_what_was_paid_this_moment_is_not_paid_again(world: World, company: Company) -> None:
    pay_with(begin(world))
    with pytest.raises(Conflict, match="Your earlier payment has arrived"):
        begin(world)
    assert world.invoice(OPEN).payment_state == "paid"
    assert len(company.taken()) == 1


def test_money_for_an_attempt_that_was_given_up_is_credit_with_a_notice(world: World, company: Company) -> None:
    payment = begin(world)
    receive.cancel_payment(
        payment=payment, now=world.now
    )  # as if a bank file had paid the invoice, and the page stayed open
    pay_with(payment)
    tell_portal(company, at=world.now)
    payment.refresh_from_db()
    assert (payment.state, payment.unallocated_minor) == ("succeeded", 106_800)
    assert payment.review == "it arrived after the attempt had been given up"


# Unknown outcomes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["silent_before", "silent_after", "error_after"])
def test_a_start_whose_answer_is_lost_is_found_by_our_id_and_charged_once(
    world: World, company: Company, clock: Clock, how: str
) -> None:
    company.faults.append(Fault("POST checkout/sessions", how))
    with pytest.raises(Unavailable):
        begin(world)
    payment = Payment.objects.latest("created_at")
    assert payment.state == "unknown"
    with pytest.raises(Conflict):
        begin(world)
    clock.shift(timedelta(minutes=12))
    janitor(world, minutes=12)
    payment.refresh_from_db()
    if how == "silent_before":
        assert payment.state == "cancelled", "Stripe never heard of it"
        return
    (session,) = company.all_of("checkout.session")
    assert (payment.state, payment.provider_reference) == ("pending", session["id"])
    company.pay_session(session["id"], GOOD)
    tell_portal(company, at=world.now + timedelta(minutes=12))
    assert world.invoice(OPEN).payment_state == "paid"
    assert len(company.taken()) == 1
    assert books.verify() == []


@pytest.mark.parametrize("how", ["silent_before", "silent_after", "error_after"])
def test_a_charge_whose_answer_is_lost_is_looked_up_and_never_repeated(
    world: World, company: Company, clock: Clock, how: str
) -> None:
    method = saved_at(company, payer(world), now=world.now)
    company.faults.append(Fault("POST payment_intents", how))
    with pytest.raises(Unavailable):
        charge.pay_with_saved(by=payer(world), method=method, invoices=[world.invoice(OPEN)], now=world.now)
    clock.shift(timedelta(minutes=12))
    janitor(world, minutes=12)
    charged = how != "silent_before"
    assert world.invoice(OPEN).payment_state == ("paid" if charged else "not_paid")
    assert len(company.taken()) == int(charged)
    assert books.verify() == []


def test_a_look_up_without_an_answer_leaves_it_unknown(world: World, company: Company) -> None:
    payment = begin(world)
    company.faults.append(Fault("GET checkout/sessions", "silent_before"))
    pay.lookup_payment(payment=payment, now=world.now)
    assert payment.asked.get().said == ""
    payment.refresh_from_db()
    assert payment.state == "unknown"
    pay.lookup_payment(payment=payment, now=world.now)
    assert payment.asked.latest("id").said == "open"


def test_the_same_key_with_another_body_is_no_answer(company: Company) -> None:
    bought = Purchase("key-1", "id-1", 5_000, "EUR", "INV-1", "http://localhost/", "en", payee=None)  # type: ignore[arg-type]  # not asked here
    provider().start(bought)
    with pytest.raises(Unanswered):
        provider().start(replace(bought, amount_minor=6_000))


# Saved methods ---------------------------------------------------------------------------------------------------------


def test_a_method_is_saved_by_setup_and_by_paying_with_consent(world: World, company: Company) -> None:
    first = saved_at(company, payer(world), now=world.now)
    assert (first.kind, first.brand, first.last4, first.is_default) == ("card", "visa", "4242", True)
    payment = begin(world, amount_minor=5_000, save_consent="Keep it.")
    pay_with(payment, stripe.DEBIT)
    tell_portal(company, at=world.now)
    janitor(world, minutes=1)
    company.settle_debit(next(one["id"] for one in company.all_of("payment_intent")))
    tell_portal(company, at=world.now)
    janitor(world, minutes=2)
    second = SavedMethod.objects.get(kind="sepa_debit")
    assert second.consent == "Keep it."
    assert second.provider_customer == first.provider_customer, "one customer at Stripe"


def test_a_saving_is_told_by_its_notice_and_asked_for(world: World, company: Company) -> None:
    enrolment = methods.begin_saving(by=payer(world), provider="stripe", consent="I agree.", now=world.now)
    assert post(enrolment.checkout_url, number=stripe.ASKED_ONCE, answer="yes")[0] == 303
    tell_portal(company, at=world.now, times=2, shuffled=3)
    janitor(world)
    enrolment.refresh_from_db()
    assert enrolment.state == "done"
    assert SavedMethod.objects.count() == 1


@pytest.mark.parametrize(
    ("number", "state", "code"),
    [(GOOD, "succeeded", ""), (stripe.DECLINES_LATER, "failed", "insufficient_funds"), (stripe.DEBIT, "pending", "")],
)
def test_a_saved_method_is_charged_off_session(
    world: World, company: Company, number: str, state: str, code: str
) -> None:
    method = saved_at(company, payer(world), number, now=world.now)
    payment = charge.pay_with_saved(by=payer(world), method=method, invoices=[world.invoice(OPEN)], now=world.now)
    assert (payment.state, payment.failure_code) == (state, code)
    tell_portal(company, at=world.now, times=2, shuffled=7)
    assert books.verify() == []


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_bank_that_asks_off_session_is_answered_by_the_payer(world: World, company: Company, confirmed: bool) -> None:
    method = saved_at(company, payer(world), stripe.ASKS, now=world.now)
    wanted = charge.Charging
    by, invoice = payer(world), world.invoice(OPEN)
    asked = pay.Asked(by.customer, None, provider(), invoices=[invoice], method=method)
    payment = pay.write_down(asked, pay.due_of_invoices(by.customer, [invoice]), now=world.now)
    payment = charge._charge(wanted(payment, method, provider(), by.customer, None), now=world.now)
    assert payment.state == "pending"
    assert payment.action_at is not None
    tell_portal(company, at=world.now)
    payment.refresh_from_db()
    assert payment.state == "pending", "its notice says declined, and means: ask the payer"
    page = charge.where_to_confirm(payment=payment, by=by, now=world.now)
    assert page.startswith(f"{company.address}/3ds/")
    status, back = post(page, answer="yes" if confirmed else "no")
    assert (status, back.endswith(f"/my/payments/{payment.pk}/")) == (303, True)
    tell_portal(company, at=world.now)
    payment.refresh_from_db()
    assert (payment.state, world.invoice(OPEN).payment_state) == (
        ("succeeded", "paid") if confirmed else ("failed", "not_paid")
    )
    assert books.verify() == []


def test_removed_here_or_there_it_is_gone_on_both_sides(world: World, company: Company) -> None:
    here, there = (saved_at(company, payer(world), now=world.now) for _one in range(2))
    methods.remove_method(method=here, by=payer(world), now=world.now)
    assert company.find(here.provider_method, "payment_method")["customer"] is None
    company.detach(there.provider_method)
    tell_portal(company, at=world.now)
    assert not SavedMethod.objects.kept().exists()
    with pytest.raises(Declined, match="payment_method_gone"):
        provider().charge_saved(
            Charge("key", "id", 5_000, "EUR", "INV", "http://localhost/", here.provider_customer, here.provider_method)
        )


# Disputes and refunds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_is_opened_and_decided(world: World, company: Company, won: bool) -> None:
    pay_with(begin(world), stripe.DISPUTED)
    tell_portal(company, at=world.now, shuffled=5, times=2)
    janitor(world, minutes=1)
    payment = Payment.objects.latest("created_at")
    assert (payment.state, world.invoice(OPEN).payment_state) == ("reversed", "disputed")
    company.close_dispute(company.all_of("dispute")[0]["id"], won=won)
    tell_portal(company, at=world.now, times=2, shuffled=2)
    payment.refresh_from_db()
    assert (payment.state, world.invoice(OPEN).payment_state) == (
        ("succeeded", "paid") if won else ("reversed", "not_paid")
    )
    assert books.verify() == []


def test_an_inquiry_takes_no_money(world: World, company: Company) -> None:
    pay_with(begin(world))
    company.dispute(company.all_of("payment_intent")[0]["id"], reason="general", status="warning_needs_response")
    tell_portal(company, at=world.now)
    assert world.invoice(OPEN).payment_state == "paid"
    assert not Reversal.objects.exists()


@pytest.mark.parametrize(
    ("number", "first", "last"),
    [
        (GOOD, RefundSaid.SUCCEEDED, RefundSaid.SUCCEEDED),
        (stripe.REFUND_PENDING, RefundSaid.PENDING, RefundSaid.SUCCEEDED),
        (stripe.REFUND_FAILS, RefundSaid.PENDING, RefundSaid.FAILED),
    ],
)
def test_money_is_given_back_in_parts_and_never_more_than_came(
    world: World, company: Company, number: str, first: RefundSaid, last: RefundSaid
) -> None:
    payment = begin(world)
    pay_with(payment, number)
    tell_portal(company, at=world.now)
    payment.refresh_from_db()
    asked = Refunding("refund-1", "our-id-1", 100_000, "EUR", pay.attempt_of(payment))
    assert provider().fetch_refund(asked).said == RefundSaid.NOTHING
    report = provider().refund(asked)
    assert (report.said, report.amount_minor, report.refund_id) == (first, 100_000, "our-id-1")
    assert provider().refund(asked) == report, "the same key gives it back once"
    with pytest.raises(Declined):
        provider().refund(replace(asked, key="refund-2", amount_minor=6_801))
    company.settle_refund(report.provider_reference)
    told = provider().fetch_refund(replace(asked, attempt=pay.attempt_of(payment)))
    assert told.said == last
    event = company.events[-1]
    assert provider().translate(event["type"], event) == told


def test_a_refund_without_an_answer_is_looked_up_by_our_id(world: World, company: Company) -> None:
    payment = begin(world)
    pay_with(payment)
    tell_portal(company, at=world.now)
    payment.refresh_from_db()
    asked = Refunding("refund-1", "our-id-1", 100, "EUR", pay.attempt_of(payment))
    company.faults.append(Fault("POST refunds", "silent_after"))
    with pytest.raises(Unanswered):
        provider().refund(asked)
    assert provider().fetch_refund(asked).said == RefundSaid.SUCCEEDED
    assert len(company.all_of("refund")) == 1


# The door --------------------------------------------------------------------------------------------------------------


def paid_notice(world: World, company: Company) -> bytes:
    pay_with(begin(world))
    event = next(one for one in company.events if one["type"] == "checkout.session.completed")
    return json.dumps(event).encode()


@pytest.mark.parametrize(
    "fake",
    ["unsigned", "other secret", "altered", "301 s old", "301 s ahead", "no time", "only v0", "unreadable", "live"],
)
def test_what_is_not_genuine_is_refused_and_leaves_nothing(world: World, company: Company, fake: str) -> None:
    body, at = paid_notice(world, company), world.now.timestamp()
    before = rows()
    signature = sign(body, SECRET, at)
    if fake == "unsigned":
        signature = ""
    elif fake == "other secret":
        signature = sign(body, "whsec_" + "0" * 32, at)
    elif fake == "altered":
        body = body.replace(b"106800", b"106801", 1)
    elif fake in {"301 s old", "301 s ahead"}:
        signature = sign(body, SECRET, at + (-301 if "old" in fake else 301))
    elif fake == "no time":
        signature = signature.partition(",")[2]
    elif fake == "only v0":
        signature = signature.replace("v1=", "v0=")
    else:
        body = b"[]" if fake == "unreadable" else body.replace(b'"livemode": false', b'"livemode": true')
        signature = sign(body, SECRET, at)
    assert knock(body, signature).status_code == 400
    assert rows() == before


def test_both_secrets_are_good_while_one_is_rotated(world: World, company: Company, settings: Any) -> None:
    body, at = paid_notice(world, company), world.now.timestamp()
    new = "whsec_" + "9d8c7b6a" * 4
    old_and_new = f"{sign(body, SECRET, at)},v1={sign(body, new, at).partition('v1=')[2]}"
    settings.PORTICO_WEBHOOK_SECRETS = {"stripe": f"{new}, {SECRET}"}
    for signature in (sign(body, SECRET, at), sign(body, new, at), old_and_new):
        assert knock(body, signature).status_code == 200
    settings.PORTICO_WEBHOOK_SECRETS = {"stripe": new}
    assert knock(body, sign(body, SECRET, at)).status_code == 400
    assert ProviderEvent.objects.count() == 1


@pytest.mark.parametrize("secret", ["", " ", "short", f"{SECRET},", f"{SECRET},short"])
def test_an_empty_or_short_secret_verifies_nothing(world: World, company: Company, settings: Any, secret: str) -> None:
    body = paid_notice(world, company)
    settings.PORTICO_WEBHOOK_SECRETS = {"stripe": secret}
    for signing in (secret, ""):
        assert knock(body, sign(body, signing, world.now.timestamp())).status_code == 503
    assert not ProviderEvent.objects.exists()


def test_a_notice_that_is_days_late_is_still_good(world: World, company: Company, clock: Clock) -> None:
    pay_with(begin(world))
    clock.shift(timedelta(days=3))
    tell_portal(company, at=world.now + timedelta(days=3), shuffled=1, times=2)
    assert world.invoice(OPEN).payment_state == "paid"


@pytest.mark.parametrize(
    ("change", "review"),
    [
        ({"amount_total": 106_799}, "another amount or currency than was asked for"),
        ({"currency": "usd"}, "another amount or currency than was asked for"),
        ({"client_reference_id": "00000000-0000-4000-8000-000000000000"}, "the provider names another payment"),
        ({"account": "acct_other"}, "it arrived on another account"),
    ],
)
def test_genuine_money_that_does_not_fit_is_kept_for_staff(
    world: World, company: Company, change: dict[str, Any], review: str
) -> None:
    event = json.loads(paid_notice(world, company))
    if "account" in change:
        event |= change
    else:
        event["data"]["object"] |= change
    body = json.dumps(event).encode()
    assert knock(body, sign(body, SECRET, world.now.timestamp())).status_code == 200
    payment = Payment.objects.latest("created_at")
    assert (payment.review, world.invoice(OPEN).payment_state) == (review, "not_paid")


def six_events(world: World, company: Company) -> list[dict[str, Any]]:
    """A direct debit's whole life: confirmed, on its way, arrived (each told twice over), returned."""
    pay_with(begin(world), stripe.DEBIT_RETURNED)
    company.settle_debit(company.all_of("payment_intent")[0]["id"])
    assert len(company.events) == 6
    return company.events


def end_state(world: World) -> tuple[Any, ...]:
    payment = Payment.objects.latest("created_at")
    invoice = world.invoice(OPEN)
    return (
        payment.state, payment.received_minor, payment.returned_minor, payment.review, invoice.payment_state,
        invoice.amount_due_minor, sorted(payment.allocations.values_list("amount_minor", flat=True)),
        list(Reversal.objects.values_list("state", "amount_minor")),
        Event.objects.filter(name="payment.succeeded", object_id=str(payment.pk)).count(),
        Letter.objects.filter(event="payment_received", about=f"payment:{payment.pk}").count(),
        ProviderEvent.objects.filter(state="done").count(),
    )  # fmt: skip


def test_six_events_in_any_of_720_orders_and_twice_end_in_the_same_state(world: World, company: Company) -> None:
    events = six_events(world, company)
    stripe_provider, seen, tried = provider(), set[Any](), list[tuple[int, ...]]()

    def tell(index: int) -> None:
        event = events[index]
        stored = notices.store(stripe_provider, Notice(event["id"], event["type"], event), now=world.now)
        if stored is not None:
            notices.work_on(stored, now=world.now)

    def go_on(told: tuple[int, ...]) -> None:
        """Every way to go on after these events; orders that begin alike share what they have in common."""
        if len(told) == 6:
            for index in told[::-1] if len(tried) % 2 else ():
                tell(index)  # again, the other way round
            janitor(world, minutes=10)
            seen.add(str(end_state(world)))
            tried.append(told)
            return
        for index in sorted(set(range(6)) - set(told)):
            with transaction.atomic():
                tell(index)
                go_on((*told, index))
                transaction.set_rollback(True)

    go_on(())
    assert len(set(tried)) == 720
    assert len(seen) == 1, seen
    assert seen.pop().startswith("('reversed', 106800, 106800,")


# At once ---------------------------------------------------------------------------------------------------------------


def race(world: World, company: Company, rounds: int, held: Callable[[], object] = lambda: None) -> int:
    """The notice arrives while the look-up that the payer's return asks for answers; how many arrivals were booked.

    The notice is `held` back before it knocks.
    """
    for _round in range(rounds):
        payment = begin(world, amount_minor=100)
        company.pay_session(payment.provider_reference, GOOD)
        event = company.events[-1]
        body = json.dumps(event).encode()
        signature = sign(body, SECRET, world.now.timestamp())
        ready = Barrier(2, timeout=60)
        stale = Payment.objects.select_related("customer__seller").get(pk=payment.pk)

        def look(stale: Payment = stale, ready: Barrier = ready) -> None:
            ready.wait()
            pay.lookup_payment(payment=stale, now=world.now)

        def notice(body: bytes = body, signature: str = signature, ready: Barrier = ready) -> None:
            ready.wait()
            held()
            assert knock(body, signature).status_code == 200

        at_once(look, notice)
    jobs.provider_events(world.now + timedelta(minutes=1))
    return Event.objects.filter(name="payment.succeeded", data__provider="stripe").count()


@pytest.mark.django_db(transaction=True)
def test_200_times_redirect_and_notice_at_once_book_once_and_send_one_mail(world: World, company: Company) -> None:
    assert race(world, company, 200) == 200
    invoice = world.invoice(OPEN)
    assert invoice.amount_due_minor == 106_800 - 200 * 100
    mails = Letter.objects.filter(event="payment_received", to_address="camille@fontaine.example")
    assert (
        mails.filter(about__in=[f"payment:{one.pk}" for one in Payment.objects.filter(provider="stripe")]).count()
        == 200
    )
    assert books.verify() == []


@pytest.mark.django_db(transaction=True)
def test_the_control_without_the_claim_books_twice(
    world: World, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look-up is in there first: a notice is worked on in a transaction, for which SQLite would let nobody else write."""
    settle, ready, two = receive.settle_payment, Barrier(2, timeout=60), iter((True, True))
    looked = ThreadEvent()

    def end(self: Payment, state: str, **changes: Any) -> bool:
        now = changes.pop("now")
        Payment.objects.filter(pk=self.pk).update(state=state, ended_at=now, next_lookup_at=None, **changes)
        self.targets.update(open=False, holds=False)
        self.refresh_from_db()
        return True

    def both(**options: Any) -> Payment:
        if next(two, False):  # what is tried again later has nobody to wait for
            looked.set()
            ready.wait()
        return settle(**options)

    monkeypatch.setattr(Payment, "end", end)
    monkeypatch.setattr(receive, "settle_payment", both)
    assert race(world, company, 1, held=lambda: looked.wait(timeout=60)) > 1


# Amounts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "minor", "theirs"),
    [
        ("EUR", 1_234, 1_234), ("JPY", 500, 500), ("KWD", 12_340, 12_340), ("ISK", 5, 500), ("UGX", 7, 700),
        ("MGA", 1_200, 12), ("HUF", 12_345, 12_345), ("BIF", 9, 9),
    ],
)  # fmt: skip
def test_amounts_are_counted_as_stripe_counts_and_back(currency: str, minor: int, theirs: int) -> None:
    assert amounts.to_stripe(minor, currency) == theirs
    assert amounts.from_stripe(theirs, currency) == minor
    assert amounts.takes(currency)


@pytest.mark.parametrize(("currency", "minor"), [("KWD", 12_345), ("MGA", 1_250), ("EUR", 100_000_000)])
def test_an_amount_that_stripe_cannot_take_is_refused_before_anything_is_charged(currency: str, minor: int) -> None:
    with pytest.raises(Declined, match="amount_not_possible"):
        amounts.to_stripe(minor, currency)


def test_a_currency_counted_otherwise_is_not_offered() -> None:
    assert not amounts.takes("IQD"), "three decimals in ISO 4217, which Stripe does not name"
    with pytest.raises(ValueError, match="ISK"):
        amounts.from_stripe(550, "ISK")


def test_what_an_off_session_notice_means_without_our_id_is_nothing(company: Company) -> None:
    event = {"data": {"object": {"object": "payment_intent", "id": "pi_x", "status": "succeeded", "metadata": {}}}}
    assert provider().translate("payment_intent.succeeded", event) is None
