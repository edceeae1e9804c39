"""Two-step sign-in as a person meets it: it must be set up, then a code is asked for, and then the phone is lost."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from tests.authenticator import Authenticator
from tests.browser.browser import fits, opened
from tests.browser.panel import PASSWORD, rest, service


async def enter(page: Page) -> None:
    """Fill in the first step of the sign-in."""
    await page.locator("input[name=username]").fill("admin")
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in").click()


async def leave(page: Page) -> None:
    """Sign out, as people do."""
    await page.get_by_role("button", name="Profile").click()
    await page.get_by_role("menuitem", name="Logout").click()


async def set_up(page: Page) -> tuple[Authenticator, str]:
    """Do what is asked before all else; the app, and a recovery code."""
    await expect(page.get_by_text("Your account must have two-step sign-in")).to_be_visible()
    await page.reload()  # it is asked for again
    await page.get_by_role("button", name="Set up").click()
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.get_by_role("button", name="Next").click()
    picture = page.get_by_role("img", name="QR code")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("image => image.complete && image.naturalWidth > 0")
    await fits(page)
    app = Authenticator(await page.get_by_label("Key", exact=True).input_value())
    shown = page.get_by_label("Code that the app shows")
    await expect(shown).to_be_focused()
    await shown.fill(app.code())
    await page.get_by_role("button", name="Turn on").click()
    codes = page.get_by_label("Recovery codes").locator("code")
    await expect(codes).to_have_count(10)
    await fits(page)
    kept = await codes.first.text_content() or ""
    await page.get_by_role("button", name="I have saved the codes").click()
    await page.locator("#main-content").wait_for()
    return app, kept


async def enter_with_code(page: Page, app: Authenticator) -> None:
    """Both steps, and a slip in the second."""
    await enter(page)
    field = page.get_by_label("Code from your authenticator app")
    await expect(field).to_be_focused()
    assert await field.get_attribute("autocomplete") == "one-time-code"
    assert await field.get_attribute("inputmode") == "numeric"
    await field.fill("12345")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("This code is wrong, too old, or was used before.")
    await fits(page)
    await field.fill(app.code())
    await page.keyboard.press("Enter")
    await page.locator("#main-content").wait_for()


async def test_somebody_sets_it_up_signs_in_with_a_code_and_with_a_recovery_code(tmp_path: Path) -> None:
    async with (
        service(tmp_path, require_totp="admins") as gateway,
        opened(f"{gateway.url}/admin/", width=390) as watched,
    ):
        page = watched.page
        await enter(page)
        app, kept = await set_up(page)
        await leave(page)
        watched.expected_statuses.add(401)  # the answers that ask for a code
        await enter_with_code(page, app)
        await leave(page)
        await enter(page)
        await page.get_by_role("button", name="Use a recovery code").click()
        await page.get_by_label("Recovery code").fill(kept.upper())
        await page.keyboard.press("Enter")
        await page.locator("#main-content").wait_for()
        await page.get_by_role("button", name="Two-step sign-in").click()
        await expect(page.get_by_role("dialog")).to_contain_text("Recovery codes left9")
        await expect(page.get_by_role("button", name="Turn off")).to_have_count(0)  # the account must have it
        await rest(page)
