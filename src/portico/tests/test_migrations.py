"""The migrations make the very tables that the models describe, on the engine of this run.

The other tests get their tables from the models directly; this one is why they may.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.apps import apps
from django.db import connection

PRINT_TABLES = """
import json, django
django.setup()
from django.core.management import call_command
from portico.tests.test_migrations import tables
call_command("migrate", verbosity=0)
print(json.dumps(tables(), sort_keys=True))
"""


def tables() -> dict[str, Any]:
    """Every table of ours with its columns and rules; names and order, in which they may differ, are left out."""
    found: dict[str, Any] = {}
    ours = {model._meta.db_table for model in apps.get_models() if model.__module__.startswith("portico.")}
    with connection.cursor() as cursor:
        for table in sorted(ours):
            columns = connection.introspection.get_table_description(cursor, table)
            rules = connection.introspection.get_constraints(cursor, table)
            found[table] = {
                "columns": sorted([column.name, str(column.type_code), bool(column.null_ok)] for column in columns),
                "rules": sorted(
                    json.dumps([name if rule["check"] else "", rule["columns"], rule["unique"], rule["primary_key"],
                                rule["foreign_key"], rule["check"], rule["index"]])
                    for name, rule in rules.items()
                    if not name.startswith("__unnamed")
                ),
            }  # fmt: skip
    return found


@pytest.fixture
def empty_database(db: None, tmp_path: Path) -> Iterator[str]:
    """The address of a new, empty database on the engine of this run."""
    if connection.vendor == "sqlite":
        yield f"sqlite://{tmp_path}/migrated.sqlite3"
        return
    import psycopg

    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"{connection.settings_dict['NAME']}_migrated"
    with psycopg.connect(urlunsplit(url._replace(path="/postgres")), autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
        yield urlunsplit(url._replace(path=f"/{name}"))
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_the_migrations_make_what_the_models_describe(empty_database: str) -> None:
    environment = os.environ | {"DATABASE_URL": empty_database, "PORTICO_RUN": "embedded"}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_TABLES], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == tables()
