"""The gRPC server: services, health, reflection, TLS."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import Any, Final, cast

from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from common.contract.services import SERVICES
from common.tracing import Tracing
from engine.access.authority import Authority
from engine.api.access import AccessServicer
from engine.api.background import Background
from engine.api.backups import Backups
from engine.api.breakdowns import Breakdowns
from engine.api.clients import ClientServicer
from engine.api.control import DeliveryControl
from engine.api.engine import EngineServicer
from engine.api.health import HealthFollower
from engine.api.housekeeping import KEEP_AUDIT_DAYS, Housekeeping
from engine.api.interceptors import CallInterceptor, Measure, no_measure
from engine.api.mailings import MailingServicer
from engine.api.messages import MessageServicer
from engine.api.outlook import Outlook
from engine.api.questions import Questions
from engine.api.receipts import ReceiptServicer
from engine.api.reports import Reports
from engine.api.risk import RiskWatch
from engine.api.roles import requirements
from engine.api.suppressions import InboundServicer, SuppressionServicer
from engine.api.tls import ListenError, ServerCertificate, Tls
from engine.api.traced import TraceInterceptor, measured
from engine.api.watch import PERIOD_SECONDS, Watch
from engine.api.webhooks import EventServicer, WebhookServicer
from engine.domain.events import KEEP_DAYS
from engine.domain.stop_words import STOP_WORDS, StopWords
from engine.domain.validate import DEFAULT_TIME_ZONE, SEGMENTS_MAX
from engine.gateways import Gateways
from engine.ports import Clock
from engine.provider.receipts import Receiver
from engine.report.reporter import Reporter, Schedule
from engine.store.store import Store

_MIB: Final = 1024 * 1024
MESSAGE_BYTES_MAX: Final = _MIB
"""Of a message to the engine."""
CONNECTIONS_MAX: Final = 1_000
"""Of all callers together: gRPC for Python has no limit for one address."""

OPTIONS: Final = (
    # A second process on the same port must fail, not take half of the calls.
    ("grpc.so_reuseport", 0),
    # Also of what a compressed message becomes. An import's page of 1,000 rows with the longest tags, all Cyrillic, is
    # 300 KiB; a mailing with the longest text and filter 280 KiB.
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    # 1,000 mailings of 4,096 Cyrillic letters each and filters of 1,000 entries fit; clients set their own limit.
    ("grpc.max_send_message_length", 64 * _MIB),
    # A peer that vanished without a word is noticed within 40 s, and its streams end.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Callers may ping as often as every 10 s, with or without calls.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
    # Windows stay at 64 KiB. Grown by probes, five strangers with 7.8 MB messages each took 100 MiB until they were
    # told that nobody reads them; now 7. An import from far away is slower for it: 1.3 MB/s at 50 ms.
    ("grpc.http2.bdp_probe", 0),
    # A gateway has one connection for all its calls; who opens connections without end gets no more of them than this.
    ("grpc.max_concurrent_streams", 2_048),
    ("grpc.max_allowed_incoming_connections", CONNECTIONS_MAX),
    # Who says nothing keeps his connection for so long; a gateway that is idle connects again at its next call.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
)

NO_RECEIVERS: Final[Mapping[str, Receiver]] = MappingProxyType({})


class ApiServer:
    """``start`` once, ``stop`` once. The store is open and delivery started before, and ended after."""

    def __init__(
        self,
        store: Store,
        control: DeliveryControl,
        clock: Clock,
        *,
        authority: Authority | None = None,
        tls: Tls | None = None,
        gateways: Gateways = Gateways(),  # noqa: B008 - never changes
        audit_keep_days: float = KEEP_AUDIT_DAYS,
        keep_days: float = 0,
        event_keep_days: float = KEEP_DAYS,
        webhook_private: bool = False,
        measure: Measure = no_measure,
        watch_period_seconds: float = PERIOD_SECONDS,
        default_time_zone: str = DEFAULT_TIME_ZONE,
        segments_max: int = SEGMENTS_MAX,
        stop_words: Sequence[str] = STOP_WORDS,
        receivers: Mapping[str, Receiver] = NO_RECEIVERS,
        reporter: Reporter | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        """Wire it up.

        Args:
            authority: who decides who is calling, with the usual settings unless given; it is closed with this.
            default_time_zone: that of a client for whom none is said.
            webhook_private: webhooks may be addresses of this machine and of private networks.
            stop_words: texts that put their sender's number on the stop list.
            receivers: what reads receipts in a provider's own form, by the provider's name.
            reporter: who mails the daily report; unless given, reports are only shown.
            tracing: who makes a span of each call; ``None``: nobody.
        """
        reporter = reporter or Reporter(store, clock, Random(), Schedule.of(default_time_zone))
        self._authority = authority or Authority(store, clock)
        self._tls = tls
        self._certificate: ServerCertificate | None = None
        self._stopping = asyncio.Event()
        self._background = Background()
        self._health = HealthFollower(control)
        self._housekeeping = Housekeeping(
            store, clock, audit_keep_days=audit_keep_days, event_keep_days=event_keep_days, keep_days=keep_days
        )
        if tracing is not None:
            measure = measured(measure)
        self._interceptor = CallInterceptor(
            self._authority, requirements(SERVICES.values()), measure, gateways=gateways
        )
        around = () if tracing is None else (TraceInterceptor(tracing),)
        self._server = aio.server(interceptors=(*around, self._interceptor), options=OPTIONS)
        services = cast("aio.Server", _Generic(self._server))
        self.outlook = outlook = Outlook(store, control, clock)
        self.risk = RiskWatch(outlook)
        backups = Backups(store, clock, self._stopping)
        questions = Questions(is_sending := lambda: control.status().in_flight > 0)
        self._breakdowns = breakdowns = Breakdowns(store, clock, questions, is_sending)
        watch = Watch(store, clock, outlook, self._stopping, watch_period_seconds)
        for servicer in (
            ClientServicer(store, control, clock, self._background, self._stopping, default_time_zone, questions),
            MailingServicer(
                store, control, clock, self._background, watch, outlook, questions, breakdowns, segments_max
            ),
            MessageServicer(store, questions, self._stopping),
            EngineServicer(store, control, clock, self._background, outlook, questions, Reports(reporter), backups),
            SuppressionServicer(store, control, clock, self._background, self._stopping, questions),
            InboundServicer(store, control, clock, self._background, StopWords(stop_words)),
            ReceiptServicer(store, control, clock, self._background, receivers),
            EventServicer(store),
            WebhookServicer(store, clock, self._background, private=webhook_private),
            AccessServicer(store, self._authority, clock, self._background),
        ):
            _serve(servicer, services)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, services)
        # It looks at the server's class to find out how to answer.
        reflection.enable_server_reflection(_service_names(), self._server)

    async def start(self, address: str) -> int:
        """Listen on ``host:port`` (port 0: any free one) and serve; return the port.

        Raises:
            ListenError: the address is taken or not ours, or the certificate is no good.
        """
        try:
            if self._tls is None:
                port = self._server.add_insecure_port(address)
            else:
                self._certificate = self._tls.credentials()
                port = self._server.add_secure_port(address, self._certificate.credentials)
        except (RuntimeError, ValueError):
            reason = "it is in use or not an address of this machine" + (
                ", or the TLS files are bad" if self._tls else ""
            )
            raise ListenError(f"can't listen on {address}: {reason}") from None
        await self._health.start()
        await self._server.start()
        self._housekeeping.start()
        self.risk.start()
        self._breakdowns.start()
        return port

    def reload(self) -> None:
        """Read the certificate again at the next connection."""
        if self._certificate is not None:
            self._certificate.reload()

    async def stop(self, grace_seconds: float) -> None:
        """Take no new calls, end the streams, let the other calls end within ``grace_seconds``, and what they have
        begun within as many again."""
        await self._breakdowns.stop()
        await self.risk.stop()
        await self._housekeeping.stop()
        await self._health.stop()
        self._stopping.set()
        await self._server.stop(grace_seconds)
        await self._background.close(grace_seconds)
        await self._authority.close()


class _Generic:
    """The server as the stubs see it when they add themselves to it: without the list of their methods.

    With that list grpc.aio asks for the next call of each method by itself, and at every call waits anew for all of
    them: some 50, which cost 15 us of the call. Handlers by name do the same for all methods at once."""

    def __init__(self, server: aio.Server) -> None:
        self.add_generic_rpc_handlers: Final = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, _service: str, _handlers: Mapping[str, Any]) -> None:
        """Leave them out."""


def _serve(servicer: object, services: aio.Server) -> None:
    """Register what was made for a service of the contract: the generated class it is made of is beside the function
    that registers it."""
    (generated,) = (base for base in type(servicer).__mro__ if base.__module__.endswith("_service_pb2_grpc"))
    getattr(sys.modules[generated.__module__], f"add_{generated.__name__}_to_server")(servicer, services)


def _service_names() -> list[str]:
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    return [*(service.full_name for service in SERVICES.values()), health, reflection.SERVICE_NAME]
