"""Products and prices by the API."""

from portico.billing.models import Price, Product
from portico.billing.tests.api.caller import Caller, problem
from portico.cast import World

HELPDESK = {"code": "app-helpdesk", "name": "Helpdesk", "kind": "application", "vat_rate": "20"}


def test_a_product_is_added_and_priced(people: World) -> None:
    erp = Caller(people)
    answer = erp.post("/products", HELPDESK)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/v1/products/app-helpdesk")
    price = {"currency": "EUR", "term_months": 12, "unit_price": "240.5"}
    made = erp.post("/products/app-helpdesk/prices", price)
    assert (made.status_code, made.json()["unit_price"], made.json()["valid_from"]) == (201, "240.5", "2026-11-09")
    again = erp.post("/products/app-helpdesk/prices", price | {"unit_price": "250"})  # nobody has it yet
    assert (again.status_code, again.json()["unit_price"]) == (200, "250")
    later = erp.post("/products/app-helpdesk/prices", price | {"unit_price": "260", "valid_from": "2027-01-01"})
    assert later.status_code == 201
    told = erp.get("/products/app-helpdesk").json()
    assert [(one["valid_from"], one["unit_price"]) for one in told["prices"]] == [
        ("2026-11-09", "250"),
        ("2027-01-01", "260"),
    ]
    assert told["vat_category"] == "S"
    problem(erp.post("/products", HELPDESK), 409, "conflict")


def test_a_price_that_somebody_has_is_followed_not_changed(world: World) -> None:
    erp = Caller(world)
    held = Price.objects.filter(product__code="users", currency="EUR", term_months=12).latest("valid_from")
    assert held.is_used
    same_day = {
        "currency": "EUR", "term_months": 12, "unit_price": "1", "valid_from": held.valid_from.isoformat(),
    }  # fmt: skip
    told = problem(erp.post("/products/users/prices", same_day), 409, "conflict")
    assert told["current"]["code"] == "users"
    held.refresh_from_db()
    assert held.unit_price != 1
    assert erp.post("/products/users/prices", same_day | {"valid_from": "2027-01-01"}).status_code == 201


def test_prices_by_tiers(people: World) -> None:
    erp = Caller(people)
    erp.post("/products", HELPDESK | {"kind": "users", "code": "seats"})
    tiers = [{"up_to": "10", "unit_price": "20"}, {"up_to": None, "unit_price": "15.25"}]
    price = {"currency": "EUR", "term_months": 1, "model": "graduated", "tiers": tiers}
    told = erp.post("/products/seats/prices", price).json()
    assert (told["unit_price"], told["tiers"]) == ("20", tiers)
    for wrong in (
        price | {"tiers": []},
        price | {"tiers": tiers[:1]},
        price | {"tiers": tiers[::-1]},
        price | {"model": "per_unit"},
        {"currency": "EUR", "term_months": 1},
        {"currency": "EUR", "term_months": 1, "unit_price": 20},
        {"currency": "EUR", "term_months": 1, "unit_price": "-1"},
        {"currency": "EUR", "term_months": 1, "unit_price": "1.00001"},
        {"currency": "EUR", "term_months": 1, "unit_price": "1000000001"},
    ):
        problem(erp.post("/products/seats/prices", wrong), 422, "invalid")


def test_a_product_is_taken_off_sale(people: World) -> None:
    erp = Caller(people)
    code = Product.objects.filter(seller=people.seller, is_active=True).earliest("id").code
    assert erp.patch(f"/products/{code}", {"is_active": False}).json()["is_active"] is False
    assert code not in {row["code"] for row in erp.get("/products?is_active=true&limit=100").json()["data"]}
    problem(erp.patch(f"/products/{code}", {"code": "other"}), 422, "invalid")
    problem(erp.get("/products/nothing"), 404, "missing")
