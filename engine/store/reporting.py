"""The daily report: what it tells, and which engine mails it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import orjson

from engine.domain.daily import Day
from engine.domain.message import Reason
from engine.domain.report import Done, Failure, MailingDay, Report
from engine.store.copies import NOT_HELD
from engine.store.counters import KIND_LIST, TIMELINE_KINDS, TIMELINE_SECONDS
from engine.store.database import Lane, Row, Tx
from engine.store.day_stats import ENDED, FAILED, QUARTER_US, WIDTHS, failed_of
from engine.store.mailing_rows import MAILING, select_mailings
from engine.store.rows import MailingRow
from engine.store.verbs import Verbs, read, transaction

MAILINGS_MAX: Final = 40
"""How many mailings a report has a line for."""
_TITLE_CHARACTERS_MAX: Final = 60
_SPAN_US: Final = TIMELINE_SECONDS * 1_000_000
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A report that this engine is to mail."""

    attempt: int
    left: tuple[str, ...] | None
    """Who has not got it yet; ``None``: nobody has."""


class ReportVerbs(Verbs):
    """``due_us`` of a report that an engine has is until when the engine has it, else when it is to be tried."""

    @read(Lane.LONG)
    async def report(self, tx: Tx, day: Day, zone: str, now_us: int) -> Report:
        """What was done in that day. Reads counters only, so it costs the same however many messages there are."""
        done, past = await _done(tx, day)
        reasons = await _by_key(tx, ENDED, day)
        told = sorted(done, key=lambda id: (-_weight(done[id]), id))
        rows = await _mailings(tx, told[:MAILINGS_MAX])
        pending = await tx.value(
            "SELECT coalesce(sum(pending), 0) FROM mailing_counters AS k JOIN mailing AS m ON m.id = k.mailing_id"
            " WHERE deleted_us IS NULL AND cancelled_us IS NULL"
        )
        return Report(
            date=day.date,
            zone=zone,
            done=sum(done.values(), past),
            reasons=_reasons(sum(reasons.values(), Counter())),
            failures=await _failures(tx, day),
            mailings=tuple(_mailing(row, done[row.id], reasons[row.id], now_us) for row in rows),
            more=len(told) - len(rows),
            pending=int(pending),
        )

    @read(Lane.API)
    async def is_report_due(self, tx: Tx, day: date, now_us: int) -> bool:
        """Whether the report of that date is to be mailed by somebody now. ``claim_report`` tells for certain. Nothing
        is mailed from a copy that is held."""
        sql = "SELECT 1 FROM report WHERE day = ? AND (sent_us IS NOT NULL OR due_us > ?)"
        return bool(await tx.value(f"SELECT NOT EXISTS ({sql}) AND {NOT_HELD}", _number(day), now_us))

    @read(Lane.API)
    async def has_reported(self, tx: Tx) -> bool:
        """Whether the report of any day was mailed, or tried."""
        return bool(await tx.value("SELECT EXISTS (SELECT 1 FROM report)"))

    @transaction(Lane.API)
    async def claim_report(self, tx: Tx, day: date, now_us: int, until_us: int) -> Claimed | None:
        """Take the report of that date, to mail it before ``until_us``; ``None``: it is mailed, or not due again yet,
        or another engine has it."""
        row = await tx.row(
            "INSERT INTO report (day, due_us, attempt) VALUES (?, ?, 1) ON CONFLICT (day) DO UPDATE"
            " SET due_us = excluded.due_us, attempt = report.attempt + 1"
            " WHERE report.sent_us IS NULL AND report.due_us <= ? RETURNING attempt, recipients_left",
            *(_number(day), until_us, now_us),
        )
        return None if row is None else Claimed(row[0], None if row[1] is None else tuple(orjson.loads(row[1])))

    @transaction(Lane.API)
    async def report_mailed(self, tx: Tx, day: date, attempt: int, now_us: int) -> None:
        """Everybody has got it. Nothing happens when another engine has taken it since."""
        await tx.run(
            "UPDATE report SET sent_us = ?, recipients_left = NULL WHERE day = ? AND attempt = ?",
            *(now_us, _number(day), attempt),
        )

    @transaction(Lane.API)
    async def put_off_report(self, tx: Tx, day: date, attempt: int, due_us: int, left: Sequence[str]) -> None:
        """``left``, or all if that is empty, are to get it then. Nothing happens when another engine has taken it."""
        await tx.run(
            "UPDATE report SET due_us = ?, recipients_left = ? WHERE day = ? AND attempt = ? AND sent_us IS NULL",
            *(due_us, orjson.dumps(left).decode() if left else None, _number(day), attempt),
        )

    @transaction(Lane.API)
    async def forget_reports(self, tx: Tx, before: date) -> int:
        """Forget that reports of days before that one were mailed; return how many."""
        return await tx.run("DELETE FROM report WHERE day < ?", _number(before))


async def _mailings(tx: Tx, ids: Sequence[int]) -> list[MailingRow]:
    """Those of the mailings that are not deleted, in the order of the ids."""
    sql = f"{select_mailings(tx.dialect)} WHERE id {tx.dialect.in_list()} AND deleted_us IS NULL"
    rows = {row.id: row for row in map(MAILING.read, await tx.rows(sql, tx.dialect.list_arg(ids)))}
    return [rows[id] for id in ids if id in rows]


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _weight(done: Done) -> int:
    return done.sent + done.not_sent + done.deferred


async def _done(tx: Tx, day: Day) -> tuple[dict[int, Done], Done]:
    """What each mailing did, and what those did together that are deleted."""
    span = day.start_us // _SPAN_US, day.end_us // _SPAN_US
    # By each mailing, and not by the time alone: so the index leads to that day, past all that is older.
    rows = await tx.rows(
        "SELECT mailing_id, kind, sum(count) FROM mailing_stat"
        " WHERE mailing_id IN (SELECT id FROM mailing WHERE deleted_us IS NULL)"
        f" AND kind IN ({KIND_LIST}) AND key >= ? AND key < ? GROUP BY mailing_id, kind",
        *span,
    )
    found: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for mailing_id, kind, number in rows:
        found[mailing_id][kind] = int(number)
    gone = await tx.rows(
        "SELECT kind, sum(count) FROM (SELECT kind, key, count FROM past_stat UNION ALL"
        " SELECT kind, key, count FROM mailing_stat"
        " WHERE mailing_id IN (SELECT id FROM mailing WHERE deleted_us IS NOT NULL)) AS gone"
        f" WHERE kind IN ({KIND_LIST}) AND key >= ? AND key < ? GROUP BY kind",
        *span,
    )
    return {id: _done_of(kinds) for id, kinds in found.items()}, _done_of({kind: int(n) for kind, n in gone})


def _done_of(kinds: Mapping[str, int]) -> Done:
    return Done(*(kinds.get(kind, 0) for kind in TIMELINE_KINDS))


async def _by_key(tx: Tx, kind: str, day: Day) -> defaultdict[int, Counter[int]]:
    """Numbers by what their key says besides the quarter, by mailing."""
    width = WIDTHS[kind]
    rows: Sequence[Row] = await tx.rows(
        f"SELECT mailing_id, key % {width}, sum(count) FROM mailing_stat"
        " WHERE mailing_id IN (SELECT id FROM mailing)"
        f" AND kind = '{kind}' AND key >= ? AND key < ? GROUP BY mailing_id, key % {width}",
        *(day.start_us // QUARTER_US * width, day.end_us // QUARTER_US * width),
    )
    found: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for mailing_id, rest, number in rows:
        found[mailing_id][int(rest)] += int(number)
    return found


async def _failures(tx: Tx, day: Day) -> tuple[Failure, ...]:
    calls = sum((await _by_key(tx, FAILED, day)).values(), Counter[int]())
    names = {int(id): name for id, name in await tx.rows("SELECT id, name FROM provider")}
    said = [(failed_of(rest), number) for rest, number in calls.most_common()]
    return tuple(Failure(names.get(each.provider_id, "?"), each.http_status or None, n) for each, n in said)


def _mailing(row: MailingRow, done: Done, reasons: Counter[int], now_us: int) -> MailingDay:
    text = " ".join((row.name or row.text).split())
    title = text if len(text) <= _TITLE_CHARACTERS_MAX else text[: _TITLE_CHARACTERS_MAX - 1] + "…"
    counts = row.counts
    state = row.state(now_us)
    return MailingDay(row.id, title, state, done, _reasons(reasons), counts.total, counts.pending, counts.sent)


def _reasons(numbers: Counter[int]) -> dict[str, int]:
    """By name, the most frequent first."""
    return {Reason(reason).public: number for reason, number in numbers.most_common()}
