"""What the parts of the store have in common."""

from __future__ import annotations

from collections.abc import Callable

from engine.domain.message import Step
from engine.store.database import Database, Tx

CLIENTS_LOCK = 0x6D61696C_00000002
"""PostgreSQL's advisory lock between those who write clients (shared) and those who derive messages
from clients (exclusive): so no client falls between an audience builder and an edit of the client."""


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


async def lock_clients(tx: Tx, *, exclusive: bool) -> None:
    """Take ``CLIENTS_LOCK`` until the transaction ends; SQLite has one writer anyway."""
    if not tx.dialect.is_sqlite:
        await tx.rows(f"SELECT pg_advisory_xact_lock{'' if exclusive else '_shared'}(?)", CLIENTS_LOCK)


async def bump_revision(tx: Tx) -> int:
    """Tell the engines that a mailing, the control record, the set of engines, or a client of whom they have claims has
    changed; return the new revision."""
    return int(await tx.value("UPDATE control SET revision = revision + 1 RETURNING revision"))
