"""Keeping audiences in line when clients change: who gets a message now, and who does not any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from engine.domain.attributes import attributes_of
from engine.domain.audience import Candidate
from engine.domain.message import Status
from engine.store.counters import Tally
from engine.store.database import Row, Tx
from engine.store.decided import IS_DECIDED, may_stay, staying
from engine.store.lifecycle import is_not_final, is_waiting
from engine.store.mailing_rows import filter_of
from engine.store.matching import MAY_GET
from engine.store.snapshots import meeting
from engine.store.told import leave_out, left_out, untold
from engine.store.verbs import Overtaken, try_lock_clients
from engine.store.withdrawal import withdraw_messages

_PAIRS: Final = {"mailing_id": "int", "client_id": "int"}


async def follow_clients(
    tx: Tx, now_us: int, tally: Tally, *, new: Sequence[int] = (), changed: Sequence[int] = (), silent: bool = False
) -> None:
    """Bring every open mailing's messages in line with clients that were just written (docs/behaviour.md, rule 1).

    Args:
        tx: the transaction that wrote them, which holds ``lock_clients``.
        now_us: the time.
        tally: gets what changes in the counters.
        new: ids of those that did not exist before, so there is nothing to take away.
        changed: ids of the others; a batch of a few thousand at most, together.
        silent: whoever would get a message now is left out of that mailing for good instead.
    """
    mailings = await open_mailings(tx, now_us)
    if not mailings or not (new or changed):
        return
    changed_ids = tx.dialect.list_arg(changed)
    stored = await _not_final(tx, changed_ids) if changed else []
    live = [row for row in mailings if not row[3]]
    wanted = await _wanted(tx, live, tx.dialect.list_arg([*new, *changed]), now_us)
    wanted |= await staying(tx, stored, {row[0] for row in mailings if row[3]}, now_us)
    await _take_away(tx, stored, wanted, {row[0] for row in mailings}, tally, now_us)
    if silent:
        await leave_out(tx, await without_message(tx, wanted))
    else:
        await _add(tx, wanted, now_us, tally)
    if changed:  # one that waits for local hours looks at them again
        await tx.run(
            f"UPDATE message SET due_us = 0 WHERE {is_waiting()} AND attempt = 0 AND due_us > 0"
            f" AND client_id {tx.dialect.in_list()}",
            changed_ids,
        )


async def open_mailings(tx: Tx, now_us: int) -> Sequence[Row]:
    """Mailings that are neither over nor cancelled: id, filter, when that was said, whether the audience is decided."""
    return await tx.rows(
        f"SELECT id, audience_filter, audience_us, {IS_DECIDED} FROM mailing"
        " WHERE end_us > ? AND cancelled_us IS NULL AND deleted_us IS NULL",
        now_us,
        now_us,
    )


async def without_message(tx: Tx, pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these (mailing, client) of which there is no message, whatever its status."""
    if not pairs:
        return pairs
    found = await tx.rows(
        f"SELECT m.mailing_id, m.client_id FROM {tx.dialect.rows_table(**_PAIRS)} JOIN message AS m"
        " ON m.client_id = r.client_id AND m.mailing_id = r.mailing_id",
        *tx.dialect.rows_args(sorted(pairs), len(_PAIRS)),
    )
    return pairs - {(mailing_id, client_id) for mailing_id, client_id in found}


async def not_reached(tx: Tx, message_ids: Sequence[int], tally: Tally) -> None:
    """Nothing of these messages, which an engine had, has reached anybody: who was left out because of one of them, for
    having the number that its client had left, gets a message. ``hold_told`` comes first. So does the removal
    of those that are stale: one may be the earlier message of a client that gets one here.

    Raises:
        Overtaken: there is somebody, and clients are being written or derived from.
    """
    waiting = await untold(tx, message_ids) if message_ids else []
    if not waiting:
        return
    if not await try_lock_clients(tx):
        raise Overtaken
    listed = tx.dialect.in_list()
    since_us = max(row[2] for row in waiting)
    mailings = await tx.rows(
        f"SELECT id, audience_filter, audience_us, {IS_DECIDED} FROM mailing"
        f" WHERE id {listed} AND cancelled_us IS NULL AND deleted_us IS NULL",
        since_us,
        tx.dialect.list_arg({row[0] for row in waiting}),
    )
    client_ids = tx.dialect.list_arg({row[1] for row in waiting})
    pairs = {(row[0], row[1]) for row in waiting}
    decided = {row[0] for row in mailings if row[3]}
    live = [row for row in mailings if row[0] not in decided]
    wanted = {pair for pair in await _wanted(tx, live, client_ids, since_us) if pair in pairs}
    # Whoever waits for a decided audience was in it, and the message that said so may be gone by now.
    wanted |= await may_stay(tx, {pair for pair in pairs if pair[0] in decided}, since_us)
    await _keep_taken(tx, wanted)
    await _add(tx, wanted, since_us, tally)


async def _keep_taken(tx: Tx, wanted: set[tuple[int, int]]) -> None:
    """An engine has a message of some of these (mailing, client) still, to be removed: let it stay. ``told`` is locked
    by now, so this must not wait for a message."""
    if not wanted:
        return
    await tx.run(
        "UPDATE message SET stale = FALSE WHERE id IN"
        f" (SELECT m.id FROM {tx.dialect.rows_table(**_PAIRS)} JOIN message AS m"
        " ON m.client_id = r.client_id AND m.mailing_id = r.mailing_id"
        f" WHERE m.stale {tx.dialect.lock('m', skip=True)})",
        *tx.dialect.rows_args(sorted(wanted), len(_PAIRS)),
    )


async def _candidates(tx: Tx, ids: Any, *, attributes: bool) -> tuple[list[Candidate], dict[int, int]]:
    """Clients for filters to look at, those that may get a text at all, and the phone number of each; ``attributes``: a
    filter asks for them."""
    column = ", c.attributes" if attributes else ""
    rows = await tx.rows(
        f"SELECT c.id, c.phone_number, c.tag, c.phone_code{column} FROM client AS c"
        f" WHERE c.id {tx.dialect.in_list()} AND {MAY_GET}",
        ids,
    )
    found = [Candidate(id, tag, code, *map(attributes_of, text)) for id, _, tag, code, *text in rows]
    return found, {row[0]: row[1] for row in rows}


async def _wanted(tx: Tx, mailings: Sequence[Row], client_ids: Any, now_us: int) -> set[tuple[int, int]]:
    """(mailing, client) for each client that a mailing's filter matches, and whose number it has not told already."""
    filters = {row[0]: filter_of(row[1]) for row in mailings}
    asks = any(filter.attributes for filter in filters.values())
    clients, phones = await _candidates(tx, client_ids, attributes=asks)
    pairs = {(mailing_id, each.id) for mailing_id, filter in filters.items() for each in filter.among(clients)}
    pairs -= await unmet(tx, mailings, pairs)
    return pairs - await left_out(tx, pairs, phones, now_us)


async def unmet(tx: Tx, mailings: Sequence[Row], pairs: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these (mailing, client) who do not meet ``filter.messages``; ``mailings``: as of ``open_mailings``."""
    found: set[tuple[int, int]] = set()
    for mailing_id, text, at_us, *_ in mailings:
        condition = filter_of(text).messages
        if condition is not None:
            asked = {client_id for of, client_id in pairs if of == mailing_id}
            missing = asked - await meeting(tx, mailing_id, condition, at_us, asked)
            found |= {(mailing_id, client_id) for client_id in missing}
    return found


async def _not_final(tx: Tx, client_ids: Any) -> Sequence[Row]:
    return await tx.rows(
        "SELECT id, mailing_id, client_id, status, stale FROM message"
        f" WHERE client_id {tx.dialect.in_list()} AND {is_not_final()} ORDER BY id {tx.dialect.lock()}",
        client_ids,
    )


async def _take_away(
    tx: Tx, stored: Sequence[Row], wanted: set[tuple[int, int]], open_ids: set[int], tally: Tally, now_us: int
) -> None:
    in_open = [row for row in stored if row[1] in open_ids]
    unwanted = [row for row in in_open if (row[1], row[2]) not in wanted]
    await remove_pending(tx, unwanted, tally, now_us)
    welcome_back = [row[0] for row in in_open if row[4] and (row[1], row[2]) in wanted]
    if welcome_back:
        listed = tx.dialect.in_list()
        await tx.run(f"UPDATE message SET stale = FALSE WHERE id {listed}", tx.dialect.list_arg(welcome_back))


async def remove_pending(tx: Tx, rows: Sequence[Row], tally: Tally, now_us: int) -> None:
    """Withdraw the pending ones of these messages (id, mailing, client, status, stale); mark the taken ones stale."""
    listed = tx.dialect.in_list()
    taken = [row[0] for row in rows if row[3] != Status.PENDING]
    gone = {row[0]: row[1] for row in rows if row[3] == Status.PENDING}
    await withdraw_messages(tx, gone, now_us, tally)
    if taken:
        await tx.run(f"UPDATE message SET stale = TRUE WHERE id {listed}", tx.dialect.list_arg(taken))


async def _add(tx: Tx, wanted: set[tuple[int, int]], now_us: int, tally: Tally) -> None:
    if not wanted:
        return
    added = await tx.rows(
        f"INSERT INTO message (mailing_id, client_id, create_us) SELECT mailing_id, client_id, CAST(? AS bigint)"
        f" FROM {tx.dialect.rows_table(**_PAIRS)} WHERE TRUE ORDER BY mailing_id, client_id"
        " ON CONFLICT (client_id, mailing_id) DO NOTHING RETURNING mailing_id",
        now_us,
        *tx.dialect.rows_args(sorted(wanted), len(_PAIRS)),
    )
    for mailing_id, number in Counter(row[0] for row in added).items():
        tally.add(mailing_id, "pending", number)
