"""Mailings: what the API changes, and what delivery must know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import orjson

from common.error_codes import ErrorCode
from engine.domain.audience import AudienceFilter
from engine.domain.errors import NotFound, ReadOnly
from engine.domain.validate import MailingInput
from engine.domain.window import LocalHours, MailingState
from engine.ports import AudienceState, OnUncertain, Plan
from engine.store.audience import filter_of
from engine.store.audit import add_audit
from engine.store.database import Lane, Row, Tx, Work
from engine.store.lists import Cut, read_part
from engine.store.requests import find_answer, first_answer, keep_answer
from engine.store.rows import Actor, Changed, Counts, Created, MailingRow, Page, PageOf, RequestKey
from engine.store.texts import keep_new_text, keep_text
from engine.store.told import forget_mailing
from engine.store.verbs import Verbs, bump_revision, lock_mailing

_INPUT: Final = (
    "text, filter_tags, filter_phone_codes, start_us, end_us, local_from, local_to, rate_limit, on_uncertain"
)
_ROW: Final = (
    f"SELECT id, {_INPUT}, paused, cancelled_us, audience_ready, create_us, update_us,"
    " pending, sent, expired, rejected, cancelled, uncertain"
    " FROM mailing AS m JOIN mailing_counters AS k ON k.mailing_id = m.id"
)
_PLAN: Final = (
    f"SELECT id, {_INPUT}, paused, cancelled_us, deleted_us, audience_ready, audience_generation, pending, text_version"
    " FROM mailing AS m JOIN mailing_counters AS k ON k.mailing_id = m.id"
    " WHERE (cancelled_us IS NULL AND end_us > ?) OR pending > 0 OR NOT audience_ready OR deleted_us IS NOT NULL"
    " ORDER BY id"
)
OPEN: Final = "cancelled_us IS NULL AND end_us > ?"
STATES: Final[Mapping[MailingState, tuple[str, int]]] = {
    MailingState.CANCELLED: ("cancelled_us IS NOT NULL", 0),
    MailingState.ENDED: ("cancelled_us IS NULL AND end_us <= ?", 1),
    MailingState.PAUSED: (f"{OPEN} AND paused", 1),
    MailingState.ACTIVE: (f"{OPEN} AND NOT paused AND start_us <= ?", 2),
    MailingState.SCHEDULED: (f"{OPEN} AND NOT paused AND start_us > ?", 2),
}
"""Each state as a condition, with how many times it asks for the time (``mailing_state`` in SQL)."""


class MailingVerbs(Verbs):
    """What the API asks about mailings. ``now_us``: the time; ``by``: who asks, for the audit list."""

    async def plans(self, now_us: int) -> list[Plan]:
        """All mailings with work left; see ``ports.Store``."""

        async def work(tx: Tx) -> list[Plan]:
            return [_plan(row) for row in await tx.rows(_PLAN, now_us)]

        return await self._db.read(work, Lane.DELIVERY)

    async def create_mailing(
        self, mailing: MailingInput, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Created[MailingRow]:
        """Register a mailing; its messages are made later, by ``build_audience``.

        Raises:
            Conflict: the request id was used for another request.
        """

        async def work(tx: Tx) -> Created[MailingRow]:
            if (answer := await first_answer(tx, request)) is not None:
                return Created(_from_answer(answer), replayed=True)
            columns = _columns(mailing)
            mailing_id = await tx.value(
                f"INSERT INTO mailing ({', '.join(columns)}, create_us, update_us)"
                f" VALUES ({'?, ' * len(columns)}?, ?) RETURNING id",
                *columns.values(),
                now_us,
                now_us,
            )
            await tx.run("INSERT INTO mailing_counters (mailing_id) VALUES (?)", mailing_id)
            await keep_text(tx, mailing_id, now_us)
            await _note(tx, by, "create", mailing_id, asdict(mailing), now_us)
            row = await _get(tx, mailing_id)
            await keep_answer(tx, request, row, now_us)
            await bump_revision(tx)
            return Created(row, replayed=False)

        return await self._db.transaction(work)

    @staticmethod
    def would_create_mailing(mailing: MailingInput, *, now_us: int) -> MailingRow:
        """What ``create_mailing`` would make, with the id 0; stores nothing."""
        return MailingRow(
            id=0,
            **_shared(mailing),
            on_uncertain=OnUncertain(mailing.on_uncertain),
            paused=False,
            cancelled_us=None,
            audience_state=AudienceState.BUILDING,
            create_us=now_us,
            update_us=now_us,
            counts=Counts(),
        )

    async def created_mailing(self, request: RequestKey) -> MailingRow | None:
        """What a create with this request id has made, as it was then; ``None``: there was none.

        Raises:
            Conflict: the request id was used for another request.
        """

        async def work(tx: Tx) -> MailingRow | None:
            answer = await first_answer(tx, request)
            return None if answer is None else _from_answer(answer)

        return await self._db.transaction(work)

    async def get_mailing(self, mailing_id: int) -> MailingRow:
        """Read one mailing; ``NotFound`` when there is none, or it was deleted."""

        async def work(tx: Tx) -> MailingRow:
            return await _get(tx, mailing_id)

        return await self._db.read(work)

    async def list_mailings(self, state: MailingState | None, page: Page, *, now_us: int) -> PageOf[MailingRow]:
        """Mailings in a state (``None``: all), newest first unless the page says otherwise."""
        condition, times = ("TRUE", 0) if state is None else STATES[state]
        condition = f"deleted_us IS NULL AND {condition}"
        args = [now_us] * times

        async def work(tx: Tx) -> PageOf[MailingRow]:
            total = int(await tx.value(f"SELECT count(*) FROM mailing WHERE {condition}", *args))

            async def fetch(part: Cut) -> Sequence[Row]:
                return await tx.rows(f"{_ROW} {part.sql(condition)}", *args, *part.args)

            found, more = await read_part(page, total, fetch, newest_first=True)
            items = tuple(mailing_row(row) for row in found)
            return PageOf(items, total, items[-1].id if more else None)

        return await self._db.read(work)

    async def update_mailing(
        self, mailing_id: int, change: Callable[[MailingRow], MailingInput], *, by: Actor, now_us: int
    ) -> MailingRow:
        """Replace a mailing by what ``change`` makes of it. Another filter or other local hours: the audience
        is built again, and nothing is sent until that is done. ``on_uncertain`` stays as it is.

        Args:
            mailing_id: which.
            change: gets the mailing as it is stored now, and may raise (``InvalidInput``): then nothing is
                changed. It runs inside the transaction, so it must be quick and may be called again.
            by: who asks.
            now_us: the time.

        Raises:
            NotFound: there is no such mailing.
            ReadOnly: it has ended or was cancelled.
        """

        async def work(tx: Tx) -> MailingRow:
            old = await _get_open(tx, mailing_id, now_us)
            new = change(old)
            columns = {**_columns(new), "on_uncertain": old.on_uncertain.value}
            sets = "".join(f"{name} = ?, " for name in columns)
            if _other_audience(old, new):
                sets += "audience_ready = FALSE, audience_cursor = 0, audience_generation = audience_generation + 1, "
            await tx.run(f"UPDATE mailing SET {sets}update_us = ? WHERE id = ?", *columns.values(), now_us, mailing_id)
            if new.text != old.text:
                await keep_new_text(tx, mailing_id, now_us)
            await _note(tx, by, "update", mailing_id, asdict(new), now_us)
            row = await _get(tx, mailing_id)
            await bump_revision(tx)
            return row

        return await self._db.transaction(work)

    async def would_update_mailing(
        self, mailing_id: int, change: Callable[[MailingRow], MailingInput], *, now_us: int
    ) -> MailingRow:
        """What ``update_mailing`` would make; stores nothing, and raises what that would raise."""

        async def work(tx: Tx) -> MailingRow:
            old = await _get(tx, mailing_id)
            _check_open(old, now_us)
            new = change(old)
            audience = AudienceState.BUILDING if _other_audience(old, new) else old.audience_state
            return replace(old, **_shared(new), audience_state=audience, update_us=now_us)

        return await self._db.read(work)

    async def delete_mailing(self, mailing_id: int, *, by: Actor, now_us: int) -> None:
        """Make a mailing invisible at once; ``purge`` removes its rows. ``NotFound`` when there is none."""

        async def work(tx: Tx) -> None:
            await _get(tx, mailing_id, lock=True)
            await tx.run("UPDATE mailing SET deleted_us = ? WHERE id = ?", now_us, mailing_id)
            await _note(tx, by, "delete", mailing_id, {}, now_us)
            await bump_revision(tx)

        await self._db.transaction(work)

    async def set_paused(
        self, mailing_id: int, paused: bool, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Changed:
        """Pause or resume; doing it again changes nothing.

        Raises:
            NotFound: there is no such mailing.
            ReadOnly: it has ended or was cancelled.
            Conflict: the request id was used for another request.
        """

        async def work(tx: Tx) -> tuple[MailingRow, bool]:
            old = await _get_open(tx, mailing_id, now_us)
            if old.paused is paused:
                return old, False
            await tx.run("UPDATE mailing SET paused = ?, update_us = ? WHERE id = ?", paused, now_us, mailing_id)
            await _note(tx, by, "pause" if paused else "resume", mailing_id, {}, now_us)
            return await _get(tx, mailing_id), True

        return await self._once(work, request, now_us)

    async def set_cancelled(
        self, mailing_id: int, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Changed:
        """Cancel for good; ``cancel_pending`` makes the messages follow. Again: changes nothing.

        Raises:
            NotFound: there is no such mailing.
            ReadOnly: it has ended.
            Conflict: the request id was used for another request.
        """

        async def work(tx: Tx) -> tuple[MailingRow, bool]:
            old = await _get(tx, mailing_id, lock=True)
            if old.cancelled_us is not None:
                return old, False
            _check_open(old, now_us)
            await tx.run("UPDATE mailing SET cancelled_us = ?, update_us = ? WHERE id = ?", now_us, now_us, mailing_id)
            await forget_mailing(tx, mailing_id)
            await _note(tx, by, "cancel", mailing_id, {}, now_us)
            return await _get(tx, mailing_id), True

        return await self._once(work, request, now_us)

    async def _once(self, change: Work[tuple[MailingRow, bool]], request: RequestKey | None, now_us: int) -> Changed:
        """Change a mailing, unless the request was answered before: also when it could not be done now. ``change``
        returns the mailing, and whether it is another one now."""

        async def work(tx: Tx) -> Changed:
            if (answer := await find_answer(tx, request)) is not None:
                return Changed(_from_answer(answer.response), answer.create_us, replayed=True)
            row, has_changed = await change(tx)
            await keep_answer(tx, request, row, now_us)
            if has_changed:
                await bump_revision(tx)
            return Changed(row, now_us, replayed=False)

        return await self._db.transaction(work)


def mailing_row(row: Row) -> MailingRow:
    """A row of ``_ROW`` as the caller gets it."""
    id, text, tags, codes, start_us, end_us, local_from, local_to, rate, uncertain, paused, cancelled_us = row[:12]
    ready, create_us, update_us, *counts = row[12:]
    return MailingRow(
        id=id,
        text=text,
        filter=filter_of(tags, codes),
        start_us=start_us,
        end_us=end_us,
        local_hours=_hours(local_from, local_to),
        rate_limit=rate,
        on_uncertain=OnUncertain(uncertain),
        paused=bool(paused),
        cancelled_us=cancelled_us,
        audience_state=_audience_state(ready),
        create_us=create_us,
        update_us=update_us,
        counts=Counts(*counts),
    )


async def rows_in_state(tx: Tx, state: MailingState, now_us: int, order: str, limit: int) -> list[MailingRow]:
    """The first mailings in a state, by an ``ORDER BY`` of columns of mailings and their counters."""
    condition, times = STATES[state]
    sql = f"{_ROW} WHERE deleted_us IS NULL AND {condition} ORDER BY {order} LIMIT ?"
    return [mailing_row(row) for row in await tx.rows(sql, *[now_us] * times, limit)]


async def get_mailing_row(tx: Tx, mailing_id: int) -> MailingRow:
    """Read one mailing in a transaction; ``NotFound`` when there is none, or it was deleted."""
    return await _get(tx, mailing_id)


def _plan(row: Row) -> Plan:
    id, text, tags, codes, start_us, end_us, local_from, local_to, rate, uncertain, paused, cancelled_us = row[:12]
    deleted_us, ready, generation, pending, text_version = row[12:]
    return Plan(
        mailing_id=id,
        text=text,
        filter=filter_of(tags, codes),
        start_us=start_us,
        end_us=end_us,
        local_hours=_hours(local_from, local_to),
        rate_limit=rate,
        on_uncertain=OnUncertain(uncertain),
        paused=bool(paused),
        cancelled=cancelled_us is not None,
        deleted=deleted_us is not None,
        audience_state=_audience_state(ready),
        rebuilding=generation > 0 and not ready,
        pending=pending,
        text_version=text_version,
    )


def _hours(local_from: int | None, local_to: int | None) -> LocalHours | None:
    return None if local_from is None or local_to is None else LocalHours(local_from, local_to)


def _audience_state(ready: bool) -> AudienceState:
    return AudienceState.READY if ready else AudienceState.BUILDING


def _columns(mailing: MailingInput) -> dict[str, Any]:
    hours = mailing.local_hours
    return {
        "text": mailing.text,
        "filter_tags": orjson.dumps(mailing.filter.tags).decode(),
        "filter_phone_codes": orjson.dumps(mailing.filter.phone_codes).decode(),
        "start_us": mailing.start_us,
        "end_us": mailing.end_us,
        "local_from": None if hours is None else hours.from_minute,
        "local_to": None if hours is None else hours.to_minute,
        "rate_limit": mailing.rate_limit,
        "on_uncertain": mailing.on_uncertain,
    }


def _shared(mailing: MailingInput) -> dict[str, Any]:
    """What a mailing as it is given and as it is read have in common, but for ``on_uncertain``, which never changes."""
    return {
        "text": mailing.text,
        "filter": mailing.filter,
        "start_us": mailing.start_us,
        "end_us": mailing.end_us,
        "local_hours": mailing.local_hours,
        "rate_limit": mailing.rate_limit,
    }


def _other_audience(old: MailingRow, new: MailingInput) -> bool:
    return (new.filter, new.local_hours) != (old.filter, old.local_hours)


def _from_answer(answer: dict[str, Any]) -> MailingRow:
    hours, filter = answer["local_hours"], answer["filter"]
    return MailingRow(
        **{
            **answer,
            "filter": AudienceFilter(tuple(filter["tags"]), tuple(filter["phone_codes"])),
            "local_hours": None if hours is None else LocalHours(**hours),
            "on_uncertain": OnUncertain(answer["on_uncertain"]),
            "audience_state": AudienceState(answer["audience_state"]),
            "counts": Counts(**answer["counts"]),
        }
    )


async def _get(tx: Tx, mailing_id: int, *, lock: bool = False) -> MailingRow:
    if lock:
        await lock_mailing(tx, mailing_id)
    row = await tx.row(f"{_ROW} WHERE id = ? AND deleted_us IS NULL", mailing_id)
    if row is None:
        raise NotFound("mailing", mailing_id)
    return mailing_row(row)


async def _get_open(tx: Tx, mailing_id: int, now_us: int) -> MailingRow:
    mailing = await _get(tx, mailing_id, lock=True)
    _check_open(mailing, now_us)
    return mailing


def _check_open(mailing: MailingRow, now_us: int) -> None:
    state = mailing.state(now_us)
    if state in (MailingState.CANCELLED, MailingState.ENDED):
        raise ReadOnly(ErrorCode.READ_ONLY.format(id=mailing.id, state=state.value))


async def _note(tx: Tx, by: Actor, action: str, mailing_id: int, detail: Mapping[str, Any], now_us: int) -> None:
    await add_audit(tx, by, f"mailing.{action}", "mailing", mailing_id, detail, now_us)
