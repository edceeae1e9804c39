"""What happens to messages without their engine: recovery after a crash, the end, cancelling, removal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from engine.domain.message import Event, Reason, Status, Step, step
from engine.store.audience import not_reached
from engine.store.counters import Tally
from engine.store.database import Lane, Row, Tx
from engine.store.told import may_have_reached, removed
from engine.store.verbs import Verbs, bump_revision

LOST_DETAIL: Final = "outcome unknown: the engine stopped"
_FOR_EVER: Final = 2**62
_ENDED: Final = "SELECT 1 FROM mailing WHERE id = ? AND end_us <= ? AND deleted_us IS NULL"
_CANCELLED: Final = "SELECT 1 FROM mailing WHERE id = ? AND cancelled_us IS NOT NULL AND deleted_us IS NULL"


class EndingVerbs(Verbs):
    """Verbs of ``ports.Store``; each is one transaction."""

    on_ended: Callable[[Reason, int], None] = staticmethod(lambda reason, number: None)
    """Told after the commit how many messages have become ``not_sent`` without an answer of the provider."""

    async def recover(self, now_us: int, limit: int, *, expired_only: bool) -> int:
        """LOSE; see ``ports.Store``."""

        async def work(tx: Tx) -> tuple[int, int]:
            lost = await tx.table(
                "id, mailing_id, status, attempt, stale, marks",
                "SELECT id, mailing_id, status, attempt, stale, (SELECT on_uncertain = 'not_sent' FROM mailing"
                " WHERE mailing.id = message.mailing_id) AS marks FROM message"
                f" {tx.dialect.indexed_by('message_lease')} WHERE status IN (1, 2)"
                f" AND due_us <= ? LIMIT ? {tx.dialect.lock(skip=True)}",
                now_us if expired_only else _FOR_EVER,
                limit,
            )
            await _lose(tx, lost, now_us)
            return len(lost), sum(row[2] == Status.CALLING for row in lost)

        number, uncertain = await self._db.transaction(work, Lane.DELIVERY)
        self.on_ended(Reason.UNCERTAIN, uncertain)
        return number

    async def expire(self, mailing_id: int, limit: int, now_us: int) -> int:
        """EXPIRE; see ``ports.Store``. Nothing happens while the mailing has not ended."""
        return await self._end(mailing_id, limit, now_us, step(Status.PENDING, Event.EXPIRE), _ENDED, now_us)

    async def cancel_pending(self, mailing_id: int, limit: int, now_us: int) -> int:
        """CANCEL; see ``ports.Store``. Nothing happens while the mailing is not cancelled."""
        return await self._end(mailing_id, limit, now_us, step(Status.PENDING, Event.CANCEL), _CANCELLED)

    async def _end(self, mailing_id: int, limit: int, now_us: int, result: Step, condition: str, *args: int) -> int:
        async def work(tx: Tx) -> int:
            # FOR SHARE: an edit that moves the end has to wait, or is seen here.
            if await tx.row(f"{condition} {tx.dialect.share_lock}", mailing_id, *args) is None:
                return 0
            number = await tx.run(
                "UPDATE message SET status = ?, reason = ?, due_us = 0, finished_us = ? WHERE id IN"
                f" (SELECT id FROM message {tx.dialect.indexed_by('message_due')}"
                f" WHERE mailing_id = ? AND status = 0 LIMIT ? {tx.dialect.lock(skip=True)})",
                int(result.status),
                int(result.reason or 0),
                now_us,
                mailing_id,
                limit,
            )
            if number:
                tally = Tally()
                tally.move(mailing_id, result, now_us, number)
                await tally.write(tx)
            return number

        number = await self._db.transaction(work, Lane.DELIVERY)
        if result.reason is not None:
            self.on_ended(result.reason, number)
        return number

    async def purge(self, mailing_id: int, limit: int) -> bool:
        """Remove a deleted mailing by and by; see ``ports.Store``. False at once for one that is not deleted."""

        async def work(tx: Tx) -> bool:
            mailing = await tx.row(f"SELECT deleted_us FROM mailing WHERE id = ? {tx.dialect.lock()}", mailing_id)
            if mailing is None:
                return True
            if mailing[0] is None:
                return False
            number = await tx.run(
                "DELETE FROM message WHERE id IN (SELECT id FROM message WHERE mailing_id = ? LIMIT ?)",
                mailing_id,
                limit,
            )
            if number == limit:
                return False
            await tx.run("DELETE FROM mailing WHERE id = ?", mailing_id)
            await bump_revision(tx)
            return True

        return await self._db.transaction(work, Lane.DELIVERY)


def _was_called(lost: Row) -> bool:
    """Whether the provider may have got it: it was marked, or its mailing marks nothing."""
    return bool(lost[2] == Status.CALLING or not lost[5])


async def _lose(tx: Tx, lost: Sequence[Row], now_us: int) -> None:
    """Messages of a dead engine: (id, mailing, status, attempt, stale, whether a mark comes before each call)."""
    called = {row[0] for row in lost if _was_called(row)}
    await may_have_reached(tx, called)
    await not_reached(tx, [row[0] for row in lost if row[0] not in called])
    tally = Tally()
    again: list[int] = []
    gone: list[int] = []
    uncertain: list[int] = []
    uncalled: list[int] = []
    for id, mailing_id, status, attempt, stale, _ in lost:
        result = step(Status(status), Event.LOSE)
        was_called = id in called
        if was_called:
            tally.lost(mailing_id, attempt)
        if result.status.is_final:
            tally.move(mailing_id, result, now_us)
            uncertain.append(id)
        elif stale:
            tally.add(mailing_id, "pending", -1)
            gone.append(id)
        else:
            (again if was_called else uncalled).append(id)
    await _store_lost(tx, again, gone, uncertain, called, now_us)
    if uncalled:
        change = "status = 0, owner = NULL, due_us = 0, attempt = attempt - 1"
        await tx.run(f"UPDATE message SET {change} WHERE id {tx.dialect.in_list()}", tx.dialect.list_arg(uncalled))
    await tally.write(tx)


async def _store_lost(
    tx: Tx, again: list[int], gone: list[int], uncertain: list[int], called: set[int], now_us: int
) -> None:
    listed = tx.dialect.in_list()
    if gone:
        await removed(tx, gone, called)
        await tx.run(f"DELETE FROM message WHERE id {listed}", tx.dialect.list_arg(gone))
    if again:
        ids = tx.dialect.list_arg(again)
        await tx.run(
            "INSERT INTO attempt (message_id, number, lost, started_us, finished_us, http_status, detail)"
            f" SELECT id, attempt, TRUE, NULL, {int(now_us)}, NULL, '{LOST_DETAIL}' FROM message WHERE id {listed}",
            ids,
        )
        await tx.run(f"UPDATE message SET status = 0, owner = NULL, due_us = 0 WHERE id {listed}", ids)
    if uncertain:
        result = step(Status.CALLING, Event.LOSE)
        await tx.run(
            f"UPDATE message SET status = {int(result.status)}, reason = {int(result.reason or 0)}, owner = NULL,"
            f" due_us = 0, stale = FALSE, finished_us = {int(now_us)}, http_status = NULL, detail = '{LOST_DETAIL}'"
            f" WHERE id {listed}",
            tx.dialect.list_arg(uncertain),
        )
