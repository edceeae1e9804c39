"""This engine among the others: its sign of life, and the control record that all of them act by.

With several engines on one PostgreSQL a change (a pause, say) is made by one and
must be known to all before it counts: every engine reads the control record
often, applies what is new and acknowledges the revision; an engine that made a
change waits for the acknowledgements. An engine that could not read the record
for ``STALE_SECONDS`` starts no call, so nobody has to wait for longer than that,
even if an engine hangs or has died.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.delivery.gate import STALE_SECONDS
from engine.delivery.shared_clock import SharedClock
from engine.delivery.state import State
from engine.domain.units import in_us
from engine.ports import Control, EngineRow, Store

# Read often, so that a pause is quick; write seldom: the heartbeat is only there to be seen.
_READ_SECONDS = 0.1
_BEAT_SECONDS = 1.0
_BEAT_ALONE_SECONDS = 5.0
# Longer than STALE_SECONDS plus a beat, or an engine could be taken for dead while it still sends.
ALIVE_SECONDS = 5.0
# After this time without a heartbeat of ours, the others may have taken us for dead and use our part of the rates.
_UNSEEN_SECONDS = ALIVE_SECONDS - 1.0


async def join(store: Store, name: str, workers: int, clock: SharedClock) -> int:
    """Add this engine to those on the database; return its id."""
    asked_us = clock.own.monotonic_us()
    clock.read((await store.read_control(0)).clock_us, asked_us)
    now_us = clock.now_us()
    return await store.register_engine(name, workers, now_us, _alive_since_us(store, now_us))


def _alive_since_us(store: Store, now_us: int) -> int:
    """Engines with a heartbeat before this time are dead; alone on a SQLite file, all others are."""
    return now_us - in_us(ALIVE_SECONDS) if store.shared else now_us


class ControlKeeper:
    """An actor that only follows the clock."""

    def __init__(
        self,
        store: Store,
        state: State,
        *,
        on_read: Callable[[], None],
        on_control: Callable[[Control], Awaitable[None]],
    ) -> None:
        """``on_read`` hears each time that the store has answered; ``on_control`` applies a new revision, and is
        awaited before it is acknowledged."""
        self._store, self._owner, self._on_read, self._on_control = store, state.engine_id, on_read, on_control
        self._state, self._clock = state, state.shared_clock
        self._step_seconds = _READ_SECONDS if store.shared else _BEAT_SECONDS
        self._beaten_us: int | None = None
        self._fresh_until_us, self._seen_us = 0, self._clock.own.monotonic_us()
        if store.shared:
            state.watch(lambda: self._clock.own.monotonic_us() >= self._fresh_until_us)
        self.seen_revision = -1
        self._seen_engines: set[int] = set()
        self.control: Control | None = None

    @property
    def engines(self) -> tuple[EngineRow, ...]:
        """All engines that live, as of the last heartbeat."""
        return () if self.control is None else self.control.engines

    @property
    def is_forgotten(self) -> bool:
        """The other engines take this one for dead: it begins no call."""
        is_read = self._store.shared and self.control is not None
        return is_read and self._owner not in {engine.engine_id for engine in self.engines}

    async def run(self) -> None:
        """Keep for ever."""
        while True:
            # An answer that does not come is as bad as one that says that the database is away.
            late = asyncio.get_running_loop().call_later(STALE_SECONDS, self._state.hear_store, False)
            try:
                await self.beat()
            finally:
                late.cancel()
            await self._clock.own.sleep(self._step_seconds)

    async def beat(self) -> None:
        """Read the control record, apply what is new, and acknowledge it."""
        now_us = self._clock.own.monotonic_us()
        if self._beaten_us is None or now_us - self._beaten_us >= in_us(self._beat_seconds()):
            await self.acknowledge()
            self._beaten_us = now_us
        elif self._store.shared:
            await self._apply(await self._read(), now_us)

    def _beat_seconds(self) -> float:
        # An engine that has nothing to do asks seldom whether a database is there that nobody else uses.
        is_busy = self._store.shared or self._state.in_flight or self._state.store_away
        return _BEAT_SECONDS if is_busy else _BEAT_ALONE_SECONDS

    async def acknowledge(self) -> None:
        """Write the heartbeat with the revision that this engine acts by."""
        asked_us, own_us = self._clock.own.monotonic_us(), self._clock.own.now_us()
        now_us = self._clock.now_us() if self._store.shared else own_us
        control = await self._store.heartbeat(
            self._owner,
            now_us,
            _alive_since_us(self._store, now_us),
            seen_revision=self.seen_revision,
            workers=self._state.workers,
            in_flight=self._state.in_flight,
            own_us=own_us,
        )
        if self._store.shared and asked_us - self._seen_us > in_us(_UNSEEN_SECONDS):
            self._seen_engines = set()  # apply the record once more, even if it reads as before
            self._state.shares.lose()
        self._seen_us = asked_us
        await self._apply(control, asked_us)

    async def _apply(self, control: Control, asked_us: int) -> None:
        """Act by what was read, after ``asked_us`` (monotonic)."""
        self._clock.read(control.clock_us, asked_us)
        self._on_read()
        if control.revision < self.seen_revision:
            return  # an older reading, overtaken by a newer one
        self.control = control
        engines = {engine.engine_id for engine in control.engines}
        # An engine that died changes no revision, but leaves its share of the rates to the others.
        if control.revision != self.seen_revision or engines != self._seen_engines:
            await self._on_control(control)
            self.seen_revision, self._seen_engines = control.revision, engines
            await self.acknowledge()
        elif self._owner in engines or not self._store.shared:
            self._refresh(asked_us)
        # Else the others have forgotten us, and a pause waits for us no more: no call begins.

    def _refresh(self, read_us: int) -> None:
        """What was read at ``read_us`` is what this engine acts by: calls may begin for some time from then on."""
        was_stale = self._state.is_stale
        self._fresh_until_us = read_us + in_us(STALE_SECONDS)
        if was_stale:
            self._state.bell.ring()

    async def agreed(self) -> int:
        """Wait until every live engine acts by the present revision, or can't start a call anyway; return it."""
        if not self._store.shared:
            return self.seen_revision
        deadline_us = self._clock.own.monotonic_us() + in_us(STALE_SECONDS)
        control = await self._read()
        wanted = control.revision
        while any(engine.seen_revision < wanted for engine in control.engines if engine.engine_id != self._owner):
            if self._clock.own.monotonic_us() >= deadline_us:
                break
            await self._clock.own.sleep(_READ_SECONDS / 2)
            control = await self._read()
        return wanted

    async def _read(self) -> Control:
        return await self._store.read_control(_alive_since_us(self._store, self._clock.now_us()))
