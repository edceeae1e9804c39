"""The archive in the panel: offered before a deletion, undone by one click, and a list of its own."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.browser import fits
from tests.browser.panel import account, service, signed_in
from tests.browser.test_panel_mailings import add_clients, register
from tests.gateway.rig import Gateway

WORDS = {
    "delete": "Удалить",
    "cancel_first": "отмените её: тогда её можно будет перенести в архив",
    "keep": "Оставить",
    "instead": "Лучше в архив",
    "done": "убрана в архив",
    "since": "В архиве с",
    "archived": "Архив",
    "all": "Все",
    "out": "Вернуть из архива",
    "archive": "В архив",
    "empty": "В архиве пока пусто.",
    "action": "Перенос рассылки в архив",
}


async def archived_instead_of_deleted(gateway: Gateway, page: Page, mailing_id: int) -> None:
    """On the mailing's page: first while it is open, then when it is cancelled."""
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")
    await main.get_by_role("button", name=WORDS["delete"]).click()
    await expect(dialog).to_contain_text(WORDS["cancel_first"])
    await expect(dialog.get_by_role("button", name=WORDS["instead"])).to_have_count(0)
    await dialog.get_by_role("button", name=WORDS["keep"]).click()
    await expect(main.get_by_role("button", name=WORDS["archive"], exact=True)).to_have_count(0)
    await gateway.post(f"/mailings/{mailing_id}/cancel", {})
    await expect(main.get_by_role("button", name=WORDS["archive"], exact=True)).to_be_visible()
    await main.get_by_role("button", name=WORDS["delete"]).click()
    await expect(dialog.get_by_role("button").first).to_have_text(WORDS["instead"])
    await expect(dialog.get_by_role("button", name=WORDS["instead"])).to_be_focused()
    await dialog.get_by_role("button", name=WORDS["instead"]).click()
    await expect(page.get_by_text(WORDS["done"])).to_be_visible()
    await expect(main.get_by_text(WORDS["since"])).to_be_visible()
    await expect(dialog).to_have_count(0)


async def test_a_mailing_is_archived_found_and_taken_out_on_a_phone_in_russian(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add_clients(gateway, 3)
        other, mailing_id = await register(gateway, text="stays"), await register(gateway, text="goes away")
        await account(gateway, "anna", "operator")
        async with signed_in(
            gateway, f"/mailings/{mailing_id}/show", name="anna", locale="ru-RU", width=390
        ) as watched:
            page, main = watched.page, watched.page.get_by_role("main")
            await archived_instead_of_deleted(gateway, page, mailing_id)
            assert (await gateway.get("/mailings")).json["total_size"] == 1
            await page.evaluate("location.hash = '#/mailings'")
            await expect(main.get_by_role("link", name="stays")).to_be_visible()
            await expect(main.get_by_role("link", name="goes away")).to_have_count(0)
            await main.get_by_role("link", name=WORDS["archived"], exact=True).click()
            await expect(main.get_by_role("link", name="stays")).to_have_count(0)
            await main.get_by_role("link", name="goes away").click()
            await main.get_by_role("button", name=WORDS["out"]).click()
            await expect(main.get_by_text(WORDS["since"])).to_have_count(0)
            await page.go_back()
            await expect(main.get_by_text(WORDS["empty"])).to_be_visible()
            await main.get_by_role("link", name=WORDS["all"], exact=True).click()
            await expect(main.get_by_role("link", name="goes away")).to_be_visible()
            await page.evaluate("location.hash = '#/audit'")
            await expect(main.get_by_role("cell").get_by_text(WORDS["action"]).first).to_be_visible()
            await fits(page)
        found = (await gateway.get("/mailings")).json["mailings"]
        assert [(each["id"], each["archived_time"]) for each in found] == [(mailing_id, None), (other, None)]


async def test_an_archived_mailing_may_be_deleted_and_a_refusal_is_said(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        mailing_id = await register(gateway)
        await gateway.post(f"/mailings/{mailing_id}/cancel", {})
        async with signed_in(gateway, f"/mailings/{mailing_id}/show", expected=[404]) as watched:
            page, main = watched.page, watched.page.get_by_role("main")
            await main.get_by_role("button", name="Archive", exact=True).click()
            await main.get_by_role("button", name="Delete").click()
            dialog = page.get_by_role("dialog")
            await expect(dialog.get_by_role("button", name="Archive instead")).to_have_count(0)
            await gateway.ask("DELETE", f"/mailings/{mailing_id}")  # somebody else was quicker
            await dialog.get_by_role("button", name="Yes, delete it").click()
            await expect(page.get_by_text("This mailing does not exist any more")).to_be_visible()
