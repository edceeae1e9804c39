"""Bodies that are longer than memory. Who sends or takes too slowly is cut off in ``gateway.connections``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from aiohttp import HttpVersion11, web

from gateway.problems import Problem

_AWAITED: Final = web.RequestKey("AWAITED", bool)
"""Set while the caller waits to be told that its body is wanted."""
_ENCODINGS: Final = frozenset({"", "identity", "gzip", "deflate"})
"""Of bodies; aiohttp decodes them."""


def unknown_encoding() -> Problem:
    """A body is compressed in a way that is not known here (RFC 9110, section 15.5.16)."""
    accepted = {"Accept-Encoding": "gzip, deflate"}
    return Problem(415, "Content-Encoding must be gzip or deflate, or not be there", headers=accepted)


async def hold_continue(request: web.Request) -> None:
    """For ``Expect: 100-continue``: the caller is told to go on when its body is read, not before.

    So who is refused without a look at the body need not send it. Any other expectation is ignored.
    """
    expected = request.headers.get("Expect", "").lower() == "100-continue"
    request[_AWAITED] = expected and request.version >= HttpVersion11


async def _let_continue(request: web.Request) -> None:
    if request.get(_AWAITED):
        request[_AWAITED] = False
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # this is no part of an answer


async def body_chunks(request: web.Request, limit_bytes: int) -> AsyncIterator[bytes]:
    """The body in the pieces in which it comes; the next one is read only when it is asked for.

    Args:
        limit_bytes: how large it may be; 0: as large as it likes.

    Raises:
        Problem: 413, it is larger; 415, it is encoded in a way that is not known.
        RequestPayloadError: it is cut off or badly encoded.
    """
    if request.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
        raise unknown_encoding()
    if 0 < limit_bytes < (request.content_length or 0):
        raise _too_large(limit_bytes)
    await _let_continue(request)
    got_bytes = 0
    while chunk := await _next_chunk(request):
        got_bytes += len(chunk)
        if 0 < limit_bytes < got_bytes:
            raise _too_large(limit_bytes)
        yield chunk


async def _next_chunk(request: web.Request) -> bytes:
    try:
        return await request.content.readany()
    except web.RequestPayloadError:
        request.content.feed_eof()  # else aiohttp reads on after the answer, and logs the same error as a bug of ours
        raise


def _too_large(limit_bytes: int) -> Problem:
    return Problem(413, f"the body is larger than {limit_bytes} bytes")


def accept_header(request: web.Request) -> str:
    """The ``Accept`` headers as one; empty: anything is taken."""
    return ",".join(request.headers.getall("Accept", []))
