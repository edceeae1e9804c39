"""Swagger UI from the running service, as a developer uses it, in a browser whose network is closed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from scripts.token_channel import API_TOKEN
from tests.browser.browser import opened
from tests.browser.panel import service
from tests.gateway.examples import NOT_TWICE, examples, operations

CLIENT = '{"phone_number": "+7 (916) 123-45-67", "tag": "browser", "time_zone": "Europe/Moscow"}'
TYPED = "createClient"
"""Executed with a body that is typed. An operation that was closed is not ready to be executed again."""
TRAITS = 12
"""Of operations with a body, as ``traits`` tells them."""

_ONLY = """tags => {
  for (const tag of ui.specSelectors.taggedOperations().keys()) {
    const thing = ["operations-tag", tag], wanted = tags.includes(tag);
    if (ui.layoutSelectors.isShown(thing, true) !== wanted) ui.layoutActions.show(thing, wanted);
  }
}"""
_DOCUMENT = "ui.specSelectors.specJson().toJS()"


async def authorize(page: Page) -> None:
    """Press Authorize, paste the token, close."""
    await page.get_by_role("button", name="Authorize", exact=True).click()
    dialog = page.locator(".modal-ux")
    await dialog.get_by_role("textbox").fill(API_TOKEN)
    await dialog.get_by_role("button", name="Apply credentials").click()
    await dialog.get_by_role("button", name="Close").click()


async def open_operation(page: Page, tag: str, method: str, path: str) -> Locator:
    """Open an operation; the page is ready to try it out at once. Its tag alone is open, or the page draws all
    operations at each change."""
    await page.evaluate(_ONLY, [tag])
    block = page.locator(f'.opblock-{method}:has(.opblock-summary-path[data-path="{path}"])')
    await block.locator(".opblock-summary").click()
    return block


async def execute(block: Locator, status: int) -> str:
    """Press *Execute*; the answer must have this status; give its body as shown."""
    await block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response")
    await expect(answer.locator(".response-col_status").first).to_contain_text(str(status))
    return await answer.locator(".microlight, pre").first.inner_text()


@pytest.mark.timeout(400)
async def test_it_lists_refuses_makes_and_sends_each_kind_of_example(tmp_path: Path) -> None:
    """One visit, for the page is three seconds of the processor before anything is pressed."""
    async with service(tmp_path) as gateway, opened(f"{gateway.url}/api/v1/docs/") as watched:
        page = watched.page
        await lists_operations(page)
        await page.evaluate(_ONLY, [])
        watched.expected_statuses.add(401)
        block = await open_operation(page, "engine", "get", "/api/v1/engine")
        assert '"status": 401' in await execute(block, 401)
        watched.expected_statuses.remove(401)
        await authorize(page)
        block = await open_operation(page, "clients", "post", "/api/v1/clients")
        await block.locator("textarea.body-param__text").fill(CLIENT)
        assert '"phone_number": "79161234567"' in await execute(block, 201)
        assert "POST /api/v1/clients" in watched.requests
        watched.expected_statuses |= {401, 404}
        await sends_each_kind(page)
        await sends_lines_as_they_are(page)
    assert {"GET /api/v1/docs/", "GET /api/v1/docs/swagger.json"} <= set(watched.requests)


async def lists_operations(page: Page) -> None:
    """Of each part of the API."""
    await expect(page.locator(".opblock").first).to_be_visible()
    for part in ("clients", "mailings", "messages", "engine", "audit", "session", "accounts", "tokens"):
        await expect(page.locator(f'.opblock-summary-path[data-path^="/api/v1/{part}"]').first).to_be_visible()


async def sends_each_kind(page: Page) -> None:
    """The page sends an example as the document has it, whatever is special about the operation. That each example is
    taken, twice and without harm, needs no page: tests/gateway/routes/test_every_route.py."""
    found = operations(await page.evaluate(_DOCUMENT))
    left = [each for each in found if "requestBody" in each[2] and each[2]["operationId"] != TYPED]
    seen: set[object] = set()
    while left := [each for each in left if traits(each[2]) - seen]:
        method, path, operation = max(left, key=lambda each: len(traits(each[2]) - seen))
        await press(page, method, path, operation)
        seen |= traits(operation)
    assert len(seen) == TRAITS, seen


async def sends_lines_as_they_are(page: Page) -> None:
    """An example of several objects, a line each, is no JSON, which the page would put in quotes."""
    await page.evaluate(_ONLY, [])  # an operation that is open would be closed
    await page.reload()
    await authorize(page)
    block = await open_operation(page, "clients", "post", "/api/v1/clients/import")
    await block.locator(".content-type").first.select_option("application/x-ndjson")
    await expect(block.locator("textarea.body-param__text")).to_have_value(
        '{"phone_number": "70001234569", "tag": "example"}\n'
    )
    assert '"rejected": 0' in await execute(block, 200)


def traits(operation: dict[str, Any]) -> set[object]:
    """What Swagger UI may treat in a way of its own: the types that are offered, how a schema is given, whether there
    is something to fill in, and whether the token goes with it."""
    content = operation["requestBody"]["content"]
    schemas = {("schema", *sorted(each.get("schema", ()))) for each in content.values()}
    return {tuple(content), *schemas, ("blanks", bool(blanks(operation))), ("token", bool(operation["security"]))}


def blanks(operation: dict[str, Any]) -> list[str]:
    """What of the path the page leaves to who reads it."""
    return [each["name"] for each in operation["parameters"] if each["in"] == "path" and "example" not in each]


async def press(page: Page, method: str, path: str, operation: dict[str, Any]) -> None:
    """Execute it as the page shows it, for the client that the page has made."""
    block = await open_operation(page, operation["tags"][0], method, path)
    for name in blanks(operation):
        await block.locator(f'tr[data-param-name="{name}"] input').fill("1")
    async with page.expect_response(lambda response: "/docs/" not in response.url) as coming:
        await block.get_by_role("button", name="Execute").click()
    response = await coming.value
    shown = block.locator(".live-responses-table .response .response-col_status").first
    await expect(shown).to_contain_text(str(response.status))
    await block.locator(".opblock-summary").click()
    name, sent = operation["operationId"], await response.request.all_headers()
    success, _ = NOT_TWICE.get(name, (min(map(int, operation["responses"])), None))
    assert response.status == success, (name, await response.text())
    assert ("authorization" in sent, "idempotency-key" in sent) == (bool(operation["security"]), False), name
    expected = next(examples(operation))
    assert sent["content-type"] == expected["headers"]["Content-Type"]
    assert bare(response.request.post_data or "") == bare(expected["data"].decode()), name


def bare(body: str) -> str:
    """Without the blanks by which Swagger UI makes JSON pleasant to read."""
    return "".join(body.split())
