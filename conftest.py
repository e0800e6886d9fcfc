"""What every test stands on: which database engine runs, the shared cast, the clock, and clients that are signed in.

Run through `./portico test`, which prepares PostgreSQL and Chromium and runs everything on both engines. For a quick look,
`.venv/bin/pytest src/portico/kit` runs on SQLite alone; PORTICO_TEST_ENGINE=postgresql with a DATABASE_URL runs on that.
"""

import atexit
import copy
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
import hypothesis
import pytest
import time_machine

if TYPE_CHECKING:
    from django.test import Client

    from portico.accounts.models import User
    from portico.cast import World

ENGINE = os.environ.setdefault("PORTICO_TEST_ENGINE", "sqlite")
MEMORY = Path("/dev/shm")  # noqa: S108  # a directory of our own is made inside
DATA = Path(
    tempfile.mkdtemp(prefix="portico-test-", dir=MEMORY if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) else None)
)
atexit.register(shutil.rmtree, DATA, ignore_errors=True)  # also in each of xdist's workers
NOW = datetime(2026, 11, 9, 10, 0, tzinfo=UTC)

if ENGINE == "sqlite":
    os.environ.pop("DATABASE_URL", None)
elif not os.environ.get("DATABASE_URL", "").startswith("postgresql://"):
    raise pytest.UsageError("PORTICO_TEST_ENGINE=postgresql needs a DATABASE_URL; ./portico test makes one.")
# playwright keeps an event loop in the main thread, which our synchronous code never sees
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
os.environ |= {"PORTICO_RUN": "test", "PORTICO_DATA": str(DATA), "DJANGO_SETTINGS_MODULE": "portico.settings"}
for name in [
    name
    for name in os.environ
    if name.startswith("PORTICO_")
    and name
    not in {
        "PORTICO_RUN",
        "PORTICO_DATA",
        "PORTICO_TEST_ENGINE",
        "PORTICO_TEST_REPORT",
        "PORTICO_TEST_HISTORIES",
        "PORTICO_TEST_SEED",
    }
]:
    del os.environ[name]  # what the developer's shell holds must not change what the tests say

django.setup()  # with this environment, before any module of ours is imported

hypothesis.settings.register_profile("dev", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


# Which tests belong to this run --------------------------------------------------------------------------------------


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Each of xdist's workers reads the settings after it has a directory of its own: with the name of the settings in what it
    inherits, Django would read them before, and all would share this process's files."""
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, not skip, what belongs to the other engine; browser stories run on PostgreSQL, as production does."""
    foreign = {"sqlite": ("postgresql", "browser"), "postgresql": ("sqlite",)}[ENGINE]
    chosen = [item for item in items if not any(item.get_closest_marker(name) for name in foreign)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """A skipped test fails the run: what a test needs is installed, or the run says so."""
    if hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    skipped = [report.nodeid for report in reporter.stats.get("skipped", [])]
    if skipped:
        reporter.write_line(f"\nSkipped, which counts as failed: {', '.join(sorted(set(skipped)))}", red=True)
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
    report = os.environ.get("PORTICO_TEST_REPORT")
    if report:
        counts = {name: len(reporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
        Path(report).write_text(json.dumps(counts))


# Time ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def now() -> datetime:
    """The moment of the tests: Monday 9 November 2026, 10:00 UTC (11:00 in Nantes)."""
    return NOW


@pytest.fixture
def clock(now: datetime) -> Iterator[time_machine.Traveller]:
    """Time stands still at `now`; `clock.shift(seconds_or_timedelta)` and `clock.move_to(datetime)` move it."""
    with time_machine.travel(now, tick=False) as coordinates:
        yield coordinates


# People --------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def cheap_passwords(request: pytest.FixtureRequest, settings: Any) -> None:
    """Hashing that costs nothing; ask for the fixture `argon2` where the real one is the point."""
    if "argon2" not in request.fixturenames:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]


@pytest.fixture
def argon2() -> None:
    """Keep the production password hashers in this test."""


Rows = dict[str, tuple[list[str], list[tuple[Any, ...]]]]  # by table: names of columns, rows
_lived: "dict[tuple[str, datetime], tuple[World, Rows]]" = {}


def lived_once(build: "Callable[[datetime], World]", now: datetime) -> "World":
    """The cast by living its stories the first time, by its rows afterwards; each test gets objects of its own."""
    key = build.__name__, now
    if key in _lived:
        put_rows(_lived[key][1])
    else:
        _lived[key] = build(now), rows_of_all_tables()
    return copy.deepcopy(_lived[key][0])


def rows_of_all_tables() -> Rows:
    """Every row that the cast has made, so that the next test gets it by a few INSERTs instead of by living it again."""
    from django.apps import apps
    from django.db import connection

    found: Rows = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if model._meta.app_label not in {"contenttypes", "auth", "procrastinate"} and not model._meta.proxy:
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608  # our names
                columns = [column[0] for column in cursor.description]
                found[model._meta.db_table] = columns, cursor.fetchall()
    return found


def put_rows(rows: Rows) -> None:
    """The rows again; references are checked when the transaction ends."""
    from django.db import connection, transaction

    quote = connection.ops.quote_name
    with transaction.atomic(), connection.cursor() as cursor:
        for table, (columns, values) in rows.items():
            if values:
                names, places = ", ".join(map(quote, columns)), ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO {quote(table)} ({names}) VALUES ({places})", values)  # noqa: S608


@pytest.fixture
def world(db: None, clock: time_machine.Traveller, now: datetime) -> "World":
    """The shared cast of the demo, in the database, at `now`; time stands still (see `clock`)."""
    from portico.cast import build_world

    return lived_once(build_world, now)


@pytest.fixture
def people(db: None, clock: time_machine.Traveller, now: datetime) -> "World":
    """The cast without a document: companies, people, catalogue. Much quicker than `world`."""
    from portico.cast import build_people

    return lived_once(build_people, now)


@pytest.fixture
def client_for() -> "Callable[[User], Client]":
    """`client_for(user)`: a browser in which that person is signed in. CSRF is checked only if asked for: `csrf=True`."""
    from django.test import Client

    def signed_in(user: "User", *, csrf: bool = False) -> "Client":
        client = Client(enforce_csrf_checks=csrf)
        client.force_login(user)
        return client

    return signed_in
