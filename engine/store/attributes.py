"""Conditions on attributes in SQL, on the column ``attributes`` of ``client``: what ``domain.audience`` says of a
condition in memory, said again for the databases; a property test holds the two together.

The column has one way of writing (``domain.attributes``), so most is found by looking for parts of its text. A name
that is part of a statement has been checked: small Latin letters, digits and ``_``.

Measured with a million clients of ten attributes. SQLite: ``instr`` 0.27 us a client, ``->>`` 0.45. PostgreSQL:
``split_part`` 0.3 us, ``strpos`` 0.5 (it counts characters), jsonb 3 to 5, a regular expression 5; a subquery anywhere
in the condition keeps it to one process.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from common.attribute_cells import plain_value
from common.shown import shows
from engine.domain.attributes import value_text
from engine.domain.audience import AttributeCondition, AttributeOp
from engine.store.dialect import Dialect

_PARTS_MAX: Final = 2
"""So many values are looked for one by one; of more the client's value is taken out and looked up in the list."""

_FIRST_OF_NUMBERS: Final = ", ".join(f"'{sign}'" for sign in "-0123456789")
_MORE_THAN_TEXTS: Final = "x''"
"""To SQLite any blob is more than any text."""


class Condition(NamedTuple):
    """A condition with its arguments."""

    sql: str
    args: Sequence[Any] = ()


def attribute_condition(dialect: Dialect, condition: AttributeCondition, column: str = "c.attributes") -> Condition:
    """The condition as SQL: true or false, never NULL."""
    sides = _Sqlite if dialect.is_sqlite else _Postgres
    attribute, op, values = sides(dialect, condition.name, column), condition.op, condition.values
    match op:
        case AttributeOp.IS_SET:
            return attribute.is_set()
        case AttributeOp.IS_NOT_SET:
            return _negated(attribute.is_set())
        case AttributeOp.ANY_OF:
            return attribute.any_of(values)
        case AttributeOp.NONE_OF:
            return _negated(attribute.any_of(values))
    return attribute.compared(">=" if op is AttributeOp.AT_LEAST else "<=", values[0])


def shown_as(dialect: Dialect, name: str, text: str, column: str = "attributes") -> Condition:
    """The client's value looks so, whatever kind it is of; with a text that shows nothing, it has none either."""
    plain = plain_value(text)
    texts = [value_text(text), *([] if isinstance(plain, str) else [value_text(plain)])]
    found = attribute_condition(dialect, AttributeCondition(name, AttributeOp.ANY_OF, tuple(texts)), column)
    if shows(text):
        return found
    unset = attribute_condition(dialect, AttributeCondition(name, AttributeOp.IS_NOT_SET), column)
    return Condition(f"({found.sql} OR {unset.sql})", [*found.args, *unset.args])


def _negated(condition: Condition) -> Condition:
    return Condition(f"NOT {condition.sql}", condition.args)


def _any(conditions: Sequence[Condition]) -> Condition:
    sql = " OR ".join(each.sql for each in conditions)
    return Condition(f"({sql})", [arg for each in conditions for arg in each.args])


def _is_text(value: str) -> bool:
    return value.startswith('"')


def _is_closed(value: str) -> bool:
    """A text ends with its quote, and nothing but itself begins with ``true`` or ``false``; a number may go on."""
    return _is_text(value) or value in ("true", "false")


class _Attribute(abc.ABC):
    """An attribute in one of the two databases."""

    def __init__(self, dialect: Dialect, name: str, column: str) -> None:
        self._dialect, self._name, self._column = dialect, name, column
        self._key = f'"{name}":'

    def any_of(self, values: Sequence[str]) -> Condition:
        """The client has one of the values."""
        if len(values) > _PARTS_MAX:
            return self._in_list(values)
        return _any([self._equals(value) for value in values])

    def compared(self, sign: str, value: str) -> Condition:
        """The client's value stands so to this one, and is of its kind."""
        return self._text(sign, value) if _is_text(value) else self._number(sign, value)

    @abc.abstractmethod
    def is_set(self) -> Condition:
        """The client has the attribute."""

    @abc.abstractmethod
    def _equals(self, value: str) -> Condition: ...

    @abc.abstractmethod
    def _in_list(self, values: Sequence[str]) -> Condition: ...

    @abc.abstractmethod
    def _text(self, sign: str, value: str) -> Condition: ...

    @abc.abstractmethod
    def _number(self, sign: str, value: str) -> Condition: ...


class _Sqlite(_Attribute):
    """SQLite keeps the parsed JSON of a row from one function to the next."""

    def is_set(self) -> Condition:
        return Condition(f"instr({self._column}, ?) > 0", [self._key])

    def _equals(self, value: str) -> Condition:
        """A number ends before what follows it."""
        part, found = self._key + value, f"instr({self._column}, ?) > 0"
        if _is_closed(value):
            return Condition(found, [part])
        return Condition(f"{found} OR {found}", [f"{part},", f"{part}}}"])

    def _in_list(self, values: Sequence[str]) -> Condition:
        listed = f"{self._column} -> '$.{self._name}' {self._dialect.in_list('text')}"
        return Condition(f"coalesce({listed}, FALSE)", [self._dialect.list_arg(values)])

    def _text(self, sign: str, value: str) -> Condition:
        """In the order of UTF-8's bytes, which is that of code points; to SQLite any text is more than any number."""
        text = json.loads(value)
        least, most = ("''", "?") if sign == "<=" else ("?", _MORE_THAN_TEXTS)
        return Condition(self._between(least, most), [text])

    def _number(self, sign: str, value: str) -> Condition:
        """Both numbers are read by SQLite, so that it reads equal ones alike. It reads true as 1, and false as 0."""
        number = "? ->> '$'"
        least, most = ("-9e999", number) if sign == "<=" else (number, "9e999")
        found = self._between(least, most)
        if (float(value) > 1 and sign == ">=") or (float(value) < 0 and sign == "<="):
            return Condition(found, [value])
        kind = f"json_type({self._column}, '$.{self._name}') NOT IN ('true', 'false')"
        return Condition(f"(CASE WHEN {found} THEN {kind} ELSE FALSE END)", [value])

    def _between(self, least: str, most: str) -> str:
        """So the value is taken out once; it is NULL where there is none."""
        return f"coalesce({self._column} ->> '$.{self._name}' BETWEEN {least} AND {most}, FALSE)"


class _Postgres(_Attribute):
    """No subquery, though parts are taken out twice: with one the planner reads the table by one process alone."""

    def is_set(self) -> Condition:
        return Condition(f"{self._after()} <> ''", [self._key])

    def _equals(self, value: str) -> Condition:
        if _is_closed(value):  # something follows always: at least the brace at the end
            return Condition(f"{self._after()} <> ''", [self._key + value])
        return Condition(f"{self._plain()} = ?", [self._key, value])

    def _in_list(self, values: Sequence[str]) -> Condition:
        """A text up to its first quote is the whole of it, unless that quote has a backslash before it. So texts that
        have no backslash are looked for together, and so are numbers, true and false."""
        texts = [value[1:-1] for value in values if _is_text(value) and "\\" not in value and value != '""']
        plain = [value for value in values if not _is_text(value)]
        conditions = [self._equals(value) for value in values if _is_text(value) and value[1:-1] not in texts]
        if texts:
            conditions.append(Condition(f"{self._inner()} = ANY(?::text[])", [f'{self._key}"', texts]))
        if plain:
            conditions.append(Condition(f"{self._plain()} = ANY(?::text[])", [self._key, plain]))
        return _any(conditions)

    def _text(self, sign: str, value: str) -> Condition:
        """A text with a backslash is read as JSON. None at all looks like an empty one, which is less than others."""
        text, key = json.loads(value), f'{self._key}"'
        json_text = f"""({self._column}::jsonb ->> '{self._name}') COLLATE "C" {sign} ?"""
        order = f"""{self._inner()} COLLATE "C" {sign} ? AND {self._after()} <> ''"""
        return Condition(
            f"(CASE WHEN strpos({self._inner()}, '\\') > 0 THEN {json_text} ELSE {order} END)",
            [key, text, key, text, key],
        )

    def _number(self, sign: str, value: str) -> Condition:
        first = f"substr({self._after()}, 1, 1) IN ({_FIRST_OF_NUMBERS})"
        order = f"CAST({self._plain()} AS float8) {sign} ?::float8"
        return Condition(f"(CASE WHEN {first} THEN {order} ELSE FALSE END)", [self._key, self._key, float(value)])

    def _after(self) -> str:
        """What follows the key, or the key and more, which is its argument."""
        return f"split_part({self._column}, ?, 2)"

    def _inner(self) -> str:
        """The text up to the first quote, of the key with a quote."""
        return f"split_part({self._after()}, '\"', 1)"

    def _plain(self) -> str:
        """The number, true or false."""
        return f"rtrim(split_part({self._after()}, ',', 1), '}}')"
