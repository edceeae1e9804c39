"""The tables of a simulated PostgreSQL, and the SQLite that has their rows: made once, and filled again for each life.

To fill one again is much cheaper than to make one: its schema is read already, and its statements are prepared.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from tests.simulation.postgres.text import Command
from tests.simulation.refill import Refillable

Row = tuple[Any, ...]
INSERT, UPDATE, DELETE, TRIED = "insert", "update", "delete", "tried"


class Change(NamedTuple):
    """One row that was changed; or an insert that was tried, and may have met a row that is there."""

    table: Table
    kind: str
    key: Any
    old: Row
    new: Row


@dataclass(eq=False)
class Table:
    """What PostgreSQL knows of a table beside its rows."""

    name: str
    columns: list[str]
    key: str
    counts: bool
    """Its keys come from a sequence."""
    uniques: list[tuple[str, list[int]]]
    """Unique indexes: names, and places of columns."""
    parents: list[tuple[str, int]]
    """Foreign keys: which table, and place of the column."""

    def __post_init__(self) -> None:
        self.key_place = self.columns.index(self.key)
        self.key_columns = tuple({self.key_place, *(place for _, places in self.uniques for place in places)})
        names, marks = ", ".join(self.columns), ", ".join("?" * len(self.columns))
        self.insert = f"INSERT INTO {self.name} ({names}) VALUES ({marks})"
        sets = ", ".join(f"{name} = ?" for name in self.columns)
        self.update = f"UPDATE {self.name} SET {sets} WHERE {self.key} = ?"
        self.delete = f"DELETE FROM {self.name} WHERE {self.key} = ?"

    @property
    def triggers(self) -> str:
        """SQL that makes each change call ``changed_…``."""
        new, old = (", ".join(f"{row}.{name}" for name in self.columns) for row in ("NEW", "OLD"))
        when = [("AFTER", INSERT, new), ("AFTER", UPDATE, f"{old}, {new}"), ("AFTER", DELETE, old)]
        if self.uniques:
            when.append(("BEFORE", INSERT, new))
        return "".join(
            f"CREATE TRIGGER {moment}_{kind}_{self.name} {moment} {kind} ON {self.name} BEGIN SELECT"
            f" changed_{self.name}('{TRIED if moment == 'BEFORE' else kind}', {values}); END;"
            for moment, kind, values in when
        )


class Template:
    """A migrated database, as bytes, with the triggers in it; made once."""

    def __init__(self, migrated: bytes) -> None:
        connection = sqlite3.connect(":memory:", isolation_level=None)
        connection.deserialize(migrated)
        self.tables = {table.name: table for table in _tables(connection)}
        self.keys = {table.name: table.key for table in self.tables.values()}
        self.commands: dict[str, Command] = {}
        """Texts that were read before."""
        connection.execute(f"UPDATE control SET number_key = '{'5e' * 32}'")  # a random one is no function of a seed
        connection.execute("DELETE FROM sqlite_sequence")
        for table in self.tables.values():
            connection.executescript(table.triggers)
            if table.counts:
                connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, 0)", (table.name,))
        self.content = connection.serialize()
        connection.close()
        self.spare: list[Rows] = []
        """What is not borrowed just now."""

    def with_content(self, content: bytes) -> Template:
        """The same tables, with other rows in them."""
        other = copy(self)
        other.content, other.spare = content, []
        return other

    def borrow(self) -> Rows:
        """A SQLite with the content, for somebody who will give it back."""
        rows = self.spare.pop() if self.spare else Rows(self)
        rows.refill()
        return rows


def _tables(connection: sqlite3.Connection) -> list[Table]:
    names = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        if not name.startswith("sqlite_") and name != "aerich"
    ]
    return [_table(connection, name) for name in names]


def _table(connection: sqlite3.Connection, name: str) -> Table:
    info = connection.execute(f"PRAGMA table_info({name})").fetchall()
    columns = [row[1] for row in info]
    key = next(row[1] for row in info if row[5])
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    counts = "AUTOINCREMENT" in sql
    uniques = []
    for _, index, unique, _, partial in connection.execute(f"PRAGMA index_list({name})").fetchall():
        places = [row[1] for row in connection.execute(f"PRAGMA index_info({index})").fetchall()]
        if unique and not partial and all(place >= 0 for place in places):
            uniques.append((index, places))
    keys = connection.execute(f"PRAGMA foreign_key_list({name})").fetchall()
    # PostgreSQL's has none: docs/decisions/references.md.
    parents = [] if name == "message" else [(row[2], columns.index(row[3])) for row in keys]
    return Table(name, columns, key, counts, uniques, parents)


class Rows:
    """A SQLite in memory with a template's tables. What its functions need is set by whoever has borrowed it: to make a
    function anew, SQLite would forget all statements that it has prepared."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self.file = Refillable(template.content, self._prepare)
        self.connection = self.file.connection
        self.changes: list[Change] = []
        """What the statement that runs has changed."""
        self.is_watching = False
        self.parts: dict[str, str] = {}
        """Results of the parts of a ``WITH``, as JSON."""
        self.is_free: Callable[[str, Any, int], bool]
        self.now_us: Callable[[], int]

    def refill(self) -> None:
        """Make it as new."""
        self.is_watching = False
        self.file.refill()

    def give_back(self) -> None:
        """Nobody uses it any more."""
        self.is_watching = False
        if not self.file.is_settled:
            self._template.spare.append(self)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA foreign_keys = 1")
        for table in self._template.tables.values():
            connection.create_function(f"changed_{table.name}", -1, self._watcher(table))
        connection.create_function("free", 3, self._free)
        connection.create_function("part", 1, lambda name: self.parts[name])
        connection.create_function("strpos", 2, lambda text, part: str(text).find(str(part)) + 1)
        connection.create_function("split_part", 3, _split_part)
        connection.create_aggregate("json_agg", 1, cast(Any, _JsonAgg))  # typeshed knows numbers only
        connection.create_function("clock_us", 0, self._now_us)
        connection.create_collation("C", lambda one, other: (one > other) - (one < other))

    def _free(self, table: str, key: Any, mode: int) -> bool:
        return self.is_free(table, key, mode)

    def _now_us(self) -> int:
        return self.now_us()

    def _watcher(self, table: Table) -> Callable[..., None]:
        place, width = table.key_place, len(table.columns)

        def changed(kind: str, *values: Any) -> None:
            if not self.is_watching:
                return
            old, new = (values[:width], values[width:]) if kind == UPDATE else (values, values)
            self.changes.append(Change(table, kind, old[place], old, new))

        return changed


class _JsonAgg:
    """``json_agg``."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def step(self, value: Any) -> None:
        """The value of a row."""
        self._values.append(value)

    def finalize(self) -> str | None:
        """NULL for no rows, as PostgreSQL has it."""
        return json.dumps(self._values) if self._values else None


def _split_part(text: str, separator: str, place: int) -> str:
    parts = text.split(separator)
    return parts[place - 1] if place <= len(parts) else ""
