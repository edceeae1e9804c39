"""The rows: one SQLite in memory, in which only one transaction at a time can have changes.

When it is another one's turn, a transaction is put aside: rolled back, and its changed *rows* are put in again when it
goes on. (Running its statements again would be wrong: what they told the program may come out otherwise.) So each
statement sees what is committed and what its own transaction has done: READ COMMITTED.

Triggers tell which rows a statement changes, by foreign keys too; from that follow the locks that it needs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from typing import Any

import orjson

from tests.simulation.postgres.locks import Holder, Key, Locks, Mode
from tests.simulation.postgres.tables import DELETE, INSERT, TRIED, UPDATE, Change, Row, Table, Template
from tests.simulation.postgres.text import Locking, Statement, Step


class Transaction(Holder):
    """A transaction: its locks, and the rows that it has changed."""

    __slots__ = ("changes", "is_read_only", "savepoints", "written")

    def __init__(self, label: str, program: str, *, is_read_only: bool) -> None:
        super().__init__(label, program)
        self.is_read_only = is_read_only
        self.changes: list[Change] = []
        self.written: set[Key] = set()
        self.savepoints: dict[str, tuple[int, int]] = {}
        """How many changes and locks there were."""


class MustWait(Exception):
    """A lock is not to be had now: nothing was done; wait for it and run the statement again."""

    def __init__(self, key: Key, mode: Mode) -> None:
        super().__init__(key)
        self.key, self.mode = key, mode


class Data:
    """All rows, and who may see and change them."""

    def __init__(self, template: Template, locks: Locks, disorder: Random | None = None) -> None:
        """``disorder``: rows for which a statement gives no order are locked in any."""
        self._tables, self._locks, self._disorder = template.tables, locks, disorder
        self._rows = template.borrow()
        self._rows.is_free = self._is_free
        self._run: Callable[..., sqlite3.Cursor] = self._rows.connection.execute
        self._file = self._rows.file
        self._live: Transaction | None = None
        """Whose changes are in the SQLite; ``None``: nobody's."""
        self._asking: Transaction | None = None
        self._sequences: dict[str, int] = {}
        """The last key given, by table: a roll-back does not take it back."""
        self._taken_back: set[str] = set()
        """Tables whose sequence a roll-back now would take back."""

    def tell_time(self, now_us: Callable[[], int]) -> None:
        """The server's clock, in microseconds since the Unix epoch: whole ones, as ``::bigint`` makes them."""
        self._rows.now_us = now_us

    # -- statements ----------------------------------------------------------------------------
    def execute(self, transaction: Transaction, statement: Statement, args: Sequence[Any]) -> tuple[list[Row], int]:
        """Run a statement; return its rows, and how many it changed.

        Raises:
            MustWait: somebody else has a row that it needs.
            sqlite3.Error: as SQLite says it.
        """
        self._turn(transaction)
        given, before = statement.arguments(args), len(transaction.changes)
        result: tuple[list[Row], int] = ([], 0)
        parts: dict[str, str] = {}
        self._rows.parts = parts
        try:
            for step in statement.steps:
                result = self._step(transaction, step, given)
                if step.name:
                    parts[step.name] = orjson.dumps(result[0]).decode()
        except BaseException:
            self._take_back(transaction, before)  # steps of this statement that came before
            raise
        return result

    def _step(self, transaction: Transaction, step: Step, args: Sequence[Any]) -> tuple[list[Row], int]:
        for locking in step.lockings:
            self._lock_rows(transaction, locking, args)
        if not step.changes:
            return self._fetch(step.sql, args), 0
        if self._live is not transaction:
            self._file.begin()
            self._live = transaction
        changes: list[Change] = []
        self._rows.changes = changes
        self._rows.is_watching = True
        try:
            rows = self._fetch(step.sql, args)
        except sqlite3.IntegrityError:
            self._rows.is_watching = False
            self._await_rivals(transaction, changes)
            raise
        finally:
            self._rows.is_watching = False
        self._claim(transaction, changes)
        done = [change for change in changes if change.kind != TRIED]
        for table, kind, key, _, _ in done:
            transaction.written.add((table.name, key))
            if kind == INSERT and table.counts:
                self._sequences[table.name] = max(self._sequences.get(table.name, 0), key)
                self._taken_back.add(table.name)
        transaction.changes += done
        if step.result_sql:
            rows = self._fetch(step.result_sql, args)
        return rows, sum(change.table.name == step.changes for change in done)

    def _fetch(self, sql: str, args: Sequence[Any]) -> list[Row]:
        number = _parameters(sql)
        return self._run(sql, args if len(args) == number else args[:number]).fetchall()

    # -- locks ---------------------------------------------------------------------------------
    def _lock_rows(self, transaction: Transaction, locking: Locking, args: Sequence[Any]) -> None:
        self._asking = transaction
        rows = self._fetch(locking.sql, args)
        if self._disorder is not None and not locking.is_ordered:
            self._disorder.shuffle(rows)
        for row in rows:
            for table, key in zip(locking.tables, row, strict=True):
                if key is not None and not self._locks.take(transaction, (table, key), locking.mode):
                    raise MustWait((table, key), locking.mode)

    def _is_free(self, table: str, key: Any, mode: int) -> bool:
        assert self._asking is not None
        return self._locks.is_free(self._asking, (table, key), Mode(mode))

    def _claim(self, transaction: Transaction, changes: list[Change]) -> None:
        """Lock what was changed, or undo it."""
        try:
            if any(change.kind == TRIED for change in changes):
                self._await_rivals(transaction, changes)
            needed = [lock for change in changes for lock in self._needed(transaction, change)]
            if self._disorder is not None and self._disorder.random() < 0.5:
                needed.reverse()
            for key, mode in needed:
                if not self._locks.take(transaction, key, mode):
                    raise MustWait(key, mode)
        except MustWait:
            self._put_aside()
            raise

    def _needed(self, transaction: Transaction, change: Change) -> list[tuple[Key, Mode]]:
        table, kind, key, old, new = change
        if kind == TRIED:
            return []
        row, is_new = (table.name, key), kind == INSERT
        if kind == DELETE:
            return [(row, Mode.UPDATE)]
        needed: list[tuple[Key, Mode]] = []
        has_other_keys = is_new or any(old[place] != new[place] for place in table.key_columns)
        if not is_new:
            needed.append((row, Mode.UPDATE if has_other_keys else Mode.NO_KEY_UPDATE))
        for name, places in table.uniques if has_other_keys else ():
            values = [new[place] for place in places]
            if None not in values and (is_new or values != [old[place] for place in places]):
                needed.append(((f"unique {table.name}", name, *values), Mode.UPDATE))
        # A reference of a row that this transaction has written before is looked at again, changed or not.
        again = is_new or row in transaction.written
        for parent, place in table.parents:
            if new[place] is not None and (again or new[place] != old[place]):
                needed.append(((parent, new[place]), Mode.KEY_SHARE))
        return needed

    def _await_rivals(self, transaction: Transaction, changes: list[Change]) -> None:
        """An insert that meets a row which another transaction has changed waits for that one's end."""
        inserted = {(change.table.name, *change.new) for change in changes if change.kind == INSERT}
        for table, kind, _, _, new in changes:
            if kind != TRIED:
                continue
            for _, places in table.uniques:
                values = [new[place] for place in places]
                if None in values or any(_same(done, table, places, values) for done in inserted):
                    continue
                for (key,) in self._run(_finding(table.name, table.key, tuple(_names(table, places))), values):
                    self._await_writer(transaction, (table.name, key))

    def _await_writer(self, transaction: Transaction, row: Key) -> None:
        for other in self._locks.holders(row):
            if isinstance(other, Transaction) and other is not transaction and row in other.written:
                end = (f"unique {row[0]}", "end of", id(other))
                self._locks.take(other, end, Mode.UPDATE)
                raise MustWait(end, Mode.SHARE)

    # -- transactions --------------------------------------------------------------------------
    def commit(self, transaction: Transaction) -> None:
        """Make its changes everybody's; its locks are the caller's affair."""
        if transaction.changes:
            self._turn(transaction)
            self._file.commit()
            self._live = None
            self._taken_back.clear()

    def roll_back(self, transaction: Transaction, savepoint: str = "") -> int:
        """Undo its changes, or those since a savepoint; return how many locks it keeps."""
        changes, locks = transaction.savepoints[savepoint] if savepoint else (0, 0)
        self._take_back(transaction, changes)
        return locks

    def _take_back(self, transaction: Transaction, down_to: int) -> None:
        if len(transaction.changes) > down_to:
            if self._live is transaction:
                self._put_aside()
            del transaction.changes[down_to:]
            transaction.written = {(change.table.name, change.key) for change in transaction.changes}

    def _turn(self, transaction: Transaction) -> None:
        """From here on it sees what is committed, and its own changes."""
        if self._live is transaction:
            return
        if self._live is not None:
            self._put_aside()
        if transaction.changes:
            self._file.begin()
            self._live = transaction
            for change in transaction.changes:
                self._redo(change)

    def _redo(self, change: Change) -> None:
        table, kind, key, _, new = change
        if kind == INSERT:
            self._run(table.insert, new)
        elif kind == UPDATE:
            self._run(table.update, (*new, key))
        else:
            self._run(table.delete, (key,))

    def _put_aside(self) -> None:
        if self._live is None:
            return
        self._file.roll_back()
        self._live = None
        for name in self._taken_back:
            self._run("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (self._sequences[name], name))
        self._taken_back.clear()

    # -- for tests -----------------------------------------------------------------------------
    def committed(self, sql: str, *args: Any) -> list[Row]:
        """Ask for what is committed."""
        self._put_aside()
        return self._run(sql, args).fetchall()

    def content(self) -> bytes:
        """All that is committed, to begin another one with; nothing can be asked of this one any more."""
        self._put_aside()
        return self._file.settled()

    def close(self) -> None:
        """Let go of it."""
        self._put_aside()
        self._rows.give_back()


@lru_cache(maxsize=4096)
def _parameters(sql: str) -> int:
    """How many arguments a text has: the highest number in it."""
    return max((int(part[: _digits(part)]) for part in sql.split("?")[1:]), default=0)


def _digits(text: str) -> int:
    return next((place for place, character in enumerate(text) if not character.isdigit()), len(text))


@lru_cache(maxsize=256)
def _finding(table: str, key: str, columns: tuple[str, ...]) -> str:
    return f"SELECT {key} FROM {table} WHERE " + " AND ".join(f"{column} = ?" for column in columns)


def _names(table: Table, places: list[int]) -> list[str]:
    return [table.columns[place] for place in places]


def _same(done: Key, table: Table, places: list[int], values: list[Any]) -> bool:
    return done[0] == table.name and [done[place + 1] for place in places] == values
