"""Whom a filter's lists name, found by an index: so to build an audience costs what matches, and not what there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from engine.domain.audience import AudienceFilter
from engine.store.database import Tx

_DENSE_SHARE: Final = 6
"""Where one client in so many is named, to walk them all costs no more than to look up those that are."""
_SAMPLE: Final = 500
"""Clients, the next ones, that are looked at for that."""
_INDEXES: Final = {"tag": "client_tag", "phone_code": "client_phone_code"}
"""By column, which comes first in its index; the id comes second."""


async def next_candidates(tx: Tx, filter: AudienceFilter, after: int, limit: int) -> list[int] | None:
    """The ids of the next clients that one of the filter's lists names, in order; ``None``: it has none, or they are so
    many just here that all clients are to be walked.

    Args:
        tx: the transaction.
        filter: whose ``tags`` and ``phone_codes`` are looked at.
        after: only ids that are greater.
        limit: how many at most. Fewer come only if there are no more.
    """
    lists = {"tag": filter.tags, "phone_code": filter.phone_codes}
    lists = {column: values for column, values in lists.items() if values}
    rarest = await _rarest(tx, lists, after) if lists else None
    if rarest is None:
        return None
    for column, values in lists.items():
        source, args = _named(tx, column, values, after)
        few = await tx.value(f"SELECT count(*) FROM (SELECT 1 {source} LIMIT ?) AS found", *args, limit + 1)
        if few <= limit:
            return sorted(row[0] for row in await tx.rows(f"SELECT id {source}", *args))
    source, args = _named(tx, rarest, lists[rarest], after)
    rows = await tx.table("id", f"SELECT id {source} ORDER BY id LIMIT ?", *args, limit)
    return [row[0] for row in rows]


def _named(tx: Tx, column: str, values: Sequence[str], after: int) -> tuple[str, list[Any]]:
    """``FROM`` and ``WHERE``, with the arguments."""
    source = f"FROM client {tx.dialect.indexed_by(_INDEXES[column])} WHERE {column} "
    if len(values) == 1:  # its part of the index is in the order of the ids
        return f"{source} = ? AND id > ?", [values[0], after]
    return f"{source} {tx.dialect.in_list('text')} AND id > ?", [tx.dialect.list_arg(values), after]


async def _rarest(tx: Tx, lists: Mapping[str, Sequence[str]], after: int) -> str | None:
    """The list that names the fewest of the next clients, by its column; ``None``: walking them is as good."""
    named = (f"CASE WHEN {column} {tx.dialect.in_list('text')} THEN 1 ELSE 0 END" for column in lists)
    sums = ", ".join(f"coalesce(sum({each}), 0)" for each in named)
    ((walked, *numbers),) = await tx.rows(
        f"SELECT count(*), {sums}"
        f" FROM (SELECT {', '.join(lists)} FROM client WHERE id > ? ORDER BY id LIMIT {_SAMPLE}) AS walked",
        *(tx.dialect.list_arg(values) for values in lists.values()),
        after,
    )
    fewest, column = min(zip(numbers, lists, strict=True))
    return None if int(fewest) * _DENSE_SHARE > walked else column
