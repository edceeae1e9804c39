"""How an engine takes messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import attrgetter, itemgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from engine.domain.cost import FREE, NO_PRICE, Charge, Quote, fitting, reserve
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
    "{charged} FROM unnest(?::bigint[]{charges}) WITH ORDINALITY AS due(id{charge}, position), client AS c"
    " WHERE m.id = due.id AND c.id = m.client_id"
    " RETURNING due.position, m.id, m.client_id, m.attempt, c.phone_number, c.time_zone{more}"
)
_CHARGED: Final = ", cost = CASE WHEN cost < ? THEN ? ELSE cost END"
"""``domain.cost.reserve``."""
_CHARGED_EACH: Final = ", cost = CASE WHEN cost < due.charge THEN due.charge ELSE cost END"
_ENOUGH: Final = 2**62
"""No budget."""


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
        return (self.owner, self.until_us, self.route.provider_id, *((dearest, dearest) if self.charged else ()))

    @property
    def charged(self) -> str:
        """What an UPDATE sets besides."""
        return _CHARGED if self.quote.dearest and self.quote.price_of is None else ""

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


class _Taken(NamedTuple):
    """What was claimed."""

    rows: list[Any]
    """Messages with their clients."""
    costs: list[int]
    """What each message has cost before; empty: the provider has no price."""
    prices: Mapping[int, int] = MappingProxyType({})
    """By message, where each has a text of its own."""


async def _claim(tx: Tx, taker: _Taker, limit: int) -> list[Claim]:
    """Claim from one mailing; what it costs is the caller's to count."""
    quote = taker.quote
    taken = await _within_budget(tx, taker, limit) if quote.dearest and quote.has_budget else None
    if taken is None:
        taken = await _take_due(tx, taker, limit)
    # A NamedTuple's own constructor costs twice as much, and this is done for each message.
    make, mailing_id, until_us, whose = tuple.__new__, taker.mailing_id, taker.until_us, taker.route.provider_id
    claims: list[Claim]
    if not taker.more:
        claims = [
            make(Claim, (id, mailing_id, client_id, attempt, phone, zone, until_us, None, whose, FREE))
            for id, client_id, attempt, phone, zone in taken.rows
        ]
    else:
        claims = [
            make(Claim, (id, mailing_id, who, attempt, phone, zone, until_us, Person(own, tag, phone), whose, FREE))
            for id, who, attempt, phone, zone, own, tag in taken.rows
        ]
    if not quote.dearest:
        return claims
    # Each message is charged with its own text, so that a crash leaves no more of it than that.
    prices = taken.prices
    charges = [
        reserve(cost, prices.get(claim[0], quote.dearest)) for claim, cost in zip(claims, taken.costs, strict=True)
    ]
    return [claim._replace(charge=charge) for claim, charge in zip(claims, charges, strict=True)]


async def _within_budget(tx: Tx, taker: _Taker, limit: int) -> _Taken | None:
    """Claim what the rest of the budget is enough for; ``None``: the mailing has no budget any more. The mailing stays
    locked until the claim is stored, so engines claim from it one after the other, and outcomes only make room."""
    quote, budget = taker.quote, await Budget.locked(tx, taker.mailing_id)
    if budget.of is None:
        return None
    if affordable := budget.affordable(quote.dearest):
        return await _take_due(tx, taker, min(limit, affordable))
    if quote.price_of is None:  # what is charged already is called again for nothing
        taken = await _take(tx, taker, 0, taker.now_us, limit, f" AND m.unsure AND m.cost >= {int(quote.dearest)}")
    else:
        taken = await _take(tx, taker, 0, taker.now_us, limit, left=budget.left)
    if not taken.rows and await _is_stuck(tx, taker, limit):
        await pause_for_budget(tx, taker.mailing_id, budget, taker.now_us)
    return taken


async def _is_stuck(tx: Tx, taker: _Taker, limit: int) -> bool:
    """There is a message that the budget is not enough for, and no engine has one whose outcome may make room."""
    if await Budget.is_used(tx, taker.mailing_id):
        return False
    due = await _due(tx, taker, 0, taker.now_us, limit)
    budget = await Budget.read(tx, taker.mailing_id)
    if taker.quote.price_of is None:
        return bool(due) and not budget.affordable(taker.quote.dearest)
    return bool(due) and not await _prices(tx, taker, due, budget.left)


async def _count_cost(tx: Tx, mailing_id: int, charges: Sequence[Charge]) -> None:
    tally = Tally()
    tally.add(mailing_id, "cost", sum(charge.reserved - charge.before for charge in charges))
    await tally.write(tx)


async def _take_due(tx: Tx, taker: _Taker, limit: int) -> _Taken:
    """Messages that are tried again, or waited for local hours, come first: behind the untried ones of a large mailing
    they would come last of all. Untried ones can't starve: each failure makes the next pause longer."""
    taken = await _take(tx, taker, 1, taker.now_us, limit)
    if (room := limit - len(taken.rows)) > 0:
        untried = await _take(tx, taker, 0, 0, room)
        return _Taken(taken.rows + untried.rows, taken.costs + untried.costs, {**taken.prices, **untried.prices})
    return taken


async def _take(
    tx: Tx, taker: _Taker, from_us: int, to_us: int, limit: int, condition: str = "", left: int = _ENOUGH
) -> _Taken:
    """Claim up to ``limit`` messages that are due from ``from_us`` to ``to_us``; ``left``: those with a text of their
    own that so much is enough for."""
    due = await _due(tx, taker, from_us, to_us, limit, condition)
    prices: Mapping[int, int] = {}
    if taker.quote.price_of is not None:
        prices = await _prices(tx, taker, due, left)
        due = [row for row in due if row[0] in prices]
    if not due:
        return _Taken([], [])
    if tx.dialect.is_sqlite:
        await _mark_sqlite(tx, taker, due, prices)
        is_priced = bool(taker.quote.dearest)
        return _Taken([row[:-1] for row in due], [row[-1] for row in due], prices) if is_priced else _Taken(due, [])
    ids, more = [row[0] for row in due], "".join(f", c.{name}" for name in taker.more)
    if prices:
        sql = _CLAIM_POSTGRES.format(more=more, charged=_CHARGED_EACH, charges=", ?::bigint[]", charge=", charge")
        claimed = await tx.rows(sql, *taker.values, ids, [prices[id] for id in ids])
    else:
        sql = _CLAIM_POSTGRES.format(more=more, charged=taker.charged, charges="", charge="")
        claimed = await tx.rows(sql, *taker.values, ids)
    rows = [tuple(row)[1:] for row in sorted(claimed, key=itemgetter(0))]
    cost_of = {row[0]: row[1] for row in due} if taker.quote.dearest else {}
    return _Taken(rows, [cost_of[row[0]] for row in rows] if cost_of else [], prices)


async def _mark_sqlite(tx: Tx, taker: _Taker, due: Sequence[Any], prices: Mapping[int, int]) -> None:
    change = f"{set_by(Event.CLAIM)}, owner = ?, attempt = attempt + 1, due_us = ?, provider_id = ?"
    if not prices:
        await update_messages(tx, change + taker.charged, [row[0] for row in due], *taker.values)
        return
    alike = defaultdict(list)
    for row in due:
        alike[reserve(row[-1], prices[row[0]]).reserved].append(row[0])
    for cost, ids in alike.items():
        await update_messages(tx, f"{change}, cost = ?", ids, *taker.values, cost)


async def _prices(tx: Tx, taker: _Taker, due: Sequence[Any], left: int) -> dict[int, int]:
    """Of what is due, the messages that so much is enough for, with the prices of their texts. On PostgreSQL a client
    may be changed between this and the claim; the charge stays, and the worker gives back a text that has grown."""
    price_of = taker.quote.price_of
    assert price_of is not None
    if tx.dialect.is_sqlite:
        found = [(row[0], row[-1], Person(row[5], row[6], row[3])) for row in due]
    else:
        sql = (
            "SELECT m.id, c.attributes, c.tag, c.phone_number FROM message AS m JOIN client AS c ON c.id = m.client_id"
            f" WHERE m.id {tx.dialect.in_list()}"
        )
        rows = await tx.rows(sql, tx.dialect.list_arg(row[0] for row in due))
        persons = {id: Person(*person) for id, *person in rows}
        found = [(row[0], row[1], persons[row[0]]) for row in due if row[0] in persons]
    return fitting(left, [(id, before, price_of(person)) for id, before, person in found])


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
