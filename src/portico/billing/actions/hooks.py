"""Webhook endpoints, as an administrator keeps them; each change is one transaction with its event."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from portico.accounts.models import Event, Seller, User
from portico.billing import letters
from portico.billing.hooks import TEST, TYPES
from portico.kit.delivering import Message, queue
from portico.kit.errors import Conflict, Invalid
from portico.kit.hooks import new_secret
from portico.kit.models import WebhookDelivery, WebhookEndpoint
from portico.kit.posting import place_of

MOST_ENDPOINTS = 20
MOST_AT_ONCE = 5_000


def add_endpoint(*, seller: Seller, url: str, types: Collection[str], by: User, now: datetime) -> WebhookEndpoint:
    """A new endpoint, switched on; its `secret` is shown this once. Raises Invalid for an address that cannot be one."""
    url, chosen = _read(url, types)
    with transaction.atomic():
        if WebhookEndpoint.objects.filter(seller=seller.pk).count() >= MOST_ENDPOINTS:
            raise Conflict(_("There are as many endpoints as there can be. Remove one first."))
        endpoint = WebhookEndpoint.objects.create(
            seller=seller.pk,
            url=url,
            types=chosen,
            secret=new_secret(),
            changed_at=now,
            created_at=now,
            created_by=by.pk,
        )
        _record("webhook.added", endpoint, by=by, now=now)
    return endpoint


def change_endpoint(*, endpoint: WebhookEndpoint, url: str, types: Collection[str], by: User, now: datetime) -> None:
    """Another address or other types. Raises Invalid."""
    url, chosen = _read(url, types)
    with transaction.atomic():
        endpoint.change(url=url, types=chosen)
        _record("webhook.changed", endpoint, by=by, now=now)


def _read(url: str, types: Collection[str]) -> tuple[str, list[str]]:
    """What was typed; all types are kept as none, so that types of a later day are among them."""
    url = url.strip()
    place_of(url)
    if not types or not set(types) <= set(TYPES):
        raise Invalid(_("Choose what the endpoint is told."))
    return url, [] if set(types) == set(TYPES) else sorted(types)


def rotate_secret(*, endpoint: WebhookEndpoint, by: User, now: datetime) -> str:
    """A new secret, shown this once; the one before signs as well for a day."""
    with transaction.atomic():
        secret = endpoint.rotate(now=now)
        _record("webhook.rotated", endpoint, by=by, now=now)
    return secret


def switch_endpoint(*, endpoint: WebhookEndpoint, on: bool, by: User, now: datetime) -> None:
    """On or off. Conflict when it is so already."""
    with transaction.atomic():
        if on:
            endpoint.switch_on(now=now)
        else:
            endpoint.switch_off(now=now)
        _record("webhook.switched_on" if on else "webhook.switched_off", endpoint, by=by, now=now)


def remove_endpoint(*, endpoint: WebhookEndpoint, by: User, now: datetime) -> None:
    """Away with it and all that was sent to it. Conflict while it is on."""
    if endpoint.state == WebhookEndpoint.State.ON:
        raise Conflict(_("Switch the endpoint off first. Nothing was removed."))
    with transaction.atomic():
        _record("webhook.removed", endpoint, by=by, now=now)
        endpoint.delete()


def send_test(*, endpoint: WebhookEndpoint, now: datetime) -> WebhookDelivery:
    """A message that means nothing, whatever types the endpoint wants. Conflict while it is off."""
    _refuse_unless_on(endpoint)
    message = Message(TEST, f"test:{WebhookDelivery.new_id()}", "webhook", str(endpoint.pk), now)
    with transaction.atomic():
        endpoint.types = []
        queue([message], endpoints=[endpoint], now=now)
        endpoint.refresh_from_db()
    return endpoint.deliveries.get(key=message.key)


def replay(*, delivery: WebhookDelivery, now: datetime) -> None:
    """Send one message again, under the same webhook-id. Conflict while its endpoint is off, or it waits anyway."""
    _refuse_unless_on(delivery.endpoint)
    delivery.replay(now=now)


def replay_failed(*, endpoint: WebhookEndpoint, since: datetime, now: datetime) -> int:
    """Send again what failed of what happened since then, the oldest first; returns how many. Conflict while it is off."""
    _refuse_unless_on(endpoint)
    failed = endpoint.deliveries.filter(state=WebhookDelivery.State.FAILED, happened_at__gte=since)
    keys = list(failed.order_by("happened_at", "pk").values_list("pk", flat=True)[:MOST_AT_ONCE])
    return failed.filter(pk__in=keys).update(**WebhookDelivery.afresh(now))


def _refuse_unless_on(endpoint: WebhookEndpoint) -> None:
    if endpoint.state != WebhookEndpoint.State.ON:
        raise Conflict(_("The endpoint is switched off. Switch it on first. Nothing was sent."))


def tell_of_dead(now: datetime) -> int:
    """Write a mail about each endpoint that no longer works, once each time; returns how many there were."""
    told = 0
    for endpoint in WebhookEndpoint.objects.filter(state__in=WebhookEndpoint.DEAD, told_at=None).order_by("pk"):
        with transaction.atomic():
            if endpoint.was_told(now=now):
                letters.webhook_dead(endpoint, now=now)
                told += 1
    return told


def _record(name: str, endpoint: WebhookEndpoint, *, by: User, now: datetime) -> None:
    Event.record(name, endpoint, now=now, by=by, visible=False)
