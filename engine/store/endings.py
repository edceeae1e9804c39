"""What happens to messages without their engine: recovery after a crash, the end, cancelling, removal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from engine.domain.message import UNCERTAIN, Event, Status, Step, heard, step
from engine.domain.units import US_PER_SECOND
from engine.store.cancelled import ended_us
from engine.store.confirming import DROPPED, UNUSED, Heard, confirm, heard_of
from engine.store.counters import KIND_LIST, TIMELINE_SECONDS, Tally
from engine.store.database import Lane, Tx
from engine.store.followers import not_reached
from engine.store.lifecycle import open_to, set_by, set_to
from engine.store.outbox import tell_messages
from engine.store.snapshots import is_asked
from engine.store.told import hold_told, may_have_reached
from engine.store.verbs import (
    Verbs,
    alone_if_overtaken,
    bump_revision,
    hold,
    lock_clients,
    transaction,
    update_messages,
)
from engine.store.withdrawal import ENDS_UNCERTAIN, withdraw_messages

LOST_DETAIL: Final = "outcome unknown: the engine stopped"
_TEXT_NOW: Final = "SELECT k.text_version FROM mailing AS k WHERE k.id = message.mailing_id"
_LOST_CALL: Final = f"text_version = ({_TEXT_NOW}), rendered = NULL"
"""The dead engine has not said with which text it called. The text of now is the best guess: it is wrong only if the
text was edited since. What its placeholders stood for nobody knows."""
_LOST_UNMARKED: Final = step(Status.CLAIMED, Event.LOSE)
_FOR_EVER: Final = 2**62
_DAY_US: Final = 86_400 * US_PER_SECOND
_ENDED: Final = "SELECT NULL FROM mailing WHERE id = ? AND end_us <= ? AND deleted_us IS NULL"
_CANCELLED: Final = "SELECT cancelled_us FROM mailing WHERE id = ? AND cancelled_us IS NOT NULL AND deleted_us IS NULL"
_SINCE_CANCEL: Final = f"CASE WHEN attempt = 0 THEN ? ELSE {ended_us('message')} END"
"""Only what was called may have ended after the cancel."""


class _Lost(NamedTuple):
    """A message of a dead engine."""

    id: int
    mailing_id: int
    status: int
    attempt: int
    stale: bool
    unsure: bool
    delivery: int | None
    delivery_us: int | None
    text_version: int | None
    cost: int
    """What is reserved for its call."""
    marks: bool
    """Its mailing has a mark stored before a call."""
    text_now: int
    """The version that its mailing's text has now."""

    @property
    def was_called(self) -> bool:
        """Whether the provider may have got it: it was marked, or its mailing marks nothing."""
        return bool(self.status == Status.CALLING or not self.marks)

    @property
    def event(self) -> Event:
        """What has happened to it."""
        event = Event.LOSE if self.was_called else Event.RELEASE
        return event if self.delivery is None else heard(event, self.attempt)

    @property
    def was_in_vain(self) -> bool:
        """Whether it certainly was never called, so that nobody bills it."""
        return not self.was_called and not self.unsure and self.event is not Event.CONFIRM

    @property
    def receipt(self) -> tuple[int, Heard]:
        """For ``confirm``."""
        version = self.text_now if self.was_called else self.text_version
        receipt = heard_of(self.delivery, self.delivery_us, version)
        assert receipt is not None, "only a receipt confirms"
        return self.mailing_id, receipt


class EndingVerbs(Verbs):
    """Verbs of ``ports.Store``; each is one transaction."""

    @alone_if_overtaken(Lane.DELIVERY)
    async def recover(self, tx: Tx, now_us: int, limit: int, *, expired_only: bool, over_us: int | None = None) -> int:
        """LOSE; see ``ports.Store``."""
        ended_us = (now_us if over_us is None else over_us) if expired_only else _FOR_EVER
        lost = await tx.table(
            ", ".join(_Lost._fields),
            "SELECT id, mailing_id, status, attempt, stale, unsure, delivery, delivery_us, text_version,"
            " cost, (SELECT on_uncertain = 'not_sent' FROM mailing WHERE mailing.id = message.mailing_id) AS marks,"
            f" ({_TEXT_NOW}) AS text_now FROM message"
            f" {tx.dialect.indexed_by('message_lease')} WHERE {open_to(Event.LOSE)}"
            f" AND due_us <= ? LIMIT ? {tx.dialect.lock(skip=True)}",
            ended_us,
            limit,
        )
        await _lose(tx, [_Lost(*row) for row in lost], now_us)
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
        mailing = await tx.row(f"{condition} {tx.dialect.share_lock}", mailing_id, *args)
        if mailing is None:
            return 0
        tally, ended = Tally(), 0
        # A cancel is read as done since its commit: what follows bears its time (docs/decisions/cancel.md).
        at_us, at = (now_us, "?") if mailing[0] is None else (mailing[0], _SINCE_CANCEL)
        for unsure, sql, index in ((True, "unsure", "message_unsure"), (False, "NOT unsure", "message_due")):
            result = step(Status.PENDING, event, unsure=unsure)
            which = f"{open_to(event)} AND {sql}"
            number = await _end_some(tx, mailing_id, limit - ended, at_us, at, result, which, index)
            tally.move(mailing_id, result, at_us, number)
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


async def _end_some(
    tx: Tx, mailing_id: int, limit: int, at_us: int, at: str, result: Step, which: str, index: str
) -> int:
    """``at``: SQL of the time, with ``at_us`` as its argument."""
    change = (
        f"UPDATE message SET {set_to(result)}, due_us = 0, finished_us = {at} WHERE id IN"
        f" (SELECT id FROM message {tx.dialect.indexed_by(index)}"
        f" WHERE mailing_id = ? AND {which} LIMIT ? {tx.dialect.lock(skip=True)})"
    )
    if not tx.wanted:
        return await tx.run(change, at_us, mailing_id, limit)
    ended = [row[0] for row in await tx.rows(f"{change} RETURNING id", at_us, mailing_id, limit)]
    await tell_messages(tx, ended)
    return len(ended)


async def _lose(tx: Tx, lost: Sequence[_Lost], now_us: int) -> None:
    """Each message is updated once: on PostgreSQL a second update would wait for its client."""
    tally = Tally()
    called = [each for each in lost if each.was_called]
    confirmed = [each for each in lost if each.event is Event.CONFIRM]
    await hold_told(tx, [each.id for each in lost])
    await may_have_reached(tx, [each.id for each in called])
    for each in called:
        tally.lost(each.mailing_id, each.attempt)
    await _keep_lost(tx, [each.id for each in called if not _is_uncertain(each)], now_us)
    await _confirm_lost(tx, confirmed, now_us, tally)
    for each in lost:
        tally.add(each.mailing_id, "cost", -each.cost if each.was_in_vain else 0)
    tally.touch({each.mailing_id for each in lost})  # those that were not called count for their provider no more
    await _end_or_wait(tx, [each for each in lost if each.event is not Event.CONFIRM], now_us, tally)
    untold = [each.id for each in lost if not each.was_called and each.event is not Event.CONFIRM]
    await not_reached(tx, untold, tally)
    await tally.write(tx)


def _is_uncertain(lost: _Lost) -> bool:
    """Whether it ends because nobody knows what came of the call."""
    result = step(Status(lost.status), lost.event, unsure=bool(lost.unsure))
    return result == UNCERTAIN or (bool(lost.stale) and lost.event is Event.LOSE)


async def _keep_lost(tx: Tx, ids: Sequence[int], now_us: int) -> None:
    """A line of history for calls that did not end their messages."""
    if ids:
        await tx.run(
            "INSERT INTO attempt (message_id, number, lost, started_us, finished_us, http_status, detail, provider_id)"
            f" SELECT id, attempt, TRUE, NULL, CAST(? AS bigint), NULL, '{LOST_DETAIL}', provider_id FROM message"
            f" WHERE id {tx.dialect.in_list()}",
            now_us,
            tx.dialect.list_arg(ids),
        )


async def _confirm_lost(tx: Tx, confirmed: Sequence[_Lost], now_us: int, tally: Tally) -> None:
    for was_called in (True, False):
        messages = {each.id: each.receipt for each in confirmed if each.was_called is was_called}
        await confirm(tx, messages, now_us, tally, f", {_LOST_CALL}" if was_called else UNUSED)


async def _end_or_wait(tx: Tx, lost: Sequence[_Lost], now_us: int, tally: Tally) -> None:
    again: list[int] = []
    gone: dict[int, int] = {}
    uncertain: list[int] = []
    uncalled: list[int] = []
    for each in lost:
        if _is_uncertain(each):
            tally.move(each.mailing_id, UNCERTAIN, now_us)
            uncertain.append(each.id)
        elif each.stale:
            gone[each.id] = each.mailing_id
        else:
            (again if each.was_called else uncalled).append(each.id)
    await withdraw_messages(tx, gone, now_us, tally, uncalled=True)
    if again:
        await update_messages(
            tx, f"{set_to(_LOST_UNMARKED)}, owner = NULL, due_us = 0, unsure = TRUE, {_LOST_CALL}", again
        )
    if uncertain:
        change = f"{ENDS_UNCERTAIN}, owner = NULL, stale = FALSE, http_status = NULL, detail = '{LOST_DETAIL}'"
        await update_messages(tx, f"{change}, {_LOST_CALL}, finished_us = ?", uncertain, now_us)
        await tell_messages(tx, uncertain)
    if uncalled:
        cost = "CASE WHEN unsure THEN cost ELSE 0 END"
        change = f"{set_by(Event.RELEASE)}, owner = NULL, due_us = 0{UNUSED}, {DROPPED}, cost = {cost}"
        await update_messages(tx, change, uncalled)
