"""The panel says what is true: hours of the day are in each forecast, and texts are shown as they went out."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.panel import go, service, signed_in
from tests.browser.test_panel_mailings import add_clients, fact, register
from tests.rules.rig import until

SIX_HOURS = re.compile(r"(in|≈) (5 h 5\d min|6 h)")


def hours_from(hours: int) -> dict[str, str]:
    """Two hours of the day that open so many hours from now, in UTC."""
    now = datetime.now(UTC)
    return {"from": f"{now + timedelta(hours=hours):%H:%M}", "to": f"{now + timedelta(hours=hours + 2):%H:%M}"}


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


async def picture(page: Page, name: str) -> None:
    """For a person's eyes: into the folder of that variable."""
    if folder := os.environ.get("PANEL_PICTURES"):
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)


async def test_hours_of_the_day_are_in_every_forecast(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add_clients(gateway, 50)
        quick = await register(gateway, text="quick")  # the speed is known after this one
        await gateway.engine.finished(quick)
        later = await register(gateway, text="later", local_hours=hours_from(6), end_time=in_hours(24))
        never = await register(gateway, text="never", local_hours=hours_from(6), end_time=in_hours(2))
        async with signed_in(gateway, f"/mailings/{later}/show") as watched:
            page, main = watched.page, watched.page.get_by_role("main")
            await expect(main.get_by_text("Waits for its hours", exact=True)).to_be_visible()
            await expect(main.get_by_text("the next 50 messages go out.")).to_contain_text(SIX_HOURS)
            batch = main.locator(".stat").filter(has_text="Next batch")
            await expect(batch).to_contain_text(SIX_HOURS)
            await expect(batch).to_contain_text("50 messages")
            await expect(main.locator(".stat").filter(has_text="Time left")).to_have_count(0)
            await expect(main.locator(".stat").filter(has_text="Speed now")).to_contain_text("—")
            await picture(page, "waits")
            await go(page, f"/mailings/{never}/show")
            await expect(main.get_by_text("50 messages will not go out before the end")).to_be_visible()
            await expect(main.locator(".stat").filter(has_text="Time left")).to_contain_text("won't be done by the end")
            await picture(page, "never")
            await go(page, f"/mailings/{never}")
            await expect(fact(page, "Miss the end")).to_have_text("50 clients")
            await expect(fact(page, "All sent")).to_have_text("won't be done by the end")
            await expect(main.get_by_text("still to be sent to")).to_be_visible()
            await picture(page, "edit")
            await go(page, "/")
            waits = main.get_by_text("Waits for its hours of the day: the next 50 messages go out")
            await expect(waits).to_contain_text(SIX_HOURS)
            await expect(main.get_by_text("50 messages will not make it before the end")).to_be_visible()
            await picture(page, "dashboard")


async def test_texts_are_shown_as_they_went_out(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add_clients(gateway, 3)
        mailing_id = await register(gateway, text="the old price")
        await gateway.engine.finished(mailing_id)
        assert (await gateway.ask("PATCH", f"/mailings/{mailing_id}", json={"text": "the new price"})).status == 200
        await add_clients(gateway, 2, first=10)

        async def all_sent() -> bool:
            return (await gateway.engine.counts(mailing_id))[1] == 5

        await until(all_sent)
        texts = (await gateway.get(f"/mailings/{mailing_id}/stats")).json["text_versions"]
        assert [(each["version"], each["text"], each["sent"]) for each in texts] == [
            (1, "the old price", 3),
            (2, "the new price", 2),
        ]
        async with signed_in(gateway, f"/mailings/{mailing_id}/show") as watched:
            page, main = watched.page, watched.page.get_by_role("main")
            before = main.get_by_role("region", name="Texts before")
            await expect(before).to_contain_text("the provider accepted it for 3 clients")
            await expect(before).to_contain_text("the old price")
            await picture(page, "texts")
            await go(page, f"/mailings/{mailing_id}")
            await expect(main.get_by_text("To 5 clients it is sent already")).to_be_visible()
            await go(page, "/messages/1/show")
            await expect(main.get_by_text("the old price", exact=True)).to_be_visible()
            await expect(main.get_by_text("version 1")).to_be_visible()
            await expect(main.get_by_text("The mailing has another one by now.")).to_be_visible()
            await picture(page, "message")
