"""The beginning of an empty installation: who runs the server makes the seller and the first administrator."""

from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from portico.accounts.access import public
from portico.billing.actions import setup as actions
from portico.kit.errors import Missing

USUAL = {"country": "FR", "currency": "EUR", "language": "en", "time_zone": "Europe/Paris"}


@public
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """`/setup/`: there while the installation is empty, for whoever knows the code that the server printed."""
    if not actions.is_empty():
        raise Missing(_("There is nothing at this address."))
    typed, errors = dict(USUAL), dict[str, str]()
    if request.method == "POST":
        typed = {name: request.POST.get(name, "")[:254] for name in (*actions.Begin.base_fields, "code")}
        form = actions.Begin(typed)
        errors = form.messages
        if not actions.is_setup_code(typed["code"]):
            errors["code"] = _("This is not the code. Run ./portico manage setup on the server to read it.")
        if not errors:
            admin = actions.begin(form.values())
            login(request, admin)
            return HttpResponseRedirect(reverse("staff:settings.index"))
    context = {"typed": typed | {"password": ""}, "errors": errors, "languages": actions.LANGUAGES}
    return render(request, "home/setup.html", context, status=400 if errors else 200)
