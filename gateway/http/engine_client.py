"""Calls to the engine on behalf of an HTTP request: whose they are, and how long they may take."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from aiohttp import web
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from common.error_codes import ErrorCode
from common.tracing import outgoing
from gateway.http.caller import address_of
from gateway.http.problems import Problem
from gateway.http.request_id import request_id
from gateway.metrics import Metrics
from mailing.v1.access_pb2 import Identity
from mailing.v1.access_service_pb2 import WhoAmIRequest
from mailing.v1.access_service_pb2_grpc import AccessServiceStub
from mailing.v1.client_service_pb2_grpc import ClientServiceStub
from mailing.v1.engine_service_pb2_grpc import EngineServiceStub
from mailing.v1.event_service_pb2_grpc import EventServiceStub
from mailing.v1.inbound_service_pb2_grpc import InboundServiceStub
from mailing.v1.mailing_service_pb2_grpc import MailingServiceStub
from mailing.v1.message_service_pb2_grpc import MessageServiceStub
from mailing.v1.receipt_service_pb2_grpc import ReceiptServiceStub
from mailing.v1.suppression_service_pb2_grpc import SuppressionServiceStub
from mailing.v1.webhook_service_pb2_grpc import WebhookServiceStub

if TYPE_CHECKING:  # these exist in the stubs' types only
    from mailing.v1.access_service_pb2_grpc import AccessServiceAsyncStub
    from mailing.v1.client_service_pb2_grpc import ClientServiceAsyncStub
    from mailing.v1.engine_service_pb2_grpc import EngineServiceAsyncStub
    from mailing.v1.event_service_pb2_grpc import EventServiceAsyncStub
    from mailing.v1.inbound_service_pb2_grpc import InboundServiceAsyncStub
    from mailing.v1.mailing_service_pb2_grpc import MailingServiceAsyncStub
    from mailing.v1.message_service_pb2_grpc import MessageServiceAsyncStub
    from mailing.v1.receipt_service_pb2_grpc import ReceiptServiceAsyncStub
    from mailing.v1.suppression_service_pb2_grpc import SuppressionServiceAsyncStub
    from mailing.v1.webhook_service_pb2_grpc import WebhookServiceAsyncStub

Metadata = tuple[tuple[str, str], ...]
Question_contra = TypeVar("Question_contra", contravariant=True)
Answer = TypeVar("Answer")
Call = TypeVar("Call", bound=aio.RpcContext)

AUTHORIZATION: Final = web.RequestKey("AUTHORIZATION", str)
"""What the engine is shown in place of the request's own header: the panel's sessions are in a cookie."""
TIMEOUT_HEADER: Final = "X-Request-Timeout"
"""Seconds that the caller will wait."""
_HEALTH_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 3600.0
"""So long streams go on over a channel that was replaced."""
_OF_STRANGERS: Final = frozenset(
    {
        StatusCode.UNAUTHENTICATED,
        StatusCode.CANCELLED,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.RESOURCE_EXHAUSTED,
        StatusCode.UNAVAILABLE,
    }
)
"""What the engine tells without having taken a token, or may have."""
KNOWN: Final = web.RequestKey("KNOWN", bool)
"""Set once the engine has taken the request's token: its caller is no stranger."""


class _Unary(Protocol[Question_contra, Answer]):
    """A method of a stub with one request and one answer."""

    def __call__(
        self, request: Question_contra, *, timeout: float | None = None, metadata: Any = None
    ) -> aio.UnaryUnaryCall[Any, Answer]: ...


class EngineClient:
    """The engine's services over one channel. What fails raises ``grpc.aio.AioRpcError`` (see ``problems.of_rpc``)."""

    def __init__(self, channel: aio.Channel, metrics: Metrics, call_seconds: float) -> None:
        self._metrics = metrics
        self._call_seconds = call_seconds
        self._before: dict[asyncio.Task[None], aio.Channel] = {}
        """Channels that were replaced, until the calls on them have ended."""
        self._connect(channel)

    def _connect(self, channel: aio.Channel) -> None:
        self._channel = channel
        self.clients: ClientServiceAsyncStub = ClientServiceStub(channel)
        self.mailings: MailingServiceAsyncStub = MailingServiceStub(channel)
        self.messages: MessageServiceAsyncStub = MessageServiceStub(channel)
        self.engine: EngineServiceAsyncStub = EngineServiceStub(channel)
        self.access: AccessServiceAsyncStub = AccessServiceStub(channel)
        self.suppressions: SuppressionServiceAsyncStub = SuppressionServiceStub(channel)
        self.inbound: InboundServiceAsyncStub = InboundServiceStub(channel)
        self.receipts: ReceiptServiceAsyncStub = ReceiptServiceStub(channel)
        self.events: EventServiceAsyncStub = EventServiceStub(channel)
        self.webhooks: WebhookServiceAsyncStub = WebhookServiceStub(channel)
        self._stubs: dict[str, Any] = {
            "ClientService": self.clients,
            "MailingService": self.mailings,
            "MessageService": self.messages,
            "EngineService": self.engine,
            "AccessService": self.access,
            "SuppressionService": self.suppressions,
            "InboundService": self.inbound,
            "ReceiptService": self.receipts,
            "EventService": self.events,
            "WebhookService": self.webhooks,
        }
        self._health: Any = health_pb2_grpc.HealthStub(channel)

    def method(self, service: str, name: str) -> Any:
        """The stub's method of a service, on the channel that is in use."""
        return getattr(self._stubs[service], name)

    def use(self, channel: aio.Channel) -> None:
        """Make later calls through another channel; calls under way end on the one before, which is closed then."""
        before = self._channel
        self._connect(channel)
        task = asyncio.create_task(before.close(_GRACE_SECONDS))
        self._before[task] = before
        task.add_done_callback(self._before.pop)

    async def close(self) -> None:
        """Close the channels; calls under way are cancelled."""
        for channel in [*self._before.values(), self._channel]:
            await channel.close()

    async def call(
        self,
        request: web.Request,
        method: _Unary[Question_contra, Answer],
        message: Question_contra,
        *,
        seconds: float | None = None,
    ) -> Answer:
        """Call ``method`` once for ``request``: with its token, and cancelled when the handler is.

        ``seconds`` is the longest it may take, ``MAILING_CALL_SECONDS`` without; the caller's own
        ``X-Request-Timeout`` makes it less.

        Raises:
            AioRpcError: what the engine says, or that it can't be reached.
            Problem: 422, ``X-Request-Timeout`` is no number of seconds.
        """
        limit = min(self._call_seconds if seconds is None else seconds, patience_of(request))
        return await self._once(request, method, message, limit)

    async def identify(self, request: web.Request) -> Identity:
        """Ask who calls, for as long as the engine may take; see ``gateway.http.admission``. Raises AioRpcError."""
        return await self._once(request, self.access.WhoAmI, WhoAmIRequest(), self._call_seconds)

    async def _once(
        self,
        request: web.Request,
        method: _Unary[Question_contra, Answer],
        message: Question_contra,
        limit_seconds: float,
    ) -> Answer:
        call = method(message, timeout=limit_seconds, metadata=self.metadata(request))
        with _Measured(self._metrics, method, request) as measured:
            answer = await call
            measured.code = StatusCode.OK
            return answer

    @asynccontextmanager
    async def stream(self, method: Any, call: Call, request: web.Request | None = None) -> AsyncIterator[Call]:
        """Measure a stream that was just begun, and cancel it at the end of the block, whatever ends it::

        begun = engine.mailings.WatchMailing(message, metadata=engine.metadata(request))
        async with engine.stream(engine.mailings.WatchMailing, begun, request) as call:
            async for each in call: ...
        """
        with _Measured(self._metrics, method, request) as measured:
            try:
                yield call
                measured.code = StatusCode.OK
            finally:
                call.cancel()

    def metadata(self, request: web.Request) -> Metadata:
        """What travels with each call for ``request``: its token as it is, its id, and who asks."""
        found = [("x-request-id", request_id(request)), ("x-forwarded-for", address_of(request) or "unknown")]
        found += outgoing().items()
        token = authorization_of(request)
        if token is not None:
            found.append(("authorization", token))
        return tuple(found)

    async def is_serving(self, service: str = "") -> bool:
        """Ask the engine's health service whether its API works, or its ``delivery``. Raises AioRpcError when it does
        not answer."""
        asked = health_pb2.HealthCheckRequest(service=service)
        answer = await self._health.Check(asked, timeout=_HEALTH_SECONDS)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def authorization_of(request: web.Request) -> str | None:
    """What the engine is shown of who calls; ``None``: nothing that gRPC could carry."""
    token = request.get(AUTHORIZATION) or request.headers.get("Authorization")
    return token if token is not None and token.isascii() and token.isprintable() else None


def patience_of(request: web.Request) -> float:
    """How long the caller will wait, in seconds. Raises Problem (422): ``X-Request-Timeout`` is no number of them."""
    text = request.headers.get(TIMEOUT_HEADER)
    if text is None:
        return math.inf
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        fault = ErrorCode.BAD_TIMEOUT.format()
        raise Problem(422, fault.worded(f"{TIMEOUT_HEADER}: {fault}"), [(f"/{TIMEOUT_HEADER}", fault)])
    return seconds


class _Measured:
    """Counts how long a call took, and how it ended."""

    __slots__ = ("_began", "_method", "_metrics", "_request", "code")

    def __init__(self, metrics: Metrics, method: Any, request: web.Request | None) -> None:
        self._metrics, self._request = metrics, request
        self._method: str = method_name(method)
        self._began = time.perf_counter()
        self.code = StatusCode.CANCELLED

    def __enter__(self) -> _Measured:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, aio.AioRpcError):
            self.code = error.code()
        if self._request is not None and self.code not in _OF_STRANGERS:
            self._request[KNOWN] = True
        seconds = time.perf_counter() - self._began
        self._metrics.rpcs.of(self._method, self.code.name).observe(seconds)


def method_name(method: Any) -> str:
    """The full name of a stub's method: ``/mailing.v1.ClientService/GetClient``."""
    name = method._method  # the only place where grpc.aio keeps it
    return name.decode() if isinstance(name, bytes) else str(name)
