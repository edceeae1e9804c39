"""Events: what is to be told of mailings and providers, their order, and reading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from engine.domain.events import EventKind, Happening, Milestone, Standing, due, joined, milestones_after
from engine.domain.forecast import Forecast
from engine.domain.message import Reason
from engine.domain.time_text import format_rfc3339
from engine.domain.units import US_PER_SECOND
from engine.domain.webhook import DeliveryState
from engine.domain.window import MailingState
from engine.store.copies import NOT_HELD
from engine.store.counters import FINAL
from engine.store.database import Lane, Row, Tx
from engine.store.event_rows import EventQuery, EventRow, EventView, kinds_of
from engine.store.mailing_rows import get_mailing_row, rows_in_state
from engine.store.outbox import SUPPRESSION_ID, add_events
from engine.store.paging import page_of
from engine.store.row_of import Part, RowOf
from engine.store.rows import MailingRow, Page, PageOf
from engine.store.verbs import Verbs, lock_mailing, read, transaction

EVENT: Final = RowOf(EventRow, data=Part(("data",), orjson.loads))
_OUTBOX: Final = RowOf(Happening, data=Part(("data",), orjson.loads))
_LOCK: Final = 0x6D61696C_00000003
"""PostgreSQL's advisory lock of who publishes."""
_PUBLISHED_MAX: Final = 500
"""Rows of the outbox in one transaction."""
_ANNOUNCED_MAX: Final = 100
"""Mailings of which one transaction tells."""
_UNDONE: Final = f"{Reason.EXPIRED.public} + {Reason.CANCELLED.public}"
_STANDING: Final = (
    "SELECT m.milestones, m.finished_count, m.start_us, m.end_us, m.cancelled_us IS NOT NULL, m.audience_ready,"
    f" k.pending, {FINAL}, {_UNDONE}, m.id FROM mailing AS m JOIN mailing_counters AS k ON k.mailing_id = m.id"
)
_OPEN: Final = f"m.milestones < {int(Milestone.ENDED)} AND m.deleted_us IS NULL"
"""Worded as the condition of the index ``mailing_milestones`` is."""
_NEWS: Final = (
    f"{_OPEN} AND (m.start_us <= ? OR m.cancelled_us IS NOT NULL) AND (m.milestones & {int(Milestone.STARTED)} = 0"
    f" OR k.pending = 0 AND (m.cancelled_us IS NOT NULL OR m.end_us <= ? OR {FINAL} <> coalesce(m.finished_count, -1)))"
)
"""Mailings of which there may be something to tell (``domain.events.due`` says what): hardly any of thousands that are
open. The arguments are the time, twice."""
_EVENT: Final = {"kind": "text", "time_us": "int", "data": "text"}
_DELIVERY: Final = {
    "webhook_id": "int",
    "event_id": "int",
    "stream": "int",
    "state": "int",
    "due_us": "int",
    "create_us": "int",
}
_ALIVE_US: Final = 30 * US_PER_SECOND
"""What an engine has said of a provider counts for nothing when it has given no sign of life for so long."""
_DOWN: Final = (
    "EXISTS (SELECT 1 FROM provider_down AS d JOIN engine AS e ON e.id = d.engine_id"
    " WHERE d.provider_id = p.id AND e.heartbeat_us >= ?)"
)
"""An engine that lives takes the provider ``p`` for down. The argument: since when an engine lives."""


class EventVerbs(Verbs):
    """What the engine's herald does, and the API reads."""

    @read(Lane.EVENTS)
    async def event_view(self, tx: Tx, now_us: int) -> EventView:
        """What there is to do."""
        active = {row[0]: kinds_of(row[1]) for row in await tx.rows("SELECT id, kinds FROM webhook WHERE active")}
        ready = await tx.rows(
            f"SELECT webhook_id, min(due_us) FROM webhook_delivery WHERE state = {int(DeliveryState.READY)}"
            f" AND {NOT_HELD} GROUP BY webhook_id"
        )
        news = await tx.rows(f"{_STANDING} WHERE {_NEWS}", now_us, now_us)
        down = await tx.rows(
            "SELECT p.name, EXISTS (SELECT 1 FROM provider_down AS d WHERE d.provider_id = p.id AND d.engine_id = ?),"
            f" {_DOWN} FROM provider AS p WHERE p.down_us IS NOT NULL OR {_DOWN}",
            *(self.engine_id, now_us - _ALIVE_US, now_us - _ALIVE_US),
        )
        return EventView(
            frozenset(kind for kinds in active.values() for kind in kinds),
            {webhook_id: due_us for webhook_id, due_us in ready if webhook_id in active},
            await tx.row("SELECT 1 FROM outbox LIMIT 1") is not None,
            tuple(row[-1] for row in news if any(due(_standing(row), now_us))),
            {name: (bool(is_mine), bool(is_down)) for name, is_mine, is_down in down},
        )

    @transaction(Lane.EVENTS)
    async def announce(self, tx: Tx, mailing_ids: Sequence[int], now_us: int) -> None:
        """Tell what there is to tell of these mailings. Each is locked and looked at once more: another engine may have
        told it."""
        for mailing_id in sorted(mailing_ids)[:_ANNOUNCED_MAX]:
            await lock_mailing(tx, mailing_id)
            row = await tx.row(f"{_STANDING} WHERE {_OPEN} AND m.id = ?", mailing_id)
            if row is None:
                continue
            standing = _standing(row)
            kinds = list(due(standing, now_us))
            mailing = await get_mailing_row(tx, mailing_id)
            await add_events(tx, [_of_mailing(kind, mailing, now_us) for kind in kinds])
            count = standing.final if EventKind.MAILING_FINISHED in kinds else standing.finished_count
            await _mark(tx, mailing_id, milestones_after(standing.milestones, kinds), count)

    @transaction(Lane.EVENTS)
    async def announce_risk(self, tx: Tx, mailing_id: int, forecast: Forecast | None, now_us: int) -> None:
        """Tell that a mailing will miss its end, if that is news; ``forecast`` is ``None``: it will not any more."""
        await lock_mailing(tx, mailing_id)
        row = await tx.row(f"{_STANDING} WHERE {_OPEN} AND m.id = ?", mailing_id)
        if row is None or (forecast is None) is not bool(row[0] & Milestone.AT_RISK):
            return
        if forecast is not None:
            mailing = await get_mailing_row(tx, mailing_id)
            await add_events(tx, [_of_mailing(EventKind.MAILING_AT_RISK, mailing, now_us, forecast=_shown(forecast))])
        await _mark(tx, mailing_id, row[0] ^ Milestone.AT_RISK, row[1])

    @read(Lane.EVENTS)
    async def risky_mailings(self, tx: Tx, now_us: int, limit: int) -> list[tuple[MailingRow, bool]]:
        """Active mailings, those that end first; and whether they were told to be at risk."""
        rows = await rows_in_state(tx, MailingState.ACTIVE, now_us, "end_us, id", limit)
        told = await tx.rows(
            f"SELECT m.id FROM mailing AS m WHERE {_OPEN} AND m.milestones & {int(Milestone.AT_RISK)} > 0"
        )
        ids = {row[0] for row in told}
        return [(row, row.id in ids) for row in rows]

    @transaction(Lane.EVENTS)
    async def note_provider(
        self, tx: Tx, name: str, *, is_down: bool, has_answered: bool, detail: str, now_us: int
    ) -> None:
        """Store whether this engine takes a provider for down, and tell others when the first engine does, and when
        none does any more.

        ``has_answered``: the provider has taken a call of this engine lately. Without that nobody says that it is up.
        """
        row = await tx.row(f"SELECT id, down_us FROM provider WHERE name = ? {tx.dialect.lock()}", name)
        if row is None:
            return
        id, down_us = row
        if is_down:
            await tx.run(
                "INSERT INTO provider_down (provider_id, engine_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
                *(id, self.engine_id),
            )
        else:
            gone = "engine_id = ? OR engine_id NOT IN (SELECT id FROM engine)"
            await tx.run(f"DELETE FROM provider_down WHERE provider_id = ? AND ({gone})", id, self.engine_id)
        alive_us = now_us - _ALIVE_US
        still_down = await tx.row(f"SELECT 1 FROM provider AS p WHERE p.id = ? AND {_DOWN}", id, alive_us) is not None
        if still_down and down_us is None:
            await tx.run("UPDATE provider SET down_us = ? WHERE id = ?", now_us, id)
            await add_events(
                tx, [Happening(EventKind.PROVIDER_DOWN, now_us, -id, {"provider": name, "detail": detail})]
            )
        elif not still_down and down_us is not None and has_answered:
            await tx.run("UPDATE provider SET down_us = NULL WHERE id = ?", id)
            data = {"provider": name, "down_time": format_rfc3339(down_us)}
            await add_events(tx, [Happening(EventKind.PROVIDER_UP, now_us, -id, data)])

    @transaction(Lane.EVENTS)
    async def publish(self, tx: Tx, now_us: int) -> int:
        """Give what has happened a place among the events, and make a delivery for each webhook that asks for it.
        Returns how many rows of the outbox are gone; one at a time does so."""
        await lock_events(tx)
        rows = await tx.rows(f"SELECT {_OUTBOX.sql}, id FROM outbox ORDER BY id LIMIT ?", _PUBLISHED_MAX)
        if not rows:
            return 0
        happenings = joined(await _started_first(tx, [_OUTBOX.read(row[:-1]) for row in rows], now_us))
        ids = await _insert_events(tx, happenings)
        await _insert_deliveries(tx, list(zip(ids, happenings, strict=True)), now_us)
        gone = tx.dialect.list_arg(row[-1] for row in rows)
        await tx.run(f"DELETE FROM outbox WHERE id {tx.dialect.in_list()}", gone)
        return len(rows)

    @read(Lane.API)
    async def list_events(self, tx: Tx, query: EventQuery, page: Page) -> PageOf[EventRow]:
        """Events, the oldest first unless the page says otherwise."""
        asked: dict[str, Any] = {"kind <> ?": EventKind.WEBHOOK_TEST.value}
        if query.after is not None:
            asked["id > ?"] = query.after
        if query.kind is not None:
            asked["kind"] = query.kind.value
        found = await page_of(tx, EVENT, "event", page, asked)
        return replace(found, items=tuple(await with_numbers(tx, found.items)))

    @transaction(Lane.EVENTS)
    async def forget_events(self, tx: Tx, before_us: int, limit: int) -> int:
        """Remove up to ``limit`` events from before this time, with their deliveries, the oldest first; return how
        many."""
        rows = await tx.rows("SELECT id, time_us FROM event ORDER BY id LIMIT ?", limit)
        old = [row[0] for row in rows if row[1] < before_us]
        if old:
            await tx.run(f"DELETE FROM event WHERE id {tx.dialect.in_list()}", tx.dialect.list_arg(old))
        return len(old)


async def lock_events(tx: Tx) -> None:
    """Let nobody else add events until the transaction ends: so ids come in the order in which everybody sees them."""
    if not tx.dialect.is_sqlite:
        await tx.rows("SELECT pg_advisory_xact_lock(?)", _LOCK)


async def tell_removal(tx: Tx, mailing_id: int, now_us: int) -> None:
    """Tell that a mailing has ended because it is about to be deleted, unless that was told before. The transaction has
    the mailing."""
    row = await tx.row(f"{_STANDING} WHERE {_OPEN} AND m.id = ?", mailing_id)
    if row is None:
        return
    mailing = await get_mailing_row(tx, mailing_id)
    ended = _of_mailing(EventKind.MAILING_ENDED, mailing, now_us)
    await add_events(tx, [replace(ended, data={**ended.data, "state": "deleted"})])
    await _mark(tx, mailing_id, row[0] | Milestone.ENDED, row[1])


async def with_numbers(tx: Tx, events: Sequence[EventRow]) -> list[EventRow]:
    """The events as they are shown: an opt-out has its number; ``None``: that is not on the stop list any more."""
    ids = [event.data[SUPPRESSION_ID] for event in events if SUPPRESSION_ID in event.data]
    if not ids:
        return list(events)
    sql = f"SELECT id, phone_number FROM suppression WHERE id {tx.dialect.in_list()}"
    numbers = {row[0]: str(row[1]) for row in await tx.rows(sql, tx.dialect.list_arg(ids))}
    return [_with_number(event, numbers) if SUPPRESSION_ID in event.data else event for event in events]


def _with_number(event: EventRow, numbers: Mapping[int, str]) -> EventRow:
    said = {name: value for name, value in event.data.items() if name != SUPPRESSION_ID}
    return replace(event, data={"phone_number": numbers.get(event.data[SUPPRESSION_ID]), **said})


def _standing(row: Row) -> Standing:
    return Standing(*row[: len(Standing._fields)])


async def _mark(tx: Tx, mailing_id: int, milestones: int, finished_count: int | None) -> None:
    sql = "UPDATE mailing SET milestones = ?, finished_count = ? WHERE id = ?"
    await tx.run(sql, milestones, finished_count, mailing_id)


def _of_mailing(kind: EventKind, mailing: MailingRow, now_us: int, **more: Any) -> Happening:
    counts = mailing.counts
    data = {
        "mailing_id": mailing.id,
        "name": mailing.name,
        "state": mailing.state(now_us).value,
        "start_time": format_rfc3339(mailing.start_us),
        "end_time": format_rfc3339(mailing.end_us),
        "message_counts": {
            "pending": counts.pending,
            "sent": counts.sent,
            "not_sent": counts.not_sent,
            "total": counts.total,
        },
        "reasons": counts.by_reason(),
        **more,
    }
    return Happening(kind, now_us, mailing.id, data)


def _shown(forecast: Forecast) -> dict[str, Any]:
    done_us = forecast.completion_us
    return {
        "completion_time": None if done_us is None else format_rfc3339(done_us),
        "missed": forecast.missed,
        "rate_per_second": round(forecast.rate_per_second, 3),
    }


async def _started_first(tx: Tx, happenings: Sequence[Happening], now_us: int) -> list[Happening]:
    """With the start of each mailing before the first event of its messages, which may be quicker than the herald."""
    found = sorted({each.stream for each in happenings if each.kind.is_of_messages and each.stream is not None})
    if not found:
        return list(happenings)
    unknown = await tx.rows(
        f"SELECT m.id FROM mailing AS m WHERE {_OPEN} AND m.milestones & {int(Milestone.STARTED)} = 0"
        f" AND m.id {tx.dialect.in_list()} ORDER BY m.id",
        tx.dialect.list_arg(found),
    )
    started = [each for row in unknown if (each := await _start(tx, row[0], now_us)) is not None]
    return [*started, *happenings]


async def _start(tx: Tx, mailing_id: int, now_us: int) -> Happening | None:
    await lock_mailing(tx, mailing_id)
    row = await tx.row(f"{_STANDING} WHERE {_OPEN} AND m.id = ?", mailing_id)
    if row is None or row[0] & Milestone.STARTED or EventKind.MAILING_STARTED not in due(_standing(row), now_us):
        return None
    await _mark(tx, mailing_id, row[0] | Milestone.STARTED, row[1])
    return _of_mailing(EventKind.MAILING_STARTED, await get_mailing_row(tx, mailing_id), now_us)


async def _insert_events(tx: Tx, happenings: Sequence[Happening]) -> list[int]:
    """Store events; return their ids. Nobody else does so meanwhile."""
    last = int(await tx.value("SELECT coalesce(max(id), 0) FROM event"))
    rows = [(each.kind.value, each.time_us, orjson.dumps(each.data).decode()) for each in happenings]
    await tx.run(
        f"INSERT INTO event (kind, time_us, data) SELECT kind, time_us, data FROM {tx.dialect.rows_table(**_EVENT)}",
        *tx.dialect.rows_args(rows, len(_EVENT)),
    )
    return [row[0] for row in await tx.rows("SELECT id FROM event WHERE id > ? ORDER BY id", last)]


async def _insert_deliveries(tx: Tx, events: Sequence[tuple[int, Happening]], now_us: int) -> None:
    """The webhooks are locked, as they are by whoever ends a delivery: else the next one of a stream might wait for an
    earlier one that has just ended."""
    webhooks = await tx.rows(f"SELECT id, kinds FROM webhook WHERE active ORDER BY id {tx.dialect.lock_kept}")
    wanted = [
        (webhook_id, event_id, happening.stream)
        for webhook_id, kinds in ((row[0], kinds_of(row[1])) for row in webhooks)
        for event_id, happening in events
        if happening.kind in kinds
    ]
    await insert_deliveries(tx, wanted, now_us)


async def insert_deliveries(tx: Tx, wanted: Sequence[tuple[int, int, int | None]], now_us: int) -> None:
    """Make deliveries (webhook, event, stream), in this order. Those behind an earlier one of their stream wait."""
    if not wanted:
        return
    streams = sorted({stream for _, _, stream in wanted if stream is not None})
    taken = {
        (row[0], row[1])
        for row in await tx.rows(
            "SELECT DISTINCT webhook_id, stream FROM webhook_delivery"
            f" WHERE state < {int(DeliveryState.DELIVERED)} AND stream {tx.dialect.in_list()}",
            tx.dialect.list_arg(streams),
        )
    }
    rows = []
    for webhook_id, event_id, stream in wanted:
        is_behind = stream is not None and (webhook_id, stream) in taken
        state = DeliveryState.BEHIND if is_behind else DeliveryState.READY
        rows.append((webhook_id, event_id, stream, int(state), now_us, now_us))
        if stream is not None:
            taken.add((webhook_id, stream))
    columns = ", ".join(_DELIVERY)
    await tx.run(
        f"INSERT INTO webhook_delivery ({columns}) SELECT {columns} FROM {tx.dialect.rows_table(**_DELIVERY)}",
        *tx.dialect.rows_args(rows, len(_DELIVERY)),
    )
