"""The simulated PostgreSQL by itself: what the comparison with the real one (``tests/store/test_model.py``) does not
reach, because it takes time, freezes or kills."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random
from typing import Any

import asyncpg
import pytest

from tests.simulation.loop import Program, VirtualLoop
from tests.simulation.postgres.asyncpg import Connection, Network, Pool
from tests.simulation.postgres.server import Server, seconds
from tests.simulation.postgres.setup import migrated
from tests.simulation.postgres.tables import Template

_SETTINGS = {"lock_timeout": "3000ms", "statement_timeout": "8s", "idle_in_transaction_session_timeout": "2s"}
_LOCK = "SELECT 1 FROM control FOR UPDATE"
_PREPARING_SECONDS = 0.1
"""What asking about new statements takes at most."""


@pytest.fixture(scope="module")
def template() -> Template:
    return Template(asyncio.run(migrated()))


class Rig:
    """A server and some clients, each a program."""

    def __init__(self, template: Template) -> None:
        self.loop = VirtualLoop()
        self.server = Server(self.loop, template)
        self.networks: dict[str, Network] = {}

    def pool(self, name: str, **settings: str) -> Pool:
        """A client's."""
        self.networks[name] = Network(Random(1))
        return Pool(self.server, self.networks[name], name, max_size=3, server_settings=_SETTINGS | settings)

    def run(self, work: Any) -> Any:
        """In virtual time."""
        return self.loop.run_until_complete(work)


@pytest.fixture
def rig(template: Template) -> Iterator[Rig]:
    rig = Rig(template)
    yield rig
    rig.server.data.close()
    rig.loop.close()


async def begun(pool: Pool) -> Connection:
    """A connection in a transaction."""
    connection = await pool.acquire()
    await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
    return connection


def test_a_lock_that_does_not_come_is_an_error_after_its_time(rig: Rig) -> None:
    async def work() -> float:
        first = await begun(rig.pool("a", idle_in_transaction_session_timeout="0"))
        second = await begun(rig.pool("b"))
        await first.fetch(_LOCK)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await second.fetch(_LOCK)
        with pytest.raises(asyncpg.InFailedSQLTransactionError):
            await second.fetch("SELECT 1 FROM control")
        return rig.loop.time()

    assert rig.run(work()) == pytest.approx(3.0, abs=_PREPARING_SECONDS)


def test_whoever_is_idle_in_a_transaction_loses_its_locks(rig: Rig) -> None:
    async def work() -> float:
        first, second = await begun(rig.pool("a")), await begun(rig.pool("b"))
        await first.execute("UPDATE control SET revision = 7")
        assert await second.fetch(f"{_LOCK.replace('1', 'revision')}") == [(0,)]
        with pytest.raises(asyncpg.InterfaceError):
            await first.execute("COMMIT")
        return rig.loop.time()

    assert rig.run(work()) == 2.0


def test_a_circle_is_broken_after_a_second_and_its_other_half_goes_on(rig: Rig) -> None:
    async def work() -> float:
        pool = rig.pool("a", idle_in_transaction_session_timeout="0")
        first, second = await begun(pool), await begun(pool)
        await first.fetch("SELECT pg_advisory_xact_lock($1)", 1)
        await second.fetch("SELECT pg_advisory_xact_lock($1)", 2)
        crossing = asyncio.ensure_future(first.fetch("SELECT pg_advisory_xact_lock($1)", 2))
        other = asyncio.ensure_future(second.fetch("SELECT pg_advisory_xact_lock($1)", 1))
        done, _ = await asyncio.wait([crossing, other])
        assert sorted(type(task.exception()).__name__ for task in done) == ["DeadlockDetectedError", "NoneType"]
        return rig.loop.time()

    assert rig.run(work()) == pytest.approx(1.0, abs=_PREPARING_SECONDS)
    assert rig.server.deadlocks == 1


def test_whoever_only_tries_an_advisory_lock_is_told_whether_it_has_it(rig: Rig) -> None:
    async def work() -> list[bool]:
        pool, told = rig.pool("a"), []
        for _ in range(2):
            connection = await begun(pool)
            told += [row[0] for row in await connection.fetch("SELECT pg_try_advisory_xact_lock($1)", 1)]
        return told

    assert rig.run(work()) == [True, False]


def test_what_a_frozen_client_has_sent_goes_on_and_a_killed_ones_session_ends(rig: Rig) -> None:
    program = Program(rig.loop, "a")

    async def client() -> None:
        pool = rig.pool("a", idle_in_transaction_session_timeout="0")
        rig.networks["a"].slow, rig.networks["a"].seconds = 1.0, (0.1, 0.1)
        connection = await begun(pool)
        await connection.execute("UPDATE control SET revision = 7")
        await connection.execute("COMMIT")
        connection = await begun(pool)
        await connection.execute("UPDATE control SET revision = 8")

    async def work() -> None:
        program.start(client())
        await asyncio.sleep(0.55)  # the COMMIT is on its way
        program.freeze()
        await asyncio.sleep(1)
        assert rig.server.data.committed("SELECT revision FROM control") == [(7,)]
        program.thaw()
        await asyncio.sleep(1)
        before = rig.server.locks.is_quiet
        program.kill()
        rig.server.hang_up("a")
        assert (before, rig.server.locks.is_quiet) == (False, True)

    rig.run(work())
    assert rig.server.data.committed("SELECT revision FROM control") == [(7,)]


def test_a_read_only_server_refuses_changes_and_locks_from_the_next_transaction_on(rig: Rig) -> None:
    async def work() -> None:
        pool = rig.pool("a")
        before = await begun(pool)
        rig.server.is_read_only = True
        await before.execute("UPDATE control SET revision = 7")
        await before.execute("COMMIT")
        after = await begun(pool)
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await after.fetch(_LOCK)

    rig.run(work())


def test_a_restart_ends_all_sessions_and_refuses_new_ones(rig: Rig) -> None:
    async def work() -> None:
        pool = rig.pool("a")
        connection = await begun(pool)
        await connection.execute("UPDATE control SET revision = 7")
        rig.server.go_away()
        with pytest.raises(asyncpg.InterfaceError):
            await connection.execute("COMMIT")
        with pytest.raises(ConnectionRefusedError):
            await pool.acquire()
        rig.server.come_back()
        assert await (await begun(pool)).fetch("SELECT revision FROM control") == [(0,)]

    rig.run(work())


def test_a_black_hole_answers_nothing_and_new_connections_work_when_it_is_over(rig: Rig) -> None:
    async def work() -> None:
        pool = rig.pool("a")
        connection = await begun(pool)
        rig.networks["a"].is_black = True
        pool.black_out()
        with pytest.raises(TimeoutError):
            await connection.fetch(_LOCK, timeout=4.5)
        connection.terminate()
        await pool.release(connection)
        rig.networks["a"].is_black = False
        assert await (await begun(pool)).fetch(_LOCK) == [(1,)]

    rig.run(work())


def test_a_commit_may_be_done_and_its_answer_lost(rig: Rig) -> None:
    async def work() -> None:
        pool = rig.pool("a")
        connection = await begun(pool)
        await connection.execute("UPDATE control SET revision = 7")
        rig.networks["a"].lose_commit = 1.0
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await connection.execute("COMMIT")

    rig.run(work())
    assert rig.server.data.committed("SELECT revision FROM control") == [(7,)]


@pytest.mark.parametrize(("setting", "wanted"), [("0", 0), ("250", 0.25), ("4050ms", 4.05), ("15s", 15), ("2min", 120)])
def test_settings_are_read_as_the_server_reads_them(setting: str, wanted: float) -> None:
    assert seconds(setting) == wanted
