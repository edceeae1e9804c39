#!/usr/bin/env python3
"""Take the pictures of docs/admin/ anew: each page of the panel, from a service with made-up clients and mailings.

    python scripts/admin_screenshots.py [--only dashboard,clients]

Needs a headless Chromium (``apt-get install chromium``), two minutes, and no network. Says what a page complained of;
exit code 1 when one did. Look at the pictures before you commit them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from playwright.async_api import Browser, FilePayload, Page, ViewportSize, async_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "proto")]  # run as a file, from any folder

from scripts.admin_demo import OVER, PASSWORD, UNDER_WAY, Demo, demo  # noqa: E402
from scripts.chromium import ARGUMENTS, MISSING, find_chromium  # noqa: E402

PICTURES: Final = ROOT / "docs" / "admin"
SIZE: Final = ViewportSize(width=1280, height=800)
TALL: Final = ViewportSize(width=1280, height=1180)
"""For pages whose plots are further down."""
LONG: Final = ViewportSize(width=1280, height=1560)
"""For an import's preview: what is asked stands above the rows."""
PHONE: Final = ViewportSize(width=390, height=800)
_SETTLE_SECONDS: Final = 1.6
"""Bars and plots have grown to their length."""
_COLOURS: Final = "128"
_FILE: Final = (
    "phone_number;tag;time_zone\r\n+7 (916) 123-45-67;друзья;Europe/Moscow\r\n8 903 123-45-67;друзья;Asia/Omsk\r\n"
    "7926000;друзья;Europe/Moscow\r\n+7 (985) 765-43-21;vip;\r\n89991112233;друзья;Mars/Base\r\n"
)
_TEXT: Final = "Здравствуйте! В субботу в 12:00 открываем второй магазин на Ленина, 5. Первым ста гостям подарок."


class Shot(NamedTuple):
    """One picture."""

    name: str
    path: str
    """Behind the #."""
    prepare: Callable[[Page], Awaitable[None]] | None = None
    locale: str = "en-GB"
    size: ViewportSize = SIZE


async def _fill_mailing(page: Page) -> None:
    await page.get_by_label("Text of the message").fill(_TEXT)
    await page.get_by_role("combobox", name="Tags", exact=True).click()
    await page.get_by_role("option", name="vip").first.click()
    await page.keyboard.press("Escape")


async def _ask_to_send(page: Page) -> None:
    await _fill_mailing(page)
    await page.get_by_label("Urgent: at any hour").check()
    await page.get_by_role("button", name="Send to").click()
    await page.get_by_role("dialog").wait_for()


async def _choose_file(page: Page) -> None:
    file = FilePayload(name="friends.csv", mimeType="text/csv", buffer=_FILE.encode("utf-8-sig"))
    await page.get_by_label("Choose a file").set_input_files(file)


async def _shots(service: Demo) -> Sequence[Shot]:
    sent = (await service.done("GET", f"/messages?mailing_id={OVER}&status=sent&page_size=1000"))["messages"]
    message = max(sent, key=lambda each: each["attempts"])["id"]  # one that was tried several times
    refused = quote(json.dumps({"mailing_id": str(UNDER_WAY), "status": "not_sent"}))
    mailing = f"/mailings/{UNDER_WAY}/show"
    return (
        Shot("dashboard", "/", size=TALL),
        Shot("mailings", "/mailings"),
        Shot("mailing", mailing, size=TALL),
        Shot("clients", "/clients"),
        Shot("import", "/clients/import", _choose_file, size=LONG),
        Shot("messages", f"/messages?filter={refused}"),
        Shot("message", f"/messages/{message}/show"),
        Shot("engine", "/engine"),
        Shot("audit", "/audit"),
        Shot("accounts", "/accounts"),
        Shot("tokens", "/tokens"),
        # The last one in English: a page that asks whether what was typed may be lost.
        Shot("mailing-form", "/mailings/create", _fill_mailing, size=TALL),
        Shot("mailing-confirm", "/mailings/create?", _ask_to_send, locale="en-US"),
        Shot("dashboard-ru", "/", locale="ru-RU", size=TALL),
        Shot("mailing-phone", mailing, locale="ru-RU", size=PHONE),
    )


async def _signed_in(browser: Browser, url: str, locale: str, complaints: list[str]) -> Page:
    context = await browser.new_context(locale=locale, timezone_id="Europe/Moscow")
    context.set_default_timeout(15_000)
    page = await context.new_page()
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error.message}"))
    page.on("console", lambda said: complaints.extend([f"{page.url}: {said.text}"] if said.type == "error" else []))
    await page.goto(f"{url}/admin/")
    await page.locator("input[name=username]").fill("admin")
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.locator("form button[type=submit]").click()
    await page.locator("#main-content").wait_for()
    return page


async def _take(page: Page, shot: Shot) -> None:
    await page.set_viewport_size(shot.size)
    await page.evaluate("path => { location.hash = path; }", f"#{shot.path}")
    await page.wait_for_load_state("networkidle")
    if shot.prepare is not None:
        await shot.prepare(page)
    await asyncio.sleep(_SETTLE_SECONDS)
    await page.screenshot(path=PICTURES / f"{shot.name}.png", animations="disabled", caret="hide")


async def _take_all(executable: str, only: set[str]) -> list[str]:
    complaints: list[str] = []
    pages: dict[str, Page] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with demo(Path(folder)) as service, async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
            for shot in await _shots(service):
                if not only or shot.name in only:
                    if shot.locale not in pages:
                        pages[shot.locale] = await _signed_in(browser, service.url, shot.locale, complaints)
                    await _take(pages[shot.locale], shot)
            await browser.close()
    return complaints


def _squeeze() -> None:
    """Fewer colours, where pngquant is there: a third of the size, and nobody sees it."""
    try:
        files = [str(path) for path in PICTURES.glob("*.png")]
        subprocess.run(["pngquant", "--force", "--skip-if-larger", "--ext", ".png", _COLOURS, *files], check=False)
    except FileNotFoundError:
        print("admin_screenshots: no pngquant on the PATH: the pictures stay as large as they are")


def main() -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", help="names, with commas between them (all)")
    only = set(filter(None, parser.parse_args().only.split(",")))
    if (executable := find_chromium()) is None:
        sys.exit(f"admin_screenshots: {MISSING}")
    PICTURES.mkdir(parents=True, exist_ok=True)
    complaints = asyncio.run(_take_all(executable, only))
    _squeeze()
    print(*complaints, f"{PICTURES}: look at them.", sep="\n")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
