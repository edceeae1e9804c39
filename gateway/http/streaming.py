"""Bodies that are longer than memory. Who sends or takes too slowly is cut off in ``gateway.http.connections``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from aiohttp import HttpVersion11, web

from common.error_codes import ErrorCode
from gateway.http.admission import is_admitted, whom_to_admit
from gateway.http.inflate import ENCODINGS, inflated
from gateway.http.keys import ADMISSION
from gateway.http.problems import Problem

Chunks = AsyncGenerator[bytes, None]
"""Bytes as they come, to be closed when no more are wanted."""
_AWAITED: Final = web.RequestKey("AWAITED", bool)
"""Set while the caller waits to be told that its body is wanted."""
_PLAIN: Final = frozenset({"", "identity"})


async def hold_continue(request: web.Request) -> None:
    """For ``Expect: 100-continue``: the caller is told to go on when its body is read, not before.

    So who is refused without a look at the body need not send it. Any other expectation is ignored.
    """
    expected = request.headers.get("Expect", "").lower() == "100-continue"
    request[_AWAITED] = expected and request.version >= HttpVersion11


def is_held(request: web.BaseRequest) -> bool:
    """Whether the caller still waits to be told to send the body."""
    return bool(request.get(_AWAITED))


async def _let_continue(request: web.Request) -> None:
    if request.get(_AWAITED):
        request[_AWAITED] = False
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # this is no part of an answer


async def body_chunks(request: web.Request, limit_bytes: int, *, compressed: bool = False) -> Chunks:
    """The body in the pieces in which it comes; the next one is read only when it is asked for.

    All bodies are read here, and none before it is known who calls (``gateway.http.admission``): an
    empty one too is looked at only for whoever may send it.

    Args:
        limit_bytes: how large it may be, inflated; 0: as large as it likes.
        compressed: whether it may be compressed.

    Raises:
        Problem: 401 or 403, see ``Admission.admit``; 413, it is larger; 415, it is encoded in a way that is not taken;
            400, it is badly encoded.
        RequestPayloadError: it is cut off.
    """
    if not is_admitted(request):
        await request.config_dict[ADMISSION].admit(request, whom_to_admit(request.match_info.handler))
    encoding = _encoding_of(request, ENCODINGS if compressed else frozenset())
    if 0 < limit_bytes < (request.content_length or 0):
        raise _too_large(limit_bytes)
    await _let_continue(request)
    chunks = _chunks(request)
    got_bytes = 0
    async for chunk in inflated(chunks, encoding) if encoding else chunks:
        got_bytes += len(chunk)
        if 0 < limit_bytes < got_bytes:
            raise _too_large(limit_bytes)
        yield chunk


def _encoding_of(request: web.Request, known: frozenset[str]) -> str:
    """What the body is compressed with; empty: with nothing. Raises Problem (415, RFC 9110, section 15.5.16)."""
    encoding = ",".join(request.headers.getall("Content-Encoding", ())).strip().lower()
    if encoding in _PLAIN:
        return ""
    if encoding not in known:
        taken = " or ".join(sorted(known, reverse=True)) or "identity"
        accepted = {"Accept-Encoding": ", ".join(sorted(known, reverse=True)) or "identity"}
        raise Problem(415, ErrorCode.BODY_ENCODING.format(choices=taken), headers=accepted)
    return encoding


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    while chunk := await _next_chunk(request):
        yield chunk


async def _next_chunk(request: web.Request) -> bytes:
    try:
        return await request.content.readany()
    except web.RequestPayloadError:
        request.content.feed_eof()  # else aiohttp reads on after the answer, and logs the same error as a bug of ours
        raise


def _too_large(limit_bytes: int) -> Problem:
    return Problem(413, ErrorCode.BODY_TOO_LARGE.format(max=limit_bytes))


def accept_header(request: web.Request) -> str:
    """The ``Accept`` headers as one; empty: anything is taken."""
    return ",".join(request.headers.getall("Accept", []))
