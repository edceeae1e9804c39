"""The engine's page: an admin steers it and sees that it follows; others only look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from engine.store import Store
from tests.browser.panel import account, go, service, signed_in
from tests.browser.test_panel_dashboard import add_clients, register
from tests.gateway.rig import Gateway


def setting(page: Page, label: str) -> Locator:
    return page.locator("form").filter(has=page.get_by_label(label, exact=True))


async def change(page: Page, label: str, value: str) -> None:
    form = setting(page, label)
    await form.get_by_label(label, exact=True).fill(value)
    await form.get_by_role("button", name="Save").click()


async def engine(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.get("/engine")).json
    return found


async def test_workers_and_rate_are_changed_live_and_bad_values_are_told_at_the_field(tmp_path: Path) -> None:
    async with service(tmp_path, workers=8) as gateway, signed_in(gateway, "/engine", expected=[422]) as watched:
        page = watched.page
        await expect(page.get_by_label("Workers", exact=True)).to_have_value("8")
        await change(page, "Workers", "0")
        await expect(setting(page, "Workers").get_by_role("alert")).to_have_text("Must be 1 to 10,000.")
        assert (await engine(gateway))["workers"] == 8
        await change(page, "Workers", "5")
        await expect(page.get_by_text("Workers: 5.")).to_be_visible()
        await expect(page.get_by_text("of 5 at once")).to_be_visible()
        assert (await engine(gateway))["workers"] == 5
        await change(page, "Rate limit", "200000")
        await expect(setting(page, "Rate limit").get_by_role("alert")).to_have_text(
            "Must be 0 (no limit) to 100,000 messages a second."
        )
        await change(page, "Rate limit", "12.5")
        await expect(page.get_by_text("Rate limit: 12.5/s.")).to_be_visible()
        assert (await engine(gateway))["rate_limit"] == 12.5
        await change(page, "Rate limit", "")
        await expect(page.get_by_text("Rate limit: no limit.")).to_be_visible()
        assert (await engine(gateway))["rate_limit"] is None
        # What another admin changes meanwhile is seen without a touch.
        await gateway.ask("PATCH", "/engine", json={"workers": 6})
        await expect(page.get_by_label("Workers", exact=True)).to_have_value("6")


async def test_all_sending_is_paused_and_resumed_after_saying_what_that_does(tmp_path: Path) -> None:
    async with service(tmp_path, workers=4) as gateway, signed_in(gateway, "/engine") as watched:
        page = watched.page
        gateway.engine.sandbox.set_faults(latency_seconds=0.1)
        await add_clients(gateway, 2_000)
        sale = await register(gateway, "sale")
        await expect(page.get_by_role("img", name="Messages sent a second over the last")).to_be_visible()
        await page.get_by_role("button", name="Pause all sending").click()
        dialog = page.get_by_role("dialog", name="Pause all sending?")
        await expect(dialog).to_contain_text("Mailings being sent1")
        await expect(dialog).to_contain_text("Waiting messages, of all mailings1,")
        assert (await engine(gateway))["sending"] == "running"
        await dialog.get_by_role("button", name="Pause all sending").click()
        await expect(page.get_by_text("No message goes out, of any mailing, until an admin resumes.")).to_be_visible()
        assert (await engine(gateway))["sending"] == "paused"
        before = await gateway.engine.counts(sale)
        await go(page, "/")
        notice = page.get_by_role("alert").filter(has_text="All sending is paused")
        await expect(page.locator(".chip").filter(has_text="All sending is paused")).to_be_visible()
        assert await gateway.engine.counts(sale) == before
        await notice.get_by_role("button", name="Resume sending").click()
        await page.get_by_role("dialog").get_by_role("button", name="Resume sending").click()
        await expect(notice).to_have_count(0)
        assert (await engine(gateway))["sending"] == "running"


async def test_a_copy_says_why_nothing_is_sent_until_an_admin_resumes(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite://{tmp_path / 'mailing.db'}")
    await store.mark_copy(1)
    await store.close()
    async with service(tmp_path, workers=4) as gateway, signed_in(gateway, "/engine") as watched:
        page, words = watched.page, "This database is a copy"
        await expect(page.get_by_text(words)).to_be_visible()
        await go(page, "/")
        notice = page.get_by_role("alert").filter(has_text="All sending is paused")
        await expect(notice).to_contain_text(words)
        await notice.get_by_role("button", name="Resume sending").click()
        dialog = page.get_by_role("dialog", name="Resume sending?")
        await expect(dialog).to_contain_text("The old service must have stopped by now.")
        await dialog.get_by_role("button", name="Resume sending").click()
        await expect(notice).to_have_count(0)
        assert (await engine(gateway))["held_since_time"] is None
        await go(page, "/audit")
        await expect(page.get_by_role("row").filter(has_text="Held sending: the database is a copy")).to_be_visible()


async def test_a_viewer_sees_the_engine_and_no_button_of_it(tmp_path: Path) -> None:
    async with service(tmp_path, workers=8) as gateway:
        await account(gateway, "vera", "viewer")
        async with signed_in(gateway, "/engine", name="vera") as watched:
            page = watched.page
            [instance] = (await engine(gateway))["engines"]
            row = page.get_by_role("row").filter(has_text=instance["name"])
            await expect(row).to_contain_text("answers this page")
            await expect(page.get_by_role("row").filter(has_text="Ticker")).to_contain_text("Runs")
            await expect(page.get_by_text("of 8 at once")).to_be_visible()
            main = page.locator("#main-content")
            await expect(main.get_by_role("button")).to_have_count(0)
            await expect(main.get_by_role("spinbutton")).to_have_count(0)
