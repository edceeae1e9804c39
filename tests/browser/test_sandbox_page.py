"""The sandbox's page in a real browser: its own buttons work, a text can be answered, those of another site's page do
nothing."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final, Literal

import pytest_asyncio
from aiohttp import web
from playwright.async_api import Page, expect

from engine.ports import Request
from engine.provider.fbrq import FbrqProvider
from scripts.sandbox import Sandbox, Service
from scripts.sandbox.provider import Provider
from tests.browser.accessible import faults_of
from tests.browser.browser import fits, opened
from tests.rules.rig import until

PHONE = 79161234567
OTHER = 79161234568
LOOKS: Final[Sequence[tuple[int, Literal["light", "dark"]]]] = ((1440, "light"), (390, "dark"))
"""Each width and each theme once: colours don't depend on the width."""


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox that has got a text."""
    async with await Sandbox.start() as sandbox:
        provider = FbrqProvider(sandbox.url, sandbox.token)
        await provider.send(Request(1, PHONE, "Good morning", 10))
        await provider.close()
        yield sandbox


async def test_its_own_switches_work(sandbox: Sandbox) -> None:
    async with opened(f"{sandbox.root_url}/") as watched:
        page = watched.page
        await expect(page.get_by_text("Good morning")).to_be_visible()
        await page.locator("[name=share_5xx]").fill("0.25")
        await page.get_by_role("button", name="Apply").click()
        await expect(page.get_by_text("Applied.")).to_be_visible()
        assert sandbox.faults.share_5xx == 0.25
        # The buttons stay within the card.
        await page.wait_for_function(
            "document.querySelector('.buttons').scrollWidth <= document.querySelector('.buttons').clientWidth"
        )
        await page.get_by_role("button", name="Forget texts").click()
        await expect(page.get_by_text("Forgotten.")).to_be_visible()
        assert sandbox.requests == 0


class Inbound:
    """A service that takes what people answer, as docs/behaviour.md says: a stop word suppresses."""

    def __init__(self) -> None:
        self.taken: list[tuple[str | None, dict[str, str]]] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        said = await request.json()
        self.taken.append((request.headers.get("Authorization"), said))
        return web.json_response({"action": "suppressed" if said["text"] == "STOP" else "ignored"})


@pytest_asyncio.fixture(loop_scope="session")
async def inbound() -> AsyncIterator[Inbound]:
    service = Inbound()
    app = web.Application()
    app.router.add_post("/api/v1/inbound", service.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield service
    await runner.cleanup()


@pytest_asyncio.fixture(loop_scope="session")
async def talking(inbound: Inbound, tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A sandbox that hands answers in, and has got three texts for two numbers."""
    token = tmp_path / "token"
    token.write_text("mlt_provider")
    async with await Sandbox.start(service=Service(inbound.url, token)) as sandbox:
        provider = FbrqProvider(sandbox.url, sandbox.token)
        for message_id, phone, text in ((1, PHONE, "Good morning"), (2, OTHER, "Hello"), (3, PHONE, "Good evening")):
            await provider.send(Request(message_id, phone, text, 10))
        await provider.close()
        yield sandbox


async def test_texts_stand_by_number_and_can_be_answered(talking: Sandbox, inbound: Inbound) -> None:
    async with opened(f"{talking.root_url}/") as watched:
        page = watched.page
        phones = page.locator("article.phone")
        await expect(phones.locator("h3")).to_contain_text(["+7 916 123-45-67", "+7 916 123-45-68"])
        await expect(phones.first.locator(".text")).to_have_text(["Good morning", "Good evening"])
        await page.get_by_role("textbox", name="Answer from +7 916 123-45-68").fill("Who is this?")
        await page.keyboard.press("Enter")
        await expect(phones.first.locator(".text")).to_have_text(["Hello", "Who is this?"])
        await expect(phones.first.get_by_text("no stop word: nothing was done")).to_be_visible()
        await page.get_by_role("button", name="Answer STOP from +7 916 123-45-67").click()
        await expect(phones.first.get_by_text("the number is on the stop list now")).to_be_visible()
        await expect(phones.first.locator(".text")).to_have_text(["Good morning", "Good evening", "STOP"])
        await page.get_by_label("Number").fill("45-68")
        await expect(phones.locator(".text")).to_have_text(["Hello", "Who is this?"])
    said = [(token, text["phone_number"], text["text"]) for token, text in inbound.taken]
    assert said == [("Bearer mlt_provider", str(OTHER), "Who is this?"), ("Bearer mlt_provider", str(PHONE), "STOP")]


async def test_what_is_being_typed_stays_while_texts_come(talking: Sandbox) -> None:
    async with opened(f"{talking.root_url}/") as watched:
        field = watched.page.get_by_role("textbox", name="Answer from +7 916 123-45-67")
        await field.press_sequentially("STO")
        provider = FbrqProvider(talking.url, talking.token)
        await provider.send(Request(4, OTHER, "News", 10))
        await provider.close()
        await expect(watched.page.get_by_text("News")).to_be_visible()
        await field.press_sequentially("P")
        await expect(field).to_have_value("STOP")
        await expect(field).to_be_focused()


async def test_a_service_that_is_away_is_said_beside_the_answer(talking: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "token").unlink()
    async with opened(f"{talking.root_url}/") as watched:
        watched.expected_statuses.add(409)
        await watched.page.get_by_role("button", name="Answer STOP from +7 916 123-45-67").click()
        await expect(watched.page.get_by_text("should have one of the role provider")).to_be_visible()


async def test_who_has_no_service_is_offered_no_answer(sandbox: Sandbox) -> None:
    async with opened(f"{sandbox.root_url}/") as watched:
        await expect(watched.page.get_by_text("Good morning")).to_be_visible()
        await expect(watched.page.get_by_role("button", name="STOP")).to_have_count(0)


async def test_it_keeps_nobody_out_and_fits(talking: Sandbox) -> None:
    provider = FbrqProvider(talking.url, talking.token)
    for message_id, faults in ((4, {"share_400": 1}), (5, {"share_400": 0, "outage": True})):
        talking.set_faults(**faults)
        await provider.send(Request(message_id, OTHER, "Not " * 200, 10))
    await provider.close()
    await talking.reply(OTHER, "What?")
    await talking.reply(OTHER, "STOP")
    async with opened(f"{talking.root_url}/") as watched:
        page = watched.page
        await expect(page.get_by_text("no stop word")).to_be_visible()
        for width, scheme in LOOKS:
            await looked_at(page, width, scheme)


async def looked_at(page: Page, width: int, scheme: Literal["light", "dark"]) -> None:
    await page.set_viewport_size({"width": width, "height": 1000})
    await page.emulate_media(color_scheme=scheme)
    assert await faults_of(page) == [], (width, scheme)
    await fits(page)


async def test_on_a_phone_the_switches_come_first(talking: Sandbox) -> None:
    async with opened(f"{talking.root_url}/", width=390) as watched:
        boxes = [watched.page.locator(name) for name in (".panel", ".counts", "#received")]

        async def stand_in_order() -> bool:
            tops = [box["y"] for each in boxes if (box := await each.bounding_box())]
            return tops == sorted(tops) and len(tops) == 3

        await until(stand_in_order)


def accept(provider: Provider, *ids: int, phone: int = PHONE) -> None:
    """Let a provider be called, as over HTTP; whether it accepts is its own business."""
    for message_id in ids:
        provider.desk.take(b"%d" % message_id, True, b'{"id":%d,"phone":%d,"text":"Text"}' % (message_id, phone))


@pytest_asyncio.fixture(loop_scope="session")
async def three(inbound: Inbound, tmp_path: Path) -> AsyncIterator[Sandbox]:
    """A sandbox of three providers; the first is away, and the second has got its text."""
    token = tmp_path / "token"
    token.write_text("mlt_provider")
    async with await Sandbox.start(service=Service(inbound.url, token), providers=3) as sandbox:
        alpha, beta, _ = sandbox.providers
        alpha.set_faults(outage=True)
        accept(alpha, 1)
        accept(beta, 1)
        yield sandbox


async def test_several_providers_have_switches_of_their_own(three: Sandbox) -> None:
    alpha, beta, gamma = three.providers
    async with opened(f"{three.root_url}/") as watched:
        page = watched.page
        cards = page.get_by_role("article")
        await expect(cards.locator("h2")).to_have_text(["alpha", "beta", "gamma"])
        await expect(cards.locator(".state")).to_have_text(["503 to every call", "answers", "answers"])
        await page.get_by_role("button", name="Outage of alpha").click()
        await expect(cards.nth(0).get_by_text("It answers again.")).to_be_visible()
        await page.get_by_role("button", name="Outage of gamma").click()
        await expect(cards.locator(".state")).to_have_text(["answers", "answers", "503 to every call"])
        assert [each.faults.outage for each in three.providers] == [False, False, True]
        await cards.nth(1).get_by_text("More faults, receipts").click()
        await cards.nth(1).locator("[name=share_400]").fill("0.5")
        await cards.nth(1).locator("[name=enabled]").select_option("yes")
        await cards.nth(1).locator("[name=delay_seconds]").fill("1-2")
        await cards.nth(1).get_by_role("button", name="Apply").click()
        await expect(cards.locator(".state")).to_have_text(["answers", "answers, with a fault", "503 to every call"])
        assert (beta.receipts.enabled, beta.receipts.delay_seconds) == (True, (1, 2))
        beta.set_receipts(share_lost=0.25)  # somebody else changes a switch
        await expect(cards.nth(1).locator("[name=share_lost]")).to_have_value("0.25")
        await cards.nth(1).get_by_role("button", name="No faults").click()
        await expect(cards.nth(1).get_by_text("Everything works again.")).to_be_visible()
        assert (beta.faults.share_400, beta.receipts.share_lost, beta.receipts.enabled) == (0, 0, True)
    assert not alpha.receipts.enabled
    assert gamma.faults.outage is True


async def test_a_text_shows_who_accepted_it_and_one_at_two_providers_is_red(three: Sandbox) -> None:
    beta, gamma = three.providers[1:]
    async with opened(f"{three.root_url}/") as watched:
        page = watched.page
        await expect(page.get_by_text("No message was accepted by two providers.")).to_be_visible()
        await expect(page.locator(".text.beta")).to_have_text(["Text"])
        await expect(page.locator(".note").first).to_have_text("id 1·alpha503beta200")
        accept(gamma, 1)
        accept(beta, *range(2, 70), phone=OTHER)
        await expect(page.locator("#both.bad")).to_contain_text("1 message was accepted by two providers (id 1)")
        await expect(page.locator(".phone").first.get_by_text("accepted by beta and gamma")).to_be_visible()
        await expect(page.locator(".twice")).to_have_count(1)


async def test_what_became_of_a_text_is_shown(talking: Sandbox) -> None:
    """There is nobody to take receipts: the service does not know the call."""
    async with opened(f"{talking.root_url}/") as watched:
        page = watched.page
        await expect(page.get_by_text("Receipts are off.")).to_be_visible()
        talking.set_receipts(enabled=True, share_lost=1)
        accept(talking, 11)
        await expect(page.get_by_text("receipt lost")).to_be_visible()
        talking.set_receipts(share_lost=0)
        accept(talking, 12)
        await expect(page.locator(".problem")).to_have_text("the service answered 404 with something else")


async def test_several_keep_nobody_out_and_fit(three: Sandbox) -> None:
    accept(three.providers[2], 1)
    async with opened(f"{three.root_url}/") as watched:
        page = watched.page
        await expect(page.locator("#both.bad")).to_be_visible()
        await page.get_by_text("More faults, receipts").first.click()
        articles, parts = page.get_by_role("article"), [page.locator(name).first for name in (".panel", ".counts")]

        async def side_by_side_and_switches_first() -> bool:  # on a phone too
            boxes = [await each.bounding_box() for each in (articles.nth(0), articles.nth(1), *parts)]
            one, other, switch, count = [math.nan if box is None else box["y"] for box in boxes]
            return one == other and switch < count

        for width, scheme in LOOKS:
            await looked_at(page, width, scheme)
            await until(side_by_side_and_switches_first)


@pytest_asyncio.fixture(loop_scope="session")
async def elsewhere() -> AsyncIterator[str]:
    """A page on another port: the same site for the browser, another one for us."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="<title>Elsewhere</title><link rel=icon href=data:,>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_another_page_s_requests_change_nothing(sandbox: Sandbox, elsewhere: str) -> None:
    url = f"{sandbox.root_url}/sandbox/reset"
    async with opened(elsewhere) as watched:
        watched.expected_statuses.add(403)
        send = "url => fetch(url, {method: 'POST', mode: 'no-cors'}).then(answer => answer.type)"
        # It was answered, and the page does not see how.
        assert await watched.page.evaluate(send, url) == "opaque"
        assert watched.faults == [f"outside request: {url}"]
        watched.faults.clear()
    assert (sandbox.requests, sandbox.accepted_ids()) == (1, [1])
