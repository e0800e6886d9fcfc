"""Stories: a live server, a worker beside it, the cast, and Chromium. Through HTTP alone on both engines; in the browser
on PostgreSQL, as production runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect, sync_playwright

from portico.accounts.models import User
from portico.cast import PASSWORD, World, build_world
from portico.kit import jobs

CHROMIUM = next(
    (
        path
        for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
        if Path(path).exists()
    ),
    "/usr/bin/chromium",
)
QUIET = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update"


@pytest.fixture
def story_world(transactional_db: None, settings: Any) -> World:
    """The cast around the real present: a browser has the real clock."""
    return build_world(timezone.now())


@pytest.fixture
def portal(story_world: World, live_server: Any, settings: Any) -> Iterator[str]:
    """The address of a running portal with its worker; notices travel over real HTTP on loopback."""
    settings.PORTICO_BASE_URL = live_server.url
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.2):
            with suppress(Exception):
                run_sweeps(timezone.now())
        connection.close()

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    yield live_server.url
    stop.set()
    worker.join(timeout=10)


def run_sweeps(now: datetime) -> None:
    """One turn of every sweep."""
    for sweep in jobs.discover():
        sweep.run(now)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One headless Chromium for the whole run."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET.split())
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, portal: str) -> Iterator[Callable[..., Page]]:
    """`visit(user, path, width=…, scheme="dark", javascript=False)`: a page of a signed-in person in a window of its own."""
    contexts = []

    def opened(
        user: User | None, path: str = "/", *, width: int = 1440, scheme: str = "light", javascript: bool = True
    ) -> Page:
        context = chromium.new_context(
            base_url=portal,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if scheme == "dark" else "light",
            java_script_enabled=javascript,
            locale="en-GB",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        if user is not None:
            sign_in(page, user)
        page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()


def sign_in(page: Page, user: User) -> None:
    """Sign in as a person would, through the page."""
    page.goto("/account/login/")
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
