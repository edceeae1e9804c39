"""A gRPC channel whose calls all carry an API token: for benches, campaigns and tests, which call the stubs by hand.

Not an interceptor: grpc.aio answers intercepted streams through a queue of its own, which is slower and ends otherwise.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar, cast

import grpc
from grpc import aio

C = TypeVar("C", aio.Channel, grpc.Channel)

API_TOKEN: Final = "a-token-for-tests-and-benches"
"""What an engine that is started for a bench or a test gets as ``MAILING_API_TOKEN``."""


def metadata(token: str = API_TOKEN) -> tuple[tuple[str, str], ...]:
    """The metadata of a call with this token."""
    return (("authorization", f"Bearer {token}"),)


def with_token(channel: C, token: str = API_TOKEN) -> C:
    """The channel as a stub wants it, with the token in each call; it ends with the channel given."""
    return cast("C", _TokenChannel(channel, metadata(token)))


class _TokenChannel:
    def __init__(self, channel: Any, extra: tuple[tuple[str, str], ...]) -> None:
        self._channel, self._extra = channel, extra

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._channel, name)
        if name not in ("unary_unary", "unary_stream", "stream_unary", "stream_stream"):
            return found

        def method(*arguments: Any, **options: Any) -> Any:
            call = found(*arguments, **options)
            return lambda *args, metadata=None, **kwargs: call(
                *args, metadata=(*(metadata or ()), *self._extra), **kwargs
            )

        return method
