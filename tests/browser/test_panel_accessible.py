"""No page of the panel keeps anybody out, on a wide screen or a phone's, in either theme; and the themes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import pytest
from playwright.async_api import Page, expect

from tests.browser.accessible import Rules, faults_of
from tests.browser.browser import fits, opened
from tests.browser.panel import CSV, go, service, signed_in
from tests.gateway.rig import Gateway
from tests.rules.rig import until

# Colours are looked at row by row. So one list has a second page, and the others a row of each kind.
FILE: Final = "phone_number;tag\n" + "".join(f"7916{number:07d};tag {number % 3}\n" for number in range(4))
STOP_LIST: Final = "phone_number\n" + "".join(f"7916{number:07d}\n" for number in range(1000, 1025))
MAILING: Final = {"text": "Sale", "start_time": "2020-01-01T00:00:00Z", "end_time": "2099-01-01T00:00:00Z"}
PAGES: Final = (
    "/",
    "/mailings",
    "/mailings/1/show",
    "/mailings/2",
    "/mailings/create",
    "/clients",
    "/clients/1/show",
    "/clients/1",
    "/clients/create",
    "/clients/import",
    "/messages",
    "/messages/1/show",
    "/suppressions",
    "/engine",
    "/audit",
    "/accounts",
    "/tokens",
    "/webhooks",
    "/nowhere",
)
Theme = Literal["light", "dark"]
THEMES: Final[tuple[Theme, ...]] = ("light", "dark")
LOOKS: Final[Mapping[str, tuple[Theme, Sequence[tuple[int, Rules | None]]]]] = {
    "en-GB": ("light", ((1440, "all"), (390, None))),
    "ru-RU": ("dark", ((1440, None), (390, "all"))),
}
"""How each page is looked at, by language: the theme, and for each width what axe is asked. Colours depend on the theme
alone and names on the language alone, so each width, theme and language is asked about once. Whether longer words have
room is seen at both widths."""


async def _filled(gateway: Gateway) -> None:
    assert (await gateway.post("/clients/import", data=FILE.encode(), headers=CSV)).json["rejected"] == 0
    for fields in ({}, {"rate_limit": 0.01, "local_hours": {"from": "09:00", "to": "21:00"}}):
        assert (await gateway.post("/mailings", MAILING | fields)).status == 201
    await _receipt_of_one(gateway)
    assert (await gateway.ask("PATCH", "/clients/1", json={"tag": "vip"})).status == 200
    assert (
        await gateway.post("/suppressions", {"phone_number": "79160000900", "note": "asked by phone"})
    ).status == 201
    stopped = await gateway.post("/suppressions/import", data=STOP_LIST.encode(), headers=CSV)
    assert (stopped.status, stopped.json["rejected"]) == (200, 0), stopped.raw


async def _receipt_of_one(gateway: Gateway) -> None:
    """The first message did not arrive, so that its mailing shows a funnel."""

    async def was_called() -> bool:
        return bool((await gateway.get("/messages/1")).json["status"] == "sent")

    await until(was_called)
    said = {
        "id": 1,
        "status": "undelivered",
        "time": "2026-11-30T00:00:00Z",
        "code": "7",
        "detail": "absent subscriber",
    }
    assert (await gateway.post("/receipts", said)).json["accepted"] == 1


_STILL: Final = """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(
    document.getAnimations().every(each => !(each instanceof CSSTransition))))))"""
"""Colours have come: what React drew is on the screen, and none is on its way to another."""


async def _settled(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).not_to_be_empty()
    await page.wait_for_load_state("networkidle")
    await expect(page.locator(".loading")).to_have_count(0)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("locale", LOOKS)
async def test_no_page_has_a_serious_fault(tmp_path: Path, locale: str) -> None:
    """Nor is any wider than the screen."""
    async with service(tmp_path) as gateway:
        await _filled(gateway)
        faults, (theme, looks) = [], LOOKS[locale]
        async with signed_in(gateway, locale=locale) as watched:
            page = watched.page
            for path in PAGES:
                await go(page, path)
                await _settled(page)
                for width, rules in looks:
                    await _look(page, width, theme)
                    found = await faults_of(page, rules) if rules else []
                    faults += [f"{path} {width} {theme}: {each}" for each in found]
                looks = looks[::-1]  # the next page begins as this one ends: each is drawn twice, not three times
        assert not faults, "\n".join(faults)


async def _look(page: Page, width: int, theme: Theme) -> None:
    await page.set_viewport_size({"width": width, "height": 1000})
    await page.emulate_media(color_scheme=theme)
    await expect(page.locator(f'html[data-theme="{theme}"]')).to_have_count(1)
    await page.wait_for_function(_STILL)
    await fits(page)


async def test_the_sign_in_has_no_serious_fault(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, opened(f"{gateway.url}/admin/", width=390) as watched:
        await expect(watched.page.locator("input[name=username]")).to_be_focused()
        for theme in THEMES:
            await watched.page.emulate_media(color_scheme=theme)
            assert await faults_of(watched.page) == []


async def test_the_theme_is_the_system_s_until_somebody_chooses(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway) as watched:
        page = watched.page
        await page.emulate_media(color_scheme="dark")
        await expect(page.locator("body")).to_have_css("background-color", "rgb(17, 23, 30)")
        await page.get_by_role("button", name="Light theme").click()
        await expect(page.locator("body")).to_have_css("background-color", "rgb(244, 246, 248)")
        await page.reload()
        await expect(page.get_by_role("button", name="Dark theme")).to_be_visible()
        await page.get_by_role("button", name="Dark theme").click()
        await page.emulate_media(color_scheme="light")
        await expect(page.get_by_role("button", name="Dark theme")).to_be_visible()  # it follows the system again
