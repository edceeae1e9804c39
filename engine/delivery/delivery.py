"""All of delivery, wired: what the composition root starts and the API speaks to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any, cast

import structlog

from engine.delivery.audience_builder import AudienceBuilder
from engine.delivery.book import Book
from engine.delivery.changed_clients import ChangedClients
from engine.delivery.clock_watch import ClockWatch
from engine.delivery.control_keeper import ControlKeeper, join
from engine.delivery.ending import Ending
from engine.delivery.gate import Gate
from engine.delivery.hand import Hand
from engine.delivery.leases import LeaseKeeper
from engine.delivery.liveness import HeardStore, Liveness
from engine.delivery.marker import Marker
from engine.delivery.on_way import CallsOnWay
from engine.delivery.queue import DeliveryQueue
from engine.delivery.rate_meter import RateMeter
from engine.delivery.recorder import Recorder
from engine.delivery.recovery import Recovery
from engine.delivery.settings import DeliverySettings
from engine.delivery.shared_clock import SharedClock
from engine.delivery.shares import Shares
from engine.delivery.supervisor import ActorHealth, Supervisor
from engine.delivery.ticker import Ticker
from engine.delivery.worker import Worker
from engine.domain.breaker import Breaker, BreakerState
from engine.domain.message import Event
from engine.domain.retry import RetryPolicy
from engine.ports import Claim, Clock, Control, EngineRow, Meter, Provider, Record, Store, StoreUnavailable

__all__ = ["Delivery", "DeliverySettings"]

_RECOVER_ROWS = 1_000
# A pause returns when the calls that had begun have been answered, but does not wait long for a slow
# provider: those calls have begun before it, and no new one begins.
_SETTLE_SECONDS = 0.5
_SETTLE_STEP_SECONDS = 0.005

log = structlog.get_logger(__name__)


class Delivery:
    """The actors and what they share. ``start`` once, ``stop`` once."""

    def __init__(
        self,
        store: Store,
        provider: Provider,
        *,
        clock: Clock,
        random: Random,
        settings: DeliverySettings,
        name: str,
        meter: Meter,
        breaker: Breaker | None = None,
    ) -> None:
        self._provider, self._clock, self._random = provider, clock, random
        self._settings, self._name, self._meter = settings, name, meter
        on_way = CallsOnWay(clock)
        self.book, self.hand = Book(on_way), Hand()
        self.gate = Gate(breaker or Breaker(), settings.provider_rate, random, on_way)
        self._shares = Shares(gate=self.gate, book=self.book, clock=clock, on_grown=self._go_on)
        self._heard = HeardStore(store, self.gate.hear_store)
        self._store = cast("Store", self._heard)
        self.queue = DeliveryQueue(
            settings.queue_size,
            settings.workers,
            slots_min=settings.slots,
            gate=self.gate,
            book=self.book,
            clock=clock,
        )
        self.supervisor = Supervisor(clock, random)
        self.sent_rate = RateMeter()
        self.engine_id = 0
        self._background: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Join the other engines, take back what a dead one has left, and start the actors.

        Raises:
            StoreUnavailable: the store is away.
        """
        self.shared_clock = SharedClock(self._clock)
        self.engine_id = await join(self._store, self._name, self._settings.workers, self.shared_clock)
        self._wire()
        if not self._store.shared:
            # Alone on this file: whatever is claimed belonged to an engine that is no more.
            while await self._store.recover(self._clock.now_us(), _RECOVER_ROWS, expired_only=False):
                pass
        await self.control.acknowledge()
        # The others must have seen us, and cut their share of the provider's rate, before we send.
        await self.control.agreed()
        self.supervisor.start("recorder", self.recorder.run)
        self.supervisor.start("marker", self.marker.run)
        self.supervisor.start("control", self.control.run)
        self.supervisor.start("leases", self.leases.run)
        self.supervisor.start("recovery", self.recovery.run)
        self.supervisor.start("audience_builder", self.builder.run)
        self.supervisor.start("clock_watch", self.clock_watch.run)
        self.supervisor.start("ticker", self.ticker.run)
        self._start_workers()

    def hold(self) -> None:
        """Begin no call from now on: the engine is stopping."""
        self.gate.stop()

    async def stop(self, call_seconds: float, outcome_seconds: float = 2.0) -> None:
        """Claim no more, give back what was not called, let calls in flight end within ``call_seconds``, store every
        outcome within ``outcome_seconds`` more, leave."""
        self.hold()
        if not self.engine_id:
            return
        await Ending(self.queue, self.recorder, self.supervisor, self._clock).run(call_seconds, outcome_seconds)
        if len(self.hand):
            log.warning("delivery.cut_off", messages=len(self.hand))
        try:
            await self._store.retire_engine(self.engine_id)
        except StoreUnavailable:
            log.warning("delivery.not_retired")

    # -- for the API ---------------------------------------------------------------------------
    async def refresh(self, mailing_id: int, *, is_new: bool = False) -> None:
        """A mailing was changed, and the change is committed: act by it.

        When this returns, no call that the change forbids can start, on this engine or another. ``is_new``: it was
        made, which forbids nothing. (That this engine does not know it yet does not say so: another one may.)
        """
        await self._to_the_end(self._refresh(is_new))

    async def control_changed(self) -> None:
        """Workers, rate or the sending switch were changed, and the change is committed: act by it."""
        await self._to_the_end(self._agree())

    def health(self) -> list[ActorHealth]:
        """How each actor is doing."""
        return self.supervisor.health()

    def now_us(self) -> int:
        """The time by delivery's clock."""
        return self._clock.now_us()

    @property
    def in_flight(self) -> int:
        """Messages between queue and store. Where outcomes wait because there are more slots than workers, as many as
        there are workers: so many may be called. 0: every outcome is stored."""
        return min(self.queue.slots_used, self.queue.workers)

    @property
    def provider_rate(self) -> float:
        """The provider's budget for all engines together, messages a second; 0: no limit."""
        control = self.control.control
        return self._rate(control) if control is not None else self._settings.provider_rate

    @property
    def engines(self) -> tuple[EngineRow, ...]:
        """All engines that live, as of the last heartbeat."""
        return self.control.control.engines if self.control.control is not None else ()

    @property
    def is_forgotten(self) -> bool:
        """The other engines take this one for dead: it begins no call."""
        is_read = self._store.shared and self.control.control is not None
        return is_read and self.engine_id not in {engine.engine_id for engine in self.engines}

    @property
    def due_lag_seconds(self) -> float:
        """How late the oldest due message was at the last tick."""
        return self.ticker.due_lag_seconds

    # -- inside --------------------------------------------------------------------------------
    def _wire(self) -> None:
        store, clock, settings = self._store, self._clock, self._settings
        self.recorder = Recorder(
            store,
            owner=self.engine_id,
            hand=self.hand,
            book=self.book,
            clock=clock,
            queue=self.queue,
            on_stored=self._stored,
        )
        self.marker = Marker(store, owner=self.engine_id)
        self.ticker = Ticker(
            store,
            owner=self.engine_id,
            book=self.book,
            queue=self.queue,
            gate=self.gate,
            hand=self.hand,
            recorder=self.recorder,
            clock=self.shared_clock,
            tick_seconds=settings.tick_seconds,
            lease_seconds=settings.lease_seconds,
        )
        self.builder = AudienceBuilder(
            store,
            book=self.book,
            clock=clock,
            retry_max_seconds=settings.retry_max_seconds,
            tick_seconds=settings.tick_seconds,
            on_rows=self.ticker.wake,
            on_ready=self._reload_soon,
        )
        self._wire_engines()
        self.clock_watch = ClockWatch(store, book=self.book, clock=clock, on_back=self.ticker.wake)
        parts = (self.queue, self.book, self.gate, self.recorder, clock)
        waits = (settings.provider_timeout_seconds, settings.tick_seconds)
        self.liveness = Liveness(self._heard, *parts, *waits, is_forgotten=lambda: self.is_forgotten)
        self.worker = self._make_worker()
        self.queue.on_low = self.ticker.wake
        self.gate.on_change = self._gate_changed

    def _wire_engines(self) -> None:
        """What has to do with other engines."""
        store, clock = self._store, self.shared_clock
        hand, lease_seconds = self.hand, self._settings.lease_seconds
        self.leases = LeaseKeeper(
            store, owner=self.engine_id, hand=hand, clock=clock, lease_seconds=lease_seconds, on_lost=self._lost
        )
        self.recovery = Recovery(
            store, hand=hand, clock=clock, lease_seconds=lease_seconds, on_recovered=self._recovered
        )
        self.control = ControlKeeper(
            store,
            owner=self.engine_id,
            gate=self.gate,
            clock=clock,
            load=lambda: (self.queue.workers, self.in_flight),
            on_read=self.recovery.contact.touch,
            on_control=self._apply,
            on_fresh=self._go_on,
            on_unseen=self._shares.lose,
        )
        self.clients = ChangedClients(
            store,
            owner=self.engine_id,
            hand=hand,
            book=self.book,
            queue=self.queue,
            ticker=self.ticker,
            give_back=self._give_back,
            settle=lambda reached: self._until(reached, _SETTLE_SECONDS),
            agreed=self.control.agreed,
        )

    def _make_worker(self) -> Worker:
        settings = self._settings
        return Worker(
            queue=self.queue,
            book=self.book,
            hand=self.hand,
            gate=self.gate,
            marker=self.marker,
            recorder=self.recorder,
            provider=self._provider,
            retry=RetryPolicy(settings.retry_base_seconds, settings.retry_max_seconds),
            timeout_seconds=settings.provider_timeout_seconds,
            lease_margin_seconds=settings.lease_seconds / 8,
            clock=self.shared_clock,
            random=self._random,
        )

    def _start_workers(self) -> None:
        running = set(self.supervisor.names("worker-"))
        for number in range(1, self.queue.workers + 1):
            if (name := f"worker-{number}") not in running:
                self.supervisor.start(name, partial(self.worker.run, number))

    def _stored(self, slots: int, records: list[Record]) -> None:
        """The recorder has stored outcomes: their slots are free."""
        busy_workers = self._busy_workers()
        self.queue.free(slots)
        now_us = self._clock.now_us()
        self._meter.recorded(records)
        events = [record.event for record in records]
        self.sent_rate.add(events.count(Event.ACCEPT), now_us, busy_workers=busy_workers)
        if not records or Event.DEFER in events or Event.MISS in events:
            self.ticker.wake()

    def _busy_workers(self) -> int:
        """How many workers there are, if all of them have work, more waits, and no rate holds any of them back; else
        0."""
        queue, rate = self.queue, self.gate.bucket.rate_per_second
        if rate or not len(queue) or queue.slots_used < queue.workers:
            return 0
        paced = any(entry.marking and entry.bucket is not None for entry in self.book)  # they wait with a slot
        return 0 if paced else queue.workers

    def _gate_changed(self) -> None:
        """The breaker has changed its state, or calls are held: what is queued goes back, uncalled, while it waits."""
        if self.gate.breaker.state is not BreakerState.CLOSED or self.gate.held_until_us(self._clock.now_us()):
            self._give_back(self.queue.withdraw(lambda _: True))
        self.queue.wake(self.queue.workers)
        self.ticker.wake()

    def _go_on(self) -> None:
        """Calls may begin again: nobody else wakes those who wait."""
        self.queue.wake(self.queue.workers)
        self.ticker.wake()

    def _recovered(self) -> None:
        self.book.ask_all()
        self.ticker.wake()

    def _lost(self, message_ids: set[int]) -> None:
        self.queue.withdraw(lambda claim: claim.message_id in message_ids)
        self.hand.drop(message_ids)

    def _reload_soon(self) -> None:
        self._in_background(self._reload())

    async def _reload(self) -> None:
        await self.ticker.reload()
        self.ticker.wake()

    async def _refresh(self, is_new: bool) -> None:
        await self.ticker.reload()
        await self._retract()
        self.builder.wake()
        self.ticker.wake()
        self.queue.wake(self.queue.workers)
        # A new mailing takes nothing back from anybody: no need to wait until the others know it.
        if not is_new:
            await self.control.agreed()

    async def _agree(self) -> None:
        await self.control.acknowledge()
        await self.control.agreed()

    async def _apply(self, control: Control) -> None:
        """Act by the control record, and by mailings that another engine has changed."""
        self.gate.pause(control.sending_paused)
        self._shares.divide(self._rate(control), self.engine_id, [engine.engine_id for engine in control.engines])
        self.queue.resize(self._settings.workers if control.workers is None else control.workers)
        if self.supervisor.names("worker-"):
            self._start_workers()
        await self.ticker.reload()
        await self.clients.check()
        await self._retract()
        self.builder.wake()
        self.ticker.wake()
        self.queue.wake(self.queue.workers)

    def _rate(self, control: Control) -> float:
        return self._settings.provider_rate if control.provider_rate is None else control.provider_rate

    async def _retract(self) -> None:
        """Give back queued messages that may not be sent now, and wait a little for calls in flight."""
        now_us = self._clock.now_us()
        stopped = {entry.plan.mailing_id for entry in self.book if self.gate.is_shut or not entry.may_send(now_us)}
        known = self.book.get
        self._give_back(self.queue.withdraw(lambda it: it.mailing_id in stopped or known(it.mailing_id) is None))
        if self.gate.stopping:
            return
        calling = [entry for entry in self.book if entry.plan.mailing_id in stopped]
        await self._until(
            lambda: not self.recorder.returns and not any(entry.in_flight for entry in calling), _SETTLE_SECONDS
        )

    def _give_back(self, claims: list[Claim]) -> None:
        self.recorder.give_back([claim.given_back() for claim in claims])

    async def _until(self, reached: Callable[[], bool], seconds: float) -> None:
        deadline_us = self._clock.monotonic_us() + int(seconds * 1_000_000)
        while not reached() and self._clock.monotonic_us() < deadline_us:
            await self._clock.sleep(_SETTLE_STEP_SECONDS)

    async def _to_the_end(self, work: Coroutine[Any, Any, None]) -> None:
        """Await ``work``; it goes on when the caller (an RPC past its deadline) is cancelled."""
        await asyncio.shield(self._in_background(work))

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, StoreUnavailable):
            log.warning("delivery.background", error=repr(error))
