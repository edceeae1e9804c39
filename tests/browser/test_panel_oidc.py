"""Signing in to the panel with an account elsewhere, as a person does: there and back."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import expect

from tests.admin.oidc_provider import provider, settings_for
from tests.browser.browser import fits, opened
from tests.browser.panel import rest, service

STYLES = "https://cdn.jsdelivr.net"
"""The provider's pages ask for these, and do without. A route that answers would keep the browser from caching."""


async def test_somebody_is_sent_there_and_comes_back_to_where_they_were(tmp_path: Path) -> None:
    with provider() as port:
        async with (
            service(tmp_path, **settings_for(port), oidc_name="Company") as gateway,
            opened(f"{gateway.url}/admin/#/messages", width=390) as watched,
        ):
            page = watched.page
            watched.other_origins |= {f"http://127.0.0.1:{port}", STYLES}
            there, denied = page.get_by_role("button", name="oleg"), page.get_by_role("button", name="Deny")
            button = page.get_by_role("button", name="Sign in with Company")
            await button.click()
            await denied.click()
            await expect(page.get_by_role("alert")).to_contain_text("You were not signed in there.")
            await button.click()
            watched.expected_statuses.add(403)
            await there.click()
            await expect(page.get_by_role("alert")).to_contain_text(
                "You are signed in to Company as oleg, but you have no access to this service."
            )
            assert page.url.endswith("#/login")  # what came back is out of the address
            await fits(page)
            watched.expected_statuses.clear()
            await page.get_by_role("button", name="Sign in with Company as somebody else").click()
            await page.wait_for_url("**prompt=login**")
            await page.get_by_role("button", name="anna").click()
            await page.locator("#main-content").wait_for()
            assert page.url.endswith("#/messages")
            await expect(page.get_by_role("button", name="Change password")).to_have_count(0)  # there is none
            await rest(page)
