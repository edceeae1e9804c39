"""Around every call, of every kind: its caller is known and allowed to make it, errors become statuses, and the call
is measured."""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final, TypeAlias, TypeVar

import grpc
from grpc import StatusCode, aio

from common.logs import get_logger
from engine.access.authority import Authority
from engine.api.caller import AUTHORIZATION, metadata_value, set_identity
from engine.api.errors import Stopping, reply_to
from engine.api.roles import Requirement
from engine.domain.access import Forbidden
from engine.ports import StoreUnavailable

log = get_logger(__name__)

Context = aio.ServicerContext[Any, Any]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
T = TypeVar("T")
Measure = Callable[[str, str, float], None]
"""Told of each call when it ends: method (``/mailing.v1.ClientService/GetClient``), status, seconds."""

_DRAIN_SECONDS: Final = 5.0
_DRAIN_PAUSE_SECONDS: Final = 0.5


def no_measure(_method: str, _code: str, _seconds: float) -> None:
    """Nobody wants to know."""


class CallInterceptor(aio.ServerInterceptor):
    """Refuses who may not call a method (``roles``); a method without a requirement refuses everybody.

    Turns what a servicer raises into a gRPC status (``errors``); what is not in that table is a
    bug: it is logged once, and the caller gets INTERNAL with a reference to that line and no more."""

    def __init__(
        self, authority: Authority, requirements: Mapping[str, Requirement], measure: Measure = no_measure
    ) -> None:
        self._authority, self._requirements, self._measure = authority, requirements, measure
        self._handlers: dict[str, Handler] = {}
        """By method, wrapped: gRPC asks for a handler at each call, and it is always the same one."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Wrap the handler of one call."""
        method = str(handler_call_details.method)
        wrapped = self._handlers.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:  # no such method: gRPC answers UNIMPLEMENTED
                return None
            wrapped = self._handlers[method] = self._wrapped(handler, method)
        return wrapped

    def _wrapped(self, handler: Handler, method: str) -> Handler:
        request = "stream" if handler.request_streaming else "unary"
        response = "stream" if handler.response_streaming else "unary"
        inner = getattr(handler, f"{request}_{response}")
        is_generator = inspect.isasyncgenfunction(inner)

        async def answer(argument: Any, context: Context) -> Any:
            """For one response, and for handlers that write their responses themselves."""
            async with _Call(method, context, self._measure):
                try:
                    await self._admit(method, context)
                    if not handler.request_streaming:
                        return await inner(argument, context)
                    async with aclosing(self._watched(argument, method, context)) as requests:
                        return await inner(requests, context)
                except Exception as error:
                    # An engine that stops has no time for it; who is aborted has been told already.
                    if handler.request_streaming and not isinstance(error, Stopping | aio.AbortError):
                        await _read_out(argument)
                    raise

        async def answers(argument: Any, context: Context) -> AsyncIterator[Any]:
            async with _Call(method, context, self._measure):
                await self._admit(method, context)
                async with aclosing(self._watched(inner(argument, context), method, context)) as responses:
                    async for each in responses:
                        yield each

        make = getattr(grpc, f"{request}_{response}_rpc_method_handler")
        wrapped: Handler = make(
            answers if is_generator else answer, handler.request_deserializer, handler.response_serializer
        )
        return wrapped

    async def _admit(self, method: str, context: Context) -> None:
        """Find out who calls. Raises Unauthenticated, or Forbidden when the caller's role is too low."""
        if method not in self._requirements:
            raise Forbidden("nobody may call this method")
        required = self._requirements[method]
        if required is None:
            set_identity(None)
            return
        identity = await self._authority.identify(metadata_value(context, AUTHORIZATION))
        if not identity.role.allows(required):
            raise Forbidden(f"this needs the role {required.word}; {identity.name} has the role {identity.role.word}")
        set_identity(identity)

    async def _watched(self, items: AsyncIterator[T], method: str, context: Context) -> AsyncGenerator[T, None]:
        """The requests or responses of a stream, as long as its caller is welcome: what is revoked ends its streams."""
        try:
            async for each in items:
                await self._admit(method, context)
                yield each
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()


async def _read_out(requests: AsyncIterator[Any]) -> None:
    """Read what a caller is still sending before it is told that it is refused, in bounds: until it pauses
    or ends. A call that ends while its caller writes loses its status in some clients (grpc.aio makes
    it INTERNAL "Internal error from Core")."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DRAIN_SECONDS
    try:
        while loop.time() < deadline:
            async with asyncio.timeout(_DRAIN_PAUSE_SECONDS):
                await anext(requests)
    except (StopAsyncIteration, TimeoutError):
        return
    except Exception as error:
        # What the caller is told is why it was refused, not what was wrong with the rest.
        log.debug("rpc.read_out_failed", error=repr(error))


class _Call:
    """One call, from its begin to its end."""

    def __init__(self, method: str, context: Context, measure: Measure) -> None:
        self._method, self._context, self._measure = method, context, measure
        self._begin = time.perf_counter()

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Measure; abort with the status that belongs to the error. Cancellation passes through."""
        if isinstance(error, Exception) and not isinstance(error, aio.AbortError):
            await self._abort(error)
        elif error is None or isinstance(error, aio.AbortError):
            self._done(_code_of(self._context))
        else:
            self._done(StatusCode.CANCELLED.name)

    async def _abort(self, error: Exception) -> None:
        reply = reply_to(error)
        if reply is None:
            reference = uuid.uuid4().hex[:12]
            log.error("rpc.failed", method=self._method, reference=reference, exc_info=error)
            self._done(StatusCode.INTERNAL.name)
            await self._context.abort(StatusCode.INTERNAL, f"internal error, reference {reference}")
        if isinstance(error, StoreUnavailable):
            log.warning("rpc.store_unavailable", method=self._method, error=str(error))
        status = reply.status()
        self._done(reply.code.name)
        await self._context.abort(reply.code, reply.message, status.trailing_metadata or ())

    def _done(self, code: str) -> None:
        self._measure(self._method, code, time.perf_counter() - self._begin)


def _code_of(context: Context) -> str:
    """The name of the status that the handler has set; OK when it set none."""
    code: Any = context.code()
    return code.name if isinstance(code, StatusCode) else StatusCode.OK.name
