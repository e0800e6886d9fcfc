"""The admin's site: our sign-in and our roles at its door, the seller's name and colour on it, and nothing it does not need.

Every address is guarded by `@staff("admin")`, the same as a page of the desk; the admin's own sign-in and password pages do not
exist. An address whose action a model does not have is not there either (`Pages.verbs`).
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.contrib.admin import ShowFacets, SimpleListFilter
from django.contrib.admin.models import LogEntry
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.access import StaffRequest, declared, staff
from portico.home.admin.unfolding import AdminSite, ModelAdmin, widgets
from portico.kit.decimals import FourDecimals
from portico.kit.headers import policy

WANTED = {"index", "search", "jsi18n"}
"""Of the admin's own addresses, those that its pages call."""
NAVIGATION = (
    ("inventory_2", "billing_product"),
    ("local_activity", "billing_coupon"),
    ("percent", "billing_vatrate"),
    ("currency_exchange", "billing_exchangerate"),
    ("file_copy", "billing_quotationtemplate"),
    ("storefront", "accounts_seller"),
    ("tag", "billing_numberseries"),
    ("badge", "accounts_user"),
)


def guarded(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """`view` for administrators alone. Alpine.js, of which unfold is made, evaluates what stands in attributes and writes
    style attributes: both are allowed on these pages and nowhere else."""
    asked = staff("admin")(view)

    @wraps(asked)
    def answer(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = asked(request, *args, **kwargs)
        allowed = policy(script_src="'self' 'unsafe-eval'", style_src_attr="'unsafe-inline'")
        response.headers["Content-Security-Policy"] = allowed
        return response

    return declared(answer, asked.access)  # type: ignore[attr-defined]  # as `staff` leaves it


def guard(patterns: Iterable[URLPattern | URLResolver]) -> None:
    """Put the guard before every view of `patterns`, however deep."""
    for found in patterns:
        if isinstance(found, URLResolver):
            guard(found.url_patterns)
        else:
            found.callback = guarded(found.callback)


class Site(AdminSite):
    """The one admin site. Its look is the signed-in person's seller's."""

    final_catch_all_view = False
    enable_nav_sidebar = True

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """What is there, each behind the guard."""
        found: list[URLPattern | URLResolver] = [
            one for one in super().get_urls() if isinstance(one, URLResolver) or one.name in WANTED
        ]
        found.append(path("logout/", self.logout, name="logout"))
        found.append(path("<slug:app_label>/", self.app_index, name="app_list"))
        guard(found)
        return found

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """The catalogue is what most come for."""
        return HttpResponseRedirect(reverse("admin:billing_product_changelist"))

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """There is one list of everything, beside the page."""
        return HttpResponseRedirect(reverse("admin:index"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:
        """Our own sign-out, which asks with the same form."""
        return HttpResponseRedirect(reverse("account_logout"), preserve_request=True)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page shows around its own part. No inline style sheet: the colours come as files."""
        seller, user = request.seller, request.user  # type: ignore[attr-defined]  # the guard has set them
        back = {"title": _("Back to the desk"), "link": reverse("staff:home.index"), "icon": "arrow_back"}
        items = [
            {
                "title": _title(self, name),
                "link": reverse(f"admin:{name}_changelist"),
                "icon": icon,
                "has_permission": True,
                "active": request.path.startswith(reverse(f"admin:{name}_changelist")),
            }
            for icon, name in NAVIGATION
        ]
        logo = f"{reverse('logo')}?{seller.logo_version}" if seller.logo else ""
        context: dict[str, Any] = super().each_context(request)
        return context | {
            "site_title": seller.short_name,
            "site_header": seller.short_name,
            "site_subheader": _("Catalogue and settings"),
            "site_logo": logo,
            "site_symbol": "storefront",
            "site_favicons": [{"rel": "icon", "href": static("portico/portico-mark.svg"), "type": "image/svg+xml"}],
            "site_url": "",
            "account_links": [back, {"title": _("My Account"), "link": reverse("staff:account.index")}],
            "sidebar_navigation": [
                {"items": [back | {"has_permission": True, "active": False}]},
                {"title": _("Catalogue and settings"), "separator": True, "items": items},
            ],
            "colors": {},
            "styles": [f"{reverse('accent')}?{seller.accent[1:]}", static("portico/admin.css")],
            "scripts": [static("portico/admin.js")],
            "theme": user.theme or "auto",  # type: ignore[union-attr]  # our own User
            "show_back_button": True,
        }


def _title(site: Site, name: str) -> str:
    """The plural of the model that goes by `app_model` in addresses."""
    for model in site._registry:
        if f"{model._meta.app_label}_{model._meta.model_name}" == name:
            title = str(model._meta.verbose_name_plural)
            return title[:1].upper() + title[1:]
    raise LookupError(name)


EXACT = {FourDecimals: {"widget": widgets.UnfoldAdminDecimalFieldWidget}}
"""Our own kind of number looks like every other."""


class Active(SimpleListFilter):
    """What is in use, and what is not."""

    title = lazy("in use")
    parameter_name = "active"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Two answers."""
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """All of them unless one was chosen."""
        value = self.value()
        return queryset.filter(is_active=value == "yes") if value in {"yes", "no"} else queryset


class Pages(ModelAdmin):
    """The pages of one model: the rows of the administrator's own seller, and only the verbs that are named."""

    verbs: tuple[str, ...] = ("changelist", "add", "change", "delete", "history")
    of_seller = "seller"
    actions: list[str] = []
    formfield_overrides = EXACT
    show_facets = ShowFacets.NEVER
    list_per_page = 50
    list_filter_sheet = False
    warn_unsaved_form = True
    compressed_fields = True

    def get_urls(self) -> list[URLPattern]:
        """An address for each verb."""
        info = f"{self.opts.app_label}_{self.opts.model_name}_"
        wanted = {info + verb for verb in self.verbs}
        return [one for one in super().get_urls() if one.name in wanted]

    def get_queryset(self, request: StaffRequest) -> QuerySet[Any]:
        """Never another seller's."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(**{self.of_seller: request.seller})

    def get_form(
        self, request: HttpRequest, obj: Model | None = None, change: bool = False, **kwargs: Any
    ) -> type[Any]:
        """The form knows whose it is, so that it can ask what is taken."""
        form: type[Any] = super().get_form(request, obj, change, **kwargs)
        form.seller = request.seller  # type: ignore[attr-defined]  # a class made for this request
        return form

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A new row is the seller's."""
        if not change:
            obj.seller = request.seller  # type: ignore[attr-defined]  # the guard has set it
        super().save_model(request, obj, form, change)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return "add" in self.verbs

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return "change" in self.verbs

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return "delete" in self.verbs


def without_name(entry: LogEntry, obj: Model) -> LogEntry:
    """History names nobody (see kit.privacy): the row's number in place of the words that show it."""
    entry.object_repr = f"#{obj.pk}"
    entry.save(update_fields=["object_repr"])
    return entry


site = Site(name="admin")
site.disable_action("delete_selected")
