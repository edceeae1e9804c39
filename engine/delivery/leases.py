"""This engine among the others: its heartbeat, its leases, and what the dead have left.

With several engines on one PostgreSQL a change (a pause, say) is made by one and
must be known to all before it counts: every engine reads the control record
often, applies what is new and acknowledges the revision; whoever changed
something waits for the acknowledgements. An engine that could not read the
record for ``STALE_SECONDS`` starts no call, so nobody has to wait longer than
that for one that hangs or has died.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from engine.delivery.gate import FOREVER_US, Gate
from engine.delivery.hand import Hand
from engine.ports import Claim, Clock, Control, Store

_US_PER_SECOND = 1_000_000
_RECOVER_ROWS = 1_000
# Read often, so that a pause is quick; write seldom: the heartbeat is only there to be seen.
_READ_SECONDS = 0.1
_BEAT_SECONDS = 1.0
_BEAT_ALONE_SECONDS = 5.0
STALE_SECONDS = 2.0
# Longer than STALE_SECONDS plus a beat, or an engine could be taken for dead while it still sends.
ALIVE_SECONDS = 5.0

log = structlog.get_logger(__name__)


def alive_since_us(store: Store, now_us: int) -> int:
    """Engines with a heartbeat before this time are dead; alone on a SQLite file, all others are."""
    return now_us - int(ALIVE_SECONDS * _US_PER_SECOND) if store.shared else now_us


class LeaseKeeper:
    """An actor that only follows the clock."""

    def __init__(
        self,
        store: Store,
        *,
        owner: int,
        hand: Hand,
        gate: Gate,
        clock: Clock,
        lease_seconds: float,
        load: Callable[[], tuple[int, int]],
        on_control: Callable[[Control], Awaitable[None]],
        on_fresh: Callable[[], None],
        on_lost: Callable[[set[int]], None],
        on_recovered: Callable[[], None],
    ) -> None:
        """``load`` tells workers and calls in flight; ``on_control`` applies a new revision (and is
        awaited before it is acknowledged); ``on_fresh`` is told when calls may begin again after a time in which
        the record could not be read; ``on_lost`` hears of claims that are not ours any more."""
        self._store, self._owner, self._hand, self._gate, self._clock = store, owner, hand, gate, clock
        self._lease_us = int(lease_seconds * _US_PER_SECOND)
        self._load, self._on_control, self._on_fresh = load, on_control, on_fresh
        self._on_lost, self._on_recovered = on_lost, on_recovered
        self._step_seconds = min(_READ_SECONDS if store.shared else _BEAT_SECONDS, lease_seconds / 8)
        self._beat_us = int((_BEAT_SECONDS if store.shared else _BEAT_ALONE_SECONDS) * _US_PER_SECOND)
        self._next_beat_us = 0
        self._next_recovery_us = 0
        self.seen_revision = -1
        self._seen_engines: set[int] = set()
        self.control: Control | None = None

    async def run(self) -> None:
        """Keep for ever."""
        while True:
            await self.beat()
            await self._renew()
            await self._recover()
            await self._clock.sleep(self._step_seconds)

    async def beat(self) -> None:
        """Read the control record, apply what is new, and acknowledge it."""
        now_us = self._clock.now_us()
        # No wait is longer than its period: a clock that stepped back must not make it so.
        if now_us >= self._next_beat_us or self._next_beat_us - now_us > self._beat_us:
            await self.acknowledge()
            self._next_beat_us = now_us + self._beat_us
        elif self._store.shared:
            await self._apply(await self._store.read_control(self._alive_since_us(now_us)), now_us)

    async def acknowledge(self) -> None:
        """Write the heartbeat with the revision that this engine acts by."""
        now_us = self._clock.now_us()
        workers, in_flight = self._load()
        control = await self._store.heartbeat(
            self._owner,
            now_us,
            self._alive_since_us(now_us),
            seen_revision=self.seen_revision,
            workers=workers,
            in_flight=in_flight,
        )
        await self._apply(control, now_us)

    async def _apply(self, control: Control, now_us: int) -> None:
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

    async def agreed(self) -> None:
        """Wait until every live engine acts by the present revision, or can't start a call anyway."""
        if not self._store.shared:
            return
        deadline_us = self._clock.now_us() + int(STALE_SECONDS * _US_PER_SECOND)
        wanted = (await self._store.read_control(0)).revision
        while (now_us := self._clock.now_us()) < deadline_us:
            control = await self._store.read_control(self._alive_since_us(now_us))
            others = [engine for engine in control.engines if engine.engine_id != self._owner]
            if all(engine.seen_revision >= wanted for engine in others):
                return
            await self._clock.sleep(_READ_SECONDS / 2)

    def _alive_since_us(self, now_us: int) -> int:
        return alive_since_us(self._store, now_us)

    async def _renew(self) -> None:
        now_us = self._clock.now_us()
        claims = self._hand.expiring(now_us + self._lease_us // 2)
        if not claims:
            return
        lease_until_us = now_us + self._lease_us
        ours = await self._store.renew(claims, owner=self._owner, lease_until_us=lease_until_us)
        self._hand.renewed((claim for claim in claims if claim.message_id in ours), lease_until_us)
        lost = {claim.message_id for claim in claims if self._is_lost(claim, ours)}
        if lost:
            log.warning("leases.lost", claims=len(lost))
            self._on_lost(lost)

    def _is_lost(self, claim: Claim, ours: set[int]) -> bool:
        # Recorded or given back while we asked: not lost, just done.
        return claim.message_id not in ours and self._hand.has(claim)

    async def _recover(self) -> None:
        now_us = self._clock.now_us()
        if now_us < self._next_recovery_us <= now_us + _US_PER_SECOND:
            return
        recovered = await self._store.recover(now_us, _RECOVER_ROWS, expired_only=True)
        if recovered:
            log.warning("leases.recovered", messages=recovered)
            self._on_recovered()
        self._next_recovery_us = now_us if recovered == _RECOVER_ROWS else now_us + _US_PER_SECOND
