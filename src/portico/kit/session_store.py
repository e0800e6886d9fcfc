"""Sessions in the database, read by a statement that is made once."""

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from portico.kit.prepared import prepared


@prepared
def alive(key: Any, now: Any) -> Any:
    """The session of this key that has not run out."""
    return Session.objects.filter(session_key=key, expire_date__gt=now)


class SessionStore(DatabaseStore):
    """As Django's own, shared by all processes and never cached: a sign-out holds everywhere at once."""

    def _get_session_from_db(self) -> Session | None:
        """The session of this key that has not run out."""
        found: Session | None = alive.first(key=self.session_key, now=timezone.now())
        if found is None:
            self._session_key = None
        return found
