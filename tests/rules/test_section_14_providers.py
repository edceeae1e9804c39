"""Section 14: several providers. What one certainly has not taken goes to the next at once; what it may have taken
never leaves it, however the engine ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mailing.v1 import engine_pb2, engine_service_pb2, message_service_pb2
from scripts.sandbox import Sandbox
from tests.rules.process import EngineProcess, engine_process
from tests.rules.rig import Rig, running, until

WORKERS = 8
TAKES_OVER_SECONDS = 2.0
CLIENTS = 120


class Two(NamedTuple):
    """Two providers, the first one first, and the file that names them."""

    a: Sandbox
    b: Sandbox
    file: Path

    def moved(self) -> set[int]:
        """Messages that both were called for."""
        return set(called(self.a)) & set(called(self.b))


def called(sandbox: Sandbox) -> list[int]:
    """The messages whose calls have arrived."""
    return list(sandbox.ledger.latest)


def first_us(sandbox: Sandbox) -> int:
    return min(call.at_us for message_id in called(sandbox) for call in sandbox.calls(message_id))


@asynccontextmanager
async def two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Two]:
    async with await Sandbox.start(keep=10_000) as a, await Sandbox.start(keep=10_000) as b:
        monkeypatch.setenv("TOKEN_OF_A", a.token)
        monkeypatch.setenv("TOKEN_OF_B", b.token)
        file = folder / "providers.toml"
        tables = (
            f'[[provider]]\nname = "{name}"\nkind = "fbrq"\nurl = "{sandbox.url}"\nworkers = {WORKERS}\n'
            f'time_out_seconds = 1\nsecrets = {{ token = "TOKEN_OF_{name.upper()}" }}\n'
            for name, sandbox in (("a", a), ("b", b))
        )
        file.write_text("\n".join(tables))
        yield Two(a, b, file)


async def attempts(rig: Rig, message_id: int) -> list[str]:
    """Who was called for a message."""
    message = await rig.messages.GetMessage(message_service_pb2.GetMessageRequest(message_id=message_id))
    return [attempt.provider for attempt in message.attempt_history]


async def test_when_one_answers_503_the_next_takes_over_and_gives_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(tmp_path, monkeypatch) as pair, running(tmp_path, pair.a, providers=str(pair.file)) as rig:
        pair.a.set_faults(outage=True)
        await rig.add_clients(CLIENTS)
        mailing = await rig.register()
        assert await rig.finished(mailing.id) == (0, CLIENTS, 0)
        assert (first_us(pair.b) - first_us(pair.a)) / 1e6 < TAKES_OVER_SECONDS
        assert len(pair.b.accepted_ids()) == CLIENTS
        assert await attempts(rig, min(pair.moved())) == ["a", "b"]
        status = await rig.engine.GetStatus(engine_service_pb2.GetStatusRequest())
        assert [each.name for each in status.providers] == ["a", "b"]
        assert status.breaker == status.providers[0].breaker
        assert status.breaker.state == engine_pb2.BREAKER_STATE_OPEN
        assert status.providers[1].breaker.state == engine_pb2.BREAKER_STATE_CLOSED
        # It is back: its own probe finds out, and then all is its again.
        pair.a.set_faults(outage=False)

        async def is_back() -> bool:
            await rig.register()
            return bool(pair.a.accepted_ids())

        await until(is_back)
        before = len(pair.b.accepted_ids())
        later = await rig.register(provider="a")
        assert await rig.finished(later.id) == (0, CLIENTS, 0)
        assert len(pair.b.accepted_ids()) - before <= 20 * CLIENTS
        assert set(pair.a.accepted_ids()).isdisjoint(pair.b.accepted_ids())


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], ids=["alone", "two engines"]
)
async def test_what_may_be_at_one_never_reaches_the_other_though_the_engine_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, postgres_url: Callable[[], str]
) -> None:
    database_url = postgres_url() if kind == "postgres" else f"sqlite://{tmp_path / 'mailing.db'}"
    # All that a dead engine had claimed may be at a: it stays there. The queue is small, so that much is left for b.
    settings: dict[str, Any] = {"lease_seconds": 2, "queue_size": 16, "database_url": database_url}
    async with two(tmp_path, monkeypatch) as pair, AsyncExitStack() as stack:

        async def start(name: str) -> EngineProcess:
            engine = engine_process(tmp_path / name, pair.a, **settings, providers=str(pair.file))
            return await stack.enter_async_context(engine)

        pair.a.set_faults(share_hang=1.0)
        killed = await start("killed")
        await killed.rig.add_clients(CLIENTS)
        mailing = await killed.rig.register()
        other = await start("other") if kind == "postgres" else None
        await until(lambda: pair.a.requests >= WORKERS)
        await killed.kill()
        other = other or await start("other")
        # Calls go on to hang until a's breaker opens; the rest is b's.
        await until(pair.b.accepted_ids, 60)
        pair.a.set_faults(share_hang=0.0)
        assert await other.rig.finished(mailing.id, 90) == (0, CLIENTS, 0)
        hung = {id for id in called(pair.a) if any(call.answer == "hang" for call in pair.a.calls(id))}
        assert len(hung) >= WORKERS
        assert hung.isdisjoint(called(pair.b))
        assert hung <= set(pair.a.accepted_ids())
