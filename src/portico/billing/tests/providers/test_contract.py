"""What base.py promises, for every provider there is: a new one is a folder more and passes this."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from django.utils import timezone, translation
from stdnum import iso11649

from portico.billing import providers
from portico.billing.providers import bank_transfer
from portico.billing.providers.bank_transfer.provider import epc_text, read_reference
from portico.billing.providers.base import Attempt, Declined, Forged, Payee, Provider, Purchase, Said, Started
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout

FOLDERS = sorted(path.parent.name for path in Path(providers.__file__).parent.glob("*/provider.py"))
PAYEE = Payee("Northwind Software SAS", "FR7630006000011234567890189", "AGRIFRPP")
pytestmark = pytest.mark.django_db


@pytest.fixture(params=FOLDERS)
def provider(request: pytest.FixtureRequest) -> Provider:
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
    reference = bank_transfer.provider.creditor_reference("7b0c7c4e-9b53-4a52-9b43-1ad0a2f5a001")
    assert iso11649.is_valid(reference)
    assert read_reference(f" {reference[:4].lower()} {reference[4:9]} {reference[9:]} ") == reference
    wrong = reference[:-1] + ("1" if reference[-1] != "1" else "2")
    assert read_reference(wrong) == "", "one digit typed wrongly is seen"


def test_the_code_of_a_transfer_is_that_of_epc069_12() -> None:
    text = epc_text(payee=PAYEE, amount_minor=106_805, currency="EUR", reference="RF18539007547034")
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
    assert epc_text(payee=payee, amount_minor=amount, currency=currency, reference="RF18539007547034") == ""


def test_a_seller_without_an_account_offers_no_transfer() -> None:
    assert [one.name for one in providers.offered("EUR", replace(PAYEE, iban=""))] == ["sandbox"]
    assert [one.name for one in providers.offered("EUR", PAYEE)] == ["sandbox", "bank_transfer"]
