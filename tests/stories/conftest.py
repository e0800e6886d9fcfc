"""A real browser for the stories: headless Chromium that forgets everything between tests and says what it had to block."""

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from portico.commands.test import BROWSERS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer


@pytest.fixture(scope="session")
def chromium() -> "Iterator[Browser]":
    """The distribution's Chromium, one a run."""
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
        "1"  # playwright keeps an event loop in this thread; our code never sees it
    )
    program = next((path for path in BROWSERS if os.path.exists(path)), None)  # noqa: PTH110
    if program is None:
        pytest.fail("Chromium is not installed; ./portico test installs it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: "Browser", live_server: "LiveServer", settings: Any) -> "Iterator[Callable[..., Page]]":
    """`new_page(width=390, javascript=False, color_scheme="dark")`: a page in a browser of its own, on the running portal.

    The test fails at its end if any page logged an error: a blocked script or style, a missing file, an exception.
    """
    settings.PORTICO_BASE_URL = live_server.url
    contexts = []
    errors: list[str] = []

    def make(*, width: int = 1440, height: int = 900, javascript: bool = True, **options: Any) -> "Page":
        context = chromium.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": height},
            java_script_enabled=javascript,
            locale="en-GB",
            timezone_id="Europe/Paris",
            reduced_motion="reduce",
            **options,
        )
        context.set_default_timeout(15_000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    unexpected = [error for error in errors if "the server responded with a status of 4" not in error]
    assert not unexpected, unexpected


@pytest.fixture
def page(new_page: "Callable[..., Page]") -> "Page":
    """One page, 1440 wide, with JavaScript."""
    return new_page()
