"""What the portal decides about allauth's sign-in: nobody signs up alone, where a person lands, and how our mails look."""

from email.utils import formataddr
from typing import Any
from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.http import url_has_allowed_host_and_scheme

from portico.accounts.letters import credentials_changed, seller_of
from portico.accounts.models import Seller, User
from portico.kit.addresses import absolute

SILENT = {"account/messages/logged_in.txt", "account/messages/logged_out.txt"}
"""Messages that say what the page itself shows."""

CHANGED = {
    "account/email/password_changed": "password",
    "account/email/password_reset": "password",
    "account/email/password_set": "password",
    "account/email/email_changed": "email",
    "mfa/email/totp_activated": "factor_added",
    "mfa/email/webauthn_added": "factor_added",
    "mfa/email/totp_deactivated": "factor_removed",
    "mfa/email/webauthn_removed": "factor_removed",
    "mfa/email/recovery_codes_generated": "recovery_codes",
}
"""What allauth tells about a credential, as our letter names it."""


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

    # Mails. A changed credential is told by a letter of ours, through the outbox. The link that resets a password is sent at
    # once and kept nowhere: it opens the login. On them the seller's name, in them the person's language, our own address
    # as the only host.

    def send_notification_mail(
        self,
        template_prefix: str,
        user: AbstractBaseUser,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """A credential of `user` changed; `email` is where to say so, when that is not its address any more."""
        if isinstance(user, User) and template_prefix in CHANGED:
            with transaction.atomic():
                credentials_changed(
                    user=user, what=CHANGED[template_prefix], now=timezone.now(), address=str(email or "")
                )

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
