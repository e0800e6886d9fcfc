"""What the portal decides about allauth's sign-in: nobody signs up alone, where a person lands, and how our mails look."""

from email.utils import formataddr
from typing import Any
from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme

from portico.accounts.models import Seller, User
from portico.kit.addresses import absolute

SILENT = {"account/messages/logged_in.txt", "account/messages/logged_out.txt"}
"""Messages that say what the page itself shows."""


def home_of(user: object) -> str:
    """Where a signed-in person starts: the desk for staff, else the customer's pages."""
    return "/staff/" if getattr(user, "is_staff", False) else "/my/"


class Adapter(DefaultAccountAdapter):
    """allauth asks this object wherever a project may have an opinion."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Nobody signs up: customers are invited."""
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """The person's own home; a safe `next` was taken before this is asked."""
        return home_of(request.user)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Back to the account page."""
        return reverse("staff:account.index" if getattr(request.user, "is_staff", False) else "my:account.index")

    def is_safe_url(self, url: str | None) -> bool:
        """Only paths of this portal."""
        return bool(url) and str(url).startswith("/") and url_has_allowed_host_and_scheme(url, allowed_hosts=None)

    def post_login(
        self, request: HttpRequest, user: AbstractBaseUser, *, redirect_url: str | None, **more: Any
    ) -> HttpResponse:
        """Go where the person wanted, but never to the other side of the desk, where there is nothing for it."""
        other_side = "/my/" if getattr(user, "is_staff", False) else "/staff/"
        if redirect_url and redirect_url.startswith(other_side):
            redirect_url = home_of(user)
        response: HttpResponse = super().post_login(request, user, redirect_url=redirect_url, **more)
        return response

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        """Say what is worth reading, not what the page shows anyway."""
        if message_template not in SILENT:
            super().add_message(request, level, message_template, message_context, extra_tags, message)

    # Mails: the seller's name on them, the person's language in them, our own address as the only host.

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """One mail in the language of the person it goes to."""
        user = context.get("user")
        seller = seller_of(user)
        language = getattr(user, "language", "") or translation.get_language() or settings.LANGUAGE_CODE
        more = {
            "seller": seller,
            "sign_in_url": absolute(reverse("account_login")),
            "reset_url": absolute(reverse("account_reset_password")),
        }
        self._seller = seller
        with translation.override(language):
            super().send_mail(template_prefix, email, context | more)

    def get_from_email(self) -> str:
        """The seller's name before the installation's address."""
        seller: Seller | None = getattr(self, "_seller", None)
        name = " ".join(seller.short_name.split()) if seller else ""
        return formataddr((name, settings.DEFAULT_FROM_EMAIL)) if name else settings.DEFAULT_FROM_EMAIL

    def get_reset_password_from_key_url(self, key: str) -> str:
        """The link of a reset mail, built from PORTICO_BASE_URL: a Host header never ends up in a mail."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return absolute(path.replace("UID-KEY", quote(key)))


def seller_of(user: object) -> Seller | None:
    """The seller a person works or buys for; an unknown address gets the installation's."""
    if isinstance(user, User):
        if user.staff_of is not None:
            return user.staff_of
        if user.current_membership is not None:
            return user.current_membership.customer.seller
    return Seller.objects.order_by("id").first()
