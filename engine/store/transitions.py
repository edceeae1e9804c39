"""The life of a message while an engine has it: begin, record, release, renew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from common.logs import mask_text
from engine.domain.message import Event, Status, Step, outcome_of, step, withdraw
from engine.ports import Claim, Record, Renewal, Return
from engine.store.audience import not_reached
from engine.store.claims import update_messages
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_waiting, open_to, set_by, set_to
from engine.store.told import hold_told, may_have_reached
from engine.store.verbs import Verbs, alone_if_overtaken, hold, transaction
from engine.store.withdrawal import listed_among, withdraw_messages

_HELD: Final = "SELECT id FROM message WHERE id = ANY(?::bigint[]) AND owner = ? ORDER BY id FOR UPDATE"
_IN_ORDER: Final = f"WITH held AS MATERIALIZED ({_HELD}) "
"""``hold`` as a part of the statement that changes the rows. It also makes PostgreSQL find them by their ids and not by
the index of all claimed ones: 30,000 a second instead of 4,000 with 20,000 claimed."""

_DETAIL_MAX: Final = 1_000
"""Characters."""

_FENCE: Final = {"id": "int", "attempt": "int"}
_SENT: Final = {"id": "int", "started_us": "int", "finished_us": "int"}
_OUTCOME: Final = {
    "id": "int",
    "status": "int",
    "reason": "int",
    "unsure": "int",
    "due_us": "int",
    "started_us": "int",
    "finished_us": "int",
    "http_status": "int",
    "detail": "text",
    "text_version": "int",
    "rendered": "text",
    "uncalled": "int",
    "next_provider": "int",
    "put_off": "int",
}
_RENDERED: Final = {"rendered": "text"}
_WHOSE_TURN: Final = (
    "CASE WHEN r.put_off = 0 OR message.unsure OR r.unsure <> 0 THEN message.provider_id ELSE r.next_provider END"
)
"""A message that certainly was not sent may go to another provider. One that may have reached its provider stays with
that one."""
_KEPT: Final = "CASE WHEN message.client_id IS NOT NULL THEN {rendered} END"
"""What the placeholders stood for goes with the client, and may not come after that."""
_ATTEMPT: Final = {
    "id": "int",
    "number": "int",
    "lost": "int",
    "started_us": "int",
    "finished_us": "int",
    "http_status": "int",
    "detail": "text",
    "provider_id": "int",
}
# The same for all, for unsure ones too: one statement may store all that are accepted.
_ACCEPTED: Final = outcome_of(Event.ACCEPT)
_NOT_REACHED: Final = frozenset({Event.DEFER, Event.REJECT, Event.LACK})
"""What certainly was not sent."""


class _Taken(NamedTuple):
    """A message as it was when it came through the fence."""

    attempt: int
    """A batch may hold a late outcome of an earlier one beside it."""
    stale: bool
    status: Status
    unsure: bool
    listed: bool
    """It is stale, and the number of its client is on the stop list."""

    def after(self, event: Event) -> Step | None:
        """What the event makes of it; ``None``: it is removed, for its client matches no longer."""
        result = step(self.status, event, unsure=self.unsure)
        was_called = result.status.is_final and event is not Event.LACK
        if not self.stale or was_called:
            return result
        return withdraw(unsure=self.unsure or result.unsure, listed=self.listed)


class TransitionVerbs(Verbs):
    """Verbs of ``ports.Store``; each is one transaction."""

    async def begin(self, claims: Sequence[Claim], *, owner: int) -> set[int]:
        """BEGIN; see ``ports.Store``."""
        return await self._begin(claims, owner) if claims else set()

    @transaction(Lane.DELIVERY)
    async def _begin(self, tx: Tx, claims: Sequence[Claim], owner: int) -> set[int]:
        pairs = ((claim.message_id, claim.attempt) for claim in claims)
        ours = await _passed(tx, pairs, owner, open_to(Event.BEGIN, "m"))
        if ours:
            await update_messages(tx, set_by(Event.BEGIN), ours)
        return set(ours)

    async def renew(self, claims: Sequence[Claim], *, owner: int, lease_until_us: int) -> Renewal:
        """Extend leases; see ``ports.Store``. One row in the hands of an engine that froze must not cost all others."""
        return await self._renew(claims, owner, lease_until_us) if claims else Renewal(set(), set())

    @transaction(Lane.DELIVERY)
    async def _renew(self, tx: Tx, claims: Sequence[Claim], owner: int, lease_until_us: int) -> Renewal:
        pairs = [(claim.message_id, claim.attempt) for claim in claims]
        free = await _passed(tx, pairs, owner, lock=tx.dialect.lock("m", skip=True))
        if free:
            await update_messages(tx, "due_us = ?", free, lease_until_us)
        rest = [pair for pair in pairs if pair[0] not in free]
        return Renewal(set(free), set(await _passed(tx, rest, owner, lock="")) if rest else set())

    async def release(self, returns: Sequence[Return], *, owner: int, now_us: int) -> int:
        """RELEASE; see ``ports.Store``."""
        return await self._release(returns, owner, now_us) if returns else 0

    @alone_if_overtaken(Lane.DELIVERY)
    async def _release(self, tx: Tx, returns: Sequence[Return], owner: int, now_us: int) -> int:
        passed = await _passed(tx, ((item.message_id, item.attempt) for item in returns), owner)
        ours = [
            item for item in returns if item.message_id in passed and passed[item.message_id].attempt == item.attempt
        ]
        gone: dict[int, int] = {}
        dues: list[tuple[int, int]] = []
        for item in ours:
            result = passed[item.message_id].after(Event.RELEASE)
            if result is None or result.status.is_final:
                gone[item.message_id] = item.mailing_id
            else:
                dues.append((item.message_id, item.due_us))
        await tx.run(
            f"UPDATE message SET {set_by(Event.RELEASE)}, owner = NULL,"
            " attempt = message.attempt - 1, due_us = r.due_us"
            f" FROM {tx.dialect.rows_table(id='int', due_us='int')} WHERE message.id = r.id",
            *tx.dialect.rows_args(dues, 2),
        )
        tally = Tally()
        await hold_told(tx, [item.message_id for item in ours])
        await withdraw_messages(tx, gone, now_us, tally, uncalled=True)
        await not_reached(tx, [item.message_id for item in ours], tally)
        await tally.write(tx)
        return len(passed)

    async def record(self, records: Sequence[Record], *, owner: int, now_us: int) -> int:
        """ACCEPT, REJECT, DEFER, MISS, LACK; see ``ports.Store``."""
        return await self._record(records, owner) if records else 0

    @alone_if_overtaken(Lane.DELIVERY)
    async def _record(self, tx: Tx, records: Sequence[Record], owner: int) -> int:
        if await _store_all_sent(tx, records, owner):
            return len(records)
        passed = await _passed(tx, ((record.message_id, record.attempt) for record in records), owner)
        ours = {
            record.message_id: (record, passed[record.message_id].after(record.event))
            for record in records
            if record.message_id in passed and passed[record.message_id].attempt == record.attempt
        }
        await _store_outcomes(tx, list(ours.values()), owner)
        return len(ours)

    @transaction(Lane.DELIVERY)
    async def take_back(
        self, tx: Tx, mailing_id: int, limit: int, *, after: tuple[int, int], by_us: int
    ) -> tuple[int, int] | None:
        """See ``ports.Store``. In the order of the time, so that nothing is taken back twice."""
        rows = await tx.table(
            "id, due_us",
            f"SELECT m.id AS id, m.due_us AS due_us FROM message AS m {tx.dialect.indexed_by('message_due')}"
            f" WHERE m.mailing_id = ? AND {is_waiting('m')} AND (m.due_us, m.id) > (?, ?)"
            f" ORDER BY m.due_us, m.id LIMIT ? {tx.dialect.lock('m', skip=True)}",
            mailing_id,
            *after,
            limit,
        )
        if not rows:
            return None
        await update_messages(
            tx, "due_us = CASE WHEN due_us > ? THEN due_us - ? ELSE 1 END", [row[0] for row in rows], by_us, by_us
        )
        return rows[-1][1], rows[-1][0]


async def _passed(
    tx: Tx,
    pairs: Iterable[tuple[int, int]],
    owner: int,
    condition: str = "TRUE",
    *,
    lock: str | None = None,
) -> dict[int, _Taken]:
    """The fence: those of these (message id, attempt) that are still the owner's. Only what is claimed or being called
    has an owner: the table has a constraint. Locked in the order of their ids, unless ``lock`` says otherwise."""
    in_order = f"ORDER BY m.id {tx.dialect.lock('m')}" if lock is None and not tx.dialect.is_sqlite else lock or ""
    rows = await tx.table(
        "id, attempt, stale, status, unsure",
        "SELECT m.id AS id, m.attempt AS attempt, m.stale AS stale, m.status AS status, m.unsure AS unsure"
        f" FROM {tx.dialect.rows_table(**_FENCE)}"
        f" JOIN message AS m ON m.id = r.id AND m.attempt = r.attempt WHERE m.owner = ? AND {condition} {in_order}",
        *tx.dialect.rows_args(list(pairs), len(_FENCE)),
        owner,
    )
    listed = await listed_among(tx, [row[0] for row in rows if row[2]])
    return {
        id: _Taken(attempt, bool(stale), Status(status), bool(unsure), id in listed)
        for id, attempt, stale, status, unsure in rows
    }


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
    tally.calls(records, _ACCEPTED)
    await tally.write(tx)
    return True


async def _store_outcomes(tx: Tx, outcomes: Sequence[tuple[Record, Step | None]], owner: int) -> None:
    """Store outcomes of messages that are still ours. No step: the message, which was put off, is removed."""
    sent, others, gone = [], [], []
    by_step: defaultdict[Step, list[Record]] = defaultdict(list)
    for record, result in outcomes:
        by_step[result or Step(Status.PENDING)].append(record)
        if result is None:
            gone.append(record)
        elif result.status is Status.SENT:
            sent.append(record)
        else:
            others.append((record, result))
    tally = Tally()
    missed = [record.message_id for record, _ in outcomes if record.event is Event.MISS]
    known = [record.message_id for record, _ in outcomes if record.event in _NOT_REACHED]
    await hold_told(tx, [*missed, *known])
    await may_have_reached(tx, missed)
    for result, records in by_step.items():
        _count(tally, records, result)
    for record in gone:
        tally.add(record.mailing_id, "pending", -1)
    await _store_sent(tx, sent, owner)
    await _store_others(tx, others)
    if gone:
        ids = tx.dialect.list_arg(record.message_id for record in gone)
        await tx.run(f"DELETE FROM message WHERE id {tx.dialect.in_list()}", ids)
    await not_reached(tx, known, tally)
    await tally.write(tx)


def _count(tally: Tally, records: Sequence[Record], result: Step) -> None:
    """Count calls, and what ended without one."""
    tally.calls((record for record in records if record.event is not Event.LACK), result)
    for record in records:
        if record.event is Event.LACK and result.status.is_final:
            tally.move(record.mailing_id, result, record.finished_us)


async def _store_sent(tx: Tx, records: Sequence[Record], owner: int) -> int:
    """Store the accepted ones that pass the fence; return how many."""
    # Nearly all are alike in attempt, status and text. What goes in once a statement and not once a row is cheaper:
    # each field that SQLite takes out of a row's JSON costs a tenth of what it takes to store the row.
    alike: defaultdict[tuple[int, int | None, int | None, bool], list[tuple[int | str, ...]]] = defaultdict(list)
    for id, _, _, attempt, _, started_us, finished_us, http_status, _, _, text_version, rendered, *_ in records:
        if rendered is None:
            alike[attempt, http_status, text_version, False].append((id, started_us, finished_us))
        else:
            alike[attempt, http_status, text_version, True].append((id, started_us, finished_us, rendered))
    if len(alike) > 1:
        ids = [record.message_id for record in records]
        await hold(tx, "message", f"message.id {tx.dialect.in_list()} AND message.owner = ?", ids, owner)
    in_order, among = ("", "") if tx.dialect.is_sqlite else (_IN_ORDER, " AND message.id IN (SELECT id FROM held)")
    stored = 0
    for (attempt, http_status, text_version, personal), rows in alike.items():
        columns, keep = (
            (_SENT | _RENDERED, f", rendered = {_KEPT.format(rendered='r.rendered')}") if personal else (_SENT, "")
        )
        stored += await tx.run(
            f"{in_order}UPDATE message SET {set_to(_ACCEPTED)}, owner = NULL, due_us = 0, stale = FALSE,"
            " started_us = r.started_us, finished_us = r.finished_us, http_status = ?, text_version = ?, detail = ''"
            f"{keep} FROM {tx.dialect.rows_table(**columns)} WHERE message.id = r.id AND message.attempt = ?"
            f" AND message.owner = ?{among}",
            *(() if tx.dialect.is_sqlite else ([row[0] for row in rows], owner)),
            http_status,
            text_version,
            *tx.dialect.rows_args(rows, len(columns)),
            attempt,
            owner,
        )
    return stored


async def _store_others(tx: Tx, outcomes: list[tuple[Record, Step]]) -> None:
    """What is not accepted. An attempt that did not end its message gets a line of history."""
    if not outcomes:
        return
    await tx.run(
        "UPDATE message SET status = r.status, reason = r.reason, owner = NULL, due_us = r.due_us, stale = FALSE,"
        " unsure = (message.unsure OR r.unsure <> 0), started_us = r.started_us, finished_us = r.finished_us,"
        " http_status = r.http_status, detail = r.detail, attempt = message.attempt - r.uncalled,"
        f" provider_id = {_WHOSE_TURN},"
        " text_version = coalesce(r.text_version, message.text_version),"
        f" rendered = {_KEPT.format(rendered='coalesce(r.rendered, message.rendered)')}"
        f" FROM {tx.dialect.rows_table(**_OUTCOME)} WHERE message.id = r.id",
        *tx.dialect.rows_args([_outcome_row(record, result) for record, result in outcomes], len(_OUTCOME)),
    )
    history = [
        _attempt_row(record)
        for record, result in outcomes
        if result.status is Status.PENDING or record.event is Event.DEFER
    ]
    if history:
        await tx.run(
            "INSERT INTO attempt (message_id, number, lost, started_us, finished_us, http_status, detail, provider_id)"
            " SELECT id, number, lost <> 0, started_us, finished_us, http_status, detail, provider_id"
            f" FROM {tx.dialect.rows_table(**_ATTEMPT)}",
            *tx.dialect.rows_args(history, len(_ATTEMPT)),
        )


def _outcome_row(record: Record, result: Step) -> tuple[int | str | None, ...]:
    final = result.status.is_final
    return (
        record.message_id,
        int(result.status),
        None if result.reason is None else int(result.reason),
        int(result.unsure),
        0 if final else record.due_us,
        record.started_us if final else None,
        record.finished_us if final else None,
        record.http_status,
        _storable(record.detail),
        record.text_version,
        record.rendered,
        int(record.event is Event.LACK),
        record.next_provider,
        int(record.event is Event.DEFER and not final),
    )


def _attempt_row(record: Record) -> tuple[int | str | None, ...]:
    return (
        record.message_id,
        record.attempt,
        int(record.event is Event.MISS),
        record.started_us,
        record.finished_us,
        record.http_status,
        _storable(record.detail),
        record.provider_id,
    )


def _storable(detail: str) -> str:
    """Make a provider's words fit to be stored. They may hold what a database or UTF-8 can't (U+0000, half a surrogate
    pair), be long, or name the number, which must not outlive its client."""
    return mask_text(detail)[:_DETAIL_MAX].replace("\0", "\ufffd").encode("utf-8", "replace").decode()
