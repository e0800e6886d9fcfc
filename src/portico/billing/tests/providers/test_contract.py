"""What base.py promises, for every provider there is: a new one is a folder more and passes this."""

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from django.utils import timezone, translation
from stdnum import iso11649

from portico.billing import providers
from portico.billing.providers.base import (
    Attempt,
    Charge,
    Declined,
    Forged,
    Kept,
    Payee,
    Provider,
    Purchase,
    Refunding,
    RefundSaid,
    Report,
    Said,
    Saving,
    SavingReport,
    Started,
)
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout, Delivery
from portico.billing.references import epc_text, payment_reference, read_reference

FOLDERS = sorted(path.parent.name for path in Path(providers.__file__).parent.glob("*/provider.py"))
PAYEE = Payee("Northwind Software SAS", "FR7630006000011234567890189", "AGRIFRPP")
pytestmark = pytest.mark.django_db


@pytest.fixture(params=FOLDERS)
def provider(request: pytest.FixtureRequest) -> Provider:
    if request.param == "stripe":
        request.getfixturevalue("company")
    found = providers.find(request.param)
    assert found is not None
    return found


def purchase(**changes: object) -> Purchase:
    """Something to buy, under a key of its own."""
    made = Purchase(
        key=f"portico-{uuid.uuid4().hex}",
        payment_id=str(uuid.uuid4()),
        amount_minor=106_800,
        currency="EUR",
        description="INV-2026-00011",
        return_url="http://localhost/my/payments/",
        language="en",
        payee=PAYEE,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # of a purchase's fields


def attempt_of(bought: Purchase, started: Started) -> Attempt:
    return Attempt(key=bought.key, payment_id=bought.payment_id, provider_reference=started.provider_reference)


def test_there_are_providers_to_test() -> None:
    assert set(FOLDERS) >= {"bank_transfer", "sandbox"}


def test_it_is_named_after_its_folder_and_speaks_to_the_payer(provider: Provider) -> None:
    assert providers.find(provider.name) is provider
    for language in ("en", "fr", "de"):
        with translation.override(language):
            assert str(provider.label).strip()
            assert str(provider.note).strip()


def test_a_start_says_where_to_go_on(provider: Provider) -> None:
    bought = purchase()
    started = provider.start(bought)
    assert bool(started.checkout_url) != provider.by_transfer
    assert bool(started.reference) == provider.by_transfer
    told = provider.instructions(started.reference, bought.amount_minor, bought.currency, PAYEE)
    assert (told is not None) == provider.by_transfer


def test_the_same_key_begins_once(provider: Provider) -> None:
    bought = purchase()
    assert provider.start(bought) == provider.start(bought)


def test_an_open_attempt_is_open_until_it_is_ended_and_then_for_good(provider: Provider) -> None:
    bought = purchase()
    attempt = attempt_of(bought, provider.start(bought))
    report = provider.fetch(attempt)
    assert (report.said, report.payment_id, report.amount_minor) == (Said.OPEN, bought.payment_id, 0)
    assert provider.expire(attempt).said == Said.EXPIRED
    assert provider.expire(attempt).said == Said.EXPIRED, "a second end is none"


def test_an_attempt_whose_answer_was_lost_is_found_by_its_key(provider: Provider) -> None:
    bought = purchase()
    provider.start(bought)
    report = provider.fetch(Attempt(key=bought.key, payment_id=bought.payment_id, provider_reference=""))
    assert (report.said, report.payment_id) == (Said.OPEN, bought.payment_id)


def test_an_unsigned_notice_is_forged(provider: Provider) -> None:
    with pytest.raises(Forged):
        provider.verify(b"{}", {}, now=timezone.now())


def test_the_sandbox_knows_nothing_of_what_was_never_begun_and_refuses_a_key_for_another_sum() -> None:
    sandbox = providers.find("sandbox")
    assert sandbox is not None
    bought = purchase()
    assert sandbox.fetch(Attempt(bought.key, bought.payment_id, "")).said == Said.NOTHING
    sandbox.start(bought)
    with pytest.raises(Declined, match="idempotency_key_reused"):
        sandbox.start(replace(bought, amount_minor=1))
    assert Checkout.objects.get(key=bought.key).asked_minor == 106_800


def test_the_sandbox_reports_what_was_taken() -> None:
    sandbox = providers.find("sandbox")
    assert sandbox is not None
    bought = purchase()
    attempt = attempt_of(bought, sandbox.start(bought))
    gateway.pay(Checkout.objects.get(key=bought.key), now=timezone.now())
    report = sandbox.expire(attempt)
    assert (report.said, report.amount_minor, report.currency, report.account) == (
        Said.SUCCEEDED,
        106_800,
        "EUR",
        gateway.ACCOUNT,
    ), "what was paid cannot be ended"


# Bank transfer ---------------------------------------------------------------------------------------------------------


def test_a_reference_has_check_digits_and_is_read_as_people_type_it() -> None:
    reference = payment_reference("7b0c7c4e-9b53-4a52-9b43-1ad0a2f5a001", "rf")
    assert iso11649.is_valid(reference)
    assert read_reference(f" {reference[:4].lower()} {reference[4:9]} {reference[9:]} ") == reference
    wrong = reference[:-1] + ("1" if reference[-1] != "1" else "2")
    assert read_reference(wrong) == "", "one digit typed wrongly is seen"


def test_the_code_of_a_transfer_is_that_of_epc069_12() -> None:
    text = epc_text(
        name=PAYEE.name,
        iban=PAYEE.iban,
        bic=PAYEE.bic,
        amount_minor=106_805,
        currency="EUR",
        reference="RF18539007547034",
    )
    assert text.split("\n") == [
        "BCD", "002", "1", "SCT", "AGRIFRPP", "Northwind Software SAS", "FR7630006000011234567890189", "EUR1068.05", "",
        "RF18539007547034",
    ]  # fmt: skip
    assert len(text.encode()) <= 331


@pytest.mark.parametrize(
    ("amount", "currency", "payee"),
    [
        (100, "NOK", PAYEE),
        (0, "EUR", PAYEE),
        (100_000_000_000, "EUR", PAYEE),
        (100, "EUR", replace(PAYEE, iban="FR7630006000011234567890188")),
        (100, "EUR", replace(PAYEE, name="")),
    ],
)
def test_there_is_no_code_where_it_would_be_wrong(amount: int, currency: str, payee: Payee) -> None:
    assert (
        epc_text(
            name=payee.name,
            iban=payee.iban,
            bic=payee.bic,
            amount_minor=amount,
            currency=currency,
            reference="RF18539007547034",
        )
        == ""
    )


def test_a_seller_without_an_account_offers_no_transfer() -> None:
    assert [one.name for one in providers.offered("EUR", replace(PAYEE, iban=""))] == ["sandbox"]
    assert [one.name for one in providers.offered("EUR", PAYEE)] == ["sandbox", "bank_transfer"]


# Saved methods and refunds ---------------------------------------------------------------------------------------------


def saving(**changes: object) -> Saving:
    """A way to pay that somebody agreed to have saved."""
    made = Saving(
        key=f"save-{uuid.uuid4().hex}",
        saving_id=str(uuid.uuid4()),
        return_url="http://localhost/my/account/payment-methods/",
        language="en",
        currency="EUR",
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # of a saving's fields


def charge(method: Kept, **changes: object) -> Charge:
    """A charge of a saved method."""
    made = Charge(
        key=f"portico-{uuid.uuid4().hex}",
        payment_id=str(uuid.uuid4()),
        amount_minor=106_800,
        currency="EUR",
        description="INV-2026-00011",
        return_url="http://localhost/my/payments/",
        provider_customer=method.provider_customer,
        provider_method=method.provider_method,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # of a charge's fields


def kept_by_sandbox(card: str) -> Kept:
    """A method that the sandbox company keeps."""
    wanted = saving()
    sandbox = found("sandbox")
    sandbox.save_method(wanted)
    gateway.save(Checkout.objects.get(key=wanted.key), card, now=timezone.now())
    report = sandbox.fetch_saving(wanted)
    assert (report.said, report.saving_id) == (Said.SUCCEEDED, wanted.saving_id)
    assert report.kept is not None
    return report.kept


def found(name: str) -> Provider:
    provider = providers.find(name)
    assert provider is not None
    return provider


def attempt_to(wanted: Charge, report: Report) -> Attempt:
    return Attempt(wanted.key, wanted.payment_id, report.provider_reference)


def test_who_cannot_save_or_refund_says_so(provider: Provider) -> None:
    if not provider.saves:
        with pytest.raises(Declined):
            provider.save_method(saving())
        with pytest.raises(Declined):
            provider.charge_saved(charge(Kept("cus", "pm", "card")))
    if not provider.refunds:
        with pytest.raises(Declined):
            provider.refund(Refunding("key", str(uuid.uuid4()), 1, "EUR", Attempt("key", str(uuid.uuid4()), "")))


def test_saving_begins_once_and_is_open_until_the_payer_decides(provider: Provider) -> None:
    if not provider.saves:
        assert provider.fetch_saving(saving()).said == Said.NOTHING
        return
    wanted = saving()
    assert provider.fetch_saving(wanted).said == Said.NOTHING
    started = provider.save_method(wanted)
    assert started.checkout_url
    assert provider.save_method(wanted) == started, "the same key begins once"
    assert provider.fetch_saving(replace(wanted, provider_reference=started.provider_reference)).said == Said.OPEN
    assert provider.fetch_saving(wanted).said == Said.OPEN, "found by its key when the answer was lost"


@pytest.mark.parametrize(
    ("card", "said", "code"),
    [
        ("good", Said.SUCCEEDED, ""),
        ("declines", Said.FAILED, "insufficient_funds"),
        ("lost", Said.FAILED, "lost_card"),
        ("asks", Said.ACTION, ""),
        ("late", Said.PROCESSING, ""),
        ("returns", Said.PROCESSING, ""),
    ],
)
def test_a_saved_method_of_the_sandbox_is_charged_once(card: str, said: Said, code: str) -> None:
    provider, method = found("sandbox"), kept_by_sandbox(card)
    wanted = charge(method)
    report = provider.charge_saved(wanted)
    assert (report.said, report.failure_code, report.payment_id) == (said, code, wanted.payment_id)
    assert provider.charge_saved(wanted) == report, "the same key charges once"
    assert Checkout.objects.filter(mode="charge").count() == 1
    assert provider.fetch(attempt_to(wanted, report)).said == said


def test_what_a_bank_asks_is_confirmed_on_a_page_or_ended() -> None:
    provider, method = found("sandbox"), kept_by_sandbox("asks")
    first, second = charge(method), charge(method)
    waits = attempt_to(first, provider.charge_saved(first))
    page = provider.authenticate(waits, return_url=first.return_url)
    assert page.startswith("http")
    gateway.confirm(Checkout.objects.get(key=first.key), now=timezone.now())
    assert provider.fetch(waits).said == Said.SUCCEEDED
    assert provider.authenticate(waits, return_url=first.return_url) == "", "nothing waits any more"
    waits = attempt_to(second, provider.charge_saved(second))
    assert provider.expire(waits).said == Said.EXPIRED
    assert provider.fetch(waits).said == Said.EXPIRED


def test_what_was_removed_cannot_be_charged() -> None:
    provider, method = found("sandbox"), kept_by_sandbox("good")
    provider.detach(method.provider_method)
    provider.detach(method.provider_method)
    with pytest.raises(Declined, match="payment_method_gone"):
        provider.charge_saved(charge(method))


def test_the_sandbox_gives_back_no_more_than_it_took_and_each_refund_once() -> None:
    provider, method = found("sandbox"), kept_by_sandbox("good")
    wanted = charge(method)
    attempt = attempt_to(wanted, provider.charge_saved(wanted))
    first = Refunding("refund-1", str(uuid.uuid4()), 100_000, "EUR", attempt)
    assert provider.fetch_refund(first).said == RefundSaid.NOTHING
    report = provider.refund(first)
    assert (report.said, report.amount_minor, report.refund_id) == (RefundSaid.PENDING, 100_000, first.refund_id)
    assert provider.refund(first) == report
    with pytest.raises(Declined, match="amount_not_available"):
        provider.refund(replace(first, key="refund-2", amount_minor=6_801))
    with pytest.raises(Declined, match="idempotency_key_reused"):
        provider.refund(replace(first, amount_minor=1))
    refused = gateway.find_refund(key="refund-1", now=timezone.now())
    assert refused is not None
    gateway.refuse_refund(refused, now=timezone.now())
    assert provider.fetch_refund(first).said == RefundSaid.FAILED
    assert provider.refund(replace(first, key="refund-3", amount_minor=106_800)).said == RefundSaid.PENDING
    assert gateway.pass_time(timezone.now() + gateway.REFUND_TAKES) == 1
    assert provider.fetch_refund(replace(first, key="refund-3")).said == RefundSaid.SUCCEEDED


def test_the_sandbox_tells_of_savings_and_refunds_in_its_notices() -> None:
    provider, method = found("sandbox"), kept_by_sandbox("good")
    told = [json.loads(body) for body in Delivery.objects.order_by("id").values_list("body", flat=True)]
    saved = provider.translate(told[-1]["type"], told[-1])
    assert isinstance(saved, SavingReport)
    assert (saved.said, saved.kept) == (Said.SUCCEEDED, method)
    wanted = charge(method)
    attempt = attempt_to(wanted, provider.charge_saved(wanted))
    asked = Refunding("refund-9", str(uuid.uuid4()), 5, "EUR", attempt)
    report = provider.refund(asked)
    told = [json.loads(body) for body in Delivery.objects.order_by("id").values_list("body", flat=True)]
    assert provider.translate(told[-1]["type"], told[-1]) == report
