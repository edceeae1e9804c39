"""Each operation of the document, twice, with its example as written, through HTTP to an engine that has people and an
open mailing for all of them: whoever presses *Execute* in Swagger UI without looking does no harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from gateway.shapes.fields import IGNORED
from tests.gateway.examples import (
    AS_PERSON,
    ENGINE_DEFAULTS,
    LAST,
    MAKING,
    NOT_TWICE,
    document_of,
    examples,
    furnish,
    noted,
    operations,
    texted,
    world,
)
from tests.gateway.rig import API, Answer, Gateway, serving

IDS: Final = {"client_id", "mailing_id", "account_id", "token_id", "message_id", "webhook_id"}


class Reader:
    """Somebody who tries out the whole document."""

    def __init__(self, gateway: Gateway, session: str) -> None:
        self.gateway, self.session = gateway, session
        self.made: dict[str, int | str] = {"provider": "fbrq"}

    async def execute(self, method: str, path: str, operation: dict[str, Any], body: dict[str, Any]) -> Answer:
        """Press the button: parameters are what the document fills in, ids that it leaves out are of what was made."""
        for each in operation["parameters"]:
            if each["in"] == "path":
                path = path.replace(f"{{{each['name']}}}", str(each.get("example") or self.made[each["name"]]))
        token = self.session if operation["operationId"] in AS_PERSON else None
        return await self.gateway.ask(method.upper(), path.removeprefix(API), token=token, **body)


async def test_every_example_is_executed_twice_as_written_and_does_no_harm(tmp_path: Path) -> None:
    async with serving(tmp_path, workers=ENGINE_DEFAULTS.workers) as gateway:
        await execute_all(gateway)


async def execute_all(gateway: Gateway) -> None:
    session = await furnish(gateway)
    before, document = await world(gateway), await document_of(gateway)
    reader, tried = Reader(gateway, session), operations(document)
    assert len(tried) >= 36
    assert {each["operationId"] for _, _, each in tried} >= {*MAKING, *LAST, *NOT_TWICE}
    for method, path, operation in tried:
        name, success = operation["operationId"], min(map(int, operation["responses"]))
        for body in examples(operation):
            answers = [await reader.execute(method, path, operation, body) for _ in range(2)]
            statuses = tuple(answer.status for answer in answers)
            assert statuses == NOT_TWICE.get(name, (success, success)), (name, [answer.raw for answer in answers])
            for answer in answers:
                assert_as_declared(operation["responses"][str(answer.status)], document, answer.headers)
            reader.made |= noted(name, answers[0].json) if statuses[0] == 201 else {}
    assert await world(gateway) == before
    assert {number for number in texted(gateway) if not number.startswith("7000")} == {"79160000000"}


async def test_nothing_is_filled_in_that_changes_or_hides_something(gateway: Gateway) -> None:
    """Ids of what is there, keys of repeats, filters."""
    for method, path, operation in operations(await document_of(gateway)):
        filled = {each["name"] for each in operation["parameters"] if "example" in each or "example" in each["schema"]}
        assert filled <= (IDS if method == "get" and "{" in path else set()), (method, path)


async def test_a_put_shows_all_that_it_replaces(gateway: Gateway) -> None:
    document, checked = await document_of(gateway), 0
    for method, path, operation in operations(document):
        if method == "put" and "{" in path:
            media = operation["requestBody"]["content"]["application/json"]
            name = media["schema"]["$ref"].rpartition("/")[2]
            properties = document["components"]["schemas"][name]["properties"]
            written = {key for key, shown in properties.items() if not is_ignored(shown)}
            assert set(media["example"]) == written - {"on_uncertain"}, path  # which can't be changed
            checked += 1
    assert checked == 2


def is_ignored(shown: dict[str, Any]) -> bool:
    return bool(shown.get("description") == IGNORED)


def assert_as_declared(response: dict[str, Any], document: dict[str, Any], headers: dict[str, str]) -> None:
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    if "content" not in response:
        assert "content-type" not in headers
    else:
        assert headers["content-type"].split(";")[0] in response["content"]
