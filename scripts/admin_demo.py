"""A service whose panel has something to show: two accounts more, mailings that are over, under way, held and to come.

Everything is sent for real to a sandbox, in this process. What is over was sent within seconds; its times are then
moved back over the last day, so that the plots look as after a day's work.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from scripts.make_clients import HEADER, rows
from tests.gateway.rig import Gateway, serving

PASSWORD: Final = "a password of the demo"
CLIENTS: Final = 4_000
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


@asynccontextmanager
async def demo(folder: Path) -> AsyncIterator[Gateway]:
    """The service, with its mailings under way; admin's password is ``PASSWORD``."""
    async with serving(folder, admin_password=PASSWORD, workers=32) as gateway:
        await _people(gateway)
        await _past(gateway)
    _move_back(folder / "mailing.db")
    async with serving(folder, admin_password=PASSWORD, workers=32) as gateway:
        gateway.engine.sandbox.set_faults(share_400=0.012, share_5xx=0.03, latency_seconds=[0.02, 0.16])
        token = await _token(gateway, "anna")
        for number in range(3):
            await _done(gateway, "PATCH", f"/clients/{number + 11}", {"tag": "vip"}, token)
        await _done(gateway, "PATCH", "/engine", {"workers": 48})
        await _open(gateway, token)
        await asyncio.sleep(SETTLE_SECONDS)
        yield gateway


async def _people(gateway: Gateway) -> None:
    for name, role in (("anna", "operator"), ("viktor", "viewer")):
        await _done(gateway, "POST", "/accounts", {"name": name, "role": role, "password": PASSWORD})
    for name, role in (("crm-sync", "operator"), ("reports", "viewer")):
        await _done(gateway, "POST", "/tokens", {"name": name, "role": role})
    body = "\n".join((HEADER, *rows(CLIENTS, seed=1))).encode()
    token = await _token(gateway, "anna")
    answer = await gateway.post("/clients/import", data=body, headers=_CSV, token=token)
    assert answer.json["created"] == CLIENTS, answer.raw


async def _token(gateway: Gateway, name: str) -> str:
    answer = await gateway.post("/session", {"name": name, "password": PASSWORD})
    token: str = answer.json["secret"]
    return token


async def _past(gateway: Gateway) -> None:
    """Three mailings, sent as fast as it goes; some texts are refused."""
    gateway.engine.sandbox.set_faults(share_400=0.013, share_5xx=0.05)
    token = await _token(gateway, "anna")
    for text, filter, _, _ in _PAST:
        mailing = await _register(gateway, token, text, filter=filter, end=1_500)
        await gateway.engine.finished(mailing, 60)


async def _open(gateway: Gateway, token: str) -> None:
    for text, how in _OPEN:
        fields: dict[str, Any] = {key: how[key] for key in ("filter", "rate_limit") if key in how}
        if how.get("hours"):
            fields["local_hours"] = {"from": "09:00", "to": "21:00"}
        mailing = await _register(gateway, token, text, start=how.get("start", 0), end=how["end"], **fields)
        for verb in ("pause", "cancel"):
            if how.get(verb):
                await _done(gateway, "POST", f"/mailings/{mailing}/{verb}", token=token)


async def _register(gateway: Gateway, token: str, text: str, *, end: float, start: float = 0, **fields: Any) -> int:
    now = datetime.now(UTC)
    times = {"start_time": now + timedelta(minutes=start), "end_time": now + timedelta(minutes=end)}
    body = {"text": text, **fields, **{key: value.isoformat() for key, value in times.items()}}
    number: int = (await _done(gateway, "POST", "/mailings", body, token=token))["id"]
    return number


async def _done(gateway: Gateway, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
    answer = await gateway.ask(method, path, token=token, **({} if body is None else {"json": body}))
    assert answer.status in (200, 201), answer.raw
    return answer.json


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
