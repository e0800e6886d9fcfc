"""The shared cast: one small world, used by the demo and by the tests alike (CONTRACT.md, "Demo world").

Everything is made by the product's own stories, in the order of time, so that numbers, chains, evidence and history are
real. `build_world(now)` fills an empty database around `now`; the people's password is `PASSWORD`.
"""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import Any

from django.db import transaction

from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing.actions import decide, draft, pay, send
from portico.billing.actions import order as orders
from portico.billing.actions.credit import credit_invoice
from portico.billing.actions.dispute import dispute_invoice
from portico.billing.models import (
    Coupon,
    Database,
    ExchangeRate,
    Invoice,
    Order,
    Payment,
    Price,
    Product,
    Quotation,
    Subscription,
    VatRate,
)
from portico.billing.providers.sandbox import gateway
from portico.billing.providers.sandbox.models import Checkout
from portico.conversation.models import Thread
from portico.kit.periods import next_period_end, today

Story = Generator[datetime, datetime, None]
"""A story goes on until it yields the next moment (UTC) at which something happens in it."""
Stories = Sequence[tuple[float, Callable[["World", datetime], Story]]]
"""How many days ago each begins."""

PASSWORD = "portico-demo"  # noqa: S105  # printed by `./portico demo`; the demo's people exist nowhere else

PEOPLE = (
    ("camille@fontaine.example", "owner, Atelier Fontaine"),
    ("julien@fontaine.example", "billing, Atelier Fontaine"),
    ("lena@lindner.example", "owner, Bäckerei Lindner"),
    ("ingrid@fjord.example", "owner, Fjord & Co"),
    ("hanna@northwind.example", "staff, sales"),
    ("omar@northwind.example", "staff, finance"),
    ("admin@northwind.example", "staff, administrator"),
)

TERMS = [
    ["Payment", "Invoices are payable within 30 days by bank transfer or online."],
    ["Subscription", "Applications and users join the subscription of the database and follow its renewal date."],
    ["Services", "Days are scheduled within ten working days of acceptance and may be moved once at no cost."],
    ["Late payment", "Interest at three times the legal rate, and a fixed recovery fee of €40 as the law provides."],
]


@dataclass
class World:
    """The cast by name. Documents are found by their title: `world.quotation("Workshop and showroom roll-out")`."""

    now: datetime
    seller: Seller
    fontaine: Customer
    lindner: Customer
    fjord: Customer
    people: dict[str, User] = field(default_factory=dict)
    products: dict[str, Product] = field(default_factory=dict)

    @property
    def camille(self) -> User:
        """Owner of Atelier Fontaine."""
        return self.people["camille@fontaine.example"]

    @property
    def julien(self) -> User:
        """Billing at Atelier Fontaine: pays, may not decide."""
        return self.people["julien@fontaine.example"]

    @property
    def lena(self) -> User:
        """Owner of Bäckerei Lindner: the outsider to Fontaine's papers."""
        return self.people["lena@lindner.example"]

    @property
    def ingrid(self) -> User:
        """Owner of Fjord & Co."""
        return self.people["ingrid@fjord.example"]

    @property
    def hanna(self) -> User:
        """Sales."""
        return self.people["hanna@northwind.example"]

    @property
    def omar(self) -> User:
        """Finance."""
        return self.people["omar@northwind.example"]

    @property
    def admin(self) -> User:
        """Administrator."""
        return self.people["admin@northwind.example"]

    def member(self, user: User) -> Membership:
        """The membership of one of the customers' people."""
        return Membership.objects.select_related("user", "customer__seller").get(user=user)

    def quotation(self, title: str) -> Quotation:
        """The quotation whose latest version has this title."""
        found = Quotation.objects.filter(versions__title=title).order_by("-versions__version").first()
        assert found is not None, f"no quotation called {title!r}"
        return found

    def order(self, title: str) -> Order:
        """The order of this title."""
        return Order.objects.get(title=title)

    def invoice(self, title: str, kind: str = "invoice") -> Invoice:
        """The invoice of this title and kind."""
        return Invoice.objects.get(title=title, kind=kind)

    def subscription(self, database: str) -> Subscription:
        """The subscription of a database."""
        return Subscription.objects.get(database__name=database)

    def ago(self, days: float, hours: float = 0) -> datetime:
        """So many days and hours before now."""
        return self.now - timedelta(days=days, hours=hours)


def build_world(now: datetime, more: Stories = ()) -> World:
    """Fill an empty database with the cast around `now` (UTC); `more` stories happen among its own."""
    world = build_people(now)
    _live(world, [*_STORIES, *more])
    return world


def build_people(now: datetime) -> World:
    """Companies, people and catalogue alone, without a document: the cast before its stories."""
    world = _companies(now)
    _people(world)
    _catalogue(world)
    return world


def _live(world: World, told: Stories) -> None:
    """Let every story go on when its next moment has come, across all of them in the order of time."""
    stories = [story(world, world.ago(days)) for days, story in told]
    waiting = [(next(story), index) for index, story in enumerate(stories)]
    heapify(waiting)
    while waiting:
        moment, index = heappop(waiting)
        with suppress(StopIteration):
            heappush(waiting, (stories[index].send(moment), index))


def find_world(now: datetime) -> World | None:
    """The cast that is already in the database, or None."""
    seller = Seller.objects.filter(legal_name="Northwind Software SAS").first()
    if seller is None:
        return None
    by_name = {customer.legal_name.split()[0]: customer for customer in Customer.objects.all()}
    world = World(now, seller, by_name["Atelier"], by_name["Bäckerei"], by_name["Fjord"])
    world.people = {user.email: user for user in User.objects.all()}
    world.products = {product.code: product for product in Product.objects.all()}
    return world


# Who ------------------------------------------------------------------------------------------------------------------


def _companies(now: datetime) -> World:
    seller = Seller.objects.create(
        legal_name="Northwind Software SAS",
        short_name="Northwind Software",
        street="18 quai de la Fosse",
        postcode="44000",
        city="Nantes",
        country="FR",
        vat_id="FR83404833048",
        tax_registration="SIREN 404 833 048",
        company_registration="RCS Nantes 404 833 048",
        legal_form_note="capital €120,000",
        support_email="help@northwind.example",
        privacy_email="privacy@northwind.example",
        bank_account_name="Northwind Software SAS",
        sepa_creditor_id="FR72ZZZ123456",
        iban="FR7630006000011234567890189",
        bic="AGRIFRPP",
        contact_name="Omar Benali",
        phone="+33 2 40 00 00 00",
        electronic_address="0009:40483304800022",
    )
    VatRate.replace(seller, [Decimal(20), Decimal(10), Decimal("5.5")])
    created = now - timedelta(days=400)
    ExchangeRate.objects.create(seller=seller, currency="NOK", valid_from=created.date(), rate=Decimal("11.7345"))
    fontaine = Customer.objects.create(
        seller=seller,
        legal_name="Atelier Fontaine SARL",
        street="27 rue des Tanneurs",
        postcode="69005",
        city="Lyon",
        country="FR",
        vat_id="FR40303265045",
        electronic_address="camille@fontaine.example",
        created_at=created,
    )
    lindner = Customer.objects.create(
        seller=seller,
        legal_name="Bäckerei Lindner GmbH",
        street="Karl-Heine-Straße 42",
        postcode="04229",
        city="Leipzig",
        country="DE",
        vat_id="DE136695976",
        vat_id_checked_on=created.date(),
        vat_id_check=Customer.VatCheck.VIES,
        payment_terms_days=14,
        einvoice_profile=Customer.Profile.XRECHNUNG,
        electronic_address="9930:DE136695976",
        buyer_reference="04011000-1234512345-06",
        created_at=created,
    )
    fjord = Customer.objects.create(
        seller=seller,
        legal_name="Fjord & Co AS",
        street="Dronning Eufemias gate 15",
        postcode="0191",
        city="Oslo",
        country="NO",
        currency="NOK",
        einvoice_profile=Customer.Profile.PEPPOL,
        electronic_address="0192:988077917",
        buyer_reference="Operations",
        created_at=created,
    )
    return World(now, seller, fontaine, lindner, fjord)


def _people(world: World) -> None:
    names = {
        "camille@fontaine.example": ("Camille Fontaine", "Managing director"),
        "julien@fontaine.example": ("Julien Mercier", "Accountant"),
        "lena@lindner.example": ("Lena Lindner", "Owner"),
        "ingrid@fjord.example": ("Ingrid Solberg", "Head of operations"),
        "hanna@northwind.example": ("Hanna Lindqvist", "Customer advisor"),
        "omar@northwind.example": ("Omar Benali", "Finance"),
        "admin@northwind.example": ("Alex Morel", "Administrator"),
    }
    staff = {"hanna": "sales", "omar": "finance", "admin": "admin"}
    for email, (name, title) in names.items():
        role = staff.get(email.split("@")[0], "")
        world.people[email] = User.objects.create_user(
            email,
            PASSWORD,
            name=name,
            title=title,
            staff_role=role,
            staff_of=world.seller if role else None,
            date_joined=world.ago(400),
        )
    for user, customer, roles in (
        (world.camille, world.fontaine, {"is_owner": True}),
        (world.julien, world.fontaine, {"is_billing": True}),
        (world.lena, world.lindner, {"is_owner": True}),
        (world.ingrid, world.fjord, {"is_owner": True}),
    ):
        user.switch_to(Membership.objects.create(user=user, customer=customer, created_at=world.ago(400), **roles))


_CATALOGUE: tuple[tuple[str, str, str, str, str, dict[int, str]], ...] = (
    ("plan-starter", "Starter plan", "plan", "", "20", {12: "480", 1: "45"}),
    ("plan-business", "Business plan", "plan", "", "20", {12: "1200", 1: "110"}),
    ("users", "Users", "users", "users", "20", {12: "228", 1: "17"}),
    ("point-of-sale", "Point of Sale", "application", "", "20", {12: "420", 1: "39"}),
    ("manufacturing", "Manufacturing", "application", "", "20", {12: "480", 1: "45"}),
    ("quality", "Quality", "application", "", "20", {12: "240", 1: "22"}),
    ("helpdesk", "Helpdesk", "application", "", "20", {12: "360", 1: "33"}),
    ("boutique-theme", "Boutique theme", "theme", "", "20", {0: "290"}),
    ("consulting-day", "Consulting, a day", "service", "days", "20", {0: "890"}),
    ("training", "Training on site, half a day", "service", "sessions", "20", {0: "520"}),
    ("go-live", "Go-live support, two weeks", "service", "", "20", {0: "1450"}),
    ("label-printer", "Label printer integration", "service", "", "20", {0: "360"}),
    ("handbook", "Operator handbook, printed", "goods", "", "5.5", {0: "24"}),
)


def _catalogue(world: World) -> None:
    for code, name, kind, unit, rate, prices in _CATALOGUE:
        product = Product.objects.create(
            seller=world.seller, code=code, name=name, kind=kind, unit=unit, vat_rate=Decimal(rate)
        )
        world.products[code] = product
        for term, price in prices.items():
            Price.objects.create(product=product, currency="EUR", term_months=term, unit_price=Decimal(price))
            Price.objects.create(product=product, currency="NOK", term_months=term, unit_price=Decimal(price) * 12)
    Coupon.objects.create(seller=world.seller, code="HELLO-20", percent=Decimal(20), max_uses=100)


# Parts of stories -----------------------------------------------------------------------------------------------------


def line(world: World, code: str, quantity: str = "1", price: str = "", **changes: Any) -> draft.LineDraft:
    """A line for a product of the catalogue; the price is its yearly or single one unless given."""
    product = world.products[code]
    if not price:
        listed = {p.term_months: p.unit_price for p in product.prices.filter(currency=changes.pop("currency", "EUR"))}
        unit_price = listed.get(12, listed.get(0, Decimal(0)))
    else:
        unit_price = Decimal(price)
    values: dict[str, Any] = {"kind": "line", "name": product.name, "product_id": product.pk, "unit": product.unit}
    return draft.LineDraft(**values | {"quantity": Decimal(quantity), "unit_price": unit_price} | changes)


def section(name: str) -> draft.LineDraft:
    """A section heading."""
    return draft.LineDraft("section", name)


def write(
    world: World,
    customer: Customer,
    title: str,
    lines: Iterable[draft.LineDraft],
    at: datetime,
    *,
    valid_days: int = 30,
    quotation: Quotation | None = None,
    about: Mapping[str, Any] | None = None,
    **policy: Any,
) -> Quotation:
    """A draft by Hanna: the first version of a new quotation, or the draft that `quotation` has open."""
    if quotation is None:
        quotation = draft.draft_quotation(
            seller=world.seller,
            customer=customer,
            by=world.hanna,
            now=at,
            contact=world_contact(world, customer),
            **about or {},
        )
    version = quotation.draft_version
    assert version is not None
    fields = {
        "title": title,
        "valid_until": today(at, world.seller.zone) + timedelta(days=valid_days),
        "terms": TERMS,
        "terms_version": "2026-01",
        "invoice_policy": "at_acceptance",
        "payment_policy": "none",
    } | policy
    draft.save_draft(version=version, revision=version.revision, fields=fields, lines=list(lines), now=at)
    return quotation


def world_contact(world: World, customer: Customer) -> User:
    """The owner of a customer."""
    return {world.fontaine.pk: world.camille, world.lindner.pk: world.lena, world.fjord.pk: world.ingrid}[customer.pk]


def offer(
    world: World, customer: Customer, title: str, lines: Iterable[draft.LineDraft], at: datetime, **more: Any
) -> Quotation:
    """A quotation that was sent at `at`."""
    quotation = write(world, customer, title, lines, at, **more)
    send.send_quotation(quotation=quotation, by=world.hanna, now=at)
    quotation.refresh_from_db()
    return quotation


def accept(world: World, quotation: Quotation, at: datetime, *, po_number: str = "") -> Order:
    """The owner accepts what is offered, as offered."""
    by = world.member(world_contact(world, quotation.customer))
    version = quotation.current
    assert version is not None
    send.record_view(version=version, by=by.user, ip="192.0.2.10", user_agent="demo", now=at - timedelta(minutes=9))
    done = decide.accept_quotation(
        quotation=quotation,
        by=by,
        version=version.version,
        choices={},
        seen_total_minor=version.total_minor,
        consent=True,
        signature=decide.Signature(by.user.name, by.user.title, "typed", by.user.name),
        po_number=po_number,
        origin=decide.Origin("192.0.2.10", "demo", "password"),
        now=at,
    )
    assert done.order is not None
    return done.order


def sold(
    world: World, customer: Customer, title: str, lines: Iterable[draft.LineDraft], at: datetime, **more: Any
) -> Generator[datetime, datetime, Order]:
    """Offered three days before, and accepted at `at`."""
    yield at - timedelta(days=3)
    quotation = offer(world, customer, title, lines, at - timedelta(days=3), **more)
    yield at
    return accept(world, quotation, at)


def transfer(world: World, invoice: Invoice, amount_minor: int, at: datetime) -> None:
    """Money for an invoice arrives by bank transfer; Omar books it."""
    pay.book_transfer(
        customer=invoice.customer,
        invoices=[invoice],
        amount_minor=amount_minor,
        received_on=today(at, world.seller.zone),
        payer_name=invoice.customer.legal_name,
        by=world.omar,
        now=at,
    )


def deliver_all(world: World, order: Order, at: datetime) -> None:
    """Everything of an order that is left is delivered."""
    left = {line.pk: line.quantity - line.delivered_quantity for line in order.lines.filter(kind="line")}
    orders.record_delivery(order=order, quantities=left, by=world.hanna, now=at)


def open_database(
    world: World,
    customer: Customer,
    name: str,
    codes: Iterable[tuple[str, str]],
    *,
    term: int,
    start_days_ago: int,
    state: str,
) -> Subscription:
    """A database that was there before the portal, with its subscription in `state`."""
    created = world.ago(start_days_ago)
    database = Database.objects.create(customer=customer, name=name, created_at=created)
    subscription = Subscription.objects.create(
        customer=customer, database=database, currency=customer.currency, term_months=term, created_at=created
    )
    start = today(created, world.seller.zone)
    if state != Subscription.State.PENDING:
        subscription.start(start, next_period_end(start, start, term))
        if state != Subscription.State.ACTIVE:
            subscription.state = state
            end = subscription.period_end or start
            if state in Subscription.LATE:
                subscription.past_due_on = end
            if state == Subscription.State.SUSPENDED:
                subscription.suspended_on = end + timedelta(days=14)
            if state == Subscription.State.ENDED:
                subscription.ended_on = end
            subscription.save(update_fields=["state", "past_due_on", "suspended_on", "ended_on"])
    for code, quantity in codes:
        product = world.products[code]
        price = product.prices.get(currency=customer.currency, term_months=term)
        subscription.add(product, Decimal(quantity), price.unit_price, Decimal(0), start, list_price=price.pk)
    return subscription


# Stories, by days ago -------------------------------------------------------------------------------------------------


def _first_training(world: World, at: datetime) -> Story:
    order = yield from sold(world, world.fontaine, "Training on site, first session", [line(world, "training")], at)
    later = yield at + timedelta(days=20)
    transfer(world, order.invoices.get(), 62400, later)


def _atelier_database(world: World, at: datetime) -> Story:
    """The main database: a year paid in advance, online."""
    order = yield from sold(
        world,
        world.fontaine,
        "Atelier database, first year",
        [
            section("Applications and users, one year"),
            line(world, "plan-business"),
            line(world, "manufacturing"),
            line(world, "users", "10"),
            section("Services"),
            line(world, "training"),
        ],
        at,
        payment_policy="full",
        about={"database_name": "atelier-fontaine", "term_months": 12},
    )
    later = yield at + timedelta(hours=1)
    paid_online(world, order, later)
    later = yield at + timedelta(days=12)
    deliver_all(world, order, later)


def paid_online(world: World, order: Order, at: datetime) -> None:
    """The owner pays an order's request through the sandbox, and the money arrives at once."""
    payment = pay.start_payment(
        by=world.member(world_contact(world, order.customer)), provider="sandbox", order=order, now=at
    )
    gateway.pay(at_gateway(payment, at), now=at)
    pay.lookup_payment(payment=payment, now=at)


def at_gateway(payment: Payment, at: datetime) -> Checkout:
    """The sandbox company's own record of a payment."""
    checkout = gateway.find(reference=payment.provider_reference, now=at)
    assert checkout is not None
    return checkout


def _boutique_theme(world: World, at: datetime) -> Story:
    order = yield from sold(
        world, world.fontaine, "Boutique theme", [line(world, "boutique-theme"), line(world, "handbook", "3")], at
    )
    later = yield at + timedelta(days=14)
    transfer(world, order.invoices.get(), order.invoices.get().amount_due_minor, later)
    later = yield at + timedelta(days=2)
    deliver_all(world, order, later)


def _bakery(world: World, at: datetime) -> Story:
    """Reverse charge, paid by transfer."""
    order = yield from sold(
        world,
        world.lindner,
        "Bakery database and set-up",
        [line(world, "plan-starter"), line(world, "users", "4"), line(world, "consulting-day", "2")],
        at,
        about={"database_name": "baeckerei-lindner", "term_months": 12},
    )
    later = yield at + timedelta(days=10)
    transfer(world, order.invoices.get(), order.invoices.get().amount_due_minor, later)
    later = yield at + timedelta(days=9)
    deliver_all(world, order, later)


def _fjord(world: World, at: datetime) -> Story:
    """Outside the EU, in Norwegian kroner."""
    lines = [line(world, "plan-business", currency="NOK"), line(world, "users", "6", currency="NOK")]
    order = yield from sold(
        world, world.fjord, "Fjord database, first year", lines, at, about={"database_name": "fjord", "term_months": 12}
    )
    later = yield at + timedelta(days=25)
    transfer(world, order.invoices.get(), order.invoices.get().amount_due_minor, later)


def _workshop_deposit(world: World, at: datetime) -> Story:
    """A deposit of 30 percent, delivered, the final invoice partly paid."""
    order = yield from sold(
        world,
        world.fontaine,
        "Manufacturing set-up",
        [line(world, "consulting-day", "5", discount_percent=Decimal(5)), line(world, "handbook", "5")],
        at,
        payment_policy="deposit",
        deposit_percent=Decimal(30),
        invoice_policy="on_delivery",
    )
    later = yield at + timedelta(hours=2)
    paid_online(world, order, later)
    later = yield at + timedelta(days=28)
    deliver_all(world, order, later)
    invoice = orders.invoice_delivered(order=order, by=world.omar, now=later)
    later = yield at + timedelta(days=40)
    transfer(world, invoice, 200000, later)


def _credited(world: World, at: datetime) -> Story:
    order = yield from sold(
        world, world.fontaine, "Training, invoiced twice", [line(world, "training", price="260")], at
    )
    later = yield at + timedelta(days=2)
    with transaction.atomic():
        credit_invoice(
            invoice=order.invoices.get(kind="invoice"),
            quantities=None,
            reason="The session was invoiced twice.",
            invoice_again=False,
            by=world.omar,
            now=later,
        )


def _overdue(world: World, at: datetime) -> Story:
    yield from sold(world, world.fontaine, "On-site training in Lyon", [line(world, "training", "3")], at)


def _disputed(world: World, at: datetime) -> Story:
    order = yield from sold(world, world.lindner, "Oven scale integration", [line(world, "consulting-day", "1.5")], at)
    later = yield at + timedelta(days=5)
    dispute_invoice(invoice=order.invoices.get(), by=world.omar, now=later)


def _in_payment(world: World, at: datetime) -> Story:
    """Confirmed by the payer; the money has not arrived."""
    order = yield from sold(
        world, world.fontaine, "Label printer on the packing bench", [line(world, "label-printer")], at
    )
    later = yield at + timedelta(days=2)
    payment = pay.start_payment(
        by=world.member(world.julien), provider="sandbox", invoices=[order.invoices.get()], now=later
    )
    gateway.pay_late(at_gateway(payment, later), now=later, after=timedelta(days=30))
    pay.lookup_payment(payment=payment, now=later)


def _not_paid(world: World, at: datetime) -> Story:
    order = yield from sold(world, world.fontaine, "Go-live support, day 1", [line(world, "consulting-day")], at)
    deliver_all(world, order, at)


def _fontaine_confirmed(world: World, at: datetime) -> Story:
    """Confirmed, half delivered, invoiced on delivery."""
    order = yield from sold(
        world,
        world.fontaine,
        "Showroom configuration",
        [line(world, "consulting-day", "4"), line(world, "training", "2")],
        at,
        invoice_policy="on_delivery",
    )
    later = yield at + timedelta(days=2)
    half = {line.pk: line.quantity / 2 for line in order.lines.filter(kind="line")}
    orders.record_delivery(order=order, quantities=half, by=world.hanna, now=later)


def _awaiting_payment(world: World, at: datetime) -> Story:
    """Accepted with a deposit that nobody has paid yet."""
    yield from sold(
        world,
        world.fontaine,
        "Second workshop",
        [line(world, "consulting-day", "6"), line(world, "label-printer")],
        at,
        payment_policy="deposit",
        deposit_percent=Decimal(40),
        invoice_policy="on_delivery",
    )


def _cancelled(world: World, at: datetime) -> Story:
    order = yield from sold(
        world, world.fontaine, "Trade fair stand", [line(world, "consulting-day", "2")], at, payment_policy="full"
    )
    later = yield at + timedelta(days=4)
    orders.cancel_order(order=order, by=world.hanna, now=later)


def _expired(world: World, at: datetime) -> Story:
    yield at
    offer(world, world.fontaine, "Inventory barcode pilot", [line(world, "consulting-day", "2")], at, valid_days=21)


def _rejected(world: World, at: datetime) -> Story:
    yield at
    quotation = offer(
        world, world.fontaine, "Annual maintenance plan", [line(world, "consulting-day", "8")], at, valid_days=60
    )
    later = yield at + timedelta(days=4)
    decide.reject_quotation(
        quotation=quotation,
        by=world.member(world.camille),
        version=1,
        reason="not_now",
        comment="The budget has moved to the spring.",
        now=later,
    )


def _withdrawn(world: World, at: datetime) -> Story:
    yield at
    quotation = offer(world, world.fontaine, "Point of Sale, introductory price", [line(world, "point-of-sale")], at)
    later = yield at + timedelta(days=3)
    send.withdraw_quotation(quotation=quotation, by=world.hanna, now=later)


def _changes_requested(world: World, at: datetime) -> Story:
    yield at
    quotation = offer(
        world,
        world.fontaine,
        "Helpdesk for the after-sales team",
        [line(world, "helpdesk"), line(world, "users", "2"), line(world, "training")],
        at,
        valid_days=28,
    )
    later = yield at + timedelta(days=1)
    decide.ask_for_changes(
        quotation=quotation,
        by=world.member(world.camille),
        version=1,
        message="We are three in after-sales. Could the training be online?",
        wishes={2: ("quantity", Decimal(3), ""), 3: ("comment", None, "Online instead of on site")},
        now=later,
    )


def _workshop_roll_out(world: World, at: datetime) -> Story:
    """The quotation of the pictures: two versions, options, a deposit, expiring in three days."""
    yield at
    title = "Workshop and showroom roll-out"
    first = [
        section("Applications and users, one year"),
        line(world, "point-of-sale", detail="For the showroom till; fiscal journal included."),
        line(world, "quality", detail="Checks and alerts on manufacturing orders."),
        line(world, "users", "3", name="Additional users", detail="Named users of the database atelier-fontaine."),
        section("Services"),
        line(
            world, "consulting-day", "4", name="Workshop mapping and configuration", detail="Routings and work centres."
        ),
        line(
            world, "training", "3", name="Training on site in Lyon", detail="Half-day session for up to eight people."
        ),
    ]
    policy: dict[str, Any] = {
        "payment_policy": "deposit",
        "deposit_percent": Decimal(30),
        "invoice_policy": "on_delivery",
        "signature_required": True,
        "intro": "Everything needed to run production and the showroom on one stock, live before the February trade fair.",
    }
    about = {"subscription": world.subscription("atelier-fontaine"), "kind": "upsell"}
    quotation = offer(world, world.fontaine, title, first, at, valid_days=21, about=about, **policy)
    version = quotation.current
    assert version is not None
    send.record_view(version=version, by=world.camille, ip="192.0.2.10", user_agent="demo", now=at + timedelta(hours=5))
    later = yield at + timedelta(days=4)
    decide.ask_for_changes(
        quotation=quotation,
        by=world.member(world.camille),
        version=1,
        message="We now have a fourth person in the showroom, and our articles still live in two spreadsheets. Can you "
        "include the migration and keep the total near €8,000?",
        wishes={4: ("quantity", Decimal(4), "")},
        now=later,
    )
    answered = yield at + timedelta(days=7)
    draft.new_version(quotation=quotation, by=world.hanna, now=answered)
    second = [
        section("Applications and users, one year"),
        line(world, "point-of-sale", key=2, detail="For the showroom till; fiscal journal included."),
        line(world, "quality", key=3, detail="Checks and alerts on manufacturing orders."),
        line(
            world,
            "users",
            "4",
            key=4,
            name="Additional users",
            detail="Named users of the database atelier-fontaine.",
            discount_percent=Decimal(10),
            quantity_min=Decimal(1),
            quantity_max=Decimal(10),
        ),
        section("Services"),
        line(
            world,
            "consulting-day",
            "3",
            key=6,
            name="Workshop mapping and configuration",
            detail="Routings, work centres and bills of materials.",
            discount_percent=Decimal(5),
        ),
        line(
            world,
            "consulting-day",
            "1.5",
            name="Data migration from spreadsheets",
            detail="Up to 2,500 articles and 400 suppliers.",
        ),
        line(
            world,
            "training",
            "2",
            key=7,
            name="Training on site in Lyon",
            detail="Half-day session for up to eight people.",
        ),
        line(world, "handbook", "5", detail="Spiral-bound, one per work centre."),
        section("Options"),
        line(world, "label-printer", optional=True, detail="For the packing bench."),
        line(world, "go-live", optional=True, selected=False, detail="Answers within one working hour."),
        line(
            world,
            "training",
            name="Second training session",
            optional=True,
            selected=False,
            detail="For new colleagues, within six months.",
        ),
        draft.LineDraft("allowance", "Returning customer discount", unit_price=Decimal(150), vat_rate=Decimal(20)),
    ]
    note = "Migration added, mapping shortened, a fourth user at a better price."
    write(
        world, world.fontaine, title, second, answered, valid_days=14, quotation=quotation, change_note=note, **policy
    )
    send.send_quotation(quotation=quotation, by=world.hanna, now=answered)
    thread = Thread.on(quotation, now=answered)
    thread.say(
        "Version 2 has the migration and a fourth user. Your file is tidy, so three days of mapping are enough. The label "
        "printer is there as an option.",
        by=world.hanna,
        now=answered + timedelta(minutes=5),
    )
    later = yield answered + timedelta(days=8)
    thread.say("Looks right to me. Camille signs on Tuesday.", by=world.julien, now=later)


def _boutique_renewal(world: World, at: datetime) -> Story:
    """A monthly subscription that renews soon, with its renewal quotation."""
    yield at
    offer(
        world,
        world.fontaine,
        "Renewal of fontaine-boutique",
        [line(world, "plan-starter", price="45"), line(world, "users", "2", price="17")],
        at,
        valid_days=20,
        about={
            "subscription": world.subscription("fontaine-boutique"),
            "kind": "renewal",
            "origin": "renewal",
            "term_months": 1,
            "renews_from": world.subscription("fontaine-boutique").period_end,
        },
    )


def _lindner_offer(world: World, at: datetime) -> Story:
    yield at
    offer(world, world.lindner, "Shop till for two branches", [line(world, "point-of-sale", "2")], at)


def _fjord_offer(world: World, at: datetime) -> Story:
    yield at
    lines = [line(world, "helpdesk", currency="NOK"), line(world, "consulting-day", "3", currency="NOK")]
    offer(world, world.fjord, "Helpdesk for the harbour office", lines, at)


def _draft(world: World, at: datetime) -> Story:
    yield at
    write(world, world.fontaine, "Quality checks, draft", [line(world, "quality")], at)


def _databases(world: World, at: datetime) -> Story:
    """Databases older than the portal, one in each state."""
    yield at
    state = Subscription.State
    monthly = [("plan-starter", "1"), ("users", "2")]
    yearly = [("plan-starter", "1"), ("users", "3")]
    days_in = (world.now.date() - next_period_start(world.now)).days
    open_database(
        world, world.fontaine, "fontaine-boutique", monthly, term=1, start_days_ago=days_in, state=state.ACTIVE
    )
    open_database(world, world.fontaine, "fontaine-lab", yearly, term=12, start_days_ago=3, state=state.PENDING)
    open_database(world, world.lindner, "lindner-lager", yearly, term=12, start_days_ago=374, state=state.PAST_DUE)
    open_database(world, world.lindner, "lindner-filiale", yearly, term=12, start_days_ago=390, state=state.SUSPENDED)
    open_database(world, world.fjord, "fjord-training", yearly, term=12, start_days_ago=120, state=state.PAUSED)
    open_database(world, world.fjord, "fjord-archive", yearly, term=12, start_days_ago=395, state=state.ENDED)


def next_period_start(now: datetime) -> Any:
    """The day of the running monthly period that ends twelve days from now."""
    end = (now + timedelta(days=12)).date()
    month = end.month - 1 or 12
    return end.replace(year=end.year - (end.month == 1), month=month, day=min(end.day, 28))


_STORIES = (
    (380, _first_training),
    (346, _databases),
    (300, _fjord),
    (265, _atelier_database),
    (210, _bakery),
    (160, _boutique_theme),
    (95, _workshop_deposit),
    (75, _credited),
    (48, _disputed),
    (45, _cancelled),
    (42, _overdue),
    (38, _expired),
    (34, _withdrawn),
    (30, _rejected),
    (18, _workshop_roll_out),
    (12, _lindner_offer),
    (10, _fontaine_confirmed),
    (9, _in_payment),
    (8, _boutique_renewal),
    (6, _fjord_offer),
    (5, _awaiting_payment),
    (3, _not_paid),
    (2, _changes_requested),
    (1, _draft),
)
