"""Who changed what, when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from engine.domain.access import ActorKind
from engine.store import orm
from engine.store.database import Tx
from engine.store.lists import Cut, read_part
from engine.store.models import AuditEvent
from engine.store.rows import Actor, AuditQuery, AuditRow, Page, PageOf
from engine.store.verbs import Verbs

_OBJECT_TYPE_LENGTH: Final = 32
"""Of the column."""


class AuditVerbs(Verbs):
    """Reading the list; it is written by whoever changes something (``add_audit``)."""

    async def list_audit(self, query: AuditQuery, page: Page) -> PageOf[AuditRow]:
        """The events, newest first unless the page says otherwise."""
        asked = {
            "actor": query.actor,
            "actor_kind": query.actor_kind,
            "actor_id": query.actor_id,
            "object_type": query.object_type,
            "object_id": query.object_id,
        }
        restrictions = {name: value for name, value in asked.items() if value is not None}
        if len(query.object_type or "") > _OBJECT_TYPE_LENGTH:
            return PageOf((), 0, None)  # nothing has it, and the ORM refuses to look for it

        async def work(tx: Tx) -> PageOf[AuditRow]:
            with orm.context(tx.orm):
                events = AuditEvent.filter(**restrictions)
                total = await events.count()

                async def fetch(part: Cut) -> Sequence[Mapping[str, Any]]:
                    beyond = {"id__lt" if part.descending else "id__gt": part.after} if part.after is not None else {}
                    ordered = events.filter(**beyond).order_by("-id" if part.descending else "id")
                    return await ordered.limit(part.limit).offset(part.offset).values()

                found, more = await read_part(page, total, fetch, newest_first=True)
            items = tuple(_audit_row(row) for row in found)
            return PageOf(items, total, items[-1].id if more else None)

        return await self._db.read(work)

    async def forget_audit(self, before_us: int, limit: int = 5_000) -> int:
        """Remove up to ``limit`` events noted before this time, the oldest first; return how many."""

        async def work(tx: Tx) -> int:
            return await tx.run(
                "DELETE FROM audit_event WHERE id IN (SELECT id FROM audit_event"
                f" WHERE time_us < ? ORDER BY time_us LIMIT ? {tx.dialect.lock(skip=True)})",
                before_us,
                limit,
            )

        return await self._db.transaction(work)


def _audit_row(row: Mapping[str, Any]) -> AuditRow:
    return AuditRow(**{**row, "detail": orjson.loads(row["detail"]), "actor_kind": ActorKind(row["actor_kind"])})


async def add_audit(
    tx: Tx, by: Actor, action: str, object_type: str, object_id: int | None, detail: Mapping[str, object], now_us: int
) -> None:
    """Note a change in its own transaction."""
    await tx.run(
        "INSERT INTO audit_event (time_us, actor, actor_kind, actor_id, peer, action, object_type, object_id, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        now_us,
        by.name,
        int(by.kind),
        by.id,
        by.peer,
        action,
        object_type,
        object_id,
        orjson.dumps(detail, default=str).decode(),
    )
