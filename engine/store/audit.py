"""Who changed what, when."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from engine.store import orm
from engine.store.database import Tx
from engine.store.models import AuditEvent
from engine.store.rows import Actor, AuditQuery, AuditRow, Page, PageOf
from engine.store.verbs import Verbs


class AuditVerbs(Verbs):
    """Reading the list; it is written by whoever changes something (``add_audit``)."""

    async def list_audit(self, query: AuditQuery, page: Page) -> PageOf[AuditRow]:
        """The events, newest first."""
        asked = {"actor": query.actor, "object_type": query.object_type, "object_id": query.object_id}
        restrictions = {name: value for name, value in asked.items() if value is not None}

        async def work(tx: Tx) -> PageOf[AuditRow]:
            with orm.context(tx.orm):
                events = AuditEvent.filter(**restrictions)
                total = await events.count()
                if page.after is not None:
                    events = events.filter(id__lt=page.after)
                found = await events.order_by("-id").limit(page.limit + 1).values()
            items = tuple(_audit_row(row) for row in found[: page.limit])
            return PageOf(items, total, items[-1].id if len(found) > page.limit else None)

        return await self._db.read(work)


def _audit_row(row: Mapping[str, Any]) -> AuditRow:
    return AuditRow(**{**row, "detail": orjson.loads(row["detail"])})


async def add_audit(
    tx: Tx, by: Actor, action: str, object_type: str, object_id: int | None, detail: Mapping[str, object], now_us: int
) -> None:
    """Note a change in its own transaction."""
    await tx.run(
        "INSERT INTO audit_event (time_us, actor, peer, action, object_type, object_id, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        now_us,
        by.name,
        by.peer,
        action,
        object_type,
        object_id,
        orjson.dumps(detail, default=str).decode(),
    )
