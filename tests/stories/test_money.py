"""Ways to pay that are kept: saved, charged by itself with consent, refused, tried at once on another, and removed."""

import re
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from portico import cast
from portico.accounts.models import Customer
from portico.billing import books
from portico.billing.models import AutoPay, Collection, Invoice, SavedMethod
from portico.cast import World
from tests.stories.test_sale import pay_at_the_sandbox

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
METHODS = "/my/account/payment-methods/"


def save(page: Page, card: str) -> None:
    """Save a way to pay at the sandbox company, and wait on the page that one comes back to."""
    page.goto(METHODS)
    page.get_by_role("link", name="Save a way to pay").click()
    page.get_by_role("button", name="Go on").click()
    expect(page).to_have_url(re.compile("/add/$"), timeout=2_000)  # the browser asks for the tick
    page.get_by_role("checkbox", name=re.compile("keeps this way to pay")).check()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name=re.compile(card)).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your way to pay is saved", timeout=15_000)


def test_a_card_is_saved_charged_by_itself_refused_replaced_and_removed(visit: Visit, story_world: World) -> None:
    subscription = story_world.subscription("atelier-fontaine")
    page = visit(story_world.camille, METHODS)
    expect(page.get_by_text("Nothing is saved.")).to_be_visible()
    save(page, "declined later")
    page.goto(METHODS)
    expect(page.get_by_text("Default", exact=True)).to_be_visible()
    expect(page.get_by_text("Nothing is saved.")).to_have_count(0)

    page.goto(f"/my/subscriptions/{subscription.database.name}/auto-pay/")
    consent = page.get_by_role("checkbox", name=re.compile("charges our saved default way to pay"))
    consent.check()
    page.get_by_role("button", name=re.compile("Switch auto-pay on")).click()
    expect(page.get_by_text("Auto-pay is on.").first).to_be_visible()
    switch = AutoPay.objects.get(subscription=subscription)
    assert "charges our saved default way to pay" in switch.consent
    assert switch.on_by == story_world.camille

    now = timezone.now()
    Customer.objects.filter(pk=story_world.fontaine.pk).update(payment_terms_days=0)
    story_world.fontaine.refresh_from_db()
    about = {"subscription": subscription, "kind": "upsell"}
    lines = [cast.line(story_world, "consulting-day")]
    quotation = cast.offer(story_world, story_world.fontaine, "Stock count", lines, now, about=about)
    invoice = cast.accept(story_world, quotation, now).invoices.get()
    page.goto(f"/my/invoices/{invoice.number}/")
    for _attempt in range(60):
        if page.get_by_text("The last payment failed.").count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(page.get_by_text("The last payment failed.")).to_be_visible()
    assert Collection.objects.get(invoice=invoice).state == "waiting"

    save(page, "Card that works")
    page.goto(METHODS)
    page.get_by_role("button", name=re.compile("Make default")).click()
    for _attempt in range(60):
        if Invoice.objects.get(pk=invoice.pk).payment_state == "paid":
            break
        page.wait_for_timeout(500)
    page.goto(f"/my/invoices/{invoice.number}/")
    expect(page.locator(".stamp").first).to_have_text("Paid")
    invoice.refresh_from_db()
    assert (invoice.payment_state, Collection.objects.get(invoice=invoice).state) == ("paid", "paid")

    page.goto(METHODS)
    page.get_by_role("button", name=re.compile("Remove .*0341")).click()
    expect(page.get_by_text("It is removed.")).to_be_visible()
    expect(page.get_by_text("0341")).to_have_count(0)
    assert SavedMethod.objects.filter(removed_at=None).get().last4 == "4242"
    assert books.verify() == []


def test_a_part_is_paid_and_the_rest_while_it_is_on_its_way(visit: Visit, story_world: World) -> None:
    quotation = cast.offer(
        story_world, story_world.fontaine, "Two days", [cast.line(story_world, "consulting-day", "2")], timezone.now()
    )
    invoice = cast.accept(story_world, quotation, timezone.now()).invoices.get()
    whole = invoice.amount_due_minor
    page = visit(story_world.camille, f"/my/invoices/{invoice.number}/pay/")
    page.get_by_role("radio", name=re.compile("Pay online")).check()
    expect(page.get_by_role("button", name="Go on to pay")).to_have_count(0)
    page.get_by_text("Pay a part of it").click()
    page.get_by_role("textbox", name=re.compile("Amount in EUR")).fill("100.00")
    expect(page.get_by_role("button", name=re.compile("^Pay €"))).to_have_count(0)
    page.get_by_role("button", name="Go on to pay").click()
    page.get_by_role("button", name=re.compile("^Pay late")).click()
    expect(page.get_by_text(re.compile("on its way")).first).to_be_visible(timeout=15_000)

    page.goto(f"/my/invoices/{invoice.number}/pay/")
    expect(page.get_by_text(re.compile("€100.00 of it is on its way"))).to_be_visible()
    pay_at_the_sandbox(page, "^Pay")
    for _attempt in range(60):
        invoice.refresh_from_db()
        if invoice.amount_due_minor in {0, 10_000}:
            break
        page.wait_for_timeout(250)
    paid = sorted(invoice.allocations.values_list("amount_minor", flat=True))
    assert whole - 10_000 in paid
    assert sum(paid) + invoice.amount_due_minor == whole
    assert books.verify() == []
