"""The access matrix: every address × everybody, GET and POST. Who may open what is declared at the view and held to here.

An address without a declared policy fails; so does one that the matrix cannot fill with a document, so that a new page cannot
slip by unseen.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from portico.accounts import api_keys
from portico.accounts.access import Access
from portico.accounts.models import ApiKey, Customer, IdentityRequest, Membership, User
from portico.billing.actions import archive, hooks
from portico.billing.actions.archive import ask_year
from portico.billing.actions.dunning import pause_dunning
from portico.billing.actions.pay import book_transfer, start_payment
from portico.billing.models import (
    Archive,
    Coupon,
    Enrolment,
    ExchangeRate,
    ImportJob,
    Invoice,
    NumberSeries,
    Order,
    Payment,
    Product,
    Quotation,
    QuotationTemplate,
    Refund,
    RenewalRun,
    VatRate,
)
from portico.billing.tests.attempts import saved_by
from portico.billing.tests.banks import credit, statement
from portico.cast import World
from portico.conversation.models import Attachment, Thread
from portico.kit import files
from portico.kit.models import Letter, WebhookDelivery
from portico.privacy.actions import record_erasure

THIRD_PARTY = {
    "account_login": "anybody",
    "account_logout": "anybody",
    "account_inactive": "anybody",
    "account_reset_password": "anybody",
    "account_reset_password_done": "anybody",
    "account_reset_password_from_key": "anybody with the key of a mail",
    "account_reset_password_from_key_done": "anybody",
    "account_change_password": "whoever is signed in",
    "account_reauthenticate": "whoever is signed in",
}
"""Addresses of django-allauth, which carry no declaration of ours."""


PERSONAL = {"my:privacy.download"} | {
    f"{face}:downloads.{verb}" for face in ("my", "staff") for verb in ("detail", "file", "retry", "delete")
}
"""Addresses with a key of one person, which are missing for everybody else whatever the role."""


@dataclass(frozen=True)
class Route:
    """One address pattern of the whole portal."""

    pattern: str
    name: str
    view: Any
    parameters: tuple[str, ...]

    @property
    def access(self) -> Access | None:
        return getattr(self.view, "access", None)

    @property
    def noun(self) -> str:
        return self.name.split(":")[-1].split(".")[0]


def walk(patterns: list[Any], prefix: str = "", namespace: str = "") -> Iterator[Route]:
    for found in patterns:
        where = prefix + str(found.pattern)
        if isinstance(found, URLResolver):
            inner = f"{namespace}{found.namespace}:" if found.namespace else namespace
            yield from walk(found.url_patterns, where, inner)
        elif isinstance(found, URLPattern):
            yield Route(where, namespace + (found.name or ""), found.callback, tuple(found.pattern.converters))


ROUTES = list(walk(get_resolver().url_patterns))
DECLARED = [route for route in ROUTES if route.access is not None]


def test_every_address_declares_who_may_open_it() -> None:
    undeclared = [route.pattern for route in ROUTES if route.access is None and route.name not in THIRD_PARTY]
    assert undeclared == []
    assert len(DECLARED) > 20
    assert set(THIRD_PARTY) == {route.name for route in ROUTES if route.access is None}, (
        "the table names what is not there"
    )


# Everybody -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Visitor:
    """Somebody at the door."""

    name: str
    client: Client
    roles: frozenset[str] = frozenset()
    staff_role: str = ""
    customer: Customer | None = None


@pytest.fixture
def visitors(world: World, client_for: Callable[..., Client]) -> list[Visitor]:
    """Nobody; one person of each role at Fontaine; Lindner's owner; a login without a company; the seller's people."""
    people = [Visitor("nobody", Client())]
    for role in ("owner", "approver", "billing", "viewer"):
        user = User.objects.create_user(f"{role}@fontaine.example", name=role.title())
        user.switch_to(Membership.objects.create(user=user, customer=world.fontaine, **{f"is_{role}": True}))
        people.append(Visitor(role, client_for(user), frozenset({role}), customer=world.fontaine))
    people.append(Visitor("another's owner", client_for(world.lena), frozenset({"owner"}), customer=world.lindner))
    people.append(Visitor("no company", client_for(User.objects.create_user("lost@nowhere.example", name="Lost"))))
    for user in (world.hanna, world.omar, world.admin):
        people.append(Visitor(user.staff_role, client_for(user), staff_role=user.staff_role))
    return people


# Addresses with real documents -------------------------------------------------------------------------------------------


def keys(world: World) -> dict[tuple[str, str], Any]:
    """What fills an address, by noun and parameter: documents of Fontaine, and things that belong to no customer."""
    sent = Quotation.objects.filter(customer=world.fontaine, current__state="sent").latest("id")
    order = Order.objects.filter(customer=world.fontaine, state="confirmed").latest("id")
    asked = Order.objects.filter(customer=world.fontaine, payment_requests__state="open").latest("id")
    papers = Invoice.objects.filter(customer=world.fontaine, state="issued")
    with transaction.atomic():
        message = Thread.on(sent, now=world.now).say(
            "See the list.", by=world.camille, now=world.now, files=[("list.txt", files.store(b"one", "text/plain"))]
        )
    payment = Payment.objects.filter(customer=world.fontaine).latest("created_at")
    payer = Membership.objects.get(user=world.julien, customer=world.fontaine)
    transfer = start_payment(
        by=payer, provider="bank_transfer", invoices=[world.invoice("Go-live support, day 1")], now=world.now
    )
    asked_to_erase = record_erasure(
        seller=world.seller,
        email=world.julien.email,
        channel="mail",
        received_on=world.now.date(),
        by=world.admin,
        now=world.now,
    )
    movement = statement(world, credit(100, "Somebody"), open_columns=True).rows.get()
    found: dict[tuple[str, str], Any] = {
        ("quotations", "number"): sent.number,
        ("quotations", "at"): 1,
        ("quotations.certificate", "number"): world.quotation("Manufacturing set-up").number,
        ("orders", "number"): order.number,
        ("orders.payment_request", "number"): asked.number,
        ("invoices", "number"): papers.exclude(kind="credit_note").latest("id").number,
        ("credit_notes", "number"): papers.filter(kind="credit_note").latest("id").number,
        ("payments.qr", "key"): transfer.pk,
        ("payment_methods", "key"): saved_by(payer, now=world.now).pk,
        ("payment_methods.saving", "key"): Enrolment.objects.create(
            customer=world.fontaine, provider="sandbox", key="save-1", consent="Yes", created_at=world.now
        ).pk,
        ("subscriptions", "database"): "atelier-fontaine",
        ("attachments", "number"): Attachment.objects.get(message=message).pk,
        ("customers", "number"): world.fontaine.pk,
        ("members", "customer"): world.fontaine.pk,
        ("privacy", "number"): asked_to_erase.pk,
        ("privacy", "token"): "somebody-else-s",
        ("members", "number"): payer.pk,
        ("access", "number"): payer.pk,
        ("letters", "number"): sent_letter(world).pk,
        ("api_keys", "number"): key_of_the_erp(world).pk,
        ("webhooks", "number"): webhook_message(world).endpoint_id,
        ("deliveries", "number"): WebhookDelivery.objects.latest("id").webhook_id,
        ("refunds", "key"): refund_of(world).pk,
        ("downloads", "key"): "somebody-else-s",
        ("archives", "key"): archive_of(world).key,
        ("bank", "number"): movement.pk,
        ("bank", "key"): movement.bank_file_id,
        ("identity_requests", "number"): IdentityRequest.objects.create(
            customer=world.fontaine,
            legal_name="Fontaine SA",
            old_legal_name="Atelier Fontaine SARL",
            reason="Merged.",
            asked_at=world.now,
        ).pk,
        ("import_jobs", "number"): ImportJob.objects.create(seller=world.seller, sent_at=world.now).pk,
        ("renewals", "number"): RenewalRun.objects.create(
            seller=world.seller, kind="real", day=world.now.date(), started_at=world.now, finished_at=world.now
        ).pk,
        ("dunning", "number"): pause_dunning(
            customer=world.fontaine, invoice=None, reason="They moved.", until=None, by=world.omar, now=world.now
        ).pk,
    }
    found |= rows_of_the_admin(world)
    for noun in ("payments", "sandbox"):
        for parameter in ("key", "number", "payment", "id"):
            found[noun, parameter] = payment.pk
    return found


def archive_of(world: World) -> Archive:
    """The archive of this year, made and ready."""
    made = ask_year(seller=world.seller, by=world.omar, year=world.now.year, now=world.now)
    while archive.go_on(world.now):
        pass
    return made


def key_of_the_erp(world: World) -> ApiKey:
    """A key of the API."""
    made, _secret = api_keys.create(
        seller=world.seller, name="ERP", scopes=["customers:read"], per_minute=60, by=world.admin, now=world.now
    )
    return made


def rows_of_the_admin(world: World) -> dict[tuple[str, str], Any]:
    """What fills an address of the admin, which Django calls `admin:<app>_<model>_<verb>`."""
    template = QuotationTemplate.keep(
        seller=world.seller, name="Yearly", currency="EUR", content={}, by=world.hanna, now=world.now
    )
    rows = [
        Product.objects.filter(seller=world.seller).latest("id"),
        VatRate.objects.filter(seller=world.seller).latest("id"),
        ExchangeRate.objects.create(
            seller=world.seller, currency="NOK", valid_from=world.now.date(), rate=Decimal("11.7345")
        ),
        NumberSeries.objects.filter(seller=world.seller).latest("id"),
        template,
        Coupon.objects.filter(seller=world.seller).latest("id"),
        world.seller,
        world.omar,
    ]
    found: dict[tuple[str, str], Any] = {("app_list", "app_label"): "billing"}
    for row in rows:
        for verb in ("change", "delete", "history"):
            found[f"{row._meta.app_label}_{row._meta.model_name}_{verb}", "object_id"] = row.pk
    return found


def refund_of(world: World) -> Refund:
    """A refund to Fontaine that waits for a second person."""
    payment = book_transfer(
        customer=world.fontaine, amount_minor=500_000, received_on=world.now.date(), payer_name="F", by=world.omar,
        now=world.now,
    )  # fmt: skip
    return Refund.objects.create(
        payment=payment, amount_minor=1, currency="EUR", way="transfer", state="waiting", reason="Too much.",
        asked_at=world.now, asked_by=world.omar, idempotency_key="x",
    )  # fmt: skip


def sent_letter(world: World) -> Letter:
    """A letter to Fontaine that has gone out."""
    letter = Letter.objects.filter(customer=world.fontaine.pk, person=world.camille.pk).latest("id")
    assert letter.take(world.now)
    letter.was_sent(subject="Quotation", text="Hello", html="<p>Hello</p>", attachments=[], now=world.now)
    return letter


def webhook_message(world: World) -> WebhookDelivery:
    """A message to an endpoint."""
    endpoint = hooks.add_endpoint(
        seller=world.seller, url="https://hooks.example/", types=["invoice.paid"], by=world.admin, now=world.now
    )
    return hooks.send_test(endpoint=endpoint, now=world.now)


def fill(route: Route, world: World, known: dict[tuple[str, str], Any]) -> str:
    """The address with documents of Fontaine in it."""
    where = route.pattern
    for parameter in route.parameters:
        assert (route.noun, parameter) in known, f"tell the matrix what <{parameter}> of {route.pattern} is"
        start = where.rindex("<", 0, where.index(f"{parameter}>"))
        key = known.get((route.name.split(":")[-1], parameter), known[route.noun, parameter])
        where = where[:start] + str(key) + where[where.index(">", start) + 1 :]
    return "/" + where


def expected(visitor: Visitor, route: Route, *, about_fontaine: bool) -> str:
    """What must happen: sign in, missing, forbidden or allowed."""
    access = route.access
    assert access is not None
    if access.face == "public":
        return "allowed"
    if visitor.name == "nobody":
        return "sign in"
    if access.face == "member":
        if visitor.staff_role:
            return "missing"
        if visitor.customer is None:
            return "forbidden"
        if access.roles and "owner" not in visitor.roles and not access.roles & visitor.roles:
            return "forbidden"
        return "missing" if about_fontaine and visitor.name == "another's owner" else "allowed"
    assert access.face == "staff", access.face
    if not visitor.staff_role:
        return "missing"
    if access.roles and visitor.staff_role != "admin" and visitor.staff_role not in access.roles:
        return "forbidden"
    return "allowed"


def answer_of(visitor: Visitor, method: str, address: str) -> tuple[str, int]:
    """What happened, and its status; whatever the request wrote is undone."""
    with transaction.atomic():
        response = getattr(visitor.client, method)(address)
        transaction.set_rollback(True)
    status = int(response.status_code)
    if status == 302 and str(response.headers["Location"]).startswith("/account/login/"):
        return "sign in", status
    words = {403: "forbidden", 404: "missing", 405: "no such method"}
    return words.get(status, "allowed" if status < 500 else "broken"), status


@pytest.mark.parametrize("face", ["member", "staff"])
def test_every_address_answers_everybody_as_declared(face: str, world: World, visitors: list[Visitor]) -> None:
    known = keys(world)
    faults, asked = [], 0
    for route in DECLARED:
        if route.access is None or route.access.face != face:
            continue
        address = fill(route, world, known)
        for visitor in visitors:
            wanted = expected(visitor, route, about_fontaine=bool(route.parameters))
            inside = expected(visitor, route, about_fontaine=False) == "allowed"
            for method in ("get", "post"):
                asked += 1
                got, status = answer_of(visitor, method, address)
                if route.name in PERSONAL and wanted == "allowed" and got == "missing":
                    continue
                # A page that is not posted to says so to whoever may open pages of its kind, whatever the document.
                if got != wanted and not (got == "no such method" and inside):
                    faults.append(
                        f"{method.upper()} {address} as {visitor.name}: {wanted} wanted, {got} ({status}) got"
                    )
    assert faults == []
    assert asked > 100


def test_another_customers_document_and_one_that_is_not_there_look_the_same(
    world: World, visitors: list[Visitor]
) -> None:
    known = keys(world)
    outsider = next(visitor for visitor in visitors if visitor.name == "another's owner")
    absent: dict[type, Any] = {str: "Q-1999-00001", int: 999_999_999}
    differing = []
    for route in DECLARED:
        if route.access is None or route.access.face != "member" or not route.parameters:
            continue
        foreign = fill(route, world, known)
        nowhere = fill(
            route,
            world,
            {key: absent.get(type(value), "00000000-0000-4000-8000-000000000000") for key, value in known.items()},
        )
        one, other = outsider.client.get(foreign), outsider.client.get(nowhere)
        if one.status_code != other.status_code or told(one, foreign) != told(other, nowhere):
            differing.append(route.pattern)
    assert differing == []


def told(response: Any, address: str) -> str:
    """The page without what every page has of its own: its address and the token of its forms."""
    page = response.content.decode()
    for part in (address, address.rstrip("/").rsplit("/", 1)[0]):
        page = page.replace(part, "")
    return "\n".join(line for line in page.splitlines() if "csrfmiddlewaretoken" not in line)


def test_drafts_do_not_exist_for_customers(world: World, visitors: list[Visitor]) -> None:
    draft = Quotation.objects.get(customer=world.fontaine, current=None)
    owner = next(visitor for visitor in visitors if visitor.name == "owner")
    for route in DECLARED:
        if route.access and route.access.face == "member" and route.noun == "quotations" and route.parameters:
            address = fill(route, world, {("quotations", "number"): draft.number, ("quotations", "at"): 1})
            answers = {answer_of(owner, method, address)[0] for method in ("get", "post")}
            assert "missing" in answers, address
            assert answers <= {"missing", "no such method"}, address


def test_the_doors_that_anybody_may_open(db: None) -> None:
    for route in DECLARED:
        if route.access and route.access.face == "public" and not route.parameters:
            assert Client().get(f"/{route.pattern}").status_code < 500, route.pattern
