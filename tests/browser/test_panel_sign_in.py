"""Signing in to the panel and out of it, as a person does."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from tests.browser.browser import opened
from tests.browser.panel import PASSWORD, rest, service, sign_in, signed_in


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
    async with service(tmp_path) as gateway, signed_in(gateway) as watched:
        page = watched.page
        cookies = await page.context.cookies()
        half = await page.evaluate("localStorage.getItem('identity')")
        [cookie] = [each for each in cookies if each["path"].startswith("/admin")]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        await page.get_by_role("button", name="Profile").click()
        await page.get_by_role("menuitem", name="Logout").click()
        await expect(page.get_by_label("Password")).to_be_visible()
        # Whoever has kept both halves has nothing.
        headers = {"Authorization": half, "Cookie": f"{cookie['name']}={cookie['value']}"}
        query = 'pagination={"page":1,"perPage":10}&sort={"field":"id","order":"ASC"}&filter={}'
        async with gateway.http.get(f"{gateway.url}/admin/clients/list?{query}", headers=headers) as answer:
            assert answer.status == 401


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
