"""Version 1 of the API: its nouns put together, mounted, and described."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path
from ninja import NinjaAPI, Router
from ninja.operation import Operation

from portico.accounts.access import Access, declared
from portico.billing.api import (
    credit_notes,
    customers,
    databases,
    invoices,
    members,
    orders,
    payments,
    products,
    quotations,
    reports,
    subscriptions,
)
from portico.billing.api.problems import handle, told


class Api(NinjaAPI):
    """django-ninja with our own answers to what goes wrong, and our names for addresses and operations."""

    def set_default_exception_handlers(self) -> None:
        """Ours alone: ninja's would show a traceback where Django debugs."""
        handle(self)

    def get_operation_url_name(self, operation: Operation, router: Router) -> str:
        """`customers.index`, as everywhere here."""
        return spelled(operation)

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """The same word."""
        return spelled(operation)


def spelled(operation: Operation) -> str:
    """The module and the function of an operation."""
    view = operation.view_func
    return f"{view.__module__.rsplit('.', 1)[-1]}.{view.__name__}"


api = Api(title="Portico", version="1", urls_namespace="v1", openapi_url=None, docs_url=None)
for prefix, router in {
    "/customers": customers.router,
    "/customers/{int:customer}/members": members.router,
    "/products": products.router,
    "/databases": databases.router,
    "/databases/{name}/reports": reports.router,
    "/subscriptions": subscriptions.router,
    "/quotations": quotations.router,
    "/orders": orders.router,
    "/invoices": invoices.router,
    "/credit-notes": credit_notes.router,
    "/payments": payments.router,
}.items():
    api.add_router(prefix, router)


def answering(view: Any) -> Any:
    """An operation's view, open to whoever holds a key, with problem details for a method that it does not know."""

    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponse = view(request, *args, **kwargs)
        if response.status_code == 405:
            allow = response.headers.get("Allow", "")
            response = told("method_not_allowed", f"Allow: {allow}")
            response.headers["Allow"] = allow
        return response

    answered.csrf_exempt = True  # type: ignore[attr-defined]  # no cookie opens this door, so none can be ridden on
    return declared(answered, Access("api"))


urlpatterns = [
    path(f"v1/{found.pattern}", answering(found.callback), name=found.name)
    for found in api.urls[0]
    if isinstance(found, URLPattern) and found.name != "api-root"
]
