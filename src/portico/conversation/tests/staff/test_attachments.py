"""Files on the desk."""

from collections.abc import Callable

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from portico.cast import World
from portico.conversation.models import Attachment


def test_staff_downloads_what_a_customer_sent(world: World, client_for: Callable[..., Client]) -> None:
    number = world.quotation("Workshop and showroom roll-out").number
    client_for(world.camille).post(
        f"/my/quotations/{number}/thread/", {"body": "Here", "files": SimpleUploadedFile("a.txt", b"words")}
    )
    attachment = Attachment.objects.latest("id")
    response = client_for(world.omar).get(f"/staff/attachments/{attachment.pk}/")
    assert response.content == b"words"
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert client_for(world.camille).get(f"/staff/attachments/{attachment.pk}/").status_code == 404
    assert client_for(world.omar).get("/staff/attachments/99999999/").status_code == 404
