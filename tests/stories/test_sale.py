"""The sale in a real browser, as its people live it: from a sent quotation to a paid invoice."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from portico.billing import books
from portico.billing.models import Invoice, Order, Payment, QuotationVersion
from portico.cast import World

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
ROLL_OUT = "Workshop and showroom roll-out"


def open_quotation(page: Page, title: str) -> None:
    """From the list to the quotation, by its title."""
    page.goto("/my/quotations/")
    page.get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Quotation")


def sign_and_accept(page: Page, button: str, *, signed: bool = True) -> None:
    """From the quotation through its acceptance."""
    page.locator(".rail").get_by_role("button", name=button).or_(
        page.locator(".rail").get_by_role("link", name=button)
    ).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(button)
    if signed:
        page.get_by_label("Type your name to sign").fill("Camille Fontaine")
    page.get_by_label("I accept this quotation").check()
    page.get_by_role("main").get_by_role("button", name=button).click()


def pay_at_the_sandbox(page: Page, choice: str) -> None:
    """From the page that asks how to pay to the gateway's decision and back."""
    page.get_by_label("Pay online").check()
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(page.get_by_text("Test mode").first).to_be_visible()
    page.get_by_role("button", name=re.compile(choice)).first.click()


def test_accept_sign_pay_deposit_deliver_final_invoice(visit: Visit, story_world: World) -> None:
    """Options change the total, the deposit is paid, the PDF opens; later the final invoice deducts the deposit."""
    page = visit(story_world.camille)
    open_quotation(page, ROLL_OUT)
    total = page.locator(".rail [data-role=total]")
    expect(total).to_have_attribute("data-minor", "804936")
    page.get_by_label("Label printer integration").uncheck()
    expect(total).to_have_attribute("data-minor", str(804936 - 43200))
    page.get_by_label("Quantity of Additional users").fill("5")
    page.get_by_label("Quantity of Additional users").press("Tab")
    expect(total).to_have_attribute("data-minor", str(804936 - 43200 + 24624))
    sign_and_accept(page, "Accept, Sign & Pay")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Pay")
    due = page.locator("[data-role=due]").first.get_attribute("data-minor")
    pay_at_the_sandbox(page, "^Pay")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Payment received", timeout=20_000)
    order = story_world.order(ROLL_OUT)
    assert order.state == Order.State.CONFIRMED
    deposit = story_world.invoice(ROLL_OUT, "deposit")
    assert (str(deposit.total_minor), deposit.payment_state) == (due, "paid")
    page.goto(f"/my/invoices/{deposit.number}/")
    expect(page.locator(".rail").get_by_text("Paid", exact=True).first).to_be_visible()
    answer = page.request.get(f"/my/invoices/{deposit.number}/pdf/")
    assert answer.ok
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.body().startswith(b"%PDF-")

    desk = visit(story_world.hanna, f"/staff/orders/{order.number}/deliver/")
    desk.get_by_role("button", name="Everything left was delivered").click()
    expect(desk.get_by_text("The delivery is recorded.")).to_be_visible()
    money = visit(story_world.omar, f"/staff/orders/{order.number}/invoice/")
    money.get_by_role("main").get_by_role("button", name=re.compile("invoice", re.IGNORECASE)).last.click()
    expect(money.get_by_role("heading", level=1)).to_be_visible()
    final = story_world.invoice(ROLL_OUT)
    order.refresh_from_db()
    assert final.total_minor + deposit.total_minor == order.total_minor
    page.goto(f"/my/invoices/{final.number}/")
    expect(page.get_by_text(f"deposit invoice {deposit.number}").first).to_be_visible()
    assert books.verify() == []


def test_ask_for_changes_new_version_accept(visit: Visit, story_world: World) -> None:
    page = visit(story_world.camille)
    open_quotation(page, ROLL_OUT)
    page.get_by_role("link", name="Ask for changes").click()
    page.get_by_label("What should change?").fill("Three users are enough after all.")
    page.get_by_role("button", name="Send request").click()
    expect(page.locator(".rail").get_by_text("Changes requested", exact=True)).to_be_visible()
    number = story_world.quotation(ROLL_OUT).number
    desk = visit(story_world.hanna, f"/staff/quotations/{number}/")
    expect(desk.get_by_text("Three users are enough after all.").first).to_be_visible()
    desk.goto(f"/staff/quotations/{number}/")
    desk.get_by_role("main").get_by_role("button", name=re.compile("new version", re.IGNORECASE)).first.click()
    desk.goto(f"/staff/quotations/{number}/send/")
    desk.get_by_role("main").get_by_role("button", name=re.compile(r"^Send version \d")).click()
    page.goto(f"/my/quotations/{number}/")
    expect(page.get_by_text("version 3").first).to_be_visible()
    sign_and_accept(page, "Accept, Sign & Pay")
    version = QuotationVersion.objects.get(quotation__number=number, version=3)
    assert version.state == "accepted"


def test_reject_and_reopen(visit: Visit, story_world: World) -> None:
    page = visit(story_world.camille)
    open_quotation(page, ROLL_OUT)
    page.locator(".rail").get_by_role("link", name="Reject").click()
    page.get_by_label("Not now; the budget has moved").check()
    page.get_by_role("button", name="Reject quotation").click()
    expect(page.get_by_text("Rejected").first).to_be_visible()
    page.get_by_role("button", name="Reopen this quotation").click()
    expect(page.get_by_text("The quotation is open again.")).to_be_visible()
    current = story_world.quotation(ROLL_OUT).current
    assert current is not None
    assert current.state == "sent"


def test_an_expired_quotation_offers_to_ask_for_a_new_one(visit: Visit, story_world: World) -> None:
    page = visit(story_world.camille)
    open_quotation(page, "Inventory barcode pilot")
    expect(page.locator(".rail").get_by_text("Expired", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^Accept"))).to_have_count(0)
    page.get_by_role("button", name="Ask for a new quotation").click()
    expect(page.get_by_text("You asked for a new quotation.")).to_be_visible()


def test_the_payment_fails_and_is_made_later_from_the_order(visit: Visit, story_world: World) -> None:
    order = story_world.order("Second workshop")
    page = visit(story_world.julien, f"/my/orders/{order.number}/")
    page.get_by_role("link", name=re.compile("^Pay")).first.click()
    pay_at_the_sandbox(page, "Decline")
    expect(page.get_by_role("heading", level=1)).to_contain_text("failed", timeout=20_000)
    expect(page.get_by_text("Nothing was charged.").first).to_be_visible()
    order.refresh_from_db()
    assert order.state == Order.State.AWAITING_PAYMENT
    page.goto(f"/my/orders/{order.number}/")
    page.get_by_role("link", name=re.compile("^Pay")).first.click()
    pay_at_the_sandbox(page, "^Pay")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Payment received", timeout=20_000)
    order.refresh_from_db()
    assert order.state == Order.State.CONFIRMED
    assert Payment.objects.filter(targets__request__order=order, state="succeeded").count() == 1
    assert books.verify() == []


def test_a_bank_transfer_is_announced_and_booked(visit: Visit, story_world: World) -> None:
    invoice = story_world.invoice("Go-live support, day 1")
    page = visit(story_world.julien, f"/my/invoices/{invoice.number}/pay/")
    page.get_by_label("Bank transfer").check()
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(page.get_by_role("img", name=re.compile("QR code"))).to_be_visible()
    payment = Payment.objects.get(targets__invoice=invoice, provider="bank_transfer")
    expect(page.get_by_text(payment.reference[:4]).first).to_be_visible()
    desk = visit(story_world.omar, "/staff/payments/book/")
    desk.get_by_label("Reference on the statement").fill(payment.reference)
    desk.get_by_role("button", name="Find it").click()
    desk.get_by_label("Amount, EUR").fill("1,068.00")
    desk.get_by_role("button", name="Book the payment").click()
    invoice.refresh_from_db()
    expect(desk.get_by_role("heading", level=1)).to_be_visible()
    assert Invoice.objects.get(pk=invoice.pk).payment_state == "paid"
    page.goto(f"/my/invoices/{invoice.number}/")
    expect(page.locator(".rail").get_by_text("Paid", exact=True).first).to_be_visible()


def test_everything_works_without_javascript(visit: Visit, story_world: World) -> None:
    page = visit(story_world.camille, javascript=False)
    open_quotation(page, ROLL_OUT)
    page.get_by_label("Label printer integration").uncheck()
    page.get_by_role("button", name="Update the total").click()
    expect(page.locator(".rail [data-role=total]")).to_have_attribute("data-minor", str(804936 - 43200))
    sign_and_accept(page, "Accept, Sign & Pay")
    pay_at_the_sandbox(page, "^Pay")
    order = story_world.order(ROLL_OUT)
    page.wait_for_timeout(3000)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Payment received")
    order.refresh_from_db()
    assert order.state == Order.State.CONFIRMED
