"""Every page, both themes, phone and desk: nothing that axe-core objects to, nothing wider than the screen, no refusal by
the content security policy."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from portico.accounts.models import User
from portico.billing.models import Invoice, Order, Payment, Quotation
from portico.cast import World
from portico.home.staff.settings import STAGES

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]


def customer_pages(world: World) -> list[str]:
    """One page of each kind and state of Atelier Fontaine."""
    quotations = Quotation.objects.filter(customer=world.fontaine, current__isnull=False).order_by(
        "current__state", "-id"
    )
    one_each = {quotation.current.state: quotation.number for quotation in quotations if quotation.current}
    roll_out = world.quotation("Workshop and showroom roll-out").number
    orders = {order.state: order.number for order in Order.objects.filter(customer=world.fontaine)}
    invoices = {i.payment_state + i.kind: i.number for i in Invoice.objects.filter(customer=world.fontaine)}
    payment = Payment.objects.filter(customer=world.fontaine, state="pending").first()
    received = Payment.objects.filter(customer=world.fontaine, state="succeeded").first()
    assert payment is not None
    assert received is not None
    credit = Invoice.objects.get(customer=world.fontaine, kind="credit_note").number
    return [
        "/my/", "/my/quotations/", "/my/quotations/?q=zzz", "/my/orders/", "/my/invoices/", "/my/subscriptions/",
        "/my/subscriptions/atelier-fontaine/", "/my/account/", "/my/account/privacy/", "/my/account/members/",
        "/my/account/members/invite/", "/my/account/company/", "/my/account/letters/", f"/my/payments/{payment.pk}/",
        f"/my/payments/{received.pk}/", f"/my/payments/{received.pk}/receipt/", "/my/statement/",
        "/my/account/payment-methods/",
        *(f"/my/quotations/{number}/" for number in one_each.values()),
        *(f"/my/quotations/{roll_out}/{task}/" for task in ("accept", "changes", "reject", "thread", "v1")),
        f"/my/quotations/{world.quotation('Inventory barcode pilot').number}/",
        *(f"/my/orders/{number}/" for number in orders.values()),
        f"/my/orders/{orders['awaiting_payment']}/pay/",
        *(f"/my/invoices/{number}/" for key, number in invoices.items() if "credit_note" not in key),
        f"/my/invoices/{invoices['not_paidinvoice']}/pay/", f"/my/credit-notes/{credit}/", "/my/nothing-here/",
    ]  # fmt: skip


def staff_pages(world: World) -> list[str]:
    """The desk's pages."""
    draft = world.quotation("Quality checks, draft").number
    roll_out = world.quotation("Workshop and showroom roll-out").number
    order, invoice = world.order("Showroom configuration").number, world.invoice("Go-live support, day 1").number
    received = Payment.objects.filter(provider="sandbox", state="succeeded").first()
    assert received is not None
    return [
        "/staff/", "/staff/quotations/", "/staff/quotations/new/", f"/staff/quotations/{draft}/",
        f"/staff/quotations/{draft}/edit/", f"/staff/quotations/{roll_out}/", f"/staff/quotations/{draft}/send/",
        "/staff/orders/", f"/staff/orders/{order}/", f"/staff/orders/{order}/deliver/", "/staff/invoices/",
        f"/staff/invoices/{invoice}/", f"/staff/invoices/{invoice}/credit/", "/staff/payments/", "/staff/payments/book/",
        f"/staff/payments/book/?invoice={invoice}", f"/staff/payments/{received.pk}/", "/staff/refunds/", "/staff/bank/",
        "/staff/bank/upload/", "/staff/dunning/", "/staff/dunning/rules/", f"/staff/customers/{world.fontaine.pk}/statement/",
        "/staff/customers/", f"/staff/customers/{world.fontaine.pk}/", "/staff/letters/", "/staff/privacy/",
        "/staff/privacy/new/",
        f"/staff/customers/{world.fontaine.pk}/members/invite/", "/staff/settings/",
        *(f"/staff/settings/{stage.name}/" for stage in STAGES),
    ]  # fmt: skip


def public_pages(world: World) -> list[str]:
    """What anybody may open."""
    return ["/account/login/", "/account/password/reset/", "/nothing/"]


def faults(page: Page, path: str) -> list[str]:
    """What axe, the width of the page and the console say against a page."""
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if "Content Security Policy" in message.text else None)
    page.goto(path)
    page.wait_for_load_state("networkidle")
    found = [f"{path}: {fault}" for fault in said]
    for violation in Axe().run(page).response["violations"]:
        where = "; ".join(str(node["target"]) for node in violation["nodes"][:3])
        found.append(f"{path}: {violation['id']}: {violation['help']} at {where}")
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth + 1"):
        found.append(f"{path}: wider than the screen")
    return found


@pytest.mark.parametrize(
    ("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark"), (320, "light")]
)
@pytest.mark.parametrize("side", ["customer", "staff", "nobody"])
def test_pages_are_accessible(visit: Visit, story_world: World, side: str, width: int, scheme: str) -> None:
    who: User | None = {"customer": story_world.camille, "staff": story_world.admin, "nobody": None}[side]
    paths = {
        "customer": customer_pages,
        "staff": staff_pages,
        "nobody": public_pages,
    }[side](story_world)
    page = visit(who, paths[0], width=width, scheme=scheme)
    found = [fault for path in paths for fault in faults(page, path)]
    assert not found, "\n".join(found)
