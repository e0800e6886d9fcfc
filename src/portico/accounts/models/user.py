"""People: one login is one e-mail address; what a person may do for a customer is a membership."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portico.accounts.models.customer import Customer
from portico.accounts.models.seller import Seller
from portico.kit.privacy import Privacy


class UserManager(BaseUserManager["User"]):
    """Users are found by e-mail, whatever its case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A new login. Without a password the person must set one by mail first."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A staff administrator, for `./portico manage createsuperuser`."""
        return self.create_user(email, password, staff_role=User.StaffRole.ADMIN, **fields)


class User(AbstractBaseUser):
    """One login (an e-mail address). Staff belong to the seller; portal users to customers."""

    privacy = {
        Privacy.NONE: "id is_active date_joined staff_role staff_of current_membership last_login theme",
        Privacy.IDENTITY: "email name title phone language",
        Privacy.CREDENTIAL: "password",
    }

    class StaffRole(models.TextChoices):
        NONE = "", _("Portal user")
        SALES = "sales", _("Sales")
        FINANCE = "finance", _("Finance")
        ADMIN = "admin", _("Administrator")

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    title = models.CharField(max_length=120, blank=True, help_text="position in the company, shown on papers")
    phone = models.CharField(max_length=40, blank=True)
    language = models.CharField(max_length=2, default="en")
    theme = models.CharField(max_length=5, blank=True, default="")
    staff_role = models.CharField(max_length=7, choices=StaffRole, blank=True, default="")
    staff_of = models.ForeignKey(Seller, null=True, blank=True, on_delete=models.PROTECT, related_name="staff")
    current_membership = models.ForeignKey(
        "accounts.Membership", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        verbose_name, verbose_name_plural = (
            _("colleague"),
            _("colleagues"),
        )  # only the seller's people are edited in a form
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_whatever_case")]

    def __str__(self) -> str:
        return self.get_full_name()

    def get_full_name(self) -> str:
        """The visible name, or the part of the address before the @ where none was given."""
        return self.name or self.email.split("@")[0]

    def get_short_name(self) -> str:
        """The first name."""
        return self.get_full_name().split(" ")[0]

    @property
    def initials(self) -> str:
        """One or two letters for the avatar."""
        words = self.get_full_name().split()
        return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()

    @property
    def is_staff(self) -> bool:
        """Whether this person works for the seller."""
        return bool(self.staff_role)

    @property
    def is_superuser(self) -> bool:
        """Django admin's word for our administrator."""
        return self.staff_role == self.StaffRole.ADMIN

    def has_perm(self, perm: str, obj: object = None) -> bool:
        """Catalogue and settings are edited in Django admin by administrators alone."""
        return self.is_active and self.is_superuser

    def has_module_perms(self, app_label: str) -> bool:
        """See `has_perm`."""
        return self.is_active and self.is_superuser

    def edit_profile(self, *, name: str, title: str, phone: str, language: str) -> None:
        """What a person may say about itself."""
        self.name, self.title, self.phone, self.language = name, title, phone, language
        self.save(update_fields=["name", "title", "phone", "language"])

    def choose_theme(self, theme: str) -> None:
        """light, dark, or empty: as the system is set."""
        self.theme = theme
        self.save(update_fields=["theme"])

    def switch_to(self, membership: "Membership") -> None:
        """From now on this person works for the customer of `membership`, which must be the person's own."""
        if membership.user_id != self.pk:
            raise ValueError("a person can only switch to a membership of its own")
        self.current_membership = membership
        self.save(update_fields=["current_membership"])


class Membership(models.Model):
    """User × Customer with roles; at least one. Owner may do all that the others may."""

    privacy = {
        Privacy.NONE: "id customer is_owner is_approver is_billing is_viewer is_limited created_at",
        Privacy.ACTOR: "user",
    }

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="memberships")
    is_owner = models.BooleanField(default=False)
    is_approver = models.BooleanField(default=False)
    is_billing = models.BooleanField(default=False)
    is_viewer = models.BooleanField(default=False)
    is_limited = models.BooleanField(default=False, help_text="sees chosen databases alone; never an owner")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "customer"], name="membership_once_per_customer"),
            models.CheckConstraint(
                condition=models.Q(is_owner=True)
                | models.Q(is_approver=True)
                | models.Q(is_billing=True)
                | models.Q(is_viewer=True),
                name="membership_has_a_role",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} for {self.customer_id}"

    @property
    def roles(self) -> frozenset[str]:
        """The roles held: owner, approver, billing, viewer."""
        held = {
            "owner": self.is_owner,
            "approver": self.is_approver,
            "billing": self.is_billing,
            "viewer": self.is_viewer,
        }
        return frozenset(role for role, holds in held.items() if holds)

    @property
    def sees_all(self) -> bool:
        """Whether everything of the customer is seen, and not chosen databases alone."""
        return self.is_owner or not self.is_limited

    def limit(self, limited: bool) -> None:
        """From now on chosen databases alone, or everything."""
        self.is_limited = limited
        self.save(update_fields=["is_limited"])

    @property
    def may_decide(self) -> bool:
        """Accept, reject, reopen, ask for changes."""
        return self.is_owner or self.is_approver

    @property
    def may_pay(self) -> bool:
        """Pay, manage payment methods and billing details."""
        return self.is_owner or self.is_billing

    @classmethod
    def of(cls, user: User, *, now: datetime | None = None) -> "Membership | None":
        """The membership the person works under: the chosen one, else the oldest, which is then remembered."""
        if user.current_membership is not None:
            return user.current_membership
        first = cls.objects.select_related("customer__seller").filter(user=user).order_by("id").first()
        if first is not None:
            user.switch_to(first)
        return first
