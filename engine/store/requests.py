"""Creates that may be repeated: the same request id gets the first answer again."""

from __future__ import annotations

import zlib
from dataclasses import asdict
from typing import Any, TypeVar

import orjson

from engine.domain.errors import Conflict
from engine.store.database import Tx
from engine.store.rows import ClientRow, MailingRow, RequestKey
from engine.store.verbs import Verbs

RowT = TypeVar("RowT", ClientRow, MailingRow)


class RequestVerbs(Verbs):
    """Housekeeping."""

    async def forget_requests(self, before_us: int, limit: int = 5_000) -> int:
        """Forget up to ``limit`` answers given before this time; return how many."""

        async def work(tx: Tx) -> int:
            return await tx.run(
                "DELETE FROM request WHERE request_id IN (SELECT request_id FROM request"
                f" WHERE create_us < ? ORDER BY create_us LIMIT ? {tx.dialect.lock(skip=True)})",
                before_us,
                limit,
            )

        return await self._db.transaction(work)


async def first_answer(tx: Tx, request: RequestKey | None) -> Any:
    """The answer stored for this request, as read from JSON; ``None`` when it is new.

    Raises:
        Conflict: the id was used for another request.
    """
    if request is None:
        return None
    if not tx.dialect.is_sqlite:  # two calls with one id at the same time: the second waits here
        await tx.rows("SELECT pg_advisory_xact_lock(?, ?)", 0x6D61696C, zlib.crc32(request.request_id.encode()) >> 1)
    stored = await tx.row("SELECT method, fingerprint, response FROM request WHERE request_id = ?", request.request_id)
    if stored is None:
        return None
    if (stored[0], stored[1]) != (request.method, request.fingerprint):
        raise Conflict("this request id was used for another request before", field="request_id")
    return orjson.loads(stored[2])


async def keep_answer(tx: Tx, request: RequestKey | None, row: RowT, now_us: int) -> None:
    """Store the answer with what it made."""
    if request is not None:
        await tx.run(
            "INSERT INTO request (request_id, method, fingerprint, response, create_us) VALUES (?, ?, ?, ?, ?)",
            request.request_id,
            request.method,
            request.fingerprint,
            orjson.dumps(asdict(row)).decode(),
            now_us,
        )
