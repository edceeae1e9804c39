"""One description of how a row of the database becomes a value, and how a value becomes columns.

    CLIENT = RowOf(ClientRow)
    rows = await tx.rows(f"SELECT {CLIENT.sql} FROM client")
    clients = [CLIENT.read(row) for row in rows]

A field of the value is read from the column of the same name: numbers and texts as they are, ``bool`` and enums as
their type. A field that is made otherwise is described by a ``Part``. So a new plain column is a new field and nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from functools import cached_property
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter

R = TypeVar("R")

_KINDS: Final = {int: "int", str: "text"}
_AS_THEY_ARE: Final = frozenset({int, float, str})


@dataclass(frozen=True, slots=True)
class Part:
    """A field that is not the column of its name."""

    columns: tuple[str, ...]
    read: Callable[..., Any] | None = None
    """Makes the field of the columns' values; ``None``: the field is the only column's value."""
    write: Callable[[Any], Sequence[Any]] | None = None
    """Makes the columns' values of the field; ``None`` beside a ``read``: the field is never written."""


class RowOf(Generic[R]):
    """How a kind of dataclass is read from a row, and written to one."""

    def __init__(self, kind: type[R], *, lacks: Collection[str] = (), **parts: Part) -> None:
        """Describe ``kind``.

        Args:
            kind: a dataclass.
            lacks: fields that no column says; they have defaults.
            parts: by field, those that are not the column of their name.

        Raises:
            TypeError: a field needs a ``Part``, or a name is not a field's.
        """
        self._kind = kind
        types = get_type_hints(kind)
        names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        if unknown := {*parts, *lacks} - {*names}:
            raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
        self._types = {name: types[name] for name in names if name not in lacks}
        self._parts = {name: parts.get(name) or self._plain(name) for name in self._types}
        self.columns = tuple(dict.fromkeys(column for part in self._parts.values() for column in part.columns))
        """Each column once, in the order in which ``read`` wants their values."""
        self.sql = ", ".join(self.columns)
        """The columns, for ``SELECT``."""
        self.read: Callable[[Sequence[Any]], R] = self._reader()
        """Make the value of a row of ``columns``."""

    @property
    def kinds(self) -> dict[str, str]:
        """The columns with their kinds, for ``Dialect.rows_table``; only for values of numbers and texts."""
        return {name: _KINDS[_without_none(kind)[0]] for name, kind in self._types.items()}

    def select(self, table: str, **sources: str) -> str:
        """The columns of a statement that joins ``table`` to others; ``sources``: SQL of those that are not its own."""
        return ", ".join(f"{sources.get(name, f'{table}.{name}')} AS {name}" for name in self.columns)

    def answered(self, answer: Any) -> R:
        """The value that was kept as the answer to a request, from its parsed JSON. A field that came later gets its
        default."""
        return self._adapter.validate_python(answer)

    @cached_property
    def _adapter(self) -> TypeAdapter[R]:
        return TypeAdapter(self._kind)

    @cached_property
    def write(self) -> Callable[[R], tuple[Any, ...]]:
        """Make the columns' values of a value, in the order of ``columns``."""
        known: dict[str, Any] = {}
        values: list[str] = []
        for name, part in self._parts.items():
            if part.write is not None:
                known[f"write_{name}"] = part.write
                values.append(f"*write_{name}(value.{name})")
            elif part.read is None:
                values.append(f"value.{name}")
            else:
                raise TypeError(f"{self._kind.__name__}.{name} is never written")
        return _compiled(f"lambda value: ({', '.join(values)},)", known)

    def values(self, value: R) -> dict[str, Any]:
        """What to write, by column."""
        return dict(zip(self.columns, self.write(value), strict=True))

    def _reader(self) -> Callable[[Sequence[Any]], R]:
        # Compiled, as dataclasses compile ``__init__``: a loop over the fields would take four times as long.
        place = {column: f"row[{index}]" for index, column in enumerate(self.columns)}
        known: dict[str, Any] = {"kind": self._kind}
        values: list[str] = []
        for name, part in self._parts.items():
            arguments = ", ".join(place[column] for column in part.columns)
            if part.read is not None:
                known[f"read_{name}"] = part.read
                arguments = f"read_{name}({arguments})"
            values.append(f"{name}={arguments}" if self._by_keyword(name) else arguments)
        return _compiled(f"lambda row: kind({', '.join(values)})", known)

    def _by_keyword(self, name: str) -> bool:
        """Whether a field that no column says comes before this one."""
        before = [field.name for field in fields(self._kind)]  # type: ignore[arg-type]
        return any(other not in self._types for other in before[: before.index(name)])

    def _plain(self, name: str) -> Part:
        """The part for a field that is the column of its name."""
        kind, optional = _without_none(self._types[name])
        if kind in _AS_THEY_ARE:
            return Part((name,))
        if kind is bool:
            return Part((name,), bool, lambda value: (value,))
        if isinstance(kind, type) and issubclass(kind, Enum):
            return _optional_enum(name, kind) if optional else Part((name,), kind, lambda value: (value.value,))
        raise TypeError(f"{self._kind.__name__}.{name} needs a Part")


def insert_of(table: str, values: Mapping[str, Any]) -> str:
    """An INSERT of one row, whose arguments are the values of ``values``."""
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"


def sets_of(columns: Iterable[str]) -> str:
    """What follows SET in an UPDATE, with an argument for each column."""
    return ", ".join(f"{column} = ?" for column in columns)


def _without_none(kind: Any) -> tuple[Any, bool]:
    """``int`` of ``int | None``, and whether it was so."""
    if get_origin(kind) is not UnionType or NoneType not in get_args(kind):
        return kind, False
    (only,) = set(get_args(kind)) - {NoneType}
    return only, True


def _optional_enum(name: str, kind: type[Enum]) -> Part:
    return Part(
        (name,),
        lambda value: None if value is None else kind(value),
        lambda value: (None if value is None else value.value,),
    )


def _compiled(source: str, known: Mapping[str, Any]) -> Callable[[Any], Any]:
    function: Callable[[Any], Any] = eval(source, dict(known))  # of names in our own code only
    return function


class ReadAgain(Generic[R]):
    """Values of rows that are read again and again, and of which few have changed since: those that have not are the
    same objects, so that whoever had them need not look at them."""

    def __init__(self, kind: RowOf[R]) -> None:
        """``kind``: its columns hold all that tells one row from another."""
        self._kind = kind
        self._values: dict[Sequence[Any], R] = {}

    def read_all(self, rows: Iterable[Sequence[Any]]) -> list[R]:
        """Make the values of all rows that there are. Others are forgotten."""
        known, make = self._values, self._kind.read
        self._values = {row: known[row] if row in known else make(row) for row in rows}
        return list(self._values.values())

    def read(self, rows: Sequence[Sequence[Any]]) -> list[R]:
        """Make the values of some of them."""
        known, make = self._values, self._kind.read
        known.update({row: make(row) for row in rows if row not in known})
        return [known[row] for row in rows]
