"""Who is told what: each sale of the cast has written exactly its letters, to its readers; each letter reads well."""

import io
import re
from datetime import datetime, timedelta

import pikepdf
import pytest
from django.core import mail
from django.db import transaction
from django.test import Client

from portico.accounts import identity
from portico.accounts.letters import credentials_changed, identity_decided, invitation, staff_invitation, wanted
from portico.accounts.models import InvoiceRecipient, LetterChoice, Membership, User
from portico.billing import letters as billing_letters
from portico.billing.actions import credit, decide, draft, dunning, hooks, pay, remind, report, send
from portico.billing.actions.archive import ask_year
from portico.billing.actions.dispute import dispute_invoice, solve_dispute
from portico.billing.letters import payment_refunded, quotations
from portico.billing.models import (
    Acceptance,
    AutoPay,
    ChangeRequest,
    Collection,
    Invoice,
    Payment,
    PaymentRequest,
    Quotation,
    Refund,
    Reversal,
    SavedMethod,
)
from portico.billing.tests.archives import made
from portico.cast import World, line, write
from portico.conversation.letters import thread_message
from portico.conversation.models import Thread
from portico.kit.models import Letter
from portico.kit.outbox import kinds, render, send_letters

C, J, H = "camille", "julien", "hanna"
LATE = "On-site training in Lyon"


def about(quotation: Quotation) -> list[str]:
    """Everything of a sale that a letter can be about, from the quotation to the last payment."""
    orders = {"order__version__quotation": quotation}
    invoices = Invoice.objects.filter(**orders)
    requests = PaymentRequest.objects.filter(**orders)
    payments = Payment.objects.filter(targets__invoice__in=invoices) | Payment.objects.filter(
        targets__request__in=requests
    )
    wishes = ChangeRequest.objects.filter(version__quotation=quotation)
    return [
        *(f"version:{one.pk}" for one in quotation.versions.all()),
        *(f"invoice:{one.pk}" for one in invoices),
        *(f"payment_request:{one.pk}" for one in requests),
        *(f"payment:{one.pk}" for one in payments),
        *(f"request:{one.pk}" for one in wishes),
    ]


def told(quotation: Quotation) -> list[tuple[str, str]]:
    """What was told to whom (the part before the @), in no order."""
    rows = Letter.objects.filter(about__in=about(quotation)).values_list("event", "to_address")
    return sorted((event, address.split("@")[0]) for event, address in rows)


SALE = [("quotation_sent", C), ("quotation_accepted", C), ("quotation_accepted", H)]
INVOICE = [("invoice_issued", C), ("invoice_issued", J)]
MONEY = [("payment_received", C), ("payment_received", J)]
ASKED = [("payment_request", C), ("payment_request", J)]


@pytest.mark.parametrize(
    ("title", "letters"),
    [
        ("Training on site, first session", [*SALE, *INVOICE, *MONEY]),
        ("Atelier database, first year", [*SALE, *ASKED, *MONEY, *INVOICE]),
        ("Manufacturing set-up", [*SALE, *ASKED, *MONEY, *INVOICE, *INVOICE, *MONEY]),
        ("Training, invoiced twice", [*SALE, *INVOICE, ("credit_note_issued", C), ("credit_note_issued", J)]),
        ("Label printer on the packing bench", [*SALE, *INVOICE]),
        ("Second workshop", [*SALE, *ASKED]),
        ("Annual maintenance plan", [("quotation_sent", C), ("quotation_rejected", H)]),
        ("Point of Sale, introductory price", [("quotation_sent", C)]),
        ("Helpdesk for the after-sales team", [("quotation_sent", C), ("changes_requested", H)]),
        ("Workshop and showroom roll-out", [("quotation_sent", C), ("changes_requested", H), ("new_version", C)]),
        ("Quality checks, draft", []),
        ("Shop till for two branches", [("quotation_sent", "lena")]),
    ],
)
def test_each_sale_of_the_cast_has_told_what_happened(world: World, title: str, letters: list[tuple[str, str]]) -> None:
    assert told(world.quotation(title)) == sorted(letters)


def test_no_sale_is_told_to_another_customers_people(world: World) -> None:
    for letter in Letter.objects.exclude(why="sells"):
        assert Membership.objects.filter(user=letter.person, customer=letter.customer).exists(), letter.key


def test_a_sending_that_is_rolled_back_tells_nothing(world: World) -> None:
    quotation = write(world, world.lindner, "Undone", [line(world, "training")], world.now)

    def half_done() -> None:
        with transaction.atomic():
            send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
            assert told(quotation) == [("quotation_sent", "lena")]
            raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk"):
        half_done()
    assert told(quotation) == []


# Readers -------------------------------------------------------------------------------------------------------------------


def colleague(world: World, name: str, language: str = "en", **roles: bool) -> User:
    """Another person at Fontaine."""
    user = User.objects.create_user(f"{name}@fontaine.example", name=name.title(), language=language)
    user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, created_at=world.now, **roles))
    return user


def offered(world: World, title: str = "One more") -> Quotation:
    """A quotation to Fontaine that is sent now."""
    quotation = write(world, world.fontaine, title, [line(world, "training")], world.now)
    send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    return quotation


def test_decisions_go_to_owner_and_approvers_who_want_them_and_are_there(people: World) -> None:
    colleague(people, "approver", is_approver=True)
    colleague(people, "viewer", is_viewer=True)
    unwilling = colleague(people, "unwilling", is_approver=True)
    LetterChoice.choose(unwilling, {"quotation_sent": False})
    gone = colleague(people, "gone", is_owner=True)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    assert told(offered(people)) == [("quotation_sent", "approver"), ("quotation_sent", C)]
    assert not wanted(people.member(unwilling), "quotation_sent")
    assert wanted(people.member(unwilling), "new_version")


def test_what_concerns_the_login_cannot_be_switched_off(people: World) -> None:
    LetterChoice.choose(people.camille, {"credentials_changed": False, "invitation": False})
    assert wanted(people.camille, "credentials_changed")
    with transaction.atomic():
        credentials_changed(user=people.camille, what="password", now=people.now)
        invitation(membership=people.member(people.camille), by=people.hanna, now=people.now)
    assert Letter.objects.count() == 2


def test_invoices_go_to_the_recipients_too_each_address_once(world: World) -> None:
    for address in ("books@fontaine.example", "JULIEN@fontaine.example"):
        InvoiceRecipient.objects.create(customer=world.fontaine, email=address, language="fr")
    invoice = world.invoice("Boutique theme")
    with transaction.atomic():
        paper = credited(world, invoice)
    letters = Letter.objects.filter(about=f"invoice:{paper.pk}")
    assert sorted(letters.values_list("to_address", "language", "person")) == [
        ("books@fontaine.example", "fr", None),
        ("camille@fontaine.example", "en", world.camille.pk),
        ("julien@fontaine.example", "en", world.julien.pk),
    ]
    letter = letters.get(person=None)
    rendered = render(letter)
    assert rendered is not None
    assert rendered.drawn.change == "", "who has no login has nothing to choose"
    assert "books@fontaine.example" not in letter.key + letter.about + str(letter.data)


def credited(world: World, invoice: Invoice) -> Invoice:
    """A credit note for all of it."""
    return credit.credit_invoice(
        invoice=invoice, quantities=None, reason="Returned.", invoice_again=False, by=world.omar, now=world.now
    )


@pytest.mark.parametrize("salesperson", ["gone", "nobody"])
def test_without_a_salesperson_everybody_who_sells_is_told(people: World, salesperson: str) -> None:
    quotation = offered(people)
    if salesperson == "gone":
        User.objects.filter(pk=people.hanna.pk).update(is_active=False)
        User.objects.create_user("sofia@northwind.example", staff_role="sales", staff_of=people.seller)
    else:
        Quotation.objects.filter(pk=quotation.pk).update(salesperson=None)
    rejected(people, quotation)
    readers = [address for event, address in told(quotation) if event == "quotation_rejected"]
    assert readers == (["sofia"] if salesperson == "gone" else [H])


def rejected(world: World, quotation: Quotation) -> None:
    decide.reject_quotation(
        quotation=quotation,
        by=world.member(world.camille),
        version=1,
        reason="price",
        comment="Too much <b>for us</b>.",
        now=world.now,
    )


def test_the_first_of_two_approvals_is_told_to_the_others(people: World) -> None:
    people.fontaine.second_approval_above_minor = 0
    people.fontaine.save()
    colleague(people, "approver", is_approver=True)
    quotation = offered(people)
    accept(people, quotation, people.camille)
    assert ("quotation_approved", "approver") in told(quotation)
    assert ("quotation_approved", C) not in told(quotation)
    assert "quotation_accepted" not in {event for event, _address in told(quotation)}


def accept(world: World, quotation: Quotation, user: User) -> None:
    quotation.refresh_from_db()
    version = quotation.current
    assert version is not None
    decide.accept_quotation(
        quotation=quotation,
        by=world.member(user),
        version=version.version,
        choices={},
        seen_total_minor=version.total_minor,
        consent=True,
        signature=decide.Signature(user.name, "", "typed", user.name),
        po_number="",
        origin=decide.Origin(None, "test", "password"),
        now=world.now,
    )


# Reminders -------------------------------------------------------------------------------------------------------------------


def reminded(event: str) -> list[tuple[str, str]]:
    rows = Letter.objects.filter(event=event).order_by("id").values_list("about", "to_address")
    return [(thing, address.split("@")[0]) for thing, address in rows]


def test_a_quotation_is_reminded_of_once_and_not_when_it_was_decided(world: World) -> None:
    version = world.quotation("Workshop and showroom roll-out").current
    assert version is not None
    assert remind.remind_expiring(world.now - timedelta(days=1)) == 0
    assert remind.remind_expiring(world.now) == 1
    assert remind.remind_expiring(world.now + timedelta(days=1)) == 0
    assert reminded("quotation_expires") == [(f"version:{version.pk}", C)]
    decide.reject_quotation(
        quotation=version.quotation,
        by=world.member(world.camille),
        version=version.version,
        reason="price",
        comment="",
        now=world.now,
    )
    assert render(Letter.objects.get(event="quotation_expires")) is None


def test_a_paid_invoice_is_not_reminded_of(world: World) -> None:
    invoice = world.invoice("On-site training in Lyon")
    dunning.remind_due(world.now)
    letter = Letter.objects.filter(event="invoice_overdue", about=f"invoice:{invoice.pk}").earliest("id")
    assert render(letter) is not None
    pay.book_transfer(
        customer=world.fontaine, invoices=[invoice], amount_minor=invoice.amount_due_minor, by=world.omar,
        received_on=world.now.date(), payer_name="Atelier Fontaine", now=world.now,
    )  # fmt: skip
    assert render(letter) is None
    Letter.objects.all().delete()
    dunning.remind_due(world.now)
    assert f"invoice:{invoice.pk}" not in {thing for thing, _address in reminded("invoice_overdue")}


def test_a_renewal_is_told_of_thirty_seven_and_one_day_ahead_from_month_to_month_in_the_last_week(world: World) -> None:
    yearly, monthly = world.subscription("atelier-fontaine"), world.subscription("fontaine-boutique")
    for one, days in ((yearly, [30, 7, 1]), (monthly, [7, 1])):
        assert one.period_end is not None
        Letter.objects.filter(event="renewal_ahead").delete()
        end = datetime.combine(one.period_end, world.now.timetz())
        for ahead in range(40, -1, -1):
            remind.remind_renewals(end - timedelta(days=ahead))
        letters = Letter.objects.filter(about=f"subscription:{one.pk}").order_by("id")
        assert [letter.data["days"] for letter in letters if letter.to_address.startswith(C)] == days
    letter = Letter.objects.filter(event="renewal_ahead").latest("id")
    assert render(letter) is not None
    monthly.renew()
    assert render(letter) is None


# How they read ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def one_of_each(world: World) -> dict[str, Letter]:
    """A letter of every kind there is, as the stories write it; written anew where it would not be sent any more."""
    remind.remind_expiring(world.now)
    late = world.invoice(LATE)
    assert late.due_on is not None
    for days in (-3, 7, 14):
        dunning.remind_due(datetime.combine(late.due_on, world.now.timetz()) + timedelta(days=days))
    soon = world.invoice("Go-live support, day 1")
    assert soon.due_on is not None
    dunning.remind_due(datetime.combine(soon.due_on, world.now.timetz()) - timedelta(days=3))
    boutique = world.subscription("fontaine-boutique")
    assert boutique.period_end is not None
    remind.remind_renewals(datetime.combine(boutique.period_end, world.now.timetz()) - timedelta(days=5))
    payment = pay.start_payment(
        by=world.member(world.julien), provider="sandbox", order=world.order("Second workshop"), now=world.now
    )
    pay.fail_payment(payment=payment, failure_code="card_declined", now=world.now)
    world.fontaine.second_approval_above_minor = 0
    world.fontaine.save()
    colleague(world, "approver", is_approver=True)
    accept(world, offered(world, "Approved <once>"), world.camille)
    rejected(world, offered(world, "Rejected & gone"))
    payer, papers = world.member(world.julien), [world.invoice(LATE), world.invoice("Go-live support, day 1")]
    money = pay.book_transfer(
        customer=world.fontaine,
        amount_minor=100,
        received_on=world.now.date(),
        payer_name="A",
        by=world.omar,
        now=world.now,
    )
    back = Refund(
        payment=money, amount_minor=100, currency="EUR", way="transfer", state="succeeded", reason="Twice.",
        asked_at=world.now, ended_at=world.now, idempotency_key="back",
    )  # fmt: skip
    back.save()
    with transaction.atomic():
        payment_refunded(back, now=world.now)
    for paper in papers:
        dispute_invoice(invoice=paper, by=payer, reason="amount", message="Is 5 > 4?", now=world.now)
    solve_dispute(invoice=papers[1], answer="It is.", by=world.omar, now=world.now)
    with transaction.atomic():
        invitation(membership=world.member(colleague(world, "new", is_viewer=True)), by=world.camille, now=world.now)
        credentials_changed(user=world.camille, what="email", now=world.now)
        newcomer = User.objects.create_user("nils@n.example", name="Nils", staff_role="sales", staff_of=world.seller)
        staff_invitation(user=newcomer, seller=world.seller, by=world.admin, now=world.now)
        quotation = world.quotation("Workshop and showroom roll-out")
        message = Thread.on(quotation, now=world.now).say("Is 3 < 4?\nYes & no.", by=world.camille, now=world.now)
        thread_message(message, quotation, world.fontaine)
    world.fontaine.identity_locked_at = world.now
    changes = {"legal_name": "Fontaine & Fils <SAS>", "vat_id": "", "reason": "We merged & moved."}
    asked = identity.ask(customer=world.fontaine, by=world.camille, now=world.now, **changes)
    with transaction.atomic():
        identity_decided(asked, now=world.now)
    endpoint = hooks.add_endpoint(
        seller=world.seller, url="https://hooks.example/?a=1&b=2", types=["invoice.paid"], by=world.admin, now=world.now
    )
    endpoint.give_up("failing", now=world.now)
    hooks.tell_of_dead(world.now)
    report.set_policy(seller=world.seller, policy="install_at_once", grace_days=9, by=world.admin, now=world.now)
    report.report_change(
        subscription=world.subscription("atelier-fontaine"), report_id="r-1", changes=[report.Reported("users", 1)],
        by=None, now=world.now,
    )  # fmt: skip
    archive = ask_year(seller=world.seller, by=world.omar, year=world.now.year, now=world.now - timedelta(minutes=2))
    made(archive, world.now)
    automatic(world, late)
    billing_letters.subscription_state(world.subscription("lindner-lager"), "past_due", now=world.now)
    found = {}
    for letter in Letter.objects.order_by("-id"):
        if letter.event not in found and render(letter) is not None:
            found[letter.event] = letter
    return found


def automatic(world: World, late: Invoice) -> None:
    """What auto-pay and banks make us write: a charge that failed, one to confirm, a card that expires, money taken back."""
    now = world.now
    method = SavedMethod.objects.create(
        customer=world.fontaine, provider="sandbox", provider_customer="c", provider_method="m", kind="card", brand="Visa",
        last4="4242", expires_on=now.date() + timedelta(days=20), is_default=True, consent="Yes & no", consent_at=now,
        created_at=now,
    )  # fmt: skip
    switch = AutoPay.objects.create(subscription=world.subscription("atelier-fontaine"), consent="Yes", on_at=now)
    failed = Collection.objects.create(
        invoice=late, auto_pay=switch, tries=1, why="card_declined", next_at=now + timedelta(days=2), created_at=now
    )
    billing_letters.card_expires(method, now=now)
    billing_letters.autopay_failed(failed, now=now)
    waiting = pay.start_payment(
        by=world.member(world.julien), provider="sandbox", order=world.order("Second workshop"), now=now
    )
    Payment.objects.filter(pk=waiting.pk).update(action_at=now)
    billing_letters.payment_action(waiting, now=now)
    arrived = Payment.objects.filter(state="succeeded", customer=world.fontaine).latest("created_at")
    back = Reversal.objects.create(
        payment=arrived, provider=arrived.provider, provider_reference="dp_1", amount_minor=100, currency="EUR",
        reason="fraudulent", opened_at=now,
    )  # fmt: skip
    billing_letters.payment_reversed(back, now=now)


def test_every_letter_reads_well_in_both_forms(world: World, one_of_each: dict[str, Letter]) -> None:
    assert set(one_of_each) == set(kinds()), "a letter that no story writes, or that is never sent"
    for event, letter in one_of_each.items():
        rendered = render(letter)
        assert rendered is not None
        assert 10 < len(rendered.subject) < 120, event
        for words in (rendered.text, rendered.html):
            assert "None" not in words, event
            assert "{{" not in words, event
            assert "%(" not in words, event
            assert "Northwind Software SAS" in words, event
            links = re.findall(r"https?://[^\s\"'<)]+", words)
            assert links, event
            assert all(link.startswith("http://localhost:8000/") for link in links), event
        assert rendered.html.count("display:inline-block") == 1, f"{event}: one button"
        assert "<script" not in rendered.html
        assert rendered.text.count("\n\n\n") == 0, event
        assert ("Choose which mails" in rendered.text) is (
            event
            not in {"invitation", "staff_invitation", "credentials_changed", "invoice_formal", "subscription_state"}
        ), event


@pytest.mark.parametrize("language", ["en", "fr", "de"])
def test_every_letter_can_be_sent_in_every_language(
    world: World, one_of_each: dict[str, Letter], language: str
) -> None:
    keys = [letter.pk for letter in one_of_each.values()]
    Letter.objects.exclude(pk__in=keys).delete()
    Letter.objects.update(language=language, state="queued", next_attempt_at=world.now, sent_at=None)
    while send_letters(world.now):
        pass
    assert set(Letter.objects.values_list("state", "error")) == {("sent", "")}
    assert len(mail.outbox) == len(keys)
    assert all(f'<html lang="{language}">' in letter.html for letter in Letter.objects.all())


def test_papers_go_with_their_letters(world: World, one_of_each: dict[str, Letter]) -> None:
    for event in ("invoice_issued", "credit_note_issued", "quotation_accepted", "invoice_overdue"):
        rendered = render(one_of_each[event])
        assert rendered is not None
        file, *others = rendered.drawn.attachments
        assert [other.name for other in others] == (
            [file.name.replace("-v1-accepted", "-certificate")] if event == "quotation_accepted" else []
        )
        assert file.content.startswith(b"%PDF-"), event
        assert re.fullmatch(r"(INV|CN)-2026-\d{5}\.pdf|Q-2026-\d{5}-v1-accepted\.pdf", file.name), file.name


def test_the_certificate_of_an_acceptance_goes_to_both_sides(world: World) -> None:
    letters = Letter.objects.filter(event="quotation_accepted")
    assert {letter.why == "sells" for letter in letters} == {True, False}
    version = Acceptance.objects.latest("pk").version
    quotations._certificate.cache_clear()
    for letter in letters.filter(data__version=version.pk):
        rendered = render(letter)
        assert rendered is not None
        paper, certificate = rendered.drawn.attachments
        with pikepdf.open(io.BytesIO(certificate.content)) as pdf:
            assert [one.get_file().read_bytes() for one in pdf.attachments.values()] == [paper.content]
    assert quotations._certificate.cache_info().misses == 1, "drawn once for all its readers"
    Acceptance.objects.filter(version=version).update(signer_name="")  # erased when the law asks to keep it no longer
    rendered = render(letters.filter(data__version=version.pk)[0])
    assert rendered is not None
    assert len(rendered.drawn.attachments) == 1


def test_amounts_and_words_of_the_customer_are_told_as_they_are(one_of_each: dict[str, Letter]) -> None:
    rejection, message = render(one_of_each["quotation_rejected"]), render(one_of_each["thread_message"])
    assert rejection is not None
    assert message is not None
    assert "Too much &lt;b&gt;for us&lt;/b&gt;." in rejection.html
    assert "Too much <b>for us</b>." in rejection.text
    assert "Rejected &amp; gone" in rejection.html
    assert "The price is too high" in rejection.text
    assert "Is 3 &lt; 4?<br>Yes &amp; no." in message.html


def test_the_key_of_an_invitation_is_kept_nowhere(world: World, one_of_each: dict[str, Letter]) -> None:
    letter = one_of_each["invitation"]
    Letter.objects.exclude(pk=letter.pk).delete()
    assert send_letters(world.now) == 1
    (message,) = mail.outbox
    found = re.search(r"http://localhost:8000(/account/password/reset/key/\S+)", str(message.body))
    assert found is not None
    letter.refresh_from_db()
    for kept in (letter.text, letter.html):
        assert "reset/key/" not in kept
    person = User.objects.get(pk=letter.person or 0)
    browser = Client()
    form = browser.get(found[1], follow=True)
    new = "a much better secret"
    browser.post(form.redirect_chain[-1][0], {"password1": new, "password2": new})
    person.refresh_from_db()
    assert person.check_password(new)


def test_new_quotation_asked_for_is_told_as_such(world: World) -> None:
    quotation = world.quotation("Inventory barcode pilot")
    decide.ask_for_new_quotation(
        quotation=quotation, by=world.member(world.camille), message="Still needed.", now=world.now
    )
    rendered = render(Letter.objects.filter(event="changes_requested").latest("id"))
    assert rendered is not None
    assert rendered.subject.startswith("A new quotation is asked for")


def test_the_draft_of_a_new_version_is_told_only_when_it_is_sent(world: World) -> None:
    quotation = world.quotation("Helpdesk for the after-sales team")
    draft.new_version(quotation=quotation, by=world.hanna, now=world.now)
    assert ("new_version", C) not in told(quotation)
    send.send_quotation(quotation=quotation, by=world.hanna, now=world.now)
    assert ("new_version", C) in told(quotation)
    assert (
        render(Letter.objects.get(event="quotation_sent", about=f"version:{quotation.versions.get(version=1).pk}"))
        is None
    )
