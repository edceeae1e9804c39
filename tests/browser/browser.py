"""A headless Chromium that sees this machine only, and remembers everything a page did that it should not have done."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
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
# In the first document of a visit only: what the page takes out of it later is gone. Earlier visits may have kept
# something too.
_STORE: Final = """
if (location.protocol.startsWith("http") && sessionStorage.visit !== "%d") {
  localStorage.clear();
  sessionStorage.clear();
  Object.assign(localStorage, %s);
  sessionStorage.visit = "%d";
}
"""
# A form that was not saved asks whether it may be left.
_LEAVE: Final = "addEventListener('beforeunload', event => event.stopImmediatePropagation(), true)"
_UNREACHABLE: Final = "net::ERR_NAME_NOT_RESOLVED"
_VIEWPORT: Final = ViewportSize(width=1280, height=1000)


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
        self.other_origins: set[str] = set()
        """Where a test leads the page on purpose, and what pages there ask for, which this browser can't reach."""
        self._origin = origin
        self._listeners: dict[Any, Callable[[Any], None]] = {
            "console": self._console,
            "pageerror": self._page_error,
            "request": self._request,
            "requestfailed": self._request_failed,
            "response": self._response,
        }
        for event, listener in self._listeners.items():
            page.on(event, listener)

    def look_away(self) -> None:
        """What the page does from now on is no matter."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        # Chromium repeats each answer from 400 up as an error of the console.
        expected = any(f"status of {status}" in message.text for status in self.expected_statuses)
        if not expected and not (_UNREACHABLE in message.text and self._is_elsewhere(message.location["url"])):
            self.faults.append(f"console {message.type}: {message.text}")

    def _page_error(self, error: Error) -> None:
        self.faults.append(f"uncaught: {error.message}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob"):
            return
        if f"{parts.scheme}://{parts.netloc}" == self._origin:
            self.requests.append(f"{request.method} {parts.path}")
        elif f"{parts.scheme}://{parts.netloc}" not in self.other_origins:
            self.faults.append(f"outside request: {request.url}")

    def _request_failed(self, request: Request) -> None:
        if request.resource_type in ("fetch", "xhr") and request.failure == "net::ERR_ABORTED":
            return  # the page has taken it back itself, as when somebody leaves a page that is asking for news
        if request.failure == _UNREACHABLE and self._is_elsewhere(request.url):
            return
        self.faults.append(f"failed request: {request.method} {request.url}: {request.failure}")

    def _is_elsewhere(self, url: str) -> bool:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" in self.other_origins

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected_statuses:
            self.faults.append(f"answer {response.status}: {response.request.method} {response.url}")


class _Running:
    """The one browser of all tests of a process, and the pages in it that are free, each in a profile of its own.

    A start of the browser costs two seconds of the processor, and the panel two more in a process that has not seen it
    before. So the pages of a profile share a process (``--process-per-site``), which lives on between tests behind a
    blank page of the same site. The page itself lives on too: in a new one all scripts are compiled anew, which is
    half of what it costs to open the panel. So may its document (``Lasting``): to load it again is the other half.
    """

    def __init__(self, playwright: Playwright, browser: Browser) -> None:
        self._playwright = playwright
        self._browser = browser
        self._free: defaultdict[str, list[Page]] = defaultdict(list)
        self.left: dict[Page, Lasting] = {}
        """What a free page still shows; else it is blank."""

    @classmethod
    async def start(cls) -> _Running:
        path = executable()
        playwright = await async_playwright().start()
        arguments = [*ARGUMENTS, "--process-per-site"]
        return cls(playwright, await playwright.chromium.launch(executable_path=path, args=arguments))

    def is_there(self) -> bool:
        return self._browser.is_connected()

    @asynccontextmanager
    async def page(self, locale: str) -> AsyncIterator[Page]:
        """A page that nobody else uses, in a profile with no cookies."""
        free = self._free[locale]
        page = free.pop() if free else await self._made(locale)
        try:
            yield page
            await _left(page)
        except BaseException:
            with suppress(Error):  # it may be closed already, as after a crash
                await page.context.close()  # what a failed test has left there is not for others
            raise
        free.append(page)

    async def _made(self, locale: str) -> Page:
        context = await self._browser.new_context(
            viewport=_VIEWPORT, locale=locale, timezone_id="Europe/Moscow", reduced_motion="reduce"
        )
        context.set_default_timeout(WAIT_MS)
        await _stay(await context.new_page())
        await context.add_init_script(_VIOLATIONS)
        return await context.new_page()

    async def stop(self) -> None:
        await self._browser.close()
        await self._playwright.stop()


async def _stay(page: Page) -> None:
    """Make it a blank page of this machine's site, which no server has to answer for."""
    await page.route("**", lambda route: route.fulfill(body="", content_type="text/html"))
    await page.goto("http://127.0.0.1/")


async def _left(page: Page) -> None:
    """Make it as it was before the visit, but for its document, and for what its local storage keeps until the next."""
    await page.unroute_all(behavior="ignoreErrors")
    await page.emulate_media(color_scheme="null")
    await page.context.clear_cookies()


async def _blank(page: Page) -> None:
    """Nothing of what it showed goes on."""
    if page.url != "about:blank":
        await page.evaluate(_LEAVE)
        await page.goto("about:blank")


@dataclass(frozen=True)
class Lasting:
    """A document that one visit leaves to the next one, if that would load the very same."""

    address: str
    loaded: bytes
    """What the address answers with."""
    is_clean: str
    """An expression of the page: whether nothing of a visit stays in the document but what ``anew`` ends."""
    anew: str
    """A function of the page: makes of the document what its address shows when it is opened."""


_running: list[_Running] = []
_visits: Final = count()


@asynccontextmanager
async def opened(
    url: str,
    *,
    locale: str = "en-GB",
    width: int = 1280,
    cookies: Sequence[Any] = (),
    stored: Mapping[str, str] | None = None,
    lasting: Lasting | None = None,
) -> AsyncIterator[Watched]:
    """A page at `url`, with these cookies and this in its local storage, and nothing that earlier ones kept.
    ``lasting``: it may be the document that an earlier visit has left, made anew; this one leaves it too.

    When the block has gone well, nothing may have gone wrong behind it.
    """
    running = await _browser()
    async with running.page(locale) as page:
        await page.context.add_cookies(cookies)
        await page.set_viewport_size({**_VIEWPORT, "width": width})
        visit = next(_visits)
        store = _STORE % (visit, json.dumps(stored or {}), visit)
        async with await page.add_init_script(store):
            parts = urlsplit(url)
            watched = Watched(page, f"{parts.scheme}://{parts.netloc}")
            left = running.left.pop(page, None)
            if lasting is not None and left == lasting:
                await page.evaluate(store)
                await page.evaluate(lasting.anew, url)
            else:
                await _blank(page)
                await page.goto(url)
            yield watched
            await page.wait_for_load_state("networkidle")
            watched.look_away()
        if lasting is not None and await page.evaluate(lasting.is_clean):
            running.left[page] = lasting
        else:
            await _blank(page)
    assert not watched.faults, "\n".join(watched.faults)  # pytest rewrites no asserts here: the text must be said


async def fits(page: Page) -> None:
    """Nobody has to scroll it sideways. A page is laid out anew some time after something in it has changed."""
    assert page.viewport_size is not None
    await page.wait_for_function(
        "width => document.documentElement.scrollWidth <= width", arg=page.viewport_size["width"]
    )


async def _browser() -> _Running:
    if _running and not _running[0].is_there():
        await close()  # it has crashed: one test may fail of that, not all that follow
    if not _running:
        _running.append(await _Running.start())
    return _running[0]


async def close() -> None:
    """End the browser, if there is one."""
    for running in _running:
        await running.stop()
    _running.clear()
