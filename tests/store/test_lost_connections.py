"""A connection to PostgreSQL that has ended: what certainly has not taken effect is run once more on another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from engine.store import StoreUnavailable
from engine.store.database import Database, Lane, Tx
from engine.store.postgres import PostgresDatabase
from tests.patience import PATIENT_SECONDS
from tests.store.conftest import PATIENT, Databases, patient
from tests.store.proxy import Proxy, proxy_before

pytestmark = pytest.mark.postgres

_IDLE = "SELECT set_config('idle_in_transaction_session_timeout', ?, true)"
BUMP = "UPDATE control SET revision = revision + 1"
_SLOW_COMMIT = (
    "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(30); RETURN NULL; END'",
    "CREATE CONSTRAINT TRIGGER linger AFTER UPDATE ON control DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION linger()",
)


@dataclass
class Rig:
    """A store behind a proxy, and another way to the same database."""

    db: PostgresDatabase
    proxy: Proxy
    beside: Database
    server: Databases

    async def revision(self) -> int:
        return int(await self.beside.read(lambda tx: tx.value("SELECT revision FROM control")))

    async def end_session(self, process_id: int) -> None:
        await self.beside.read(lambda tx: tx.rows("SELECT pg_terminate_backend(?)", process_id))
        await self.until_gone(process_id)

    async def until_gone(self, process_id: int) -> None:
        async def is_there(tx: Tx) -> bool:
            return bool(await tx.value("SELECT count(*) FROM pg_stat_activity WHERE pid = ?", process_id))

        async with asyncio.timeout(PATIENT_SECONDS):
            while await self.beside.read(is_there):
                await asyncio.sleep(0.02)

    async def until_it_commits(self, process_id: int) -> None:
        async def commits(tx: Tx) -> bool:
            asked = "SELECT query = 'COMMIT' AND state = 'active' FROM pg_stat_activity WHERE pid = ?"
            return bool(await tx.value(asked, process_id))

        async with asyncio.timeout(PATIENT_SECONDS):
            while not await self.beside.read(commits):
                await asyncio.sleep(0.02)


@pytest.fixture
async def rig(postgres_url: Databases) -> AsyncIterator[Rig]:
    url = postgres_url()
    async with proxy_before(url) as proxy:
        db = await PostgresDatabase.open(proxy.url, PATIENT)
        beside = (await patient(url))._db
        yield Rig(db, proxy, beside, postgres_url)
        await beside.close()
        await db.close()


async def _terminated(rig: Rig, process_id: int) -> None:
    """As by a PostgreSQL that restarts, or an administrator."""
    await rig.end_session(process_id)


async def _idle(rig: Rig, process_id: int) -> None:
    """The server's time-out, of which we have heard when we go on."""
    await rig.until_gone(process_id)
    await asyncio.sleep(0.05)


async def _stood_still(rig: Rig, process_id: int) -> None:
    """The server's time-out, of which we hear only as we go on: nothing of this process has run meanwhile."""
    rig.server.wait_until_gone(process_id)


async def _cut(rig: Rig, process_id: int) -> None:
    """As by a proxy that restarts, or a firewall that answers with a reset."""
    rig.proxy.cut()
    await rig.until_gone(process_id)


async def _none(_rig: Rig, _process_id: int) -> None:
    """Nothing."""


Harm = Callable[[Rig, int], Awaitable[None]]
REPEATED = [
    *((Lane.API, harm) for harm in (_terminated, _idle, _stood_still, _cut)),
    *((Lane.UPKEEP, harm) for harm in (_terminated, _cut)),  # its idle time-out is a minute
]


class Work:
    """A transaction of two statements; its first ``times`` runs are harmed after the first or the second."""

    def __init__(self, rig: Rig, harm: Harm, sql: str, after: int = 1, times: int = 1) -> None:
        self._rig, self._harm, self._sql, self._after, self._times = rig, harm, sql, after, times
        self.process_ids: list[int] = []
        """The server's process of each run."""

    async def __call__(self, tx: Tx) -> None:
        process_id = int(await tx.value("SELECT pg_backend_pid()"))
        self.process_ids.append(process_id)
        # Only the session that is to end by it: the run after it may be slow, on a busy machine.
        is_idle = self._harm in (_idle, _stood_still) and len(self.process_ids) <= self._times
        await tx.rows(_IDLE, "300ms" if is_idle else "1min")
        await self._harmed_after(1, process_id)
        await tx.rows(self._sql)
        await self._harmed_after(2, process_id)

    async def _harmed_after(self, statements: int, process_id: int) -> None:
        if statements == self._after and len(self.process_ids) <= self._times:
            await self._harm(self._rig, process_id)


async def _slow_commits(tx: Tx) -> None:
    for statement in _SLOW_COMMIT:
        await tx.run(statement)


async def _warm(rig: Rig, sql: str) -> None:
    """Let a connection meet the statements, so that no run is undone because they are not prepared."""
    await rig.db.transaction(Work(rig, _none, sql))


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize(("lane", "harm"), REPEATED)
async def test_what_is_lost_before_its_commit_is_written_once(rig: Rig, lane: Lane, harm: Harm, after: int) -> None:
    await _warm(rig, BUMP)
    before, work = await rig.revision(), Work(rig, harm, BUMP, after)
    await rig.db.transaction(work, lane)
    assert await rig.revision() == before + 1
    assert len(set(work.process_ids)) == 2


@pytest.mark.parametrize("harm", [_terminated, _idle, _stood_still, _cut])
async def test_what_delivery_writes_is_not_repeated_here(rig: Rig, harm: Harm) -> None:
    """It does so itself, with the time of then."""
    await _warm(rig, BUMP)
    before, work = await rig.revision(), Work(rig, harm, BUMP)
    with pytest.raises(StoreUnavailable):
        await rig.db.transaction(work, Lane.DELIVERY)
    assert await rig.revision() == before
    assert len(set(work.process_ids)) == 1


@pytest.mark.parametrize("after", [1, 2])
@pytest.mark.parametrize("lane", [Lane.DELIVERY, Lane.API, Lane.LONG])
@pytest.mark.parametrize("harm", [_terminated, _cut])
async def test_a_read_is_repeated_in_every_lane(rig: Rig, harm: Harm, lane: Lane, after: int) -> None:
    work = Work(rig, harm, "SELECT 1", after)
    await rig.db.read(work, lane)
    assert len(set(work.process_ids)) == 2


@pytest.mark.parametrize("read_only", [False, True])
async def test_it_is_repeated_once(rig: Rig, read_only: bool) -> None:
    await _warm(rig, "SELECT 1")
    work = Work(rig, _terminated, "SELECT 1", times=10)
    with pytest.raises(StoreUnavailable):
        await (rig.db.read if read_only else rig.db.transaction)(work)
    assert len(set(work.process_ids)) == 2


async def test_after_a_restart_of_the_server_the_first_call_of_each_connection_works(postgres_url: Databases) -> None:
    """Of an engine that has heard of nothing yet: its loop has not run since."""
    url = postgres_url()
    db = await PostgresDatabase.open(url, PATIENT)

    async def nap(tx: Tx) -> int:
        return int(await tx.value("SELECT pg_backend_pid() FROM pg_sleep(0.05)"))

    before = await asyncio.gather(*(db.transaction(nap) for _ in range(6)))
    postgres_url.end_sessions(url)
    after = await asyncio.gather(*(db.transaction(nap) for _ in range(6)))
    assert len(set(before)) > 1
    assert not set(before) & set(after)
    await db.close()


async def test_a_statement_new_to_a_connection_that_has_ended_is_no_failure(rig: Rig) -> None:
    """It is prepared between two runs of the work."""
    work = Work(rig, _terminated, BUMP)
    before = await rig.revision()
    await rig.db.transaction(work)
    assert await rig.revision() == before + 1


async def test_a_commit_that_was_on_its_way_is_not_repeated(rig: Rig) -> None:
    """It may have taken effect."""
    await _warm(rig, BUMP)
    await rig.beside.transaction(_slow_commits)
    work = Work(rig, _none, BUMP)
    call = asyncio.create_task(rig.db.transaction(work))
    async with asyncio.timeout(PATIENT_SECONDS):
        while not work.process_ids:
            await asyncio.sleep(0.02)
    await rig.until_it_commits(work.process_ids[0])
    await rig.end_session(work.process_ids[0])
    with pytest.raises(StoreUnavailable):
        await call
    assert len(set(work.process_ids)) == 1
