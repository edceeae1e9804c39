"""The short way for the one request that benches send by the million.

aiohttp serves some ten thousand requests a second on a core, less than the engine sends: the sandbox
would measure itself. So a connection starts here; ``POST …/v1/send/…`` in its plain form is answered at
once, and at the first request that is anything else the connection is handed over to aiohttp for good.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, cast

from common.hosts import HostGuard
from scripts.sandbox.desk import BODY_BYTES_MAX, OK, Desk, Reply

_METHOD: Final = b"POST "
_VERSION: Final = b" HTTP/1.1"
_OK_WIRE: Final = OK.wire()
_HEAD_BYTES_MAX: Final = 8192
_KNOWN_HEADS_MAX: Final = 10_000
_HEADER: Final = re.compile(rb"\r\n([!-9;-~]+):[ \t]*([^\r\n]*)")
_NOT_PLAIN: Final = frozenset({b"transfer-encoding", b"expect", b"content-encoding", b"upgrade", b"connection"})
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)


class _PlainHeaders:
    """``common.hosts.Headers`` of a mapping with lower-case names, each once."""

    def __init__(self, values: Mapping[bytes, bytes]) -> None:
        self._values = values

    def getall(self, key: str, default: Sequence[str], /) -> Sequence[str]:
        """See ``common.hosts.Headers``."""
        value = self._values.get(key.lower().encode())
        return default if value is None else (value.decode("latin-1"),)


class _Head(NamedTuple):
    """What matters of a request's headers."""

    body_bytes: int
    authorization: bytes | None


class FastLane:
    """What the connections share."""

    def __init__(
        self, desks: Mapping[bytes, Desk], hosts: HostGuard, hand_over: Callable[[], asyncio.Protocol]
    ) -> None:
        """Args: desks: by the path that a message's id follows."""
        self.desks = {path: (desk, b"Bearer " + desk.token.encode()) for path, desk in desks.items()}
        self._hosts = hosts
        self.hand_over = hand_over
        self.connections: set[FastConnection] = set()
        self._known: dict[bytes, _Head | None] = {}

    def head(self, raw: bytes) -> _Head | None:
        """Read headers; ``None``: not plain. Clients repeat themselves, so what was read once is kept."""
        try:
            return self._known[raw]
        except KeyError:
            if len(self._known) >= _KNOWN_HEADS_MAX:
                self._known.clear()
            head = self._known[raw] = self._read(raw)
            return head

    def _read(self, raw: bytes) -> _Head | None:
        found = _HEADER.findall(raw)
        headers = {name.lower(): value.strip() for name, value in found}
        length = headers.get(b"content-length", b"")
        is_plain = (
            len(headers) == len(found) == raw.count(b"\n")  # each line was read, no name twice
            and length.isdigit()
            and len(length) < 8  # digits; far above what is allowed
            and int(length) <= BODY_BYTES_MAX
            and not _NOT_PLAIN & headers.keys()
            and self._hosts.refusal("POST", _PlainHeaders(headers)) is None  # aiohttp's way says why
        )
        return _Head(int(length), headers.get(b"authorization")) if is_plain else None


class FastConnection(asyncio.Protocol):
    """One connection, as long as it sends nothing but plain calls."""

    def __init__(self, lane: FastLane) -> None:
        self._lane = lane
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._lane.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        self._lane.connections.discard(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        if self._is_waiting:
            self._buffer = data
            return
        head_end = data.find(b"\r\n\r\n")
        line_end = data.find(b"\r\n")
        if not data.startswith(_METHOD) or (head_end < 0 and len(data) > _HEAD_BYTES_MAX):
            self._leave(data)
        elif head_end < 0:
            self._buffer = data
        elif data[line_end - len(_VERSION) : line_end] != _VERSION:
            self._leave(data)
        else:
            self._request(data, line_end, head_end)

    def abort(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _request(self, data: bytes, line_end: int, head_end: int) -> None:
        path, _, path_id = data[len(_METHOD) : line_end - len(_VERSION)].rpartition(b"/")
        found = self._lane.desks.get(path)
        head = self._lane.head(data[line_end:head_end]) if found is not None else None
        if found is None or head is None:
            self._leave(data)
            return
        missing = head_end + 4 + head.body_bytes - len(data)
        if missing > 0:
            self._buffer = data
        elif missing < 0:  # the next request already: aiohttp knows how to keep the order
            self._leave(data)
        else:
            desk, bearer = found
            reply = desk.take(path_id, head.authorization == bearer, data[head_end + 4 :])
            self._answer(reply, desk.delay_seconds(path_id))

    def _answer(self, reply: Reply, delay_seconds: float) -> None:
        if delay_seconds and reply.status:
            self._is_waiting = True
            asyncio.get_running_loop().call_later(delay_seconds, self._write_late, reply)
        else:
            self._write(reply)

    def _write_late(self, reply: Reply) -> None:
        self._is_waiting = False
        self._write(reply)
        if self._buffer and self._transport is not None:
            self.data_received(b"")

    def _write(self, reply: Reply) -> None:
        if self._transport is None:
            return
        if reply is OK:
            self._transport.write(_OK_WIRE)
        elif reply.status:
            self._transport.write(reply.wire())
        elif reply.is_reset:
            reset(self._transport)
        else:  # hang: what comes next on this connection is not answered either
            self._is_waiting = True

    def _leave(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._lane.connections.discard(self)
        protocol = self._lane.hand_over()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)


def reset(transport: asyncio.BaseTransport) -> None:
    """End a connection with RST, not FIN."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    cast("asyncio.Transport", transport).abort()
