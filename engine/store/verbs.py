"""What the parts of the store have in common.

A verb is a method whose body is one transaction. A decorator opens the transaction and hands it to the body as ``tx``;
callers leave ``tx`` out. The decorator says what kind of transaction it is, and in which lane it runs:

    @transaction(Lane.API)
    async def token_used(self, tx: Tx, token_id: int, now_us: int) -> None: ...

    await store.token_used(5, now_us)

The body may be run again after a deadlock, so it changes nothing but the database. What must follow the commit is done
by a second method that calls the verb.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from engine.domain.events import EventKind
from engine.domain.message import Step
from engine.store.database import Database, Lane, Tx, Work

T = TypeVar("T")
P = ParamSpec("P")
V = TypeVar("V", bound="Verbs")
Body = Callable[Concatenate[V, Tx, P], Coroutine[Any, Any, T]]
"""A verb as it is written: with its transaction."""
Verb = Callable[Concatenate[V, P], Coroutine[Any, Any, T]]
"""A verb as it is called."""


class Decorator(Protocol):
    """Makes a verb of a body."""

    def __call__(self, body: Body[V, P, T], /) -> Verb[V, P, T]: ...


CLIENTS_LOCK = 0x6D61696C_00000002
"""PostgreSQL's advisory lock between those who write clients (shared) and those who derive messages
from clients (exclusive): so no client falls between an audience builder and an edit of the client."""


class Overtaken(Exception):
    """Another transaction has come between, or is about to: what was done is to be undone, and done otherwise."""


class Verbs:
    """A part of the store; ``Store`` is made of all of them."""

    _db: Database
    on_step: Callable[[Step, int], None] = staticmethod(lambda step, number: None)
    """Told after the commit how many messages have made a step of their lives, but for claims and returns."""

    wanted: frozenset[EventKind] = frozenset()
    """Events of single messages that an active webhook asks for. Nothing of them is written otherwise, so that sending
    costs what it costs without webhooks. As it was read last: other engines learn of a new webhook within a second."""

    engine_id: int = 0
    """The engine that works with this store, once it has registered."""

    on_owners_told: Callable[[int], None] = staticmethod(lambda revision: None)
    """Told before the commit that other engines have claims of the clients that are changed. They learn of it by the
    revision."""

    on_number_gone: Callable[[], None] = staticmethod(lambda: None)
    """Told after the commit that a phone number may have been removed: ``forget_log`` removes it from the files too."""

    async def _transaction(self, work: Work[T], lane: Lane) -> T:
        steps: Mapping[Step, int] = {}

        async def watched(tx: Tx) -> T:
            nonlocal steps
            tx.wanted = self.wanted
            result = await work(tx)
            steps = tx.steps
            return result

        result = await self._db.transaction(watched, lane)
        for step, number in steps.items():
            self.on_step(step, number)
        return result

    async def _alone_if_overtaken(self, work: Work[T], lane: Lane) -> T:
        async def alone(tx: Tx) -> T:
            await lock_clients(tx, exclusive=True)
            return await work(tx)

        try:
            return await self._transaction(work, lane)
        except Overtaken:
            return await self._transaction(alone, lane)


def transaction(lane: Lane) -> Decorator:
    """The body is a transaction: see ``Database.transaction``."""
    return _verb(lambda store, work: store._transaction(work, lane))


def alone_if_overtaken(lane: Lane) -> Decorator:
    """The body is a transaction. When it is ``Overtaken`` it runs once more while nobody writes clients or derives
    messages from them."""
    return _verb(lambda store, work: store._alone_if_overtaken(work, lane))


def read(lane: Lane, *, alone: bool = False) -> Decorator:
    """The body only reads, on one consistent state; ``alone``: in one statement. See ``Database.read``."""
    return _verb(lambda store, work: store._db.read(work, lane, alone=alone))


def look_up(lane: Lane) -> Decorator:
    """The body is one statement that finds a few rows by their key: see ``Database.look_up``."""
    return _verb(lambda store, work: store._db.look_up(work, lane))


def _verb(run: Callable[[Verbs, Work[Any]], Coroutine[Any, Any, Any]]) -> Decorator:
    def decorate(body: Body[V, P, T]) -> Verb[V, P, T]:
        @wraps(body)
        def verb(self: V, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            return run(self, lambda tx: body(self, tx, *args, **kwargs))

        return verb

    return decorate


async def lock_clients(tx: Tx, *, exclusive: bool) -> None:
    """Take ``CLIENTS_LOCK`` until the transaction ends; SQLite has one writer anyway."""
    if not tx.dialect.is_sqlite:
        await tx.rows(f"SELECT pg_advisory_xact_lock{'' if exclusive else '_shared'}(?)", CLIENTS_LOCK)


async def try_lock_clients(tx: Tx) -> bool:
    """Take ``CLIENTS_LOCK`` exclusively if that needs no wait, as it must not late in the order of locks."""
    return tx.dialect.is_sqlite or bool(await tx.value("SELECT pg_try_advisory_xact_lock(?)", CLIENTS_LOCK))


async def lock_mailing(tx: Tx, mailing_id: int) -> None:
    """Keep a mailing from being claimed from or changed, and not from being referred to. In a statement of its own: one
    that waits for a row sees the tables that are joined to it as they were before the wait."""
    if not tx.dialect.is_sqlite:
        await tx.rows(f"SELECT 1 FROM mailing WHERE id = ? {tx.dialect.lock_kept}", mailing_id)


async def hold(tx: Tx, table: str, condition: str, *args: Any) -> None:
    """Lock rows in the order of their ids, before a statement that would take them in an order of its own; SQLite has
    one writer anyway.

    Args:
        tx: the transaction, which keeps them until it ends.
        table: whose rows.
        condition: which rows; in it the table is called by its name.
        args: of the condition.
    """
    if not tx.dialect.is_sqlite:
        rows = f"SELECT 1 FROM {table} WHERE {condition} ORDER BY {table}.id FOR UPDATE OF {table}"
        await tx.rows(f"SELECT count(*) FROM ({rows}) AS held", *args)


async def update_messages(tx: Tx, change: str, ids: Iterable[int], *values: int) -> None:
    """Set the same in messages; ``values``: the arguments of ``change``."""
    sql = f"UPDATE message SET {change} WHERE id {tx.dialect.in_list()}"
    await tx.run(sql, *values, tx.dialect.list_arg(ids))


async def bump_revision(tx: Tx) -> int:
    """Tell the engines that a mailing, the control record, the set of engines, or a client of whom they have claims has
    changed; return the new revision. Everybody meets at this row: the last statement of a transaction
    (docs/decisions/lock-order.md)."""
    return int(await tx.value("UPDATE control SET revision = revision + 1 RETURNING revision"))
