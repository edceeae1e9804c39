"""Mailings: what the API changes, and what delivery must know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, Final

from common.error_codes import ErrorCode
from engine.domain import cost
from engine.domain.access import Impossible
from engine.domain.errors import FieldError, InvalidInput, ReadOnly
from engine.domain.validate import MailingInput
from engine.domain.window import MailingState, is_decided
from engine.ports import AudienceState, OnUncertain, Plan
from engine.store.audit import add_audit, differences
from engine.store.database import Lane, Row, Tx, Work
from engine.store.events import tell_removal
from engine.store.mailing_rows import (
    INPUT,
    MAILING,
    SELECT_PLANS,
    STATES,
    get_mailing_row,
    said_by,
    select_mailings,
)
from engine.store.paging import PageQuery, read_page
from engine.store.requests import find_answer, first_answer, keep_answer
from engine.store.row_of import ReadAgain, insert_of, sets_of
from engine.store.rows import Actor, Changed, Counts, Created, MailingRow, Page, PageOf, RequestKey
from engine.store.searching import contains_text, pattern_of
from engine.store.snapshots import check_source
from engine.store.texts import keep_new_text, keep_text
from engine.store.told import forget_mailing
from engine.store.verbs import Verbs, bump_revision, lock_clients, look_up, read, transaction

_SAID: Final = tuple(field.name for field in fields(MailingInput))


class MailingVerbs(Verbs):
    """What the API asks about mailings. ``now_us``: the time; ``by``: who asks, for the audit list."""

    _plans: ReadAgain[Plan]

    @read(Lane.DELIVERY, alone=True)
    async def plans(self, tx: Tx, now_us: int, mailing_ids: Sequence[int] | None = None) -> list[Plan]:
        """Mailings with work left; see ``ports.Store``."""
        if mailing_ids is None:
            return self._plans.read_all(await tx.rows(f"{SELECT_PLANS} ORDER BY id", now_us))
        some = f"{SELECT_PLANS} AND id {tx.dialect.in_list()} ORDER BY id"
        return self._plans.read(await tx.rows(some, now_us, tx.dialect.list_arg(mailing_ids)))

    @transaction(Lane.API)
    async def create_mailing(
        self, tx: Tx, mailing: MailingInput, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Created[MailingRow]:
        """Register a mailing; its messages are made later, by ``build_audience``.

        Raises:
            Conflict: the request id was used for another request.
        """
        if (answer := await first_answer(tx, request)) is not None:
            return Created(MAILING.answered(answer), replayed=True)
        await check_source(tx, mailing.filter)
        values = {**INPUT.values(mailing), "create_us": now_us, "update_us": now_us, "audience_us": now_us}
        mailing_id = await tx.value(f"{insert_of('mailing', values)} RETURNING id", *values.values())
        await tx.run("INSERT INTO mailing_counters (mailing_id) VALUES (?)", mailing_id)
        await keep_text(tx, mailing_id, now_us)
        await _note(tx, by, "create", mailing_id, _said(mailing), now_us)
        row = await get_mailing_row(tx, mailing_id)
        await keep_answer(tx, request, row, now_us)
        await bump_revision(tx)
        return Created(row, replayed=False)

    @staticmethod
    def would_create_mailing(mailing: MailingInput, *, now_us: int) -> MailingRow:
        """What ``create_mailing`` would make, with the id 0; stores nothing."""
        return MailingRow(
            id=0,
            **said_by(mailing),
            on_uncertain=OnUncertain(mailing.on_uncertain),
            paused=False,
            cancelled_us=None,
            audience_state=AudienceState.BUILDING,
            create_us=now_us,
            update_us=now_us,
            counts=Counts(),
        )

    @transaction(Lane.API)
    async def created_mailing(self, tx: Tx, request: RequestKey) -> MailingRow | None:
        """What a create with this request id has made, as it was then; ``None``: there was none.

        Raises:
            Conflict: the request id was used for another request.
        """
        answer = await first_answer(tx, request)
        return None if answer is None else MAILING.answered(answer)

    @look_up(Lane.API)
    async def get_mailing(self, tx: Tx, mailing_id: int) -> MailingRow:
        """Read one mailing; ``NotFound`` when there is none, or it was deleted."""
        return await get_mailing_row(tx, mailing_id)

    async def list_mailings(
        self, state: MailingState | None, page: Page, *, now_us: int, search: str = "", archived: bool = False
    ) -> PageOf[MailingRow]:
        """Mailings in a state (``None``: all), newest first unless the page says otherwise.

        Args:
            state: which one.
            page: which part of the list.
            now_us: the time.
            search: only with this in their name or text, in letters of either case; all texts are read for that.
            archived: those that are archived; otherwise those that are not.
        """
        condition, times = ("TRUE", 0) if state is None else STATES[state]
        condition = f"deleted_us IS NULL AND archived_us IS {'NOT NULL' if archived else 'NULL'} AND {condition}"
        lane = Lane.LONG if search else Lane.API
        return await self._db.read(lambda tx: _list(tx, condition, [now_us] * times, page, search), lane)

    @transaction(Lane.API)
    async def update_mailing(
        self, tx: Tx, mailing_id: int, change: Callable[[MailingRow], MailingInput], *, by: Actor, now_us: int
    ) -> MailingRow:
        """Replace a mailing by what ``change`` makes of it. With another filter, other local hours, or if it follows
        clients again, the audience is built again, and nothing is sent until that is done. ``on_uncertain`` stays.

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
        await _await_clients(tx, mailing_id, change)
        old = await _get_open(tx, mailing_id, now_us)
        new = await _changed(tx, old, change)
        values = {**INPUT.values(new), "on_uncertain": old.on_uncertain.value, "update_us": now_us}
        values |= dict.fromkeys(_said_now(old, new, now_us), now_us)
        if new.filter != old.filter:
            last = "SELECT coalesce(max(id), 0) FROM message WHERE mailing_id = ?"
            values["audience_after_id"] = await tx.value(last, mailing_id)
        sets = sets_of(values) + _again(old, new, now_us)
        await tx.run(f"UPDATE mailing SET {sets} WHERE id = ?", *values.values(), mailing_id)
        if new.text != old.text:
            await keep_new_text(tx, mailing_id, now_us)
        await _note(tx, by, "update", mailing_id, differences(_noted(old), _noted(new)), now_us)
        row = await get_mailing_row(tx, mailing_id)
        await bump_revision(tx)
        return row

    @read(Lane.API)
    async def would_update_mailing(
        self, tx: Tx, mailing_id: int, change: Callable[[MailingRow], MailingInput], *, now_us: int
    ) -> MailingRow:
        """What ``update_mailing`` would make; stores nothing, and raises what that would raise."""
        old = await get_mailing_row(tx, mailing_id)
        _check_open(old, now_us)
        new = await _changed(tx, old, change)
        audience = AudienceState.BUILDING if _again(old, new, now_us) else old.audience_state
        return replace(old, **said_by(new), audience_state=audience, update_us=now_us)

    @transaction(Lane.API)
    async def delete_mailing(self, tx: Tx, mailing_id: int, *, by: Actor, now_us: int) -> None:
        """Make a mailing invisible at once; ``purge`` removes its rows. ``NotFound`` when there is none."""
        await get_mailing_row(tx, mailing_id, lock=True)
        await tell_removal(tx, mailing_id, now_us)
        await tx.run("UPDATE mailing SET deleted_us = ? WHERE id = ?", now_us, mailing_id)
        await _note(tx, by, "delete", mailing_id, {}, now_us)
        await bump_revision(tx)

    async def set_paused(
        self,
        mailing_id: int,
        paused: bool,
        *,
        by: Actor,
        now_us: int,
        request: RequestKey | None = None,
        cheapest: Callable[[MailingRow], int] = lambda mailing: 0,
    ) -> Changed:
        """Pause or resume; doing it again changes nothing.

        Args:
            mailing_id: which.
            paused: whether it is to be held.
            by: who asks.
            now_us: the time.
            request: makes it idempotent.
            cheapest: what one more message of the mailing costs at least, in millionths.

        Raises:
            NotFound: there is no such mailing.
            ReadOnly: it has ended or was cancelled.
            Impossible: it is to go on, and its budget is not enough for one more message.
            Conflict: the request id was used for another request.
        """

        async def change(tx: Tx) -> tuple[MailingRow, bool]:
            old = await _get_open(tx, mailing_id, now_us)
            if old.paused is paused:
                return old, False
            if not paused:
                _check_budget(old, cheapest(old))
            sets = "paused = ?, pause_reason = NULL, update_us = ?"
            await tx.run(f"UPDATE mailing SET {sets} WHERE id = ?", paused, now_us, mailing_id)
            await _note(tx, by, "pause" if paused else "resume", mailing_id, {}, now_us)
            return await get_mailing_row(tx, mailing_id), True

        return await self._once(change, request, now_us)

    async def set_cancelled(
        self, mailing_id: int, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Changed:
        """Cancel for good; ``cancel_pending`` makes the messages follow. Again: changes nothing.

        Raises:
            NotFound: there is no such mailing.
            ReadOnly: it has ended.
            Conflict: the request id was used for another request.
        """

        async def change(tx: Tx) -> tuple[MailingRow, bool]:
            old = await get_mailing_row(tx, mailing_id, lock=True)
            if old.cancelled_us is not None:
                return old, False
            _check_open(old, now_us)
            await tx.run("UPDATE mailing SET cancelled_us = ?, update_us = ? WHERE id = ?", now_us, now_us, mailing_id)
            await forget_mailing(tx, mailing_id)
            await _note(tx, by, "cancel", mailing_id, {}, now_us)
            return await get_mailing_row(tx, mailing_id), True

        return await self._once(change, request, now_us)

    async def set_archived(
        self, mailing_id: int, archived: bool, *, by: Actor, now_us: int, request: RequestKey | None = None
    ) -> Changed:
        """Put a mailing into the archive, or take it out; doing it again changes nothing. Its messages and its numbers
        stay, and engines need not know.

        Raises:
            NotFound: there is no such mailing.
            Impossible: it is to be archived, and is neither ended nor cancelled.
            Conflict: the request id was used for another request.
        """

        async def change(tx: Tx) -> tuple[MailingRow, bool]:
            old = await get_mailing_row(tx, mailing_id, lock=True)
            if (old.archived_us is not None) is archived:
                return old, False
            state = old.state(now_us)
            if archived and not state.is_over:
                raise Impossible(ErrorCode.STILL_OPEN.format(id=mailing_id, state=state.value))
            since_us = now_us if archived else None
            await tx.run("UPDATE mailing SET archived_us = ?, update_us = ? WHERE id = ?", since_us, now_us, mailing_id)
            await _note(tx, by, "archive" if archived else "unarchive", mailing_id, {}, now_us)
            return await get_mailing_row(tx, mailing_id), False

        return await self._once(change, request, now_us)

    @transaction(Lane.API)
    async def _once(
        self, tx: Tx, change: Work[tuple[MailingRow, bool]], request: RequestKey | None, now_us: int
    ) -> Changed:
        """Change a mailing, unless the request was answered before: also when it could not be done now. ``change``
        returns the mailing, and whether it is another one for the engines now."""
        if (answer := await find_answer(tx, request)) is not None:
            return Changed(MAILING.answered(answer.response), answer.create_us, replayed=True)
        row, has_changed = await change(tx)
        await keep_answer(tx, request, row, now_us)
        if has_changed:
            await bump_revision(tx)
        return Changed(row, now_us, replayed=False)


def _said(mailing: MailingRow | MailingInput) -> dict[str, Any]:
    """What the API says of it, as the audit list keeps it."""
    said = {name: getattr(mailing, name) for name in _SAID}
    budget = None if mailing.budget is None else cost.money(mailing.budget)
    plain = {name: asdict(value) if hasattr(value, "__dataclass_fields__") else value for name, value in said.items()}
    return plain | {"budget": budget}


def _noted(mailing: MailingRow | MailingInput) -> dict[str, Any]:
    """What can be changed, as the audit list keeps it."""
    return {name: value for name, value in _said(mailing).items() if name != "on_uncertain"}


async def _list(tx: Tx, condition: str, args: Sequence[Any], page: Page, search: str) -> PageOf[MailingRow]:
    if search:
        condition += f" AND ({contains_text(tx.dialect, 'name')} OR {contains_text(tx.dialect, 'text')})"
        args = [*args, *[pattern_of(tx.dialect, search)] * 2]
    total = int(await tx.value(f"SELECT count(*) FROM mailing WHERE {condition}", *args))

    async def fetch(part: PageQuery) -> Sequence[Row]:
        return await tx.rows(f"{select_mailings(tx.dialect)} {part.sql(condition)}", *args, *part.args)

    found, more = await read_page(page, total, fetch, newest_first=True)
    items = tuple(MAILING.read(row) for row in found)
    return PageOf(items, total, items[-1].id if more else None)


async def _changed(tx: Tx, old: MailingRow, change: Callable[[MailingRow], MailingInput]) -> MailingInput:
    """What becomes of a mailing. Another filter must name a mailing that there is; one that stays may outlive it.
    Another budget must be enough for what its messages cost already."""
    new = change(old)
    if new.budget is not None and new.budget != old.budget and new.budget < old.cost:
        problem = ErrorCode.BUDGET_TOO_SMALL.format(cost=cost.written(old.cost))
        raise InvalidInput([FieldError("budget", problem)])
    if new.filter != old.filter:
        await check_source(tx, new.filter, old.id)
    return new


async def _await_clients(tx: Tx, mailing_id: int, change: Callable[[MailingRow], MailingInput]) -> None:
    """Before a filter with messages is said, wait for those who are writing clients, and keep others from it: they know
    the filter that there was, and their messages must be told from those of the new one."""
    if tx.dialect.is_sqlite:
        return
    now = await get_mailing_row(tx, mailing_id)
    becomes = change(now).filter
    if becomes != now.filter and becomes.messages is not None:
        await lock_clients(tx, exclusive=True)


def _said_now(old: MailingRow, new: MailingInput, now_us: int) -> list[str]:
    """Columns that get the time: that of the filter, where it is another, and that of the decision, where the change
    decides an audience that clients could still join before it."""
    was, becomes = (is_decided(each.audience_fixed, each.start_us, now_us) for each in (old, new))
    said = {"audience_us": new.filter != old.filter, "decided_us": becomes and not was}
    return [column for column, is_so in said.items() if is_so]


def _again(old: MailingRow, new: MailingInput, now_us: int) -> str:
    """What the UPDATE sets so that the audience is built again; empty: it need not be.

    Only another filter says anew who is in it; for other local hours its messages are looked at again. One that follows
    clients again has not seen how they have changed meanwhile."""
    refiltered = new.filter != old.filter
    was_decided = is_decided(old.audience_fixed, old.start_us, now_us)
    follows_again = was_decided and not is_decided(new.audience_fixed, new.start_us, now_us)
    if not refiltered and new.local_hours == old.local_hours and not follows_again:
        return ""
    # For other local hours alone nobody comes or goes: what is ready is in line.
    kept = "FALSE" if refiltered or follows_again else "(audience_ready OR audience_kept)"
    return (
        f", audience_kept = {kept}"
        ", audience_ready = FALSE, audience_cursor = 0, audience_generation = audience_generation + 1"
    )


async def _get_open(tx: Tx, mailing_id: int, now_us: int) -> MailingRow:
    mailing = await get_mailing_row(tx, mailing_id, lock=True)
    _check_open(mailing, now_us)
    return mailing


def _check_open(mailing: MailingRow, now_us: int) -> None:
    state = mailing.state(now_us)
    if state.is_over:
        raise ReadOnly(ErrorCode.READ_ONLY.format(id=mailing.id, state=state.value))


def _check_budget(mailing: MailingRow, cheapest: int) -> None:
    """Refuse to let a mailing go on that would pause itself again at once."""
    if mailing.budget is None or not mailing.counts.pending or not cheapest:
        return
    if not cost.affordable(mailing.budget - mailing.cost, cheapest):
        raise Impossible(ErrorCode.BUDGET_SPENT.format(id=mailing.id))


async def _note(tx: Tx, by: Actor, action: str, mailing_id: int, detail: Mapping[str, Any], now_us: int) -> None:
    await add_audit(tx, by, f"mailing.{action}", "mailing", mailing_id, detail, now_us)
