"""The shared cast: one small world, used by the demo and by the tests alike (CONTRACT.md, "Demo world").

Everything is made by the product's own stories, in the order of time, so that numbers, chains, evidence and history are
real. `build_world(now)` fills an empty database around `now`; the people's password is `PASSWORD`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from portico.accounts.models import Customer, Membership, Seller, User
from portico.billing.actions import bill, order as orders, pay, sell
from portico.billing.models import Database, Invoice, Order, Price, Product, Quotation, Subscription
from portico.conversation.models import Thread
from portico.kit.periods import next_period_end, today

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
        assert found is not None, f"no quotation called {title!r}"  # noqa: S101
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


def build_world(now: datetime) -> World:
    """Fill an empty database with the cast around `now` (UTC)."""
    world = _companies(now)
    _people(world)
    _catalogue(world)
    for days, story in sorted(_STORIES, key=lambda pair: -pair[0]):
        story(world, world.ago(days))
    return world


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


def fill_demo() -> list[tuple[str, str, str]]:
    """Fill the demo's empty database around today; returns e-mail, role and password of each person."""
    build_world(timezone.now())
    return [(email, role, PASSWORD) for email, role in PEOPLE]


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
        iban="FR7630006000011234567890189",
        bic="AGRIFRPP",
    )
    created = now - timedelta(days=400)
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


# Parts of stories -----------------------------------------------------------------------------------------------------


def line(world: World, code: str, quantity: str = "1", price: str = "", **changes: Any) -> sell.LineDraft:
    """A line for a product of the catalogue; the price is its yearly or single one unless given."""
    product = world.products[code]
    if not price:
        listed = {p.term_months: p.unit_price for p in product.prices.filter(currency=changes.pop("currency", "EUR"))}
        unit_price = listed.get(12, listed.get(0, Decimal(0)))
    else:
        unit_price = Decimal(price)
    values: dict[str, Any] = {"kind": "line", "name": product.name, "product_id": product.pk, "unit": product.unit}
    return sell.LineDraft(**values | {"quantity": Decimal(quantity), "unit_price": unit_price} | changes)


def section(name: str) -> sell.LineDraft:
    """A section heading."""
    return sell.LineDraft("section", name)


def write(
    world: World,
    customer: Customer,
    title: str,
    lines: Iterable[sell.LineDraft],
    at: datetime,
    *,
    valid_days: int = 30,
    quotation: Quotation | None = None,
    about: Mapping[str, Any] | None = None,
    **policy: Any,
) -> Quotation:
    """A draft by Hanna: the first version of a new quotation, or the draft that `quotation` has open."""
    if quotation is None:
        quotation = sell.draft_quotation(
            seller=world.seller, customer=customer, by=world.hanna, now=at, contact=world_contact(world, customer), **about or {}
        )
    version = quotation.draft_version
    assert version is not None  # noqa: S101
    fields = {
        "title": title,
        "valid_until": today(at, world.seller.zone) + timedelta(days=valid_days),
        "terms": TERMS,
        "terms_version": "2026-01",
        "invoice_policy": "at_acceptance",
        "payment_policy": "none",
    } | policy
    sell.save_draft(version=version, revision=version.revision, fields=fields, lines=list(lines), now=at)
    return quotation


def world_contact(world: World, customer: Customer) -> User:
    """The owner of a customer."""
    return {world.fontaine.pk: world.camille, world.lindner.pk: world.lena, world.fjord.pk: world.ingrid}[customer.pk]


def offer(world: World, customer: Customer, title: str, lines: Iterable[sell.LineDraft], at: datetime, **more: Any) -> Quotation:
    """A quotation that was sent at `at`."""
    quotation = write(world, customer, title, lines, at, **more)
    sell.send_quotation(quotation=quotation, by=world.hanna, now=at)
    quotation.refresh_from_db()
    return quotation


def accept(world: World, quotation: Quotation, at: datetime, *, po_number: str = "") -> Order:
    """The owner accepts what is offered, as offered."""
    by = world.member(world_contact(world, quotation.customer))
    version = quotation.current
    assert version is not None  # noqa: S101
    sell.record_view(version=version, by=by.user, ip="192.0.2.10", user_agent="demo", now=at - timedelta(minutes=9))
    done = sell.accept_quotation(
        quotation=quotation,
        by=by,
        version=version.version,
        choices={},
        seen_total_minor=version.total_minor,
        consent=True,
        signature=sell.Signature(by.user.name, by.user.title, "typed", by.user.name),
        po_number=po_number,
        origin=sell.Origin("192.0.2.10", "demo", "password"),
        now=at,
    )
    assert done.order is not None  # noqa: S101
    return done.order


def sold(world: World, customer: Customer, title: str, lines: Iterable[sell.LineDraft], at: datetime, **more: Any) -> Order:
    """Offered and accepted three days later."""
    quotation = offer(world, customer, title, lines, at - timedelta(days=3), **more)
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
    world: World, customer: Customer, name: str, codes: Iterable[tuple[str, str]], *, term: int, start_days_ago: int, state: str
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
            subscription.save(update_fields=["state"])
    for code, quantity in codes:
        product = world.products[code]
        price = product.prices.get(currency=customer.currency, term_months=term)
        subscription.add(product, Decimal(quantity), price.unit_price, Decimal(0), start)
    return subscription
