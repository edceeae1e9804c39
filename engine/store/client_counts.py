"""How many clients there are, in all and with each value of the columns that lists are filtered by.

Whoever changes clients writes down, in the transaction that does it, by how much each of these numbers changes: in new
rows, which nobody waits for. A number is the sum of its rows, so it is exact at any instant. Now and then whoever has
written puts sums in their place, unless somebody else is at it. Why: docs/decisions/client-counts.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from engine.store.client_rows import ClientQuery
from engine.store.database import Tx

COLUMNS: Final = tuple(
    field.name for field in fields(ClientQuery) if field.name not in ("phone_number", "phone_contains", "attributes")
)
"""Of ``client``: each that lists are filtered by, but for the number."""
_ALL: Final = "all"
_SUMMED_EVERY: Final = 1_024
"""Rows. So many are to be added up for a number at most, and as many again for each transaction that is under way."""
_SUMS_LOCK: Final = 0x6D61696C_00000005
"""PostgreSQL's advisory lock of whoever puts sums in the place of rows."""
_ROW: Final = {"kind": "text", "value": "text", "number": "int"}
AS_THEY_ARE: Final = " UNION ALL ".join(
    [
        f"SELECT '{_ALL}' AS kind, '' AS value, count(*) AS number FROM client",
        *(f"SELECT '{column}', {column}, count(*) FROM client GROUP BY {column}" for column in COLUMNS),
    ]
)
"""All numbers, counted."""
_DIFFERENCES: Final = (
    "SELECT kind, value, sum(stored), sum(counted) FROM"
    " (SELECT kind, value, number AS stored, 0 AS counted FROM client_count"
    f" UNION ALL SELECT kind, value, 0, number FROM ({AS_THEY_ARE}) AS they) AS either"
    " GROUP BY kind, value HAVING sum(stored) <> sum(counted) ORDER BY kind, value"
)

Number = tuple[str, str, int]
"""A column, or all; the value; how many."""


async def note_clients(tx: Tx, *, came: Collection[Any] = (), gone: Collection[Any] = ()) -> None:
    """Write down that clients have come and gone, as rows or as the API says them. One that was changed has gone as it
    was, and has come as it is."""
    numbers = [(_ALL, "", len(came) - len(gone))]
    for column in COLUMNS:
        counted = Counter(map(attrgetter(column), came))
        counted.subtract(map(attrgetter(column), gone))
        numbers += [(column, value, number) for value, number in counted.items()]
    await add_numbers(tx, numbers)


async def add_numbers(tx: Tx, numbers: Sequence[Number]) -> None:
    """Write down by how much numbers change."""
    ids = await _insert(tx, numbers)
    if any(id % _SUMMED_EVERY == 0 for id in ids):
        await _sum_up(tx, ids[0] - _SUMMED_EVERY)


async def clients_counted(tx: Tx, column: str | None = None, value: str = "") -> int:
    """How many clients there are with this value; ``None``: in all."""
    sql = "SELECT coalesce(sum(number), 0) FROM client_count WHERE kind = ? AND value = ?"
    return int(await tx.value(sql, column or _ALL, value))


async def clients_by_value(tx: Tx, column: str, limit: int) -> dict[str, int]:
    """The values of a column, the most frequent first, each with how many clients have it."""
    rows = await tx.rows(
        "SELECT value, sum(number) FROM client_count WHERE kind = ? GROUP BY value HAVING sum(number) > 0"
        " ORDER BY sum(number) DESC, value LIMIT ?",
        column,
        limit,
    )
    return {value: int(number) for value, number in rows}


async def miscounted(tx: Tx) -> list[tuple[str, str, int, int]]:
    """Numbers that do not agree with the clients: column, value, as it is stored, and as it is counted; both as they
    are at one moment, for one statement reads them."""
    return [(kind, value, int(old), int(new)) for kind, value, old, new in await tx.rows(_DIFFERENCES)]


async def _insert(tx: Tx, numbers: Sequence[Number]) -> list[int]:
    """The ids of the new rows, in order."""
    rows = sorted(number for number in numbers if number[2])
    if not rows:
        return []
    made = await tx.rows(
        "INSERT INTO client_count (kind, value, number)"
        f" SELECT kind, value, number FROM {tx.dialect.rows_table(**_ROW)} WHERE TRUE RETURNING id",
        *tx.dialect.rows_args(rows, len(_ROW)),
    )
    return sorted(row[0] for row in made)


async def _sum_up(tx: Tx, after: int) -> None:
    """Put one row in the place of all that the numbers have that were changed since the row ``after``."""
    if not tx.dialect.is_sqlite and not await tx.value("SELECT pg_try_advisory_xact_lock(?)", _SUMS_LOCK):
        return
    rows = await tx.rows(
        "SELECT c.id, c.kind, c.value, c.number FROM (SELECT DISTINCT kind, value FROM client_count WHERE id > ?) AS r"
        " CROSS JOIN client_count AS c WHERE c.kind = r.kind AND c.value = r.value ORDER BY c.id",
        after,
    )
    several = {key for key, times in Counter((row[1], row[2]) for row in rows).items() if times > 1}
    replaced = [row for row in rows if (row[1], row[2]) in several]
    sums: Counter[tuple[str, str]] = Counter()
    for _, kind, value, number in replaced:
        sums[kind, value] += number
    ids = tx.dialect.list_arg(row[0] for row in replaced)
    await tx.run(f"DELETE FROM client_count WHERE id {tx.dialect.in_list()}", ids)
    await _insert(tx, [(kind, value, number) for (kind, value), number in sums.items()])
