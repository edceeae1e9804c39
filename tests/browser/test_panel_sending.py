"""A safe send: what the form proposes, what it says of the night, and what it asks before texts go out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Page, expect

from tests.browser.panel import CSV, go, service, signed_in
from tests.gateway.rig import Gateway


def zone_at(hour: int) -> str:
    """A time zone in which it is about this hour now."""
    ahead = (hour - datetime.now(UTC).hour) % 24
    # Signs are the other way round in these names, and they go from 14 hours ahead to 12 behind.
    return f"Etc/GMT-{ahead}" if ahead <= 12 else f"Etc/GMT+{24 - ahead}"


async def add(gateway: Gateway, number: int, zone: str, first: int = 0, name: str = "") -> None:
    rows = "".join(f"7916{each:07d};{zone};{name}\n" for each in range(first, first + number))
    file = f"phone_number;time_zone;attributes.name\n{rows}"
    answer = await gateway.post("/clients/import", data=file.encode(), headers=CSV)
    assert answer.json["rejected"] == 0


async def total(gateway: Gateway) -> int:
    found: int = (await gateway.get("/mailings")).json["total_size"]
    return found


async def written(page: Page, text: str = "News") -> None:
    field = page.get_by_label("Text of the message")
    await expect(field).to_be_focused()
    await page.keyboard.type(text)


async def test_above_the_limit_the_number_of_those_who_get_it_is_typed(tmp_path: Path) -> None:
    """Of five clients three have a name."""
    async with service(tmp_path, gateway={"confirm_above": 2}) as gateway:
        await add(gateway, 3, zone_at(12), name="Anna")
        await add(gateway, 2, "UTC", first=3, name="'  ")
        async with signed_in(gateway, "/mailings/create") as watched:
            page, dialog = watched.page, watched.page.get_by_role("dialog")
            await written(page, "Hi {{name}}")
            await expect(page.locator(".m-preview-audience")).to_have_text("3 clients get the text")
            greenwich = page.locator(".notice").filter(has_text="2 clients are in the zone UTC")
            await expect(greenwich).to_contain_text("Their 09:00–21:00 is 12:00–00:00 in Europe/Moscow.")
            send = page.get_by_role("button", name="Send to 3 clients now")
            await send.click()
            await expect(dialog).to_contain_text("Send this now?")
            await expect(dialog).to_contain_text("SMS segments3")
            await expect(dialog).to_contain_text("To3 clients")
            await expect(dialog).to_contain_text("Left out2 clients, for whom a value of the text is missing")
            await expect(dialog).to_contain_text("09:00 to 21:00, in each client's time zone")
            sure, typed = (
                dialog.get_by_role("button", name="Send to 3 clients now"),
                dialog.get_by_label("Type the number"),
            )
            await expect(typed).to_be_focused()
            await expect(sure).to_be_disabled()
            await page.keyboard.type("5")
            await expect(dialog.get_by_role("alert")).to_have_text("That is another number.")
            await expect(sure).to_be_disabled()
            await dialog.get_by_role("button", name="Back to the form").click()
            assert await total(gateway) == 0
            await send.click()
            await typed.fill("3")
            await sure.click()
            await expect(page.get_by_role("heading", name="Progress", exact=True)).to_be_visible()
        assert await total(gateway) == 1
        assert (await gateway.get("/mailings/1")).json["local_hours"] == {"from": "09:00", "to": "21:00"}


async def test_at_night_the_form_says_what_time_it_is_for_how_many(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add(gateway, 2, zone_at(3))
        await add(gateway, 5, zone_at(12), first=2)
        async with signed_in(gateway, "/mailings/create") as watched:
            page, dialog = watched.page, watched.page.get_by_role("dialog")
            night = page.get_by_role("main").locator(".notice").filter(has_text="03:")
            await expect(night).to_contain_text("Their hours are not open now: 2 clients")
            await expect(night).to_contain_text("To them it goes out when their hours begin.")
            await expect(page.get_by_role("button", name="Send to 7 clients in their hours")).to_be_visible()
            await page.get_by_label("Urgent: at any hour").check()
            await expect(night).to_contain_text("It is night now for 2 clients")
            await expect(night).to_contain_text("may wake them")
            await page.get_by_label("Text of the message").fill("News")
            await page.get_by_role("button", name="Send to 7 clients now").click()
            await expect(dialog.get_by_text("It is night now for 2 clients")).to_be_visible()
            await expect(dialog.get_by_label("Type the number")).to_have_count(0)


async def test_what_waits_for_all_is_not_said_to_go_out_now(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add(gateway, 2, zone_at(3))
        async with signed_in(gateway, "/mailings/create") as watched:
            page = watched.page
            await written(page)
            await page.get_by_role("button", name="Schedule for 2 clients").click()
            await page.get_by_role("dialog").get_by_role("button", name="Schedule for 2 clients").click()
            await expect(page.locator(".stat").filter(has_text="Next batch")).to_contain_text("2 messages, in")
            for path in ("/", "/mailings"):
                await go(page, path)
                await expect(page.locator(".chip").filter(has_text="Waits for its hours")).to_be_visible()


async def test_an_outage_a_refusal_and_a_pause_look_the_same_wherever_a_mailing_is_shown(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add(gateway, 3, zone_at(12))
        gateway.engine.sandbox.set_faults(reject_token=True)
        body = {"text": "Sale", "start_time": "2020-01-01T00:00:00Z", "end_time": "2099-01-01T00:00:00Z"}
        mailing = (await gateway.post("/mailings", body)).json["id"]
        async with signed_in(gateway) as watched:
            page = watched.page
            for chip in ("Provider refuses our token", "All sending is paused"):
                for path in ("/", "/mailings", f"/mailings/{mailing}/show"):
                    await go(page, path)
                    await expect(page.locator("main .chip").filter(has_text=chip).first).to_be_visible()
                assert (await gateway.ask("PATCH", "/engine", json={"sending": "paused"})).status == 200


async def test_what_was_given_up_is_no_progress_once_it_is_over(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add(gateway, 4, zone_at(12))
        body = {"text": "Sale", "start_time": "2098-01-01T00:00:00Z", "end_time": "2099-01-01T00:00:00Z"}
        mailing = (await gateway.post("/mailings", body)).json["id"]
        assert (await gateway.post(f"/mailings/{mailing}/cancel", {})).status == 200
        async with signed_in(gateway, "/mailings") as watched:
            page = watched.page
            bar = page.get_by_role("progressbar")
            await expect(bar).to_have_attribute("aria-valuenow", "0")
            await expect(bar).to_have_attribute("aria-valuetext", "0 of 4 sent")
            await go(page, f"/mailings/{mailing}/show")
            await expect(bar).to_have_attribute("aria-valuetext", "0 of 4 sent")


async def test_an_error_goes_when_it_is_mended(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add(gateway, 2, zone_at(12))
        async with signed_in(gateway, "/mailings/create") as watched:
            page, whole = watched.page, watched.page.get_by_text("Not saved yet")
            await page.get_by_role("button", name="Send to 2 clients now").click()
            await expect(whole).to_be_visible()
            await page.get_by_label("Text of the message").fill("News")
            await expect(whole).to_have_count(0)


async def test_what_the_engine_said_of_a_field_goes_when_the_field_is_changed(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, "/clients/create", expected=[422]) as watched:
        page = watched.page
        number = page.get_by_label("Phone number")
        await expect(number).to_be_focused()
        await number.fill("1")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_have_count(1)
        await number.fill("79161234567")
        await expect(page.get_by_role("alert")).to_have_count(0)
