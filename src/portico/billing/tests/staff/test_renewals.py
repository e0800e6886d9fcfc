"""The runs of renewals through their pages: begun, watched, rehearsed, and what failed is taken up again."""

from collections.abc import Callable

import pytest
from django.test import Client

from portico.billing import jobs
from portico.billing.models import Invoice, RenewalRun, Subscription
from portico.billing.tests.actions.test_renew import renewing
from portico.billing.tests.my.pages import form_of, queries_of, rows_of, text_of
from portico.cast import World

Browser = Callable[..., Client]
LIST = "/staff/renewals/"


def work(world: World) -> None:
    """The workers, until nothing is left."""
    while jobs.renewals(world.now) or jobs.rehearsals(world.now):
        pass


def test_a_rehearsal_is_watched_and_tells_sums_and_reasons(world: World, client_for: Browser) -> None:
    many = renewing(world, 3)
    many[1].items.all().delete()
    client = client_for(world.hanna)
    page = client.get(LIST)
    assert 'data-due="3"' in page.content.decode()
    answer = client.post(f"{LIST}rehearse/", form_of(page, f"{LIST}rehearse/"))
    where = answer["Location"]
    under_way = client.get(where).content.decode()
    assert 'hx-trigger="load delay:2s"' in under_way
    assert 'data-status="running"' in under_way
    invoices = Invoice.objects.count()
    work_once = jobs.rehearsals(world.now)
    assert work_once == 3
    jobs.rehearsals(world.now)
    done = client.get(where)
    told = text_of(done)
    assert "hx-trigger" not in done.content.decode().split("<main")[1].split("</main")[0]
    for words in ("This was a rehearsal", "Would be renewed", "renewing-001", "nothing that could be renewed"):
        assert words in told
    assert "€230.40" in told, "two renewals of 96.00 net with 20 % VAT"
    assert Invoice.objects.count() == invoices


def test_finance_begins_a_run_and_tries_again_what_failed(world: World, client_for: Browser) -> None:
    many = renewing(world, 2)
    ends = many[0].period_end
    many[0].items.update(ended_on=ends)
    client = client_for(world.omar)
    page = client.get(LIST)
    where = client.post(f"{LIST}start/", form_of(page, f"{LIST}start/"))["Location"]
    work(world)
    done = client.get(where)
    assert 'data-status="failures"' in done.content.decode()
    assert "renewing-000" in text_of(done)
    many[0].items.update(ended_on=None)
    client.post(f"{where}again/", form_of(done, f"{where}again/"))
    assert not Subscription.objects.exclude(renewal_problem="").exists()
    assert "taken up again" in text_of(client.get(where))
    work(world)
    assert Invoice.objects.filter(period__subscription=many[0]).count() == 1
    assert rows_of(client.get(LIST)) == [
        (str(run.pk), "done" if not run.failed else "failures") for run in RenewalRun.objects.all()
    ]


def test_a_second_run_is_refused_while_one_is_under_way(world: World, client_for: Browser) -> None:
    renewing(world, 1)
    client = client_for(world.admin)
    assert client.post(f"{LIST}start/").status_code == 302
    assert client.post(f"{LIST}start/").status_code == 409
    assert RenewalRun.objects.count() == 1


def test_sales_may_rehearse_but_not_begin(world: World, client_for: Browser) -> None:
    renewing(world, 1)
    page = client_for(world.hanna).get(LIST).content.decode()
    assert f'action="{LIST}rehearse/"' in page
    assert f'action="{LIST}start/"' not in page
    assert client_for(world.hanna).post(f"{LIST}start/").status_code == 403


def test_the_list_is_a_file_too_and_empty_at_first(world: World, client_for: Browser) -> None:
    client = client_for(world.omar)
    assert "No run yet" in text_of(client.get(LIST))
    renewing(world, 1)
    work(world)
    sheet = b"".join(client.get(LIST, {"format": "csv"})).decode()
    assert "115.20 EUR" in sheet
    assert "the clock" in sheet


@pytest.mark.parametrize("count", [1, 12])
def test_few_statements_however_many_runs(world: World, client_for: Browser, count: int) -> None:
    for _ in range(count):
        RenewalRun.objects.create(
            seller=world.seller, kind="real", day=world.now.date(), started_at=world.now, finished_at=world.now
        )
    client = client_for(world.omar)
    assert queries_of(client, LIST) <= 4
    assert queries_of(client, f"{LIST}{RenewalRun.objects.latest('id').pk}/") <= 4
