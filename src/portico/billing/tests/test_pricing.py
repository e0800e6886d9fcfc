"""The one pricing, against an independent implementation in plain integers and against official EN 16931 examples."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.billing.pricing import (
    LineIn,
    Offered,
    Priced,
    VatGroup,
    choose,
    deposit,
    invoice_groups,
    major,
    price,
    remaining_fraction,
    share_minor,
    vat_minor,
)
from portico.kit.errors import Invalid
from portico.kit.money import MOST_MINOR, exponent
from portico.kit.periods import Period


def line(
    quantity: str,
    unit_price: str,
    vat: str = "S20",
    *,
    discount: str = "0",
    kind: str = "line",
    key: int = 0,
    part: Fraction = Fraction(1),
) -> LineIn:
    """`vat`: category and rate, as S5.5, AE0."""
    category = vat.rstrip("0123456789.")
    return LineIn(
        key=key,
        kind=kind,
        quantity=Decimal(quantity),
        unit_price=Decimal(unit_price),
        discount_percent=Decimal(discount),
        vat_category=category,
        vat_rate=Decimal(vat[len(category) :] or 0),
        part=part,
    )


# Official examples -----------------------------------------------------------------------------------------------------
# CEN/TC 434 validation artefacts (ConnectingEurope/eInvoicing-EN16931): lines (quantity, price, VAT, stated net), allowances
# and charges at document level, stated groups, stated BT-106, BT-107, BT-108, BT-109, BT-110, BT-112. Prices for a base
# quantity are written per unit. Not here: huf_example_cii.xml, whose lines and VAT are rounded to whole forints.

EXAMPLES = {
    "ubl-tc434-example1.xml": (
        "EUR",
        [
            ("2", "9.95", "S6", "19.90"),
            ("1", "9.85", "S6", "9.85"),
            ("1", "8.29", "S6", "8.29"),
            ("2", "7.23", "S6", "14.46"),
            ("1", "35.00", "S6", "35.00"),
            ("1", "35.00", "S6", "35.00"),
            ("1", "10.65", "S6", "10.65"),
            ("1", "1.55", "S6", "1.55"),
            ("3", "4.79", "S6", "14.37"),
            ("1", "8.29", "S6", "8.29"),
            ("2", "8.29", "S6", "16.58"),
            ("1", "9.95", "S6", "9.95"),
            ("2", "1.65", "S6", "3.30"),
            ("1", "10.80", "S21", "10.80"),
            ("1", "3.90", "S6", "3.90"),
            ("2", "3.80", "S21", "7.60"),
            ("2", "4.67", "S21", "9.34"),
            ("1", "18.63", "S21", "18.63"),
            ("6", "17.02", "S6", "102.12"),
            ("-6", "18.33", "S6", "-109.98"),  # the file says 6, and this net
        ],
        [],
        [("S21", "46.37", "9.74"), ("S6", "183.23", "10.99")],
        "229.60 0 0 229.60 20.73 250.33",
    ),
    "CII_example2.xml": (
        "NOK",
        [
            ("1", "1273", "S25", "1273"),
            ("-1", "3.96", "S15", "-3.96"),
            ("2", "2.48", "S15", "4.96"),
            ("-1", "25", "E0", "-25"),
            ("250", "0.75", "S25", "187.50"),
        ],
        [("allowance", "100", "S25"), ("charge", "100", "S25")],
        [("E0", "-25", "0"), ("S25", "1460.50", "365.13"), ("S15", "1.00", "0.15")],
        "1436.50 100 100 1436.50 365.28 1801.78",
    ),
    "CII_example3.xml": (
        "DKK",
        [("1", "800", "S25", "800")],
        [("charge", "100", "S25")],
        [("S25", "900", "225")],
        "800 0 100 900 225 1125",
    ),
    "ubl-tc434-example5.xml": (
        "DKK",
        [("1000", "1.00", "S25", "1000"), ("100", "5.00", "S25", "500"), ("500", "5.00", "S12", "2500")],
        [("allowance", "150", "S25"), ("charge", "150", "S25")],
        [("S25", "1500", "375"), ("S12", "2500", "300")],
        "4000 150 150 4000 675 4675",
    ),
    "ubl-tc434-example7.xml": (
        "SEK",
        [("1", "2500.00", "O0", "2500"), ("1", "700.00", "O0", "700")],
        [],
        [("O0", "3200", "0")],
        "3200 0 0 3200 0 3200",
    ),
    "ubl-tc434-example8.xml": (
        "EUR",
        [
            ("16000", "0.00880", "S21", "140.80"),
            ("16000", "0.00101", "S21", "16.16"),
            ("132", "1.27", "S21", "167.64"),
            ("58", "1.53", "S21", "88.74"),
            ("1", "36.75", "S21", "36.75"),
            ("1", "56.50", "S21", "56.50"),
            ("1", "83.34", "S21", "83.34"),
            ("1", "190.31", "S21", "190.31"),
            ("1", "64.21", "S21", "64.21"),
            ("1", "64.46", "S21", "64.46"),
        ],
        [],
        [("S21", "908.91", "190.87")],
        "908.91 0 0 908.91 190.87 1099.78",
    ),
    "sample-discount-price.xml": (
        "EUR",
        [("100.000", "0.1212", "S25", "12.12")],
        [],
        [("S25", "12.12", "3.03")],
        "12.12 0 0 12.12 3.03 15.15",
    ),
    "CII_business_example_02.xml": (
        "EUR",
        [
            ("1.0000", "1.2605", "S19", "1.26"),
            ("1.0000", "1.2605", "S19.00", "1.26"),
            ("1.0000", "7.4790", "S19", "7.48"),
        ],
        [("allowance", "0.00", "S19")],
        [("S19", "10.00", "1.90")],
        "10.00 0 0 10.00 1.90 11.90",
    ),
    "BIS3_Invoice_positive.XML": (
        "DKK",
        [("1", "625743.54", "S25", "625743.54")],
        [],
        [("S25", "625743.54", "156435.89")],
        "625743.54 0 0 625743.54 156435.89 782179.43",
    ),
    "BIS3_Invoice_negativ.XML": (  # half a cent of VAT goes away from zero below it too
        "DKK",
        [("-1", "625743.54", "S25", "-625743.54")],
        [],
        [("S25", "-625743.54", "-156435.89")],
        "-625743.54 0 0 -625743.54 -156435.89 -782179.43",
    ),
    "CII-BR-CO-10-RoundingIssue.xml": (  # sums to exactly nothing, which floating point does not
        "EUR",
        [
            ("1", "720.81", "S19", "720.81"),
            ("1", "0.01", "Z0", "0.01"),
            ("-1", "720.81", "S19", "-720.81"),
            ("-1", "0.01", "Z0", "-0.01"),
        ],
        [],
        [("S19", "0", "0"), ("Z0", "0", "0")],
        "0 0 0 0 0 0",
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_official_examples_have_exactly_the_totals_they_state(name: str) -> None:
    currency, lines, extras, groups, totals = EXAMPLES[name]

    def cents(text: str) -> int:
        return int(Decimal(text) * 100)

    priced = price(
        [line(quantity, unit_price, vat) for quantity, unit_price, vat, _net in lines]
        + [line("1", amount, vat, kind=kind) for kind, amount, vat in extras],
        currency,
    )
    assert [row.net_minor for row in priced.lines[: len(lines)]] == [cents(net) for *_line, net in lines]
    assert [(group.category + str(group.rate), group.base_minor, group.vat_minor) for group in priced.groups] == [
        (vat, cents(base), cents(tax)) for vat, base, tax in groups
    ]
    assert [
        priced.lines_net_minor,
        priced.allowances_minor,
        priced.charges_minor,
        priced.net_minor,
        priced.vat_minor,
        priced.total_minor,
    ] == [cents(total) for total in totals.split()]


# Against integers ------------------------------------------------------------------------------------------------------

CURRENCIES = ["EUR", "JPY", "KWD"]
RATES = ["S20", "S5.5", "S10", "S8.0375", "Z0", "AE0"]


def ten_thousandths(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda n: Decimal(n).scaleb(-4))


lines = st.builds(
    LineIn,
    key=st.integers(1, 99),
    kind=st.sampled_from(["line"] * 6 + ["allowance", "charge", "section", "note"]),
    quantity=ten_thousandths(-(10**7), 10**7) | st.integers(-20, 20).map(Decimal),
    unit_price=ten_thousandths(-(10**8), 10**8) | st.integers(0, 10**6).map(lambda n: Decimal(n).scaleb(-2)),
    discount_percent=st.just(Decimal(0)) | ten_thousandths(0, 10**6),
    vat_category=st.sampled_from(["S", "Z", "AE"]),
    vat_rate=ten_thousandths(0, 30 * 10**4) | st.sampled_from([Decimal(20), Decimal("5.5"), Decimal("20.00")]),
)


def rounded(numerator: int, denominator: int) -> int:
    """Half away from zero in whole numbers."""
    sign = -1 if numerator < 0 else 1
    whole, left = divmod(sign * numerator, denominator)
    return sign * (whole + (left * 2 >= denominator))


@given(st.lists(lines, max_size=12), st.sampled_from(CURRENCIES))
def test_pricing_agrees_with_plain_integers(sale: list[LineIn], currency: str) -> None:
    def whole(value: Decimal) -> int:
        return int(value.scaleb(4))

    scale = {"EUR": 100, "JPY": 1, "KWD": 1000}[currency]
    sums = {"line": 0, "allowance": 0, "charge": 0}
    bases: dict[str, dict[int, int]] = {}
    expected = []
    for row in sale:
        if row.kind not in sums:
            continue
        product = whole(row.quantity) * whole(row.unit_price) * scale
        gross = rounded(product, 10**8)
        net = rounded(product * (10**6 - whole(row.discount_percent)), 10**14)
        expected.append((row.key, row.kind, gross, gross - net, net))
        sums[row.kind] += net
        at = bases.setdefault(row.vat_category, {})
        rate = whole(row.vat_rate)
        at[rate] = at.get(rate, 0) + (net if row.kind != "allowance" else -net)
    groups = [
        (category, rate, base, rounded(base * rate, 10**6))
        for category in sorted(bases)
        for rate, base in sorted(bases[category].items(), reverse=True)
    ]

    priced = price(sale, currency)

    assert [
        (row.key, row.kind, row.gross_minor, row.allowance_minor, row.net_minor) for row in priced.lines
    ] == expected
    assert [(g.category, whole(g.rate), g.base_minor, g.vat_minor) for g in priced.groups] == groups
    assert (priced.lines_net_minor, priced.allowances_minor, priced.charges_minor) == tuple(sums.values())  # BR-CO-10
    assert priced.net_minor == sums["line"] - sums["allowance"] + sums["charge"]  # BR-CO-13
    assert priced.net_minor == sum(base for _category, _rate, base, _vat in groups)
    assert priced.vat_minor == sum(vat for _category, _rate, _base, vat in groups)  # BR-CO-14
    assert priced.total_minor == priced.net_minor + priced.vat_minor  # BR-CO-15


@given(st.lists(lines, max_size=8).flatmap(lambda sale: st.tuples(st.just(sale), st.permutations(sale))))
def test_the_order_of_lines_does_not_matter(orders: tuple[list[LineIn], list[LineIn]]) -> None:
    one, other = orders
    assert price(one, "EUR").groups == price(other, "EUR").groups


def test_a_discount_is_the_difference_of_two_roundings() -> None:
    (row,) = price([line("3", "0.335", discount="10")], "EUR").lines
    assert (row.gross_minor, row.net_minor, row.allowance_minor) == (101, 90, 11)  # 1.005 and 0.9045


def test_vat_is_rounded_per_group_not_per_line() -> None:
    sale = [line("1", "0.03", "S5.5") for _ in range(10)]
    assert price(sale, "EUR").vat_minor == 2  # 0.30 × 5.5 %; per line it would be nothing


def test_sections_and_notes_do_not_count() -> None:
    assert price([line("5", "5", kind="section"), line("5", "5", kind="note")], "EUR") == Priced("EUR", (), (), 0, 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        line("10000001", "1"),
        line("1", "1000000001"),
        line("1", "1", discount="101"),
        line("NaN", "1"),
        line("1", "1", "S100.5"),
        line("10000000", "1000000000"),
    ],
)
def test_what_the_product_does_not_count_is_refused(wrong: LineIn) -> None:
    with pytest.raises(Invalid):
        price([wrong], "EUR")


def test_lines_that_cancel_out_do_not_hide_how_large_they_are() -> None:
    most = str(major(MOST_MINOR, "EUR") / 10**7)
    assert price([line("9999999", most, "Z0")], "EUR").total_minor < MOST_MINOR
    with pytest.raises(Invalid, match="Split"):
        price([line("9999999", most, "Z0"), line("-9999999", most, "Z0")], "EUR")
    with pytest.raises(Invalid, match="Split"):
        price([line("9999999", most, "S20")], "EUR")


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(Invalid, match="currency"):
        price([line("1", "1")], "EURO")


# Deposits and partial invoices -----------------------------------------------------------------------------------------


def test_a_deposit_is_percent_of_each_base_plus_its_vat() -> None:
    order = price([line("1", "1000.05", "S20"), line("1", "333.33", "S5.5"), line("1", "10", "S20")], "EUR")
    paid = deposit(order, Decimal(30))
    assert paid.groups == (
        VatGroup("S", Decimal(20), 30302, 6060),  # 303.015, 60.604
        VatGroup("S", Decimal("5.5"), 10000, 550),  # 99.999
    )
    assert (paid.net_minor, paid.vat_minor, paid.total_minor) == (40302, 6610, 46912)
    assert paid.lines == ()


def test_a_deposit_of_nothing_and_of_everything() -> None:
    order = price([line("1", "1000.05", "S20"), line("1", "333.33", "S5.5")], "EUR")
    assert deposit(order, Decimal(0)).total_minor == 0
    assert deposit(order, Decimal(100)).groups == order.groups
    for wrong in ("-1", "100.0001", "NaN"):
        with pytest.raises(Invalid, match="deposit"):
            deposit(order, Decimal(wrong))


@pytest.mark.parametrize("upto", ["-1", "3.0001"])
def test_a_share_is_never_more_than_all(upto: str) -> None:
    with pytest.raises(ValueError, match="between nothing and all"):
        share_minor(100, Decimal(3), Decimal(upto))


def test_shares_of_a_line_add_up() -> None:
    assert [share_minor(100, Decimal(3), Decimal(upto)) for upto in (0, 1, 2, 3)] == [0, 33, 67, 100]
    assert [share_minor(-100, Decimal(-3), Decimal(upto)) for upto in (0, -1, -2, -3)] == [0, -33, -67, -100]


def schematron_accepts(group: VatGroup, currency: str) -> bool:
    """BR-CO-17, BR-S-09 as the official rules test them: less than one unit from base × rate, rounded to two decimals."""
    unit = 10 ** exponent(currency)
    exact = abs(Fraction(group.base_minor, unit)) * Fraction(group.rate) / 100
    shown = Fraction(int(exact * 100 + Fraction(1, 2)), 100)
    return abs(Fraction(group.vat_minor, unit)) - 1 < shown < abs(Fraction(group.vat_minor, unit)) + 1


Sold = tuple[Decimal, Decimal, str, str, list[Fraction]]
"""Quantity, price, VAT, discount, and how much of it is delivered at some invoices."""

sold = st.tuples(
    ten_thousandths(1, 10**6) | st.integers(1, 50).map(Decimal),
    ten_thousandths(0, 10**7),
    st.sampled_from(["S20", "S20", "S5.5", "S19", "Z0"]),
    st.sampled_from(["0", "0", "12.5"]),
    st.lists(st.fractions(0, 1), max_size=8),
)


@given(st.lists(sold, min_size=1, max_size=5), st.sampled_from(CURRENCIES), st.sampled_from([0, 10, 30, 33, 50, 100]))
def test_the_invoices_of_an_order_add_up_to_it(sales: list[Sold], currency: str, percent: int) -> None:
    inputs = [line(str(q), str(p), vat, discount=discount) for q, p, vat, discount, _steps in sales]
    order = price(inputs, currency)
    issued: list[tuple[VatGroup, ...]] = []
    deposits: tuple[VatGroup, ...] = ()
    if percent:
        deposits = deposit(order, Decimal(percent)).groups
        issued.append(deposits)

    rounds = max(len(steps) for *_line, steps in sales)
    before = [Decimal(0)] * len(inputs)
    for number in range(rounds + 1):
        last = number == rounds
        bases: dict[tuple[str, Decimal], int] = {}
        for index, (row, whole) in enumerate(zip(order.lines, inputs, strict=True)):
            steps = sales[index][4]
            reached = sorted(steps)[min(number, len(steps) - 1)] if steps else Fraction(0)
            upto = whole.quantity if last else Decimal(int(reached * int(whole.quantity.scaleb(4)))).scaleb(-4)
            upto = max(upto, before[index])
            part = share_minor(row.net_minor, whole.quantity, upto) - share_minor(
                row.net_minor, whole.quantity, before[index]
            )
            kept = 1 - Fraction(whole.discount_percent) / 100
            own = Fraction(upto - before[index]) * Fraction(whole.unit_price) * kept * 10 ** exponent(currency)
            assert abs(part - own) <= Fraction(3, 2)
            key = (row.vat_category, row.vat_rate)
            bases[key] = bases.get(key, 0) + part
            before[index] = upto
        if last:
            for group in deposits:  # lines of quantity −1 (DOMAIN 3)
                bases[group.category, group.rate] -= group.base_minor
        earlier = [group for groups in issued for group in groups]
        issued.append(invoice_groups(order.groups, earlier, bases, currency, last=last))

    for whole_group in order.groups:
        mine = [
            group
            for groups in issued
            for group in groups
            if (group.category, group.rate) == (whole_group.category, whole_group.rate)
        ]
        assert sum(group.base_minor for group in mine) == whole_group.base_minor
        assert sum(group.vat_minor for group in mine) == whole_group.vat_minor
    assert all(schematron_accepts(group, currency) for groups in issued for group in groups)
    if percent and rounds == 0:
        (_paid, final) = issued
        for group, paid, whole_group in zip(final, deposits, order.groups, strict=True):
            assert group.vat_minor == whole_group.vat_minor - paid.vat_minor
            assert abs(group.vat_minor - vat_minor(group.base_minor, group.rate)) <= 1


def test_a_hundred_small_invoices_settle_their_roundings_on_the_way() -> None:
    """0.02 × 20 % rounds to nothing every time; by the last invoice 80 cents would be missing at once."""
    order = price([line("200", "0.02", "S20")], "EUR")
    key = ("S", Decimal(20))
    issued: list[VatGroup] = []
    for number in range(200):
        issued += invoice_groups(order.groups, issued, {key: 2}, "EUR", last=number == 199)
    assert sum(group.vat_minor for group in issued) == order.vat_minor == 80
    assert max(group.vat_minor for group in issued) == 50
    assert all(schematron_accepts(group, "EUR") for group in issued)
    assert issued[0].vat_minor == vat_minor(2, Decimal(20)) == 0


def test_yen_are_settled_on_every_invoice() -> None:
    order = price([line("5", "7", "S20")], "JPY")  # 1.4 yen of VAT each, 7 in all
    key = ("S", Decimal(20))
    issued: list[VatGroup] = []
    for number in range(5):
        issued += invoice_groups(order.groups, issued, {key: 7}, "JPY", last=number == 4)
    assert [group.vat_minor for group in issued] == [1, 2, 1, 2, 1]


def test_half_a_yen_is_settled_before_it_can_become_a_whole_one() -> None:
    order = price([line("30", "1", "S5")], "JPY")
    key = ("S", Decimal(5))
    issued: list[VatGroup] = []
    for base in (4, 6, 20):  # 0.2, 0.3, 1.0: left to the end, the last would show 2 on 20
        issued += invoice_groups(order.groups, issued, {key: base}, "JPY", last=base == 20)
    assert [group.vat_minor for group in issued] == [0, 1, 1]
    assert all(schematron_accepts(group, "JPY") for group in issued)


def test_an_invoice_given_back_is_as_if_it_had_not_been() -> None:
    order = price([line("3", "33.33", "S20")], "EUR")
    key = ("S", Decimal(20))
    first = invoice_groups(order.groups, [], {key: 3333}, "EUR", last=False)
    returned = [VatGroup(group.category, group.rate, -group.base_minor, -group.vat_minor) for group in first]
    assert invoice_groups(order.groups, [*first, *returned], {key: 9999}, "EUR", last=True) == order.groups


def test_a_last_invoice_that_leaves_something_is_a_mistake() -> None:
    order = price([line("3", "33.33", "S20")], "EUR")
    for wrong in ({("S", Decimal(20)): 9998}, {}, {("S", Decimal(20)): 9999, ("Z", Decimal(0)): 1}):
        with pytest.raises(ValueError, match="what is left"):
            invoice_groups(order.groups, [], wrong, "EUR", last=True)


def test_a_final_invoice_of_nothing_keeps_its_group() -> None:
    order = price([line("1", "100", "S20")], "EUR")
    paid = deposit(order, Decimal(100)).groups
    final = invoice_groups(order.groups, paid, {("S", Decimal(20)): 0}, "EUR", last=True)
    assert final == (VatGroup("S", Decimal(20), 0, 0),)  # BR-CO-18: at least one VAT breakdown


# What the customer chooses ---------------------------------------------------------------------------------------------


def offered(key: int, quantity: str = "1", **options: object) -> Offered:
    values: dict[str, object] = {"kind": "line", "name": f"Line {key}", "unit_price": Decimal(10)} | options
    return Offered(
        key=key,
        quantity=Decimal(quantity),
        discount_percent=Decimal(0),
        vat_category="S",
        vat_rate=Decimal(20),
        **values,  # type: ignore[arg-type]  # the tests' own options
    )


OFFER = [
    offered(1, "0", kind="section"),
    offered(2, "2"),
    offered(3, "1", optional=True, selected=False),
    offered(4, "5", quantity_min=Decimal(3), quantity_max=Decimal(10)),
    offered(5, "2.5", optional=True, quantity_min=Decimal("0.5"), quantity_max=Decimal(4)),
]


def taken(choices: dict[int, str]) -> dict[int, Decimal]:
    chosen = choose(OFFER, {key: Decimal(quantity) for key, quantity in choices.items()})
    return {row.key: row.quantity for row in chosen}


@pytest.mark.parametrize(
    ("choices", "result"),
    [
        ({}, {1: 0, 2: 2, 4: 5, 5: "2.5"}),
        ({3: "1"}, {1: 0, 2: 2, 3: 1, 4: 5, 5: "2.5"}),
        ({5: "0"}, {1: 0, 2: 2, 4: 5}),
        ({4: "10", 5: "0.5", 3: "0"}, {1: 0, 2: 2, 4: 10, 5: "0.5"}),
        ({2: "2.000", 4: "3"}, {1: 0, 2: 2, 4: 3, 5: "2.5"}),
    ],
)
def test_a_customer_takes_what_is_offered(choices: dict[int, str], result: dict[int, str]) -> None:
    assert taken(choices) == {key: Decimal(quantity) for key, quantity in result.items()}


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({9: "1"}, "not on this quotation"),
        ({2: "0"}, "part of this quotation"),
        ({2: "3"}, "fixed"),
        ({3: "2"}, "fixed"),
        ({4: "0"}, "part of this quotation"),
        ({4: "2"}, "from 3 to 10"),
        ({4: "11"}, "from 3 to 10"),
        ({4: "4.5"}, "whole step"),
        ({4: "-5"}, "from 3 to 10"),
        ({5: "2"}, "whole step"),
        ({5: "0.4999"}, "from 0.5 to 4"),
        ({4: "NaN"}, "cannot be changed"),
        ({4: "sNaN"}, "cannot be changed"),
        ({4: "Infinity"}, "cannot be changed"),
        ({1: "1"}, "cannot be changed"),
    ],
)
def test_a_customer_cannot_take_what_is_not_offered(choices: dict[int, str], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        taken(choices)


def test_nothing_at_all_cannot_be_chosen() -> None:
    with pytest.raises(Invalid, match="at least one line"):
        choose([offered(1, optional=True)], {1: Decimal(0)})
    assert choose([], {}) == []


def test_a_fixed_line_is_in_whatever_its_mark_says() -> None:
    assert [row.key for row in choose([offered(1, selected=False)], {})] == [1]


@given(st.dictionaries(st.sampled_from([1, 2, 3, 4, 5]), st.integers(-2, 24).map(lambda n: Decimal(n) / 2)))
def test_whatever_is_chosen_is_within_the_offer(choices: dict[int, Decimal]) -> None:
    try:
        rows = choose(OFFER, choices)
    except Invalid:
        return
    by_key = {row.key: row.quantity for row in rows}
    assert by_key[2] == 2
    assert by_key.get(3, 1) == 1
    assert by_key[4] in range(3, 11)
    assert by_key.get(5, Decimal("0.5")) in {Decimal(n) / 2 for n in (1, 3, 5, 7)}
    assert all(by_key.get(key, Decimal(0)) == quantity for key, quantity in choices.items())


# What joins in the middle of a period ----------------------------------------------------------------------------------

YEAR = Period(date(2026, 3, 1), date(2027, 3, 1))


def test_what_joins_pays_for_the_days_that_are_left() -> None:
    part = remaining_fraction(YEAR, date(2026, 11, 21))
    assert part == Fraction(100, 365)
    priced = price([line("2", "228", part=part), line("1", "480", "S20", discount="10", part=part)], "EUR")
    assert [row.net_minor for row in priced.lines] == [12493, 11836]  # 124.93 15…, 118.35 61…
    assert priced.lines[1].gross_minor == 13151  # 131.506 8…
    assert priced.vat_minor == 4866


def test_the_whole_period_costs_the_whole_price_and_its_last_day_one_day() -> None:
    assert remaining_fraction(YEAR, YEAR.start) == 1
    assert remaining_fraction(YEAR, date(2027, 2, 28)) == Fraction(1, 365)
    for outside in (YEAR.end, date(2026, 2, 28)):
        with pytest.raises(ValueError, match="inside the period"):
            remaining_fraction(YEAR, outside)


def test_major() -> None:
    assert [str(major(80493, currency)) for currency in CURRENCIES] == ["804.93", "80493", "80.493"]
