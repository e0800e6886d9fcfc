"""The mails on the desk: what waits, what was sent and how it read, what failed and can be sent again."""

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_POST, require_safe

from portico.accounts.access import StaffRequest, staff
from portico.accounts.models import Customer
from portico.kit.errors import Missing
from portico.kit.listing import Sort, chosen_status, listing, search_words
from portico.kit.models import Letter
from portico.kit.outbox import kinds

STATUSES = {
    "queued": lazy("Waiting"),
    "failed": lazy("Failed"),
    "sent": lazy("Sent"),
    "dropped": lazy("Not needed any more"),
}
SORTS = {"newest": Sort(lazy("Newest first"), ["-id"]), "oldest": Sort(lazy("Oldest first"), ["id"])}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""For a mail shown as it looks: its own inline style, and nothing else of what it may hold."""


@staff()
@require_safe
def index(request: StaffRequest) -> HttpResponse:
    """All letters of this seller."""
    q, status = search_words(request.GET), chosen_status(request.GET, STATUSES)
    rows = Letter.objects.filter(seller=request.seller.pk)
    if q:
        events = [one.event for one in kinds().values() if q.lower() in str(one.label).lower()]
        rows = rows.filter(
            Q(to_address__icontains=q) | Q(to_name__icontains=q) | Q(subject__icontains=q) | Q(event__in=events)
        )
    if status:
        rows = rows.filter(state__in=Letter.WAITING) if status == "queued" else rows.filter(state=status)
    fields = ("id", "event", "to_address", "to_name", "subject", "state", "queued_at", "sent_at", "error")
    found = listing(rows.values(*fields), request.GET, q=q, status=status, statuses=STATUSES, sorts=SORTS)
    for row in found.rows:
        row["label"] = label_of(row["event"])
    context = {"list": found, "zone": request.seller.zone}
    return render(request, "accounts/staff/letters/index.html", context)


def label_of(event: str) -> str:
    """What a letter tells, in words; an event that no longer exists by its name."""
    one = kinds().get(event)
    return str(one.label) if one else event


def find(request: StaffRequest, number: int) -> Letter:
    """The letter of this id; Missing."""
    found = Letter.objects.filter(seller=request.seller.pk, pk=number).first() if number < 2**63 else None
    if found is None:
        raise Missing(_("There is no such letter."))
    return found


@staff()
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """One letter: to whom, how far it has come, and its words once it was sent."""
    letter = find(request, number)
    context = {
        "letter": letter,
        "label": label_of(letter.event),
        "customer": Customer.objects.filter(pk=letter.customer or 0, seller=request.seller).first(),
        "zone": request.seller.zone,
    }
    return render(request, "accounts/staff/letters/detail.html", context)


@staff()
@require_safe
def html(request: StaffRequest, number: int) -> HttpResponse:
    """The letter as a mail program shows it."""
    letter = find(request, number)
    if not letter.html:
        raise Missing(_("This letter was not sent yet. It is written at the moment of sending."))
    return HttpResponse(letter.html, headers={"Content-Security-Policy": POLICY})


@staff()
@require_POST
def retry(request: StaffRequest, number: int) -> HttpResponse:
    """Send a failed letter once more."""
    letter = find(request, number)
    letter.retry(now=timezone.now())
    messages.success(request, _("The letter is sent again in a moment."))
    return HttpResponseRedirect(reverse("staff:letters.detail", args=[letter.pk]))


urlpatterns = [
    path("letters/", index, name="letters.index"),
    path("letters/<int:number>/", detail, name="letters.detail"),
    path("letters/<int:number>/html/", html, name="letters.html"),
    path("letters/<int:number>/retry/", retry, name="letters.retry"),
]
