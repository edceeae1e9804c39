"""Who changed what, when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

import orjson

from engine.store.database import Lane, Tx
from engine.store.paging import page_of
from engine.store.row_of import Part, RowOf, insert_of
from engine.store.rows import Actor, AuditQuery, AuditRow, Page, PageOf
from engine.store.verbs import Verbs, read, transaction

EVENT: Final = RowOf(AuditRow, detail=Part(("detail",), orjson.loads))
_BOUNDS: Final = {"since_us": "time_us >= ?", "until_us": "time_us < ?"}
BEFORE: Final = "before"
"""In the detail of a change: what was there before, of the same names."""


class AuditVerbs(Verbs):
    """Reading the list. Each verb that changes something writes to it (``add_audit``)."""

    @read(Lane.API)
    async def list_audit(self, tx: Tx, query: AuditQuery, page: Page) -> PageOf[AuditRow]:
        """The events, newest first unless the page says otherwise."""
        asked = {_BOUNDS.get(name, name): value for name, value in asdict(query).items() if value is not None}
        return await page_of(tx, EVENT, "audit_event", page, asked, newest_first=True)

    @transaction(Lane.API)
    async def forget_audit(self, tx: Tx, before_us: int, limit: int = 5_000) -> int:
        """Remove up to ``limit`` events noted before this time, the oldest first; return how many."""
        return await tx.run(
            "DELETE FROM audit_event WHERE id IN (SELECT id FROM audit_event"
            f" WHERE time_us < ? ORDER BY time_us LIMIT ? {tx.dialect.lock(skip=True)})",
            before_us,
            limit,
        )


def differences(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, object]:
    """The detail of a change: what is another value now, and below ``before`` what it was."""
    changed = {name: value for name, value in new.items() if value != old[name]}
    return {**changed, BEFORE: {name: old[name] for name in changed}}


async def add_audit(
    tx: Tx, by: Actor, action: str, object_type: str, object_id: int | None, detail: Mapping[str, object], now_us: int
) -> int:
    """Note a change in its own transaction; return the entry's id."""
    values = {
        "time_us": now_us,
        "actor": by.name,
        "actor_kind": int(by.kind),
        "actor_id": by.id,
        "peer": by.peer,
        "action": action,
        "object_type": object_type,
        "object_id": object_id,
        "detail": _json(detail),
    }
    return int(await tx.value(f"{insert_of('audit_event', values)} RETURNING id", *values.values()))


async def count_audit(
    tx: Tx, event_id: int | None, by: Actor, action: str, counts: Mapping[str, int], now_us: int
) -> int:
    """Add to the counts of an import's entry, or make the entry: of an import in many transactions there is one.
    Nobody else changes it meanwhile."""
    if event_id is not None:
        before = await tx.value("SELECT detail FROM audit_event WHERE id = ?", event_id)
        if before is not None:
            after = {name: number + counts.get(name, 0) for name, number in orjson.loads(before).items()}
            await tx.run("UPDATE audit_event SET detail = ? WHERE id = ?", _json(after), event_id)
            return event_id
    return await add_audit(tx, by, action, action.partition(".")[0], None, counts, now_us)


def _json(detail: Mapping[str, object]) -> str:
    return orjson.dumps(detail, default=str).decode()
