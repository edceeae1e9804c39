"""A headless Chromium that sees this machine only, and remembers everything a page did that it should not have done."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from playwright.async_api import (
    Browser,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    Request,
    Response,
    ViewportSize,
    async_playwright,
    expect,
)

from scripts.chromium import ARGUMENTS, MISSING, find_chromium
from tests.patience import PATIENT_SECONDS

WAIT_MS: Final = PATIENT_SECONDS * 1000
"""How long a page may take over one step. Pages ask for news every 5 s: more than twice that."""
expect.set_options(timeout=WAIT_MS)
# Reported by the page itself too, for a violation that the console does not show.
_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", event =>
  console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI}`));
"""
# Once: what the page takes out of it later is gone.
_STORE: Final = """
if (!sessionStorage.stored) {
  Object.assign(localStorage, %s);
  sessionStorage.stored = "yes";
}
"""


def executable() -> str:
    """Chromium's path. Without one the test is skipped; in CI it fails, so that nobody believes that it ran."""
    if path := find_chromium():
        return path
    if os.environ.get("CI"):
        pytest.fail(MISSING)
    pytest.skip(MISSING)


class Watched:
    """A page, and what went wrong on it."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.faults: list[str] = []
        self.requests: list[str] = []
        """`METHOD /path` of each request to our own origin, in order."""
        self.expected_statuses: set[int] = set()
        """Answers from 400 up that a test provokes on purpose."""
        self._origin = origin
        page.on("console", self._console)
        page.on("pageerror", self._page_error)
        page.on("request", self._request)
        page.on("requestfailed", self._request_failed)
        page.on("response", self._response)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        # Chromium repeats each answer from 400 up as an error of the console.
        expected = any(f"status of {status}" in message.text for status in self.expected_statuses)
        if not expected:
            self.faults.append(f"console {message.type}: {message.text}")

    def _page_error(self, error: Error) -> None:
        self.faults.append(f"uncaught: {error.message}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob"):
            return
        if f"{parts.scheme}://{parts.netloc}" == self._origin:
            self.requests.append(f"{request.method} {parts.path}")
        else:
            self.faults.append(f"outside request: {request.url}")

    def _request_failed(self, request: Request) -> None:
        if request.resource_type in ("fetch", "xhr") and request.failure == "net::ERR_ABORTED":
            return  # the page has taken it back itself, as when somebody leaves a page that is asking for news
        self.faults.append(f"failed request: {request.method} {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected_statuses:
            self.faults.append(f"answer {response.status}: {response.request.method} {response.url}")


_running: list[tuple[Playwright, Browser]] = []
"""The one browser of all tests of a process: a start costs two seconds, a fresh profile in it next to nothing."""


@asynccontextmanager
async def opened(
    url: str,
    *,
    locale: str = "en-GB",
    width: int = 1280,
    cookies: Sequence[Any] = (),
    stored: Mapping[str, str] | None = None,
) -> AsyncIterator[Watched]:
    """A page of a fresh profile at `url`, with these cookies and this in its local storage.

    When the block has gone well, nothing may have gone wrong behind it.
    """
    browser = await _browser()
    viewport = ViewportSize(width=width, height=1000)
    context = await browser.new_context(
        viewport=viewport, locale=locale, timezone_id="Europe/Moscow", reduced_motion="reduce"
    )
    try:
        context.set_default_timeout(WAIT_MS)
        await context.add_init_script(_VIOLATIONS)
        await context.add_cookies(cookies)
        if stored:  # Playwright's own way (storage_state) opens a page for it first, which takes a second
            await context.add_init_script(_STORE % json.dumps(stored))
        parts = urlsplit(url)
        watched = Watched(await context.new_page(), f"{parts.scheme}://{parts.netloc}")
        await watched.page.goto(url)
        yield watched
        await watched.page.wait_for_load_state("networkidle")
    finally:
        await context.close()
    assert not watched.faults, "\n".join(watched.faults)  # pytest rewrites no asserts here: the text must be said


async def fits(page: Page) -> None:
    """Nobody has to scroll it sideways. A page is laid out anew some time after something in it has changed."""
    assert page.viewport_size is not None
    await page.wait_for_function(
        "width => document.documentElement.scrollWidth <= width", arg=page.viewport_size["width"]
    )


async def _browser() -> Browser:
    path = executable()
    if _running and not _running[0][1].is_connected():
        await close()  # it has crashed: one test may fail of that, not all that follow
    if not _running:
        playwright = await async_playwright().start()
        _running.append((playwright, await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))))
    return _running[0][1]


async def close() -> None:
    """End the browser, if there is one."""
    for playwright, browser in _running:
        await browser.close()
        await playwright.stop()
    _running.clear()
