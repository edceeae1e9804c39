"""Bodies and queries are read within limits, and what the engine finds bad is named in the same answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from common.error_codes import Fault
from gateway.http.admission import open_to_all
from gateway.http.body import Check, read_body, read_query
from gateway.http.keys import SETTINGS
from gateway.http.problems import Problem, invalid
from gateway.settings import Settings
from gateway.shapes import Input
from tests.gateway.shapes.test_schemas import CLIENTS_QUERY, MAILING, MAILING_NEW


def test_queries() -> None:
    app = web.Application()
    app[SETTINGS] = Settings(http_page_size=70)

    def read(path: str) -> dict[str, Any]:
        return read_query(make_mocked_request("GET", path, app=app), CLIENTS_QUERY)

    assert read("/") == {"page_size": 50}
    assert read("/?tag=&page_size=5") == {"tag": "", "page_size": 5}
    assert read("/?page_size=71") == {"page_size": 70}
    assert read_query(make_mocked_request("GET", "/", app=app), Input) == {}
    with pytest.raises(Problem) as raised:
        read("/?tag=a&tag=b&page_size=0&a%2Fb=1")
    assert raised.value.status == 422
    assert dict(raised.value.errors) == {
        "/tag": "is given twice",
        "/page_size": "must be at least 1",
        "/a~1b": "is not a known field",
    }


class Engine:
    """Stands in for ``validate_only``."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.problem: Problem | None = None

    async def check(self, valid: dict[str, Any]) -> None:
        self.asked.append(valid)
        if self.problem is not None:
            raise self.problem


Post = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
async def post(engine: Engine) -> AsyncIterator[Post]:
    async def handler(request: web.Request) -> web.Response:
        check: Check = engine.check
        open_to_all(request)
        try:
            loaded = await read_body(request, MAILING_NEW, check)
        except Problem as problem:
            return problem.response(request.path)
        return web.Response(body=orjson.dumps(loaded), content_type="application/json")

    app = web.Application(client_max_size=10**9)
    app[SETTINGS] = Settings(http_body_bytes=2048, http_json_depth=4)
    app.router.add_post("/", handler)
    async with TestClient(TestServer(app)) as client:

        async def send(body: Any, content_type: str | None = "application/json", **headers: str) -> tuple[int, Any]:
            given = headers if content_type is None else {"Content-Type": content_type, **headers}
            data = body if isinstance(body, bytes) or hasattr(body, "__aiter__") else orjson.dumps(body)
            skip = ["Content-Type"] if content_type is None else []
            async with client.post("/", data=data, headers=given, skip_auto_headers=skip) as response:
                return response.status, orjson.loads(await response.read())

        yield send


async def test_a_good_body(post: Post, engine: Engine) -> None:
    assert await post(MAILING, "application/json; charset=UTF-8") == (200, MAILING)
    assert engine.asked == []


@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"", 400, "empty"),
        (b" \n", 400, "empty"),
        (b'{"text": ', 400, "no JSON"),
        (b'{"rate_limit": NaN}', 400, "no JSON"),
        (b'{"text": "\xff"}', 400, "no JSON"),
        (b'{"text": "\\ud800"}', 400, "no JSON"),
        (b"[[[[[]]]]]", 400, "deep"),
        (b"[" * 2000, 400, "no JSON"),
        (b"[[[]]]", 422, "bad fields: 1"),
        (b'"' + b"x" * 2048 + b'"', 413, "larger than 2048 bytes"),
    ],
)
async def test_bodies_that_can_not_be_read(post: Post, body: bytes, status: int, part: str) -> None:
    found, problem = await post(body)
    assert found == status
    assert part in problem["detail"]


@pytest.mark.parametrize(
    ("limit", "within", "beyond", "part"),
    [
        ("_COMMAS_MAX", b"[1" + b",1" * 100 + b"]", b"[1" + b",1" * 101 + b"]", "more than 100 commas"),
        ("_BRACKETS_MAX", b"[{}" + b",{}" * 98 + b"]", b"[{}" + b",[]" * 100 + b"]", "more than 100 brackets"),
    ],
)
async def test_more_values_than_any_request_has_are_not_even_parsed(
    post: Post, monkeypatch: pytest.MonkeyPatch, limit: str, within: bytes, beyond: bytes, part: str
) -> None:
    """The longest lists with a known caller's faults in them: 18 ms for one refusal, now 3."""
    monkeypatch.setattr("gateway.http.body._COMMAS_MAX", 1000)
    monkeypatch.setattr(f"gateway.http.body.{limit}", 100)
    assert (await post(within))[0] == 422
    status, problem = await post(beyond)
    assert status == 400
    assert part in problem["detail"]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("text/plain", 415),
        (None, 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/json; charset=nonsense", 415),
    ],
)
async def test_types_of_bodies(post: Post, content_type: str | None, status: int) -> None:
    assert (await post(MAILING, content_type))[0] == status


async def test_a_body_without_a_length_is_limited_as_well(post: Post) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 1000

    assert (await post(pieces()))[0] == 413


async def test_the_engine_names_its_bad_fields_in_the_same_answer(post: Post, engine: Engine) -> None:
    said = {"/rate_limit": "other words", "/filter/tags/0": "is odd", "/start_time": "is needed"}
    engine.problem = invalid([(pointer, Fault(words)) for pointer, words in said.items()])
    status, problem = await post({**MAILING, "rate_limit": "x", "start_time": "now"})
    assert status == 422
    assert engine.asked == [{key: value for key, value in MAILING.items() if key not in ("rate_limit", "start_time")}]
    assert {each["pointer"]: each["message"] for each in problem["errors"]} == {
        "/rate_limit": "must be a number",
        "/start_time": "must be a time as in RFC 3339, like 2026-01-31T09:00:00Z",
        "/filter/tags/0": "is odd",
    }
    assert problem["detail"] == "bad fields: 3"


@pytest.mark.parametrize(
    ("of_engine", "told"), [(401, 401), (403, 403), (404, 404), (409, 422), (500, 422), (503, 503)]
)
async def test_who_may_not_ask_is_told_that_first(post: Post, engine: Engine, of_engine: int, told: int) -> None:
    engine.problem = Problem(of_engine, Fault("no"))
    assert (await post({**MAILING, "text": 5}))[0] == told
