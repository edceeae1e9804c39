"""A PostgreSQL text as SQLite runs it, and which rows it locks before it changes any.

Nothing here knows a statement of ours: it is regular expressions and counted brackets. A statement becomes steps: one,
unless it has a ``WITH`` whose parts lock or change rows, for SQLite knows none such. Each part's result is then handed
to those that follow as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import Any, Final

import orjson

from tests.simulation.postgres.locks import Mode

_ANY: Final = re.compile(r"= ANY\s*\(\$(\d+)::\w+\[\]\)")
_ARRAY: Final = re.compile(r"= ANY\(ARRAY\((SELECT [^()]*)\)\)")
_UNNEST: Final = re.compile(
    r"unnest\((\$\d+::\w+\[\](?:, \$\d+::\w+\[\])*)\)( WITH ORDINALITY)? AS (\w+)\s*\(([^)]*)\)"
)
_TEXT_CAST: Final = re.compile(r"([\w.]+)::text\b")
_CAST: Final = re.compile(r"::\w+(\[\])?")
_PARAMETER: Final = re.compile(r"\$(\d+)")
_LOCK: Final = re.compile(
    r"FOR (NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b(?: OF (\w+(?:, \w+)*))?( SKIP LOCKED| NOWAIT)?"
)
_ADVISORY: Final = re.compile(r"SELECT pg_(try_)?advisory_xact_lock(_shared)?\(\$1(?:, \$2)?\)")
_TABLE: Final = re.compile(r"(?:\bFROM|\bJOIN|,)\s+(\w+)(?:\s+AS\s+(\w+))?")
_PART: Final = re.compile(r"\s*,?\s*(\w+) AS (?:MATERIALIZED |NOT MATERIALIZED )?\(")
_CHANGE: Final = re.compile(r"(INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)(?:\s+AS\s+(\w+))?")
_NAME: Final = re.compile(r"(\w+)\s*$")
_MODES: Final = {
    "KEY SHARE": Mode.KEY_SHARE,
    "SHARE": Mode.SHARE,
    "NO KEY UPDATE": Mode.NO_KEY_UPDATE,
    "UPDATE": Mode.UPDATE,
}
_SAVEPOINT: Final = re.compile(r"(SAVEPOINT|ROLLBACK TO SAVEPOINT|RELEASE SAVEPOINT) (\w+)")
_SET: Final = re.compile(r"SET (LOCAL )?(?:SESSION )?(\w+) (?:=|TO) '?([^']+)'?")
_OTHER_NAMES: Final = (
    ("GREATEST(", "max("),
    ("LEAST(", "min("),
    ("(date_part('epoch', clock_timestamp()) * 1000000)", "clock_us()"),
)

Bind = Callable[[Sequence[Any]], Any]


@dataclass(frozen=True, slots=True)
class Locking:
    """``SELECT … FOR …``: a query for the keys of the rows to be locked, a column for each table."""

    sql: str
    tables: tuple[str, ...]
    mode: Mode
    is_ordered: bool
    """It says in which order; else any order is right."""


@dataclass(frozen=True, slots=True)
class Step:
    """What SQLite runs in one go."""

    name: str
    """Of the part of a ``WITH`` that it is; empty: the statement's result."""
    sql: str
    changes: str
    """The table whose rows it changes; empty: it only reads."""
    is_insert: bool
    columns: tuple[str, ...]
    """Of a part."""
    result_sql: str
    """Asked afterwards for what ``RETURNING`` wants of other tables; empty: ``sql`` gives the result itself."""
    lockings: tuple[Locking, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole text, understood."""

    steps: tuple[Step, ...]
    binds: tuple[tuple[int, Bind], ...]
    """Arguments (by place) that SQLite gets in another form."""
    advisory: Mode | None = None
    """It takes the advisory lock of its arguments, and nothing else."""
    only_tries: bool = False
    """And does not wait for it: it says whether it could."""
    word: str = ""
    """Of the status that is returned for it."""
    locks_or_changes: bool = field(default=False)

    def arguments(self, given: Sequence[Any]) -> Sequence[Any]:
        """As SQLite gets them."""
        if not self.binds:
            return given
        args = list(given)
        for place, bind in self.binds:
            args[place] = bind(given)
        return [None if isinstance(each, list | tuple) else each for each in args]


Keys = dict[str, str]
"""The column by which a table's rows are known, by table."""


class Kind(Enum):
    """What a text asks for."""

    BEGIN = "BEGIN"
    COMMIT = "COMMIT"
    ROLLBACK = "ROLLBACK"
    SAVEPOINT = "SAVEPOINT"
    ROLLBACK_TO = "ROLLBACK TO SAVEPOINT"
    RELEASE = "RELEASE SAVEPOINT"
    SET = "SET"
    STATEMENT = ""


@dataclass
class Command:
    """A text that a client sends: read once, and sent some hundred thousand times."""

    text: str
    kind: Kind
    keys: Keys
    name: str = ""
    """Of a savepoint."""
    settings: tuple[tuple[bool, str, str], ...] = ()
    """What it sets: only until the transaction's end or not, the name, and the value."""
    is_read_only: bool = False
    """It begins a transaction that only reads."""
    is_atomic: bool = False
    """It begins a transaction that reads one state of the database: here nothing may come between its statements."""
    looks_at_locks: bool = False
    """It does another thing if rows are locked, and does not wait."""

    @classmethod
    def of(cls, text: str, keys: Keys) -> Command:
        """Read a text; ``keys`` names the tables."""
        bare = text.rstrip(";")
        if bare.startswith("BEGIN"):
            first, *more = bare.split("; ")
            settings = tuple(_setting(each) for each in more)
            return cls(text, Kind.BEGIN, keys, "", settings, "READ ONLY" in first, "REPEATABLE READ" in first)
        if bare in ("COMMIT", "ROLLBACK"):
            return cls(text, Kind(bare), keys)
        if (savepoint := _SAVEPOINT.fullmatch(bare)) is not None:
            return cls(text, Kind(savepoint[1]), keys, savepoint[2])
        if bare.startswith("SET "):
            return cls(text, Kind.SET, keys, settings=(_setting(bare),))
        return cls(text, Kind.STATEMENT, keys, looks_at_locks="SKIP LOCKED" in text or "pg_try_" in text)

    @cached_property
    def statement(self) -> Statement:
        """Of a ``STATEMENT``."""
        return understand(self.text.rstrip(";"), self.keys)


def _setting(text: str) -> tuple[bool, str, str]:
    setting = _SET.fullmatch(text)
    assert setting is not None, text
    return bool(setting[1]), setting[2], setting[3]


BEGIN: Final = Command("", Kind.BEGIN, {})
"""Of a statement by itself."""


def understand(text: str, keys: Keys) -> Statement:
    """Take a text apart; ``keys`` names the tables."""
    text = " ".join(text.split())
    if (advisory := _ADVISORY.fullmatch(text)) is not None:
        return Statement((), (), Mode.SHARE if advisory[2] else Mode.UPDATE, bool(advisory[1]), "SELECT")
    sql, binds = _plain(text)
    reader = _Reader(keys)
    steps = reader.steps(sql)
    word = next((step.sql.split(" ", 1)[0] for step in steps[-1:] if step.changes), "SELECT")
    busy = any(step.changes or step.lockings for step in steps)
    return Statement(tuple(steps), tuple(binds), None, False, "INSERT 0" if word == "INSERT" else word, busy)


def _plain(text: str) -> tuple[str, list[tuple[int, Bind]]]:
    """Without arrays, casts and dollars."""
    binds: list[tuple[int, Bind]] = []

    def any_of(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        binds.append((place, lambda args: orjson.dumps(list(args[place])).decode()))
        return f"IN (SELECT value FROM json_each(${match[1]}))"

    def unnest(match: re.Match[str]) -> str:
        places = [int(number) - 1 for number in _PARAMETER.findall(match[1])]
        names = match[4].replace(" ", "").split(",")
        fields = ", ".join(f"value ->> {index} AS {name}" for index, name in enumerate(names[: len(places)]))
        fields += f", key + 1 AS {names[-1]}" if match[2] else ""
        rows: Bind = lambda args: orjson.dumps(list(zip(*(args[place] for place in places), strict=True))).decode()  # noqa: E731
        binds.append((places[0], rows))
        return f"(SELECT {fields} FROM json_each(${places[0] + 1})) AS {match[3]}"

    text = _UNNEST.sub(unnest, _ANY.sub(any_of, _ARRAY.sub(r"IN (\1)", text)))
    text = _CAST.sub("", _TEXT_CAST.sub(r"CAST(\1 AS TEXT)", text))
    for theirs, its in _OTHER_NAMES:
        text = text.replace(theirs, its)
    return _PARAMETER.sub(r"?\1", text), binds


class _Reader:
    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[str, tuple[str, ...]] = {}
        """Parts of a WITH so far, with their columns."""

    def steps(self, sql: str) -> list[Step]:
        """All steps of a statement, in order."""
        if not sql.startswith("WITH ") or not (_LOCK.search(sql) or _CHANGE.search(sql)):
            return [self._step("", sql)]
        steps, position = [], len("WITH")
        while (part := _PART.match(sql, position)) is not None:
            end = _closing(sql, part.end() - 1)
            step = self._step(part[1], sql[part.end() : end])
            steps.append(step)
            self._known[part[1]] = step.columns
            position = end + 1
        return [*steps, self._step("", sql[position:].strip())]

    def _step(self, name: str, sql: str) -> Step:
        lockings: list[Locking] = []
        while (found := _LOCK.search(sql)) is not None:
            sql = self._take_lock(sql, found, lockings)
        change = _CHANGE.match(sql)
        sql, result_sql = self._apart(sql, change)
        columns = _names(_returned(sql, change) if not result_sql else _select_list(result_sql)) if name else ()
        before = self._before(sql)
        if before and change is not None and change[1] == "INSERT INTO":
            raise ValueError(f"a part of WITH is used by an INSERT: {sql}")
        return Step(
            name,
            before + sql,
            change[2] if change else "",
            change is not None and change[1] == "INSERT INTO",
            columns,
            result_sql and self._before(result_sql) + result_sql,
            tuple(replace(locking, sql=self._before(locking.sql) + locking.sql) for locking in lockings),
        )

    def _before(self, sql: str) -> str:
        """The parts that a step refers to, as tables made of JSON; ``:name`` is filled in when it runs."""
        used = [name for name in self._known if re.search(rf"\b{name}\b", sql)]
        if not used:
            return ""
        tables = (
            f"{name}({', '.join(self._known[name])}) AS (SELECT "
            + ", ".join(f"value ->> {index}" for index in range(len(self._known[name])))
            + f" FROM json_each(part('{name}')))"
            for name in used
        )
        return f"WITH {', '.join(tables)} "

    def _take_lock(self, sql: str, found: re.Match[str], lockings: list[Locking]) -> str:
        """Note what this ``FOR …`` locks; return the text without it."""
        start = _opening(sql, found.start())
        select = sql[start : found.start()].rstrip()
        from_, where, rest = _places(select)
        tables = {alias or table: table for table, alias in _TABLE.findall(_flat(select[from_:where]))}
        wanted = found[2].split(", ") if found[2] else [a for a, table in tables.items() if table in self._keys]
        mode = _MODES[found[1]]
        if found[3] == " SKIP LOCKED":
            free = " AND ".join(f"free('{tables[a]}', {a}.{self._keys[tables[a]]}, {int(mode)})" for a in wanted)
            condition = select[where:rest].strip().removeprefix("WHERE ")
            select = f"{select[:where]} WHERE ({condition or 'TRUE'}) AND {free} {select[rest:]}".rstrip()
            from_, where, rest = _places(select)
        columns = ", ".join(f"{alias}.{self._keys[tables[alias]]}" for alias in wanted)
        lockings.append(
            Locking(
                f"SELECT {columns} {select[from_:]}",
                tuple(tables[alias] for alias in wanted),
                mode,
                "ORDER BY" in _flat(select[rest:]),
            )
        )
        return (sql[:start] + select + sql[found.end() :]).strip()

    def _apart(self, sql: str, change: re.Match[str] | None) -> tuple[str, str]:
        """``UPDATE … FROM … RETURNING``: SQLite returns columns of the changed table only, so they are asked for
        afterwards."""
        flat = _flat(sql)
        returning = flat.find(" RETURNING ")
        from_ = flat.find(" FROM ")
        if change is None or change[1] != "UPDATE" or returning < 0 or from_ < 0:
            return sql, ""
        target = f"{change[2]} AS {change[3]}" if change[3] else change[2]
        where = flat.find(" WHERE ")
        others = sql[from_ + len(" FROM ") : where]
        wanted = sql[returning + len(" RETURNING ") :]
        return sql[:returning], f"SELECT {wanted} FROM {target}, {others} {sql[where + 1 : returning]}"


def _flat(sql: str) -> str:
    """The text with all that is in brackets blanked out: what is found in it is on the top level."""
    flat, depth = [], 0
    for character in sql:
        depth -= character == ")"
        flat.append(" " if depth else character)
        depth += character == "("
    return "".join(flat)


def _opening(sql: str, end: int) -> int:
    """Where the brackets begin that ``end`` is in (behind the bracket); 0: in none."""
    depth = 0
    for position in range(end - 1, -1, -1):
        depth += sql[position] == ")"
        depth -= sql[position] == "("
        if depth < 0:
            return position + 1
    return 0


def _closing(sql: str, opening: int) -> int:
    """Where the bracket at ``opening`` is closed."""
    depth = 0
    for position in range(opening, len(sql)):
        depth += sql[position] == "("
        depth -= sql[position] == ")"
        if not depth:
            return position
    raise ValueError(f"unbalanced brackets: {sql}")


def _places(select: str) -> tuple[int, int, int]:
    """Of a SELECT: where FROM begins, where WHERE does or would, and where what follows it does."""
    flat = _flat(select)
    from_ = flat.index(" FROM ") + 1
    ends = [place + 1 for word in (" GROUP BY ", " ORDER BY ", " LIMIT ") if (place := flat.find(word, from_)) >= 0]
    rest = min(ends, default=len(select))
    where = flat.find(" WHERE ", from_, rest)
    return from_, rest if where < 0 else where + 1, rest


def _select_list(select: str) -> str:
    return select[len("SELECT ") : _flat(select).index(" FROM ")]


def _returned(sql: str, change: re.Match[str] | None) -> str:
    if change is None:
        return _select_list(sql)
    place = _flat(sql).find(" RETURNING ")
    return "" if place < 0 else sql[place + len(" RETURNING ") :]


def _names(columns: str) -> tuple[str, ...]:
    """What the columns of a list are called."""
    flat, names, begin = _flat(columns), [], 0
    for place in [*(index for index, character in enumerate(flat) if character == ","), len(flat)]:
        if (name := _NAME.search(columns[begin:place])) is not None:
            names.append(name[1])
        begin = place + 1
    return tuple(names)
