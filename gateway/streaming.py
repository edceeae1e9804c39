"""Bodies that are longer than memory. Who sends or takes too slowly is cut off in ``gateway.connections``."""

from __future__ import annotations

from collections.abc import AsyncIterator

from aiohttp import web

from gateway.problems import Problem


async def body_chunks(request: web.Request, limit_bytes: int) -> AsyncIterator[bytes]:
    """The body in the pieces in which it comes; the next one is read only when it is asked for.

    Args:
        limit_bytes: how large it may be; 0: as large as it likes.

    Raises:
        Problem: 413, it is larger.
        RequestPayloadError: it is cut off or badly encoded.
    """
    got_bytes = 0
    while chunk := await request.content.readany():
        got_bytes += len(chunk)
        if 0 < limit_bytes < got_bytes:
            raise Problem(413, f"the body is larger than {limit_bytes} bytes")
        yield chunk


def accept_header(request: web.Request) -> str:
    """The ``Accept`` headers as one; empty: anything is taken."""
    return ",".join(request.headers.getall("Accept", []))
