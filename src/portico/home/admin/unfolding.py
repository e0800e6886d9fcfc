"""The one place that imports unfold, without the PostgreSQL fields that it looks for.

No model of ours has such a field. On SQLite, looking for them would load PostgreSQL's driver into every process: a third of a
second at each start and ten megabytes (docs/decisions/0015-admin.md).
"""

import sys
from typing import Any

from django.utils.translation import gettext_lazy as lazy

FIELDS = "django.contrib.postgres.fields"
_modules: dict[str, Any] = sys.modules
_hide = FIELDS not in _modules
if _hide:
    _modules[FIELDS] = None  # importing it is an ImportError now, which unfold expects where they are not installed
try:
    from unfold import widgets
    from unfold.admin import ModelAdmin, TabularInline
    from unfold.sites import UnfoldAdminSite as AdminSite
finally:
    if _hide:
        del _modules[FIELDS]

TEXTS = (
    lazy("Apply Filters"),
    lazy("Clear all filters"),
    lazy("Filters"),
    lazy("Loading more results..."),
    lazy("More actions"),
    lazy("No results found"),
    lazy("No results matching your query"),
    lazy("Reset filters"),
    lazy("Search apps and models..."),
    lazy("This page yielded into no results. Create a new item or reset your filters."),
    lazy("Type to search"),
)
"""What unfold shows and neither it nor Django translates: here for our catalogues."""

__all__ = ["AdminSite", "ModelAdmin", "TabularInline", "widgets"]
