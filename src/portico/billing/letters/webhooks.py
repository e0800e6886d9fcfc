"""The mail about a webhook endpoint that no longer works."""

from datetime import datetime
from urllib.parse import urlsplit

from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import drawn, readers
from portico.accounts.models import Seller, User
from portico.kit.models import Letter, WebhookEndpoint
from portico.kit.outbox import STAFF, Drawn, kind, post


def webhook_dead(endpoint: WebhookEndpoint, *, now: datetime) -> int:
    """Tell the administrators; returns how many readers there are."""
    admins = User.objects.filter(staff_of=endpoint.seller, is_active=True, staff_role=User.StaffRole.ADMIN)
    return post(
        "webhook_dead",
        readers(admins.order_by("pk"), "webhook_dead", why="sells"),
        about=f"webhook:{endpoint.pk}",
        data={"endpoint": endpoint.pk},
        seller=endpoint.seller,
        again=endpoint.changed_at.isoformat(),
        now=now,
    )


@kind("webhook_dead", label=lazy("A webhook endpoint no longer works"), sides=(STAFF,))
def draw_webhook_dead(letter: Letter) -> Drawn | None:
    """Which host (an address may hold a key), since when and why; nothing when it works again."""
    endpoint = WebhookEndpoint.objects.get(pk=letter.data["endpoint"])
    if endpoint.state not in WebhookEndpoint.DEAD:
        return None
    seller = Seller.objects.get(pk=letter.seller)
    context = {"endpoint": endpoint, "host": urlsplit(endpoint.url).hostname, "zone": seller.zone}
    return drawn(letter, seller=seller, path=reverse("staff:webhooks.detail", args=[endpoint.pk]), context=context)
