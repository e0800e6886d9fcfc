"""Files of messages, always as a download, for the seller's people."""

from django.http import HttpResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portico.accounts.access import StaffRequest, staff
from portico.conversation.files import download
from portico.conversation.models import Attachment
from portico.kit.errors import Missing


@staff()
@require_safe
def detail(request: StaffRequest, number: int) -> HttpResponse:
    """The file itself."""
    attachment = (
        Attachment.objects.select_related("file")
        .filter(pk=number, message__thread__customer__seller=request.seller)
        .first()
        if number < 2**63
        else None
    )
    if attachment is None:
        raise Missing(_("There is no such file, or the message it belonged to is gone."))
    return download(attachment)


urlpatterns = [path("attachments/<int:number>/", detail, name="attachments.detail")]
