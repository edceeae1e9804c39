"""The composition root: what an engine is made of, started in order, stopped in reverse.

The budget of a stop, of its limit: claiming stops at once, and RPCs under way get a tenth (1 s at most). Calls in
flight go on meanwhile, and until a fifth of the limit is left (2 s at most); their outcomes are stored by when a
twentieth is left (0.5 s), and then the store is closed. So with a limit of 10 s: RPCs until 1 s, calls until 8 s,
outcomes until 9.5 s; with 1 s: 0.1, 0.8 and 0.95 s. What is still open then is found by the next start as "outcome
unknown". What hangs is left behind: nothing waits for it, and ``common.stopping`` ends the process.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import fields
from random import Random
from typing import Any

import structlog

from common.setting_types import Listen
from engine.access.authority import Authority
from engine.access.first_sign_in import FirstSignIn
from engine.access.seeding import seed, will_make
from engine.api.control import ActorStatus, BreakerStatus, DeliveryStatus, ProviderCalls
from engine.api.server import ApiServer
from engine.api.tls import Tls
from engine.clock import SystemClock
from engine.delivery.delivery import Delivery, DeliverySettings
from engine.domain.breaker import BreakerState
from engine.domain.message import Step
from engine.metrics import Metrics, outcome_of
from engine.metrics_server import MetricsServer, start_metrics_server
from engine.ports import Record
from engine.provider.fbrq import CONNECT_SECONDS, FbrqProvider
from engine.provider_window import ProviderWindow
from engine.settings import Settings
from engine.store.store import Store

_RPC_SHARE, _RPC_SECONDS = 0.1, 1.0
_CLOSING_SHARE, _CLOSING_SECONDS = 0.2, 2.0
_OUTCOMES_SHARE = 0.75
"""Of the time for closing: the rest is the store's."""
_SPEED_UNSEEN = 1_000.0
"""Messages a second: an engine that has never been seen at full speed is believed to reach so many at most, however
fast the provider answers."""

log = structlog.get_logger(__name__)


class Service:
    """One engine: ``start`` once, then ``stop`` once, also when ``start`` has failed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.grpc_port = 0
        self.metrics_listen = settings.metrics_listen
        self._delivery: Delivery | None = None
        self._api: ApiServer | None = None
        self._metrics_server: MetricsServer | None = None
        self._resources: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What lets go of what the others need, in the order in which they were opened."""

    @property
    def delivery(self) -> Delivery:
        """Delivery, once ``start`` has made it."""
        if self._delivery is None:
            raise RuntimeError("the service has not been started")
        return self._delivery

    async def start(self) -> None:
        """Open, migrate, join, listen.

        Raises:
            DatabaseUnavailable, ListenError, OSError: with one line for the operator.
        """
        settings, clock = self.settings, SystemClock()
        self.store = await Store.open(settings.database_url)
        self._resources.append(self.store.close)
        self.store.on_step = self._count
        await self._seed()
        token = settings.fbrq_token.get_secret_value() if settings.fbrq_token else ""
        window = ProviderWindow()
        connect_seconds = min(CONNECT_SECONDS, settings.provider_timeout_seconds / 2)
        provider = FbrqProvider(settings.provider_url, token, connect_seconds=connect_seconds)
        self._resources.append(provider.close)
        self._delivery = delivery = Delivery(
            self.store,
            provider,
            clock=clock,
            random=Random(),
            settings=DeliverySettings(**{f.name: getattr(settings, f.name) for f in fields(DeliverySettings)}),
            name=f"{socket.gethostname()}:{os.getpid()}",
            meter=Meter(self.metrics, window),
        )
        control = Control(delivery, window)
        self._follow(delivery)
        await delivery.start()
        self.store.on_owners_told = delivery.clients.owners_told
        self._metrics_server = await start_metrics_server(
            self.metrics, settings.metrics_listen, control.health, settings.metrics_hosts
        )
        self.metrics_listen = self._metrics_server.address
        authority = Authority(self.store, clock, session_seconds=settings.session_seconds)
        self._api = api = ApiServer(
            self.store,
            control,
            clock,
            authority=authority,
            tls=_tls(settings),
            gateways=settings.gateways,
            audit_keep_days=settings.audit_keep_days,
            measure=self._measure,
            default_time_zone=settings.default_time_zone,
            segments_max=settings.segments_max,
        )
        self.grpc_port = await api.start(str(settings.grpc_listen))
        log.info(
            "engine.started",
            grpc=str(Listen(settings.grpc_listen.host, self.grpc_port)),
            metrics=str(self.metrics_listen),
            database=settings.database_name,
            provider=settings.provider_url,
            workers=delivery.queue.workers,
            engine_id=delivery.engine_id,
        )

    def reload(self) -> None:
        """Read the certificates again (SIGHUP)."""
        if self._api is not None:
            self._api.reload()

    async def stop(self, seconds: float | None = None) -> None:
        """Stop in reverse, within ``seconds``, or else ``shutdown_seconds``: see the budget above."""
        limit_seconds = self.settings.shutdown_seconds if seconds is None else seconds
        clock = asyncio.get_running_loop().time
        end, rpc_seconds = clock() + limit_seconds, min(_RPC_SECONDS, limit_seconds * _RPC_SHARE)
        closing_seconds = min(_CLOSING_SECONDS, limit_seconds * _CLOSING_SHARE)
        delivery, api, metrics_server = self._delivery, self._api, self._metrics_server
        if delivery is not None:
            delivery.hold()
        listening = [] if api is None else [api.stop(rpc_seconds)]
        listening += [] if metrics_server is None else [metrics_server.close()]
        await _within(2 * rpc_seconds, *listening)  # the calls themselves, and then what they have begun
        if delivery is not None:
            call_seconds = end - closing_seconds - clock()
            ending = delivery.stop(max(0.0, call_seconds), closing_seconds * _OUTCOMES_SHARE)
            await _within(end - clock(), ending)
        for close in reversed(self._resources):
            await _within(end - clock(), close())
        if self.grpc_port:
            log.info("engine.stopped")

    def left_open(self) -> Mapping[str, object]:
        """See ``common.stopping.Service``."""
        delivery = self._delivery
        if delivery is None or not delivery.engine_id:
            return {"started": False}
        return {"in_hand": len(delivery.hand), "in_flight": delivery.in_flight, "outcomes": len(delivery.recorder)}

    async def _seed(self) -> None:
        """Make the first account and token; what nobody knows yet is shown to the operator, and never in the log."""
        password, api_token = self.settings.admin_password, self.settings.api_token
        admin_password = None if password is None else password.get_secret_value()
        token = None if api_token is None else api_token.get_secret_value()
        first = FirstSignIn(self.settings.sign_in_file, sys.stdout)
        if await will_make(self.store, admin_password=admin_password, api_token=token):
            first.check()
        first.show(
            await seed(self.store, admin_password=admin_password, api_token=token, now_us=SystemClock().now_us())
        )

    def _count(self, step: Step, number: int) -> None:
        self.metrics.messages(outcome_of(step)).inc(number)

    def _measure(self, method: str, code: str, seconds: float) -> None:
        self.metrics.rpc_seconds(method, code).observe(seconds)

    def _follow(self, delivery: Delivery) -> None:
        metrics = self.metrics
        metrics.queue_depth.follow(lambda: len(delivery.queue))
        metrics.in_flight.follow(lambda: delivery.in_flight)
        metrics.workers.follow(lambda: delivery.queue.workers)
        metrics.breaker_state.follow(lambda: list(BreakerState).index(delivery.gate.breaker.state))
        metrics.due_lag_seconds.follow(lambda: delivery.due_lag_seconds)
        metrics.stalled_seconds.follow(lambda: delivery.liveness.stalled_seconds)


async def _within(seconds: float, *parts: Coroutine[Any, Any, None]) -> None:
    """Let parts end at the same time; go on after ``seconds`` with whatever of them hangs left behind."""
    if not parts:
        return
    ended, late = await asyncio.wait(
        [asyncio.create_task(part, name=getattr(part, "__qualname__", None)) for part in parts],
        timeout=max(0.0, seconds),
    )
    for task in late:
        log.warning("stop.late", part=task.get_name())
    for task in ended:
        if (error := task.exception()) is not None:
            log.error("stop.failed", part=task.get_name(), exc_info=error)


class Meter:
    """``ports.Meter``: counts the calls whose outcome the recorder has stored. What became of the messages tells the
    store (``on_step``)."""

    def __init__(self, metrics: Metrics, window: ProviderWindow) -> None:
        self._metrics, self._window = metrics, window

    def recorded(self, records: Sequence[Record]) -> None:
        """Count answers and durations: by the batch, for each call of ours costs as much as a message."""
        metrics = self._metrics
        for status, number in Counter([record.http_status for record in records]).items():
            metrics.provider_responses(status).inc(number)
        metrics.attempt_seconds.observe_all([(record.finished_us - record.started_us) * 1e-6 for record in records])
        self._window.add(records)


class Control:
    """``api.control.DeliveryControl`` over delivery."""

    def __init__(self, delivery: Delivery, window: ProviderWindow) -> None:
        self._delivery, self._window = delivery, window

    async def refresh(self, mailing_id: int, *, is_new: bool = False) -> None:
        """See ``DeliveryControl``."""
        await self._delivery.refresh(mailing_id, is_new=is_new)

    async def clients_changed(self, client_ids: Sequence[int]) -> None:
        """See ``DeliveryControl``."""
        self._delivery.clients.changed(client_ids)

    async def clients_followed(self, client_ids: Sequence[int] | None = None) -> None:
        """See ``DeliveryControl``."""
        await self._delivery.clients.followed(client_ids)

    async def control_changed(self) -> None:
        """See ``DeliveryControl``."""
        await self._delivery.control_changed()

    def provider_calls(self) -> ProviderCalls:
        """See ``DeliveryControl``."""
        return self._window.calls(self._delivery.now_us())

    def forecast_rate(self) -> float:
        """See ``DeliveryControl``: what was seen at full speed, or else what the workers could do if the provider goes
        on answering as it did (with a speed that any machine has); of all engines, within the provider's rate."""
        delivery = self._delivery
        limit, workers = delivery.provider_rate, delivery.queue.workers
        own = delivery.sent_rate.full_speed(workers)
        if not own and (latency_seconds := self._window.mean_seconds()):
            own = min(_SPEED_UNSEEN, workers / latency_seconds)
        whole = own * max(1.0, sum(engine.workers for engine in delivery.engines) / workers)
        return min(whole, limit) if whole and limit else whole or limit

    def status(self) -> DeliveryStatus:
        """See ``DeliveryControl``."""
        delivery, now_us = self._delivery, self._delivery.now_us()
        return DeliveryStatus(
            engine_id=delivery.engine_id,
            workers=delivery.queue.workers,
            queue_size=delivery.queue.capacity,
            queue_depth=len(delivery.queue),
            in_flight=delivery.in_flight,
            rate_limit=delivery.provider_rate,
            rate_per_second=delivery.sent_rate.per_second(now_us),
            sending_paused=delivery.gate.sending_paused,
            breaker=self._breaker(now_us),
            engines=delivery.engines,
            actors=tuple(self._actors(now_us)),
        )

    def _actors(self, now_us: int) -> Iterator[ActorStatus]:
        """Each actor, or part, and how it is: what has stalled is not well, however well its actor feels."""
        stalls: dict[str, str] = {}
        for stall in self._delivery.liveness.stalls():
            stalls.setdefault(stall.part, str(stall))
        if fault := self._delivery.shared_clock.fault:
            stalls["clock_watch"] = fault
        for actor in self._delivery.health():
            words = stalls.pop(actor.name, "")
            is_well = actor.is_well(now_us) and not words
            # Hundreds of workers that are well say nothing.
            if not actor.name.startswith("worker-") or not is_well:
                yield ActorStatus(actor.name, is_well, actor.restarts, words or actor.last_error)
        for part, words in stalls.items():
            yield ActorStatus(part, healthy=False, detail=words)

    def health(self) -> Mapping[str, str | None]:
        """Each component and why it is not ready, for ``/readyz``."""
        status = self.status()
        components: dict[str, str | None] = {
            actor.name: None if actor.healthy else actor.detail or "is starting again" for actor in status.actors
        }
        components["provider"] = None if status.breaker.is_well else f"{status.breaker.state}: {status.breaker.detail}"
        return components

    def _breaker(self, now_us: int) -> BreakerStatus:
        gate = self._delivery.gate
        breaker = gate.breaker
        closed = breaker.state is BreakerState.CLOSED
        return BreakerStatus(
            state=breaker.state,
            next_probe_us=(gate.held_until_us(now_us) or None) if closed else breaker.ready_us(now_us),
            consecutive_failures=breaker.failures,
            detail=gate.detail,
            is_misaddressed=gate.is_misaddressed,
        )


def _tls(settings: Settings) -> Tls | None:
    if settings.grpc_tls_cert is None or settings.grpc_tls_key is None:
        return None
    return Tls(settings.grpc_tls_cert, settings.grpc_tls_key, settings.grpc_tls_client_ca)
