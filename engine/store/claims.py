"""How an engine takes messages."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from engine.domain.message import Event
from engine.domain.routing import OF_FBRQ, Route
from engine.person import Person
from engine.ports import Claim
from engine.store.database import Lane, Tx
from engine.store.lifecycle import open_to, set_by
from engine.store.routes import index_for, may_have, with_numbers
from engine.store.verbs import Verbs, transaction, update_messages

_MAY_SEND: Final = (
    "SELECT id FROM mailing WHERE id = ? AND NOT paused AND cancelled_us IS NULL AND deleted_us IS NULL"
    " AND start_us <= ? AND end_us > ? AND (audience_ready OR audience_generation = 0)"
)

# One UPDATE … RETURNING would do on SQLite too, but hands its rows over one by one (see ``dialect``).
_CLAIMED: Final = ("client_id", "attempt", "phone_number", "time_zone")
_PERSON: Final = ("attributes", "tag")
"""What goes into texts, besides the number."""
_CLAIM_SQLITE: Final = (
    "SELECT m.id AS id, m.client_id AS client_id, m.attempt + 1 AS attempt,"
    " c.phone_number AS phone_number, c.time_zone AS time_zone{more}"
    " FROM message AS m {index} CROSS JOIN client AS c ON c.id = m.client_id"
    f" WHERE m.mailing_id = ({_MAY_SEND}) AND {open_to(Event.CLAIM, 'm')} AND m.due_us BETWEEN ? AND ?"
    " AND {allowed} ORDER BY m.due_us, m.id LIMIT ?"
)
# Two statements, for each reads the database as it is when it begins. What the first one waits for may take long; the
# second has the messages, so it reads their clients as they are, or a change of a client waits and sees this claim.
_DUE_POSTGRES: Final = (
    f"WITH sending AS MATERIALIZED ({_MAY_SEND} FOR SHARE)"
    " SELECT m.id FROM message AS m {numbers}"
    f" WHERE m.mailing_id = (SELECT id FROM sending) AND {open_to(Event.CLAIM, 'm')}"
    " AND m.due_us BETWEEN ? AND ? AND {allowed} ORDER BY m.due_us, m.id LIMIT ? FOR UPDATE OF m SKIP LOCKED"
)
_CLAIM_POSTGRES: Final = (
    f"UPDATE message AS m SET {set_by(Event.CLAIM)}, owner = ?, attempt = m.attempt + 1, due_us = ?, provider_id = ?"
    " FROM unnest(?::bigint[]) WITH ORDINALITY AS due(id, position), client AS c"
    " WHERE m.id = due.id AND c.id = m.client_id"
    " RETURNING due.position, m.id, m.client_id, m.attempt, c.phone_number, c.time_zone{more}"
)


class ClaimVerbs(Verbs):
    """A verb of ``ports.Store``."""

    @transaction(Lane.DELIVERY)
    async def claim(
        self,
        tx: Tx,
        mailing_id: int,
        limit: int,
        *,
        owner: int,
        now_us: int,
        lease_until_us: int,
        personal: bool = False,
        route: Route = OF_FBRQ,
    ) -> list[Claim]:
        """CLAIM; see ``ports.Store``. Nothing is claimed of a mailing whose audience is being rebuilt."""
        # Messages that are tried again, or waited for local hours, come first: behind the untried ones of a large
        # mailing they would come last of all. Untried ones can't starve: each failure makes the next pause longer.
        more = _PERSON if personal else ()
        taken = (owner, lease_until_us, route.provider_id)
        rows = await _take(tx, (mailing_id, now_us, now_us, 1, now_us, limit), route, taken, more)
        if (room := limit - len(rows)) > 0:
            rows += await _take(tx, (mailing_id, now_us, now_us, 0, 0, room), route, taken, more)
        # A NamedTuple's own constructor costs twice as much, and this is done for each message.
        make, until_us, whose = tuple.__new__, lease_until_us, route.provider_id
        if not personal:
            return [
                make(Claim, (id, mailing_id, client_id, attempt, phone, zone, until_us, None, whose))
                for id, client_id, attempt, phone, zone in rows
            ]
        return [
            make(Claim, (id, mailing_id, client_id, attempt, phone, zone, until_us, Person(own, tag, phone), whose))
            for id, client_id, attempt, phone, zone, own, tag in rows
        ]


async def _take(
    tx: Tx, args: tuple[int, ...], route: Route, taken: tuple[int, int, int], more: tuple[str, ...]
) -> list[Any]:
    """Claim what ``args`` ask for (the mailing, the time, again the time, the first and the last due time, how many)
    and the route allows. ``taken``: whose they are from now on, until when, and which provider has them. Rows have the
    columns ``more`` of the client at their end."""
    allowed = may_have(route)
    if not tx.dialect.is_sqlite:
        due = await tx.rows(_DUE_POSTGRES.format(allowed=allowed, numbers=with_numbers(route)), *args)
        if not due:
            return []
        sql = _CLAIM_POSTGRES.format(more="".join(f", c.{name}" for name in more))
        claimed = await tx.rows(sql, *taken, [row[0] for row in due])
        return [tuple(row)[1:] for row in sorted(claimed, key=itemgetter(0))]
    shown = "".join(f", c.{name} AS {name}" for name in more)
    sql = _CLAIM_SQLITE.format(more=shown, allowed=allowed, index=tx.dialect.indexed_by(index_for(route)))
    rows = list(await tx.table(", ".join(("id", *_CLAIMED, *more)), sql, *args))
    if rows:
        change = f"{set_by(Event.CLAIM)}, owner = ?, attempt = attempt + 1, due_us = ?, provider_id = ?"
        await update_messages(tx, change, [row[0] for row in rows], *taken)
    return rows
