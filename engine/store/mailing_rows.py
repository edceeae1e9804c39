"""Rows of mailings: how they become values, and back; which of them are in a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache, lru_cache
from typing import Any, Final

from pydantic import TypeAdapter

from engine.domain.audience import AudienceFilter
from engine.domain.errors import NotFound
from engine.domain.validate import MailingInput
from engine.domain.window import LocalHours, MailingState
from engine.ports import AudienceState, Plan
from engine.store.cancelled import counters_as_read
from engine.store.counters import NAMES
from engine.store.database import Tx
from engine.store.dialect import Dialect
from engine.store.row_of import Part, RowOf
from engine.store.rows import Counts, MailingRow
from engine.store.verbs import lock_mailing

_FILTERS: Final = 1000
_FILTER_JSON: Final = TypeAdapter(AudienceFilter)
HIDDEN: Final = (
    "SELECT id FROM mailing WHERE deleted_us IS NOT NULL UNION ALL SELECT id FROM mailing WHERE details_leaving"
)
"""Mailings of whose messages nobody is told: they are being removed."""
OPEN: Final = "cancelled_us IS NULL AND end_us > ?"
STATES: Final[Mapping[MailingState, tuple[str, int]]] = {
    MailingState.CANCELLED: ("cancelled_us IS NOT NULL", 0),
    MailingState.ENDED: ("cancelled_us IS NULL AND end_us <= ?", 1),
    MailingState.PAUSED: (f"{OPEN} AND paused", 1),
    MailingState.ACTIVE: (f"{OPEN} AND NOT paused AND start_us <= ?", 2),
    MailingState.SCHEDULED: (f"{OPEN} AND NOT paused AND start_us > ?", 2),
}
"""Each state as a condition, with how many times it asks for the time (``mailing_state`` in SQL)."""


@lru_cache(maxsize=_FILTERS)
def filter_of(text: str) -> AudienceFilter:
    """Read a filter from its column."""
    return _FILTER_JSON.validate_json(text)


def _filter_column(filter: AudienceFilter) -> tuple[str]:
    return (_FILTER_JSON.dump_json(filter, exclude_defaults=True).decode(),)


def _hours(local_from: int | None, local_to: int | None) -> LocalHours | None:
    return None if local_from is None or local_to is None else LocalHours(local_from, local_to)


def _hours_columns(hours: LocalHours | None) -> tuple[int | None, int | None]:
    return (None, None) if hours is None else (hours.from_minute, hours.to_minute)


def _audience_state(ready: bool) -> AudienceState:
    return AudienceState.READY if ready else AudienceState.BUILDING


def _is_set(time_us: int | None) -> bool:
    return time_us is not None


_FILTER: Final = Part(("audience_filter",), filter_of, _filter_column)
_HOURS: Final = Part(("local_from", "local_to"), _hours, _hours_columns)
_AUDIENCE: Final = Part(("audience_ready",), _audience_state)

INPUT: Final = RowOf(MailingInput, filter=_FILTER, local_hours=_HOURS)
"""What the API says of a mailing."""
MAILING: Final = RowOf(
    MailingRow,
    filter=_FILTER,
    local_hours=_HOURS,
    audience_state=_AUDIENCE,
    counts=Part(tuple(field.name for field in fields(Counts)), Counts),
)
PLAN: Final = RowOf(
    Plan,
    mailing_id=Part(("id",)),
    local_hours=_HOURS,
    cancelled=Part(("cancelled_us",), _is_set),
    deleted=Part(("deleted_us",), _is_set),
    audience_state=_AUDIENCE,
    rebuilding=Part(("audience_generation", "audience_ready"), lambda generation, ready: generation > 0 and not ready),
)
_COUNTED: Final = "FROM mailing AS m JOIN mailing_counters AS k ON k.mailing_id = m.id"
SELECT_PLANS: Final = (
    f"SELECT {PLAN.sql} {_COUNTED}"
    " WHERE ((cancelled_us IS NULL AND end_us > ?) OR pending > 0 OR NOT audience_ready OR deleted_us IS NOT NULL)"
)
"""Mailings with work left, without the rest of the statement. The argument is the time."""


@cache
def select_mailings(dialect: Dialect) -> str:
    """Mailings with their counters, without the rest of the statement."""
    sources = {name: f"k.{name}" for name in NAMES} | counters_as_read(dialect)
    return f"SELECT {MAILING.select('m', **sources)} {_COUNTED}"


async def get_mailing_row(tx: Tx, mailing_id: int, *, lock: bool = False) -> MailingRow:
    """Read one mailing; ``lock``: keep it as it is until the transaction ends.

    Raises:
        NotFound: there is none, or it was deleted.
    """
    if lock:
        await lock_mailing(tx, mailing_id)
    row = await tx.row(f"{select_mailings(tx.dialect)} WHERE id = ? AND deleted_us IS NULL", mailing_id)
    if row is None:
        raise NotFound("mailing", mailing_id)
    return MAILING.read(row)


async def rows_in_state(tx: Tx, state: MailingState, now_us: int, order: str, limit: int) -> list[MailingRow]:
    """The first mailings in a state, by an ``ORDER BY`` of columns of mailings and their counters."""
    condition, times = STATES[state]
    sql = f"{select_mailings(tx.dialect)} WHERE deleted_us IS NULL AND {condition} ORDER BY {order} LIMIT ?"
    return [MAILING.read(row) for row in await tx.rows(sql, *[now_us] * times, limit)]


def said_by(mailing: MailingInput) -> dict[str, Any]:
    """The fields of a ``MailingRow`` that the API says, but for ``on_uncertain``, which never changes."""
    names = [field.name for field in fields(mailing) if field.name != "on_uncertain"]
    return {name: getattr(mailing, name) for name in names}
