"""Statistics of one mailing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from engine.domain.audience import Audience
from engine.domain.message import Status
from engine.domain.receipt import Delivery
from engine.domain.routing import ANY_NUMBER, Ranges
from engine.store import counters
from engine.store.cancelled import as_read, is_mailing_behind
from engine.store.database import Lane, Row, Tx
from engine.store.groups import GROUP
from engine.store.lifecycle import is_taken, is_waiting
from engine.store.mailing_rows import get_mailing_row
from engine.store.provider_names import CALLED, names_of_all
from engine.store.routes import part_of
from engine.store.rows import (
    DELETED_CLIENT,
    Breakdown,
    GroupCounts,
    MailingRow,
    ProviderCounts,
    StatsRow,
    TimelineRow,
)
from engine.store.texts import all_texts
from engine.store.verbs import Verbs, read

_CHUNK: Final = 10_000
"""Messages in one read: some 10 ms, for which other reads of a SQLite file may have to wait."""
_AT_ONCE_MAX: Final = _CHUNK - 1
_NEWEST: Final = 10_000
"""So many mailings are asked for their size each time."""
_CALLED: Final = f"CASE WHEN m.attempt > 0 THEN {CALLED} END"

_PLACES: Final = {"pending": 0, "sent": 1, "not_sent": 2}
_Numbers = dict[str, list[int]]
"""Pending, sent and not sent, by value."""


class _Keys(NamedTuple):
    """Some messages of a mailing, the next ones by id."""

    numbers: Counter[str]
    """By what they and their clients are like."""
    last_id: int


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
        breakdown = None
        if mailing.counts.total <= _AT_ONCE_MAX:
            breakdown = _breakdown((await _chunk(tx, mailing_id, 0)).numbers, await names_of_all(tx))
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
            breakdown,
        )

    async def mailing_breakdown(self, mailing_id: int) -> Breakdown:
        """Messages of a mailing by their clients' values. Reads all of them, in chunks between which others can read:
        each message is counted once, but not all at the same instant. A second for a million."""
        found: Counter[str] = Counter()
        after = 0
        while True:
            keys = await self._next_keys(mailing_id, after)
            found += keys.numbers
            if keys.numbers.total() < _CHUNK:
                return _breakdown(found, await self._names_of_all())
            after = keys.last_id

    @read(Lane.API)
    async def large_mailings(self, tx: Tx, at_most: int) -> dict[int, tuple[int | None, ...]]:
        """The newest mailings whose breakdown takes a while, the newest first, with all that tells whether they have
        gone on: their counters, and when they were cancelled. Only the newest ones of all are looked at."""
        columns = ", ".join(f"c.{name}" for name in counters.NAMES)
        rows = await tx.rows(
            f"SELECT g.id, g.cancelled_us, {columns} FROM mailing AS g"
            " JOIN mailing_counters AS c ON c.mailing_id = g.id"
            " WHERE g.deleted_us IS NULL AND g.details_removed_us IS NULL"
            f" AND g.id > (SELECT coalesce(max(id), 0) FROM mailing) - {_NEWEST}"
            f" AND c.pending + {counters.FINAL} > ? ORDER BY g.id DESC LIMIT ?",
            *(_AT_ONCE_MAX, at_most),
        )
        return {mailing_id: tuple(counts) for mailing_id, *counts in rows}

    @read(Lane.API)
    async def _names_of_all(self, tx: Tx) -> Mapping[int, str]:
        return await names_of_all(tx)

    @read(Lane.LONG)
    async def _next_keys(self, tx: Tx, mailing_id: int, after: int) -> _Keys:
        return await _chunk(tx, mailing_id, after)

    async def pending_by_zone(self, mailing_id: int, parts: Sequence[Ranges] = (ANY_NUMBER,)) -> Audience:
        """Whose messages of a mailing are not final, by their time zone and the part of the numbers that theirs is in.
        Reads all of them, in chunks between which others can read."""
        part = part_of(parts)
        found: Counter[tuple[str, int]] = Counter()
        after = (-1, 0)
        while True:
            rows = await self._next_waiting(mailing_id, part, after)
            found.update([(zone, place) for _, _, zone, place in rows])
            if len(rows) < _CHUNK:
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
            *(mailing_id, *after, _CHUNK),
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


async def _chunk(tx: Tx, mailing_id: int, after: int) -> _Keys:
    status = as_read("m")["status"] if await is_mailing_behind(tx, mailing_id) else "m.status"
    # As one text, and counted in SQL: that takes 0.85 of the processor that counting in Python took, and holds neither
    # the event loop nor the interpreter's lock, for which an engine that sends and its callers would wait.
    values = (status, _CALLED, "m.delivery", "m.cost")
    grouped = " || '|' || ".join([*(f"coalesce(CAST({value} AS TEXT), '')" for value in values), GROUP])
    rows = await tx.table(
        "grouped, number, last_id",
        "SELECT grouped, count(*) AS number, max(id) AS last_id FROM ("
        f"SELECT m.id AS id, {grouped} AS grouped FROM message AS m LEFT JOIN client AS c ON c.id = m.client_id"
        " WHERE m.mailing_id = ? AND m.id > ? ORDER BY m.id LIMIT ?) AS chunk GROUP BY grouped",
        *(mailing_id, after, _CHUNK),
    )
    numbers = Counter({key: number for key, number, _ in rows})
    return _Keys(numbers, max((last_id for _, _, last_id in rows), default=after))


def _breakdown(found: Counter[str], names: Mapping[int, str]) -> Breakdown:
    codes: _Numbers = {}
    zones: _Numbers = {}
    tags: _Numbers = {}
    providers: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for key, number in found.items():
        status, called, delivery, cost, code, zone, tag = key.split("|", 6)
        public = Status(int(status)).public
        for values, value in ((codes, code), (zones, zone), (tags, tag)):
            values.setdefault(value if code else DELETED_CLIENT, [0, 0, 0])[_PLACES[public]] += number
        if called:
            counts = providers[names[int(called)]]
            counts[public] += number
            counts["cost"] += number * int(cost)
            if delivery and public == Status.SENT.public:
                counts[Delivery(int(delivery)).public] += number
    return Breakdown(
        by_phone_code=_groups(codes), by_tag=_groups(tags), by_time_zone=_groups(zones), by_provider=_shares(providers)
    )


def _shares(providers: Mapping[str, Counter[str]]) -> dict[str, ProviderCounts]:
    """The provider with the most messages first."""
    found = {name: ProviderCounts(**counts) for name, counts in providers.items()}
    return dict(sorted(found.items(), key=lambda item: (-item[1].total, item[0])))


def _groups(numbers: _Numbers) -> dict[str, GroupCounts]:
    """The most frequent first."""
    ordered = sorted(numbers.items(), key=lambda item: (-sum(item[1]), item[0]))
    return {value: GroupCounts(*each) for value, each in ordered}


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
