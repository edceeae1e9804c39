"""This engine among the others: its sign of life, and the control record that all of them act by.

With several engines on one PostgreSQL a change (a pause, say) is made by one and
must be known to all before it counts: every engine reads the control record
often, applies what is new and acknowledges the revision; whoever changed
something waits for the acknowledgements. An engine that could not read the
record for ``STALE_SECONDS`` starts no call, so nobody has to wait longer than
that for one that hangs or has died.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from engine.delivery.gate import FOREVER_US, Gate
from engine.ports import Clock, Control, Store

_US_PER_SECOND = 1_000_000
# Read often, so that a pause is quick; write seldom: the heartbeat is only there to be seen.
_READ_SECONDS = 0.1
_BEAT_SECONDS = 1.0
_BEAT_ALONE_SECONDS = 5.0
STALE_SECONDS = 2.0
# Longer than STALE_SECONDS plus a beat, or an engine could be taken for dead while it still sends.
ALIVE_SECONDS = 5.0


def alive_since_us(store: Store, now_us: int) -> int:
    """Engines with a heartbeat before this time are dead; alone on a SQLite file, all others are."""
    return now_us - int(ALIVE_SECONDS * _US_PER_SECOND) if store.shared else now_us


class ControlKeeper:
    """An actor that only follows the clock."""

    def __init__(
        self,
        store: Store,
        *,
        owner: int,
        gate: Gate,
        clock: Clock,
        load: Callable[[], tuple[int, int]],
        on_read: Callable[[], None],
        on_control: Callable[[Control], Awaitable[None]],
        on_fresh: Callable[[], None],
    ) -> None:
        """``load`` tells workers and calls in flight; ``on_read`` hears each time that the store has answered;
        ``on_control`` applies a new revision (and is awaited before it is acknowledged); ``on_fresh`` is told when
        calls may begin again after a time in which the record could not be read."""
        self._store, self._owner, self._gate, self._clock = store, owner, gate, clock
        self._load, self._on_read, self._on_control, self._on_fresh = load, on_read, on_control, on_fresh
        self._step_seconds = _READ_SECONDS if store.shared else _BEAT_SECONDS
        self._beat_us = int((_BEAT_SECONDS if store.shared else _BEAT_ALONE_SECONDS) * _US_PER_SECOND)
        self._next_beat_us = 0
        self.seen_revision = -1
        self._seen_engines: set[int] = set()
        self.control: Control | None = None

    async def run(self) -> None:
        """Keep for ever."""
        while True:
            await self.beat()
            await self._clock.sleep(self._step_seconds)

    async def beat(self) -> None:
        """Read the control record, apply what is new, and acknowledge it."""
        now_us = self._clock.now_us()
        # No wait is longer than its period: a clock that stepped back must not make it so.
        if now_us >= self._next_beat_us or self._next_beat_us - now_us > self._beat_us:
            await self.acknowledge()
            self._next_beat_us = now_us + self._beat_us
        elif self._store.shared:
            await self._apply(await self._read(), now_us)

    async def acknowledge(self) -> None:
        """Write the heartbeat with the revision that this engine acts by."""
        now_us = self._clock.now_us()
        workers, in_flight = self._load()
        control = await self._store.heartbeat(
            self._owner,
            now_us,
            alive_since_us(self._store, now_us),
            seen_revision=self.seen_revision,
            workers=workers,
            in_flight=in_flight,
        )
        await self._apply(control, now_us)

    async def _apply(self, control: Control, now_us: int) -> None:
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
        else:
            self._refresh(now_us)

    def _refresh(self, read_us: int) -> None:
        """What was read at ``read_us`` is what this engine acts by: calls may begin for some time from then on."""
        was_stale = self._clock.now_us() >= self._gate.fresh_until_us
        lasts_us = read_us + int(STALE_SECONDS * _US_PER_SECOND)
        self._gate.refresh(lasts_us if self._store.shared else FOREVER_US)
        if was_stale:
            self._on_fresh()

    async def agreed(self) -> int:
        """Wait until every live engine acts by the present revision, or can't start a call anyway; return it."""
        if not self._store.shared:
            return self.seen_revision
        deadline_us = self._clock.monotonic_us() + int(STALE_SECONDS * _US_PER_SECOND)
        control = await self._read()
        wanted = control.revision
        while any(engine.seen_revision < wanted for engine in control.engines if engine.engine_id != self._owner):
            if self._clock.monotonic_us() >= deadline_us:
                break
            await self._clock.sleep(_READ_SECONDS / 2)
            control = await self._read()
        return wanted

    async def _read(self) -> Control:
        return await self._store.read_control(alive_since_us(self._store, self._clock.now_us()))
