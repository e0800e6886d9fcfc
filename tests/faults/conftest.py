"""What fault tests stand on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: Any) -> Iterator[str]:
    """The address of an empty database of the engine of this run, for programs of their own."""
    if os.environ["PORTICO_TEST_ENGINE"] == "sqlite":
        path: Path = tmp_path_factory.mktemp("database") / "portico.sqlite3"
        yield f"sqlite://{path}"
        return
    server, name = os.environ["DATABASE_URL"], f"shop_{os.getpid()}"
    maintenance = server.replace("/portico?", "/postgres?")
    with psycopg.connect(maintenance, autocommit=True) as wire:
        wire.execute(f"CREATE DATABASE {name}")
    yield server.replace("/portico?", f"/{name}?")
    with psycopg.connect(maintenance, autocommit=True) as wire:
        wire.execute(f"DROP DATABASE {name} WITH (FORCE)")
