"""The sandbox's page in a real browser: its own buttons work, those of another site's page do nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web
from playwright.async_api import expect

from engine.provider.fbrq import FbrqProvider
from scripts.sandbox import Sandbox
from tests.browser.browser import opened

PHONE = 79161234567


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox that has got a text."""
    async with await Sandbox.start() as sandbox:
        provider = FbrqProvider(sandbox.url, sandbox.token)
        await provider.send(1, PHONE, "Good morning", 10)
        await provider.close()
        yield sandbox


async def test_its_own_switches_work(sandbox: Sandbox) -> None:
    async with opened(f"{sandbox.root_url}/") as watched:
        page = watched.page
        await expect(page.get_by_text("Good morning")).to_be_visible()
        await page.locator("[name=share_5xx]").fill("0.25")
        await page.get_by_role("button", name="Apply").click()
        await expect(page.get_by_text("Applied.")).to_be_visible()
        assert sandbox.faults.share_5xx == 0.25
        # The buttons stay within the card.
        assert await page.evaluate(
            "document.querySelector('.buttons').scrollWidth <= document.querySelector('.buttons').clientWidth"
        )
        await page.get_by_role("button", name="Forget texts").click()
        await expect(page.get_by_text("Forgotten.")).to_be_visible()
        assert sandbox.requests == 0


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere() -> AsyncIterator[str]:
    """A page on another port: the same site for the browser, another one for us."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<title>Elsewhere</title><link rel=icon href=data:,>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_another_page_s_requests_change_nothing(sandbox: Sandbox, elsewhere: str) -> None:
    url = f"{sandbox.root_url}/sandbox/reset"
    async with opened(elsewhere) as watched:
        watched.expected_statuses.add(403)
        send = "url => fetch(url, {method: 'POST', mode: 'no-cors'}).then(answer => answer.type)"
        # It was answered, and the page does not see how.
        assert await watched.page.evaluate(send, url) == "opaque"
        assert watched.faults == [f"outside request: {url}"]
        watched.faults.clear()
    assert (sandbox.requests, sandbox.accepted_ids()) == (1, [1])
