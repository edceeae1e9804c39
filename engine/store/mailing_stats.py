"""Statistics of one mailing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from engine.domain.audience import Audience
from engine.domain.routing import ANY_NUMBER, Ranges
from engine.store import counters
from engine.store.breakdowns import CHUNK, breakdown_of, pending_zones
from engine.store.database import Lane, Row, Tx
from engine.store.lifecycle import is_taken, is_waiting
from engine.store.mailing_rows import get_mailing_row
from engine.store.routes import part_of
from engine.store.rows import MailingRow, StatsRow, TimelineRow
from engine.store.texts import all_texts
from engine.store.verbs import Verbs, read


class MailingStatsVerbs(Verbs):
    """Nothing here changes anything."""

    @read(Lane.API)
    async def mailing_stats(self, tx: Tx, mailing_id: int) -> StatsRow:
        """The counters and histograms of a mailing. ``NotFound`` when there is none."""
        mailing = await get_mailing_row(tx, mailing_id)
        made = await tx.row("SELECT attempts, retried FROM mailing_counters WHERE mailing_id = ?", mailing_id)
        attempts, retried = made or (0, 0)
        stats = await _stats(tx, mailing_id)
        await _add_behind(tx, mailing, stats)
        kept = await breakdown_of(tx, mailing)
        return StatsRow(
            mailing,
            attempts,
            retried,
            dict(sorted(stats[counters.HTTP_STATUS].items())),
            dict(sorted(stats[counters.SMPP_STATUS].items())),
            dict(sorted(stats[counters.LATENCY].items())),
            stats[counters.WAY],
            _timeline(stats),
            await all_texts(tx, mailing_id, stats[counters.TEXT_VERSION]),
            kept.breakdown,
            kept.read_us,
        )

    async def waiting_zones(self, mailing_id: int) -> Audience:
        """``pending_by_zone``, as it was when the breakdown of a large mailing was read: nobody waits for that."""
        kept = await self._pending_zones(mailing_id)
        if kept is None:
            return await self.pending_by_zone(mailing_id)
        return Audience({(zone, 0): number for zone, number in kept.items()})

    @read(Lane.API)
    async def _pending_zones(self, tx: Tx, mailing_id: int) -> dict[str, int] | None:
        return await pending_zones(tx, mailing_id)

    async def pending_by_zone(self, mailing_id: int, parts: Sequence[Ranges] = (ANY_NUMBER,)) -> Audience:
        """Whose messages of a mailing are not final, by their time zone and the part of the numbers that theirs is in.
        Reads all of them, in chunks between which others can read."""
        part = part_of(parts)
        found: Counter[tuple[str, int]] = Counter()
        after = (-1, 0)
        while True:
            rows = await self._next_waiting(mailing_id, part, after)
            found.update([(zone, place) for _, _, zone, place in rows])
            if len(rows) < CHUNK:
                return Audience(found + await self._taken_by_zone(mailing_id, part))
            after = rows[-1][0], rows[-1][1]

    @read(Lane.LONG)
    async def _next_waiting(self, tx: Tx, mailing_id: int, part: str, after: tuple[int, int]) -> Sequence[Row]:
        return await tx.table(
            "due_us, id, time_zone, part",
            f"SELECT m.due_us AS due_us, m.id AS id, c.time_zone AS time_zone, {part} AS part FROM message AS m"
            f" {tx.dialect.indexed_by('message_due')} JOIN client AS c ON c.id = m.client_id"
            f" WHERE m.mailing_id = ? AND {is_waiting('m')} AND (m.due_us, m.id) > (?, ?)"
            " ORDER BY m.due_us, m.id LIMIT ?",
            *(mailing_id, *after, CHUNK),
        )

    @read(Lane.LONG)
    async def waiting_by_part(self, tx: Tx, mailing_id: int, parts: Sequence[Ranges], at_most: int) -> tuple[int, ...]:
        """How many messages of a mailing wait by the part of the numbers that their clients' are in, and last those in
        none of them, among the ``at_most`` that have been due for longest. Those that nobody takes stay there while the
        others go, so there they are found."""
        rows = await tx.rows(
            f"SELECT {part_of(parts)}, count(*) FROM"
            f" (SELECT m.client_id AS client_id FROM message AS m {tx.dialect.indexed_by('message_due')}"
            f" WHERE m.mailing_id = ? AND {is_waiting('m')} ORDER BY m.due_us, m.id LIMIT ?) AS w"
            " JOIN client AS c ON c.id = w.client_id GROUP BY 1",
            *(mailing_id, at_most),
        )
        return Audience({("UTC", part): int(number) for part, number in rows}).by_part(len(parts))

    @read(Lane.API)
    async def _taken_by_zone(self, tx: Tx, mailing_id: int, part: str) -> Counter[tuple[str, int]]:
        """The messages that an engine has taken. They are few."""
        rows = await tx.rows(
            f"SELECT c.time_zone, {part}, count(*) FROM message AS m {tx.dialect.indexed_by('message_lease')}"
            f" JOIN client AS c ON c.id = m.client_id WHERE {is_taken('m')} AND m.mailing_id = ?"
            " GROUP BY 1, 2",
            mailing_id,
        )
        return Counter({(zone, place): int(number) for zone, place, number in rows})


async def _stats(tx: Tx, mailing_id: int) -> Mapping[str, dict[int, int]]:
    stats: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for kind, key, number in await tx.rows(
        "SELECT kind, key, count FROM mailing_stat WHERE mailing_id = ? ORDER BY kind, key", mailing_id
    ):
        stats[kind][key] = number
    return stats


async def _add_behind(tx: Tx, mailing: MailingRow, stats: Mapping[str, dict[int, int]]) -> None:
    """A mailing is cancelled, and its rows have not followed yet: they ended then."""
    if mailing.cancelled_us is None:
        return
    stored = await tx.value("SELECT pending FROM mailing_counters WHERE mailing_id = ?", mailing.id)
    if behind := stored - mailing.counts.pending:
        span, ended = mailing.cancelled_us // (counters.TIMELINE_SECONDS * 1_000_000), stats[counters.TIMELINE_NOT_SENT]
        ended[span] = ended.get(span, 0) + behind


def _timeline(stats: Mapping[str, dict[int, int]]) -> tuple[TimelineRow, ...]:
    kinds = counters.TIMELINE_KINDS
    spans = sorted({span for kind in kinds for span in stats[kind]})
    width_us = counters.TIMELINE_SECONDS * 1_000_000
    return tuple(TimelineRow(span * width_us, *(stats[kind].get(span, 0) for kind in kinds)) for span in spans)
