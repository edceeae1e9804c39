"""A provider that is taken out of the file while messages wait for it is not forgotten in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from common.setting_types import Listen
from engine.domain.message import Event
from engine.metrics import Metrics
from engine.metrics_server import start_metrics_server
from engine.missing_providers import MissingProviders
from engine.ports import StoreUnavailable
from engine.store import Store
from tests.store.world import NOW, a_mailing_with, claim, outcome


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite://{tmp_path / 'mailing.db'}", inline=True)
    yield store
    await store.close()


async def lose_track(store: Store) -> None:
    """Two messages may have reached ``fbrq``, and a third one certainly has not."""
    mailing_id, owner = await a_mailing_with(store, 3)
    first, second, third = await claim(store, mailing_id, owner)
    records = [outcome(each, Event.MISS, due_us=NOW) for each in (first, second)]
    await store.record([*records, outcome(third, Event.DEFER, due_us=NOW)], owner=owner, now_us=NOW)


async def test_whoever_is_in_the_file_is_not_missing(store: Store) -> None:
    await lose_track(store)
    missing = MissingProviders(store, ["fbrq", "other"])
    await missing.look()
    assert (missing.found, list(missing.notes())) == ({}, [])


async def test_who_is_missing_is_said_and_no_reason_not_to_be_ready(store: Store) -> None:
    await lose_track(store)
    missing = MissingProviders(store, ["other"])
    await missing.look()
    assert missing.found == {"fbrq": 2}
    server = await start_metrics_server(
        Metrics(), Listen("127.0.0.1", 0), lambda: {"provider": None}, notes=missing.notes
    )
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://{server.address}/readyz") as answer:
            assert answer.status == 200
            assert await answer.json() == {
                "ready": True,
                "components": {"provider": "ok"},
                "notes": ["provider fbrq is no longer in the file; 2 messages wait for its answer"],
            }
    finally:
        await server.close()


async def test_it_looks_again_after_a_store_that_was_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    await lose_track(store)
    look, looks = store.waiting_for_others, 0

    async def away_at_first(names: list[str]) -> dict[str, int]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise StoreUnavailable("away")
        if looks == 2:
            raise RuntimeError("a bug")
        return await look(names)

    monkeypatch.setattr(store, "waiting_for_others", away_at_first)
    missing = MissingProviders(store, ["other"], period_seconds=0)
    await missing.stop()
    missing.start()
    async with asyncio.timeout(10):
        while not missing.found:
            await asyncio.sleep(0)
    await missing.stop()
    assert looks >= 3
