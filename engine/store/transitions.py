"""The life of a message while an engine has it: begin, record, release, renew."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from engine.domain.message import Event, Status, Step, heard, step, withdraw
from engine.ports import Claim, Record, Renewal, Return
from engine.store.confirming import DROPPED, UNUSED, Heard, confirm, heard_of
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.followers import not_reached
from engine.store.lifecycle import is_waiting, open_to, set_by
from engine.store.outcomes import Outcome, store_all_sent, store_outcomes
from engine.store.told import hold_told
from engine.store.verbs import Verbs, alone_if_overtaken, transaction, update_messages
from engine.store.withdrawal import listed_among, withdraw_messages

_FENCE: Final = {"id": "int", "attempt": "int"}
_TAKEN: Final = ("id", "attempt", "stale", "status", "unsure", "delivery", "delivery_us", "text_version")


class _Taken(NamedTuple):
    """A message as it was when it came through the fence."""

    attempt: int
    """A batch may hold a late outcome of an earlier one beside it."""
    stale: bool
    status: Status
    unsure: bool
    listed: bool
    """It is stale, and the number of its client is on the stop list."""
    receipt: Heard | None
    """What a receipt has said of it meanwhile."""

    def after(self, event: Event) -> Step | None:
        """What the event makes of it; ``None``: it is removed, for its client matches no longer."""
        if self.receipt is not None:
            event = heard(event, self.attempt)
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
        dues: list[tuple[int, int, int | None]] = []
        sent: dict[int, tuple[int, Heard]] = {}
        for item in ours:
            taken = passed[item.message_id]
            result = taken.after(Event.RELEASE)
            if result is not None and result.status is Status.SENT and taken.receipt is not None:
                sent[item.message_id] = item.mailing_id, taken.receipt
            elif result is None or result.status.is_final:
                gone[item.message_id] = item.mailing_id
            else:
                cost = item.charge.before if item.charge.reserved else None
                dues.append((item.message_id, item.due_us, cost))
        uncalled = [item.message_id for item in ours if item.message_id not in sent]
        await tx.run(
            f"UPDATE message SET {set_by(Event.RELEASE)}, owner = NULL,"
            f" attempt = message.attempt - 1, due_us = r.due_us, cost = coalesce(r.cost, message.cost), {DROPPED}"
            f" FROM {tx.dialect.rows_table(id='int', due_us='int', cost='int')} WHERE message.id = r.id",
            *tx.dialect.rows_args(dues, 3),
        )
        tally = Tally()
        tally.touch({item.mailing_id for item in ours})  # they count for their provider no more
        _take_back_charges(ours, {*sent, *(id for id in gone if passed[id].unsure)}, tally)
        await hold_told(tx, [item.message_id for item in ours])
        await withdraw_messages(tx, gone, now_us, tally, uncalled=True)
        await confirm(tx, sent, now_us, tally, UNUSED)
        await not_reached(tx, uncalled, tally)
        await tally.write(tx)
        return len(passed)

    async def record(self, records: Sequence[Record], *, owner: int, now_us: int) -> int:
        """ACCEPT, REJECT, DEFER, MISS, LACK; see ``ports.Store``."""
        return await self._record(records, owner) if records else 0

    @alone_if_overtaken(Lane.DELIVERY)
    async def _record(self, tx: Tx, records: Sequence[Record], owner: int) -> int:
        if await store_all_sent(tx, records, owner):
            return len(records)
        passed = await _passed(tx, ((record.message_id, record.attempt) for record in records), owner)
        ours = {
            record.message_id: Outcome(record, taken.after(record.event), taken.receipt)
            for record in records
            if (taken := passed.get(record.message_id)) is not None and taken.attempt == record.attempt
        }
        await store_outcomes(tx, list(ours.values()), owner)
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


def _take_back_charges(returns: Sequence[Return], kept: Collection[int], tally: Tally) -> None:
    """What is given back uncalled costs what it did before; ``kept``: what is over now, and keeps its charge."""
    for item in returns:
        if item.charge.reserved and item.message_id not in kept:
            tally.add(item.mailing_id, "cost", item.charge.before - item.charge.reserved)


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
        ", ".join(_TAKEN),
        f"SELECT {', '.join(f'm.{name} AS {name}' for name in _TAKEN)}"
        f" FROM {tx.dialect.rows_table(**_FENCE)}"
        f" JOIN message AS m ON m.id = r.id AND m.attempt = r.attempt WHERE m.owner = ? AND {condition} {in_order}",
        *tx.dialect.rows_args(list(pairs), len(_FENCE)),
        owner,
    )
    listed = await listed_among(tx, [row[0] for row in rows if row[2]])
    return {
        id: _Taken(attempt, bool(stale), Status(status), bool(unsure), id in listed, heard_of(*receipt))
        for id, attempt, stale, status, unsure, *receipt in rows
    }
