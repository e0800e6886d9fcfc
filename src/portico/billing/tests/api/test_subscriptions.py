"""Subscriptions by the API."""

from decimal import Decimal

from portico.accounts.models import Membership
from portico.billing.actions.change import request_change
from portico.billing.models import Product, Quotation, Subscription, SubscriptionItem
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World


def test_a_subscription_tells_what_it_holds(world: World) -> None:
    erp = Caller(world)
    told = erp.get("/subscriptions/atelier-fontaine").json()
    items = SubscriptionItem.objects.filter(subscription__database__name="atelier-fontaine").order_by("id")
    assert [item["product"] for item in told["items"]] == [item.product.code for item in items]
    assert told["period_end"] == world.subscription("atelier-fontaine").period_end.isoformat()  # type: ignore[union-attr]
    problem(erp.get("/subscriptions/nothing"), 404, "missing")


def test_the_list_is_filtered(world: World) -> None:
    erp = Caller(world)
    for query, wanted in (
        (f"customer_id={world.lindner.pk}", Subscription.objects.filter(customer=world.lindner)),
        ("status=active", Subscription.objects.filter(state="active")),
        ("renews_before=2027-01-01", Subscription.objects.filter(period_end__lt="2027-01-01")),
    ):
        rows = erp.get(f"/subscriptions?limit=100&{query}").json()["data"]
        assert [row["database"] for row in rows] == list(wanted.order_by("id").values_list("database__name", flat=True))
        assert rows


def test_the_preview_is_what_the_quotation_costs_and_writes_nothing(world: World) -> None:
    erp = Caller(world)
    before = Quotation.objects.count(), SubscriptionItem.objects.count()
    shown = erp.get("/subscriptions/atelier-fontaine/preview?set=users:15").json()
    assert (Quotation.objects.count(), SubscriptionItem.objects.count()) == before
    assert [(step["product"], step["added"], step["after"]) for step in shown["steps"]] == [("users", "5", "15")]
    quotation = request_change(
        subscription=world.subscription("atelier-fontaine"),
        wanted={Product.objects.get(code="users"): Decimal(shown["steps"][0]["after"])},
        seen_minor=shown["today"]["total_minor"],
        by=Membership.objects.select_related("customer__seller", "user").get(user=world.camille),
        now=world.now,
    )
    assert quotation is not None
    assert quotation.current is not None
    assert quotation.current.total_minor == shown["today"]["total_minor"]


def test_what_cannot_be_previewed(world: World) -> None:
    erp = Caller(world)
    where = "/subscriptions/atelier-fontaine/preview"
    for query in ("", "?set=users", "?set=users:x", "?set=users:-1", "?set=nothing:1", "?set=users:1.5"):
        problem(erp.get(f"{where}{query}"), 422, "invalid")
    Subscription.objects.filter(database__name="atelier-fontaine").update(state="suspended")
    problem(erp.get(f"{where}?set=users:15"), 409, "conflict")
