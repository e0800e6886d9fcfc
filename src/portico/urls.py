"""Where everything is mounted.

A face (`my`, `staff`, `share`, …) is a package or module of an app. Each of its modules lists its own `urlpatterns`, relative
to the face and named `<noun>.<view>`: billing/my/quotations.py has
`path("quotations/<str:number>/", detail, name="quotations.detail")`, reached as `my:quotations.detail` at `/my/quotations/<number>/`.
"""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from django.urls import URLPattern, URLResolver, include, path

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


urlpatterns = [
    path("account/", include("allauth.urls")),
    path("my/", include((face("my"), "my"))),
    path("staff/", include((face("staff"), "staff"))),
    path("share/", include((face("share"), "share"))),
    path("webhooks/", include((face("webhooks"), "webhooks"))),
]
