"""From nothing to a portal: in the browser with the server's code, or from a file; each step checked by the same rules."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing.actions import setup
from portico.billing.models import NumberSeries, Product, VatRate
from portico.cast import World
from portico.kit.errors import Conflict
from portico.kit.models import Letter

pytestmark = pytest.mark.django_db
BEGIN = {
    "legal_name": "Nordlicht GmbH", "country": "de", "currency": "EUR", "language": "de", "time_zone": "Europe/Berlin",
    "name": "Nora Licht", "email": "Nora@nordlicht.example", "password": "seven-quiet-lighthouses",
}  # fmt: skip
FILE = """
[begin]
legal_name = "Nordlicht GmbH"
country = "DE"
currency = "EUR"
language = "de"
time_zone = "Europe/Berlin"
name = "Nora Licht"
email = "nora@nordlicht.example"
password = "seven-quiet-lighthouses"

[company]
street = "Hafenstraße 1"
postcode = "20457"
city = "Hamburg"
vat_id = "DE136695976"

[look]
accent = "#204060"

[vat]
rates = [19, 7]

[numbering]
invoice = 501

[bank]
iban = "DE89 3704 0044 0532 0130 00"

[[products]]
name = "Consulting, a day"
kind = "service"
unit = "days"
unit_price = 950

[[customers]]
legal_name = "Küste AG"
country = "DE"
contact_name = "Kai Küste"
contact_email = "kai@kueste.example"
"""


def begun() -> User:
    return setup.begin(setup.Begin(BEGIN).values())


# The beginning ---------------------------------------------------------------------------------------------------------


def test_an_empty_portal_asks_to_be_begun_and_only_with_the_code() -> None:
    client = Client()
    assert client.get("/").headers["Location"] == "/setup/"
    page = client.get("/setup/").content.decode()
    assert "A new portal" in page
    assert setup.setup_code() not in page
    for code in ("", "0000-0000-0000", setup.setup_code()[:-1]):
        answer = client.post("/setup/", BEGIN | {"code": code})
        assert answer.status_code == 400
        assert "This is not the code." in answer.content.decode()
        assert "seven-quiet-lighthouses" not in answer.content.decode()
    assert not Seller.objects.exists()
    answer = client.post("/setup/", BEGIN | {"code": setup.setup_code().lower().replace("-", " ")})
    assert answer.headers["Location"] == "/staff/settings/"
    seller, admin = Seller.objects.get(), User.objects.get()
    assert (seller.legal_name, seller.country, admin.email) == ("Nordlicht GmbH", "DE", "nora@nordlicht.example")
    assert (admin.staff_role, admin.staff_of) == ("admin", seller)
    assert admin.check_password("seven-quiet-lighthouses")
    assert [f"{one.rate.normalize():f}" for one in seller.vat_rates.all()] == ["19", "7"]
    assert client.get("/staff/settings/").status_code == 200, "signed in at once"


def test_a_portal_is_begun_once() -> None:
    begun()
    client = Client()
    assert client.get("/").headers["Location"].startswith("/account/login/")
    assert client.get("/setup/").status_code == 404
    assert client.post("/setup/", BEGIN | {"code": setup.setup_code()}).status_code == 404
    with pytest.raises(Conflict):
        begun()
    assert (Seller.objects.count(), User.objects.count()) == (1, 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("legal_name", ""), ("country", "Germany"), ("currency", "EURO"), ("time_zone", "Mars/Olympus"), ("language", "xx"),
        ("email", "nobody"), ("password", "password"), ("password", "short"), ("name", "x" * 300),
    ],
)  # fmt: skip
def test_a_beginning_that_cannot_be_makes_nothing(field: str, value: str) -> None:
    answer = Client().post("/setup/", BEGIN | {"code": setup.setup_code(), field: value})
    assert answer.status_code == 400
    assert 'aria-invalid="true"' in answer.content.decode() or field == "language"
    assert not Seller.objects.exists()
    assert not User.objects.exists()


# From a file -----------------------------------------------------------------------------------------------------------


def test_a_file_sets_up_everything_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "portal.toml"
    file.write_text(FILE)
    call_command("setup", "--from", str(file))
    assert "done: customer Küste AG" in capsys.readouterr().out
    seller = Seller.objects.get()
    assert (seller.city, seller.iban, seller.accent) == ("Hamburg", "DE89370400440532013000", "#204060")
    assert NumberSeries.objects.get(series="INV").first_number == 501
    product = Product.objects.get()
    assert (product.code, product.vat_rate, product.prices.get().unit_price) == ("consulting-a-day", 19, 950)
    owner = Membership.objects.get()
    assert (owner.user.email, owner.is_owner, owner.customer.currency) == ("kai@kueste.example", True, "EUR")
    assert Letter.objects.filter(event="invitation", to_address="kai@kueste.example").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('vat_id = "DE136695976"', 'vat_id = "DE136695977"', "[company] vat_id"),
        ("[bank]", "[bankk]", "bankk"),
        ('unit = "days"', 'units = "days"', "[products] has no units"),
        ("invoice = 501", "invoice = 0", "[numbering] invoice"),
        ('accent = "#204060"', 'accent = "red"', "[look] accent"),
        ("rates = [19, 7]", "rates = []", "[vat] rates"),
        ("[begin]", "[[begin", "is not TOML"),
        ('contact_email = "kai@kueste.example"', 'contact_email = "nora@nordlicht.example"', "has a login already"),
    ],
)
def test_a_file_with_a_mistake_sets_up_nothing(tmp_path: Path, old: str, new: str, said: str) -> None:
    file = tmp_path / "portal.toml"
    file.write_text(FILE.replace(old, new))
    with pytest.raises(CommandError, match=said.replace("[", r"\[").replace("]", r"\]")):
        call_command("setup", "--from", str(file))
    assert not Seller.objects.exists()
    assert not User.objects.exists()


def test_without_a_file_the_command_says_where_to_begin(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call_command("setup")
    assert setup.setup_code() in capsys.readouterr().out
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("setup", "--from", str(tmp_path / "nowhere.toml"))
    begun()
    with pytest.raises(CommandError, match="begun already"):
        call_command("setup")


# Numbering -------------------------------------------------------------------------------------------------------------


def test_numbers_begin_where_the_old_system_ended_and_never_once_used(world: World) -> None:
    with pytest.raises(Conflict, match="INV-2026 has documents already"):
        setup.save_numbering(world.seller, {"quotation": 1, "order": 1, "invoice": 40, "credit_note": 1}, now=world.now)
    assert NumberSeries.objects.get(seller=world.seller, series="INV", year=2026).first_number == 1


# The logo --------------------------------------------------------------------------------------------------------------

LOGO = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="M0 0h24v24z" fill="url(#a)"/></svg>'


@pytest.mark.parametrize(
    "bad",
    [
        "<html></html>",
        LOGO.replace("<path", "<script>alert(1)</script><path"),
        LOGO.replace("<path", '<path onload="alert(1)"'),
        LOGO.replace("<path", '<image href="https://evil.example/x.png"/><path'),
        LOGO.replace("<path", '<a href="javascript:alert(1)"><path'),
        LOGO.replace("url(#a)", "url(https://evil.example/x)"),
        LOGO.replace("<path", "<style>@import 'x'</style><path"),
        "<!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + LOGO.replace("<path", "<!-- x --><path"),
    ],
)
def test_a_logo_that_is_more_than_shapes_is_refused(bad: str) -> None:
    form = setup.LookStep({"accent": "#204060", "logo": bad})
    assert "logo" in form.messages


def test_the_logo_is_shown_and_can_do_nothing(client: Any) -> None:
    begun()
    seller = Seller.objects.get()
    assert client.get("/logo.svg").status_code == 404
    setup.save_seller(seller, setup.LookStep({"accent": "#204060", "logo": LOGO}).values())
    answer = client.get("/logo.svg")
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert f"/logo.svg?{seller.logo_version}" in client.get("/account/login/").content.decode()


def test_rates_are_the_seller_s_and_read_as_people_write_them() -> None:
    begun()
    seller = Seller.objects.get()
    setup.save_rates(seller, setup.VatStep({"rates": "20 %; 10, 5.5 20"}).values()["rates"])
    assert [f"{one.rate.normalize():f}" for one in VatRate.objects.all()] == ["20", "10", "5.5"]
    for bad in ("", "twenty", "-5", "120", "5.555"):
        assert "rates" in setup.VatStep({"rates": bad}).messages
    assert Customer.objects.count() == 0
