"""Bodies are read within limits, and everything bad in them is named at once, by its pointer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request
from marshmallow import Schema, ValidationError

from common.error_codes import Fault
from gateway import schemas
from gateway.http.admission import open_to_all
from gateway.http.body import Check, pointers, read_body, read_query
from gateway.http.keys import SETTINGS
from gateway.http.problems import Problem, invalid
from gateway.settings import Settings

MAILING = {
    "text": "Hi",
    "filter": {"tags": ["new"], "phone_codes": ["916"]},
    "start_time": "2026-01-31T09:00:00+03:00",
    "end_time": "2026-02-01T09:00:00Z",
    "local_hours": {"from": "09:00", "to": "21:00"},
    "rate_limit": 2.5,
    "on_uncertain": "not_sent",
}


def bad(schema: type[Schema], data: Any) -> dict[str, str]:
    """The bad fields by pointer; {}: all is well."""
    try:
        schema().load(data)
    except ValidationError as error:
        return dict(pointers(error.messages))
    return {}


def test_what_is_good_passes_as_it_is() -> None:
    assert schemas.MailingCreateSchema().load(MAILING) == MAILING
    assert (
        schemas.MailingCreateSchema().load({**MAILING, "local_hours": None, "rate_limit": None})["rate_limit"] is None
    )
    assert schemas.MailingPatchSchema().load({}) == {}
    assert schemas.MailingPatchSchema().load({"local_hours": {"to": "20:00"}}) == {"local_hours": {"to": "20:00"}}


def test_all_that_is_bad_is_named() -> None:
    data = {
        "text": "",
        "filter": {"tags": ["ok", "x" * 65, 5], "phone_codes": "916", "a/b~": 1},
        "start_time": "2026-01-31T09:00:00",
        "local_hours": {"from": "9:00"},
        "rate_limit": "5",
        "on_uncertain": "maybe",
        "colour": "red",
        "id": 5,
    }
    assert bad(schemas.MailingCreateSchema, data) == {
        "/text": "must have 1 to 4096 characters, not 0",
        "/filter/tags/1": "must have at most 64 characters, not 65",
        "/filter/tags/2": "must be text",
        "/filter/phone_codes": "must be an array",
        "/filter/a~1b~0": "is not a known field",
        "/start_time": "must say its offset from UTC, like 2026-01-31T09:00:00+03:00 or 2026-01-31T06:00:00Z",
        "/end_time": "is required",
        "/local_hours/from": "must be a time of day like 09:00, from 00:00 to 23:59",
        "/local_hours/to": "is required",
        "/rate_limit": "must be a number",
        "/on_uncertain": "must be one of resend, not_sent",
        "/colour": "is not a known field",
        "/id": "is not a known field",
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (5, None), (5.0, None), (1, None), (10_000, None),
        (5.7, "whole"), ("5", "whole"), (True, "whole"), ([], "whole"), (float("inf"), "whole"),
        (0, "1 to 10000"), (10_001, "1 to 10000"), (1e300, "1 to 10000"), (None, "null"),
    ],
)  # fmt: skip
def test_whole_numbers(value: object, message: str | None) -> None:
    found = bad(schemas.EnginePatchSchema, {"workers": value})
    assert found == {} if message is None else message in found["/workers"]


@pytest.mark.parametrize(
    ("schema", "value", "good"),
    [
        (schemas.EnginePatchSchema, 0, True),
        (schemas.EnginePatchSchema, None, True),
        (schemas.EnginePatchSchema, -0.1, False),
        (schemas.EnginePatchSchema, True, False),
        (schemas.MailingPatchSchema, 0, False),
        (schemas.MailingPatchSchema, 1e-9, True),
        (schemas.MailingPatchSchema, 100_000, True),
        (schemas.MailingPatchSchema, 100_000.1, False),
        (schemas.MailingPatchSchema, None, True),
    ],
)
def test_rates(schema: type[Schema], value: object, good: bool) -> None:
    assert ("/rate_limit" not in bad(schema, {"rate_limit": value})) is good


@pytest.mark.parametrize(("hour", "good"), [("00:00", True), ("23:59", True), ("24:00", False), ("09:00\n", False)])
def test_hours(hour: str, good: bool) -> None:
    assert (bad(schemas.MailingPatchSchema, {"local_hours": {"from": hour}}) == {}) is good


def test_what_was_read_may_be_put_back_but_not_posted() -> None:
    read = {"id": 5, "phone_number": "79161234567", "create_time": "2026-01-31T09:00:00.000000Z"}
    assert bad(schemas.ClientReplaceSchema, read) == {}
    assert set(bad(schemas.ClientCreateSchema, read)) == {"/id", "/create_time"}
    assert set(bad(schemas.ClientPatchSchema, read)) == {"/id", "/create_time"}
    counts = {"pending": 1, "sent": 0, "not_sent": 0, "total": 1}
    whole = {**MAILING, "id": 1, "state": "active", "audience_state": "ready", "segments": 1, "message_counts": counts}
    assert bad(schemas.MailingReplaceSchema, whole) == {}


@pytest.mark.parametrize("data", [[], "text", 5, None])
def test_a_body_is_an_object(data: object) -> None:
    assert bad(schemas.ClientCreateSchema, data) == {"": "must be an object"}


@pytest.mark.parametrize(
    ("text", "loaded"),
    [("1", 1), ("1000", 1000), ("1001", 1000), ("9" * 4_000, 1000), ("0" * 30 + "7", 7),
     ("0", None), ("-1", None), ("+1", None), ("1.0", None), ("", None), ("x", None), ("٣", None)],
)  # fmt: skip
def test_page_sizes(text: str, loaded: int | None) -> None:
    if loaded is None:
        assert set(bad(schemas.ClientListQuerySchema, {"page_size": text})) == {"/page_size"}
    else:
        assert schemas.ClientListQuerySchema().load({"page_size": text}) == {"page_size": loaded}


def test_ids_in_queries() -> None:
    load = schemas.MessageListQuerySchema().load
    assert load({"mailing_id": str(2**63 - 1), "tag": "x"} | {}, unknown="exclude") == {"mailing_id": 2**63 - 1}
    for text in ("0", str(2**63), "9" * 40, "1e3"):
        assert set(bad(schemas.MessageListQuerySchema, {"client_id": text})) == {"/client_id"}
    assert set(bad(schemas.MessageListQuerySchema, {"status": "lost", "colour": "red"})) == {"/status", "/colour"}


def test_queries() -> None:
    app = web.Application()
    app[SETTINGS] = Settings(http_page_size=70)

    def read(path: str) -> dict[str, Any]:
        return read_query(make_mocked_request("GET", path, app=app), schemas.ClientListQuerySchema)

    assert read("/") == {"page_size": 50}
    assert read("/?tag=&page_size=5") == {"tag": "", "page_size": 5}
    assert read("/?page_size=71") == {"page_size": 70}
    assert read_query(make_mocked_request("GET", "/", app=app), schemas.ClientFilterSchema) == {}
    with pytest.raises(Problem) as raised:
        read("/?tag=a&tag=b&page_size=0&a%2Fb=1")
    assert raised.value.status == 422
    assert dict(raised.value.errors) == {
        "/tag": "is given twice",
        "/page_size": "must be at least 1",
        "/a~1b": "is not a known field",
    }


# -- reading bodies ------------------------------------------------------------------------------


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
            loaded = await read_body(request, schemas.MailingCreateSchema, check)
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


def test_what_no_database_can_hold() -> None:
    said = "must not contain the character U+0000"
    assert bad(schemas.MailingCreateSchema, {**MAILING, "text": "a\0", "filter": {"tags": ["", "\0"]}}) == {
        "/text": said,
        "/filter/tags/1": said,
    }
    assert bad(schemas.ClientPatchSchema, {"tag": "\0"}) == {"/tag": said}


@pytest.mark.parametrize(
    ("name", "good"), [("a", True), ("отчёты 1", True), ("a ", False), ("a\n", False), ("", False)]
)
def test_names_of_tokens(name: str, good: bool) -> None:
    found = bad(schemas.TokenCreateSchema, {"name": name, "role": "viewer"})
    assert found == ({} if good else {"/name": "must be 1 to 64 printable characters, with no blank at either end"})


@pytest.mark.parametrize(("name", "good"), [("a.b_c@d-E1", True), ("m m", False), ("мария", False), ("a\n", False)])
def test_names_of_accounts(name: str, good: bool) -> None:
    found = bad(schemas.AccountCreateSchema, {"name": name, "role": "viewer", "password": "x" * 8})
    assert found == ({} if good else {"/name": 'must be 1 to 64 Latin letters, digits or ". _ @ -"'})
