"""What a mailing may cost, and what becomes of it when that is not enough.

Whoever claims from a mailing with a budget holds the mailing, so it alone makes its costs grow: outcomes only lower
them.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Self

from engine.domain import cost
from engine.domain.access import ActorKind
from engine.domain.window import PauseReason
from engine.store.audit import add_audit
from engine.store.database import Tx
from engine.store.lifecycle import is_taken
from engine.store.rows import Actor
from engine.store.verbs import bump_revision, lock_mailing

_BY: Final = Actor("engine", kind=ActorKind.SYSTEM)


class Budget(NamedTuple):
    """That of a mailing, in millionths."""

    of: int | None
    """``None``: there is no limit, or no mailing."""
    used: int

    @classmethod
    async def locked(cls, tx: Tx, mailing_id: int) -> Self:
        """Read it, and keep it from being changed or used by others until the transaction ends."""
        await lock_mailing(tx, mailing_id)
        return await cls.read(tx, mailing_id)

    @classmethod
    async def read(cls, tx: Tx, mailing_id: int) -> Self:
        """Read it as it is now."""
        sql = (
            "SELECT m.budget, k.cost FROM mailing AS m JOIN mailing_counters AS k ON k.mailing_id = m.id WHERE m.id = ?"
        )
        row = await tx.row(sql, mailing_id)
        return cls(None, 0) if row is None else cls(*row)

    @staticmethod
    async def is_used(tx: Tx, mailing_id: int) -> bool:
        """Whether an engine has a message of the mailing: its outcome may give back what is reserved for it."""
        sql = f"SELECT 1 FROM message {tx.dialect.indexed_by('message_lease')} WHERE {is_taken()} AND mailing_id = ?"
        return await tx.row(f"{sql} LIMIT 1", mailing_id) is not None

    @property
    def left(self) -> int:
        """What may be used besides; below 0: too much is used."""
        return (self.of or 0) - self.used

    def affordable(self, dearest: int) -> int:
        """How many messages what is left is enough for, of which each costs so much at most."""
        return cost.affordable(self.left, dearest)


async def pause_for_budget(tx: Tx, mailing_id: int, budget: Budget, now_us: int) -> None:
    """The mailing pauses itself. The transaction holds it, and does nothing after that."""
    reason = PauseReason.BUDGET
    await tx.run(
        "UPDATE mailing SET paused = TRUE, pause_reason = ?, update_us = ? WHERE id = ?",
        *(int(reason), now_us, mailing_id),
    )
    detail = {"reason": reason.public, "budget": cost.money(budget.of or 0), "cost": cost.money(budget.used)}
    await add_audit(tx, _BY, "mailing.pause", "mailing", mailing_id, detail, now_us)
    await bump_revision(tx)
