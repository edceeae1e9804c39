"""How an engine takes messages."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple

from engine.domain.cost import FREE, NO_PRICE, Charge, Quote, reserve
from engine.domain.message import Event
from engine.domain.routing import OF_FBRQ, Ask, Route
from engine.person import Person
from engine.ports import Claim
from engine.store.budgets import Budget, pause_for_budget
from engine.store.counters import Tally
from engine.store.database import Lane, Tx
from engine.store.lifecycle import open_to, set_by
from engine.store.routes import index_for, may_have, with_numbers
from engine.store.verbs import Verbs, transaction, update_messages

_MAY_SEND: Final = (
    "SELECT id FROM mailing WHERE id = ? AND NOT paused AND cancelled_us IS NULL AND deleted_us IS NULL"
    " AND start_us <= ? AND end_us > ? AND (audience_ready OR audience_generation = 0){budget}"
)
_NO_BUDGET: Final = " AND budget IS NULL"
"""For an engine that does not know yet that the mailing has one."""

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
    " SELECT m.id, m.cost FROM message AS m {numbers}"
    f" WHERE m.mailing_id = (SELECT id FROM sending) AND {open_to(Event.CLAIM, 'm')}"
    " AND m.due_us BETWEEN ? AND ? AND {allowed} ORDER BY m.due_us, m.id LIMIT ? FOR UPDATE OF m SKIP LOCKED"
)
_CLAIM_POSTGRES: Final = (
    f"UPDATE message AS m SET {set_by(Event.CLAIM)}, owner = ?, attempt = m.attempt + 1, due_us = ?, provider_id = ?"
    "{charged} FROM unnest(?::bigint[]) WITH ORDINALITY AS due(id, position), client AS c"
    " WHERE m.id = due.id AND c.id = m.client_id"
    " RETURNING due.position, m.id, m.client_id, m.attempt, c.phone_number, c.time_zone{more}"
)
_CHARGED: Final = ", cost = CASE WHEN cost < ? THEN ? ELSE cost END"
"""``domain.cost.reserve``."""


class _Taker(NamedTuple):
    """Who claims, and for what."""

    mailing_id: int
    now_us: int
    owner: int
    until_us: int
    route: Route
    quote: Quote
    more: tuple[str, ...]
    """Columns of clients."""

    @property
    def values(self) -> tuple[int, ...]:
        """What is set in each message."""
        dearest = self.quote.dearest
        return (self.owner, self.until_us, self.route.provider_id, *((dearest, dearest) if dearest else ()))

    @property
    def charged(self) -> str:
        """What an UPDATE sets besides."""
        return _CHARGED if self.quote.dearest else ""

    @property
    def may_send(self) -> str:
        """The further condition of the mailing."""
        return _NO_BUDGET if self.quote.dearest and not self.quote.has_budget else ""


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
        quote: Quote = NO_PRICE,
    ) -> list[Claim]:
        """CLAIM; see ``ports.Store``. Nothing is claimed of a mailing whose audience is being rebuilt."""
        taker = _Taker(mailing_id, now_us, owner, lease_until_us, route, quote, _PERSON if personal else ())
        claims = await _claim(tx, taker, limit)
        if quote.dearest:
            await _count_cost(tx, mailing_id, [claim.charge for claim in claims])
        return claims

    @transaction(Lane.DELIVERY)
    async def claim_all(
        self, tx: Tx, of: Sequence[Ask], *, owner: int, now_us: int, lease_until_us: int
    ) -> list[list[Claim]]:
        """CLAIM of several mailings; see ``ports.Store``. They are locked in the order of their ids."""
        claims: dict[int, list[Claim]] = {}
        for mailing_id, limit, personal, route in sorted(of, key=attrgetter("mailing_id")):
            more = _PERSON if personal else ()
            taker = _Taker(mailing_id, now_us, owner, lease_until_us, route, NO_PRICE, more)
            claims[mailing_id] = await _claim(tx, taker, limit)
        return [claims[ask.mailing_id] for ask in of]


async def _claim(tx: Tx, taker: _Taker, limit: int) -> list[Claim]:
    """Claim from one mailing; what it costs is the caller's to count."""
    quote = taker.quote
    claimed = await _within_budget(tx, taker, limit) if quote.dearest and quote.has_budget else None
    if claimed is None:
        claimed = await _take_due(tx, taker, limit)
    rows, costs = claimed
    # A NamedTuple's own constructor costs twice as much, and this is done for each message.
    make, mailing_id, until_us, whose = tuple.__new__, taker.mailing_id, taker.until_us, taker.route.provider_id
    claims: list[Claim]
    if not taker.more:
        claims = [
            make(Claim, (id, mailing_id, client_id, attempt, phone, zone, until_us, None, whose, FREE))
            for id, client_id, attempt, phone, zone in rows
        ]
    else:
        claims = [
            make(Claim, (id, mailing_id, who, attempt, phone, zone, until_us, Person(own, tag, phone), whose, FREE))
            for id, who, attempt, phone, zone, own, tag in rows
        ]
    if not quote.dearest:
        return claims
    charges = [reserve(cost, quote.dearest) for cost in costs]
    return [claim._replace(charge=charge) for claim, charge in zip(claims, charges, strict=True)]


_Taken = tuple[list[Any], list[int]]
"""Rows of messages with their clients, and what each message has cost before."""


async def _within_budget(tx: Tx, taker: _Taker, limit: int) -> _Taken | None:
    """Claim what the rest of the budget is enough for; ``None``: the mailing has no budget any more. The mailing stays
    locked until the claim is stored, so engines claim from it one after the other, and outcomes only make room."""
    budget = await Budget.locked(tx, taker.mailing_id)
    if budget.of is None:
        return None
    if affordable := budget.affordable(taker.quote.dearest):
        return await _take_due(tx, taker, min(limit, affordable))
    # What is charged already is called again for nothing.
    paid = f" AND m.unsure AND m.cost >= {int(taker.quote.dearest)}"
    claimed = await _take(tx, taker, 0, taker.now_us, limit, paid)
    if not claimed[0] and await _is_stuck(tx, taker):
        await pause_for_budget(tx, taker.mailing_id, budget, taker.now_us)
    return claimed


async def _is_stuck(tx: Tx, taker: _Taker) -> bool:
    """There is a message that the budget is not enough for, and no engine has one whose outcome may make room."""
    if await Budget.is_used(tx, taker.mailing_id) or not await _due(tx, taker, 0, taker.now_us, 1):
        return False
    budget = await Budget.read(tx, taker.mailing_id)
    return not budget.affordable(taker.quote.dearest)


async def _count_cost(tx: Tx, mailing_id: int, charges: Sequence[Charge]) -> None:
    tally = Tally()
    tally.add(mailing_id, "cost", sum(charge.reserved - charge.before for charge in charges))
    await tally.write(tx)


async def _take_due(tx: Tx, taker: _Taker, limit: int) -> _Taken:
    """Messages that are tried again, or waited for local hours, come first: behind the untried ones of a large mailing
    they would come last of all. Untried ones can't starve: each failure makes the next pause longer."""
    rows, costs = await _take(tx, taker, 1, taker.now_us, limit)
    if (room := limit - len(rows)) > 0:
        untried, before = await _take(tx, taker, 0, 0, room)
        return rows + untried, costs + before
    return rows, costs


async def _take(tx: Tx, taker: _Taker, from_us: int, to_us: int, limit: int, condition: str = "") -> _Taken:
    """Claim up to ``limit`` messages that are due from ``from_us`` to ``to_us``."""
    due = await _due(tx, taker, from_us, to_us, limit, condition)
    if not due:
        return [], []
    if tx.dialect.is_sqlite:
        change = f"{set_by(Event.CLAIM)}, owner = ?, attempt = attempt + 1, due_us = ?, provider_id = ?{taker.charged}"
        await update_messages(tx, change, [row[0] for row in due], *taker.values)
        return ([row[:-1] for row in due], [row[-1] for row in due]) if taker.quote.dearest else (due, [])
    sql = _CLAIM_POSTGRES.format(more="".join(f", c.{name}" for name in taker.more), charged=taker.charged)
    claimed = await tx.rows(sql, *taker.values, [row[0] for row in due])
    rows = [tuple(row)[1:] for row in sorted(claimed, key=itemgetter(0))]
    cost_of = {row[0]: row[1] for row in due} if taker.quote.dearest else {}
    return rows, [cost_of[row[0]] for row in rows] if cost_of else []


async def _due(tx: Tx, taker: _Taker, from_us: int, to_us: int, limit: int, condition: str = "") -> list[Any]:
    """What can be claimed. On SQLite rows are as ``_Taken`` has them, and what a message costs is at their end if that
    matters; on PostgreSQL they are ids and costs of messages, which are locked."""
    route, dialect = taker.route, tx.dialect
    allowed = may_have(route) + condition
    args = (taker.mailing_id, taker.now_us, taker.now_us, from_us, to_us, limit)
    if not dialect.is_sqlite:
        sql = _DUE_POSTGRES.format(allowed=allowed, numbers=with_numbers(route), budget=taker.may_send)
        return list(await tx.rows(sql, *args))
    cost = ("cost",) if taker.quote.dearest else ()
    shown = "".join((*(f", c.{name} AS {name}" for name in taker.more), *(f", m.{name} AS {name}" for name in cost)))
    index = dialect.indexed_by("message_unsure" if condition else index_for(route))
    sql = _CLAIM_SQLITE.format(more=shown, allowed=allowed, index=index, budget=taker.may_send)
    return list(await tx.table(", ".join(("id", *_CLAIMED, *taker.more, *cost)), sql, *args))
