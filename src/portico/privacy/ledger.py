"""Who was erased, kept outside the database, so that a restored backup does not bring a person back (SAFETY 4).

One line an erasure: the key of the login, and a hash that tells whether a row of that key is the same login. No line names
anybody. `./portico serve` and `worker` carry out what a restored database has forgotten before they open.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from portico.accounts.models import Seller, User

if TYPE_CHECKING:
    from portico.privacy.models import ErasureRequest

ERASED = "@erased.invalid"
"""How the address of an emptied login ends."""


def mark_of(user: User) -> str:
    """What tells a login from another that gets its key in another database: SHA-256 of key and moment of creation."""
    return hashlib.sha256(f"{user.pk} {user.date_joined.timestamp():.6f}".encode()).hexdigest()


def note(request: "ErasureRequest", *, now: datetime) -> None:
    """Write down that this erasure is carried out, to the disk, before it is said to be. OSError when that cannot be."""
    line = {
        "user": request.user_id,
        "mark": mark_of(request.user),
        "channel": request.channel,
        "received_on": request.received_on.isoformat(),
        "due_on": request.due_on.isoformat(),
        "at": now.isoformat(timespec="seconds"),
    }
    path = settings.PORTICO_ERASURES
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"\n{json.dumps(line)}\n".encode())  # never glued to one that was cut off
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def lines() -> Iterator[dict[str, Any]]:
    """Every line; a last one that was cut off by a crash is left out: its erasure was not finished and goes on."""
    if not settings.PORTICO_ERASURES.exists():
        return
    for line in settings.PORTICO_ERASURES.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def replay(*, now: datetime) -> int:
    """Carry out again every erasure that this database does not know of; how many. May be called at any time."""
    from portico.privacy import erasing
    from portico.privacy.models import ErasureRequest

    count = 0
    for line in lines():
        user = User.objects.filter(pk=line["user"]).exclude(email__endswith=ERASED).first()
        if user is None or mark_of(user) != line["mark"]:
            continue
        with transaction.atomic():
            user = User.objects.select_for_update().get(pk=user.pk)  # web server and worker may begin together
            request = ErasureRequest.objects.filter(user=user, state__in=ErasureRequest.OPEN).first()
            if request is None:
                request = ErasureRequest(
                    seller=Seller.objects.earliest("pk"),
                    user=user,
                    channel=line["channel"],
                    received_on=date.fromisoformat(line["received_on"]),
                    due_on=date.fromisoformat(line["due_on"]),
                )
            request.state, request.decided_at = ErasureRequest.State.EXECUTING, now
            request.save()
        erasing.carry_out(request, now=now)
        count += 1
    return count
