"""Counters and histograms of mailings: changed once a batch, in the transaction that changes the rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from engine.domain.latency import WAY_BOUNDS_SECONDS, count_by_bucket
from engine.domain.message import Reason, Status, Step
from engine.domain.receipt import Delivery, way_seconds
from engine.ports import Record
from engine.store.database import Tx
from engine.store.day_stats import ENDED, FAILED, ended_key, failed_key
from engine.store.dialect import POSTGRES, SQLITE
from engine.store.record_fields import of_record

REASONS: Final = tuple(reason.public for reason in Reason)
NOT_SENT: Final = " + ".join(REASONS)
"""How many messages of a mailing ended unsent, in SQL."""
FINAL: Final = f"sent + {NOT_SENT}"
"""How many are final, in SQL."""
DELIVERIES: Final = tuple(delivery.public for delivery in Delivery)
UNHEARD: Final = f"sent - {' - '.join(DELIVERIES)}"
"""How many are sent and have no receipt, in SQL."""
NAMES: Final = ("pending", "sent", *REASONS, "attempts", "retried", *DELIVERIES, "cost")
TIMELINE_SECONDS: Final = 10
_TIMELINE_US: Final = TIMELINE_SECONDS * 1_000_000

_CALL_OF: Final = of_record(
    "mailing_id", "attempt", "started_us", "finished_us", "http_status", "smpp_status", "text_version"
)
HTTP_STATUS: Final = "http_status"
SMPP_STATUS: Final = "smpp_status"
TEXT_VERSION: Final = "text_version"
"""Sent messages by the version of their text."""
LATENCY: Final = "latency"
TIMELINE_SENT: Final = "timeline_sent"
TIMELINE_NOT_SENT: Final = "timeline_not_sent"
TIMELINE_DEFERRED: Final = "timeline_deferred"
TIMELINE_DELIVERED: Final = "delivered"
WAY: Final = "delivery_latency"
"""Delivered messages by how long they were on their way, in buckets of ``WAY_BOUNDS_SECONDS``."""
_TIMELINE: Final[Mapping[Status, str]] = {
    Status.SENT: TIMELINE_SENT,
    Status.NOT_SENT: TIMELINE_NOT_SENT,
    Status.PENDING: TIMELINE_DEFERRED,
}
TIMELINE_KINDS: Final = (TIMELINE_SENT, TIMELINE_NOT_SENT, TIMELINE_DEFERRED, TIMELINE_DELIVERED)
"""In the order of ``TimelineRow``."""
KIND_LIST: Final = ", ".join(f"'{kind}'" for kind in TIMELINE_KINDS)
"""The kinds of the timeline, in SQL."""

_COLUMNS: Final = {"mailing_id": "int"} | dict.fromkeys(NAMES, "int")
_STAT_COLUMNS: Final = {"mailing_id": "int", "kind": "text", "key": "int", "count": "int"}
_SUMS: Final = ", ".join(f"{name} = mailing_counters.{name} + r.{name}" for name in NAMES)
_ADD_COUNTS: Final = {
    dialect: f"UPDATE mailing_counters SET {_SUMS}, revision = revision + 1 FROM {dialect.rows_table(**_COLUMNS)}"
    " WHERE mailing_counters.mailing_id = r.mailing_id"
    for dialect in (SQLITE, POSTGRES)
}
_ADD_STATS: Final = {
    dialect: "INSERT INTO mailing_stat (mailing_id, kind, key, count) SELECT mailing_id, kind, key, count"
    f" FROM {dialect.rows_table(**_STAT_COLUMNS)} WHERE TRUE ORDER BY mailing_id, kind, key"
    " ON CONFLICT (mailing_id, kind, key) DO UPDATE SET count = mailing_stat.count + excluded.count"
    for dialect in (SQLITE, POSTGRES)
}


def counter_of(step: Step) -> str:
    """The counter that holds messages after this step."""
    if step.status is Status.SENT:
        return "sent"
    return "pending" if step.reason is None else step.reason.public


def counter_at(status: int, reason: int | None) -> str:
    """The counter that holds a message whose row says this."""
    return counter_of(Step(Status(status), None if reason is None else Reason(reason)))


def new_counts() -> dict[str, int]:
    """A zero for each counter that can be counted."""
    return dict.fromkeys(("pending", "sent", *REASONS, *DELIVERIES, "cost"), 0)


class Tally:
    """What a transaction changes, added up in memory. A transaction has one tally and writes it last, because from then
    on other transactions of the same mailing wait (docs/decisions/lock-order.md)."""

    def __init__(self) -> None:
        # As counters do, and made in a tenth of the time: most tallies stay empty.
        self._counts: defaultdict[tuple[int, str], int] = defaultdict(int)
        self._stats: defaultdict[tuple[int, str, int], int] = defaultdict(int)
        self._steps: defaultdict[Step, int] = defaultdict(int)

    def add(self, mailing_id: int, name: str, number: int = 1) -> None:
        """Change one counter of ``NAMES``."""
        if not number:
            return
        self._counts[mailing_id, name] += number

    def touch(self, mailing_ids: Iterable[int]) -> None:
        """Messages of these mailings have got into other groups of a breakdown, which no counter tells."""
        for mailing_id in mailing_ids:
            self._counts[mailing_id, "pending"] += 0

    def move(self, mailing_id: int, step: Step, at_us: int, number: int = 1, text_version: int | None = None) -> None:
        """Pending messages became final without a call. ``text_version``: of those that are sent."""
        if not number:
            return
        if step.status is Status.SENT:
            self._stats[mailing_id, TEXT_VERSION, text_version or 1] += number
        if step.reason is not None:
            self._stats[mailing_id, ENDED, ended_key(at_us, step.reason)] += number
        self._steps[step] += number
        self.add(mailing_id, "pending", -number)
        self.add(mailing_id, counter_of(step), number)
        self._stats[mailing_id, _TIMELINE[step.status], at_us // _TIMELINE_US] += number

    def calls(self, ended: Iterable[Record], result: Step) -> None:
        """Calls ended, and all their messages have made the same step. Equal records are grouped first, because this
        runs once a message."""
        alike: defaultdict[tuple[int, bool, int, int | None, int | None, int | None], list[float]] = defaultdict(list)
        records = ended if result.status is Status.SENT else tuple(ended)
        for mailing_id, attempt, started_us, finished_us, http, smpp, version in map(_CALL_OF, records):
            alike[mailing_id, attempt > 1, finished_us // _TIMELINE_US, http, smpp, version].append(
                (finished_us - started_us) * 1e-6
            )
        if result.status is not Status.SENT:
            self._failed(records, result)
        timeline, counter = _TIMELINE[result.status], counter_of(result)
        for (mailing_id, again, span, http, smpp, version), latencies_seconds in alike.items():
            number = len(latencies_seconds)
            self.add(mailing_id, "attempts", number)
            self.add(mailing_id, "retried", number if again else 0)
            self.add(mailing_id, "pending", -number)
            self.add(mailing_id, counter, number)
            self._steps[result] += number
            self._stats[mailing_id, timeline, span] += number
            answered = (HTTP_STATUS, http or 0) if smpp is None else (SMPP_STATUS, smpp)
            self._stats[mailing_id, *answered] += number
            if result.status is Status.SENT:
                self._stats[mailing_id, TEXT_VERSION, version or 1] += number
            self._count(mailing_id, LATENCY, count_by_bucket(latencies_seconds))

    def _failed(self, records: Iterable[Record], result: Step) -> None:
        """Count, for the report of the day, calls after which the message was not sent."""
        for record in records:
            mailing_id, at_us = record.mailing_id, record.finished_us
            self._stats[mailing_id, FAILED, failed_key(at_us, record.provider_id, record.http_status)] += 1
            if result.reason is not None:
                self._stats[mailing_id, ENDED, ended_key(at_us, result.reason)] += 1

    def heard(
        self,
        mailing_id: int,
        was: Delivery | None,
        said: Delivery,
        times_us: Sequence[tuple[int, int | None]],
        now_us: int,
    ) -> None:
        """Messages that are sent have their first receipt, or another one; all of them alike.

        Args:
            mailing_id: their mailing.
            was: what the receipt before said; ``None``: there was none.
            said: what this one says.
            times_us: of each message, the time that its receipt names, and when the provider took it; ``None``: only
                this receipt says that it did.
            now_us: the time.
        """
        if was is said:
            return
        if was is not None:
            self.add(mailing_id, was.public, -len(times_us))
        self.add(mailing_id, said.public, len(times_us))
        if said is not Delivery.DELIVERED:
            return
        # A provider may name any time: the timeline has none from before the message was sent or after now.
        spans = Counter(
            (now_us if sent_us is None else max(sent_us, min(said_us, now_us))) // _TIMELINE_US
            for said_us, sent_us in times_us
        )
        ways_seconds = [way_seconds(sent_us, said_us) for said_us, sent_us in times_us if sent_us is not None]
        self._count(mailing_id, TIMELINE_DELIVERED, spans)
        self._count(mailing_id, WAY, count_by_bucket(ways_seconds, WAY_BOUNDS_SECONDS))

    def _count(self, mailing_id: int, kind: str, counts: Mapping[int, int]) -> None:
        """Add to what is counted by key."""
        for key, count in counts.items():
            self._stats[mailing_id, kind, key] += count

    def lost(self, mailing_id: int, number: int) -> None:
        """A call may have been made, and nobody knows how it ended."""
        self.add(mailing_id, "attempts")
        if number > 1:
            self.add(mailing_id, "retried")

    async def write(self, tx: Tx) -> None:
        """Store it all, in the order of the keys. Nothing but ``bump_revision`` may follow in the transaction."""
        if self._steps:
            tx.steps = Counter(tx.steps) + Counter(self._steps) if tx.steps else self._steps
        if mailing_ids := sorted({mailing_id for mailing_id, _ in self._counts}):
            await self._write_counts(tx, mailing_ids)
        if self._stats:
            await self._write_stats(tx)

    async def _write_counts(self, tx: Tx, mailing_ids: list[int]) -> None:
        rows = [[mailing_id, *(self._counts[mailing_id, name] for name in NAMES)] for mailing_id in mailing_ids]
        if len(rows) > 1 and not tx.dialect.is_sqlite:
            listed = tx.dialect.in_list()
            await tx.rows(
                f"SELECT 1 FROM mailing_counters WHERE mailing_id {listed} ORDER BY mailing_id FOR UPDATE", mailing_ids
            )
        await tx.run(_ADD_COUNTS[tx.dialect], *tx.dialect.rows_args(rows, len(_COLUMNS)))

    async def _write_stats(self, tx: Tx) -> None:
        rows = sorted((*key, count) for key, count in self._stats.items())
        await tx.run(_ADD_STATS[tx.dialect], *tx.dialect.rows_args(rows, len(_STAT_COLUMNS)))
