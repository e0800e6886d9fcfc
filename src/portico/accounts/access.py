"""Who may open a view: every view declares it with one of three decorators, and a test walks every route.

Not signed in → the sign-in page. The other side of the desk → 404, as if there were nothing. A role too few → 403.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _

from portico.accounts.models import Membership, Seller, User
from portico.kit.errors import Forbidden, Missing

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


@dataclass(frozen=True)
class Access:
    """The declared policy of a view: which face it belongs to, and any one of which roles is enough."""

    face: str
    roles: frozenset[str] = frozenset()


class MemberRequest(HttpRequest):
    """A request of a customer's member: `member.customer` is what every query starts from."""

    user: User
    member: Membership


class StaffRequest(HttpRequest):
    """A request of somebody who works for the seller: `seller` is what every query starts from."""

    user: User
    seller: Seller


MemberView = Callable[Concatenate[MemberRequest, P], HttpResponseBase]
StaffView = Callable[Concatenate[StaffRequest, P], HttpResponseBase]


def public(view: View[P]) -> View[P]:
    """Anybody may open it."""
    return declared(view, Access("public"))


def declared(view: View[P], access: Access) -> View[P]:
    """Attach the policy where the matrix test finds it."""
    view.access = access  # type: ignore[attr-defined]  # functions carry attributes; typing has no word for it
    return view


def member(*roles: str, whole: bool = False) -> Callable[[MemberView[P]], View[P]]:
    """Members of a customer, holding any one of `roles` (an owner may do all); no roles: every member.

    `whole`: what is of the whole company, and so not for who sees chosen databases alone.
    """

    def declare(view: MemberView[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            user = request.user
            if not isinstance(user, User) or not user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if user.is_staff:
                raise Missing(_("There is nothing at this address."))
            membership = Membership.of(user)
            if membership is None:
                raise Forbidden(_("Your login belongs to no company yet. Ask the person who invited you."))
            if roles and not membership.is_owner and not membership.roles & set(roles):
                raise Forbidden(_("Your role does not allow this. Ask an owner of your company's account."))
            if whole and not membership.sees_all:
                raise Forbidden(_("This is about the whole company, and you see chosen databases alone. Ask an owner."))
            membership.user = user
            request.member = membership  # type: ignore[attr-defined]  # this is what makes it a MemberRequest
            return view(request, *args, **kwargs)  # type: ignore[arg-type]

        return declared(guarded, Access("member", frozenset(roles)))

    return declare


def staff(*roles: str) -> Callable[[StaffView[P]], View[P]]:
    """Staff holding any one of `roles` (an administrator may do all); no roles: everyone on the seller's side."""

    def declare(view: StaffView[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            user = request.user
            if not isinstance(user, User) or not user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not user.is_staff:
                raise Missing(_("There is nothing at this address."))
            if roles and user.staff_role not in {*roles, User.StaffRole.ADMIN}:
                raise Forbidden(_("Your role does not allow this. Ask an administrator."))
            seller = user.staff_of or Seller.objects.order_by("id").first()
            if seller is None:
                raise Missing(_("There is no seller yet. Run ./portico demo, or set one up with ./portico manage."))
            request.seller = seller  # type: ignore[attr-defined]  # this is what makes it a StaffRequest
            return view(request, *args, **kwargs)  # type: ignore[arg-type]

        return declared(guarded, Access("staff", frozenset(roles)))

    return declare
