"""What the parts of the store have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from engine.domain.message import Step
from engine.store.database import Database, Lane, Tx, Work

T = TypeVar("T")

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

    engine_id: int = 0
    """The engine that works with this store, once it has registered."""

    on_owners_told: Callable[[int], None] = staticmethod(lambda revision: None)
    """Told before the commit that other engines have claims of the clients that are changed. They learn of it by the
    revision."""

    on_number_gone: Callable[[], None] = staticmethod(lambda: None)
    """Told after the commit that a phone number may have been removed: ``forget_log`` removes it from the files too."""

    async def _alone_if_overtaken(self, work: Work[T], lane: Lane) -> T:
        """Run a transaction; when it is ``Overtaken``, once more while nobody writes clients or derives from them."""

        async def alone(tx: Tx) -> T:
            await lock_clients(tx, exclusive=True)
            return await work(tx)

        try:
            return await self._db.transaction(work, lane)
        except Overtaken:
            return await self._db.transaction(alone, lane)


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


async def bump_revision(tx: Tx) -> int:
    """Tell the engines that a mailing, the control record, the set of engines, or a client of whom they have claims has
    changed; return the new revision. Everybody meets at this row: the last statement of a transaction
    (docs/decisions/lock-order.md)."""
    return int(await tx.value("UPDATE control SET revision = revision + 1 RETURNING revision"))
