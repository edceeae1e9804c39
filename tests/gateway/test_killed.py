"""The engine is killed (kill -9) at work and started again: what the gateway says meanwhile, and that it goes on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import ClientSession

from gateway.service import Service
from gateway.settings import load
from scripts.token_channel import API_TOKEN
from tests.crash.processes import Engine
from tests.patience import PATIENT_SECONDS
from tests.ports import held_port
from tests.rules.rig import until

CALL_SECONDS: Final = 15.0
"""The deadline of a call."""
SLACK_SECONDS: Final = 15.0
"""A busy machine may answer so much later than the deadline."""
CALLERS: Final = 16


@dataclass
class Killable:
    """A gateway in this process, and its engine in one that can be killed."""

    engine: Engine
    http: ClientSession
    url: str

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        async with self.http.request(method, f"{self.url}/api/v1{path}", **options) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, headers, await answer.read()

    async def restart(self) -> None:
        """Start the engine again on its port, and wait until the gateway has found it."""
        await self.engine.start()
        async with asyncio.timeout(PATIENT_SECONDS):
            while (await self.ask("GET", "/session"))[0] != 200:
                await asyncio.sleep(0.02)


@asynccontextmanager
async def killable(folder: Path) -> AsyncIterator[Killable]:
    engine = Engine(folder, "http://127.0.0.1:9/v1", workers=4)
    with held_port() as port:
        engine.grpc_listen = f"127.0.0.1:{port}"
        try:
            await engine.start()
            flags = {"http_listen": "127.0.0.1:0", "engine_target": engine.target, "call_seconds": str(CALL_SECONDS)}
            service = Service(load({**flags, "admin_secret": "a secret of the tests"}, {}, None))
            try:
                await service.start()
                async with ClientSession(headers={"Authorization": f"Bearer {API_TOKEN}"}) as http:
                    yield Killable(engine, http, f"http://{service.address}")
            finally:
                await service.stop()
        finally:
            await engine.stop()


@dataclass
class Load:
    """Callers that ask and ask, and what they were answered."""

    gateway: Killable
    answers: list[tuple[int, dict[str, str], bytes, float]] = field(default_factory=list)

    async def run(self) -> None:
        """One caller; until cancelled."""
        while True:
            began = time.monotonic()
            status, headers, body = await self.gateway.ask("GET", "/clients/1")
            self.answers.append((status, headers, body, time.monotonic() - began))
            await asyncio.sleep(0.01)

    async def more(self, status: int, count: int) -> None:
        """Wait until so many further ones had this status."""
        begin = len(self.answers)
        async with asyncio.timeout(PATIENT_SECONDS):
            while sum(answer[0] == status for answer in self.answers[begin:]) < count:
                await asyncio.sleep(0.01)


async def endless_rows(sent: asyncio.Event, over: asyncio.Event) -> AsyncIterator[bytes]:
    """A file that comes slowly and has no end, until it is over."""
    yield b"phone_number\n"
    number = 0
    while not over.is_set():
        yield b"".join(b"7917%07d\n" % each for each in range(number, number + 500))
        number += 500
        if number >= 5000:
            sent.set()
        await asyncio.sleep(0.01)


async def has_stored(gateway: Killable, count: int) -> bool:
    """Whether there are so many clients."""
    return int(orjson.loads((await gateway.ask("GET", "/clients"))[2])["total_size"]) >= count


async def register(gateway: Killable) -> int:
    """A mailing that begins much later."""
    now = datetime.now(UTC)
    times = {"start_time": now + timedelta(hours=1), "end_time": now + timedelta(hours=2)}
    body = {"text": "hello"} | {name: each.isoformat() for name, each in times.items()}
    status, _, made = await gateway.ask("POST", "/mailings", json=body)
    assert status == 201
    number: int = orjson.loads(made)["id"]
    return number


async def test_an_engine_killed_under_load_is_503_and_then_goes_on(tmp_path: Path) -> None:
    async with killable(tmp_path) as gateway:
        await gateway.ask("POST", "/clients", json={"phone_number": "79160000001"})
        path = f"/api/v1/mailings/{await register(gateway)}/events"
        load = Load(gateway)
        sent, over = asyncio.Event(), asyncio.Event()
        importing = asyncio.create_task(
            gateway.ask("POST", "/clients/import", data=endless_rows(sent, over), headers={"Content-Type": "text/csv"})
        )
        async with gateway.http.get(gateway.url + path) as events:
            assert events.status == 200
            assert b"retry" in await events.content.readuntil(b"\n")
            callers = [asyncio.create_task(load.run()) for _ in range(CALLERS)]
            await asyncio.wait_for(sent.wait(), PATIENT_SECONDS)
            await load.more(200, CALLERS)
            await until(lambda: has_stored(gateway, 1001))  # whole pages of the import

            await gateway.engine.kill()
            await load.more(503, 10 * CALLERS)
            # Streams end: the one of events without "end", so that a browser comes back; the import with a problem.
            rest = await asyncio.wait_for(events.content.read(), PATIENT_SECONDS)
        assert b"event: end" not in rest
        status, headers, body = await asyncio.wait_for(importing, PATIENT_SECONDS)
        over.set()
        assert (status, headers["content-type"].split(";")[0]) == (503, "application/problem+json")
        assert int(headers["retry-after"]) >= 1
        assert orjson.loads(body)["status"] == 503

        await gateway.restart()
        await load.more(200, 10 * CALLERS)
        for caller in callers:
            assert not caller.done()  # none was refused a connection or cut off
            caller.cancel()
        await asyncio.wait(callers)
        assert {status for status, *_ in load.answers} == {200, 503}
        for status, headers, body, seconds in load.answers:
            assert seconds < CALL_SECONDS + SLACK_SECONDS
            if status == 503:
                assert int(headers["retry-after"]) >= 1
                assert orjson.loads(body)["status"] == 503
        assert await has_stored(gateway, 1001)


async def test_a_repeat_after_a_kill_gets_the_first_answer_and_makes_nothing_twice(tmp_path: Path) -> None:
    """Of many creations at once some are answered, some are stored and their answers lost, some never came."""
    count = 40
    async with killable(tmp_path) as gateway:

        async def create(number: int) -> tuple[int, bytes]:
            body = {"phone_number": str(79160000000 + number)}
            status, _, made = await gateway.ask(
                "POST", "/clients", json=body, headers={"Idempotency-Key": f"key-{number}"}
            )
            return status, made

        first = [asyncio.create_task(create(number)) for number in range(count)]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        await gateway.engine.kill()
        before = await asyncio.gather(*first)
        assert {status for status, _ in before} <= {201, 503}
        answered = [number for number, (status, _) in enumerate(before) if status == 201]
        assert answered

        await gateway.restart()
        after = await asyncio.gather(*(create(number) for number in range(count)))
        assert {status for status, _ in after} == {201}
        assert [after[number] for number in answered] == [before[number] for number in answered]
        listed = orjson.loads((await gateway.ask("GET", "/clients?page_size=1000"))[2])
        assert listed["total_size"] == count
        assert sorted(each["id"] for each in listed["clients"]) == sorted(orjson.loads(made)["id"] for _, made in after)
