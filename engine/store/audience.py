"""Who gets a mailing: building an audience in chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import orjson

from engine.domain.audience import AudienceFilter
from engine.domain.message import UNCERTAIN
from engine.store.breakdowns import ALL, OF_CLIENTS, grow
from engine.store.candidates import next_candidates
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.decided import in_time
from engine.store.lifecycle import is_not_final, is_taken, is_waiting
from engine.store.mailing_rows import filter_of
from engine.store.matching import MAY_GET, matching
from engine.store.outbox import tell_messages
from engine.store.planning import BY_KEYS, BY_STATISTICS
from engine.store.snapshots import met, next_clients
from engine.store.told import left_out
from engine.store.verbs import Overtaken, Verbs, bump_revision, hold, lock_clients, transaction
from engine.store.withdrawal import ENDS_UNCERTAIN

_MAILING: Final = (
    "SELECT audience_filter, audience_generation, audience_cursor, audience_kept, audience_after_id, audience_fixed,"
    " start_us, decided_us, audience_us FROM mailing"
    " WHERE id = ? AND NOT audience_ready AND cancelled_us IS NULL AND deleted_us IS NULL"
)
_STORE_CURSOR: Final = (
    "UPDATE mailing SET audience_cursor = ?, audience_ready = ?"
    " WHERE id = ? AND audience_generation = ? AND cancelled_us IS NULL AND deleted_us IS NULL"
)
_SAME_PAIR: Final = (
    "SELECT 1 FROM message AS m WHERE (m.client_id, m.mailing_id) >= (c.id, CAST(? AS bigint))"
    " AND (m.client_id, m.mailing_id) <= (c.id, CAST(? AS bigint))"
)


class AudienceVerbs(Verbs):
    """Verbs of ``ports.Store``."""

    async def build_audience(self, mailing_id: int, limit: int, now_us: int, reset_after_us: int) -> bool:
        """Build the next chunk; see ``ports.Store``. True as well for a mailing that is gone, deleted or cancelled."""
        try:
            return await self._build_audience(mailing_id, limit, now_us, reset_after_us)
        except Overtaken:  # by an edit of the filter, or the end of it all: nothing of the chunk is left
            return False

    @transaction(Lane.DELIVERY)
    async def _build_audience(self, tx: Tx, mailing_id: int, limit: int, now_us: int, reset_after_us: int) -> bool:
        await lock_clients(tx, exclusive=True)
        if not tx.dialect.is_sqlite:  # a chunk that a crash of the server takes back took its cursor with it
            await tx.run(f"SET LOCAL synchronous_commit = off; {BY_STATISTICS}")
        # Not locked: claims and edits of the mailing would wait for the whole chunk.
        mailing = await tx.row(_MAILING, mailing_id)
        if mailing is None:
            return True
        filter, generation, cursor, kept, after_id, *decided = mailing
        chunk, tally, again = _Chunk(tx, mailing_id, filter_of(filter), cursor), Tally(), generation > 0
        chunk.restrict(in_time(mailing_id, *decided))
        ready = await chunk.take(limit, at_us=decided[-1], after_id=after_id, again=again)
        if kept:
            await chunk.look_again(reset_after_us)
        else:
            await chunk.build(now_us, reset_after_us, tally, again=again)
        # An audience of one chunk is small: nobody waits for its breakdown.
        made = None if again or (ready and not cursor) else await chunk.groups()
        if not await tx.run(_STORE_CURSOR, chunk.last, ready, mailing_id, generation):
            raise Overtaken
        if made is not None:
            await grow(tx, mailing_id, made, cursor, chunk.last, now_us)
        await tally.write(tx)
        if ready:
            await bump_revision(tx)
        return ready


class _Chunk:
    """Clients ``after`` (exclusive) to ``last`` (inclusive), and one mailing's messages for them."""

    def __init__(self, tx: Tx, mailing_id: int, filter: AudienceFilter, after: int) -> None:
        self._tx, self._mailing_id, self._after, self.last = tx, mailing_id, after, after
        self._matching, self._args = matching(tx, filter)
        self._matching += f" AND {MAY_GET}"
        self._filter, self._client_ids, self._messages = filter, filter.client_ids, filter.messages
        self._before_id = 0

    def restrict(self, condition: str) -> None:
        """Besides, clients must be so, ``client AS c``."""
        self._matching += f" AND {condition}"

    async def take(self, limit: int, *, at_us: int, after_id: int, again: bool) -> bool:
        """Find where the chunk ends; True when there are no clients behind it. Clients that the filter does not name
        can't have a message to be taken away, unless it is built ``again``. ``at_us``: when the filter was said, and
        ``after_id`` the last message then."""
        if self._messages is not None:
            self.restrict(await met(self._tx, self._mailing_id, self._messages, at_us, after_id))
            if not again and not self._client_ids:
                ids = await next_clients(self._tx, self._messages, at_us, self._after, limit)
                if ids is not None:
                    return self._takes(ids, limit)
        if not again and not self._client_ids:
            ids = await next_candidates(self._tx, self._filter, self._after, limit)
            if ids is not None:
                return self._takes(ids, limit)
        condition, args = "id > ?", [self._after]
        if self._client_ids and not again:
            condition += f" AND id {self._tx.dialect.in_list()}"
            args.append(self._tx.dialect.list_arg(self._client_ids))
        chunk = f"SELECT id FROM client WHERE {condition} ORDER BY id LIMIT ?"
        number, last = (await self._tx.rows(f"SELECT count(*), max(id) FROM ({chunk}) AS chunk", *args, limit))[0]
        self.last = self._after if last is None else last
        return bool(number < limit)

    def _takes(self, ids: Sequence[int], limit: int) -> bool:
        self.last = ids[-1] if ids else self._after
        self._matching = f"c.id {self._tx.dialect.in_list()} AND {self._matching}"
        self._args = [self._tx.dialect.list_arg(ids), *self._args]
        return len(ids) < limit

    async def build(self, now_us: int, reset_after_us: int, tally: Tally, *, again: bool) -> None:
        """Bring the messages in line; ``again``: there may be messages of an earlier filter."""
        if again:
            await self._hold()
        await self._leave_out(now_us)
        self._before_id = await self._tx.value("SELECT coalesce(max(id), 0) FROM message")
        added = await self._add(now_us)
        fewer = await self._rebuild(reset_after_us, now_us, tally) if again else 0
        # One by one: as many that go as come leave the sum as it was, and breakdowns have to be told (Tally.touch).
        tally.add(self._mailing_id, "pending", added)
        tally.add(self._mailing_id, "pending", -fewer)

    async def _add(self, now_us: int) -> int:
        """Nobody else makes messages meanwhile (``lock_clients``). So PostgreSQL looks for those that are there, which
        takes less than to be ready for somebody else's: by their key, which is the only index that fits two pairs."""
        insert = (
            "INSERT INTO message (mailing_id, client_id, create_us)"
            " SELECT CAST(? AS bigint), c.id, CAST(? AS bigint) FROM client AS c"
            f" WHERE c.id > ? AND c.id <= ? AND {self._matching}"
        )
        args = [self._mailing_id, now_us, self._after, self.last, *self._args]
        if self._tx.dialect.is_sqlite:
            return await self._tx.run(f"{insert} ON CONFLICT (client_id, mailing_id) DO NOTHING", *args)
        await self._tx.run(BY_KEYS)
        return await self._tx.run(f"{insert} AND NOT EXISTS ({_SAME_PAIR})", *args, self._mailing_id, self._mailing_id)

    async def groups(self) -> list[Counter[str]]:
        """How many messages the chunk has made by their clients' values, in the order of ``OF_CLIENTS``. All that came
        after its beginning are its own, for nobody else makes messages meanwhile."""
        made = self._tx.dialect.in_select("SELECT m.client_id FROM message AS m WHERE m.id > ? AND m.id <= ?")
        # A list a column: half of the time of rows.
        values = ", ".join(self._tx.dialect.listed(f"c.{name}") for name in OF_CLIENTS.values())
        row = await self._tx.row(f"SELECT {values} FROM client AS c WHERE c.id {made}", self._before_id, ALL)
        return [Counter(orjson.loads(each or "[]")) for each in row or ()]

    async def look_again(self, reset_after_us: int) -> None:
        """Let messages look at their local hours again; nobody comes, and nobody goes."""
        await self._hold()
        self._matching, self._args = "TRUE", []
        await self._reset(reset_after_us)

    async def _hold(self) -> None:
        """Keep the messages as they are: one that an engine gave back between two statements of ``_rebuild`` would be
        neither among the pending ones that go nor among the taken ones that are marked."""
        clients = "SELECT c.id FROM client AS c WHERE c.id > ? AND c.id <= ?"
        of_mailing = f"message.mailing_id = {self._mailing_id} AND {is_not_final('message')}"
        of_chunk = f"{of_mailing} AND message.client_id IN ({clients})"
        await hold(self._tx, "message", of_chunk, self._after, self.last)

    async def _leave_out(self, now_us: int) -> None:
        """Let clients whose number was told already match no more."""
        told = await self._tx.row("SELECT 1 FROM told WHERE mailing_id = ? LIMIT 1", self._mailing_id)
        if told is None:
            return
        clients = await self._tx.rows(
            f"SELECT c.id, c.phone_number FROM client AS c WHERE c.id > ? AND c.id <= ? AND {self._matching}",
            self._after,
            self.last,
            *self._args,
        )
        pairs = [(self._mailing_id, row[0]) for row in clients]
        out = await left_out(self._tx, pairs, {row[0]: row[1] for row in clients}, now_us)
        self._matching += f" AND NOT (c.id {self._tx.dialect.in_list()})"
        self._args = [*self._args, self._tx.dialect.list_arg(client_id for _, client_id in out)]

    async def _rebuild(self, reset_after_us: int, now_us: int, tally: Tally) -> int:
        """What an edited filter asks for besides new messages; returns how many were removed."""
        if not self._tx.dialect.is_sqlite:
            await self._tx.run(BY_STATISTICS)
        unsure = f"{is_waiting('m')} AND m.unsure AND NOT ({self._matching})"
        told = await self._ids(unsure) if self._tx.wanted else []
        ended = await self._change(f"UPDATE message SET {ENDS_UNCERTAIN}, finished_us = ?", unsure, [now_us])
        await tell_messages(self._tx, told)
        tally.move(self._mailing_id, UNCERTAIN, now_us, ended)
        number = await self._change("DELETE FROM message", f"{is_waiting('m')} AND NOT ({self._matching})")
        for stale, condition in (
            ("TRUE", f"NOT m.stale AND NOT ({self._matching})"),
            ("FALSE", f"m.stale AND {self._matching}"),
        ):
            await self._change(f"UPDATE message SET stale = {stale}", f"{is_taken('m')} AND {condition}")
        await self._reset(reset_after_us)
        return number

    async def _reset(self, reset_after_us: int) -> None:
        await self._change(
            "UPDATE message SET due_us = 0",
            f"{is_waiting('m')} AND m.due_us > 0 AND (m.due_us > ? OR m.attempt = 0) AND {self._matching}",
            of_condition=[reset_after_us],
        )

    async def _change(
        self, change: str, condition: str, of_change: Sequence[Any] = (), of_condition: Sequence[Any] = ()
    ) -> int:
        """``of_change``, ``of_condition``: their arguments; those of ``_matching`` come last."""
        sql = f"{change} WHERE id IN ({self._select(condition)})"
        return await self._tx.run(sql, *of_change, self._after, self.last, *of_condition, *self._args)

    async def _ids(self, condition: str) -> list[int]:
        return [row[0] for row in await self._tx.rows(self._select(condition), self._after, self.last, *self._args)]

    def _select(self, condition: str) -> str:
        return (
            "SELECT m.id FROM client AS c JOIN message AS m"
            f" ON m.client_id = c.id AND m.mailing_id = {self._mailing_id} WHERE c.id > ? AND c.id <= ? AND {condition}"
        )
