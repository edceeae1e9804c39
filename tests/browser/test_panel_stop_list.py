"""The stop list in the panel: numbers are found, added, imported, exported and taken off; at a client and a message."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.panel import account, go, service, signed_in
from tests.browser.test_panel_clients import csv_file, saved
from tests.gateway.rig import Gateway

LISTED = "+7 916 000-00-01"


WITHIN = """() => {
  const list = document.querySelector(".stop-table").parentElement;
  const { overflowWrap } = getComputedStyle(list.querySelector("td .button"));
  return list.scrollWidth <= list.clientWidth && overflowWrap === "normal";
}"""
"""Whether the whole list is in sight, and no word of a button is broken for that."""


async def fits_a_telephone(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.wait_for_function(WITHIN)
    await page.set_viewport_size({"width": 1280, "height": 1000})


async def shot(page: Page, name: str) -> None:
    """For whoever wants to look: STOP_LIST_SHOTS names a folder."""
    if folder := os.environ.get("STOP_LIST_SHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def listed(gateway: Gateway) -> dict[str, tuple[str, str]]:
    entries = (await gateway.get("/suppressions")).json["suppressions"]
    return {entry["phone_number"]: (entry["reason"], entry["source"]) for entry in entries}


async def test_numbers_are_added_found_imported_exported_and_taken_off(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/suppressions", expected=[422]) as watched:
        page = watched.page
        await expect(page.get_by_text("The stop list is empty")).to_be_visible()
        await page.get_by_role("button", name="Add a number").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Phone number").fill("8916000")
        await dialog.get_by_role("button", name="Put on the stop list").click()
        await expect(dialog.get_by_text("ust have 11 digits")).to_be_visible()
        await dialog.get_by_label("Phone number").fill("8 916 000 00 01")
        await dialog.get_by_label("Reason").select_option(label="Complained")
        await dialog.get_by_label("Note").fill("called on Monday")
        await shot(page, "add")
        await dialog.get_by_role("button", name="Put on the stop list").click()
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("cell", name=LISTED)).to_be_visible()
        assert await listed(gateway) == {"79160000001": ("complaint", "panel")}

        await page.get_by_role("button", name="Import").click()
        table = "Телефон;Причина\n+7 916 000-00-01;\n8 916 000-00-02;opt_out\n8916000;\n"
        await dialog.get_by_label("Choose a file").set_input_files(csv_file("list.csv", table))
        await expect(dialog.locator(".import-rows tbody tr")).to_contain_text(
            ["unchanged+7 916 000-00-01Complainedcalled on Monday", "added+7 916 000-00-02Asked to stop", "8916000"]
        )
        await expect(dialog.get_by_text("ust have 11 digits")).to_be_visible()
        assert len(await listed(gateway)) == 1  # nothing is stored yet
        await shot(page, "import-preview")
        await dialog.get_by_role("button", name="Import 2 numbers").click()
        await expect(dialog.get_by_text("1 number is new on the stop list")).to_be_visible()
        await expect(dialog.get_by_role("cell", name="ust have 11 digits")).to_be_visible()
        await shot(page, "import")
        await dialog.get_by_role("button", name="Close").click()
        await expect(page.get_by_text("2 numbers", exact=True)).to_be_visible()
        await shot(page, "list")
        await fits_a_telephone(page)
        await exported(page)

        await page.get_by_role("searchbox").fill("00-02")
        await expect(page.get_by_role("cell", name=LISTED)).to_be_hidden()
        await page.get_by_role("button", name="Take off").click()
        await dialog.get_by_role("button", name="Take off").click()
        await expect(page.get_by_text("No number on the stop list matches.")).to_be_visible()
        assert await listed(gateway) == {"79160000001": ("complaint", "panel")}


async def exported(page: Page) -> None:
    """The list as both files: with the words of the API, and with those of people."""
    for button, reason in ("Plain CSV", "complaint"), ("CSV for Excel", "Complained"):
        await page.get_by_role("button", name="Export").click()
        name, content = await saved(page, page.get_by_role("button", name=button))
        assert name.startswith("stop-list-")
        line = content.decode("utf-8-sig").splitlines()[1]
        assert line.startswith(f"79160000001,{reason},called on Monday,panel,")


async def test_one_button_at_a_client_and_at_a_message_and_erase(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/clients", locale="ru-RU") as watched:
        page, client = watched.page, await gateway.engine.add_client(1)
        mailing = await gateway.engine.register()
        await gateway.engine.finished(mailing.id)
        (message,) = await gateway.engine.list_messages(mailing.id)
        await go(page, f"/clients/{client.id}/show")
        await page.get_by_role("button", name="В стоп-лист", exact=True).click()
        dialog = page.get_by_role("dialog")
        await shot(page, "client")
        await dialog.get_by_role("button", name="В стоп-лист").click()
        await expect(page.get_by_text("В стоп-листе: Просил не писать")).to_be_visible()
        assert await listed(gateway) == {"79160000001": ("opt_out", "panel")}
        await shot(page, "client_listed")
        await go(page, f"/messages/{message.id}/show")
        await page.get_by_role("button", name="Убрать из стоп-листа").click()
        await dialog.get_by_role("button", name="Убрать из стоп-листа").click()
        await expect(page.get_by_role("button", name="В стоп-лист", exact=True)).to_be_visible()
        await shot(page, "message")
        assert await listed(gateway) == {}
        await go(page, f"/clients/{client.id}/show")
        await page.get_by_role("button", name="Удалить и больше не писать").click()
        await shot(page, "erase")
        await dialog.get_by_role("button", name="Удалить и больше не писать").click()
        await expect(page.get_by_text("Сообщений удалено: 0, осталось без номера: 1")).to_be_visible()
        assert await listed(gateway) == {"79160000001": ("opt_out", "erase")}
        await go(page, "/suppressions")
        await expect(page.get_by_text("Удалённый клиент")).to_be_visible()
        await shot(page, "list_ru")


async def test_a_viewer_sees_the_list_and_changes_nothing(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await gateway.post("/suppressions", {"phone_number": "79160000001"})
        await account(gateway, "maria", "viewer")
        async with signed_in(gateway, "/suppressions", name="maria", width=390) as watched:
            page = watched.page
            await expect(page.get_by_role("cell", name=LISTED)).to_be_visible()
            for name in ("Add a number", "Import", "Take off"):
                await expect(page.get_by_role("button", name=name)).to_have_count(0)
            await shot(page, "narrow")
