"""The seller's own people: invited by mail, never given a password; each with one role."""

from typing import Any

from django.contrib.admin import display, register
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts import colleagues
from portico.accounts.access import StaffRequest
from portico.accounts.models import Seller, User
from portico.billing.actions.setup import LANGUAGES
from portico.home.admin.site import Active, Pages, site, without_name
from portico.home.admin.unfolding import widgets
from portico.kit.errors import Refusal


class ColleagueForm(ModelForm):  # type: ignore[type-arg]  # cannot be subscripted where it runs
    """Somebody who works for the seller."""

    seller: Seller

    class Meta:
        model = User
        fields = ["email", "name", "title", "language", "staff_role", "is_active"]
        labels = {
            "email": lazy("E-mail"),
            "name": lazy("Name"),
            "title": lazy("Position"),
            "language": lazy("Language"),
            "staff_role": lazy("Role"),
            "is_active": lazy("May sign in"),
        }
        help_texts = {
            "email": lazy("An invitation goes to this address, with a link to choose a password."),
            "title": lazy("Shown on papers."),
            "staff_role": lazy("Administrators may do everything, also here."),
            "is_active": lazy("Unticked, this person is signed out at once and cannot sign in."),
        }
        widgets = {"language": widgets.UnfoldAdminSelectWidget(choices=LANGUAGES)}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].required = True
        self.fields["staff_role"].required = True
        choices = [one for one in User.StaffRole.choices if one[0]]
        self.fields["staff_role"].choices = choices  # type: ignore[attr-defined]  # a choice field

    def clean(self) -> dict[str, Any]:
        """By the rules of `colleagues`, said beside the field."""
        values = super().clean() or self.cleaned_data
        try:
            if self.instance.pk is None and values.get("email"):
                values["email"] = colleagues.address(values["email"])
        except Refusal as refusal:
            self.add_error("email", refusal.message)
        try:
            if self.instance.pk is not None:
                colleagues.keep_an_administrator(
                    self.instance, values.get("staff_role"), active=values.get("is_active")
                )
        except Refusal as refusal:
            self.add_error("staff_role", refusal.message)
        return values


class MaySignIn(Active):
    """Who is let in."""

    title = lazy("may sign in")


@register(User, site=site)
class Colleagues(Pages):
    """Who sells, who keeps the books, who administers. Customers' people are on the desk, under their company."""

    verbs = ("changelist", "add", "change", "history")
    of_seller = "staff_of"
    form = ColleagueForm
    list_display = ["listed_name", "listed_email", "listed_role", "listed_ready", "listed_active"]
    list_filter = [MaySignIn]
    search_fields = ["name", "email"]
    ordering = ["name", "pk"]

    def get_queryset(self, request: StaffRequest) -> QuerySet[Any]:
        """Staff alone."""
        return super().get_queryset(request).exclude(staff_role="")

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Whoever is new may sign in."""
        every = ["email", "name", "title", "language", "staff_role"]
        return [*every, "is_active"] if obj else every

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """An address is changed by its owner, who shows that it is its own."""
        return ["email"] if obj else []

    @display(description=lazy("Name"), ordering="name")
    def listed_name(self, user: User) -> str:
        """Leads to the person."""
        return user.get_full_name()

    @display(description=lazy("E-mail"), ordering="email")
    def listed_email(self, user: User) -> str:
        """Signs in with it."""
        return user.email

    @display(description=lazy("Role"), ordering="staff_role")
    def listed_role(self, user: User) -> str:
        """In words."""
        return user.get_staff_role_display()

    @display(description=lazy("Has chosen a password"), boolean=True)
    def listed_ready(self, user: User) -> bool:
        """Whether the invitation was followed."""
        return user.has_usable_password()

    @display(description=lazy("May sign in"), ordering="is_active", boolean=True)
    def listed_active(self, user: User) -> bool:
        """Whether it is let in."""
        return user.is_active

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A new one is invited; another is changed by the rules."""
        by, now = request.user, timezone.now()
        if change:
            colleagues.change(obj, fields=form.changed_data)
            return
        values = {name: form.cleaned_data[name] for name in ("email", "name", "title", "language")}
        made = colleagues.invite(
            seller=request.seller,  # type: ignore[attr-defined]  # the guard has set it
            role=form.cleaned_data["staff_role"],
            by=by,  # type: ignore[arg-type]  # our own User
            now=now,
            **values,
        )
        obj.pk, obj.password, obj.staff_of_id = made.pk, made.password, made.staff_of_id
        self.message_user(request, _("%(email)s is invited by mail.") % {"email": made.email})

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        return without_name(super().log_addition(request, obj, message), obj)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> LogEntry:
        return without_name(super().log_change(request, obj, message), obj)
