"""Mailings in the panel: written, followed, held, stopped, and sent once more, by clicking."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, Page, expect

from engine.domain.segments import count_segments
from tests.browser.browser import fits
from tests.browser.panel import CSV, account, service, signed_in
from tests.gateway.rig import Gateway
from tests.rules.rig import until

TAG = "Зима's <b>sale</b>"
TEXT = ("Скидка it's <b>here</b> " + "ж" * 640)[:640]
SAMPLES = (
    *("", "hello", "a" * 160, "a" * 161, "[" * 80, "[" * 81, "x" * 152 + "€" + "x" * 10, "Привет", "я" * 70, "я" * 71),
    *("я" * 66 + "😀" + "я" * 10, "“quoted” " + "a" * 150, TEXT, "ж" * 4000, "\ufeffhello"),
)
COUNT_IN_PAGE = """async samples => {
  const base = document.querySelector("link[rel=stylesheet]").href;
  const { countSegments } = await import(new URL("pages/mailings/sms.js", base).href);
  return samples.map(countSegments).map(({ encoding, units, segments }) => [encoding, units, segments]);
}"""


async def add_clients(gateway: Gateway, count: int, tag: str = "", first: int = 0) -> None:
    """Import clients with numbers from 79160000000 + first."""
    rows = "\n".join(f"{79160000000 + number},{tag}" for number in range(first, first + count))
    answer = await gateway.post("/clients/import", data=f"phone_number,tag\n{rows}\n".encode(), headers=CSV)
    assert answer.json["created"] == count


async def register(gateway: Gateway, **fields: Any) -> int:
    """Register a mailing that is open for ten minutes."""
    now = datetime.now(UTC)
    times = {"start_time": now.isoformat(), "end_time": (now + timedelta(minutes=10)).isoformat()}
    answer = await gateway.post("/mailings", {"text": "hello", **times, **fields})
    assert answer.status == 201, answer.raw
    return int(answer.json["id"])


async def counts(gateway: Gateway, mailing_id: int) -> dict[str, int]:
    """The mailing's messages by status."""
    found: dict[str, int] = (await gateway.get(f"/mailings/{mailing_id}")).json["message_counts"]
    return found


def numbers(text: str) -> list[int]:
    """The whole numbers in what a page says."""
    return [int(each.replace(",", "")) for each in re.findall(r"\d[\d,]*", text)]


def fact(page: Page, name: str) -> Locator:
    """What stands beside a name in the preview."""
    return page.locator("dl div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


async def expect_to_move(bar: Locator) -> None:
    """A progress bar changes without anybody reloading the page."""
    first = await bar.get_attribute("aria-valuetext")
    await expect(bar).not_to_have_attribute("aria-valuetext", first or "")


async def pause(page: Page) -> None:
    """Pause the mailing that is shown."""
    await page.get_by_role("main").get_by_role("button", name="Pause").click()
    await page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    await expect(page.get_by_text("Paused", exact=True)).to_be_visible()


async def stored(gateway: Gateway) -> bool:
    """Whether the outcomes of all calls are stored."""
    return bool((await gateway.get("/engine")).json["in_flight"] == 0)


async def expect_numbers(gateway: Gateway, page: Page, mailing_id: int, waiting: str) -> dict[str, int]:
    """The dialog says how many messages of a paused mailing are waiting, and how many are out; returns the counts."""
    await until(lambda: stored(gateway))  # calls that were in flight when it was paused end
    held = await counts(gateway, mailing_id)
    await expect(page.get_by_role("dialog")).to_contain_text(waiting % held["pending"])
    await expect(page.get_by_role("dialog")).to_contain_text(f"{held['sent']} are out already.")
    return held


async def test_a_mailing_is_written_previewed_and_registered(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add_clients(gateway, 3, TAG)
        await add_clients(gateway, 40, "other", 10)
        await account(gateway, "anna", "operator")
        async with signed_in(gateway, "/mailings", name="anna") as watched:
            page = watched.page
            await page.get_by_role("link", name="Write the first one").click()
            await page.get_by_label("Text of the message").fill("ж" * 671)
            await expect(page.get_by_text("must take at most 10 SMS segments; it takes 11").first).to_be_visible()
            watched.faults[:] = [each for each in watched.faults if "422" not in each]
            await page.get_by_label("Text of the message").fill(TEXT)
            await expect(page.get_by_text("640 of 4,096 characters")).to_be_visible()
            await page.get_by_label("Urgent: at any hour").check()
            await expect(page.get_by_role("button", name="Send to 43 clients now")).to_be_visible()
            await page.get_by_role("combobox", name="Tags", exact=True).click()
            await page.get_by_role("option", name=TAG).click()
            await page.get_by_role("combobox", name="Tags", exact=True).fill("nobody yet")
            await page.get_by_role("option", name="Use “nobody yet”").click()
            await page.get_by_label("At a time I choose").check()
            await page.get_by_role("button", name="Tomorrow 10:00").click()
            await page.get_by_label("Messages per second").fill("2")
            await expect(page.get_by_role("button", name="Schedule for 3 clients")).to_be_visible()
            for name in ("For each", "In all", "Miss the end"):  # the forecast may come later
                await expect(fact(page, name)).to_have_text(re.compile(r"\d"))
            said = [numbers(await fact(page, name).inner_text()) for name in ("For each", "In all", "Miss the end")]
            assert await page.evaluate(COUNT_IN_PAGE, list(SAMPLES)) == [
                [each.encoding, each.units, each.segments]
                for each in (count_segments(sample.removeprefix("\ufeff")) for sample in SAMPLES)
            ]
            await page.get_by_role("button", name="Schedule for 3 clients").click()
            await page.get_by_role("dialog").get_by_role("button", name="Schedule for 3 clients").click()
            await expect(page.get_by_role("heading", name="Progress")).to_be_visible()
            assert page.url.endswith("/mailings/1/show")
            await expect(page.get_by_text(TAG, exact=True).first).to_be_visible()
            await expect(page.locator("#main-content")).to_contain_text(TEXT)
        mailing = (await gateway.get("/mailings/1")).json
        assert (mailing["text"], mailing["filter"]["tags"], mailing["rate_limit"]) == (TEXT, [TAG, "nobody yet"], 2)
        assert mailing["start_time"].endswith("T07:00:00.000000Z")  # 10:00 in Moscow
        asked = {key: mailing[key] for key in ("text", "filter", "start_time", "end_time", "rate_limit")}
        preview = (await gateway.post("/mailings/preview", asked)).json
        each, audience = preview["segments"], preview["audience"]
        assert (audience, said) == (3, [[each], [3 * each], [preview["forecast"]["missed"]]])
        done = (await gateway.get("/audit")).json["audit_events"][0]
        assert (done["actor"], done["action"], done["object_id"]) == ("anna", "mailing.create", 1)


async def test_what_the_engine_refuses_is_said_at_the_form_and_nothing_is_lost(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add_clients(gateway, 2, "vip")
        mailing_id = await register(gateway, filter={"tags": ["nobody"]})
        async with signed_in(gateway, "/mailings/create", expected=[422, 409]) as watched:
            page = watched.page
            await page.get_by_label("Urgent: at any hour").check()
            await page.get_by_role("button", name="Send to 2 clients now").click()
            await page.get_by_label("Text of the message").fill("News")
            await page.get_by_label("End", exact=True).fill("2026-01-01T10:00")
            await expect(page.get_by_text("The end must be in the future.")).to_be_visible()
            await page.get_by_role("button", name="1 day after").click()
            await page.get_by_role("combobox", name="Tags", exact=True).fill("t" * 65)
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("64").first).to_be_visible()  # the engine's rule, in words
            await page.get_by_role("button", name="Send now").click()
            await expect(page.get_by_text("Not saved yet")).to_be_visible()
            # Another language draws the page anew, with what was written.
            await page.get_by_role("button", name="English").click()
            await page.get_by_role("menuitem", name="Русский").click()
            await expect(page.get_by_label("Текст сообщения")).to_have_value("News")
            await page.get_by_role("button", name="Русский").click()
            await page.get_by_role("menuitem", name="English").click()
            await page.get_by_label("Text of the message").fill("Newer news")
            # Leaving asks first, and staying keeps what was written.
            async with page.expect_event("dialog") as asked:
                page.once("dialog", lambda dialog: dialog.dismiss())
                await page.get_by_role("menuitem", name="Clients").click()
            assert "weren't saved" in (await asked.value).message
            await expect(page.get_by_label("Text of the message")).to_have_value("Newer news")
            page.once("dialog", lambda dialog: dialog.accept())
            await page.get_by_role("menuitem", name="Mailings").click()
            await page.get_by_role("link", name="hello").click()
            await two_write(gateway, page, mailing_id)
            await page.get_by_label("Text of the message").fill("Best news")
            await gateway.post(f"/mailings/{mailing_id}/cancel", {})
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_text("can't be changed any more")).to_be_visible()
            await expect(page.get_by_label("Text of the message")).to_have_value("Best news")
            page.once("dialog", lambda dialog: dialog.accept())
            await page.get_by_role("main").get_by_role("button", name="Cancel").click()
            await expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
        assert (await gateway.get("/mailings")).json["total_size"] == 1


async def two_write(gateway: Gateway, page: Page, mailing_id: int) -> None:
    """The second one is told before the first one's text is gone; what one alone has changed stays."""
    await page.get_by_role("link", name="Edit").click()
    await expect(page.get_by_label("Text of the message")).to_have_value("hello")
    await page.get_by_label("Text of the message").fill("Better news")
    await gateway.ask("PATCH", f"/mailings/{mailing_id}", json={"text": "Other news", "rate_limit": 7})
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("has changed this meanwhile, to “Other news”")).to_be_visible()
    assert (await gateway.get(f"/mailings/{mailing_id}")).json["text"] == "Other news"
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text(f"Mailing {mailing_id} is saved.")).to_be_visible()
    saved = (await gateway.get(f"/mailings/{mailing_id}")).json
    assert (saved["text"], saved["rate_limit"]) == ("Better news", 7)
    await page.get_by_role("link", name="Edit").click()


async def test_a_mailing_is_followed_held_stopped_and_sent_once_more(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add_clients(gateway, 400, TAG)
        mailing_id = await register(gateway, text="it's <b>on</b>", rate_limit=4)
        async with signed_in(gateway, "/mailings") as watched:
            page, main = watched.page, watched.page.get_by_role("main")
            await expect_to_move(page.get_by_role("progressbar", name=f"Progress of mailing {mailing_id}"))
            await page.get_by_role("link", name="it's <b>on</b>").click()
            bar = page.get_by_role("progressbar", name="Progress")
            await expect_to_move(bar)
            await pause(page)
            await main.get_by_role("button", name="Resume").click()
            await expect_numbers(gateway, page, mailing_id, "%s waiting messages go out now.")
            await page.get_by_role("dialog").get_by_role("button", name="Resume").click()
            await expect(page.get_by_text("Sending", exact=True)).to_be_visible()
            await pause(page)
            await main.get_by_role("button", name="Cancel mailing").click()
            held = await expect_numbers(gateway, page, mailing_id, "%s waiting messages will never be sent.")
            await page.get_by_role("button", name="Yes, cancel it").click()
            await expect(page.get_by_text("Cancelled", exact=True)).to_be_visible()
            reason = main.get_by_role("link", name="Mailing cancelled", exact=True)
            wanted = re.compile(f"mailing_id%22%3A{mailing_id}%2C.*not_sent.*reason%22%3A%22cancelled")
            await expect(reason).to_have_attribute("href", wanted)
            assert (await counts(gateway, mailing_id)) == {**held, "pending": 0, "not_sent": held["pending"]}
            await main.get_by_role("link", name="Duplicate").click()
            await expect(page.get_by_label("Text of the message")).to_have_value("it's <b>on</b>")
            await page.get_by_label("Messages per second").fill("")
            await page.get_by_role("button", name="Send to 400 clients now").click()
            await page.get_by_role("dialog").get_by_role("button", name="Send to 400 clients now").click()
            await expect(bar).to_have_attribute("aria-valuetext", "400 of 400")
            await expect(page.get_by_text("Done, still open")).to_be_visible()
            await main.get_by_role("button", name="Delete").click()
            await expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"\b400\b"))
            await page.get_by_role("button", name="Yes, delete it").click()
            await expect(page.get_by_text("1–1 of 1", exact=True)).to_be_visible()
        done = [each["action"] for each in (await gateway.get("/audit?page_size=9")).json["audit_events"]]
        wanted_actions = ["create", "pause", "resume", "pause", "cancel", "create", "delete"]
        assert [each for each in reversed(done) if "mailing" in each] == [f"mailing.{each}" for each in wanted_actions]


async def test_a_viewer_sees_a_mailing_and_no_button_on_a_phone_in_russian(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add_clients(gateway, 5, TAG)
        await account(gateway, "vera", "viewer")
        mailing_id = await register(gateway)
        async with signed_in(gateway, "/mailings", name="vera", locale="ru-RU", width=390) as watched:
            page, main = watched.page, watched.page.get_by_role("main")
            await expect(main.get_by_role("link", name="Все")).to_be_visible()
            await page.get_by_role("link", name="hello").click()
            await expect(main.get_by_text("Готова, ещё открыта")).to_be_visible()
            await expect(main.get_by_text(TAG)).to_be_visible()
            # What changes nothing: the tabs of the breakdown.
            await expect(main.get_by_role("button")).to_have_text(["Тег", "Код оператора", "Часовой пояс"])
            await fits(page)
            for name in ("Новая рассылка", "Дублировать", "Изменить"):
                await expect(main.get_by_role("link", name=name)).to_have_count(0)
        assert (await gateway.get(f"/mailings/{mailing_id}")).json["state"] == "active"


async def test_the_longest_state_keeps_clear_of_the_time_and_bars_have_one_length(tmp_path: Path) -> None:
    async with service(tmp_path) as gateway:
        await add_clients(gateway, 5, TAG)
        await add_clients(gateway, 12, "other", first=5)
        mailing_id = await register(gateway)
        async with signed_in(gateway, "/mailings", locale="ru-RU") as watched:
            page, main = watched.page, watched.page.get_by_role("main")
            state, times = main.get_by_text("Готова, ещё открыта"), main.locator(".mailing-list .mailing-window")

            async def keeps_clear() -> bool:
                left, right = await state.bounding_box(), await times.bounding_box()
                return bool(left and right and left["x"] + left["width"] < right["x"])

            await until(keeps_clear)
            await page.get_by_role("link", name="hello").click()
            await expect(main.get_by_text("Открыта до")).to_be_visible()
            await page.wait_for_function(
                "new Set([...document.querySelectorAll('.m-stacked .share-bar')].map(one => one.clientWidth)).size == 1"
            )
        assert (await gateway.get(f"/mailings/{mailing_id}")).json["state"] == "active"
