"""The life of a message while an engine has it: claim, begin, record, release, renew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from common.logs import mask_text
from engine.domain.message import Event, Status, Step, step
from engine.ports import Claim, Record, Return
from engine.store.audience import not_reached
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.told import NOT_THE_PROVIDERS, may_have_reached, removed
from engine.store.verbs import Verbs

_MAY_SEND: Final = (
    "SELECT id FROM mailing WHERE id = ? AND NOT paused AND cancelled_us IS NULL AND deleted_us IS NULL"
    " AND start_us <= ? AND end_us > ? AND (audience_ready OR audience_generation = 0)"
)

# One UPDATE … RETURNING would do on SQLite too, but hands its rows over one by one (see ``dialect``).
_CLAIM_SQLITE: Final = (
    "SELECT m.id AS id, m.client_id AS client_id, m.attempt + 1 AS attempt,"
    " c.phone_number AS phone_number, c.time_zone AS time_zone"
    f" FROM message AS m CROSS JOIN client AS c ON c.id = m.client_id"
    f" WHERE m.mailing_id = ({_MAY_SEND}) AND m.status = 0 AND m.due_us BETWEEN ? AND ? ORDER BY m.due_us, m.id LIMIT ?"
)
_CLAIM_POSTGRES: Final = (
    f"WITH sending AS MATERIALIZED ({_MAY_SEND} FOR SHARE), due AS MATERIALIZED ("
    "SELECT m.id, m.due_us FROM message AS m WHERE m.mailing_id = (SELECT id FROM sending) AND m.status = 0"
    " AND m.due_us BETWEEN ? AND ? ORDER BY m.due_us, m.id LIMIT ? FOR UPDATE OF m SKIP LOCKED)"
    ", taken AS (UPDATE message AS m SET status = 1, owner = ?, attempt = m.attempt + 1, due_us = ?"
    " FROM due, client AS c WHERE m.id = due.id AND c.id = m.client_id"
    " RETURNING due.due_us AS was_due_us, m.id, m.client_id, m.attempt, c.phone_number, c.time_zone)"
    " SELECT id, client_id, attempt, phone_number, time_zone FROM taken ORDER BY was_due_us, id"
)

_DETAIL_MAX: Final = 1_000
"""Characters."""

_FENCE: Final = {"id": "int", "attempt": "int"}
_SENT: Final = {"id": "int", "started_us": "int", "finished_us": "int"}
_OUTCOME: Final = {
    "id": "int",
    "status": "int",
    "reason": "int",
    "due_us": "int",
    "started_us": "int",
    "finished_us": "int",
    "http_status": "int",
    "detail": "text",
}
_ATTEMPT: Final = {
    "id": "int",
    "number": "int",
    "started_us": "int",
    "finished_us": "int",
    "http_status": "int",
    "detail": "text",
}
# The table says the same for CLAIMED and CALLING (the fence lets both pass): the domain decides, once.
_RESULT: Final = {event: step(Status.CALLING, event) for event in (Event.ACCEPT, Event.REJECT, Event.DEFER)}


class _Passed(NamedTuple):
    """What came through the fence."""

    attempts: dict[int, int]
    """The attempt of each message: a batch may hold a late outcome of an earlier one beside it."""
    stale: set[int]


class TransitionVerbs(Verbs):
    """Verbs of ``ports.Store``; each is one transaction."""

    async def claim(self, mailing_id: int, limit: int, *, owner: int, now_us: int, lease_until_us: int) -> list[Claim]:
        """CLAIM; see ``ports.Store``. Nothing is claimed of a mailing whose audience is being rebuilt."""

        async def taken(tx: Tx, from_us: int, to_us: int, room: int) -> list[Any]:
            args = (mailing_id, now_us, now_us, from_us, to_us, room)
            if not tx.dialect.is_sqlite:
                return list(await tx.rows(_CLAIM_POSTGRES, *args, owner, lease_until_us))
            columns = "id, client_id, attempt, phone_number, time_zone"
            rows = list(await tx.table(columns, _CLAIM_SQLITE, *args))
            await _take(tx, [row[0] for row in rows], owner, lease_until_us)
            return rows

        async def work(tx: Tx) -> list[Claim]:
            # Retries (and whoever waited for local hours) have waited long enough: behind the untried ones of a large
            # mailing they would come last of all. Untried ones can't starve: each failure makes the next pause longer.
            rows = await taken(tx, 1, now_us, limit)
            if len(rows) < limit:
                rows += await taken(tx, 0, 0, limit - len(rows))
            # A NamedTuple's own constructor costs twice as much, and this is done for each message.
            return [
                tuple.__new__(Claim, (id, mailing_id, client_id, attempt, phone, zone, lease_until_us))
                for id, client_id, attempt, phone, zone in rows
            ]

        return await self._db.transaction(work, Lane.DELIVERY)

    async def begin(self, claims: Sequence[Claim], *, owner: int) -> set[int]:
        """BEGIN; see ``ports.Store``."""
        return await self._update_taken(claims, owner, "m.status = 1", "status = 2")

    async def renew(self, claims: Sequence[Claim], *, owner: int, lease_until_us: int) -> set[int]:
        """Extend leases; see ``ports.Store``."""
        return await self._update_taken(claims, owner, "m.status IN (1, 2)", "due_us = ?", lease_until_us)

    async def _update_taken(
        self, claims: Sequence[Claim], owner: int, condition: str, change: str, *values: int
    ) -> set[int]:
        async def work(tx: Tx) -> set[int]:
            pairs = ((claim.message_id, claim.attempt) for claim in claims)
            ours = await _passed(tx, pairs, owner, condition)
            if ours.attempts:
                await _update(tx, change, ours.attempts, *values)
            return set(ours.attempts)

        return await self._db.transaction(work, Lane.DELIVERY) if claims else set()

    async def release(self, returns: Sequence[Return], *, owner: int) -> int:
        """RELEASE; see ``ports.Store``."""

        async def work(tx: Tx) -> int:
            passed = await _passed(tx, ((item.message_id, item.attempt) for item in returns), owner)
            ours = [item for item in returns if passed.attempts.get(item.message_id) == item.attempt]
            await _remove_stale(tx, {item.message_id: item.mailing_id for item in ours}, passed.stale)
            dues = {item.message_id: item.due_us for item in ours if item.message_id not in passed.stale}
            await tx.run(
                "UPDATE message SET status = 0, owner = NULL, attempt = message.attempt - 1, due_us = r.due_us"
                f" FROM {tx.dialect.rows_table(id='int', due_us='int')} WHERE message.id = r.id",
                *tx.dialect.rows_args(list(dues.items()), 2),
            )
            await not_reached(tx, [item.message_id for item in ours])
            return len(passed.attempts)

        return await self._db.transaction(work, Lane.DELIVERY) if returns else 0

    async def record(self, records: Sequence[Record], *, owner: int, now_us: int) -> int:
        """ACCEPT, REJECT, DEFER; see ``ports.Store``."""

        async def work(tx: Tx) -> int:
            if await _store_all_sent(tx, records, owner):
                return len(records)
            passed = await _passed(tx, ((record.message_id, record.attempt) for record in records), owner)
            attempts = passed.attempts
            ours = {
                record.message_id: record for record in records if attempts.get(record.message_id) == record.attempt
            }
            await _store_outcomes(tx, ours, passed.stale, owner)
            return len(ours)

        return await self._db.transaction(work, Lane.DELIVERY) if records else 0


async def _take(tx: Tx, ids: list[int], owner: int, lease_until_us: int) -> None:
    if ids:
        await _update(tx, "status = 1, owner = ?, attempt = attempt + 1, due_us = ?", ids, owner, lease_until_us)


async def _update(tx: Tx, change: str, ids: Iterable[int], *values: int) -> None:
    sql = f"UPDATE message SET {change} WHERE id {tx.dialect.in_list()}"
    await tx.run(sql, *values, tx.dialect.list_arg(ids))


async def _passed(
    tx: Tx, pairs: Iterable[tuple[int, int]], owner: int, condition: str = "m.status IN (1, 2)"
) -> _Passed:
    """The fence: which of these (message id, attempt) are still the owner's."""
    rows = await tx.table(
        "id, attempt, stale",
        f"SELECT m.id AS id, m.attempt AS attempt, m.stale AS stale FROM {tx.dialect.rows_table(**_FENCE)}"
        f" JOIN message AS m ON m.id = r.id AND m.attempt = r.attempt WHERE m.owner = ? AND {condition}"
        f" {tx.dialect.lock('m')}",
        *tx.dialect.rows_args(list(pairs), len(_FENCE)),
        owner,
    )
    return _Passed({row[0]: row[1] for row in rows}, {row[0] for row in rows if row[2]})


async def _remove_stale(tx: Tx, mailing_of: dict[int, int], stale: set[int], unsure: Collection[int] = ()) -> None:
    """Delete the stale ones of ``mailing_of``, which go back to pending; their mailings have one less."""
    gone = stale & mailing_of.keys()
    if not gone:
        return
    tally = Tally()
    for id in gone:
        tally.add(mailing_of[id], "pending", -1)
    await removed(tx, gone, unsure)
    await tx.run(f"DELETE FROM message WHERE id {tx.dialect.in_list()}", tx.dialect.list_arg(gone))
    await tally.write(tx)


async def _store_all_sent(tx: Tx, records: Sequence[Record], owner: int) -> bool:
    """Most batches: all accepted and all still ours. One statement is fence and change at once, and how many
    rows it changed tells whether that was so; if not, nothing was done and the long way follows."""
    if [record.event for record in records].count(Event.ACCEPT) < len(records):
        return False
    await tx.run("SAVEPOINT all_sent")
    if await _store_sent(tx, records, owner) < len(records):
        await tx.run("ROLLBACK TO SAVEPOINT all_sent")
        return False
    tally = Tally()
    tally.calls(records, _RESULT[Event.ACCEPT])
    await tally.write(tx)
    return True


async def _store_outcomes(tx: Tx, records: dict[int, Record], stale: set[int], owner: int) -> None:
    sent = [record for record in records.values() if record.event is Event.ACCEPT]
    if sent:
        await _store_sent(tx, sent, owner)
    if len(sent) < len(records):
        others = [record for record in records.values() if record.event is not Event.ACCEPT]
        await _store_others(tx, [(record, _RESULT[record.event]) for record in others], stale)
    tally = Tally()
    for event, result in _RESULT.items():
        tally.calls([record for record in records.values() if record.event is event], result)
    await tally.write(tx)


async def _store_sent(tx: Tx, records: Sequence[Record], owner: int) -> int:
    """Of these accepted ones, store those that pass the fence; return how many."""
    # Nearly all are alike in attempt and status. What goes in once a statement and not once a row is cheaper: each
    # field that SQLite takes out of a row's JSON costs a tenth of what it takes to store the row.
    alike: defaultdict[tuple[int, int | None], list[tuple[int, int, int]]] = defaultdict(list)
    for id, _, _, attempt, _, started_us, finished_us, http_status, _, _ in records:
        alike[attempt, http_status].append((id, started_us, finished_us))
    stored = 0
    for (attempt, http_status), rows in alike.items():
        stored += await tx.run(
            "UPDATE message SET status = 3, owner = NULL, due_us = 0, stale = FALSE, started_us = r.started_us,"
            " finished_us = r.finished_us, http_status = ?, detail = ''"
            f" FROM {tx.dialect.rows_table(**_SENT)} WHERE message.id = r.id AND message.attempt = ?"
            " AND message.owner = ? AND message.status IN (1, 2)",
            http_status,
            *tx.dialect.rows_args(rows, len(_SENT)),
            attempt,
            owner,
        )
    return stored


async def _store_others(tx: Tx, outcomes: list[tuple[Record, Step]], stale: set[int]) -> None:
    """Rejected and deferred ones; a deferred one that is stale goes, one that stays gets a line of history."""
    unknown = {record.message_id for record, _ in outcomes if _is_unknown(record)}
    await may_have_reached(tx, unknown)
    await not_reached(tx, [record.message_id for record, _ in outcomes if record.message_id not in unknown])
    deferred = {record.message_id: record for record, result in outcomes if result.status is Status.PENDING}
    await _remove_stale(tx, {id: record.mailing_id for id, record in deferred.items()}, stale, unknown)
    gone = stale & deferred.keys()
    kept = [(record, result) for record, result in outcomes if record.message_id not in gone]
    if not kept:
        return
    await tx.run(
        "UPDATE message SET status = r.status, reason = r.reason, owner = NULL, due_us = r.due_us, stale = FALSE,"
        " started_us = r.started_us, finished_us = r.finished_us, http_status = r.http_status, detail = r.detail"
        f" FROM {tx.dialect.rows_table(**_OUTCOME)} WHERE message.id = r.id",
        *tx.dialect.rows_args([_outcome_row(record, result) for record, result in kept], len(_OUTCOME)),
    )
    history = [_attempt_row(record) for record, result in kept if result.status is Status.PENDING]
    if history:
        await tx.run(
            "INSERT INTO attempt (message_id, number, lost, started_us, finished_us, http_status, detail)"
            " SELECT id, number, FALSE, started_us, finished_us, http_status, detail"
            f" FROM {tx.dialect.rows_table(**_ATTEMPT)}",
            *tx.dialect.rows_args(history, len(_ATTEMPT)),
        )


def _is_unknown(record: Record) -> bool:
    """Whether the provider may have got the text although it did not say so."""
    return record.event is Event.DEFER and (record.http_status is None or record.http_status in NOT_THE_PROVIDERS)


def _outcome_row(record: Record, result: Step) -> tuple[int | str | None, ...]:
    final = result.status.is_final
    return (
        record.message_id,
        int(result.status),
        None if result.reason is None else int(result.reason),
        0 if final else record.due_us,
        record.started_us if final else None,
        record.finished_us if final else None,
        record.http_status,
        _storable(record.detail),
    )


def _attempt_row(record: Record) -> tuple[int | str | None, ...]:
    started_us, finished_us = record.started_us, record.finished_us
    detail = _storable(record.detail)
    return record.message_id, record.attempt, started_us, finished_us, record.http_status, detail


def _storable(detail: str) -> str:
    """What a provider says may hold what a database or UTF-8 can't (U+0000, half a surrogate pair), be long, or name
    the number, which is not to outlive its client."""
    return mask_text(detail)[:_DETAIL_MAX].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
