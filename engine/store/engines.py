"""Engines, and what they must agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.ports import Control, EngineRow, StoreUnavailable
from engine.store.audit import BEFORE, add_audit
from engine.store.database import Lane, Tx
from engine.store.dialect import POSTGRES, SQLITE
from engine.store.row_of import Part, RowOf, sets_of
from engine.store.rows import Actor
from engine.store.schema import NO_CONTROL
from engine.store.verbs import Verbs, bump_revision, read, transaction

_FORGET_AFTER_US: Final = 24 * 3600 * 1_000_000
"""A row of an engine that died stays this long, in case its process comes back from a long sleep."""


_CLOCK_STEP_US: Final = 10_000_000


ENGINE: Final = RowOf(EngineRow, engine_id=Part(("id",)))
_CONTROL: Final = {
    dialect: "SELECT c.revision, c.sending_paused, c.workers, c.provider_rate,"
    f" {dialect.clock_us} AS now_us, c.held_us, c.clock_us, {ENGINE.select('e')}"
    " FROM control AS c LEFT JOIN engine AS e ON e.heartbeat_us >= ? ORDER BY e.id"
    for dialect in (SQLITE, POSTGRES)
}


class EngineVerbs(Verbs):
    """Verbs of ``ports.Store``, and the live settings."""

    async def register_engine(self, name: str, workers: int, now_us: int, alive_since_us: int) -> int:
        """Add this engine; see ``ports.Store``."""
        self.engine_id = await self._register_engine(name, workers, now_us, alive_since_us)
        return self.engine_id

    @transaction(Lane.DELIVERY)
    async def _register_engine(self, tx: Tx, name: str, workers: int, now_us: int, alive_since_us: int) -> int:
        await _lock_control(tx)
        await tx.run("DELETE FROM engine WHERE heartbeat_us < ?", now_us - _FORGET_AFTER_US)
        if await tx.row("SELECT 1 FROM engine WHERE heartbeat_us >= ? LIMIT 1", alive_since_us) is None:
            await tx.run("UPDATE control SET workers = NULL, provider_rate = NULL")
        engine_id = await tx.value(
            "INSERT INTO engine (name, started_us, heartbeat_us, workers) VALUES (?, ?, ?, ?) RETURNING id",
            name,
            now_us,
            now_us,
            workers,
        )
        await bump_revision(tx)
        return int(engine_id)

    @transaction(Lane.DELIVERY)
    async def heartbeat(
        self,
        tx: Tx,
        engine_id: int,
        now_us: int,
        alive_since_us: int,
        *,
        seen_revision: int,
        workers: int,
        in_flight: int,
        own_us: int | None = None,
    ) -> Control:
        """Say that this engine lives; see ``ports.Store``."""
        clock_us = now_us if own_us is None else own_us
        await tx.run(
            "UPDATE engine SET heartbeat_us = ?, seen_revision = ?, workers = ?, in_flight = ? WHERE id = ?",
            now_us,
            seen_revision,
            workers,
            in_flight,
            engine_id,
        )
        control, clock_seen_us = await _control(tx, alive_since_us)
        if clock_seen_us < clock_us - _CLOCK_STEP_US:
            # Seldom, because all engines ask for this row. And without waiting: an engine that froze may hold the row,
            # and one that can't say that it lives must stop sending.
            await tx.run(
                "UPDATE control SET clock_us = ? WHERE id IN"
                f" (SELECT id FROM control WHERE clock_us < ? {tx.dialect.lock(skip=True)})",
                clock_us,
                clock_us - _CLOCK_STEP_US,
            )
        return control

    @transaction(Lane.API)
    async def turn_clock_back(self, tx: Tx, now_us: int) -> int:
        """See ``ports.Store``."""
        seen_us = int(await tx.value(f"SELECT clock_us FROM control {tx.dialect.lock()}") or 0)
        if seen_us > now_us:
            await tx.run("UPDATE control SET clock_us = ?", now_us)
        return max(0, seen_us - now_us)

    @read(Lane.DELIVERY, alone=True)
    async def read_control(self, tx: Tx, alive_since_us: int) -> Control:
        """Read the control record; see ``ports.Store``."""
        control, _ = await _control(tx, alive_since_us)
        return control

    @transaction(Lane.DELIVERY)
    async def retire_engine(self, tx: Tx, engine_id: int) -> None:
        """Remove this engine; see ``ports.Store``."""
        await _lock_control(tx)
        await tx.run("DELETE FROM engine WHERE id = ?", engine_id)
        await bump_revision(tx)

    async def set_control(
        self,
        *,
        workers: int | None = None,
        provider_rate: float | None = None,
        sending_paused: bool | None = None,
        by: Actor,
        now_us: int,
    ) -> None:
        """Change live settings for all engines; ``None`` leaves one as it is. The caller has checked the values."""
        asked = {"workers": workers, "provider_rate": provider_rate, "sending_paused": sending_paused}
        changes = {name: value for name, value in asked.items() if value is not None}
        if changes:
            await self._set_control(changes, by, now_us)

    @transaction(Lane.API)
    async def _set_control(self, tx: Tx, changes: Mapping[str, object], by: Actor, now_us: int) -> None:
        await _lock_control(tx)
        old = await tx.row(f"SELECT held_us IS NOT NULL, {', '.join(changes)} FROM control")
        if old is None:
            raise StoreUnavailable(NO_CONTROL)
        was_held, *values = old
        before = {
            name: bool(value) if name == "sending_paused" else value
            for name, value in zip(changes, values, strict=True)
        }
        detail: dict[str, object] = {**changes, BEFORE: before}
        ends_hold = was_held and changes.get("sending_paused") is False
        if ends_hold:
            detail["held"], before["held"] = False, True
        also = ", held_us = NULL" if ends_hold else ""
        await tx.run(f"UPDATE control SET {sets_of(changes)}{also}, revision = revision + 1", *changes.values())
        await add_audit(tx, by, "engine.control", "engine", None, detail, now_us)


async def _lock_control(tx: Tx) -> None:
    await tx.rows(f"SELECT 1 FROM control {tx.dialect.lock()}")


async def _control(tx: Tx, alive_since_us: int) -> tuple[Control, int]:
    """The control record with the engines that live, and the latest time that any engine has told. In one statement:
    each engine asks several times a second."""
    rows = await tx.rows(_CONTROL[tx.dialect], alive_since_us)
    if not rows:
        raise StoreUnavailable(NO_CONTROL)
    revision, paused, workers, rate, clock_us, held_us, clock_seen_us, *engine = rows[0]
    living = () if engine[0] is None else tuple(ENGINE.read(row[-len(engine) :]) for row in rows)
    return Control(revision, bool(paused), workers, rate, living, clock_us, held_us), clock_seen_us or 0
