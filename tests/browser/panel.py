"""The panel in a real browser: engine, sandbox and gateway in this process, and somebody who is signed in."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession
from playwright.async_api import Page

from tests.browser.browser import Lasting, Watched, opened
from tests.gateway.rig import Gateway, serving
from tests.rules.rig import QUICK

PASSWORD: str = QUICK["admin_password"]
CSV = {"Content-Type": "text/csv"}


@asynccontextmanager
async def service(folder: Path, *, gateway: Mapping[str, Any] | None = None, **engine: Any) -> AsyncIterator[Gateway]:
    """All of it on free ports, the gateway's the same for all tests of a process, so that what the browser keeps of the
    page's scripts is theirs; with these settings of the gateway and of the engine."""
    settings = {"http_listen": f"127.0.0.1:{_port()}", **(gateway or {})}
    async with serving(folder, gateway=settings, **engine) as served:
        yield served


_reserved: list[socket.socket] = []
"""One socket that is bound and does not listen: its port is given to nobody else, but a server may listen there."""


def _port() -> int:
    """The port of the gateways, or another from now on when one still listens there: a test that was interrupted by its
    time-out stops nothing."""
    if not _reserved:
        _reserved.append(socket.socket())
        _bind(_reserved[0], 0)
    port = int(_reserved[0].getsockname()[1])
    with socket.socket() as tried:
        try:
            _bind(tried, port)
        except OSError:
            _reserved.pop().close()
            return _port()
    return port


def _bind(a_socket: socket.socket, port: int) -> None:
    a_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    a_socket.bind(("127.0.0.1", port))


def give_port_back() -> None:
    """At the end of all tests with a browser."""
    while _reserved:
        _reserved.pop().close()


@asynccontextmanager
async def signed_in(
    gateway: Gateway,
    path: str = "/",
    *,
    name: str = "admin",
    password: str = PASSWORD,
    locale: str = "en-GB",
    width: int = 1280,
    expected: Sequence[int] = (),
) -> AsyncIterator[Watched]:
    """A page of the panel at ``#path``; ``expected``: statuses from 400 up that the test provokes."""
    lasting = await _document(gateway.url)
    cookies, stored = await _session(gateway.url, name, password)
    url = f"{lasting.address}#{path}"
    async with opened(url, locale=locale, width=width, cookies=cookies, stored=stored, lasting=lasting) as watched:
        watched.expected_statuses.update(expected)
        await watched.page.locator("#main-content").wait_for()
        yield watched
        await rest(watched.page)
        await watched.page.evaluate(_END)


_IS_CLEAN: Final = """
location.pathname === "/admin/" && document.querySelector("#main-content") !== null &&
  !("mailing.language" in localStorage || "mailing.theme" in localStorage)"""
"""Besides these two the panel keeps nothing outside of what it draws (tests/admin/test_memory.py)."""
# What was drawn gets another name, so that nobody who waits for the new page finds the old one.
_ANEW: Final = """url => {
  document.querySelector("#main-content").id = "main-content-of-before";
  history.replaceState(null, "", url);
  dispatchEvent(new Event("mailing:fresh"));
  delete document.hidden;
  scrollTo(0, 0);
}"""


# What is still typed or asked for ends with the visit that began it: this page asks for nothing.
_END: Final = """() => {
  if (document.querySelector("#main-content") === null) return;
  history.replaceState(null, "", "#/nowhere");
  dispatchEvent(new Event("mailing:fresh"));
}"""


async def _document(origin: str) -> Lasting:
    """The panel starts anew in it, as it does when somebody else signs in."""
    address = f"{origin}/admin/"
    async with ClientSession() as http, http.get(address) as answer:
        return Lasting(address, await answer.read(), _IS_CLEAN, _ANEW)


async def _session(origin: str, name: str, password: str) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """What a browser keeps of a sign-in: a cookie, and the page's half. The form has tests of its own."""
    body = {"username": name, "password": password}
    async with ClientSession() as http, http.post(f"{origin}/admin/token", json=body) as answer:
        assert answer.status == 200
        [cookie] = answer.cookies.values()
        half = answer.headers["X-Token"]
    kept = {
        "name": cookie.key,
        "value": cookie.value,
        "domain": "127.0.0.1",
        "path": cookie["path"],
        "httpOnly": cookie["httponly"],
        "secure": bool(cookie["secure"]),
        "sameSite": cookie["samesite"],
    }
    return [kept], {"identity": half}


async def sign_in(page: Page, name: str = "admin", password: str = PASSWORD) -> None:
    """Fill in the form, and wait for what is behind it."""
    await page.locator("input[name=username]").fill(name)
    await page.locator("input[name=password]").fill(password)
    await page.locator("form button[type=submit]").click()
    await page.locator("#main-content").wait_for()


async def turn_to(page: Page, path: str) -> None:
    """Change what is behind the #, whatever is shown then."""
    await page.evaluate("path => { location.hash = path; }", f"#{path}")


async def go(page: Page, path: str) -> None:
    """Open a page of the panel by its path behind the #."""
    await turn_to(page, path)
    await page.locator("#main-content").wait_for()


async def rest(page: Page) -> None:
    """Make the page believe that nobody looks: it stops asking for news, so that the network becomes idle."""
    await page.evaluate("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")


async def account(gateway: Gateway, name: str, role: str) -> None:
    """Make an account with the password of the tests."""
    answer = await gateway.post("/accounts", {"name": name, "role": role, "password": PASSWORD})
    assert answer.status == 201, answer.raw
