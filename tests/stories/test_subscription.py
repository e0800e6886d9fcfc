"""A customer changes its database, in a real browser: looks at the price, gets the quotation, pays, and has it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from portico.billing import books
from portico.billing.models import Invoice, Quotation
from portico.cast import World
from tests.stories.test_sale import pay_at_the_sandbox

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
PAGE = "/my/subscriptions/atelier-fontaine/"


def test_three_users_more_and_an_application_from_preview_to_database(visit: Visit, story_world: World) -> None:
    page = visit(story_world.camille, PAGE)
    for _more in range(3):
        page.get_by_role("button", name="One more").click()
    panel = page.locator(".panel")
    expect(panel.get_by_text("10 to 13")).to_be_visible()
    page.get_by_role("button", name="Add Point of Sale").click()
    expect(panel.locator("[data-product=point-of-sale]")).to_be_visible()
    page.get_by_role("button", name="Add Quality").click()
    expect(panel.locator("[data-product=quality]")).to_be_visible()
    page.get_by_role("button", name="Undo adding Quality").or_(
        page.locator("li[data-product=quality]").get_by_role("button")
    ).first.click()
    expect(panel.locator("[data-product=quality]")).to_have_count(0)
    expect(panel.get_by_text("10 to 13")).to_be_visible()
    today = int(panel.locator("[data-role=today]").get_attribute("data-minor") or 0)
    assert today > 0
    panel.get_by_role("button", name="Get quotation").click()

    expect(page).to_have_url(re.compile("/my/quotations/"))
    expect(page.locator("[data-role=total]").first).to_have_attribute("data-minor", str(today))
    quotation = Quotation.objects.get(origin="portal")
    page.locator(".rail").get_by_role("link", name=re.compile("^Accept")).click()
    page.get_by_label("I accept this quotation").check()
    page.get_by_role("main").get_by_role("button", name=re.compile("^Accept")).last.click()
    pay_at_the_sandbox(page, "^Pay")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Payment received", timeout=20_000)

    page.goto(PAGE)
    expect(page.get_by_text("13 users").first).to_be_visible()
    expect(page.locator("li[data-product=point-of-sale]")).to_have_attribute("data-status", "installed")
    assert Invoice.objects.get(order__version__quotation=quotation).total_minor == today
    assert books.verify() == []
