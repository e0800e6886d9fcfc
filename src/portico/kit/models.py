"""The tables of the kit."""

from typing import ClassVar

from django.db import models

from portico.kit.files import StoredFile
from portico.kit.privacy import Privacy

__all__ = ["CacheEntry", "Heartbeat", "StoredFile"]


class CacheEntry(models.Model):
    """The table of Django's database cache (rate limits, shared by all processes), so that `migrate` makes it."""

    privacy: ClassVar = {Privacy.CREDENTIAL: "cache_key value expires"}

    cache_key = models.CharField(max_length=255, primary_key=True)
    value = models.TextField()
    expires = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "kit_cacheentry"

    def __str__(self) -> str:
        return self.cache_key


class Heartbeat(models.Model):
    """When each sweep of the worker last ran, and how that went; `/health/ready` and the metrics read it."""

    privacy: ClassVar = {Privacy.NONE: "name at succeeded_at failures"}

    name = models.CharField(max_length=80, primary_key=True)
    at = models.DateTimeField()
    succeeded_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0, help_text="in a row")

    def __str__(self) -> str:
        return self.name
