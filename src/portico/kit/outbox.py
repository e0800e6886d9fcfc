"""Letters: written in the transaction of what they tell, drawn and sent by the worker, retried, never sent twice.

An app's `letters.py` says what there is to tell and to whom:

    @kind("quotation_sent", label=lazy("A quotation was sent"))
    def draw_quotation_sent(letter: Letter) -> Drawn | None:
        "Read the documents named in letter.data; None when there is nothing to tell any more."

    post("quotation_sent", readers, about="version:12", data={"version": 12}, seller=…, customer=…, now=now)

Its templates are `<app>/letters/<event>.txt` and `.html`; the first line of the text is the subject. A letter is tried again
after 1, 2, 4 … 60 minutes for three days. When the mail server cannot be reached at all, everything that waits, waits with
the letter that found out. Delivery is at least once; a repeated one carries the same Message-ID.
"""

import hashlib
import logging
import re
import smtplib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import formataddr, parseaddr
from functools import cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.mail import BadHeaderError, EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.smtp import EmailBackend as SMTPBackend
from django.core.validators import validate_email
from django.db import connection
from django.template import engines
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.module_loading import autodiscover_modules
from jinja2 import Environment

from portico.kit.adding import add
from portico.kit.addresses import absolute
from portico.kit.crash import crashpoint
from portico.kit.jobs import sweep
from portico.kit.metrics import gauge
from portico.kit.models import Letter
from portico.kit.text import one_line

BATCH = 20
LONGEST_BATCH = 120.0  # seconds; well within Letter.LEASE, so that no letter of it counts as lost meanwhile
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
DEFAULT_ACCENT = "#17506a"
MEMBER, STAFF = "member", "staff"
logger = logging.getLogger("portico.letters")


@dataclass(frozen=True)
class Reader:
    """Whom a letter goes to. `person` is the login's id, None for an address without one; `why` is a key of the words
    that tell the reader why it gets this."""

    address: str
    name: str
    language: str
    why: str
    person: int | None = None


@dataclass(frozen=True)
class Sender:
    """Whose letter it is: the name before our address, where an answer goes, what stands at the foot, the accent."""

    name: str
    reply_to: str
    footer: Sequence[str]
    accent: str = DEFAULT_ACCENT


@dataclass(frozen=True)
class Attachment:
    """A file that goes with a letter."""

    name: str
    content: bytes
    media_type: str = "application/pdf"


@dataclass(frozen=True)
class Drawn:
    """What a letter tells, read from the documents at the moment of sending.

    `path` is where its one button leads, `why` the words for why the reader gets it, `change` the path where that can be
    changed (empty: it cannot). `secrets` are words that nobody but the reader may see: they are not kept.
    """

    sender: Sender
    path: str
    why: str
    change: str = ""
    context: dict[str, Any] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    secrets: Sequence[str] = ()


@dataclass(frozen=True)
class Kind:
    """One event that is told by mail. `sides`: who may get it; an `optional` one can be switched off by its reader."""

    event: str
    label: str | Promise
    template: str
    draw: Callable[[Letter], Drawn | None]
    sides: tuple[str, ...]
    optional: bool


@dataclass(frozen=True)
class Rendered:
    """A letter as it goes out."""

    subject: str
    text: str
    html: str
    drawn: Drawn

    def kept(self, words: str) -> str:
        """`words` without what only the reader may know."""
        for secret in self.drawn.secrets:
            words = words.replace(secret, "…")
        return words


class BadAddress(Exception):
    """The address cannot be one: no attempt will ever succeed."""


_kinds: dict[str, Kind] = {}


def kind(
    event: str, *, label: str | Promise, sides: tuple[str, ...] = (MEMBER,), optional: bool = True
) -> Callable[[Callable[[Letter], Drawn | None]], Callable[[Letter], Drawn | None]]:
    """Register how the letter of `event` is drawn."""

    def register(draw: Callable[[Letter], Drawn | None]) -> Callable[[Letter], Drawn | None]:
        app = draw.__module__.split(".")[1]
        _kinds[event] = Kind(event, label, f"{app}/letters/{event}", draw, sides, optional)
        return draw

    return register


def kinds() -> dict[str, Kind]:
    """Every letter there is, by its event, in the order of the apps."""
    discover()
    return _kinds


@cache
def discover() -> None:
    """Import every app's `letters.py`, once a process."""
    autodiscover_modules("letters")


# Writing --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class News:
    """What is to be told to some readers. `data` holds ids, never names or amounts.

    The same event about the same thing to the same reader is never queued twice; `again` tells apart what may be told
    several times (the seventh and the fourteenth day).
    """

    event: str
    readers: Iterable[Reader]
    about: str
    data: dict[str, Any]
    seller: int
    now: datetime
    customer: int | None = None
    again: str = ""

    def letters(self) -> Iterator[Letter]:
        """One letter to each reader."""
        for reader in self.readers:
            address = reader.address.lower()
            who = str(reader.person) if reader.person else hashlib.sha256(address.encode()).hexdigest()[:16]
            key = ":".join(part for part in (self.event, self.about, self.again, who) if part)
            yield Letter(
                event=self.event,
                key=key,
                about=self.about,
                seller=self.seller,
                customer=self.customer,
                person=reader.person,
                why=reader.why,
                to_address=reader.address[:254],
                to_name=one_line(reader.name)[:120],
                language=reader.language,
                data=self.data,
                queued_at=self.now,
                next_attempt_at=self.now,
                message_id=message_id(key),
            )


def post(
    event: str,
    readers: Iterable[Reader],
    *,
    about: str,
    data: dict[str, Any],
    seller: int,
    now: datetime,
    customer: int | None = None,
    again: str = "",
) -> int:
    """Write one letter to each reader, in the caller's transaction; returns how many readers there are. See `News`."""
    return post_all([News(event, readers, about, data, seller, now, customer, again)])


def post_all(news: Iterable[News]) -> int:
    """Write the letters of all `news` at once, in the caller's transaction; returns how many there are."""
    assert connection.in_atomic_block, "a letter is written in the transaction of what it tells"
    letters = {letter.key: letter for one in news for letter in one.letters()}
    if letters:
        add(*letters.values(), ignore_conflicts=True)
    return len(letters)


def message_id(key: str) -> str:
    """The Message-ID of the letter with this key: the same whoever sends it, and whenever."""
    host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    digest = hashlib.sha256(f"{settings.PORTICO_BASE_URL} {key}".encode()).hexdigest()
    return f"<{digest[:40]}@{host}>"


# Drawing --------------------------------------------------------------------------------------------------------------


def in_words(language: str, *, escapes: bool) -> Environment:
    """The environment of our pages in one language; without `escapes` for the text form, in which nothing is escaped."""
    backend: Any = engines["jinja2"]
    found: Environment = backend.of(language, escapes=escapes)
    return found


def render(letter: Letter) -> Rendered | None:
    """The letter in its reader's language; None when there is nothing to tell any more."""
    one = kinds()[letter.event]
    with translation.override(letter.language):
        drawn = one.draw(letter)
        if drawn is None:
            return None
        context = drawn.context | {
            "letter": letter,
            "sender": drawn.sender,
            "button_url": absolute(drawn.path),
            "why": drawn.why,
            "change_url": absolute(drawn.change) if drawn.change and one.optional else "",
            "accent": accent_of(drawn.sender),
            "ink": ink_on(accent_of(drawn.sender)),
            "link": link,
        }
        words = in_words(letter.language, escapes=False).get_template(f"{one.template}.txt").render(context)
        subject, _line_end, text = words.strip().partition("\n")
        subject = one_line(subject)
        drawing = in_words(letter.language, escapes=True).get_template(f"{one.template}.html")
        html = drawing.render(context | {"subject": subject})
    return Rendered(subject, re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", html, drawn)


def link(name: str, *args: object) -> str:
    """The full address of a named view, from PORTICO_BASE_URL alone."""
    return absolute(reverse(name, args=args))


def accent_of(sender: Sender) -> str:
    """The seller's colour, if it is one."""
    return sender.accent if re.fullmatch(r"#[0-9a-f]{6}", sender.accent) else DEFAULT_ACCENT


def ink_on(colour: str) -> str:
    """White or near-black, whichever reads better on `colour` (WCAG relative luminance)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return "#ffffff" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.179 else "#1b1a17"


def message(letter: Letter, rendered: Rendered) -> EmailMultiAlternatives:
    """The mail itself; BadAddress when it can go nowhere."""
    try:
        validate_email(letter.to_address)
    except ValidationError:
        raise BadAddress from None
    sender = rendered.drawn.sender
    mail = EmailMultiAlternatives(
        subject=rendered.subject,
        body=rendered.text,
        from_email=with_name(sender.name, settings.DEFAULT_FROM_EMAIL),
        to=[with_name(letter.to_name, letter.to_address)],
        reply_to=[sender.reply_to] if sender.reply_to else None,
        headers={
            "Message-ID": letter.message_id,
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    mail.attach_alternative(rendered.html, "text/html")
    for file in rendered.drawn.attachments:
        mail.attach(one_line(file.name), file.content, file.media_type)
    return mail


def with_name(name: str, address: str) -> str:
    """`Name <address>`; the name on one line, left out where the address brings its own."""
    own, bare = parseaddr(address)
    shown = one_line(name) or own
    return formataddr((shown, bare)) if shown else bare


# Sending --------------------------------------------------------------------------------------------------------------


class Carrier:
    """The way to the mail server: one connection for several letters over SMTP, else one a letter."""

    def __init__(self) -> None:
        self.connection: BaseEmailBackend | None = None

    def open(self) -> BaseEmailBackend:
        """A connection that is up; raises what the server's absence raises."""
        if self.connection is None:
            fresh = get_connection()
            fresh.open()
            self.connection = fresh
        return self.connection

    def send(self, mail: EmailMultiAlternatives) -> None:
        """Hand over one mail."""
        carrier = self.open()
        carrier.send_messages([mail])
        if not isinstance(carrier, SMTPBackend):
            self.close()

    def close(self) -> None:
        """Hang up; what went wrong before is known already."""
        if self.connection is not None:
            try:
                self.connection.close()
            except (OSError, smtplib.SMTPException):
                logger.info("the mail server was gone at the end")
            self.connection = None


@sweep(every=2)
def send_letters(now: datetime) -> int:
    """Send what is due, each letter by one worker alone; returns how many were taken."""
    carrier, taken, started = Carrier(), 0, time.monotonic()
    try:
        for letter in Letter.objects.due(now)[:BATCH]:
            if time.monotonic() - started > LONGEST_BATCH:
                break
            if not letter.take(now):
                continue
            taken += 1
            if not send(letter, carrier, now=now):
                break
    finally:
        carrier.close()
    return taken


def send(letter: Letter, carrier: Carrier, *, now: datetime) -> bool:
    """Send one letter that was taken; False when the mail server cannot be reached, so that there is no use in going on."""
    try:
        rendered = render(letter)
        if rendered is None:
            letter.drop()
            return True
        mail = message(letter, rendered)
    except ObjectDoesNotExist as gone:
        letter.drop(error=type(gone).__name__)
        return True
    except (BadAddress, BadHeaderError, UnicodeError) as fault:
        failed(letter, fault)
        return True
    except Exception as fault:
        logger.exception("a letter could not be drawn", extra={"letter": letter.pk, "event": letter.event})
        later(letter, fault, now=now)
        return True
    try:
        carrier.open()
    except (OSError, smtplib.SMTPException) as fault:
        carrier.connection = None
        logger.warning("the mail server cannot be reached: %s", type(fault).__name__)
        everything_later(letter, fault, now=now)
        return False
    try:
        carrier.send(mail)
    except (BadHeaderError, UnicodeError) as fault:
        failed(letter, fault)
    except smtplib.SMTPRecipientsRefused as fault:
        if all(500 <= code < 600 for code, _words in fault.recipients.values()):
            failed(letter, fault)
        else:
            later(letter, fault, now=now)
    except Exception as fault:  # noqa: BLE001  # a service's own errors; their words hold addresses, so no traceback
        logger.warning("a letter was not taken: %s", type(fault).__name__, extra={"letter": letter.pk})
        later(letter, fault, now=now)
        carrier.close()
    else:
        crashpoint("mail sent")
        letter.was_sent(
            subject=rendered.kept(rendered.subject),
            text=rendered.kept(rendered.text),
            html=rendered.kept(rendered.html),
            attachments=[file.name for file in rendered.drawn.attachments],
            now=now,
        )
        crashpoint("marked sent")
    return True


def failed(letter: Letter, fault: Exception) -> None:
    """Give a letter up; the log names no address."""
    logger.warning("a letter failed: %s", type(fault).__name__, extra={"letter": letter.pk, "event": letter.event})
    letter.fail(error=type(fault).__name__)


def later(letter: Letter, fault: Exception, *, now: datetime) -> None:
    """Try again after 1, 2, 4 … 60 minutes; after three days give up."""
    if now - letter.queued_at >= GIVE_UP_AFTER:
        failed(letter, fault)
    else:
        letter.try_again(at=now + wait_after(letter.attempts), error=type(fault).__name__)


def everything_later(letter: Letter, fault: Exception, *, now: datetime) -> None:
    """The server is away: what is due waits with `letter`, and nothing else is tried in vain."""
    later(letter, fault, now=now)
    due = Letter.objects.due(now).filter(state=Letter.State.QUEUED).order_by()
    error = type(fault).__name__
    old = due.filter(queued_at__lte=now - GIVE_UP_AFTER)
    old.update(state=Letter.State.FAILED, next_attempt_at=None, error=error)
    due.update(next_attempt_at=now + wait_after(letter.attempts), error=error)


def wait_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    doubled: int = 2 ** min(max(attempts - 1, 0), 10)
    return min(FIRST_WAIT * doubled, LONGEST_WAIT)


@gauge("portico_letters", "Letters that wait, and letters that failed.")
def depth() -> dict[str, float]:
    """For the metrics."""
    waiting, gone = Letter.State.QUEUED, Letter.State.FAILED
    return {state: Letter.objects.filter(state=state).count() for state in (waiting, gone)}
