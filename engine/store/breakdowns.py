"""The messages of a mailing by values of their clients and by provider: counted from the rows, and kept.

Those of a small mailing are counted whenever somebody asks. To count a million takes seconds, so the breakdown of a
large mailing is kept, with the revision that its counters had: each transaction that may change a breakdown changes
that number, so what is kept is true as long as the two are equal. Whoever is idle counts anew; who asks gets what is
kept. Why: docs/decisions/statistics.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

import orjson
from pydantic import TypeAdapter

from engine.domain.message import Status
from engine.domain.receipt import Delivery
from engine.store.cancelled import as_read, is_mailing_behind
from engine.store.counters import FINAL
from engine.store.database import Lane, Tx
from engine.store.groups import GROUP
from engine.store.provider_names import CALLED, names_of_all
from engine.store.rows import DELETED_CLIENT, Breakdown, GroupCounts, MailingRow, ProviderCounts
from engine.store.verbs import Verbs, read, transaction

CHUNK: Final = 10_000
"""Messages in one read: some 20 ms, for which other reads of a SQLite file may have to wait."""
AT_ONCE_MAX: Final = CHUNK - 1
WINDOW: Final = 10_000
"""So many mailings are looked at for one whose breakdown is to be read."""
ALL: Final = 2**62
"""Greater than any id."""
_GROWING_MAX: Final = 100_000
"""Characters. A longer one is not written anew with each chunk of an audience."""
_BUSY_US: Final = 30_000_000
_BUSY_US_EACH: Final = 10
"""A reading takes a third of this a message, and longer while messages are sent."""
_BUSY_US_MAX: Final = 3_600_000_000
"""Whatever is farther in the future was said before the clock was put back."""
_CALLED: Final = f"CASE WHEN m.attempt > 0 THEN {CALLED} END"
_PLACES: Final = {"pending": 0, "sent": 1, "not_sent": 2}
_EMPTY: Final = Breakdown(by_phone_code={}, by_tag={}, by_time_zone={}, by_provider={})
_JSON: Final = TypeAdapter(Breakdown)
OF_CLIENTS: Final = {"by_phone_code": "phone_code", "by_time_zone": "time_zone", "by_tag": "tag"}
"""Columns of clients, by the fields of a breakdown."""
_Numbers = dict[str, list[int]]
"""Pending, sent and not sent, by value."""


class Kept(NamedTuple):
    """A breakdown for who asks."""

    breakdown: Breakdown | None
    """``None``: there is none yet, and to count it takes long."""
    read_us: int | None = None
    """When it was read; ``None``: nothing has changed since."""


class Due(NamedTuple):
    """A mailing whose breakdown is to be read."""

    mailing_id: int
    messages: int


class Look(NamedTuple):
    """What a look at some mailings has found."""

    due: Due | None
    lowest_id: int | None
    """Of those that were looked at; ``None``: there are no older ones."""


class _Keys(NamedTuple):
    """Some messages of a mailing, the next ones by id."""

    numbers: Counter[str]
    """By what they and their clients are like."""
    last_id: int


class BreakdownVerbs(Verbs):
    """How breakdowns of large mailings are counted and kept. Nothing else is changed."""

    async def read_breakdown(self, mailing_id: int, now_us: int) -> Breakdown:
        """Count a mailing's messages anew, and keep what was found for all who ask. A second or two for a million."""
        revision = await self._revision(mailing_id)
        found = await self.mailing_breakdown(mailing_id)
        await self._keep(mailing_id, found, revision, now_us)
        return found

    async def mailing_breakdown(self, mailing_id: int) -> Breakdown:
        """Messages of a mailing by their clients' values. Reads all of them, in chunks between which others can read:
        each message is counted once, but not all at the same instant."""
        found: Counter[str] = Counter()
        after = 0
        while True:
            keys = await self._next_keys(mailing_id, after)
            found += keys.numbers
            if keys.numbers.total() < CHUNK:
                return _breakdown(found, await self._names_of_all())
            after = keys.last_id

    @read(Lane.API)
    async def breakdown_due(self, tx: Tx, asked: Collection[int], now_us: int, below: int = ALL) -> Look:
        """Look for a large mailing of which no breakdown is kept, or one that is not true any more: one of ``asked``
        first, then one that was never read, then the one whose reading is the longest ago.

        Args:
            tx: the read.
            asked: mailings that somebody waits for.
            now_us: the time; what another engine reads just now is left out.
            below: besides those that are asked for, the newest mailings with a lower id are looked at.
        """
        listed = tx.dialect.in_list()
        window = f"SELECT id FROM mailing WHERE id < ? ORDER BY id DESC LIMIT {WINDOW}"
        asked_arg = tx.dialect.list_arg(asked)
        due = await tx.row(
            f"SELECT g.id, c.pending + {FINAL} FROM mailing AS g JOIN mailing_counters AS c ON c.mailing_id = g.id"
            " LEFT JOIN mailing_breakdown AS b ON b.mailing_id = g.id"
            f" WHERE (g.id IN ({window}) OR g.id {listed}) AND c.pending + {FINAL} > ?"
            " AND g.deleted_us IS NULL AND g.details_removed_us IS NULL"
            " AND (g.audience_ready OR g.cancelled_us IS NOT NULL)"
            " AND (b.revision IS NULL OR b.revision <> c.revision)"
            " AND coalesce(b.busy_until_us, 0) NOT BETWEEN ? AND ?"
            f" ORDER BY CASE WHEN g.id {listed} THEN 0 ELSE 1 END,"
            " CASE WHEN b.data IS NULL THEN 0 ELSE b.read_us END, g.id DESC LIMIT 1",
            *(below, asked_arg, AT_ONCE_MAX, now_us + 1, now_us + _BUSY_US_MAX, asked_arg),
        )
        number, lowest = await tx.row(f"SELECT count(*), min(id) FROM ({window}) AS looked_at", below) or (0, None)
        return Look(None if due is None else Due(*due), lowest if number == WINDOW else None)

    @transaction(Lane.API)
    async def begin_breakdown(self, tx: Tx, due: Due, now_us: int) -> bool:
        """Let other engines leave a mailing alone while its breakdown is read; False: another one reads it."""
        until_us = now_us + min(_BUSY_US + due.messages * _BUSY_US_EACH, _BUSY_US_MAX)
        begun = await tx.row(
            "INSERT INTO mailing_breakdown (mailing_id, read_us, busy_until_us)"
            " SELECT id, CAST(? AS bigint), CAST(? AS bigint) FROM mailing WHERE id = ? AND deleted_us IS NULL"
            " ON CONFLICT (mailing_id) DO UPDATE SET busy_until_us = excluded.busy_until_us"
            " WHERE mailing_breakdown.busy_until_us NOT BETWEEN ? AND ? RETURNING mailing_id",
            *(0, until_us, due.mailing_id, now_us + 1, now_us + _BUSY_US_MAX),
        )
        return begun is not None

    @transaction(Lane.API)
    async def _keep(self, tx: Tx, mailing_id: int, found: Breakdown, revision: int | None, read_us: int) -> None:
        """Of two engines that have read the same mailing the one that began with the later revision is right."""
        await tx.run(
            "INSERT INTO mailing_breakdown (mailing_id, read_us, revision, data)"
            " SELECT id, CAST(? AS bigint), CAST(? AS bigint), CAST(? AS text) FROM mailing"
            " WHERE id = ? AND deleted_us IS NULL AND details_removed_us IS NULL"
            " ON CONFLICT (mailing_id) DO UPDATE SET read_us = excluded.read_us, revision = excluded.revision,"
            " data = excluded.data, built_to = NULL, busy_until_us = 0"
            " WHERE mailing_breakdown.revision IS NULL OR mailing_breakdown.revision <= excluded.revision",
            *(read_us, revision, _JSON.dump_json(found).decode(), mailing_id),
        )

    @read(Lane.API)
    async def _revision(self, tx: Tx, mailing_id: int) -> int | None:
        revision = await tx.value("SELECT revision FROM mailing_counters WHERE mailing_id = ?", mailing_id)
        return None if revision is None else int(revision)

    @read(Lane.API)
    async def _names_of_all(self, tx: Tx) -> Mapping[int, str]:
        return await names_of_all(tx)

    @read(Lane.LONG)
    async def _next_keys(self, tx: Tx, mailing_id: int, after: int) -> _Keys:
        return await _chunk(tx, mailing_id, after)


async def breakdown_of(tx: Tx, mailing: MailingRow) -> Kept:
    """What there is without reading much."""
    if mailing.details_removed_us is not None:
        return Kept(_EMPTY)
    if mailing.counts.total <= AT_ONCE_MAX:
        return Kept(_breakdown((await _chunk(tx, mailing.id, 0)).numbers, await names_of_all(tx)))
    kept = await tx.row(
        "SELECT b.data, b.read_us, b.revision = c.revision, c.pending FROM mailing_breakdown AS b"
        " JOIN mailing_counters AS c ON c.mailing_id = b.mailing_id WHERE b.mailing_id = ? AND b.data IS NOT NULL",
        mailing.id,
    )
    if kept is None:
        return Kept(None)
    data, read_us, is_true, pending = kept
    # A cancel changes no counters (docs/decisions/cancel.md).
    if pending != mailing.counts.pending:
        is_true = False
    return Kept(_JSON.validate_json(data), None if is_true else int(read_us))


async def pending_zones(tx: Tx, mailing_id: int) -> dict[str, int] | None:
    """How many messages were pending by time zone when the breakdown that is kept was read; ``None``: none is kept, or
    the mailing is small."""
    data = await tx.value(
        "SELECT b.data FROM mailing_breakdown AS b JOIN mailing_counters AS c ON c.mailing_id = b.mailing_id"
        f" WHERE b.mailing_id = ? AND c.pending > {AT_ONCE_MAX}",
        mailing_id,
    )
    if data is None:
        return None
    return {zone: counts.pending for zone, counts in _JSON.validate_json(data).by_time_zone.items() if counts.pending}


async def grow(tx: Tx, mailing_id: int, made: Sequence[Counter[str]], after: int, last: int, now_us: int) -> None:
    """Add a chunk of an audience that is built for the first time. So a large mailing has a breakdown from its first
    chunk on: what is sent meanwhile counts as pending until the breakdown is read.

    Args:
        tx: the transaction that makes the chunk.
        mailing_id: whose.
        made: how many messages it has, by each of ``OF_CLIENTS``.
        after: the chunk's clients have greater ids.
        last: the greatest of their ids.
        now_us: the time.
    """
    sql = f"SELECT built_to, data FROM mailing_breakdown WHERE mailing_id = ? {tx.dialect.lock()}"
    kept = await tx.row(sql, mailing_id)
    if (kept is None and after) or (kept is not None and kept[0] != after):
        return  # somebody has read it all meanwhile, or it is too long
    # As dicts: to make a value of it and back took as long as all the rest.
    found = orjson.loads(_JSON.dump_json(_EMPTY) if kept is None else kept[1])
    for field, numbers in zip(OF_CLIENTS, made, strict=True):
        for value, number in numbers.items():
            found[field].setdefault(value, {"pending": 0, "sent": 0, "not_sent": 0})["pending"] += number
    data = orjson.dumps(found).decode()
    if len(data) > _GROWING_MAX:
        await tx.run("DELETE FROM mailing_breakdown WHERE mailing_id = ?", mailing_id)
        return
    await tx.run(
        "INSERT INTO mailing_breakdown (mailing_id, read_us, built_to, data) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (mailing_id) DO UPDATE SET read_us = excluded.read_us, built_to = excluded.built_to,"
        " data = excluded.data",
        *(mailing_id, now_us, last, data),
    )


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
        *(mailing_id, after, CHUNK),
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
