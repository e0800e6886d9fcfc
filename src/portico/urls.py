"""Where everything is mounted.

A face (`my`, `staff`, `share`, …) is a package or module of an app. Each of its modules lists its own `urlpatterns`, relative
to the face and named `<noun>.<view>`: billing/my/quotations.py has
`path("quotations/<str:number>/", detail, name="quotations.detail")`, reached as `my:quotations.detail` at
`/my/quotations/<number>/`.
"""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from django.http import HttpRequest, HttpResponseRedirect
from django.urls import URLPattern, URLResolver, include, path, reverse

from portico.accounts.accent import accent, logo
from portico.accounts.access import public
from portico.billing.actions.setup import is_empty
from portico.home.admin import site
from portico.home.setup import setup
from portico.kit import health, metrics

APPS = ("home", "privacy", "conversation", "billing", "accounts")


def face(name: str) -> list[URLPattern | URLResolver]:
    """All patterns of the face `name`, app by app, module by module in alphabetical order."""
    patterns: list[URLPattern | URLResolver] = []
    for app in APPS:
        where = f"portico.{app}.{name}"
        if find_spec(where) is None:
            continue
        module = import_module(where)
        inside = [import_module(f"{where}.{found.name}") for found in iter_modules(getattr(module, "__path__", []))]
        for one in [module, *inside]:
            patterns += getattr(one, "urlpatterns", [])
    return patterns


@public
def front(request: HttpRequest) -> HttpResponseRedirect:
    """`/`: to one's own home, to the sign-in page, or, in an empty installation, to its beginning."""
    if not request.user.is_authenticated:
        return HttpResponseRedirect(reverse("setup" if is_empty() else "account_login"))
    return HttpResponseRedirect("/staff/" if getattr(request.user, "is_staff", False) else "/my/")


urlpatterns = [
    path("", front, name="front"),
    path("accent.css", accent, name="accent"),
    path("logo.svg", logo, name="logo"),
    path("setup/", setup, name="setup"),
    path("account/", include("portico.accounts.urls")),
    path("my/", include((face("my"), "my"))),
    path("staff/admin/", site.urls),
    path("staff/", include((face("staff"), "staff"))),
    path("share/", include((face("share"), "share"))),
    path("api/", include((face("api"), "api"))),
    path("webhooks/", include((face("webhooks"), "webhooks"))),
    path("sandbox/", include(("portico.billing.providers.sandbox.pages", "sandbox"))),
    path("health/live", public(health.live), name="health.live"),
    path("health/ready", public(health.ready), name="health.ready"),
    path("metrics", public(metrics.metrics), name="metrics"),
]

handler400 = "portico.kit.refusals.bad_request"
handler403 = "portico.kit.refusals.forbidden"
handler404 = "portico.kit.refusals.not_found"
handler500 = "portico.kit.refusals.failure"
