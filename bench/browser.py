"""A person at the pages, without JavaScript: follows links, sends the forms as they stand, and notices when nobody answers."""

import http.client
import re
import time
import urllib.parse
from dataclasses import dataclass, field
from html.parser import HTMLParser

from bench.server import cookies_of, joined

PATIENCE = 60.0


class Lost(Exception):
    """The connection broke: whether the request did anything is not known."""


class Refused(Exception):
    """The portal said no, in words: its status and its page."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {words_of(text)[:300]}")
        self.status = status


@dataclass(frozen=True)
class Page:
    """An answer."""

    status: int
    text: str
    location: str
    content: bytes

    def marked(self, name: str) -> str:
        """The first value of `data-<name>`; nothing where there is none."""
        found = re.search(rf'\sdata-{name}="([^"]*)"', self.text)
        return found[1] if found else ""

    def fields(self, having: str) -> dict[str, str]:
        """The fields of the form that has a field of this name, as a browser would send them."""
        reader = Forms()
        reader.feed(self.text)
        found = [form for form in reader.forms if having in form]
        assert found, f"no form has {having}: {words_of(self.text)[:500]}"
        return dict(found[0])


class Forms(HTMLParser):
    """The forms of a page with what is entered in them."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append({})
        name = given.get("name")
        if tag != "input" or not name or not self.forms:
            return
        if given.get("type") in {"radio", "checkbox"} and "checked" not in given:
            return
        self.forms[-1][name] = given.get("value") or ""


def words_of(text: str) -> str:
    """The words of a page's main part, for messages."""
    main = text[text.find("<main") :] if "<main" in text else text
    return " ".join(re.sub(r"<[^>]*>", " ", main).split())


@dataclass
class Person:
    """Somebody with a browser, at a portal on this machine."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Page:
        """A page; asked again when nobody answers, as everybody does. Refused when it is not to be seen."""
        last = time.monotonic() + PATIENCE
        while True:
            try:
                page = self.ask("GET", path)
            except Lost:
                if time.monotonic() > last:
                    raise
                time.sleep(0.1)
                continue
            if page.status >= 400:
                raise Refused(page.status, page.text)
            return page

    def send(self, path: str, fields: dict[str, str]) -> Page:
        """A form, sent once. Lost when no answer came."""
        page = self.ask("POST", path, urllib.parse.urlencode(fields))
        if page.status >= 400:
            raise Refused(page.status, page.text)
        return page

    def ask(self, method: str, path: str, body: str = "") -> Page:
        """One request over a connection of its own; nobody there yet is waited for, since then nothing was asked."""
        headers = {"Cookie": joined(self.cookies)}
        if method == "POST":
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{self.port}"}
        wire = self.connected()
        try:
            wire.request(method, path, body or None, headers)
            answer = wire.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as fault:
            raise Lost(type(fault).__name__) from None
        finally:
            wire.close()
        self.cookies |= cookies_of(answer.headers)
        text = content.decode(errors="replace") if "text/html" in answer.headers.get("Content-Type", "") else ""
        return Page(answer.status, text, answer.headers.get("Location", ""), content)

    def connected(self) -> http.client.HTTPConnection:
        """A connection; Lost when nobody listens for a minute."""
        last = time.monotonic() + PATIENCE
        while True:
            wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                wire.connect()
            except OSError:
                wire.close()
                if time.monotonic() > last:
                    raise Lost("nobody listens") from None
                time.sleep(0.05)
                continue
            return wire

    def sign_in(self, email: str, password: str) -> None:
        """Through the sign-in page."""
        fields = self.get("/account/login/").fields("password")
        page = self.send("/account/login/", fields | {"login": email, "password": password})
        assert page.status == 302, words_of(page.text)
