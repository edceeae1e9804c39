"""What differs between the two databases, so that the verbs can share one SQL text.

Statements are written with ``?``; PostgreSQL gets ``$1, $2, …``. A batch of rows goes in as a table
(``rows_table``): on SQLite one JSON text, on PostgreSQL one array a column. Both take one statement
for the whole batch. On SQLite that matters twice: a thread that runs Python's ``sqlite3`` gives the
interpreter lock away at every step, so ``executemany`` of 300 rows beside a busy event loop was
measured at 3,700 us a row, and the same rows as one JSON at 115 us (idle: 2.4 and 4.2 us).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import orjson

_ARRAYS = {"int": "bigint[]", "text": "text[]"}


@lru_cache(maxsize=1024)
def _numbered(sql: str) -> str:
    """``?`` to ``$1``, ``$2`` …; our statements have no question mark inside a literal."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in zip(count(1), rest, strict=False))


@dataclass(frozen=True, slots=True)
class Dialect:
    """One of the two kinds of SQL."""

    name: str

    @property
    def is_sqlite(self) -> bool:
        """True for SQLite, where one writer at a time makes row locks needless."""
        return self.name == "sqlite"

    def sql(self, text: str) -> str:
        """The statement as this database wants its parameters."""
        return text if self.is_sqlite else _numbered(text)

    def rows_table(self, **columns: str) -> str:
        """A table ``r`` with these columns (``int`` or ``text``, which may be NULL), for ``FROM``."""
        return _rows_table(self.is_sqlite, tuple(columns.items()))

    def rows_args(self, rows: Sequence[Sequence[Any]], width: int) -> list[Any]:
        """The arguments for the ``?`` of ``rows_table``, which has ``width`` columns."""
        if self.is_sqlite:
            return [orjson.dumps(rows).decode()]
        return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]

    def in_list(self, kind: str = "int") -> str:
        """What follows a column to say that it is in a list given as one argument (``list_arg``)."""
        return "IN (SELECT value FROM json_each(?))" if self.is_sqlite else f"= ANY(?::{_ARRAYS[kind]})"

    def list_arg(self, values: Iterable[Any]) -> Any:
        """The argument for the ``?`` of ``in_list``."""
        return orjson.dumps(list(values)).decode() if self.is_sqlite else list(values)

    def in_select(self, sql: str) -> str:
        """What follows a column with an index to say that it is among what a query finds. PostgreSQL goes once through
        the index for all of it, where a join would look each up: 0.7 us a row in place of 1.4."""
        return f"IN ({sql})" if self.is_sqlite else f"= ANY(ARRAY({sql}))"

    def listed(self, column: str) -> str:
        """All values of a column, in SQL, as one JSON text; NULL for none on PostgreSQL."""
        return f"json_group_array({column})" if self.is_sqlite else f"CAST(json_agg({column}) AS text)"

    def lock(self, of: str = "", *, skip: bool = False) -> str:
        """``FOR UPDATE`` on PostgreSQL; nothing on SQLite."""
        if self.is_sqlite:
            return ""
        return "FOR UPDATE" + (f" OF {of}" if of else "") + (" SKIP LOCKED" if skip else "")

    @property
    def lock_kept(self) -> str:
        """``lock`` for rows that are neither deleted nor get another key: others may go on referring to them."""
        return "" if self.is_sqlite else "FOR NO KEY UPDATE"

    def indexed_by(self, index: str) -> str:
        """After a table's name in ``FROM``: which index must serve it. SQLite has no statistics here and would
        take one that looks as good but holds final messages too; PostgreSQL finds out by itself."""
        return f"INDEXED BY {index}" if self.is_sqlite else ""

    def contains(self, column: str) -> str:
        """The condition that a number's digits contain those of the argument, a text."""
        return f"instr({column}, ?) > 0" if self.is_sqlite else f"strpos({column}::text, ?) > 0"

    @property
    def clock_us(self) -> str:
        """The time by the server's clock, in microseconds; NULL on SQLite, which has no other clock than ours."""
        return "NULL" if self.is_sqlite else "(date_part('epoch', clock_timestamp()) * 1000000)::bigint"

    @property
    def share_lock(self) -> str:
        """``FOR SHARE`` on PostgreSQL: what was read stays true until the transaction ends."""
        return "" if self.is_sqlite else "FOR SHARE"


@lru_cache(maxsize=256)
def _rows_table(sqlite: bool, columns: tuple[tuple[str, str], ...]) -> str:
    if sqlite:
        fields = ", ".join(f"value ->> {index} AS {name}" for index, (name, _) in enumerate(columns))
        return f"(SELECT {fields} FROM json_each(?)) AS r"
    arrays = ", ".join(f"?::{_ARRAYS[kind]}" for _, kind in columns)
    return f"unnest({arrays}) AS r({', '.join(name for name, _ in columns)})"


SQLITE = Dialect("sqlite")
POSTGRES = Dialect("postgres")
