"""What a dashboard asks for: read often, so cheap however many messages there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from engine.domain.window import MailingState
from engine.ports import EngineRow
from engine.store import counters
from engine.store.cancelled import counters_as_read
from engine.store.counters import KIND_LIST, TIMELINE_KINDS
from engine.store.database import Lane, Tx
from engine.store.engines import ENGINE
from engine.store.mailing_rows import OPEN, rows_in_state
from engine.store.rows import Counts, MailingRow, OverviewRow, TimelineRow
from engine.store.verbs import Verbs, read

MAILINGS_MAX: Final = 20
SHARING_MAX: Final = 50
"""How many mailings in each state a forecast takes into account."""
RecentSteps = Mapping[int, tuple[TimelineRow, ...]]
"""What happened lately, by mailing."""
_STEP_US: Final = counters.TIMELINE_SECONDS * 1_000_000
_ORDERS: Final = {
    MailingState.ACTIVE: "pending = 0, end_us, id",
    MailingState.PAUSED: "pending = 0, end_us, id",
    MailingState.SCHEDULED: "start_us, id",
}


class OverviewVerbs(Verbs):
    """Nothing here changes anything."""

    @read(Lane.LONG)
    async def overview(self, tx: Tx, now_us: int, *, recent_us: int) -> OverviewRow:
        """The mailings that matter now with what they did since ``recent_us``, and the messages of all."""
        shown: list[MailingRow] = []
        for state, order in _ORDERS.items():
            shown += await rows_in_state(tx, state, now_us, order, MAILINGS_MAX - len(shown))
        total = await tx.value(f"SELECT count(*) FROM mailing WHERE deleted_us IS NULL AND {OPEN}", now_us)
        recent = await _recent(tx, recent_us)
        return OverviewRow(tuple(shown), int(total), await _counts_of_all(tx), recent)

    @read(Lane.API)
    async def sharing(self, tx: Tx, now_us: int, *, recent_us: int) -> tuple[tuple[MailingRow, ...], RecentSteps]:
        """Mailings that are sending or scheduled and have something to send, the largest of each or the next: they
        share the workers. And what all did since ``recent_us``."""
        active = await rows_in_state(tx, MailingState.ACTIVE, now_us, "pending DESC, id", SHARING_MAX)
        scheduled = await rows_in_state(tx, MailingState.SCHEDULED, now_us, "start_us, id", SHARING_MAX)
        return (*active, *scheduled), await _recent(tx, recent_us)

    @read(Lane.LONG)
    async def timeline(self, tx: Tx, since_us: int, step_us: int) -> tuple[TimelineRow, ...]:
        """What happened in all mailings since then (in those that are deleted: for a day at most), in steps of
        ``step_us``, a multiple of ten seconds, which begin at multiples of it. Steps in which nothing happened are left
        out."""
        width = step_us // _STEP_US
        # By each mailing, and not by the time alone: so the index leads to what is new, past all that is old.
        rows = await tx.rows(
            f"SELECT key / {width}, kind, sum(count) FROM mailing_stat WHERE mailing_id IN (SELECT id FROM mailing)"
            f" AND kind IN ({KIND_LIST}) AND key >= ? GROUP BY key / {width}, kind",
            since_us // _STEP_US,
        )
        past = await tx.rows(
            f"SELECT key / {width}, kind, sum(count) FROM past_stat WHERE key >= ? GROUP BY key / {width}, kind",
            since_us // _STEP_US,
        )
        steps: defaultdict[int, Counter[str]] = defaultdict(Counter)
        for step, kind, number in (*rows, *past):
            steps[step][kind] += int(number)
        return tuple(
            TimelineRow(step * step_us, *(steps[step].get(kind, 0) for kind in TIMELINE_KINDS))
            for step in sorted(steps)
        )

    @read(Lane.API)
    async def silent_engines(self, tx: Tx, since_us: int, until_us: int) -> tuple[EngineRow, ...]:
        """Engines that were not stopped in order, and gave their last sign of life in that time."""
        rows = await tx.rows(
            f"SELECT {ENGINE.sql} FROM engine WHERE heartbeat_us >= ? AND heartbeat_us < ? ORDER BY id",
            *(since_us, until_us),
        )
        return tuple(ENGINE.read(row) for row in rows)


async def _recent(tx: Tx, recent_us: int) -> dict[int, tuple[TimelineRow, ...]]:
    found: defaultdict[int, defaultdict[int, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for mailing_id, step, kind, number in await tx.rows(
        "SELECT mailing_id, key, kind, count FROM mailing_stat WHERE mailing_id IN (SELECT id FROM mailing)"
        f" AND kind IN ({KIND_LIST}) AND key >= ?",
        recent_us // _STEP_US,
    ):
        found[mailing_id][step][kind] = number
    return {
        mailing_id: tuple(
            TimelineRow(step * _STEP_US, *(steps[step].get(kind, 0) for kind in TIMELINE_KINDS))
            for step in sorted(steps)
        )
        for mailing_id, steps in found.items()
    }


async def _counts_of_all(tx: Tx) -> Counts:
    """The messages of all mailings."""
    differ = counters_as_read(tx.dialect)
    names = [field.name for field in fields(Counts)]
    sums = ", ".join(f"coalesce(sum({differ.get(name, name)}), 0)" for name in names)
    row = await tx.row(
        f"SELECT {sums} FROM mailing_counters AS k JOIN mailing AS m ON m.id = k.mailing_id WHERE deleted_us IS NULL"
    )
    return Counts(*map(int, row or ()))
