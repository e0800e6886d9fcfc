"""The outbox: real mail servers that are there or not, two workers, hostile words; and nothing is ever sent twice."""

import email
import email.policy
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import time_machine
from aiosmtpd.controller import Controller
from django.core import mail
from django.db import transaction
from django.test import Client

from portico.accounts.letters import credentials_changed
from portico.accounts.models import User
from portico.billing.tests.my.pages import at_once
from portico.cast import World
from portico.kit import outbox
from portico.kit.errors import Conflict
from portico.kit.models import Letter
from portico.kit.outbox import GIVE_UP_AFTER, ink_on, send_letters, wait_after

SMTP = "django.core.mail.backends.smtp.EmailBackend"
Queue = Callable[..., Letter]


class Box:
    """A mail server that keeps what it is given; `refuse` answers for an address instead."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.got: list[EmailMessage] = []
        self.to: list[list[str]] = []
        self.connections = 0
        self.refuse: dict[str, str] = {}
        self.controller: Controller | None = None
        self.drops = 0
        """So many mails are taken, and the connection breaks before the sender is told."""

    def start(self) -> None:
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.controller.start()

    def stop(self) -> None:
        if self.controller is not None:
            self.controller.stop()
            self.controller = None

    async def handle_EHLO(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd's name
        self.got.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        self.to.append(list(envelope.rcpt_tos))
        if self.drops:
            self.drops -= 1
            server.transport.abort()
        return "250 OK"


@pytest.fixture
def box(settings: Any) -> Iterator[Box]:
    """A mail server on loopback, not started yet, to which our mails go."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_TIMEOUT = 5
    found = Box(port)
    yield found
    found.stop()


@pytest.fixture
def queue(people: World) -> Queue:
    """`queue(user)`: a letter to that person, written now."""

    def write(user: User | None = None, *, now: datetime = people.now, address: str = "") -> Letter:
        with transaction.atomic():
            credentials_changed(user=user or people.camille, what="password", now=now, address=address)
        return Letter.objects.latest("id")

    return write


def sent_all(now: datetime) -> int:
    """Let the worker run until it finds nothing more."""
    total = 0
    while taken := send_letters(now):
        total += taken
    return total


# Over a real mail server ------------------------------------------------------------------------------------------------


def test_a_letter_arrives_as_text_and_html_with_everything_on_it(people: World, box: Box, queue: Queue) -> None:
    people.camille.edit_profile(name="Camille Fontaine-Œil", title="", phone="", language="en")
    letter = queue()
    box.start()
    assert sent_all(people.now) == 1
    (got,) = box.got
    assert box.to == [["camille@fontaine.example"]]
    assert got["To"] == "Camille Fontaine-Œil <camille@fontaine.example>"
    assert got["From"] == "Northwind Software <portico@localhost>"
    assert got["Reply-To"] == "help@northwind.example"
    assert got["Message-ID"] == letter.message_id
    assert got["Auto-Submitted"] == "auto-generated"
    text, html = got.get_body(("plain",)), got.get_body(("html",))
    assert text is not None
    assert html is not None
    for words in (text.get_content(), html.get_content()):
        assert "Your password was changed" in words
        assert "http://localhost:8000/account/password/reset/" in words
        assert "18 quai de la Fosse, 44000 Nantes" in words
        assert "cannot be switched off" in words
    letter.refresh_from_db()
    assert (letter.state, letter.sent_at, letter.subject) == ("sent", people.now, got["Subject"])
    assert letter.text.split() == text.get_content().split()
    assert sent_all(people.now + timedelta(days=1)) == 0


def test_after_an_hours_outage_all_arrive_once_with_the_message_id_they_had(
    people: World, box: Box, queue: Queue, clock: time_machine.Traveller
) -> None:
    letters = [queue(user) for user in (people.camille, people.julien, people.lena)]
    tried = 0
    for minute in range(60):
        tried += sent_all(people.now + timedelta(minutes=minute))
    assert 1 < tried < 15, "what waits, waits together: nothing is tried in vain again and again"
    assert set(Letter.objects.values_list("state", "error")) == {("queued", "ConnectionRefusedError")}
    letters.append(queue(people.ingrid, now=people.now + timedelta(minutes=59)))
    box.start()
    for minute in range(60, 60 + 61):
        clock.move_to(people.now + timedelta(minutes=minute))
        sent_all(people.now + timedelta(minutes=minute))
    assert sorted(got["Message-ID"] for got in box.got) == sorted(letter.message_id for letter in letters)
    assert sorted(box.to) == sorted([letter.to_address] for letter in letters)
    assert set(Letter.objects.values_list("state", flat=True)) == {"sent"}


def test_a_mail_whose_reply_was_lost_comes_again_with_the_message_id_it_had(
    people: World, box: Box, queue: Queue
) -> None:
    letter = queue(people.camille)
    box.drops = 1
    box.start()
    assert sent_all(people.now) == 1
    letter.refresh_from_db()
    assert (letter.state, len(box.got)) == (Letter.State.QUEUED, 1), "it was taken, and nobody told us"
    assert sent_all(people.now + timedelta(minutes=2)) == 1
    letter.refresh_from_db()
    assert letter.state == Letter.State.SENT
    assert [mail["Message-ID"] for mail in box.got] == [letter.message_id] * 2


def test_several_letters_share_a_connection(people: World, box: Box, queue: Queue) -> None:
    for user in (people.camille, people.julien, people.lena):
        queue(user)
    box.start()
    assert sent_all(people.now) == 3
    assert (len(box.got), box.connections) == (3, 1)


def test_an_address_that_the_server_refuses_fails_at_once_and_one_that_must_wait_is_tried_again(
    people: World, box: Box, queue: Queue
) -> None:
    gone, later = queue(people.camille), queue(people.julien)
    box.refuse = {gone.to_address: "550 no such user", later.to_address: "451 greylisted"}
    box.start()
    assert sent_all(people.now) == 2
    gone.refresh_from_db()
    later.refresh_from_db()
    assert (gone.state, gone.error) == ("failed", "SMTPRecipientsRefused")
    assert (later.state, later.next_attempt_at) == ("queued", people.now + timedelta(minutes=1))
    box.refuse = {}
    assert sent_all(people.now + timedelta(minutes=1)) == 1
    assert [got["Message-ID"] for got in box.got] == [later.message_id]


# Waiting and giving up -----------------------------------------------------------------------------------------------------


def test_the_waits_double_up_to_an_hour() -> None:
    minutes = [wait_after(attempts) // timedelta(minutes=1) for attempts in range(1, 10)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert wait_after(30_000) == timedelta(hours=1)


def test_after_three_days_a_letter_is_given_up_and_can_be_sent_again_by_hand(
    people: World, box: Box, queue: Queue
) -> None:
    letter, other = queue(people.camille), queue(people.julien)
    assert sent_all(people.now + GIVE_UP_AFTER) == 1
    for one in (letter, other):
        one.refresh_from_db()
        assert (one.state, one.next_attempt_at, one.error) == ("failed", None, "ConnectionRefusedError")
    later = people.now + timedelta(days=4)
    letter.retry(now=later)
    with pytest.raises(Conflict, match="has not failed"):
        letter.retry(now=later)
    box.start()
    assert sent_all(later) == 1
    assert [got["Message-ID"] for got in box.got] == [letter.message_id]


def test_a_letter_whose_worker_died_is_taken_up_again(people: World, queue: Queue) -> None:
    letter = queue()
    assert letter.take(people.now)
    assert sent_all(people.now + timedelta(minutes=9)) == 0
    assert sent_all(people.now + timedelta(minutes=10)) == 1
    letter.fail(error="late")
    assert letter.state == "sent", "the worker that was lost changes nothing any more"
    (message,) = mail.outbox
    assert message.extra_headers["Message-ID"] == letter.message_id


def test_a_fault_in_drawing_hurts_no_other_letter(people: World, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = queue(people.camille), queue(people.julien)
    render = outbox.render
    broken = pytest.MonkeyPatch()
    with broken.context() as patch:
        patch.setattr(outbox, "render", lambda letter: 1 / 0 if letter.pk == bad.pk else render(letter))
        assert sent_all(people.now) == 2
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, bad.error, good.state) == ("queued", "ZeroDivisionError", "sent")


def test_what_a_letter_tells_of_may_be_gone(people: World, queue: Queue) -> None:
    letter = queue()
    Letter.objects.filter(pk=letter.pk).update(data={"user": 999_999, "what": "password"})
    assert sent_all(people.now) == 1
    letter.refresh_from_db()
    assert (letter.state, mail.outbox) == ("dropped", [])


# Once ----------------------------------------------------------------------------------------------------------------------


def test_the_same_letter_is_queued_once(people: World, queue: Queue) -> None:
    queue()
    queue()
    assert Letter.objects.count() == 1
    queue(now=people.now + timedelta(seconds=1))
    assert Letter.objects.count() == 2


def test_nothing_is_queued_when_the_transaction_is_rolled_back(people: World) -> None:
    def half_done() -> None:
        with transaction.atomic():
            credentials_changed(user=people.camille, what="password", now=people.now)
            assert Letter.objects.exists()
            raise RuntimeError("not after all")

    with pytest.raises(RuntimeError, match="after all"):
        half_done()
    assert not Letter.objects.exists()


def sends_of_two_workers(people: World, monkeypatch: pytest.MonkeyPatch, *, claimed: bool) -> int:
    """How many mails go out when two workers have found the same letter at the same moment."""
    credentials = {"user": people.camille, "what": "password", "now": people.now}
    with transaction.atomic():
        credentials_changed(**credentials)  # type: ignore[arg-type]  # as named above
    gate, take, sends = threading.Barrier(2, timeout=20), Letter.take, list[int]()

    def both_at_once(letter: Letter, now: datetime) -> bool:
        gate.wait()
        return take(letter, now) if claimed else True

    monkeypatch.setattr(Letter, "take", both_at_once)
    monkeypatch.setattr(outbox.Carrier, "send", lambda carrier, message: sends.append(1))
    at_once(lambda: send_letters(people.now), lambda: send_letters(people.now))
    return len(sends)


@pytest.mark.django_db(transaction=True)
def test_two_workers_send_a_letter_once(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sends_of_two_workers(people, monkeypatch, claimed=True) == 1
    assert Letter.objects.get().state == "sent"


@pytest.mark.django_db(transaction=True)
def test_without_the_claim_two_workers_would_send_it_twice(people: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sends_of_two_workers(people, monkeypatch, claimed=False) == 2


# Hostile words -------------------------------------------------------------------------------------------------------------


def test_a_name_cannot_add_a_header(people: World, box: Box, queue: Queue) -> None:
    User.objects.filter(pk=people.camille.pk).update(name="Eve\r\nBcc: victim@elsewhere.example\r\n\r\nHi")
    people.seller.short_name = "Northwind\nSender: evil@elsewhere.example"
    people.seller.save()
    people.camille.refresh_from_db()
    queue(people.camille)
    box.start()
    assert sent_all(people.now) == 1
    (got,) = box.got
    assert got["Bcc"] is got["Sender"] is None
    assert box.to == [["camille@fontaine.example"]]
    assert got["Subject"].count("\n") == 0


@pytest.mark.parametrize(
    "address",
    [
        "eve@x.example\r\nBcc: victim@y.example",
        "eve@x.example\n",
        "no address",
        "a@b@c.example",
        "a@x.example, b@y.example",
    ],
)
def test_what_is_no_address_fails_at_once_and_stops_nothing(
    people: World, box: Box, queue: Queue, address: str
) -> None:
    bad = queue(people.camille, address=address)
    good = queue(people.julien)
    box.start()
    assert sent_all(people.now) == 2
    bad.refresh_from_db()
    assert (bad.state, bad.error) == ("failed", "BadAddress")
    assert box.to == [[good.to_address]]


def test_names_are_text_in_a_letter_never_markup_nor_a_template(people: World, queue: Queue) -> None:
    hostile = "<img src=x onerror=alert(1)>&{{ 7 * 7 }}{% raw %}"
    User.objects.filter(pk=people.camille.pk).update(name=hostile)
    people.camille.refresh_from_db()
    queue(people.camille)
    assert sent_all(people.now) == 1
    (message,) = mail.outbox
    assert isinstance(message, mail.EmailMultiAlternatives)
    html = str(message.alternatives[0][0])
    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;&amp;{{ 7 * 7 }}{% raw %}" in html
    assert f"Hello {hostile}," in message.body, "the text form is no markup and escapes nothing"


def test_a_poisoned_host_gets_into_no_link(people: World, client_for: Callable[..., Client], settings: Any) -> None:
    settings.PORTICO_BASE_URL = "https://portal.northwind.example"
    settings.USE_X_FORWARDED_HOST = True
    settings.ALLOWED_HOSTS = ["*"]
    new = "a much better secret"
    client_for(people.camille).post(
        "/account/password/change/",
        {"oldpassword": "portico-demo", "password1": new, "password2": new},
        headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
    )
    assert sent_all(people.now) == 1
    (message,) = mail.outbox
    assert isinstance(message, mail.EmailMultiAlternatives)
    for words in (str(message.body), str(message.alternatives[0][0])):
        assert "https://portal.northwind.example/account/password/reset/" in words
        assert "evil" not in words


@pytest.mark.parametrize(("accent", "ink"), [("#17506a", "#ffffff"), ("#ffe066", "#1b1a17"), ("#000000", "#ffffff")])
def test_the_button_can_be_read_on_any_accent(accent: str, ink: str) -> None:
    assert ink_on(accent) == ink
