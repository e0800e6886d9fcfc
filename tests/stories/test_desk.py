"""The seller's day and a customer's own affairs, in a real browser: sell, answer, book, credit, invite, erase, begin."""

import io
import json
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail
from playwright.sync_api import Page, expect

from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing import books
from portico.billing.actions.setup import setup_code
from portico.billing.models import Invoice, Product, Quotation
from portico.cast import PASSWORD, World

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
NEW = "four-quiet-lighthouses"


def mailed_to(page: Page, address: str, words: str) -> str:
    """The text of the mail with `words` in its subject, as soon as the worker has sent it."""
    for _attempt in range(100):
        found = [str(one.body) for one in mail.outbox if address in one.to[0] and words in one.subject]
        if found:
            return found[-1]
        page.wait_for_timeout(200)
    raise AssertionError(f"no mail {words!r} to {address}: {[(one.to, one.subject) for one in mail.outbox]}")


def test_a_salesperson_sells_with_options_and_answers_a_request(visit: Visit, story_world: World) -> None:
    desk = visit(story_world.hanna, f"/staff/quotations/new/?customer={story_world.fontaine.pk}")
    desk.get_by_role("button", name="Begin the quotation").click()
    desk.get_by_label("Title").fill("Training for the workshop")
    desk.get_by_label("Add a product").fill("training")
    desk.get_by_role("button", name="Add Training on site").click()
    desk.get_by_label("Quantity").first.fill("2")
    desk.get_by_label("Add a product").fill("handbook")
    desk.get_by_role("button", name="Add Operator handbook").click()
    second = desk.locator("#row-1")
    second.get_by_text("Details and options").click()
    second.get_by_label("Optional").check()
    total = desk.locator("#editor-totals [data-role=total]")
    expect(total).to_have_attribute("data-minor", str(127332), timeout=10_000)
    desk.get_by_role("button", name="Save and look at it").click()
    desk.get_by_role("main").get_by_role("button", name="Send version 1").click()
    expect(desk.get_by_role("heading", level=1)).to_be_visible()
    quotation = Quotation.objects.get(versions__title="Training for the workshop")
    assert f"/my/quotations/{quotation.number}/" in mailed_to(desk, "camille@fontaine.example", quotation.number)

    page = visit(story_world.camille, f"/my/quotations/{quotation.number}/")
    expect(page.locator("[data-role=total]").first).to_have_attribute("data-minor", "127332")
    page.get_by_role("link", name="Ask for changes").click()
    page.get_by_label("What should change?").fill("One session is enough, please.")
    page.get_by_role("button", name="Send request").click()

    desk.goto("/staff/")
    desk.locator(f"main a[href*='{quotation.number}']").first.click()
    expect(desk.get_by_text("One session is enough, please.").first).to_be_visible()
    desk.get_by_role("main").get_by_role("button", name=re.compile("new version", re.IGNORECASE)).first.click()
    expect(desk.get_by_label("Title")).to_have_value("Training for the workshop")
    desk.get_by_label("Quantity").first.fill("1")
    desk.get_by_label("What changed").fill("One session.")
    desk.get_by_role("button", name="Save and look at it").click()
    desk.get_by_role("main").get_by_role("button", name="Send version 2").click()

    page.goto(f"/my/quotations/{quotation.number}/")
    expect(page.get_by_text("version 2").first).to_be_visible()
    page.locator(".rail").get_by_role("link", name=re.compile("^Accept")).or_(
        page.locator(".rail").get_by_role("button", name=re.compile("^Accept"))
    ).first.click()
    if page.get_by_label("Type your name to sign").count():
        page.get_by_label("Type your name to sign").fill("Camille Fontaine")
    page.get_by_label("I accept this quotation").check()
    page.get_by_role("main").get_by_role("button", name=re.compile("^Accept")).last.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    desk.goto(f"/staff/quotations/{quotation.number}/")
    expect(desk.locator(".stamp")).to_have_text("Accepted")
    quotation.refresh_from_db()
    assert quotation.current is not None
    assert (quotation.current.state, quotation.current.version) == ("accepted", 2)
    mailed_to(desk, "hanna@northwind.example", quotation.number)


def test_finance_books_a_transfer_and_credits_an_invoice(visit: Visit, story_world: World) -> None:
    owed = story_world.invoice("On-site training in Lyon")
    desk = visit(story_world.omar, f"/staff/payments/book/?customer={story_world.fontaine.pk}")
    desk.get_by_label(re.compile("^Amount, EUR")).fill("1,872.00")
    desk.get_by_label("Payer").fill("ATELIER FONTAINE SARL")
    desk.get_by_role("checkbox", name=re.compile(str(owed.number))).check()
    desk.get_by_role("button", name="Book the payment").click()
    expect(desk.get_by_role("heading", level=1)).to_be_visible()
    owed.refresh_from_db()
    assert (owed.payment_state, owed.amount_due_minor) == ("paid", 0)
    paper = story_world.invoice("Go-live support, day 1")
    desk.goto(f"/staff/invoices/{paper.number}/credit/")
    desk.get_by_label("Everything that is left").check()
    desk.get_by_label("Reason").fill("It was not needed.")
    desk.get_by_label("No, it is credited for good").check()
    desk.get_by_role("button", name="Issue the credit note").click()
    expect(desk.get_by_role("heading", level=1)).to_be_visible()
    credit = Invoice.objects.get(kind="credit_note", refers_to=paper)
    assert credit.total_minor == paper.total_minor
    assert books.verify() == []


def test_an_owner_invites_a_colleague_who_may_read_and_no_more(visit: Visit, story_world: World) -> None:
    page = visit(story_world.camille, "/my/account/members/")
    page.get_by_role("link", name=re.compile("Invite")).first.click()
    page.get_by_label("E-mail address").fill("nina@fontaine.example")
    page.get_by_label("Name", exact=False).last.fill("Nina Roux")
    page.get_by_role("checkbox", name=re.compile("Can read")).check()
    page.get_by_role("button", name="Send the invitation").click()
    text = mailed_to(page, "nina@fontaine.example", "")
    (link,) = set(re.findall(r"https?://\S+/account/password/reset/key/\S+", text))
    nina = visit(None, link)
    for field in nina.locator("input[type=password]").all():
        field.fill(NEW)
    nina.get_by_role("main").get_by_role("button").first.click()
    nina.goto("/account/login/")
    if nina.get_by_label("E-mail").count():
        nina.get_by_label("E-mail").fill("nina@fontaine.example")
        nina.get_by_label("Password", exact=True).fill(NEW)
        nina.get_by_role("button", name="Sign in").click()
    nina.goto("/my/invoices/")
    expect(nina.get_by_role("heading", level=1)).to_have_text("Invoices")
    open_one = story_world.invoice("On-site training in Lyon")
    answer: Any = nina.goto(f"/my/invoices/{open_one.number}/pay/")
    assert answer.status == 403
    assert Membership.objects.get(user__email="nina@fontaine.example").roles == {"viewer"}


def test_a_person_takes_a_copy_of_its_data_and_is_erased(visit: Visit, story_world: World) -> None:
    page = visit(story_world.julien, "/my/account/privacy/")
    page.locator("#p-export").fill(PASSWORD)
    page.get_by_role("button", name="Make a copy").click()
    link = page.get_by_role("link", name="Download")
    expect(link).to_be_visible(timeout=30_000)
    with page.expect_download() as fetching:
        link.click()
    with zipfile.ZipFile(io.BytesIO(fetching.value.path().read_bytes())) as copy:
        names = copy.namelist()
        words = "".join(copy.read(name).decode() for name in names if name.endswith(".json"))
    assert "julien@fontaine.example" in json.dumps(words)
    assert any(name.endswith(".pdf") for name in names)

    page.goto("/my/account/privacy/")
    page.locator("#p-erase").fill(PASSWORD)
    page.get_by_role("button", name="Ask to be erased").click()
    expect(page.get_by_role("button", name="Take my request back")).to_be_visible()
    desk = visit(story_world.admin, "/staff/privacy/")
    desk.get_by_role("main").get_by_role("link", name=re.compile("ER-|DSR-|E-|julien", re.IGNORECASE)).first.click()
    desk.get_by_role("button", name="Carry out the erasure").click()
    mailed_to(desk, "julien@fontaine.example", "")
    for _attempt in range(60):
        if not User.objects.filter(email="julien@fontaine.example").exists():
            break
        desk.wait_for_timeout(250)
    assert not User.objects.filter(email="julien@fontaine.example").exists()
    desk.reload()
    expect(desk.get_by_text("Proof: rows by step, and nobody's name")).to_be_visible()
    page.goto("/my/")
    expect(page.get_by_label("E-mail")).to_be_visible()


def test_the_keys_of_the_desk(visit: Visit, story_world: World) -> None:
    desk = visit(story_world.hanna, "/staff/")
    desk.keyboard.press("?")
    dialog = desk.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    desk.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    desk.keyboard.type("gi")
    expect(desk).to_have_url(re.compile("/staff/invoices/$"))
    desk.keyboard.press("/")
    expect(desk.get_by_label("Search invoices")).to_be_focused()
    desk.keyboard.type("gq?")
    expect(desk.get_by_label("Search invoices")).to_have_value("gq?")
    desk.goto("/staff/quotations/")
    desk.keyboard.press("j")
    desk.keyboard.press("j")
    expect(desk.locator("tbody tr:nth-child(2) .ledger__title")).to_be_focused()
    desk.keyboard.press("k")
    desk.keyboard.press("Enter")
    expect(desk).to_have_url(re.compile("/staff/quotations/Q-"))
    desk.keyboard.press("n")
    expect(desk).to_have_url(re.compile("/staff/quotations/new/"))
    desk.keyboard.press("?")
    dialog.get_by_label("Use these keys in this browser").uncheck()
    desk.keyboard.press("Escape")
    desk.keyboard.type("gi")
    desk.wait_for_timeout(300)
    expect(desk).to_have_url(re.compile("/staff/quotations/new/"))


def test_an_empty_installation_begins_in_the_browser(
    transactional_db: None, live_server: Any, chromium: Any, settings: Any
) -> None:
    settings.PORTICO_BASE_URL = live_server.url
    context = chromium.new_context(base_url=live_server.url, locale="en-GB", viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_role("heading", level=1)).to_have_text("A new portal")
    for label, words in (
        ("Setup code", setup_code()),
        ("Legal name of your company", "Nordlicht GmbH"),
        ("Country", "DE"),
        ("Your name", "Nora Licht"),
        ("Your e-mail address", "nora@nordlicht.example"),
        ("Password", NEW),
    ):
        page.get_by_label(label).fill(words)
    page.get_by_role("button", name="Begin").click()
    expect(page).to_have_url(re.compile("/staff/settings/"))
    page.goto("/staff/settings/product/")
    page.get_by_label("Name").first.fill("Consulting, a day")
    page.get_by_label(re.compile("price", re.IGNORECASE)).first.fill("950")
    page.locator("main .btn-row button[type=submit]").click()
    expect(page).not_to_have_url(re.compile("/product/"))
    page.goto("/staff/settings/customer/")
    page.get_by_label("Legal name").first.fill("Küste AG")
    page.get_by_label("Country").fill("DE")
    page.get_by_label("Who is invited").fill("Kai Küste")
    page.get_by_label("E-mail address").fill("kai@kueste.example")
    page.locator("main .btn-row button[type=submit]").click()
    expect(page.get_by_label("Legal name")).to_have_count(0)
    assert Seller.objects.get().legal_name == "Nordlicht GmbH"
    assert Product.objects.get().name == "Consulting, a day"
    assert Customer.objects.get().legal_name == "Küste AG"
    context.close()
