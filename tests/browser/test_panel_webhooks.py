"""Webhooks in the panel: made with a secret that is shown once, tried, switched off, deleted; in both languages."""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Page, expect
from standardwebhooks.webhooks import Webhook

from tests.browser.browser import fits
from tests.browser.panel import rest, service, signed_in

Calls = list[tuple[str, dict[str, str]]]


def receiver(calls: Calls) -> TestServer:
    """Another program on loopback, which thanks for each call."""

    async def take(request: web.Request) -> web.Response:
        calls.append((await request.text(), {name.lower(): value for name, value in request.headers.items()}))
        return web.Response(text="thank you")

    app = web.Application()
    app.router.add_post("/hook", take)
    return TestServer(app)


async def make(page: Page, url: str) -> str:
    """Make a webhook, after a mistake; return its secret."""
    await page.get_by_role("button", name="Add webhook").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Address").fill("ftp://example.com")
    await dialog.get_by_label("A mailing has started").uncheck()
    await dialog.get_by_label("Somebody wants no more texts").check()
    await dialog.get_by_role("button", name="Add webhook").click()
    problem = "Must be an https:// address, without user, password and fragment."
    await expect(dialog.get_by_role("alert")).to_have_text(problem)
    await dialog.get_by_label("Address").fill(url)
    await dialog.get_by_role("button", name="Add webhook").click()
    await expect(dialog.get_by_label("Secret")).to_have_value(re.compile(r"^whsec_.{44}$"))
    secret = await dialog.get_by_label("Secret").input_value()
    await page.keyboard.press("Escape")
    await dialog.get_by_role("button", name="I have saved the secret").click()
    return secret


async def test_a_webhook_is_made_tried_switched_off_and_deleted(tmp_path: Path) -> None:
    calls: Calls = []
    async with (
        receiver(calls) as other,
        service(tmp_path, webhook_private=True) as gateway,
        signed_in(gateway, "/webhooks", expected=[422]) as watched,
    ):
        page = watched.page
        secret = await make(page, str(other.make_url("/hook")))
        await page.get_by_role("button", name="Send a test").click()
        row = page.locator("tbody tr").first
        for words in ("Test", "Delivered", "200 thank you"):
            await expect(row).to_contain_text(words)
        assert Webhook(secret).verify(*calls[0])["type"] == "webhook.test"
        await gateway.post("/suppressions", {"phone_number": "79161234567", "reason": "opt_out"})
        await expect(row).to_contain_text("Somebody wants no more texts")
        await fits(page)

        await page.get_by_role("button", name="Switch off").click()
        await expect(page.get_by_role("button", name="Send a test")).to_be_disabled()
        async with signed_in(gateway, "/webhooks", locale="ru-RU", width=390) as russian:
            await expect(russian.page.get_by_text("Выключен", exact=True)).to_be_visible()
            await expect(russian.page.locator("tbody tr").first).to_contain_text("Кто-то отказался от сообщений")
            await fits(russian.page)
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        await expect(page.get_by_text("Nobody is told anything yet.")).to_be_visible()
        assert secret not in await page.content()
        await rest(page)
