"""A database that is a copy of another one. Its engines send nothing until somebody lets them.

The engines of the original went on after the copy was made, and nothing in the copy says what they did. So the first
start on a copy treats each message that they may have called as one that an engine had when it died: the ordinary
recovery then knows what to do. Ids that they may have given out since are left out. Why: docs/decisions/backup.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from tortoise import fields

from engine.domain.access import ActorKind
from engine.domain.message import Event
from engine.domain.routing import Way, Wish, candidates, route_of
from engine.store import orm
from engine.store.audit import add_audit
from engine.store.database import Lane, Tx
from engine.store.lifecycle import is_waiting, open_to, set_by
from engine.store.routes import may_have, with_numbers
from engine.store.rows import Actor
from engine.store.verbs import Verbs, transaction

NOT_HELD: Final = "NOT EXISTS (SELECT 1 FROM control WHERE held_us IS NOT NULL)"
"""The condition that this database may tell others of what happens, and mail reports."""

_LOCK: Final = 0x6D61696C_00000004
"""PostgreSQL's advisory lock of who starts on a copy."""
_BY: Final = Actor("engine", kind=ActorKind.SYSTEM)
_NOBODY: Final = 0
"""The engine that has what the original's may have called: no engine ever has this number."""


class CopyVerbs(Verbs):
    """What makes a copy of a database safe."""

    @transaction(Lane.UPKEEP)
    async def mark_copy(self, tx: Tx, now_us: int) -> None:
        """Note that this database is a copy, for the next start of an engine."""
        await tx.run("UPDATE control SET copied_us = ?", now_us)

    @transaction(Lane.API)
    async def note_backup(self, tx: Tx, by: Actor, now_us: int) -> None:
        """Note that somebody takes all that there is."""
        await add_audit(tx, by, "engine.backup", "engine", None, {}, now_us)

    @transaction(Lane.UPKEEP)
    async def settle_copy(self, tx: Tx, ways: Sequence[Way], now_us: int) -> bool:
        """Hold sending if this database is a copy on which no engine has run yet; return whether it is one.

        Args:
            tx: the transaction, one for all of it: an engine that dies meanwhile leaves a copy as it was.
            ways: the providers, in the order in which the original's engines have asked them.
            now_us: all that the original's engines have done was done before.
        """
        if not tx.dialect.is_sqlite:
            await tx.rows("SELECT pg_advisory_xact_lock(?)", _LOCK)
        home = await _home(tx)
        copied_us, was_home = await tx.row("SELECT copied_us, home FROM control") or (None, "")
        if copied_us is None and was_home in ("", home):
            if was_home != home:
                await tx.run("UPDATE control SET home = ?", home)
            return False
        taken = await _give_up_messages(tx, ways, now_us)
        await _move_ids(tx, now_us)
        await add_audit(tx, _BY, "engine.hold", "engine", None, {"perhaps_sent": taken}, now_us)
        await tx.run(
            "UPDATE control SET sending_paused = TRUE, held_us = ?, copied_us = NULL, home = ?,"
            " revision = revision + 1",
            *(now_us, home),
        )
        return True


async def _home(tx: Tx) -> str:
    """Where this database is: another value in whatever a dump was restored to, the same database included, for its
    tables were made anew. Empty on SQLite, where a file may be moved."""
    if tx.dialect.is_sqlite:
        return ""
    may_ask = await tx.value("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
    server = await tx.value("SELECT system_identifier::text FROM pg_control_system()") if may_ask else ""
    where = (
        "SELECT oid::text || '/' || 'control'::regclass::oid::text FROM pg_database WHERE datname = current_database()"
    )
    return f"{server}/{await tx.value(where)}"


async def _give_up_messages(tx: Tx, ways: Sequence[Way], now_us: int) -> int:
    """Let an engine that does not exist have whatever the original's may have called; return how many more messages it
    has. What it has is lost at once, so recovery decides by the rules of a crash."""
    mailings = await tx.rows(
        "SELECT id, provider, sender FROM mailing WHERE start_us <= ? AND cancelled_us IS NULL AND deleted_us IS NULL"
        " ORDER BY id",
        now_us,
    )
    taken = 0
    for mailing_id, provider, sender in mailings:
        wish = Wish(provider, sender)
        for way in candidates(ways, wish):
            route = route_of(ways, way, wish)
            taken += await tx.run(
                f"UPDATE message SET {set_by(Event.CLAIM)}, owner = {_NOBODY}, attempt = attempt + 1, due_us = 0,"
                " provider_id = ? WHERE id IN (SELECT m.id FROM message AS m"
                f" {with_numbers(route)} WHERE m.mailing_id = ? AND {is_waiting('m')} AND NOT m.unsure"
                f" AND {may_have(route)})",
                *(way.provider_id, mailing_id),
            )
    # The lifecycle tells what was called from what was only taken by a mark. In a copy each may have been called.
    await tx.run(
        f"UPDATE message SET {set_by(Event.BEGIN)} WHERE {open_to(Event.BEGIN)}"
        " AND mailing_id IN (SELECT id FROM mailing WHERE on_uncertain = 'not_sent')"
    )
    return taken


async def _move_ids(tx: Tx, now_us: int) -> None:
    """Let ids go on behind the microseconds since 1970. No database gives out a million ids a second, so no other copy,
    and not the original, has given out one of those."""
    for table in _tables():
        if tx.dialect.is_sqlite:
            moved = await tx.run("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", now_us, table)
            if not moved:
                await tx.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table, now_us)
        else:
            name = f"pg_get_serial_sequence('{table}', 'id')"
            last = f"coalesce(pg_sequence_last_value({name}::regclass), 0)"
            await tx.rows(f"SELECT setval({name}, greatest(?::bigint, {last}))", now_us)


def _tables() -> Iterator[str]:
    """Those whose ids come from a sequence and are large enough."""
    for model in orm.models():
        key = model._meta.pk
        if isinstance(key, fields.BigIntField) and key.generated:
            yield str(model._meta.db_table)
