"""The page of a thread, the same for every document and both sides of the desk: reading, and answering."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from portico.accounts.models import Seller, User
from portico.conversation import letters
from portico.conversation.files import ACCEPT, read_uploads
from portico.conversation.models import Document, Message, Thread
from portico.conversation.timeline import timeline
from portico.kit import files
from portico.kit.errors import Invalid
from portico.kit.htmx import is_fragment
from portico.kit.text import one_line, paragraphs

LONGEST = 8000


@dataclass(frozen=True)
class Place:
    """Where a thread stands: its document, whose it is, and the page it belongs to."""

    document: Document
    seller: Seller
    noun: str
    number: str
    title: str
    document_url: str


def answer(request: HttpRequest, user: User, place: Place, template: str) -> HttpResponse:
    """The thread as a page or as the piece of one; POST adds a message. The page has the same words in both forms."""
    error, typed = "", ""
    if request.method == "POST":
        typed = paragraphs(request.POST.get("body", ""))
        try:
            say(request, user, place.document, typed, now=timezone.now())
        except Invalid as refusal:
            error = refusal.message
        else:
            if not is_fragment(request):
                messages.success(request, _("Your message is sent."))
                return HttpResponseRedirect(f"{request.path}#latest")
            typed = ""
    context = {
        "place": place,
        "thread": timeline(
            place.document, staff=user.is_staff, seller_name=place.seller.short_name, everything="all" in request.GET
        ),
        "zone": place.seller.zone,
        "error": error,
        "typed": typed,
        "internal": "internal" in request.POST and bool(error),
        "accept": ACCEPT,
        "longest": LONGEST,
        "fragment": is_fragment(request),
        "staff": user.is_staff,
        "frame": "kit/staff_frame.html" if user.is_staff else "kit/frame.html",
    }
    return render(request, template, context, status=400 if error else 200)


def say(request: HttpRequest, user: User, document: Document, body: str, *, now: datetime) -> Message:
    """Add the posted message; Invalid when it is empty, too long, or one of its files cannot be taken."""
    if len(body) > LONGEST:
        raise Invalid(
            _("The message has %(length)d characters; at most %(most)d fit. Shorten it, or attach it as a file.")
            % {"length": len(body), "most": LONGEST}
        )
    uploads = read_uploads(request.FILES.getlist("files"))
    if not body and not uploads:
        raise Invalid(_("Write a message, or attach a file."))
    # The bytes lie before the rows that name them; without the rows they are found again by their hash.
    kept = [(upload.name, files.store(upload.content, upload.media_type)) for upload in uploads]
    with transaction.atomic():
        message = Thread.on(document, now=now).say(
            body or one_line(", ".join(name for name, _file in kept)),
            by=user,
            now=now,
            internal=user.is_staff and "internal" in request.POST,
            files=kept,
        )
        letters.thread_message(message, document, document.customer)
    return message
