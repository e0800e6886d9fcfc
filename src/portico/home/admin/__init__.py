"""Catalogue and settings at `/staff/admin/`, in Django's admin: set-up data, edited now and then by an administrator.

Nothing that carries money or evidence is here: a sold document is never edited in a form (a test knows the list).
docs/decisions/0015-admin.md says what that takes.
"""

from portico.home.admin import catalogue, company, coupons, people
from portico.home.admin.site import site

__all__ = ["catalogue", "company", "coupons", "people", "site"]
