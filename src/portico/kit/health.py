"""Whether this process lives, and whether it can do its work."""

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from portico.kit.models import Heartbeat

_migrated = False  # once true, true for the life of the process


def live(request: HttpRequest) -> JsonResponse:
    """`/health/live`: the process answers. Asks nothing else, so that a database outage restarts nobody."""
    return JsonResponse({"status": "live"})


def ready(request: HttpRequest) -> JsonResponse:
    """`/health/ready`: database and migrations must be right (else 503); the worker's pulse is told beside them."""
    try:
        migrations = "ok" if is_migrated() else "pending: ./portico manage migrate"
        worker = pulse() if migrations == "ok" else "unknown"
        database = "ok"
    except DatabaseError:
        database, migrations, worker = "no answer", "unknown", "unknown"
    well = database == migrations == "ok"
    body = {
        "status": "ready" if well else "not ready",
        "database": database,
        "migrations": migrations,
        "worker": worker,
    }
    return JsonResponse(body, status=200 if well else 503)


def is_migrated() -> bool:
    """Whether every migration of this code is applied."""
    global _migrated
    if not _migrated:
        executor = MigrationExecutor(connection)
        _migrated = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    return _migrated


def pulse() -> str:
    """The worker: `ok`, `late` (no sweep ran for three heartbeats) or `never`."""
    last = Heartbeat.objects.order_by("-at").values_list("at", flat=True).first()
    if last is None:
        return "never"
    return "ok" if (timezone.now() - last).total_seconds() < 3 * settings.PORTICO_HEARTBEAT_SECONDS else "late"
