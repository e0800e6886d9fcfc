"""The doors of django-allauth that are open under /account/: sign in, sign out, the password.

The names are allauth's own, which reverses them. Sign-up does not exist here, nor do the pages whose work is not in yet.
"""

from allauth.account import views
from django.http import HttpRequest, HttpResponseBase
from django.urls import path, re_path
from django.utils.translation import gettext as _

from portico.accounts.access import public
from portico.kit.errors import Missing


@public
def closed(request: HttpRequest) -> HttpResponseBase:
    """404 for an address that allauth must be able to name and nobody may open."""
    raise Missing(_("There is nothing at this address. Customers are invited by mail; ask the seller."))


urlpatterns = [
    path("login/", views.login, name="account_login"),
    path("logout/", views.logout, name="account_logout"),
    path("inactive/", views.account_inactive, name="account_inactive"),
    path("reauthenticate/", views.reauthenticate, name="account_reauthenticate"),
    path("password/change/", views.password_change, name="account_change_password"),
    path("password/reset/", views.password_reset, name="account_reset_password"),
    path("password/reset/done/", views.password_reset_done, name="account_reset_password_done"),
    path("password/reset/key/done/", views.password_reset_from_key_done, name="account_reset_password_from_key_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        views.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("signup/", closed, name="account_signup"),
    path("password/set/", closed, name="account_set_password"),
    path("confirm-email/", closed, name="account_email_verification_sent"),
]
