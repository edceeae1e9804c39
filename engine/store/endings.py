"""What happens to messages without their engine: recovery after a crash, the end, cancelling, removal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.domain.message import UNCERTAIN, Event, Status, Step, step
from engine.domain.units import US_PER_SECOND
from engine.store.audience import not_reached
from engine.store.counters import KIND_LIST, TIMELINE_SECONDS, Tally
from engine.store.database import Lane, Row, Tx
from engine.store.lifecycle import open_to, set_by, set_to
from engine.store.snapshots import is_asked
from engine.store.told import hold_told, may_have_reached
from engine.store.verbs import Verbs, alone_if_overtaken, bump_revision, hold, lock_clients, transaction
from engine.store.withdrawal import ENDS_UNCERTAIN, withdraw_messages

LOST_DETAIL: Final = "outcome unknown: the engine stopped"
_LOST_CALL: Final = (
    "text_version = (SELECT k.text_version FROM mailing AS k WHERE k.id = message.mailing_id), rendered = NULL"
)
"""The dead engine has not said with which text it called. The text of now is the best guess: it is wrong only if the
text was edited since. What its placeholders stood for nobody knows."""
_LOST_UNMARKED: Final = step(Status.CLAIMED, Event.LOSE)
_FOR_EVER: Final = 2**62
_DAY_US: Final = 86_400 * US_PER_SECOND
_ENDED: Final = "SELECT 1 FROM mailing WHERE id = ? AND end_us <= ? AND deleted_us IS NULL"
_CANCELLED: Final = "SELECT 1 FROM mailing WHERE id = ? AND cancelled_us IS NOT NULL AND deleted_us IS NULL"


class EndingVerbs(Verbs):
    """Verbs of ``ports.Store``; each is one transaction."""

    @alone_if_overtaken(Lane.DELIVERY)
    async def recover(self, tx: Tx, now_us: int, limit: int, *, expired_only: bool, over_us: int | None = None) -> int:
        """LOSE; see ``ports.Store``."""
        ended_us = (now_us if over_us is None else over_us) if expired_only else _FOR_EVER
        lost = await tx.table(
            "id, mailing_id, status, attempt, stale, unsure, marks",
            "SELECT id, mailing_id, status, attempt, stale, unsure, (SELECT on_uncertain = 'not_sent' FROM mailing"
            " WHERE mailing.id = message.mailing_id) AS marks FROM message"
            f" {tx.dialect.indexed_by('message_lease')} WHERE {open_to(Event.LOSE)}"
            f" AND due_us <= ? LIMIT ? {tx.dialect.lock(skip=True)}",
            ended_us,
            limit,
        )
        await _lose(tx, lost, now_us)
        return len(lost)

    async def expire(self, mailing_id: int, limit: int, now_us: int) -> int:
        """EXPIRE; see ``ports.Store``. Nothing happens while the mailing has not ended."""
        return await self._end_pending(mailing_id, limit, now_us, Event.EXPIRE, _ENDED, now_us)

    async def cancel_pending(self, mailing_id: int, limit: int, now_us: int) -> int:
        """CANCEL; see ``ports.Store``. Nothing happens while the mailing is not cancelled."""
        return await self._end_pending(mailing_id, limit, now_us, Event.CANCEL, _CANCELLED)

    @transaction(Lane.DELIVERY)
    async def _end_pending(
        self, tx: Tx, mailing_id: int, limit: int, now_us: int, event: Event, condition: str, *args: int
    ) -> int:
        """End up to ``limit`` pending messages: those that may have reached the provider first, for another reason."""
        # FOR SHARE: an edit that moves the end has to wait, or is seen here.
        if await tx.row(f"{condition} {tx.dialect.share_lock}", mailing_id, *args) is None:
            return 0
        tally, ended = Tally(), 0
        for unsure, sql, index in ((True, "unsure", "message_unsure"), (False, "NOT unsure", "message_due")):
            result = step(Status.PENDING, event, unsure=unsure)
            which = f"{open_to(event)} AND {sql}"
            number = await _end_some(tx, mailing_id, limit - ended, now_us, result, which, index)
            tally.move(mailing_id, result, now_us, number)
            ended += number
        if ended:
            await tally.write(tx)
        return ended

    @transaction(Lane.DELIVERY)
    async def purge(self, tx: Tx, mailing_id: int, limit: int) -> bool:
        """Remove a deleted mailing by and by; see ``ports.Store``. False at once for one that is not deleted, or whose
        messages say whom another one is for."""
        # The lock under which messages are made: no other transaction is about to make one for this mailing.
        await lock_clients(tx, exclusive=True)
        mailing = await tx.row("SELECT deleted_us FROM mailing WHERE id = ?", mailing_id)
        if mailing is None:
            return True
        if mailing[0] is None or await is_asked(tx, mailing_id):
            return False
        if await _purge_messages(tx, mailing_id, limit) == limit:
            return False
        await hold(tx, "told", "told.mailing_id = ?", mailing_id)
        await _keep_last_day(tx, mailing_id, mailing[0])
        await tx.run("DELETE FROM mailing WHERE id = ?", mailing_id)
        await bump_revision(tx)
        return True


async def _keep_last_day(tx: Tx, mailing_id: int, deleted_us: int) -> None:
    """Add what a mailing did in the day before it was deleted to what all that are gone did, and forget what is older.
    Nobody else does so at the same time: the lock of clients is exclusive."""
    since = (deleted_us - _DAY_US) // (TIMELINE_SECONDS * US_PER_SECOND)
    await tx.run("DELETE FROM past_stat WHERE key < ?", since)
    await tx.run(
        "INSERT INTO past_stat (kind, key, count) SELECT kind, key, count FROM mailing_stat"
        f" WHERE mailing_id = ? AND kind IN ({KIND_LIST}) AND key >= ? ORDER BY kind, key"
        " ON CONFLICT (kind, key) DO UPDATE SET count = past_stat.count + excluded.count",
        *(mailing_id, since),
    )


async def _purge_messages(tx: Tx, mailing_id: int, limit: int) -> int:
    sql = f"SELECT id FROM message WHERE mailing_id = ? ORDER BY id LIMIT ? {tx.dialect.lock()}"
    ids = [row[0] for row in await tx.table("id", sql, mailing_id, limit)]
    await tx.run(f"DELETE FROM message WHERE id {tx.dialect.in_list()}", tx.dialect.list_arg(ids))
    return len(ids)


def _was_called(lost: Row) -> bool:
    """Whether the provider may have got the message: it was marked, or its mailing marks nothing."""
    return bool(lost[2] == Status.CALLING or not lost[6])


async def _end_some(tx: Tx, mailing_id: int, limit: int, now_us: int, result: Step, which: str, index: str) -> int:
    return await tx.run(
        f"UPDATE message SET {set_to(result)}, due_us = 0, finished_us = ? WHERE id IN"
        f" (SELECT id FROM message {tx.dialect.indexed_by(index)}"
        f" WHERE mailing_id = ? AND {which} LIMIT ? {tx.dialect.lock(skip=True)})",
        now_us,
        mailing_id,
        limit,
    )


async def _lose(tx: Tx, lost: Sequence[Row], now_us: int) -> None:
    """Messages of a dead engine: (id, mailing, status, attempt, stale, unsure, whether a mark comes before a call)."""
    called = {row[0] for row in lost if _was_called(row)}
    tally = Tally()
    await hold_told(tx, [row[0] for row in lost])
    await may_have_reached(tx, called)
    again: list[int] = []
    gone: dict[int, int] = {}
    uncertain: list[int] = []
    uncalled: list[int] = []
    for id, mailing_id, status, attempt, stale, unsure, _ in lost:
        was_called = id in called
        if stale and not was_called:
            gone[id] = mailing_id
            continue
        result = step(Status(status), Event.LOSE if was_called else Event.RELEASE, unsure=bool(unsure))
        if was_called:
            tally.lost(mailing_id, attempt)
        if stale or result.status.is_final:
            tally.move(mailing_id, UNCERTAIN, now_us)
            uncertain.append(id)
        else:
            (again if was_called else uncalled).append(id)
    await withdraw_messages(tx, gone, now_us, tally, uncalled=True)
    await _store_lost(tx, again, uncertain, now_us)
    if uncalled:
        change = f"{set_by(Event.RELEASE)}, owner = NULL, due_us = 0, attempt = attempt - 1"
        await tx.run(f"UPDATE message SET {change} WHERE id {tx.dialect.in_list()}", tx.dialect.list_arg(uncalled))
    await not_reached(tx, [row[0] for row in lost if row[0] not in called], tally)
    await tally.write(tx)


async def _store_lost(tx: Tx, again: list[int], uncertain: list[int], now_us: int) -> None:
    listed = tx.dialect.in_list()
    if again:
        ids = tx.dialect.list_arg(again)
        await tx.run(
            "INSERT INTO attempt (message_id, number, lost, started_us, finished_us, http_status, detail)"
            f" SELECT id, attempt, TRUE, NULL, {int(now_us)}, NULL, '{LOST_DETAIL}' FROM message WHERE id {listed}",
            ids,
        )
        change = f"{set_to(_LOST_UNMARKED)}, owner = NULL, due_us = 0, unsure = TRUE, {_LOST_CALL}"
        await tx.run(f"UPDATE message SET {change} WHERE id {listed}", ids)
    if uncertain:
        await tx.run(
            f"UPDATE message SET {ENDS_UNCERTAIN}, owner = NULL, stale = FALSE, finished_us = {int(now_us)},"
            f" http_status = NULL, detail = '{LOST_DETAIL}', {_LOST_CALL} WHERE id {listed}",
            tx.dialect.list_arg(uncertain),
        )
