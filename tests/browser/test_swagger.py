"""Swagger UI from the running service, as a developer uses it, in a browser whose network is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from playwright.async_api import Locator, Page, Response, expect

from scripts.token_channel import API_TOKEN
from tests.browser.browser import opened
from tests.browser.panel import service
from tests.gateway.examples import ENGINE_DEFAULTS, NOT_TWICE, examples, furnish, noted, operations, texted, world

CLIENT = '{"phone_number": "+7 (916) 123-45-67", "tag": "browser", "time_zone": "Europe/Moscow"}'

_ONLY = """tags => {
  for (const tag of ui.specSelectors.taggedOperations().keys()) {
    ui.layoutActions.show(["operations-tag", tag], tags.includes(tag));
  }
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def docs(tmp_path: Path) -> AsyncIterator[str]:
    """The address of the page, with a gateway and an engine behind it."""
    async with service(tmp_path) as gateway:
        yield f"{gateway.url}/api/v1/docs/"


async def authorize(page: Page, secret: str) -> None:
    """Press Authorize, paste the token, close."""
    await page.get_by_role("button", name="Authorize", exact=True).click()
    dialog = page.locator(".modal-ux")
    await dialog.get_by_role("textbox").fill(secret)
    await dialog.get_by_role("button", name="Apply credentials").click()
    await dialog.get_by_role("button", name="Close").click()


async def open_operation(page: Page, method: str, path: str) -> Locator:
    """Open an operation; the page is ready to try it out at once."""
    block = page.locator(f'.opblock-{method}:has(.opblock-summary-path[data-path="{path}"])')
    await block.locator(".opblock-summary").click()
    return block


async def execute(block: Locator, status: int) -> str:
    """Press *Execute*; the answer must have this status; give its body as shown."""
    await block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response")
    await expect(answer.locator(".response-col_status").first).to_contain_text(str(status))
    return await answer.locator(".microlight, pre").first.inner_text()


async def test_a_client_is_made_from_the_page(docs: str) -> None:
    async with opened(docs) as watched:
        page = watched.page
        await authorize(page, API_TOKEN)
        block = await open_operation(page, "post", "/api/v1/clients")
        await block.locator("textarea.body-param__text").fill(CLIENT)
        assert '"phone_number": "79161234567"' in await execute(block, 201)
    assert "POST /api/v1/clients" in watched.requests


async def test_without_a_token_the_page_shows_the_refusal(docs: str) -> None:
    async with opened(docs) as watched:
        watched.expected_statuses.add(401)
        block = await open_operation(watched.page, "get", "/api/v1/engine")
        assert '"status": 401' in await execute(block, 401)


@pytest.mark.timeout(180)  # thirty presses of a button
async def test_every_body_s_example_is_executed_twice_and_does_no_harm(tmp_path: Path) -> None:
    """Nothing is typed but ids: of what the examples themselves have made. The second time the request of the page is
    sent without the page. Calls without a body need no browser: tests/gateway/routes/test_every_route.py."""
    async with service(tmp_path, workers=ENGINE_DEFAULTS.workers) as gateway:
        session = await furnish(gateway)
        before = await world(gateway)
        async with opened(f"{gateway.url}/api/v1/docs/") as watched:
            watched.expected_statuses |= {401, 404, 409, 422}
            await authorize(watched.page, session)
            document = await watched.page.evaluate("ui.specSelectors.specJson().toJS()")
            ids: dict[str, int | str] = {"provider": "nobody"}
            for method, path, operation in operations(document):
                if "requestBody" in operation:
                    pressed = await press(watched.page, method, path, operation, ids)
                    ids |= await twice(pressed, operation)
        assert await world(gateway) == before
        assert texted(gateway) == {"79160000000"}


async def press(page: Page, method: str, path: str, operation: dict[str, Any], ids: dict[str, int | str]) -> Response:
    """Execute it as the page shows it; what came. Its tag alone is open, or the page draws all operations each time."""
    await page.evaluate(_ONLY, operation["tags"])
    block = await open_operation(page, method, path)
    for each in operation["parameters"]:
        if each["in"] == "path" and "example" not in each:
            await block.locator(f'tr[data-param-name="{each["name"]}"] input').fill(str(ids[each["name"]]))
    async with page.expect_response(lambda response: "/docs/" not in response.url) as coming:
        await block.get_by_role("button", name="Execute").click()
    response = await coming.value
    shown = block.locator(".live-responses-table .response .response-col_status").first
    await expect(shown).to_contain_text(str(response.status))
    await block.locator(".opblock-summary").click()
    return response


async def twice(first: Response, operation: dict[str, Any]) -> dict[str, int | str]:
    """Send once more what the page has sent; give the id of what was made."""
    request, name, success = first.request, operation["operationId"], min(map(int, operation["responses"]))
    headers = await request.all_headers()
    assert "idempotency-key" not in headers
    assert bare(request.post_data or "") == bare(next(examples(operation)).get("data", b"").decode()), name
    sent: dict[str, str] = {each: headers[each] for each in ("authorization", "content-type") if each in headers}
    async with (
        ClientSession() as http,
        http.request(request.method, request.url, headers=sent, data=request.post_data_buffer) as second,
    ):
        statuses = (first.status, second.status)
        assert statuses == NOT_TWICE.get(name, (success, success)), (name, await first.text(), await second.text())
    return noted(name, await first.json()) if first.status == 201 else {}


def bare(body: str) -> str:
    """Without the blanks by which Swagger UI makes JSON pleasant to read."""
    return "".join(body.split())


async def test_the_page_lists_operations_of_every_kind(docs: str) -> None:
    async with opened(docs) as watched:
        await expect(watched.page.locator(".opblock").first).to_be_visible()
        for kind in ("clients", "mailings", "messages", "engine", "audit", "session", "accounts", "tokens"):
            path = f'.opblock-summary-path[data-path^="/api/v1/{kind}"]'
            await expect(watched.page.locator(path).first).to_be_visible()
    assert {"GET /api/v1/docs/", "GET /api/v1/docs/swagger.json"} <= set(watched.requests)
