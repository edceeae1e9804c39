"""Calls of the API as spans of a trace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

import grpc
from grpc import aio

from common.tracing import Tracing
from engine.api.interceptors import Handler, Measure

_open: ContextVar[tuple[AbstractContextManager[Any], Any] | None] = ContextVar("open", default=None)
"""The span of the call that this task answers."""


class TraceInterceptor(aio.ServerInterceptor):
    """Begins a call's span; ``measured`` ends it, for gRPC tells an interceptor only of the begin. Both happen in the
    call's own task."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """See gRPC."""
        incoming = {key: value for key, value in handler_call_details.invocation_metadata if isinstance(value, str)}
        span = self._tracing.served(str(handler_call_details.method).removeprefix("/"), incoming)
        _open.set((span, span.__enter__()))
        handler = await continuation(handler_call_details)
        if handler is None:  # no such method, and so nobody measures it
            span.__exit__(None, None, None)
        return handler


def measured(measure: Measure) -> Measure:
    """Ends the call's span, too."""

    def end(method: str, code: str, seconds: float) -> None:
        measure(method, code, seconds)
        if (found := _open.get()) is not None:
            _open.set(None)
            found[1].set_attribute("rpc.grpc.status", code)
            found[0].__exit__(None, None, None)

    return end
