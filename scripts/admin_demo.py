"""A service whose panel has something to show: two accounts more, mailings that are over, under way, held and to come.

Everything is sent for real to a sandbox, in this process. What is over was sent within seconds; its times are then
moved back over the last day, so that the plots look as after a day's work.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession

from engine import service as engine_service
from engine import settings as engine_settings
from gateway import service as gateway_service
from gateway import settings as gateway_settings
from scripts.make_clients import HEADER, rows
from scripts.sandbox import Sandbox
from scripts.token_channel import API_TOKEN

PASSWORD: Final = "a password of the demo"
CLIENTS: Final = 4_000
_FREE: Final = "127.0.0.1:0"
_FINISHED_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.05
_CSV: Final = {"Content-Type": "text/csv"}
_STEP_SECONDS: Final = 10
"""Of the timeline, as it is stored."""
_PAST: Final[tuple[tuple[str, dict[str, Any], float, int], ...]] = (
    ("Напоминаем: завтра в 10:00 открытие магазина на Тверской. Ждём вас!", {"tags": ["new", "regular"]}, 21.5, 95),
    ("Your order points expire on Sunday. Spend them at the till.", {"tags": ["vip"]}, 6.2, 20),
    ("Скидка 20 % на всё до пятницы. Покажите это сообщение на кассе.", {}, 0.8, 34),
)
"""Text, filter, how many hours ago it began, and how many minutes it took."""
_OPEN: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("Тест, не отправлять", {"start": 60, "end": 90, "filter": {"phone_codes": ["999"]}, "cancel": True}),
    ("Доброе утро! Сегодня последний день распродажи.", {"start": 1_140, "end": 1_800, "hours": True}),
    ("Приглашаем на закрытый показ новой коллекции.", {"filter": {"tags": ["vip"]}, "end": 300, "pause": True}),
    ("Вам подарок: бесплатная доставка до конца часа.", {"rate_limit": 1.5, "end": 7, "filter": {"tags": ["new"]}}),
    ("Здравствуйте! Завтра с 10:00 до 18:00 скидка 20 % на всё. Ждём вас!", {"rate_limit": 30, "end": 120}),
)
"""Text, and how: ``start`` and ``end`` in minutes from now."""
OVER: Final = len(_PAST)
"""The id of one that is over."""
UNDER_WAY: Final = len(_PAST) + len(_OPEN)
"""The id of the last of them, for everyone, which takes two minutes."""
SETTLE_SECONDS: Final = 40.0
"""After so long it is well under way."""


@dataclass(frozen=True)
class Demo:
    """Engine, sandbox and gateway in this process."""

    url: str
    """The gateway's address."""
    sandbox: Sandbox
    http: ClientSession

    async def done(self, method: str, path: str, body: Any = None, *, token: str = API_TOKEN, **options: Any) -> Any:
        """Ask for a path below ``/api/v1``, which must go well; the answer's JSON. ``token``: whose call it is."""
        headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
        json = {} if body is None else {"json": body}
        async with self.http.request(method, f"{self.url}/api/v1{path}", headers=headers, **json, **options) as answer:
            if answer.status not in (200, 201):
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[Demo]:
    """The service, with its mailings under way; admin's password is ``PASSWORD``."""
    async with _serving(folder) as service:
        await _people(service)
        await _past(service)
    _move_back(folder / "mailing.db")
    async with _serving(folder) as service:
        service.sandbox.set_faults(share_400=0.012, share_5xx=0.03, latency_seconds=[0.02, 0.16])
        token = await _token(service, "anna")
        for number in range(3):
            await service.done("PATCH", f"/clients/{number + 11}", {"tag": "vip"}, token=token)
        await service.done("PATCH", "/engine", {"workers": 48})
        await _open(service, token)
        await asyncio.sleep(SETTLE_SECONDS)
        yield service


@asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[Demo]:
    """All of it on free ports; retries wait for less than a second."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(await Sandbox.start())
        flags: dict[str, Any] = {"database_url": f"sqlite://{folder / 'mailing.db'}", "grpc_listen": _FREE}
        flags |= {"metrics_listen": _FREE, "provider_url": sandbox.url, "fbrq_token": sandbox.token, "workers": 32}
        flags |= {"admin_password": PASSWORD, "api_token": API_TOKEN}
        flags |= {"retry_base_seconds": 0.05, "retry_max_seconds": 0.4}
        engine = engine_service.Service(engine_settings.load(flags, {}, None))
        stack.push_async_callback(engine.stop)
        await engine.start()
        flags = {"http_listen": _FREE, "engine_target": f"127.0.0.1:{engine.grpc_port}", "admin_secret": PASSWORD}
        gateway = gateway_service.Service(gateway_settings.load(flags, {}, None))
        stack.push_async_callback(gateway.stop)
        await gateway.start()
        http = await stack.enter_async_context(ClientSession())
        yield Demo(f"http://{gateway.address}", sandbox, http)


async def _people(service: Demo) -> None:
    for name, role in (("anna", "operator"), ("viktor", "viewer")):
        await service.done("POST", "/accounts", {"name": name, "role": role, "password": PASSWORD})
    for name, role in (("crm-sync", "operator"), ("reports", "viewer")):
        await service.done("POST", "/tokens", {"name": name, "role": role})
    data = "\n".join((HEADER, *rows(CLIENTS, seed=1))).encode()
    await service.done("POST", "/clients/import", data=data, headers=_CSV, token=await _token(service, "anna"))


async def _token(service: Demo, name: str) -> str:
    session = await service.done("POST", "/session", {"name": name, "password": PASSWORD})
    token: str = session["secret"]
    return token


async def _past(service: Demo) -> None:
    """Three mailings, sent as fast as it goes; some texts are refused."""
    service.sandbox.set_faults(share_400=0.013, share_5xx=0.05)
    token = await _token(service, "anna")
    for text, filter, _, _ in _PAST:
        mailing = await _register(service, token, text, filter=filter, end=1_500)
        await _finished(service, mailing)


async def _finished(service: Demo, mailing_id: int) -> None:
    """Wait until nothing of the mailing is pending and its audience is complete."""
    async with asyncio.timeout(_FINISHED_SECONDS):
        while True:
            mailing = await service.done("GET", f"/mailings/{mailing_id}")
            if mailing["audience_state"] == "ready" and mailing["message_counts"]["pending"] == 0:
                return
            await asyncio.sleep(_PAUSE_SECONDS)


async def _open(service: Demo, token: str) -> None:
    for text, how in _OPEN:
        fields: dict[str, Any] = {key: how[key] for key in ("filter", "rate_limit") if key in how}
        if how.get("hours"):
            fields["local_hours"] = {"from": "09:00", "to": "21:00"}
        mailing = await _register(service, token, text, start=how.get("start", 0), end=how["end"], **fields)
        for verb in ("pause", "cancel"):
            if how.get(verb):
                await service.done("POST", f"/mailings/{mailing}/{verb}", token=token)


async def _register(service: Demo, token: str, text: str, *, end: float, start: float = 0, **fields: Any) -> int:
    now = datetime.now(UTC)
    times = {"start_time": now + timedelta(minutes=start), "end_time": now + timedelta(minutes=end)}
    body = {"text": text, **fields, **{key: value.isoformat() for key, value in times.items()}}
    number: int = (await service.done("POST", "/mailings", body, token=token))["id"]
    return number


def _move_back(path: Path) -> None:
    """Let each mailing that is over have begun hours ago, and spread its timeline over the minutes that it took."""
    with sqlite3.connect(path) as database:
        for mailing, (_, _, hours, minutes) in enumerate(_PAST, start=1):
            back_us = int(hours * 3.6e9)
            end_us = int((datetime.now(UTC) - timedelta(hours=hours, minutes=-minutes)).timestamp() * 1e6)
            database.execute(
                "UPDATE mailing SET start_us = start_us - ?1, create_us = create_us - ?1, update_us = update_us - ?1,"
                " end_us = ?2 WHERE id = ?3",
                (back_us, end_us, mailing),
            )
            database.execute(
                "UPDATE message SET create_us = create_us - ?1, started_us = started_us - ?1,"
                " finished_us = finished_us - ?1 WHERE mailing_id = ?2",
                (back_us, mailing),
            )
            database.execute(
                "UPDATE attempt SET started_us = started_us - ?1, finished_us = finished_us - ?1"
                " WHERE message_id IN (SELECT id FROM message WHERE mailing_id = ?2)",
                (back_us, mailing),
            )
            _spread(database, mailing, hours, minutes)
        database.execute("UPDATE audit_event SET time_us = time_us - 79200000000 WHERE object_type <> 'mailing'")
    database.close()


def _spread(database: sqlite3.Connection, mailing: int, hours: float, minutes: int) -> None:
    totals = database.execute(
        "SELECT kind, sum(count) FROM mailing_stat WHERE mailing_id = ? AND kind LIKE 'timeline%' GROUP BY kind",
        (mailing,),
    ).fetchall()
    database.execute("DELETE FROM mailing_stat WHERE mailing_id = ? AND kind LIKE 'timeline%'", (mailing,))
    first = int((datetime.now(UTC) - timedelta(hours=hours)).timestamp()) // _STEP_SECONDS
    steps = minutes * 60 // _STEP_SECONDS
    # Quick at first and then less so, as retries and slow hours make it.
    weights = [1 + math.sin(7 * step / steps) ** 2 + 2 * (1 - step / steps) for step in range(steps)]
    for kind, total in totals:
        passed, given = 0.0, 0
        for step, weight in enumerate(weights):
            passed += weight
            until = round(total * passed / sum(weights))
            if until > given:
                row = (mailing, kind, first + step, until - given)
                database.execute("INSERT INTO mailing_stat (mailing_id, kind, key, count) VALUES (?, ?, ?, ?)", row)
            given = until
