"""What the senders on asyncio share: aiohttp's client and asyncpg's pool."""
# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

from typing import Any

import aiohttp
import asyncpg
from common_sender import ADD, DATABASE, HEADERS, READ, TIME_OUT_SECONDS, URL, WRITE, status_of

_READ = READ.format(id="$1")
_WRITE = WRITE.format(id="$1", status="$2")
_ADD = ADD.format(mailing_id="$1", count="$2")
_CONNECTIONS = 20
"""To the database: it takes far less time than the call."""


class Sender:
    """One a process."""

    def __init__(self, pool: Any, session: Any) -> None:
        self.pool, self.session = pool, session

    @classmethod
    async def open(cls) -> Sender:
        """Connect."""
        pool = await asyncpg.create_pool(DATABASE, min_size=1, max_size=_CONNECTIONS)
        time_out = aiohttp.ClientTimeout(TIME_OUT_SECONDS)
        connector = aiohttp.TCPConnector(limit=0)
        return cls(pool, aiohttp.ClientSession(headers=HEADERS, timeout=time_out, connector=connector))

    async def send(self, message_id: int) -> None:
        """Send one message, and store what came of it."""
        row = await self.pool.fetchrow(_READ, message_id)
        if row is None:
            return
        body = {"id": message_id, "phone": row["phone_number"], "text": row["text"]}
        async with self.session.post(f"{URL}/send/{message_id}", json=body) as answer:
            await answer.read()
        await self.pool.execute(_WRITE, message_id, status_of(answer.status))


async def add(mailing_id: int, count: int) -> list[int]:
    """Make the messages of a mailing; returns their ids."""
    connection = await asyncpg.connect(DATABASE)
    try:
        return [row["id"] for row in await connection.fetch(_ADD, mailing_id, count)]
    finally:
        await connection.close()
