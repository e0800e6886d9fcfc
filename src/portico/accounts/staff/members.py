"""A customer's people, from the desk: invited, changed and removed as its owner does it."""

from django.http import HttpResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts import people
from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer
from portico.kit.errors import Missing


def company(request: StaffRequest, customer: int) -> Customer:
    """One of the seller's customers; Missing."""
    found = Customer.objects.filter(seller=request.seller, pk=customer).first()
    if found is None:
        raise Missing(_("There is no such customer."))
    return found


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: StaffRequest, customer: int) -> HttpResponse:
    """Invite somebody to work for a customer."""
    of = company(request, customer)
    back = reverse("staff:customers.detail", args=[of.pk])
    return people.invite_page(request, request.user, of, "accounts/staff/members/invite.html", back)


@staff("sales")
@require_http_methods(["GET", "HEAD", "POST"])
def detail(request: StaffRequest, customer: int, number: int) -> HttpResponse:
    """One of its people."""
    one = people.find(company(request, customer), number)
    back = reverse("staff:customers.detail", args=[customer])
    return people.member_page(request, request.user, one, "accounts/staff/members/detail.html", back)


urlpatterns = [
    path("customers/<int:customer>/members/invite/", invite, name="members.invite"),
    path("customers/<int:customer>/members/<int:number>/", detail, name="members.detail"),
]
