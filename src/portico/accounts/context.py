"""What every page knows of the seller, read at most once a request and only where a page asks."""

from typing import Any

from django.http import HttpRequest
from django.template.backends.utils import csrf_input
from django.utils.functional import SimpleLazyObject

from portico.accounts.models import Seller


def seller(request: HttpRequest) -> dict[str, Any]:
    """`seller`: the seller of the signed-in person, else the installation's; None in an empty installation."""
    return {"seller": seller_of(request) if knows(request) else SimpleLazyObject(lambda: seller_of(request))}


def csrf(request: HttpRequest) -> dict[str, Any]:
    """`csrf_input`, the hidden field of every form that posts: masked once a page, and only where a form asks."""
    return {"csrf_input": SimpleLazyObject(lambda: csrf_input(request))}


def knows(request: HttpRequest) -> bool:
    """Whether the seller came with the person, so that asking costs nothing."""
    return hasattr(request, "member") or bool(getattr(getattr(request, "user", None), "staff_of_id", None))


def seller_of(request: HttpRequest) -> Seller | None:
    """The seller this page speaks for."""
    if hasattr(request, "member"):
        found: Seller = request.member.customer.seller
        return found
    if getattr(getattr(request, "user", None), "staff_of_id", None):
        return request.user.staff_of  # type: ignore[union-attr]  # only our own User has it
    return Seller.objects.first()
