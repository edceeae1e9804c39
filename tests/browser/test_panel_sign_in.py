"""Signing in to the panel and out of it, as a person does."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Locator, Page, expect

from tests.browser.browser import opened
from tests.browser.panel import PASSWORD, account, go, rest, service, sign_in, signed_in
from tests.gateway.rig import Gateway


async def test_a_wrong_password_is_told_and_a_right_one_opens_the_dashboard(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, opened(f"{gateway.url}/admin/") as watched:
        page = watched.page
        watched.expected_statuses.add(401)
        await page.get_by_label("Name").fill("admin")
        await page.get_by_label("Password").fill("wrong password")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("alert")).to_have_text("Wrong name or password.")
        watched.expected_statuses.clear()
        await sign_in(page)
        await expect(page.get_by_role("menuitem", name="Mailings")).to_be_visible()
        await rest(page)


async def test_signing_out_ends_the_engine_s_session(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, expected=[401]) as watched:
        page = watched.page
        cookies = await page.context.cookies()
        half = await page.evaluate("localStorage.getItem('identity')")
        [cookie] = [each for each in cookies if each["path"].startswith("/admin")]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        await page.get_by_role("button", name="Profile").click()
        await page.get_by_role("menuitem", name="Logout").click()
        await expect(page.get_by_label("Password", exact=True)).to_be_visible()
        # Whoever has kept both halves has nothing.
        headers = {"Authorization": half, "Cookie": f"{cookie['name']}={cookie['value']}"}
        query = 'pagination={"page":1,"perPage":10}&sort={"field":"id","order":"ASC"}&filter={}'
        async with gateway.http.get(f"{gateway.url}/admin/clients/list?{query}", headers=headers) as answer:
            assert answer.status == 401


async def end_session(gateway: Gateway, page: Page) -> None:
    """End the page's session behind its back, as its owner can from elsewhere."""
    half = await page.evaluate("localStorage.getItem('identity')")
    cookies = "; ".join(f"{each['name']}={each['value']}" for each in await page.context.cookies())
    headers = {"Authorization": half, "Cookie": cookies}
    async with gateway.http.delete(f"{gateway.url}/admin/logout", headers=headers) as answer:
        assert answer.ok


async def signs_in_beside(page: Page, notice: Locator) -> None:
    """In another tab, to which what is said on the page leads."""
    async with page.expect_popup() as opened_tab:
        await notice.get_by_role("link", name="Sign in").click()
    beside = await opened_tab.value
    await sign_in(beside)
    await rest(beside)
    await beside.close()


async def test_whose_session_ends_signs_in_again_and_is_where_they_were(tmp_path: Path) -> None:
    path = "/clients?q=916&order=ASC"
    async with service(tmp_path) as gateway, signed_in(gateway, path, expected=[401]) as watched:
        page = watched.page
        await gateway.post("/clients", {"phone_number": "79160000001"})
        # The bar's button refreshes our pages too, which would ask in 15 s.
        await page.get_by_role("button", name="Refresh").click()
        client = page.get_by_role("link", name="+7 916 000-00-01")
        await expect(client).to_be_visible(timeout=10_000)
        await end_session(gateway, page)
        await page.get_by_role("button", name="Refresh").click()
        ended = page.get_by_role("alert").filter(has_text="Your session has ended. Sign in again")
        await expect(client).to_be_visible()  # what was there stays
        await ended.get_by_role("link", name="Sign in").click()
        await sign_in(page)
        assert page.url.endswith(f"#{path}")
        await expect(client).to_be_visible()
        # What holds somebody's typing stays: signing in is done beside it, and it goes on.
        await go(page, "/clients/create")
        await page.get_by_label("Phone number").fill("8 916 000-00-02")
        await end_session(gateway, page)
        await page.get_by_role("button", name="Save").click()
        await signs_in_beside(page, ended)
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", name="+7 916 000-00-02").first).to_be_visible()
        # So does a mailing's form: the way is beside its button, too.
        await go(page, "/mailings/create")
        await page.get_by_label("Text of the message").fill("Hello")
        await expect(page.locator(".m-preview-audience")).to_contain_text("2 clients")
        await end_session(gateway, page)
        await page.locator("button[type=submit]").click()
        await signs_in_beside(page, page.locator(".notice.bad:has(+ .m-form-buttons)"))
        await page.get_by_label("Text of the message").fill("")
        # react-admin's lists lead to the form by themselves, and it leads back.
        await go(page, "/messages")
        await expect(page.get_by_role("menuitem", name="Messages")).to_be_visible()
        await end_session(gateway, page)
        await page.get_by_role("button", name="Refresh").click()
        await sign_in(page)
        assert page.url.endswith("#/messages")


async def test_the_browser_s_language_is_spoken_and_a_choice_is_remembered(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, opened(f"{gateway.url}/admin/", locale="ru-RU") as watched:
        page = watched.page
        await page.get_by_label("Имя").fill("admin")
        await page.get_by_label("Пароль").fill(PASSWORD)
        await page.get_by_role("button", name="Войти").click()
        await expect(page.get_by_role("menuitem", name="Рассылки")).to_be_visible()
        await page.get_by_role("button", name="Русский").click()
        await page.get_by_role("menuitem", name="English").click()
        await expect(page.get_by_role("menuitem", name="Mailings")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("menuitem", name="Mailings")).to_be_visible()
        await rest(page)


async def test_the_next_visit_finds_the_document_and_nothing_of_the_last_one(tmp_path: Path) -> None:
    """What makes the other tests cheap, and what a person may rely on who shares a browser."""
    async with service(tmp_path) as gateway:
        await account(gateway, "vera", "viewer")
        async with signed_in(gateway, "/clients/create") as watched:
            await watched.page.get_by_label("Phone number").fill("8 916 000-00-02")
            await expect(watched.page.get_by_role("menuitem", name="Accounts")).to_be_visible()
            await watched.page.evaluate("window.seen = 'by admin'")
        async with signed_in(gateway, "/messages", name="vera", width=390) as watched:
            page = watched.page
            assert await page.evaluate("window.seen") == "by admin"
            assert "GET /admin/" not in watched.requests
            await expect(page.get_by_role("heading", level=1)).to_have_text("Messages")
            await expect(page.get_by_label("Phone number")).to_have_count(0)
            await expect(page.get_by_role("menuitem", name="Accounts")).to_have_count(0)
            assert await page.evaluate("document.hidden") is False
            assert "vera" in await page.evaluate("localStorage.getItem('identity')")
