"""Nobody's body is read before the engine has said who calls: on every route there is, and what asking costs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, cast

import grpc
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from grpc import aio

from common.setting_types import Listen
from gateway.app import make_app
from gateway.channel import open_channel
from gateway.http.admission import Admission, Whom, declared_role, is_admitted
from gateway.http.connections import HttpServer, Limits
from gateway.http.engine_client import EngineClient
from gateway.http.problems import Problem
from mailing.v1.access_pb2 import ROLE_ADMIN, ROLE_OPERATOR, ROLE_PROVIDER, ROLE_VIEWER, Identity, Role
from tests.gateway.http.test_connections import connect
from tests.gateway.http_rig import SIGNED_IN, TOKEN, Access, engine, settings
from tests.patience import PATIENT_SECONDS

SIGN_INS = {"POST /api/v1/session", "POST /admin/token", "POST /admin/oidc/begin", "POST /admin/oidc/session"}
OPEN = SIGN_INS | {"DELETE /admin/logout", "POST /api/v1/receipts/1"}
"""Sign-ins (see ``test_a_sign_in_is_small_and_an_address_makes_few``), the way out, which looks at no body, and what a
provider hands in with a secret of its own: 64 KiB at most, and no call waits for the engine before they are there."""
BODY_METHODS = ("POST", "PUT", "PATCH", "DELETE")


@asynccontextmanager
async def whole(target: str = "127.0.0.1:1") -> AsyncIterator[tuple[str, web.Application]]:
    """All routes of a gateway before some engine."""
    given = settings(engine_target=target)
    channel = open_channel(given)
    app = make_app(given, channel)
    server = HttpServer(app, Limits(1000, 16_384, 60, 15, 30), 1.0)
    try:
        await server.start(Listen("127.0.0.1", 0), None)
        yield f"http://{server.address}", app
    finally:
        await server.stop()
        await channel.close()


def routes(app: web.Application) -> Iterator[tuple[str, str, web.AbstractRoute]]:
    """Each route that could be sent a body: method, path, and itself."""
    for route in app.router.routes():
        if route.method in BODY_METHODS and route.resource is not None:
            yield route.method, re.sub(r"\{\w+\}", "1", route.resource.canonical), route


async def head_only(url: str, method: str, path: str, *lines: str) -> tuple[int, bytes]:
    """Announce a large body, and wait for leave to send it: the answer's status and its header."""
    fixed = ("Host: x", "Expect: 100-continue", "Content-Type: application/json", "Content-Length: 900000")
    reader, writer = await connect(url)
    writer.write("\r\n".join([f"{method} {path} HTTP/1.1", *fixed, *lines, "", ""]).encode())
    header = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENT_SECONDS)
    if b" 100 " not in header:
        rest = await asyncio.wait_for(reader.read(), PATIENT_SECONDS)  # to the end: the connection is closed
        assert rest
    writer.close()
    return int(header.split()[1]), header.lower()


async def test_no_route_reads_a_body_of_somebody_without_a_token() -> None:
    """There is no engine here: nobody need be asked."""
    wrong, seen = [], 0
    async with whole() as (url, app):
        for method, path, _ in routes(app):
            if f"{method} {path}" not in OPEN:
                status, header = await head_only(url, method, path)
                seen += 1
                if status != 401 or b"connection: close" not in header:
                    wrong.append((method, path, status))
    assert wrong == []
    assert seen > 60


async def test_no_route_reads_a_body_of_somebody_unknown_or_of_too_low_a_role() -> None:
    wrong, asked = [], 0
    access = Access(role=ROLE_VIEWER)
    async with engine(access) as port, whole(f"127.0.0.1:{port}") as (url, app):
        for method, path, route in routes(app):
            if path.startswith("/admin") or f"{method} {path}" in OPEN:
                continue
            status, _ = await head_only(url, method, path, "Authorization: Bearer nobody")
            if status != 401:
                wrong.append((method, path, "nobody", status))
            if declared_role(route.handler) == "viewer":
                continue
            status, header = await head_only(url, method, path, f"Authorization: Bearer {TOKEN}")
            asked += 1
            if status != 403 or b"connection: close" not in header:
                wrong.append((method, path, "viewer", status))
        assert len(access.calls) < 10  # of so many, those in the same two seconds share their answers
    assert wrong == []
    assert asked > 15


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        (ROLE_PROVIDER, "/receipts", 400),
        (ROLE_PROVIDER, "/inbound", 400),
        (ROLE_PROVIDER, "/clients", 403),
        (ROLE_VIEWER, "/clients", 403),
        (ROLE_VIEWER, "/mailings/preview", 400),
        (ROLE_OPERATOR, "/clients", 400),
        (ROLE_OPERATOR, "/receipts", 403),
    ],
)
async def test_an_empty_body_asks_for_the_same_role_as_any_other(role: Role.ValueType, path: str, status: int) -> None:
    async with engine(Access(role=role)) as port, whole(f"127.0.0.1:{port}") as (url, _):
        head = f"POST /api/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        reader, writer = await connect(url)
        writer.write(f"{head}Authorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), PATIENT_SECONDS)
        writer.close()
    assert int(answer.split()[1]) == status


async def test_whoever_may_is_told_to_go_on() -> None:
    async with engine(Access(role=ROLE_OPERATOR)) as port, whole(f"127.0.0.1:{port}") as (url, _):
        status, _ = await head_only(url, "POST", "/api/v1/clients", f"Authorization: Bearer {TOKEN}")
        assert status == 100


async def test_an_engine_that_is_away_is_no_reason_to_read_a_body() -> None:
    async with whole() as (url, _):
        status, header = await head_only(url, "POST", "/api/v1/clients", f"Authorization: Bearer {TOKEN}")
    assert status == 503
    assert b"retry-after" in header


@pytest.mark.parametrize("path", sorted(each.removeprefix("POST ") for each in SIGN_INS))
async def test_a_sign_in_is_small_and_an_address_makes_few(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.app.SIGN_IN_RATE", 3)
    async with whole() as (url, _):
        status, header = await head_only(url, "POST", path)
        assert (status, b"connection: close" in header) == (413, True)
        got = [await sign_in(url, path) for _ in range(10)]
    assert got[0] in (401, 503, 504)  # not begun; or there is no engine that could know the password
    assert 429 in got


async def sign_in(url: str, path: str) -> int:
    body = b'{"%s": "a", "password": "b"}' % (b"username" if path.startswith("/admin") else b"name")
    reader, writer = await connect(url)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}X-Request-Timeout: 0.01\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    status = int((await asyncio.wait_for(reader.read(), PATIENT_SECONDS)).split()[1])
    writer.close()
    return status


class Asked:
    """An engine that knows one secret, answers when it is let, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.cancelled = 0
        self.answer = asyncio.Event()
        self.answer.set()

    async def identify(self, request: web.Request) -> Identity:
        self.calls += 1
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if request.headers["Authorization"] != "Bearer good":
            raise aio.AioRpcError(grpc.StatusCode.UNAUTHENTICATED, aio.Metadata(), aio.Metadata())
        return Identity(name="olga", role=ROLE_ADMIN)


def bearing(secret: str, **headers: str) -> web.Request:
    return make_mocked_request("POST", "/", headers={"Authorization": f"Bearer {secret}", **headers})


def admission(asked: Asked, clock: Any = lambda: 0.0) -> Admission:
    return Admission(cast("EngineClient", asked), clock)


async def status_of(admission: Admission, request: web.Request) -> int:
    try:
        await admission.admit(request, Whom("operator"))
    except Problem as problem:
        assert not is_admitted(request)
        return problem.status
    assert is_admitted(request)
    return 200


async def test_an_answer_holds_for_two_seconds_be_it_good_or_bad() -> None:
    asked, now = Asked(), [0.0]
    one = admission(asked, lambda: now[0])
    for seconds, calls in ((0.0, 2), (1.9, 2), (2.1, 4)):
        now[0] = seconds
        assert await status_of(one, bearing("good")) == 200
        assert await status_of(one, bearing("bad")) == 401
        assert asked.calls == calls


async def test_equal_questions_share_one_call_and_who_leaves_takes_nothing_from_the_others() -> None:
    asked = Asked()
    asked.answer.clear()
    one = admission(asked)
    waiting = [asyncio.create_task(status_of(one, bearing("good"))) for _ in range(20)]
    hasty = asyncio.create_task(status_of(one, bearing("good", **{"X-Request-Timeout": "0.001"})))
    assert await hasty == 504
    waiting[0].cancel()
    await asyncio.sleep(0)
    asked.answer.set()
    assert await asyncio.gather(*waiting[1:]) == [200] * 19
    assert (asked.calls, asked.cancelled) == (1, 0)


async def test_a_question_that_nobody_waits_for_any_more_ends() -> None:
    asked = Asked()
    asked.answer.clear()
    one = admission(asked)
    waiting = [asyncio.create_task(status_of(one, bearing("good"))) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0)
    assert (asked.calls, asked.cancelled) == (1, 1)
    asked.answer.set()
    assert await status_of(one, bearing("good")) == 200


async def test_strangers_are_bounded_and_drive_out_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.http.admission._STRANGERS_MAX", 20)
    asked = Asked()
    one = admission(asked)
    assert await status_of(one, bearing("good")) == 200
    for number in range(50):
        assert await status_of(one, bearing(f"bad{number}")) == 401
    assert asked.calls == 51
    assert (len(one._known), len(one._strangers)) == (1, 20)
    assert await status_of(one, bearing("good")) == 200
    assert asked.calls == 51


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer ", "Basic eA==", "Bearer a b", "Bearer " + "x" * 5000])
async def test_what_can_be_no_token_is_asked_about_nobody(value: str) -> None:
    asked = Asked()
    assert await status_of(admission(asked), make_mocked_request("POST", "/", headers={"Authorization": value})) == 401
    assert asked.calls == 0


def test_the_rig_knows_the_token_of_its_engine() -> None:
    assert SIGNED_IN["Authorization"] == f"Bearer {TOKEN}"
