"""A workbook (.xlsx) as bytes that ``RowReader("sheet")`` reads; see ``gateway.tables.sheet_program``."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing, suppress
from importlib.util import find_spec
from typing import IO, Final

from common.error_codes import ErrorCode
from gateway.tables.text_lines import MAX_LINE_BYTES, UnreadableInput

WORKBOOK_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAGIC: Final = b"PK\x03\x04"
"""The first bytes of a workbook, and of any other zip archive."""
_PROGRAM: Final = "gateway.tables.sheet_program"
MEMORY_BYTES: Final = 1024**3
"""Of the process that reads a workbook. One of 700,000 rows of 10 columns takes that much."""
CPU_SECONDS: Final = 60
"""Of that process; those 700,000 rows take 12."""
READERS_MAX: Final = 2
"""Workbooks that are read at a time: so many times MEMORY_BYTES is what they take at most."""
_CHUNK_BYTES: Final = 64 * 1024


class Workbooks:
    """Reads workbooks, some at a time; who comes later waits."""

    def __init__(self, readers: int = READERS_MAX) -> None:
        self._free = asyncio.Semaphore(readers)

    async def rows(self, chunks: AsyncIterable[bytes], sheet: str = "") -> AsyncGenerator[bytes, None]:
        """The rows of a workbook that comes in chunks; the file is whole before the first row is known.

        Args:
            chunks: its bytes.
            sheet: the name of the sheet that is read; empty: the first that has rows.

        Raises:
            UnreadableInput: it can't be read. Or what ``chunks`` raises.
        """
        with tempfile.TemporaryFile() as file:  # has no name: whatever happens, nothing of it stays
            async for chunk in chunks:
                await asyncio.to_thread(file.write, chunk)
            file.seek(0)
            async with self._free, aclosing(_read(file, sheet)) as pieces:
                async for piece in pieces:
                    yield piece


async def _read(file: IO[bytes], sheet: str) -> AsyncGenerator[bytes, None]:
    bounds = map(str, (MEMORY_BYTES, CPU_SECONDS, MAX_LINE_BYTES))
    spec = find_spec(_PROGRAM)
    assert spec is not None  # it is a file beside this one
    assert spec.origin is not None
    # -I and no environment: the program sees this environment's packages, none of our code, and no secret.
    name = sheet.replace("\0", "").encode(errors="replace")
    program = [sys.executable, "-I", spec.origin, *bounds]
    process = await asyncio.create_subprocess_exec(*program, name, stdin=file, stdout=PIPE, stderr=DEVNULL, env={})
    assert process.stdout is not None  # it is a pipe
    try:
        while piece := await process.stdout.read(_CHUNK_BYTES):
            yield piece
        ended = await process.wait()
        if ended < 0:  # by the system, or by itself for want of memory
            raise UnreadableInput(ErrorCode.WORKBOOK_TOO_LARGE.format())
        if ended > 0:  # the reader has failed in a way that it does not foresee
            raise UnreadableInput(ErrorCode.WORKBOOK_UNREADABLE.format())
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.communicate()  # what it had written, so that its pipe closes
