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
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from urllib.parse import urlsplit

from common.logs import get_logger
from common.setting_types import Listen
from common.settings import with_env_file
from common.tracing import Tracing
from engine.access.authority import Authority
from engine.access.first_sign_in import FirstSignIn
from engine.access.oidc.kinds import Client, OidcSettings, SignIns
from engine.access.seeding import seed, will_make
from engine.api.control import HELD_WORDS
from engine.api.server import ApiServer
from engine.api.tls import Tls
from engine.call_meter import CallMeter, Counted
from engine.clock import SystemClock
from engine.delivery.delivery import Delivery, DeliverySettings
from engine.delivery.line import Line, Supplier, way_of
from engine.delivery_for_api import DeliveryForApi
from engine.domain.message import Step
from engine.hooks.caller import Caller
from engine.hooks.herald import Herald, Hooks
from engine.metrics import BREAKER_STATES, Metrics, ProviderMetrics, outcome_of
from engine.metrics_server import MetricsServer, start_metrics_server
from engine.missing_providers import MissingProviders
from engine.ports import Clock, Provider
from engine.provider.configured import configured_providers
from engine.provider.file import ConfiguredProvider
from engine.provider.receipts import Receiver
from engine.provider.spec import ProviderSpec
from engine.provider.traced import TracedProvider
from engine.provider_window import ProviderWindow
from engine.report.mail import Mailer
from engine.report.reporter import Reporter, Schedule
from engine.setting_types import is_mail_address
from engine.settings import Settings
from engine.standing import open_standing
from engine.store.opening import sqlite_file
from engine.store.store import Store

_RPC_SHARE, _RPC_SECONDS = 0.1, 1.0
_CLOSING_SHARE, _CLOSING_SECONDS = 0.2, 2.0
_OUTCOMES_SHARE = 0.75
"""Of the time for closing: the rest is the store's."""

P = TypeVar("P", bound=Provider)

log = get_logger(__name__)


class Service:
    """One engine: ``start`` once, then ``stop`` once, also when ``start`` has failed."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.grpc_port = 0
        self.metrics_listen = settings.metrics_listen
        self._delivery: Delivery | None = None
        self._api: ApiServer | None = None
        self._hooks: Hooks | None = None
        self._metrics_server: MetricsServer | None = None
        self._reporter: Reporter | None = None
        self._resources: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """What lets go of what the others need, in the order in which they were opened."""
        self._tracing: Tracing | None = None
        self._providers: dict[str, Provider] = {}
        """By name, as they were made: what stands around them to trace their calls has not all of their abilities."""

    @property
    def delivery(self) -> Delivery:
        """Delivery, once ``start`` has made it."""
        if self._delivery is None:
            raise RuntimeError("the service has not been started")
        return self._delivery

    async def start(self) -> None:
        """Open, migrate, join, listen.

        Raises:
            BadSettings, DatabaseUnavailable, ListenError, OSError: with a line for the operator.
        """
        settings, clock = self.settings, SystemClock()
        configured = configured_providers(settings, with_env_file(os.environ, Path(".env")))
        self._trace()
        suppliers = self._suppliers(configured)
        self.store = await Store.open(settings.database_url)
        self._resources.insert(0, self.store.close)  # the last to go: providers hand over the receipts that have come
        self.store.on_step = self._count
        await self.store.read_wanted()
        await self._settle_copy([supplier.spec for supplier in suppliers])
        await self._seed()
        meter = CallMeter()
        self._delivery = delivery = await Delivery.join(
            self.store,
            suppliers,
            clock=clock,
            random=Random(),
            settings=DeliverySettings(**{f.name: getattr(settings, f.name) for f in fields(DeliverySettings)}),
            name=f"{socket.gethostname()}:{os.getpid()}",
            meter=meter,
        )
        missing = MissingProviders(self.store, [line.spec.name for line in delivery.state.lines])
        self._resources.append(missing.stop)
        control = self._follow(delivery, meter, missing)
        await delivery.start()
        missing.start()
        self.store.on_owners_told = delivery.actors.clients.owners_told
        open_standing(self._providers, self.store, clock, control)
        self._metrics_server = await start_metrics_server(
            self.metrics,
            settings.metrics_listen,
            control.health,
            settings.metrics_hosts,
            lambda: [*control.notes(), *missing.notes()],
        )
        self.metrics_listen = self._metrics_server.address
        await self._answer(control, {each.spec.name: each.receiver for each in configured if each.receiver is not None})
        log.info(
            "engine.started",
            grpc=str(Listen(settings.grpc_listen.host, self.grpc_port)),
            metrics=str(self.metrics_listen),
            database=settings.database_name,
            provider=", ".join(line.spec.name for line in delivery.state.lines),
            workers=delivery.state.workers,
            engine_id=delivery.state.engine_id,
        )

    async def _settle_copy(self, specs: Sequence[ProviderSpec]) -> None:
        """Send nothing from a database that is a copy of another one, until somebody lets it."""
        ids = await self.store.provider_ids([spec.name for spec in specs])
        ways = [way_of(ids[spec.name], spec) for spec in specs]
        if await self.store.settle_copy(ways, SystemClock().now_us()):
            log.warning("engine.held", reason=HELD_WORDS)

    async def _answer(self, control: DeliveryForApi, receivers: Mapping[str, Receiver]) -> None:
        """Serve the API, and tell of what happens: reports, webhooks."""
        settings, clock = self.settings, SystemClock()
        authority = Authority(
            self.store,
            clock,
            session_seconds=settings.session_seconds,
            oidc=_oidc(settings, clock),
            require_totp=settings.require_totp,
        )
        self._reporter = reporter = _reporter(settings, self.store, clock)
        self._api = api = ApiServer(
            self.store,
            control,
            clock,
            authority=authority,
            tls=_tls(settings),
            gateways=settings.gateways,
            audit_keep_days=settings.audit_keep_days,
            keep_days=settings.keep_days,
            event_keep_days=settings.event_keep_days,
            webhook_private=settings.webhook_private,
            measure=self._measure,
            default_time_zone=settings.default_time_zone,
            segments_max=settings.segments_max,
            stop_words=settings.stop_words,
            receivers=receivers,
            tracing=self._tracing,
            reporter=reporter,
        )
        self.metrics.at_risk_mailings.follow(lambda: api.risk.mailings)
        self.metrics.at_risk_messages.follow(lambda: api.risk.messages)
        self.grpc_port = await api.start(str(settings.grpc_listen))
        reporter.start()
        herald = Herald(self.store, clock, providers=control.provider_standings, foretell=api.outlook.of)
        webhooks = Caller(private=settings.webhook_private)
        self._hooks = Hooks(self.store, clock, Random(), webhooks, herald, self.metrics.webhook_called)
        self._hooks.start()

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
        listening += [] if self._hooks is None else [self._hooks.stop()]
        listening += [] if metrics_server is None else [metrics_server.close()]
        listening += [] if self._reporter is None else [self._reporter.stop()]
        await _within(2 * rpc_seconds, *listening)  # the calls themselves, and then what they have begun
        if delivery is not None:
            call_seconds = end - closing_seconds - clock()
            ending = delivery.stop(max(0.0, call_seconds), closing_seconds * _OUTCOMES_SHARE)
            await _within(end - clock(), ending)
        for close in reversed(self._resources):
            await _within(end - clock(), close())
        if self.grpc_port and self.is_whole:
            log.info("engine.stopped")

    @property
    def is_whole(self) -> bool:
        """After the stop: every outcome is stored, and what was not called is given back."""
        return self._delivery is None or not len(self._delivery.actors.recorder)

    def left_open(self) -> Mapping[str, object]:
        """See ``common.stopping.Service``."""
        delivery = self._delivery
        if delivery is None:
            return {"started": False}
        state, outcomes = delivery.state, len(delivery.actors.recorder)
        return {"in_hand": len(state.hand), "in_flight": state.in_flight, "outcomes": outcomes}

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

    def _suppliers(self, configured: Sequence[ConfiguredProvider]) -> list[Supplier]:
        in_order = sorted(configured, key=lambda each: each.spec.order)
        is_steered = self.settings.providers is None
        self._providers = {each.spec.name: self._kept(each.make()) for each in in_order}
        return [Supplier(each.spec, self._traced(each.spec.name), is_steered=is_steered) for each in in_order]

    def _trace(self) -> None:
        url = self.settings.traces_url
        if url is not None:
            self._tracing = tracing = Tracing.to(url, "mailing-engine")
            self._resources.append(lambda: asyncio.to_thread(tracing.close))

    def _traced(self, name: str) -> Provider:
        provider = self._providers[name]
        return provider if self._tracing is None else TracedProvider(provider, name, self._tracing)

    def _kept(self, provider: P) -> P:
        """A provider, to be let go of at the end."""
        self._resources.append(provider.close)
        return provider

    def _follow(self, delivery: Delivery, meter: CallMeter, missing: MissingProviders) -> DeliveryForApi:
        """Let the metrics follow delivery."""
        metrics, windows = self.metrics, {line.provider_id: ProviderWindow() for line in delivery.state.lines}
        metrics.due_lag_seconds.follow(lambda: delivery.actors.ticker.due_lag_seconds)
        metrics.stalled_seconds.follow(lambda: delivery.liveness.stalled_seconds)
        file = sqlite_file(self.settings.database_url)
        metrics.database_folder = None if file is None else file.absolute().parent
        of_line = {line.provider_id: metrics.provider(line.spec.name) for line in delivery.state.lines}
        meter.follow({id: Counted(of_line[id], window) for id, window in windows.items()})
        for line in delivery.state.lines:
            _follow_line(of_line[line.provider_id], line)
        return DeliveryForApi(delivery, windows, lambda: missing.found)


def _follow_line(metrics: ProviderMetrics, line: Line) -> None:
    metrics.queue_depth.follow(lambda: len(line.queue))
    metrics.in_flight.follow(lambda: line.queue.in_flight)
    metrics.workers.follow(lambda: line.queue.workers)
    metrics.breaker_state.follow(lambda: BREAKER_STATES[line.gate.breaker.state])


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


def _reporter(settings: Settings, store: Store, clock: Clock) -> Reporter:
    schedule = Schedule.of(settings.default_time_zone, settings.report_time)
    server, recipients = settings.mail_server, settings.report_to
    if server is None:
        return Reporter(store, clock, Random(), schedule)
    sender = settings.report_from or (server.user if is_mail_address(server.user) else recipients[0])
    return Reporter(store, clock, Random(), schedule, Mailer(server, sender), recipients)


def _oidc(settings: Settings, clock: Clock) -> SignIns | None:
    issuer, client_id, secret = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    if issuer is None or client_id is None:
        return None
    from engine.access.oidc.client import Oidc

    asked = OidcSettings(
        name=settings.oidc_name or urlsplit(issuer).hostname or issuer,
        client=Client(issuer, client_id, None if secret is None else secret.get_secret_value()),
        scopes=" ".join(settings.oidc_scopes.split()),
        role_claim=settings.oidc_role_claim,
        roles=dict(settings.oidc_roles),
        plaintext=settings.allow_plaintext,
    )
    return Oidc(asked, clock)


def _tls(settings: Settings) -> Tls | None:
    if settings.grpc_tls_cert is None or settings.grpc_tls_key is None:
        return None
    return Tls(settings.grpc_tls_cert, settings.grpc_tls_key, settings.grpc_tls_client_ca)
