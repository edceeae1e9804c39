"""Around every call, of every kind: its caller is known and allowed to make it, errors become statuses, and the call
is measured."""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError
from grpc import StatusCode, aio

from common.error_codes import ErrorCode
from common.line_limit import LineLimit
from common.logs import get_logger
from engine.access.authority import Authority
from engine.api.caller import AUTHORIZATION, Call, key_of_caller, metadata_value, network_of_call, set_call
from engine.api.context import Context
from engine.api.errors import Stopping, Unimplemented, Unreadable, bug_reply, reply_to
from engine.api.open_calls import Cap, OpenCalls
from engine.domain.access import Forbidden, Identity, Requirement, Role, Unauthenticated
from engine.gateways import Gateways
from engine.ports import StoreUnavailable

log = get_logger(__name__)

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
T = TypeVar("T")
Measure = Callable[[str, str, float], None]
"""Told of each call when it ends: method (``/mailing.v1.ClientService/GetClient``), status, seconds."""

Parse = Callable[[bytes], Any]
"""From a message as it came to one of the method's type."""

_MESSAGE_SECONDS: Final = 10.0
_DRAIN_SECONDS: Final = 5.0
_DRAIN_PAUSE_SECONDS: Final = 0.5
_DRAIN_BYTES: Final = 8 * 1024 * 1024
_NOBODY: Final = Requirement(Role.ADMIN)

_lines: Final = LineLimit()


def no_measure(_method: str, _code: str, _seconds: float) -> None:
    """Nobody wants to know."""


class _Guarded(NamedTuple):
    """A method's handler, made once: gRPC asks for it at each call, and it is always the same one."""

    handler: Handler
    """For a caller who may call it."""
    refused: Callable[[Exception], Handler]
    """For one who may not: it reads nothing of what is sent."""


class CallInterceptor(aio.ServerInterceptor):
    """Refuses who may not call a method (``roles``); a method without a requirement refuses everybody.

    gRPC asks for a handler once the metadata of a call is there, and has not read a byte of its message: who is
    refused gets a handler that does not read, so that nobody's message is held in memory before he is known.
    Of methods that are open to all a few calls at a time are read, and none for long (``open_calls``).

    Turns what a servicer raises into a gRPC status (``errors``); what is not in that table is a
    bug: it is logged once, and the caller gets INTERNAL with a reference to that line and no more."""

    def __init__(
        self,
        authority: Authority,
        requirements: Mapping[str, Requirement | None],
        measure: Measure = no_measure,
        *,
        gateways: Gateways = Gateways(),  # noqa: B008 - never changes
        open_calls: OpenCalls | None = None,
    ) -> None:
        self._authority, self._requirements, self._measure = authority, requirements, measure
        self._gateways, self._open_calls = gateways, open_calls or OpenCalls()
        self._guarded: dict[str, _Guarded] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Choose the handler of one call."""
        method = str(handler_call_details.method)
        guarded = self._guarded.get(method)
        if guarded is None:
            handler = await continuation(handler_call_details)
            if handler is None:  # no such method: gRPC answers UNIMPLEMENTED
                return None
            guarded = self._guarded[method] = self._wrapped(handler, method)
        try:
            authorization = metadata_value(handler_call_details.invocation_metadata, AUTHORIZATION)
            identity = await self._admitted(method, authorization)
        except Exception as error:
            return guarded.refused(error)
        # The handler runs in this task.
        set_call(Call(identity, self._gateways))
        return guarded.handler

    async def _admitted(self, method: str, authorization: str | None) -> Identity | None:
        """Find out who calls; ``None``: the method is open to all. Raises Unauthenticated, or Forbidden when the
        caller's role is too low, or its account must set up two-step sign-in first."""
        if method not in self._requirements:
            raise Forbidden(ErrorCode.NOBODY_MAY.format())
        required = self._requirements[method]
        if required is None:
            return None
        identity = await self._authority.identify(authorization)
        if not required.allows(identity.role):
            names = {"required": required.words, "name": identity.name, "role": identity.role.word}
            raise Forbidden(ErrorCode.PERMISSION_DENIED.format(**names))
        if identity.totp_setup_required and not required.before_totp_setup:
            raise Forbidden(ErrorCode.TOTP_SETUP_REQUIRED.format())
        return identity

    def _wrapped(self, handler: Handler, method: str) -> _Guarded:
        response = "stream" if handler.response_streaming else "unary"
        inner = getattr(handler, f"{'stream' if handler.request_streaming else 'unary'}_{response}")
        parse = _parser(handler)
        is_open = self._requirements.get(method, _NOBODY) is None
        is_stream = handler.request_streaming or handler.response_streaming
        cap = self._open_calls.cap(method, is_open=is_open, is_stream=is_stream)

        async def answer_plainly(message: bytes, context: Context) -> Any:
            """Most calls: nothing to wait for, nothing to count. Each microsecond here is one of each request."""
            async with _Call(method, context, self._measure):
                return await inner(parse(message), context)

        async def answer(argument: Any, context: Context) -> Any:
            """For one response, and for handlers that write their responses themselves."""
            async with _Call(method, context, self._measure):
                with self._held(method, context, cap):
                    if handler.request_streaming:
                        return await self._answer_stream(inner, argument, parse, method, context)
                    message = await _only_message(argument) if is_open else argument
                    return await inner(parse(message), context)

        async def answers(argument: Any, context: Context) -> AsyncIterator[Any]:
            async with _Call(method, context, self._measure):
                with self._held(method, context, cap):
                    if handler.request_streaming:
                        items = inner(self._watched(argument, method, context, parse), context)
                    else:
                        items = inner(parse(await _only_message(argument) if is_open else argument), context)
                    async with aclosing(self._watched(items, method, context)) as responses:
                        async for each in responses:
                            yield each

        refused = self._refuser(method, handler.request_streaming, response)
        if not (inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)):
            # What a generated base class has in place of a method: ours are all asynchronous.
            return _Guarded(refused(Unimplemented(ErrorCode.UNIMPLEMENTED.format())), refused)
        # A handler that takes a stream is called before anything is read.
        request = "stream" if is_open or handler.request_streaming else "unary"
        reply = answer_plainly if cap is None else answers if inspect.isasyncgenfunction(inner) else answer
        return _Guarded(_handler(request, response, reply, handler.response_serializer), refused)

    def _refuser(self, method: str, request_streaming: bool, response: str) -> Callable[[Exception], Handler]:
        """Makes the handler for a call that is refused with an error: it takes a stream, and so nothing is read."""

        def refused(error: Exception) -> Handler:
            async def refuse(argument: Any, context: Context) -> None:
                async with _Call(method, context, self._measure):
                    if request_streaming and not isinstance(error, Unauthenticated):
                        await _read_out(argument)
                    raise error

            return _handler("stream", response, refuse, None)

        return refused

    @contextmanager
    def _held(self, method: str, context: Context, cap: Cap | None) -> Iterator[None]:
        assert cap is not None, "every stream and every open method has one"
        with self._open_calls.hold(method, key_of_caller(context), cap):
            yield

    async def _answer_stream(
        self, inner: Callable[..., Awaitable[T]], argument: Any, parse: Parse, method: str, context: Context
    ) -> T:
        try:
            async with aclosing(self._watched(argument, method, context, parse)) as requests:
                return await inner(requests, context)
        except Exception as error:
            # An engine that stops has no time for it; who is aborted has been told already.
            if not isinstance(error, Stopping | aio.AbortError):
                await _read_out(argument)
            raise

    async def _watched(
        self, items: AsyncIterator[Any], method: str, context: Context, parse: Parse | None = None
    ) -> AsyncGenerator[Any, None]:
        """The requests or responses of a stream, as long as its caller is welcome: what is revoked ends its streams."""
        authorization = metadata_value(context.invocation_metadata(), AUTHORIZATION)
        try:
            async for each in items:
                await self._admitted(method, authorization)
                yield each if parse is None else parse(each)
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()


def _handler(request: str, response: str, behavior: Any, serializer: Any) -> Handler:
    """A handler that gets messages as they came: we take them apart, for gRPC would log a traceback of each bad one."""
    make = getattr(grpc, f"{request}_{response}_rpc_method_handler")
    made: Handler = make(behavior, None, serializer)
    return made


def _parser(handler: Handler) -> Parse:
    deserialize = cast("Parse", handler.request_deserializer)

    def parse(message: bytes) -> Any:
        try:
            return deserialize(message)
        except DecodeError:
            raise Unreadable(ErrorCode.UNREADABLE_MESSAGE.format()) from None

    return parse


async def _only_message(requests: AsyncIterator[bytes]) -> bytes:
    """The message of somebody who may be anybody: it must come soon."""
    try:
        async with asyncio.timeout(_MESSAGE_SECONDS):
            return await anext(aiter(requests))
    except StopAsyncIteration:
        raise Unreadable(ErrorCode.NO_MESSAGE.format()) from None
    except TimeoutError:
        raise Unreadable(ErrorCode.NO_MESSAGE_IN_TIME.format(seconds=f"{_MESSAGE_SECONDS:g}")) from None


async def _read_out(requests: AsyncIterator[bytes]) -> None:
    """Read what a caller is still sending before it is told that it is refused, in bounds: until it pauses
    or ends. A call that ends while its caller writes loses its status in some clients (grpc.aio makes
    it INTERNAL "Internal error from Core")."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _DRAIN_SECONDS
    read_bytes = 0
    try:
        while loop.time() < deadline and read_bytes < _DRAIN_BYTES:
            async with asyncio.timeout(_DRAIN_PAUSE_SECONDS):
                read_bytes += len(await anext(requests))
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
            _lines.write(
                log.error, "rpc.failed", self._cause(), method=self._method, reference=reference, exc_info=error
            )
            reply = bug_reply(reference)
        if isinstance(error, StoreUnavailable):
            log.debug("rpc.store_unavailable", method=self._method, error=str(error))  # the store has warned of it
        status = reply.status()
        self._done(reply.code.name)
        await self._context.abort(reply.code, str(reply.fault), status.trailing_metadata or ())

    def _cause(self) -> tuple[str, str]:
        """Who made this call fail, and which: a caller must not fill the log."""
        return self._method, network_of_call(self._context)

    def _done(self, code: str) -> None:
        self._measure(self._method, code, time.perf_counter() - self._begin)


def _code_of(context: Context) -> str:
    """The name of the status that the handler has set; OK when it set none."""
    code: Any = context.code()
    return code.name if isinstance(code, StatusCode) else StatusCode.OK.name
