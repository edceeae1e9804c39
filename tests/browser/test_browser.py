"""The browser of these tests sees what goes wrong on a page: they rest on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web

from tests.browser.browser import executable, opened

POLICY = "default-src 'none'; script-src 'self' 'nonce-good'; connect-src *; img-src * data:"
PAGE = '<!doctype html><html><head><title>page</title><link rel="icon" href="data:,"></head><body>{}</body></html>'
BODIES = {
    "good": "<p>Hello</p>",
    "console": '<script nonce="good">console.error("a word")</script>',
    "uncaught": '<script nonce="good">throw new Error("thrown")</script>',
    "missing": '<img src="/nowhere.png">',
    "outside": '<img src="http://pictures.example/a.png">',
    "policy": "<script>document.title = 'done'</script>",
    "cut": '<script nonce="good">fetch("/cut").catch(() => {})</script>',
}
SEEN = {
    "console": "console error: a word",
    "uncaught": "uncaught: thrown",
    "missing": "answer 404: GET",
    "outside": "outside request: http://pictures.example/a.png",
    "policy": "CSP violation: script-src-elem inline",
    "cut": "failed request: GET",
}


@pytest_asyncio.fixture(loop_scope="session")
async def origin() -> AsyncIterator[str]:
    """A server with a page for each fault."""

    async def page(request: web.Request) -> web.Response:
        text = PAGE.format(BODIES[request.match_info["name"]])
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/pages/{name}", page), web.get("/cut", cut)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_good_page_has_no_faults(origin: str) -> None:
    async with opened(f"{origin}/pages/good") as watched:
        assert await watched.page.title() == "page"
    assert watched.requests == ["GET /pages/good"]


@pytest.mark.parametrize("name", SEEN)
async def test_a_fault_is_seen(origin: str, name: str) -> None:
    with pytest.raises(AssertionError) as caught:
        async with opened(f"{origin}/pages/{name}"):
            pass
    assert SEEN[name] in str(caught.value)


async def test_an_answer_that_was_provoked_is_no_fault(origin: str) -> None:
    async with opened(f"{origin}/pages/good") as watched:
        watched.expected_statuses.add(404)
        assert await watched.page.evaluate("fetch('/nowhere').then(answer => answer.status)") == 404


@pytest.mark.parametrize("ci", ["1", ""])
def test_without_a_browser_it_is_skipped_but_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(pytest.fail.Exception if ci else pytest.skip.Exception, match="apt install chromium"):
        executable()
