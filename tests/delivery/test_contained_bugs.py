"""A bug in one message takes neither the worker nor the engine down, and costs that message a retry, no more."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from random import Random

import pytest
import structlog.testing

from engine.delivery.delivery import Delivery, DeliverySettings
from engine.domain.audience import AudienceFilter
from engine.domain.outcome import Answer
from engine.domain.validate import ClientInput, MailingInput
from engine.domain.window import LocalHours
from engine.ports import Record, Request
from engine.store.rows import Actor
from engine.store.store import Store
from tests.simulation.loop import VirtualClock, VirtualLoop
from tests.simulation.world import Faults, SimulatedProvider

POISON = 79160000003


class NoMeter:
    """Counts nothing."""

    def recorded(self, records: object) -> None:
        """Nobody looks."""


class HopelessProvider(SimulatedProvider):
    """Chokes on each message."""

    async def send(self, request: Request) -> Answer:
        raise ZeroDivisionError("a bug of ours")


class BuggyProvider(SimulatedProvider):
    """Chokes on one message, the first three times."""

    failures = 3

    async def send(self, request: Request) -> Answer:
        if request.phone_number == POISON and self.failures:
            self.failures -= 1
            raise ZeroDivisionError("a bug of ours")
        return await super().send(request)


async def deliver(
    loop: VirtualLoop,
    path: Path,
    *,
    zone: str = "UTC",
    hours: LocalHours | None = None,
    provider: type[SimulatedProvider] = BuggyProvider,
) -> Delivery:
    """Ten clients, one mailing, some minutes of virtual time; returns the stopped delivery."""
    clock = VirtualClock(loop)
    store = await Store.open(f"sqlite://{path}", inline=True)
    clients = [ClientInput(79160000000 + number, "916", "", "UTC") for number in range(10)]
    await store.import_clients(clients, by=Actor(), now_us=clock.now_us())
    if zone != "UTC":
        # Past every check of ours: what a restored backup or a hand in the database could leave.
        await store._db.transaction(lambda tx: tx.run("UPDATE client SET time_zone = ? WHERE id = 4", zone))
    now_us = clock.now_us()
    asked = MailingInput("hello", AudienceFilter(), now_us, now_us + 7_200_000_000, hours, None, "resend")
    await store.create_mailing(asked, by=Actor(), now_us=now_us)
    delivery = await Delivery.join(
        store,
        provider(clock, Random(1), Faults()),
        clock=clock,
        random=Random(2),
        settings=DeliverySettings(workers=2, retry_base_seconds=1, retry_max_seconds=60),
        name="test:1",
        meter=NoMeter(),
    )
    await delivery.start()
    await asyncio.sleep(300)
    assert all(actor.is_well(clock.now_us()) for actor in delivery.actors.supervisor.health())
    await delivery.stop(5)
    await store.close()
    return delivery


def rows(path: Path) -> list[tuple[int, int, str]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT status, attempt, detail FROM message ORDER BY client_id").fetchall()


def test_a_message_that_the_code_chokes_on_is_tried_again_and_the_others_are_sent(
    loop: VirtualLoop, tmp_path: Path
) -> None:
    path = tmp_path / "bugs.db"
    delivery = loop.run_until_complete(deliver(loop, path))
    assert delivery.state.lines[0].gate.breaker.failures == 0  # no fault of the provider's
    assert [row[:2] for row in rows(path)] == [(3, 4 if number == 3 else 1) for number in range(10)]
    assert sum(actor.restarts for actor in delivery.actors.supervisor.health()) == 0


def test_a_bug_that_meets_every_message_is_a_line_a_second(loop: VirtualLoop, tmp_path: Path) -> None:
    began = time.monotonic()
    with structlog.testing.capture_logs() as lines:
        loop.run_until_complete(deliver(loop, tmp_path / "hopeless.db", provider=HopelessProvider))
    bugs = [line for line in lines if line["event"] == "message.bug"]
    assert 1 <= len(bugs) <= 1 + (time.monotonic() - began)
    assert all(isinstance(line["exc_info"], ZeroDivisionError) for line in bugs)


def test_a_time_zone_that_this_machine_does_not_know_stops_only_its_own_message(
    loop: VirtualLoop, tmp_path: Path
) -> None:
    path = tmp_path / "zone.db"
    loop.run_until_complete(deliver(loop, path, zone="Mars/Olympus", hours=LocalHours(0, 1439)))
    found = rows(path)
    assert [row[0] for row in found] == [3, 3, 3, 0, 3, 3, 3, 3, 3, 3]
    assert "internal error: ZoneInfoNotFoundError" in found[3][2]


def test_a_row_the_store_chokes_on_holds_up_nobody(
    loop: VirtualLoop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "record.db"
    record = Store.record
    refusals: list[int] = []

    async def choking(self: Store, records: list[Record], *, owner: int, now_us: int) -> int:
        if any(item.client_id == 5 for item in records) and len(refusals) < 3:
            refusals.append(len(records))
            raise ValueError("a row that the code chokes on")
        return await record(self, records, owner=owner, now_us=now_us)

    monkeypatch.setattr(Store, "record", choking)
    loop.run_until_complete(deliver(loop, path))
    assert refusals
    assert [row[0] for row in rows(path)] == [3] * 10
