"""Signing in, and reading the signed-in person back with everything a page needs, in one query."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend

from portico.accounts.models import User
from portico.kit.prepared import prepared


@prepared
def person(user: Any) -> Any:
    """The active user of this id."""
    return User.objects.select_related("current_membership__customer__seller", "staff_of").filter(
        pk=user, is_active=True
    )


class Backend(AuthenticationBackend):
    """allauth's sign-in; the person comes with its membership, customer and seller."""

    def get_user(self, user_id: int) -> User | None:
        """The active user of this id, or None: a disabled login ends every session at the next request."""
        found: User | None = person.first(user=user_id)
        return found
