"""The mail to whoever asked for a ZIP that took a while: it is ready, or could not be made."""

from datetime import datetime

from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from portico.accounts.letters import drawn, readers
from portico.billing.models import Archive
from portico.kit.models import Letter
from portico.kit.outbox import MEMBER, STAFF, Drawn, kind, post


def archive_ready(archive: Archive, *, now: datetime) -> int:
    """Tell who asked for it, once for each ending; returns how many readers there are."""
    if archive.user is None or not archive.user.is_active:
        return 0
    return post(
        "archive_ready",
        readers([archive.user], "archive_ready", why="asked" if archive.member_id else "asked_desk"),
        about=f"archive:{archive.pk}",
        data={"archive": archive.pk},
        seller=archive.seller_id,
        customer=archive.member.customer_id if archive.member else None,
        again=now.isoformat(),
        now=now,
    )


@kind("archive_ready", label=lazy("A download that you asked for is ready"), sides=(MEMBER, STAFF))
def draw_archive_ready(letter: Letter) -> Drawn | None:
    """What it is and until when it is kept, or why there is none; nothing once it was deleted or is being made again."""
    rows = Archive.objects.select_related("seller", "member__customer").defer("chosen")
    archive = rows.filter(pk=letter.data["archive"]).first()
    if archive is None or archive.state in Archive.WAITING:
        return None
    if archive.kind == Archive.Kind.YEAR:
        page = "staff:archives.detail"
    else:
        page = "my:downloads.detail" if archive.member else "staff:downloads.detail"
    return drawn(
        letter,
        seller=archive.seller,
        customer=archive.member.customer if archive.member else None,
        path=reverse(page, args=[archive.key]),
        context={"archive": archive, "is_ready": archive.state == Archive.State.READY, "zone": archive.seller.zone},
    )
