"""A load generator for HTTP/1.1: so many requests in flight, nothing else; a protocol on the bare event loop.

It reads what a server may answer with: a Content-Length, chunks, or a body up to the end of the connection; it keeps
connections open where the server does and opens new ones where it does not, as a browser or a proxy would.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

_MS: Final = 1000
_END: Final = b"\r\n\r\n"
_WAIT_SECONDS: Final = 30.0


class BadAnswer(Exception):
    """A server answered with something else than 200; the text shows it."""


@dataclass(slots=True)
class Round:
    """What one round has shown."""

    seconds: float = 0.0
    latencies_seconds: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Requests answered a second."""
        return len(self.latencies_seconds) / self.seconds

    def quantile_ms(self, percent: int) -> float:
        """So many percent were answered in at most this time, milliseconds."""
        return statistics.quantiles(self.latencies_seconds, n=100, method="inclusive")[percent - 1] * _MS


def get(path: str, address: str, token: str = "") -> bytes:
    """The bytes of a GET as a program's HTTP library sends it."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {address}", "Accept: application/json", "User-Agent: bench"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def load(address: str, requests: Sequence[bytes], in_flight: int, seconds: float) -> Round:
    """Send the requests in turn, over and over, so many at a time, for so long.

    Raises:
        BadAnswer: an answer was not 200.
        OSError: the server can't be reached.
        TimeoutError: an answer has not come within 30 s.
    """
    run = _Run(address, itertools.cycle(requests), time.perf_counter() + seconds)
    began = time.perf_counter()
    async with asyncio.timeout(seconds + _WAIT_SECONDS):
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(_caller(run))
    return Round(time.perf_counter() - began, run.latencies_seconds)


@dataclass(slots=True)
class _Run:
    address: str
    requests: Iterator[bytes]
    until: float
    latencies_seconds: list[float] = field(default_factory=list)


async def _caller(run: _Run) -> None:
    """One connection after the other, until the time is over."""
    host, _, port = run.address.rpartition(":")
    loop = asyncio.get_running_loop()
    while time.perf_counter() < run.until:
        _, protocol = await loop.create_connection(lambda: _Connection(run, loop.create_future()), host, int(port))
        try:
            await protocol.ended
        finally:
            protocol.close()


class _Connection(asyncio.Protocol):
    """Asks, waits for the whole answer, asks again; ``ended`` is done when the server or the time has ended it."""

    def __init__(self, run: _Run, ended: asyncio.Future[None]) -> None:
        self.ended = ended
        self._run = run
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._buffer += data
        head_end = self._buffer.find(_END)
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        if not head.startswith((b"http/1.1 200", b"http/1.0 200")):
            self._fail(self._buffer)
        elif _is_whole(head, self._buffer, head_end + len(_END)):
            self._answered(stays=b"\r\nconnection: close" not in head and head.startswith(b"http/1.1"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        if self.ended.done():
            return
        if self._buffer.find(_END) > 0:  # the end of the connection is the end of the body
            self._run.latencies_seconds.append(time.perf_counter() - self._began)
            self.ended.set_result(None)
        elif time.perf_counter() - self._began < _WAIT_SECONDS and not self._buffer:
            self.ended.set_result(None)  # an idle connection was closed just as it was used: the caller tries again
        else:
            self._fail(b"the connection ended within an answer")

    def close(self) -> None:
        """Give the socket back."""
        self._transport.close()

    def _answered(self, *, stays: bool) -> None:
        now = time.perf_counter()
        self._run.latencies_seconds.append(now - self._began)
        self._buffer = b""
        if stays and now < self._run.until:
            self._ask()
        else:
            self.ended.set_result(None)

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(next(self._run.requests))

    def _fail(self, what: bytes) -> None:
        if not self.ended.done():
            self.ended.set_exception(BadAnswer(what[:500].decode(errors="replace")))


def _is_whole(head: bytes, buffer: bytes, body_begin: int) -> bool:
    """Whether the answer's end is there; never for one that ends with the connection."""
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        value = head[at + len(b"\r\ncontent-length:") :].partition(b"\r\n")[0]
        return len(buffer) >= body_begin + int(value)
    return b"\r\ntransfer-encoding: chunked" in head and buffer.endswith(b"0\r\n\r\n")
