"""The dashboard: what it shows moves by itself, says what a person has to do, and outlives its engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Page, expect

from engine.service import Service
from engine.settings import load
from tests.browser.browser import fits
from tests.browser.panel import CSV, account, go, service, signed_in
from tests.gateway.rig import Gateway
from tests.rules.rig import QUICK

TEXT = "Winter sale: <b>it's</b> 20 % off"


async def add_clients(gateway: Gateway, count: int) -> None:
    rows = "".join(f"7916{number:07d},vip\n" for number in range(count))
    answer = await gateway.post("/clients/import", data=f"phone_number,tag\n{rows}".encode(), headers=CSV)
    assert answer.json["created"] == count


async def register(gateway: Gateway, text: str, *, end_seconds: float = 3600, **fields: Any) -> int:
    now = datetime.now(UTC)
    times = {"start_time": now - timedelta(seconds=1), "end_time": now + timedelta(seconds=end_seconds)}
    answer = await gateway.post(
        "/mailings", {"text": text, **{key: at.isoformat() for key, at in times.items()}, **fields}
    )
    number: int = answer.json["id"]
    return number


async def percent_done(page: Page, mailing_id: int) -> int:
    bar = page.get_by_role("progressbar", name=f"Progress of mailing {mailing_id}", exact=True)
    return int(await bar.get_attribute("aria-valuenow") or 0)


async def beyond(page: Page, mailing_id: int, percent: int) -> None:
    """Wait until the page, untouched, shows more than ``percent``."""
    await page.wait_for_function(
        "([name, percent]) => document.querySelector(`[aria-label='${name}']`)?.ariaValueNow > percent",
        arg=[f"Progress of mailing {mailing_id}", percent],
    )


async def test_a_new_service_shows_the_first_steps_and_then_progress_that_moves_by_itself(tmp_path: Path) -> None:
    async with service(tmp_path, workers=4) as gateway, signed_in(gateway) as watched:
        page = watched.page
        await expect(page.get_by_role("heading", name="Welcome! Two steps to the first text")).to_be_visible()
        await expect(page.get_by_role("link", name="Import clients")).to_have_attribute("href", "#/clients/import")
        gateway.engine.sandbox.set_faults(latency_seconds=0.2)  # 4 workers: 20 a second
        await add_clients(gateway, 400)
        sale = await register(gateway, TEXT)
        await beyond(page, sale, 0)
        await expect(page.get_by_role("link", name=TEXT, exact=True)).to_have_attribute(
            "href", f"#/mailings/{sale}/show"
        )
        await beyond(page, sale, await percent_done(page, sale))
        row = page.get_by_role("listitem").filter(has_text=TEXT)
        await expect(row).to_contain_text("done by")
        await expect(row).to_contain_text("of 400")
        # Another one has a rate with which it will never be through, and the page says so and leads there.
        late = await register(gateway, "Too slow", end_seconds=100, rate_limit=1)
        alert = page.get_by_role("alert").filter(has_text="“Too slow” will not be done before its end")
        await expect(alert).to_contain_text("messages will not be sent by")
        await expect(alert.get_by_role("link", name="Change the mailing")).to_have_attribute(
            "href", f"#/mailings/{late}"
        )
        await expect(page.get_by_role("img", name="a bar for each minute")).to_be_visible()
        await page.get_by_role("button", name="Last day").click()
        await expect(page.get_by_role("img", name="a bar for each hour")).to_be_visible()


async def test_without_its_engine_the_page_says_so_keeps_what_it_had_and_recovers(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, expected=[503]) as watched:
        page = watched.page
        await add_clients(gateway, 3)
        sale = await register(gateway, TEXT)
        await gateway.engine.finished(sale)
        words = "The provider has accepted everything"
        await expect(page.get_by_text(words)).to_be_visible()
        await gateway.engine.service.stop()
        alert = page.get_by_role("alert").filter(has_text="The engine does not answer.")
        await expect(alert).to_contain_text("What you see is from")
        await expect(page.get_by_text(words)).to_be_visible()
        loaded = len([each for each in watched.requests if each == "GET /admin/"])
        again = Service(load(_same_engine(gateway, tmp_path), {}, None))
        try:
            await again.start()
            await expect(alert).to_have_count(0)
            await expect(page.get_by_text(words)).to_be_visible()
            assert len([each for each in watched.requests if each == "GET /admin/"]) == loaded
            # A session that has ended meanwhile leads to the sign-in.
            watched.expected_statuses.add(401)
            await page.context.clear_cookies()
            ended = page.get_by_role("alert").filter(has_text="Your session has ended. Sign in again.")
            await ended.get_by_role("link", name="Sign in").click()
            await expect(page.get_by_label("Password", exact=True)).to_be_visible()
        finally:
            await again.stop()


def _same_engine(gateway: Gateway, folder: Path) -> dict[str, Any]:
    sandbox, port = gateway.engine.sandbox, gateway.engine.service.grpc_port
    own = {"database_url": f"sqlite://{folder / 'mailing.db'}", "grpc_listen": f"127.0.0.1:{port}"}
    return {**QUICK, "provider_url": sandbox.url, "fbrq_token": sandbox.token, **own}


async def test_a_viewer_on_a_phone_sees_in_russian_why_nothing_is_sent(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        gateway.engine.sandbox.set_faults(reject_token=True)
        await account(gateway, "vera", "viewer")
        await add_clients(gateway, 3)
        await register(gateway, TEXT)
        async with signed_in(gateway, name="vera", locale="ru-RU", width=390) as watched:
            page = watched.page
            alert = page.get_by_role("alert").filter(has_text="Провайдер не принимает токен: ничего не отправляется")
            await expect(alert).to_contain_text("Сообщите администратору")
            await expect(alert).not_to_contain_text("FBRQ_TOKEN")
            await expect(page.get_by_text("Ждёт: провайдер не принимает наш токен.")).to_be_visible()
            await expect(page.get_by_role("link", name="Новая рассылка")).to_have_count(0)
            await fits(page)
            await alert.get_by_role("link", name="К движку").click()
            await expect(page.get_by_text("Он не принимает токен, поэтому ничего не отправляется.")).to_be_visible()
            await expect(page.get_by_text("HTTP 401: the token is not known")).to_be_visible()
            await fits(page)
            await go(page, "/")
            await expect(alert).to_be_visible()
