"""Texts with placeholders in the panel: written, seen as people will get them, and sent to oneself."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.panel import service, signed_in
from tests.gateway.rig import Gateway

PHONE = "79160000099"


async def picture(page: Page, name: str) -> None:
    """For whoever wants to look: ``PICTURES`` names a folder."""
    if folder := os.environ.get("PICTURES"):
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)


async def add(gateway: Gateway, number: int, **attributes: str) -> None:
    body = {"phone_number": str(79160000000 + number), "tag": "vip", "attributes": attributes}
    assert (await gateway.post("/clients", body)).status == 201


def sent(gateway: Gateway) -> list[tuple[object, object]]:
    return [(one["phone"], one["text"]) for one in gateway.engine.sandbox.messages()]


async def test_a_text_is_written_with_placeholders_and_tried(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add(gateway, 1, name="Anna")
        await add(gateway, 2)
        async with signed_in(gateway, "/mailings/create", expected=[422]) as watched:
            await write_and_try(gateway, watched.page)


async def write_and_try(gateway: Gateway, page: Page) -> None:
    text = page.get_by_label("Text of the message")
    await text.fill("Hello {{name}}, ")
    await page.get_by_role("button", name="tag", exact=True).click()
    await expect(text).to_have_value("Hello {{name}}, {{tag}}")
    await expect(page.locator(".m-preview .m-bubble")).to_have_text("Hello Anna, vip")
    await expect(page.get_by_text("Get no text: something is missing")).to_be_visible()
    await picture(page, "placeholders")
    await page.get_by_role("button", name="Send it to me").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Phone number").fill("12")
    await dialog.get_by_role("button", name="Send now").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_label("Phone number").fill(PHONE)
    await dialog.get_by_role("button", name="Send now").click()
    await expect(dialog.get_by_text("The provider has accepted it: 1 SMS segment.")).to_be_visible()
    await picture(page, "send_it_to_me")
    assert sent(gateway) == [(int(PHONE), "Hello Anna, vip")]
    await dialog.get_by_role("button", name="Close").click()
    await text.fill("{{nane|x}}")
    await expect(page.get_by_text("nobody who matches has nane")).to_be_visible()
    await text.fill("{{Name}}")
    await expect(page.locator(".field-words", has_text="character 1 that names")).to_be_visible()
    await page.get_by_role("button", name="Send it to me").click()
    await expect(page.get_by_role("dialog").get_by_label("Phone number")).to_have_value(PHONE)
