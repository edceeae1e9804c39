"""Compressed bodies, inflated by ourselves: in slices, after admission, and only as far as an honest file goes."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final

from common.error_codes import ErrorCode
from common.turns import Turns
from gateway.http.problems import Problem

ENCODINGS: Final = frozenset({"gzip", "deflate"})
RATIO_MAX: Final = 200
"""A table of clients shrinks to a tenth, one of equal rows to a hundredth."""
_FREE_BYTES: Final = 1024 * 1024
"""What may come out of however little."""
_SLICE_BYTES: Final = 64 * 1024
_BITE_BYTES: Final = 16 * 1024
"""Taken in at once: 16 KiB may hold 800 files of nothing, one after the other, and each is begun anew."""
_ZLIB_METHOD: Final = 8
_AUTO_WINDOW: Final = 32 + zlib.MAX_WBITS
"""The header says whether this is gzip or zlib."""


async def inflated(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """The body in slices of 64 KiB at most.

    Raises:
        Problem: 400, it is not encoded as it says, or cut off; 413, it grows more than a file of people does.
    """
    inflating, turns = _Inflating(encoding), Turns()
    async for chunk in chunks:
        for begin in range(0, len(chunk), _BITE_BYTES):
            inflating.add(chunk[begin : begin + _BITE_BYTES])
            while piece := inflating.next_piece():
                yield piece
                await turns.pause()
            await turns.pause()
    if not inflating.is_whole:
        raise _unreadable()


class _Inflating:
    """One body; a gzip file may consist of several members, one after the other."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._member: zlib._Decompress | None = None
        self._waiting = b""
        self._in_bytes = 0
        self._out_bytes = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing; true of an empty body."""
        return self._member is None

    def add(self, chunk: bytes) -> None:
        """Take more of the body."""
        self._waiting += chunk
        self._in_bytes += len(chunk)

    def next_piece(self) -> bytes:
        """What comes next; empty: more of the body is needed."""
        piece = b""
        while not piece and (self._waiting or self._member is not None):
            before = len(self._waiting)
            piece = self._inflate()
            if not piece and len(self._waiting) == before:
                break
        self._out_bytes += len(piece)
        if self._out_bytes - _FREE_BYTES > RATIO_MAX * self._in_bytes:
            raise Problem(413, ErrorCode.BODY_INFLATES.format(max=RATIO_MAX))
        return piece

    def _inflate(self) -> bytes:
        if self._member is None:
            is_bare = self._encoding == "deflate" and self._waiting[0] & 0xF != _ZLIB_METHOD
            self._member = zlib.decompressobj(-zlib.MAX_WBITS if is_bare else _AUTO_WINDOW)
        try:
            piece = self._member.decompress(self._waiting, _SLICE_BYTES)
        except zlib.error:
            raise _unreadable() from None
        self._waiting = self._member.unconsumed_tail
        if self._member.eof:
            self._waiting, self._member = self._member.unused_data, None
        return piece


def _unreadable() -> Problem:
    return Problem(400, ErrorCode.BODY_UNREADABLE.format())
