"""Requests that may be repeated: the same request id gets the first answer again."""

from __future__ import annotations

import zlib
from typing import Any, NamedTuple

import orjson

from common.error_codes import ErrorCode
from engine.domain.errors import Conflict
from engine.store.database import Lane, Tx
from engine.store.rows import RequestKey
from engine.store.verbs import Verbs, read, transaction


class Answer(NamedTuple):
    """What was answered to a request."""

    response: Any
    """As read from JSON."""
    create_us: int
    """When the request was carried out."""


class RequestVerbs(Verbs):
    """Answers of what is more than one transaction, and housekeeping."""

    @read(Lane.API)
    async def request_known(self, tx: Tx, request_id: str, method: str) -> bool:
        """Whether there is an answer for this (scoped) id.

        Raises:
            Conflict: there is one of another method.
        """
        stored = await tx.row("SELECT method FROM request WHERE request_id = ?", request_id)
        if stored is not None and stored[0] != method:
            raise _reused()
        return stored is not None

    @transaction(Lane.API)
    async def answer_once(self, tx: Tx, request: RequestKey, response: object, now_us: int) -> Any:
        """Store the answer to a request, unless it has one, and return the one that is stored then, as read
        from JSON. ``response``: what ``orjson`` can write.

        Raises:
            Conflict: the request id was used for another request.
        """
        if (stored := await first_answer(tx, request)) is not None:
            return stored
        await keep_answer(tx, request, response, now_us)
        return orjson.loads(orjson.dumps(response))

    @transaction(Lane.API)
    async def stored_answer(self, tx: Tx, request: RequestKey) -> Any:
        """The answer to a request, as read from JSON; ``None``: there is none.

        Raises:
            Conflict: the request id was used for another request.
        """
        return await first_answer(tx, request)

    @transaction(Lane.API)
    async def amend_answer(self, tx: Tx, request: RequestKey, response: object) -> None:
        """Replace the answer that a change has stored, before anybody was told it: what followed the change
        (calls that ended, rows that were cancelled) is part of what the caller is told."""
        await tx.run(
            "UPDATE request SET response = ? WHERE request_id = ? AND method = ? AND fingerprint = ?",
            orjson.dumps(response).decode(),
            request.request_id,
            request.method,
            request.fingerprint,
        )

    @transaction(Lane.API)
    async def forget_requests(self, tx: Tx, before_us: int, limit: int = 5_000) -> int:
        """Forget up to ``limit`` answers given before this time; return how many."""
        return await tx.run(
            "DELETE FROM request WHERE request_id IN (SELECT request_id FROM request"
            f" WHERE create_us < ? ORDER BY create_us LIMIT ? {tx.dialect.lock(skip=True)})",
            before_us,
            limit,
        )


async def first_answer(tx: Tx, request: RequestKey | None) -> Any:
    """The answer stored for this request, as read from JSON; ``None`` when it is new.

    Raises:
        Conflict: the id was used for another request.
    """
    found = await find_answer(tx, request)
    return None if found is None else found.response


async def find_answer(tx: Tx, request: RequestKey | None) -> Answer | None:
    """``first_answer`` with its time."""
    if request is None:
        return None
    if not tx.dialect.is_sqlite:  # two calls with one id at the same time: the second waits here
        await tx.rows("SELECT pg_advisory_xact_lock(?, ?)", 0x6D61696C, zlib.crc32(request.request_id.encode()) >> 1)
    stored = await tx.row(
        "SELECT method, fingerprint, response, create_us FROM request WHERE request_id = ?", request.request_id
    )
    if stored is None:
        return None
    if (stored[0], stored[1]) != (request.method, request.fingerprint):
        raise _reused()
    return Answer(orjson.loads(stored[2]), stored[3])


async def keep_answer(tx: Tx, request: RequestKey | None, response: object, now_us: int) -> None:
    """Store the answer in the transaction of what it tells of. ``response``: a row (dataclass), or what
    ``orjson`` can write; never a secret."""
    if request is not None:
        await tx.run(
            "INSERT INTO request (request_id, method, fingerprint, response, create_us) VALUES (?, ?, ?, ?, ?)",
            request.request_id,
            request.method,
            request.fingerprint,
            orjson.dumps(response).decode(),
            now_us,
        )


def _reused() -> Conflict:
    return Conflict(ErrorCode.REQUEST_ID_REUSED.format(), field="request_id")
