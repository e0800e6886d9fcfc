"""Numbers under a crowd: 1..N without a gap or a double, on both engines, with a control that fails (SAFETY 2, row 23)."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Barrier

import pytest
from django.db import connection, models, transaction

from portico.accounts.models import Seller
from portico.billing.models import NumberSeries
from portico.billing.models.number import GENESIS

DAY = date(2026, 11, 9)


def a_seller() -> Seller:
    return Seller.objects.create(legal_name="S", short_name="S", country="FR", support_email="a@b.example")


def crowd(work: Callable[[int], str], times: int = 60) -> list[str]:
    """Run `work` in eight threads, each with its own connection."""

    def once(turn: int) -> str:
        try:
            return work(turn)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(once, range(times)))


@pytest.mark.django_db(transaction=True)
def test_parallel_numbers_of_two_series_have_no_gap_and_no_double() -> None:
    seller = a_seller()

    def take(turn: int) -> str:
        series = ("INV", "CN")[turn % 2]
        with transaction.atomic():
            return NumberSeries.take(seller, series, DAY).number

    numbers = crowd(take)
    for series in ("INV", "CN"):
        expected = [f"{series}-2026-{number:05d}" for number in range(1, 31)]
        assert sorted(number for number in numbers if number.startswith(series)) == expected


@pytest.mark.django_db(transaction=True)
def test_who_begins_a_year_at_the_same_moment_gets_a_number_of_their_own() -> None:
    """On PostgreSQL all find no counter and all but one fail to make it; each must then wait for the one before."""
    seller, together = a_seller(), Barrier(8)

    def take(_turn: int) -> str:
        together.wait(30)
        with transaction.atomic():
            number = NumberSeries.take(seller, "SO", DAY).number
            time.sleep(0.02)  # the others arrive while nothing is committed
        return number

    assert sorted(crowd(take, times=8)) == [f"SO-2026-{number:05d}" for number in range(1, 9)]


@pytest.mark.django_db(transaction=True)
def test_the_control_without_a_lock_does_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a transaction nothing is locked: the same crowd then takes numbers twice."""
    seller = a_seller()
    NumberSeries.objects.create(seller=seller, series="INV", year=2026)
    monkeypatch.setattr(models.QuerySet, "select_for_update", lambda self, **_options: self)

    def take(_turn: int) -> str:
        row = NumberSeries.objects.filter(seller=seller, series="INV").get()
        row.last_number += 1
        row.save(update_fields=["last_number"])
        return str(row.last_number)

    numbers = crowd(take, 200)
    assert len(set(numbers)) < len(numbers)


@pytest.mark.django_db(transaction=True)
def test_a_number_needs_a_transaction_that_uses_it() -> None:
    with pytest.raises(AssertionError):
        NumberSeries.take(a_seller(), "INV", DAY)


@pytest.mark.django_db
def test_what_is_rolled_back_gives_its_number_back() -> None:
    seller = a_seller()
    with transaction.atomic():
        assert NumberSeries.take(seller, "INV", DAY).number == "INV-2026-00001"
        transaction.set_rollback(True)
    assert NumberSeries.take(seller, "INV", DAY).number == "INV-2026-00001"


@pytest.mark.django_db
def test_a_date_is_never_before_its_predecessor_and_a_begun_year_is_never_left() -> None:
    seller = a_seller()
    assert NumberSeries.take(seller, "INV", date(2026, 12, 31)).number == "INV-2026-00001"
    taken = NumberSeries.take(seller, "INV", date(2026, 12, 30))
    assert (taken.number, taken.issued_on) == ("INV-2026-00002", date(2026, 12, 31))
    assert NumberSeries.take(seller, "INV", date(2027, 1, 1)).number == "INV-2027-00001"
    late = NumberSeries.take(seller, "INV", date(2026, 12, 31))
    assert (late.number, late.issued_on) == ("INV-2027-00002", date(2027, 1, 1))


@pytest.mark.django_db
def test_the_chain_runs_on_over_new_year() -> None:
    seller = a_seller()
    counter = NumberSeries.locked(seller, "INV", date(2026, 12, 31))
    assert counter.next(date(2026, 12, 31)).previous_hash == GENESIS
    counter.last_hash = "ab" * 32
    counter.save()
    assert NumberSeries.take(seller, "INV", date(2027, 1, 1)).previous_hash == "ab" * 32


@pytest.mark.django_db
def test_a_year_that_begins_at_another_number_still_chains_to_the_year_before() -> None:
    seller = a_seller()
    counter = NumberSeries.locked(seller, "INV", date(2026, 12, 31))
    counter.next(date(2026, 12, 31))
    counter.last_hash = "ab" * 32
    counter.save()
    assert NumberSeries.begin_at(seller, "INV", 2027, 501)
    taken = NumberSeries.take(seller, "INV", date(2027, 1, 1))
    assert (taken.number, taken.previous_hash) == ("INV-2027-00501", "ab" * 32)
    assert not NumberSeries.begin_at(seller, "INV", 2026, 900), "a year that is over is not begun anew"
