"""The fastest provider that Python can be: accepts every call without reading it.

For benches only, so that the server is not what is measured; the sandbox is the one that checks.
``python scripts/bench/mock_provider.py --core 1`` prints its base URL as one line and runs until killed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from functools import partial
from typing import Final, cast

import uvloop

_ACCEPTED: Final = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 25\r\n\r\n{"code":0,"message":"OK"}'
)
_LENGTH: Final = b"ontent-length: "


class MockProvider(asyncio.Protocol):
    """Answers as soon as one whole request is there; a client must wait for the answer before the next."""

    def __init__(self, latency_seconds: float, watched: bytes) -> None:
        self._latency_seconds, self._watched = latency_seconds, watched
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        data = self._buffer + data
        head_end = data.find(b"\r\n\r\n")
        at = data.find(_LENGTH) if b"ontent-length" in data else data.find(b"ontent-Length: ")
        if head_end < 0 or len(data) < head_end + 4 + int(data[at + len(_LENGTH) : data.find(b"\r", at)]):
            self._buffer = data
            return
        self._buffer = b""
        if self._watched and (at := data.find(self._watched)) >= 0:
            word = data[at : data.find(b'"', at)].decode()
            print(f"{time.time_ns() // 1000} {word}", flush=True)
        if self._latency_seconds:
            asyncio.get_running_loop().call_later(self._latency_seconds, self._answer)
        else:
            self._transport.write(_ACCEPTED)

    def _answer(self) -> None:
        if not self._transport.is_closing():  # its engine may have been killed meanwhile
            self._transport.write(_ACCEPTED)


async def _serve(latency_seconds: float, watched: bytes) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(MockProvider, latency_seconds, watched), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Parse the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, help="run on this core only")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="each answer waits so long")
    parser.add_argument(
        "--watch", default="", help="for each request with this in it, a line: microseconds, and the text from it on"
    )
    arguments = parser.parse_args()
    if arguments.core is not None:
        os.sched_setaffinity(0, {arguments.core})
    uvloop.run(_serve(arguments.latency_seconds, arguments.watch.encode()))


if __name__ == "__main__":
    main()
