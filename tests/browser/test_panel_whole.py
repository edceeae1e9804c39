"""What holds for the panel as a whole: the tab's name, double clicks, and that no page says more than is true."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from playwright.async_api import Locator, Route, expect

from tests.browser.panel import CSV, go, rest, service, signed_in
from tests.gateway.rig import Gateway

OPEN: Final = {"text": "Sale", "start_time": "2020-01-01T00:00:00Z", "end_time": "2099-01-01T00:00:00Z"}
FILE: Final = "phone_number\n" + "".join(f"7916{number:07d}\n" for number in range(50))


async def add(gateway: Gateway) -> None:
    assert (await gateway.post("/clients/import", data=FILE.encode(), headers=CSV)).json["rejected"] == 0


async def test_the_tab_is_called_as_the_page_is(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway) as watched:
        page = watched.page
        for path, title in {
            "/messages": "Messages",  # a list of react-admin's, straight from a page of ours
            "/mailings": "Mailings",
            "/audit": "Audit",
            "/nowhere": "Page not found",
            "/tokens": "API tokens",
            "/webhooks": "Webhooks",
            "/engine": "Engine",
        }.items():
            await go(page, path)
            await expect(page).to_have_title(f"{title} · Mailing Service")
        await go(page, "/nowhere")
        await expect(page.get_by_text("you followed a bad link.", exact=False)).to_have_text(
            "Either you typed a wrong URL, or you followed a bad link."
        )
        await page.get_by_role("link", name="To the dashboard").click()
        await expect(page).to_have_title("Dashboard · Mailing Service")


async def double_clicked(button: Locator) -> None:
    """Quickly, as the page sees it: a busy machine may take a second between the two clicks."""
    await button.page.evaluate("const now = performance.now(); performance.now = () => now")
    await button.dblclick()
    await button.page.evaluate("delete performance.now")


async def test_a_double_click_does_what_one_click_does(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/clients/import") as watched:
        page = watched.page
        await page.route("**/admin/clients/import?key=*", _slowly)
        await page.get_by_label("Choose a file").set_input_files(
            {"name": "people.csv", "mimeType": "text/csv", "buffer": FILE.encode()}
        )
        # The button that stops the import comes to stand where the one that starts it was.
        await double_clicked(page.get_by_role("button", name="Import 50 clients"))
        await expect(page.get_by_text("“people.csv” is imported.")).to_be_visible()
        # A dialog opens below the pointer; the second click is beside it.
        mailing = (await gateway.post("/mailings", OPEN | {"rate_limit": 0.001})).json["id"]
        await go(page, f"/mailings/{mailing}/show")
        await double_clicked(page.get_by_role("button", name="Cancel mailing"))
        await asyncio.sleep(0.3)
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_be_visible()
        await page.mouse.click(5, 300)
        await expect(dialog).to_have_count(0)
        await page.get_by_role("button", name="Cancel mailing").click()
        await double_clicked(dialog.get_by_role("button", name="Yes, cancel it"))
        await expect(dialog).to_have_count(0)
        await expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()


async def test_a_mailing_says_when_nothing_goes_out_and_when_all_is_out(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add(gateway)
        assert (await gateway.ask("PATCH", "/engine", json={"sending": "paused"})).status == 200
        mailing = (await gateway.post("/mailings", OPEN)).json["id"]
        async with signed_in(gateway, f"/mailings/{mailing}/show") as watched:
            page = watched.page
            held = page.get_by_role("alert").filter(has_text="Waits: all sending is paused")
            await expect(held).to_be_visible()
            await expect(page.get_by_text("≈")).to_have_count(0)
            assert (await gateway.ask("PATCH", "/engine", json={"sending": "running"})).status == 200
            await expect(page.get_by_text("Done, still open")).to_be_visible()
            await expect(held).to_have_count(0)
            await go(page, "/")
            row = page.get_by_role("listitem").filter(has_text="Sale")
            await expect(row.get_by_text("Done, still open")).to_be_visible()


async def test_the_filter_of_messages_names_its_mailing_once_the_engine_is_back(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add(gateway)
        mailing = (await gateway.post("/mailings", OPEN)).json["id"]
        async with signed_in(gateway, expected=[503]) as watched:
            page = watched.page
            await page.route("**/admin/mailings/list*", _away)
            await go(page, f"/messages?filter=%7B%22mailing_id%22%3A{mailing}%7D")
            await expect(page.locator("tbody tr")).to_have_count(25)
            await page.unroute("**/admin/mailings/list*")
            await expect(page.get_by_label("Mailing", exact=True)).to_have_value(f"{mailing}: Sale")
            await rest(page)


async def _slowly(route: Route) -> None:
    await asyncio.sleep(1)
    await route.continue_()


async def _away(route: Route) -> None:
    await route.fulfill(status=503, json={"status": 503, "detail": "the engine does not answer"})
