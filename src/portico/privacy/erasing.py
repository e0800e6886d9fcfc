"""The erasure itself: one table of what goes and what stays, which the page shows and the executor carries out.

Each step is one transaction that notes itself as done, so that after a crash the next turn goes on where it was; a step
that runs again finds nothing more to do. Rows that point to the person keep pointing to its emptied login, which names
nobody (see `kit.privacy`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from portico.accounts.models import IdentityRequest, InvoiceRecipient, LetterChoice, Membership, User
from portico.billing.actions.archive import remove_of
from portico.billing.models import (
    Acceptance,
    ChangeRequest,
    ChangeWish,
    Dispute,
    Invoice,
    QuotationVersion,
    QuotationView,
)
from portico.conversation.models import Attachment, Message
from portico.kit.files import drop
from portico.kit.models import Letter
from portico.privacy import ledger
from portico.privacy.models import Closing, ErasureRequest, Export
from portico.privacy.retention import EVIDENCE, keep_until, rule_of


@dataclass(frozen=True)
class Step:
    """Something that goes: its words for the person, and what does it; returns how many rows."""

    name: str
    words: str | Promise
    run: Callable[[User], int]


@dataclass(frozen=True)
class Kept:
    """Something that stays: what, how many, by which law, until when."""

    words: str | Promise
    count: int
    law: str
    until: date


# What goes -------------------------------------------------------------------------------------------------------------


def credentials(user: User) -> int:
    """Password, second steps, verified addresses, every session."""
    ended = [one.session_key for one in Session.objects.all() if one.get_decoded().get("_auth_user_id") == str(user.pk)]
    count = Session.objects.filter(session_key__in=ended).delete()[0]
    count += EmailAddress.objects.filter(user=user).delete()[0] + Authenticator.objects.filter(user=user).delete()[0]
    user.set_unusable_password()
    user.is_active, user.last_login = False, None
    user.save(update_fields=["password", "is_active", "last_login"])
    cache.clear()  # the counters of sign-in attempts are kept by address
    return int(count) + 1


def mails(user: User) -> int:
    """Letters, sent or waiting, choices about them, and the address where it gets a company's invoices."""
    count = Letter.objects.filter(Q(person=user.pk) | Q(to_address__iexact=user.email)).delete()[0]
    count += InvoiceRecipient.objects.filter(email__iexact=user.email).delete()[0]
    return count + LetterChoice.objects.filter(user=user).delete()[0]


def words(user: User) -> int:
    """Messages with their files, wishes, comments on a rejection."""
    files = set(Attachment.objects.filter(message__author=user).values_list("file", flat=True))
    count = Message.objects.filter(author=user).delete()[0]
    count += drop(files)
    count += ChangeWish.objects.filter(request__by=user).exclude(comment="").update(comment="")
    count += ChangeRequest.objects.filter(by=user).exclude(message="").update(message="")
    count += Dispute.objects.filter(by=user).exclude(message="").update(message="")
    count += Dispute.objects.filter(solved_by=user).exclude(answer="").update(answer="")
    count += IdentityRequest.objects.filter(asked_by=user).exclude(reason="").update(reason="")
    rejected = QuotationVersion.objects.filter(rejected_by=user).exclude(rejected_comment="")
    return count + rejected.update(rejected_comment="")


def papers_ahead(user: User) -> int:
    """Papers of quotations that name the person and were drawn ahead; the worker draws the open ones anew."""
    named = QuotationVersion.objects.filter(Q(quotation__contact=user) | Q(quotation__salesperson=user))
    files = set(named.exclude(paper=None).values_list("paper", flat=True))
    named.exclude(paper=None).update(paper=None, paper_key="")
    return drop(files)


def traces(user: User) -> int:
    """Network address and browser of what was opened; that it was opened stays."""
    return QuotationView.objects.filter(user=user).update(ip=None, user_agent="")


def copies(user: User) -> int:
    """Exports and ZIP files that were made."""
    count = 0
    for export in Export.objects.filter(user=user):
        export.path.unlink(missing_ok=True)
        count += export.delete()[0]
    count += remove_of(user)
    return count + Closing.objects.filter(user=user).delete()[0]


def access(user: User) -> int:
    """The memberships."""
    User.objects.filter(pk=user.pk).update(current_membership=None)
    return Membership.objects.filter(user=user).delete()[0]


def identity(user: User) -> int:
    """Name, address, telephone, position, language: the login stays as an empty row that others point to."""
    count = User.objects.filter(pk=user.pk).update(
        email=f"erased-{user.pk}{ledger.ERASED}", name="", title="", phone="", language="en", theme=""
    )
    return count + papers_ahead(user)


STEPS = (
    Step("credentials", _("Your password, second steps and sessions"), credentials),
    Step("mails", _("Mails to you and your choices about them"), mails),
    Step("words", _("Your messages with their files, wishes and comments"), words),
    Step("traces", _("Network address and browser of what you opened"), traces),
    Step("copies", _("Copies of your data that were made"), copies),
    Step("access", _("Your access to companies"), access),
    Step("identity", _("Your name, e-mail address, telephone, position and language"), identity),
)
"""In this order: what finds rows by the address comes before the address goes."""


# What stays ------------------------------------------------------------------------------------------------------------


def kept(user: User, country: str) -> list[Kept]:
    """What the law makes the seller keep of this person."""
    accepted = Acceptance.objects.filter(accepted_by=user)
    count = accepted.count()
    if not count:
        return []
    orders = accepted.values("version__order")
    invoiced = Invoice.objects.filter(order__in=orders, issued_on__isnull=False).values_list("issued_on", flat=True)
    dated = [one.date() for one in accepted.values_list("accepted_at", flat=True)] + [day for day in invoiced if day]
    until = keep_until(country, dated)
    assert until is not None
    return [Kept(EVIDENCE, count, rule_of(country).law, until)]


# Carrying it out -------------------------------------------------------------------------------------------------------


def carry_out(request: ErasureRequest, *, now: datetime) -> None:
    """Every step that is not done yet, each in a transaction of its own; then the proof. May be called again at any time."""
    for step in STEPS:
        if step.name in request.steps:
            continue
        with transaction.atomic():
            user = User.objects.select_for_update().get(pk=request.user_id)
            request.done(step.name, step.run(user))
    ledger.note(request, now=now)
    stays = kept(request.user, request.seller.country)
    proof: list[dict[str, object]] = [
        {"what": "acceptance evidence", "count": one.count, "law": one.law, "until": one.until.isoformat()}
        for one in stays
    ]
    request.finish(kept_until=max((one.until for one in stays), default=None), proof=proof, now=now)
    forget_pages()


def let_go(request: ErasureRequest, *, now: datetime) -> int:
    """The law asks for it no longer: empty the evidence that stayed, and complete the request; how many rows.

    That something was accepted, when, and the hashes of what was accepted stay with the order: they name nobody.
    """
    with transaction.atomic():
        rows = Acceptance.objects.filter(accepted_by=request.user_id).exclude(signer_name="")
        count = rows.update(
            consent="", signer_name="", signer_title="", signature_kind=Acceptance.SignatureKind.NONE, signature="",
            auth_method="", ip=None, user_agent="", view_history=[],
        )  # fmt: skip
        request.complete(count=count, now=now)
    forget_pages()
    return count


def forget_pages() -> None:
    """What was deleted is not left readable in the database's files: SQLite's log is folded in, PostgreSQL's rows vacuumed.

    PostgreSQL's own log and backups forget it with their rotation (docs/operate/privacy.md).
    """
    if connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        models = (
            User, Letter, Message, ChangeRequest, ChangeWish, Dispute, QuotationVersion, QuotationView, Acceptance, Session,
        )  # fmt: skip
        for table in [connection.ops.quote_name(model._meta.db_table) for model in models]:
            cursor.execute(f"VACUUM {table}")
