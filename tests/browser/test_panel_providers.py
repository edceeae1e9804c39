"""Two providers in the panel: a message that went through both, whether it arrived, an outage of one and of all."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from unittest.mock import patch

import pytest
from playwright.async_api import Page, Route, expect

from scripts.sandbox import Sandbox
from tests.browser.accessible import faults_of
from tests.browser.browser import fits
from tests.browser.panel import account, go, service, signed_in
from tests.browser.test_panel_dashboard import add_clients, register
from tests.gateway.rig import Gateway
from tests.rules.rig import until

FILE = """
[[provider]]
name = "alpha"
kind = "fbrq"
url = "{alpha}"
secrets = {{ token = "PANEL_ALPHA" }}
[[provider]]
name = "beta"
kind = "http"
url = "{beta}/send/{{id}}"
secrets = {{ token = "PANEL_BETA" }}
rate = 1000
rate_unit = "segments"
senders = ["Shop"]
price_per_segment = 2.5
[provider.request]
headers = {{ Authorization = "Bearer {{secret.token}}" }}
json = {{ id = "{{id:number}}", phone = "{{phone:number}}", text = "{{text}}", from = "{{sender}}" }}
[provider.answers]
rules = [{{ means = "accepted" }}]
"""
TEXT = "Winter sale"


@asynccontextmanager
async def two_providers(folder: Path) -> AsyncIterator[Gateway]:
    """The sandbox's first two, alpha and beta; only beta can be told a sender."""
    async with await Sandbox.start(providers=2) as sandbox:
        alpha, beta = sandbox.providers
        file = folder / "providers.toml"
        file.write_text(FILE.format(alpha=sandbox.url_of(alpha), beta=sandbox.url_of(beta)))
        tokens = {"PANEL_ALPHA": alpha.token, "PANEL_BETA": beta.token}
        with patch.dict(os.environ, tokens):
            async with service(folder, sandbox=sandbox, providers=file) as gateway:
                yield gateway


async def receipt(gateway: Gateway, message_id: int, status: str, **fields: str) -> None:
    """What a provider hands in."""
    body = {"id": message_id, "status": status, "time": datetime.now(UTC).isoformat(), **fields}
    answer = await gateway.post("/receipts", body)
    assert answer.json["accepted"] == 1, answer.raw


async def states(gateway: Gateway) -> list[str]:
    """What the breaker of each provider is doing."""
    providers = (await gateway.get("/engine")).json["providers"]
    return [each["breaker"]["state"] for each in providers]


WIDER = """
[...document.querySelectorAll(".field > .control")]
  .filter(each => each.getBoundingClientRect().right > each.parentElement.getBoundingClientRect().right + 1).length"""
"""How many fields stick out of where they belong."""


SAID_IN_PAGE = """async counts => {
  const base = document.querySelector("link[rel=stylesheet]").href;
  const { said } = await import(new URL("i18n.js", base).href);
  return counts.map(count => said({ message: "", code: "NUMBERS_NOT_SERVED", arguments: { count } }));
}"""


async def picture(page: Page, name: str) -> None:
    """For docs/admin: ``PICTURES`` names a folder."""
    if folder := os.environ.get("PICTURES"):
        await page.screenshot(path=f"{folder}/{name}.png", animations="disabled", caret="hide")


async def altered(page: Page, path: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let an answer be another one from now on."""

    async def answer(route: Route) -> None:
        response = await route.fetch()
        body = await response.json()
        change(body)
        await route.fulfill(response=response, json=body)

    await page.route(path, answer)


def shared(stats: dict[str, Any]) -> None:
    """Another provider took a part, on one engine or another."""
    counts = {"pending": 0, "sent": 5, "delivered": 0, "undelivered": 0, "not_sent": 2, "cost": 0.0}
    stats["by_provider"]["alpha"] = counts


def without_gamma(answer: dict[str, Any]) -> None:
    """A third provider is in the file no more."""
    answer["data"]["missing_providers"] = [{"name": "gamma", "messages": 12}]


async def shares_and_arrivals(page: Page) -> None:
    """A mailing's page has what each provider did of it, and what arrived over time."""
    timeline = page.get_by_role("region", name="Over time")
    await expect(timeline.locator(".legend")).to_have_text("SentNot sentTried again laterDelivered")
    await expect(timeline.locator("polyline")).to_have_count(1)
    await expect(page.get_by_role("region", name="Providers")).to_have_count(0)  # one has done it all
    await altered(page, "**/mailings/stats?*", shared)
    rows = page.get_by_role("region", name="Providers").first.locator("tr")
    await expect(rows).to_have_text(
        [
            re.compile("^NameSentDeliveredNot sentCost so far$"),
            re.compile("^beta12[01]030(.00)?$"),
            re.compile("^alpha5020(.00)?$"),
        ]
    )


async def says_who_is_missing(page: Page) -> None:
    """The Engine page names a provider that is in the file no more, and the ways out."""
    await altered(page, "**/engine/one?*", without_gamma)
    await go(page, "/engine")
    notice = page.locator(".notice", has_text="The provider gamma is no longer in the file")
    await expect(notice).to_contain_text("12 messages that it may have got wait for its answer")
    await expect(notice).to_contain_text("put the provider back into the file with retired = true")
    await picture(page, "engine-missing")
    await no_faults(page)


LOOKS: Final[Sequence[tuple[int, Literal["light", "dark"]]]] = ((1440, "light"), (390, "dark"))


async def no_faults(page: Page) -> None:
    """On a wide screen and on a phone, each in a theme of its own: colours don't depend on the width."""
    for width, theme in LOOKS:
        await page.set_viewport_size({"width": width, "height": 1000})
        await page.emulate_media(color_scheme=theme)
        await expect(page.locator(f'html[data-theme="{theme}"]')).to_have_count(1)
        # The page is laid out anew some time after its width has changed.
        await fits(page)
        await page.wait_for_function(f"{WIDER} === 0")
        assert await faults_of(page) == []
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": 1280, "height": 1000})


async def test_the_funnel_and_the_way_of_a_message_through_two_providers(tmp_path: Path) -> None:
    async with two_providers(tmp_path) as gateway:
        gateway.engine.sandbox.providers[0].set_faults(outage=True)
        await add_clients(gateway, 12)
        sale = await register(gateway, TEXT)
        assert await gateway.engine.finished(sale) == (0, 12, 0)
        async with signed_in(gateway, f"/mailings/{sale}/show") as watched:
            page = watched.page
            funnel = page.get_by_role("region", name="Did it arrive?")
            await expect(page.get_by_role("region", name="Progress")).to_contain_text("100%")
            await expect(funnel).to_have_count(0)  # nobody has said anything of that yet
            await receipt(gateway, 1, "delivered")
            await receipt(gateway, 2, "undelivered", code="EC-7", detail="absent subscriber")
            for step in (
                "Matched12",
                "Accepted by the provider12 · 100%",
                "Delivered1 · 8.3%",
                "Not delivered1 · 8.3%",
                "No receipt yet10 · 83.3%",
            ):
                await expect(funnel).to_contain_text(step)
            await expect(funnel).to_contain_text("From the provider's yes to the phone: half within")
            await shares_and_arrivals(page)
            await no_faults(page)

            await funnel.get_by_role("link", name="Not delivered", exact=True).click()
            line = page.locator("tbody tr")
            await expect(line).to_have_count(1)
            await expect(line).to_contain_text("SentNot delivered")
            await line.locator("td").last.click()
            await expect(page.get_by_role("alert")).to_contain_text("Accepted by the provider, not delivered")
            await expect(page.get_by_role("region", name="Message", exact=True)).to_contain_text("Cost2.50")
            said = page.get_by_role("region", name="Receipt")
            for words in ("Not delivered", "EC-7", "absent subscriber"):
                await expect(said).to_contain_text(words)
            tries = page.get_by_role("region", name="Tries").get_by_role("listitem")
            await expect(tries).to_have_count(2)
            await expect(tries.first).to_contain_text("Try 2, at betaAccepted")
            await expect(tries.last).to_contain_text("Try 1, at alphaFailed, to be repeated")
            await expect(tries.last).to_contain_text("alpha certainly did not take it, so it went on to beta.")
            await no_faults(page)
            await picture(page, "message-two-providers")

            await go(page, f"/mailings/{sale}/show")
            await funnel.get_by_role("link", name="New mailing for these: Not delivered").click()
            await expect(page.get_by_text(f"those whose message of “{TEXT}” was not delivered")).to_be_visible()
            await expect(page.get_by_role("region", name="What will happen")).to_contain_text("1 client")

            await says_who_is_missing(page)


async def test_an_outage_names_the_provider_and_says_who_has_taken_over(tmp_path: Path) -> None:
    async with two_providers(tmp_path) as gateway:
        alpha, beta = gateway.engine.sandbox.providers
        alpha.set_faults(outage=True)
        await add_clients(gateway, 60)
        sale = await register(gateway, TEXT)
        assert await gateway.engine.finished(sale) == (0, 60, 0)
        assert await states(gateway) == ["open", "closed"]
        await account(gateway, "vera", "viewer")
        async with signed_in(gateway) as watched:
            page = watched.page
            notice = page.get_by_role("alert")
            await expect(notice).to_contain_text("alpha does not work; beta has taken over")
            await expect(notice).to_contain_text("Service Unavailable")
            health = page.get_by_role("region", name="Providers")
            await expect(health).to_contain_text("alphaDoes not work")
            await expect(health).to_contain_text("betaWorks")
            await expect(page.get_by_text("nothing is sent")).to_have_count(0)

            await go(page, "/engine")
            first, second = (page.get_by_role("region", name=f"Provider {name}") for name in ("alpha", "beta"))
            for words in ("Does not work", "Meanwhile beta sends in its place.", "Next try", "Share of the calls"):
                await expect(first).to_contain_text(words)
            for words in ("Works", "kind: http", "Limit1,000/s SMS segments", "Price2.5", "Sender namesShop"):
                await expect(second).to_contain_text(words)
            await expect(page.get_by_text("Messages whose time has come go out.")).to_be_visible()
            await expect(page.get_by_text("The providers' file says for each provider")).to_be_visible()
            await no_faults(page)
            await picture(page, "providers")

            beta.set_faults(outage=True)
            later = await register(gateway, "The other one")

            async def is_over() -> bool:
                return "closed" not in await states(gateway)

            await until(is_over)
            await expect(first).to_contain_text("No other provider works either: nothing is sent.")
            await go(page, "/")
            await expect(notice.first).to_contain_text("and no other provider does: nothing is sent")
            await go(page, f"/mailings/{later}/show")
            await expect(page.get_by_text("Provider does not work")).to_be_visible()


async def test_a_mailing_is_given_its_provider_and_its_sender(tmp_path: Path) -> None:
    async with two_providers(tmp_path) as gateway:
        await add_clients(gateway, 2)
        async with signed_in(gateway, "/mailings/create", expected=[422]) as watched:
            page = watched.page
            await page.get_by_label("Text of the message").fill(TEXT)
            await page.get_by_label("Urgent: at any hour").check()
            await page.get_by_text("Advanced", exact=True).click()
            await page.get_by_label("Sender name").select_option("Shop")
            await page.get_by_label("Provider", exact=True).select_option("alpha")
            wrong = page.locator(".field.wrong").filter(has_text="Sender name")
            await expect(wrong.get_by_role("alert")).not_to_be_empty()
            await page.get_by_label("Provider", exact=True).select_option("beta")
            await expect(wrong).to_have_count(0)
            await no_faults(page)
            await page.get_by_role("button", name="Send to 2 clients").click()
            await page.get_by_role("dialog").get_by_role("button", name="Send to 2 clients").click()
            plan = page.get_by_role("region", name="Text")
            await expect(plan).to_contain_text("Only throughbeta")
            await expect(plan).to_contain_text("Sender nameShop")
            [made] = (await gateway.get("/mailings")).json["mailings"]
            assert (made["provider"], made["sender"]) == ("beta", "Shop")
            by: list[Any] = [each.provider for each in await gateway.engine.list_messages(made["id"])]
            assert by == ["beta", "beta"]


@pytest.mark.parametrize(
    ("locale", "nouns"),
    [
        (
            "en-GB",
            {"1": "1 of these clients has", "2": "2 of these clients have", "1000": "1,000 of these clients have"},
        ),
        (
            "ru-RU",
            {"1": "номер 1 клиента", "3": "номера 3 клиентов", "5": "номера 5 клиентов", "21": "номер 21 клиента"},
        ),
    ],
)
async def test_what_the_engine_counts_has_the_form_of_its_number(
    tmp_path: Path, locale: str, nouns: dict[str, str]
) -> None:
    async with service(tmp_path) as gateway, signed_in(gateway, locale=locale) as watched:
        said = await watched.page.evaluate(SAID_IN_PAGE, list(nouns))
        assert [text[: len(noun)] for text, noun in zip(said, nouns.values(), strict=True)] == list(nouns.values())
