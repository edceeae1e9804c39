"""The simulated PostgreSQL does what the real one does: the same verbs, interleaved in the same way statement by
statement, give the same waits, the same results and the same tables.

More: ``MODEL_SCENARIOS=1000 pytest tests/store/test_model.py``; ``MODEL_FIRST`` is the first scenario.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from random import Random
from typing import Any

import asyncpg
import pytest

from engine.store import Store
from engine.store.postgres import PostgresDatabase
from engine.store.postgres_lanes import Limits
from tests.simulation.loop import VirtualLoop
from tests.simulation.postgres.asyncpg import Network
from tests.simulation.postgres.server import Server
from tests.simulation.postgres.setup import migrated, open_database, pool_of
from tests.simulation.postgres.tables import Template
from tests.store.interleaving import Actor, GatedPool, Story, Verb, interleave
from tests.store.model_works import TABLES, World, draw_verbs, make_world, plain

pytestmark = pytest.mark.postgres

SCENARIOS = int(os.environ.get("MODEL_SCENARIOS", "12"))
PATIENT = Limits(turn_seconds=30, connect_seconds=20, reply_seconds=60, lock_seconds=50, idle_seconds=50)
"""Nobody gives up because the order of the statements takes a while to be kept."""
FIRST = int(os.environ.get("MODEL_FIRST", "0"))


class ModelRig:
    """The model, with a world in it."""

    def __init__(self, template: Template) -> None:
        self.loop = VirtualLoop()
        self.server = Server(self.loop, template)

    def store(self, actor: Actor | None = None) -> Store:
        """See ``Rig``."""
        database = open_database(
            self.server, Network(Random(1)), actor.name if actor else "", PostgresDatabase, PATIENT
        )
        if actor:
            database._client._pool = GatedPool(pool_of(database), actor)
        return Store(database)

    async def waits(self, actors: Sequence[Actor]) -> dict[str, list[str]]:
        """See ``Rig``."""
        return {
            actor.name: sorted({other.program for other in self.server.locks.blockers(transaction)})
            for actor in actors
            if (transaction := actor.connection._session.transaction) is not None and transaction.waiter is not None
        }

    def live(self, work: Any) -> Any:
        """Run something in virtual time."""
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        """Let go of it."""
        self.server.data.close()
        self.loop.close()

    def tables(self) -> list[list[str]]:
        """All that is committed."""
        return [_sorted(self.server.data.committed(sql)) for sql in TABLES]


class RealRig:
    """A real server, with a world in it."""

    def __init__(self, url: str, monitor: Any) -> None:
        self._url, self._monitor = url, monitor
        self._pool: Any = None
        self._actors: list[Actor] = []

    async def open(self) -> None:
        """Connect."""
        # A circle is seen by who waits for whom; the server must not break it before. And it should use indexes, as
        # with many rows: where it reads a few in a row and none fits, it never runs a WITH that would lock.
        options = "-c%20deadlock_timeout%3D500ms%20-c%20enable_seqscan%3Doff"
        self._database = await PostgresDatabase.open(f"{self._url}&options={options}", PATIENT)
        self._pool = self._database._client._pool

    def store(self, actor: Actor) -> Store:
        """See ``Rig``."""
        self._actors.append(actor)
        client = copy(self._database._client)
        client._pool = GatedPool(self._pool, actor)
        return Store(PostgresDatabase(client, PATIENT))

    async def waits(self, actors: Sequence[Actor]) -> dict[str, list[str]]:
        """See ``Rig``."""
        pids = {actor.pid: actor.name for actor in self._actors}
        waiting = await self._monitor.fetch(
            "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE pid = ANY($1) AND wait_event_type = 'Lock'",
            [actor.pid for actor in actors],
        )
        return {pids[pid]: sorted({pids.get(other, "?") for other in others}) for pid, others in waiting}

    async def tables(self) -> list[list[str]]:
        """All that is committed."""
        async with self._pool.acquire() as connection:
            return [_sorted(await connection.fetch(sql)) for sql in TABLES]

    async def close(self) -> None:
        """Let go of it."""
        self._pool.terminate()


def _sorted(rows: Iterable[Sequence[Any]]) -> list[str]:
    return sorted(str(tuple(int(each) if isinstance(each, bool) else each for each in row)) for row in rows)


class Twins:
    """Model and server, each with the same world to be copied."""

    def __init__(self, runner: asyncio.Runner, template: Template, url: str, elsewhere: str) -> None:
        self._run, self._url = runner.run, url
        self.world = self._run(_real_world(url))
        model = ModelRig(template)
        assert model.live(make_world(model.store())) == self.world
        self._template = template.with_content(model.server.data.content())
        self._admin = self._run(asyncpg.connect(elsewhere))
        self._number = 0

    def close(self) -> None:
        """Let go of them."""
        self._run(self._admin.close())

    def differences(self, seed: int) -> list[str]:
        """Live a scenario on both; what is not alike."""
        verbs = draw_verbs(self.world, seed, Random(seed).choice((2, 2, 3)))
        real, real_tables = self._run(self._on_real(verbs, seed))
        model, model_tables = self._on_model(verbs, seed)
        found = [f"{ours} / {theirs}" for ours, theirs in zip(model.seen, real.seen, strict=False) if ours != theirs]
        if len(model.seen) != len(real.seen):
            found.append(f"{len(model.seen)} steps / {len(real.seen)}")
        if found or (model.is_deadlocked and real.is_deadlocked):
            return found
        for name in verbs:
            ours, theirs = plain(model.outcomes[name]), plain(real.outcomes[name])
            if ours != theirs:
                found.append(f"{name} returns {ours} / {theirs}")
        for mine, its in zip(model_tables, real_tables, strict=True):
            found += [f"row {row} / none" for row in mine if row not in its]
            found += [f"no row / {row}" for row in its if row not in mine]
        return found

    def _on_model(self, verbs: dict[str, Verb], seed: int) -> tuple[Story, list[list[str]]]:
        rig = ModelRig(self._template)
        story = rig.live(interleave(rig, verbs, seed))
        assert rig.server.bugs == []
        assert story.is_deadlocked or rig.server.locks.is_quiet
        tables = rig.tables()
        rig.close()
        return story, tables

    async def _on_real(self, verbs: dict[str, Verb], seed: int) -> tuple[Story, list[list[str]]]:
        self._number += 1
        name = f"scenario_{self._number}"
        await self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {_database(self._url)} STRATEGY file_copy")
        rig = RealRig(self._url.replace(f"/{_database(self._url)}?", f"/{name}?"), self._admin)
        await rig.open()
        try:
            return await interleave(rig, verbs, seed), await rig.tables()
        finally:
            await rig.close()


async def _real_world(url: str) -> World:
    store = await Store.open(url)
    await store._db.transaction(lambda tx: tx.run(f"UPDATE control SET number_key = '{'5e' * 32}'"))
    world = await make_world(store)
    await store.close()
    return world


def _database(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture
def twins(postgres_url: Callable[[], str]) -> Iterator[Twins]:
    with asyncio.Runner() as runner:
        twins = Twins(runner, Template(runner.run(migrated())), postgres_url(), postgres_url())
        yield twins
        twins.close()


def test_the_model_does_what_the_server_does(twins: Twins) -> None:
    met: dict[int, list[str]] = {}
    for seed in range(FIRST, FIRST + SCENARIOS):
        if found := twins.differences(seed):
            met[seed] = found
    assert met == {}, f"{len(met)} of {SCENARIOS} scenarios, model / server"
