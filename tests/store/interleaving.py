"""Verbs of the store, several at the same time, statement by statement in an order that is given: on any PostgreSQL.

Each statement waits at a gate. One is let through, and then everybody is awaited who is neither at a gate, nor done,
nor waiting for another's lock. What is seen then is noted: who waits for whom, who is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Protocol, TypeVar

from engine.store import Store

T = TypeVar("T")
Verb = Callable[[Store], Awaitable[Any]]
_POLL_SECONDS: Final = 0.001
_PATIENCE_POLLS: Final = 2_000
_STEPS_MAX: Final = 200


class Endless(Exception):
    """The scenario does not come to an end."""


class Actor:
    """One verb that runs, on its own connection."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = "between"
        """``gate``, ``asking`` (the server), ``done``, or ``between``: on its way to one of these."""
        self.connection: Any = None
        self.pid = 0
        """Of its session."""
        self.outcome: Any = None
        self._go = asyncio.Event()
        self._is_open = False

    async def step(self, statement: Callable[[], Awaitable[T]]) -> T:
        """Send a statement when it is this one's turn."""
        if not self._is_open:
            self.state = "gate"
            await self._go.wait()
            self._go.clear()
        self.state = "asking"
        try:
            return await statement()
        finally:
            self.state = "between"

    def let_through(self) -> None:
        """One statement."""
        self.state = "between"
        self._go.set()

    def open(self) -> None:
        """Stop at no gate any more."""
        self._is_open = True
        self._go.set()

    async def run(self, verb: Coroutine[Any, Any, Any]) -> None:
        """Run the verb to its end, whatever that is."""
        try:
            self.outcome = await verb
        except Exception as error:
            self.outcome = f"{type(error).__name__}: {error}"
        self.state = "done"


class GatedPool:
    """A pool whose connections wait at their actor's gate."""

    def __init__(self, pool: Any, actor: Actor) -> None:
        self._pool, self._actor = pool, actor

    async def acquire(self, **kwargs: Any) -> _GatedConnection:
        """As of asyncpg."""
        return _GatedConnection(await self._pool.acquire(**kwargs), self._actor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    async def release(self, connection: _GatedConnection, **kwargs: Any) -> None:
        """As of asyncpg."""
        await self._pool.release(connection._connection, **kwargs)


class _AllPrepared:
    """For ``postgres_prepared``: nothing has to be prepared first, so that no verb begins again. Which statements are
    new depends on what was run before; what is compared here must not."""

    def __init__(self) -> None:
        self._protocol = self._stmt_cache = self

    def get_record_class(self) -> type:
        return tuple

    def has(self, _key: object) -> bool:
        return True


class _GatedConnection:
    def __init__(self, connection: Any, actor: Actor) -> None:
        self._connection, self._actor = connection, actor
        self._con = _AllPrepared()
        self._reads = self._is_open = False
        """It only reads, one state of the database: its first statement fixes that, and the others change nothing."""
        actor.connection, actor.pid = connection, connection.get_server_pid()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def fetch(self, *args: Any, **kwargs: Any) -> Any:
        return await self._step(lambda: self._connection.fetch(*args, **kwargs))

    async def execute(self, sql: str, *args: Any, **kwargs: Any) -> Any:
        if sql.startswith("BEGIN"):
            self._reads = "READ ONLY" in sql
            return await self._connection.execute(sql, *args, **kwargs)
        return await self._step(lambda: self._connection.execute(sql, *args, **kwargs))

    async def _step(self, statement: Callable[[], Awaitable[T]]) -> T:
        if self._is_open:
            return await statement()
        self._is_open = self._reads
        return await self._actor.step(statement)


class Rig(Protocol):
    """A PostgreSQL to run them on."""

    def store(self, actor: Actor) -> Store:
        """A store whose statements wait at the actor's gate."""

    async def waits(self, actors: Sequence[Actor]) -> dict[str, list[str]]:
        """Of those who ask, those who wait for a lock: for whom."""


@dataclass
class Story:
    """What was seen."""

    seen: list[str] = field(default_factory=list)
    """After each statement."""
    outcomes: dict[str, Any] = field(default_factory=dict)
    is_deadlocked: bool = False


async def interleave(rig: Rig, verbs: dict[str, Verb], seed: int) -> Story:
    """Run the verbs; the seed decides whose turn it is.

    Raises:
        Endless: they did not come to an end.
    """
    random, story = Random(seed), Story()
    actors = [Actor(name) for name in verbs]
    tasks = [asyncio.ensure_future(actor.run(_call(verbs[actor.name], rig.store(actor)))) for actor in actors]
    try:
        waits = await _settled(rig, actors)
        for _ in range(_STEPS_MAX):
            ready = [actor for actor in actors if actor.state == "gate"]
            if not ready:
                break
            actor = random.choice(ready)
            actor.let_through()
            waits = await _settled(rig, actors)
            story.seen.append(f"{actor.name}: " + ", ".join(_state(each, waits) for each in actors))
            if _is_circle(waits):
                story.is_deadlocked = True
                break
        else:
            raise Endless(story.seen)
    finally:
        for actor in actors:
            actor.open()
        await asyncio.gather(*tasks)
    story.outcomes = {actor.name: actor.outcome for actor in actors}
    return story


async def _call(verb: Verb, store: Store) -> Any:
    return await verb(store)


def _state(actor: Actor, waits: dict[str, list[str]]) -> str:
    if actor.name in waits:
        return f"{actor.name} waits for {' and '.join(sorted(waits[actor.name]))}"
    return f"{actor.name} {actor.state}"


async def _settled(rig: Rig, actors: Sequence[Actor]) -> dict[str, list[str]]:
    for _ in range(_PATIENCE_POLLS):
        await asyncio.sleep(0)
        if not any(actor.state == "between" for actor in actors):
            asking = [actor for actor in actors if actor.state == "asking"]
            if not asking:
                return {}
            waits = await rig.waits(asking)
            # One that is being woken waits for nobody any more.
            if all(waits.get(actor.name) for actor in actors if actor.state == "asking") and not any(
                actor.state == "between" for actor in actors
            ):
                return {actor.name: waits[actor.name] for actor in actors if actor.state == "asking"}
        await asyncio.sleep(_POLL_SECONDS)
    raise Endless([f"{actor.name} {actor.state}" for actor in actors])


def _is_circle(waits: dict[str, list[str]]) -> bool:
    def reached(name: str, seen: frozenset[str]) -> bool:
        return any(other in seen or reached(other, seen | {other}) for other in waits.get(name, []))

    return any(reached(name, frozenset({name})) for name in waits)
