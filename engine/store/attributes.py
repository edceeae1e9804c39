"""Conditions on attributes in SQL, on the column ``attributes`` of ``client``: what ``domain.audience`` says of a
condition in memory, said again for the databases; a property test holds the two together.

A text, a number and a flag are looked for as a part of the column's text, which has one way of writing
(``domain.attributes``): no JSON is parsed for that. A name that is part of a statement has been checked: small Latin
letters, digits and ``_``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from engine.domain.attributes import plain_value, value_text
from engine.domain.audience import AttributeCondition, AttributeOp
from engine.store.dialect import Dialect

_PARTS_MAX: Final = 8
"""So many values are looked for one by one; of more the client's value is taken out and looked up in the list."""


class Condition(NamedTuple):
    """A condition with its arguments."""

    sql: str
    args: Sequence[Any] = ()


def attribute_condition(dialect: Dialect, condition: AttributeCondition, column: str = "c.attributes") -> Condition:
    """The condition as SQL: true or false, never NULL."""
    name, op, values = condition.name, condition.op, condition.values
    if op is AttributeOp.IS_SET:
        return _is_set(dialect, name, column)
    if op is AttributeOp.IS_NOT_SET:
        return _negated(_is_set(dialect, name, column))
    if op is AttributeOp.ANY_OF:
        return _any_of(dialect, name, values, column)
    if op is AttributeOp.NONE_OF:
        return _negated(_any_of(dialect, name, values, column))
    return _compared(dialect, name, ">=" if op is AttributeOp.AT_LEAST else "<=", values[0], column)


def shown_as(dialect: Dialect, name: str, text: str, column: str = "attributes") -> Condition:
    """The client's value looks so, whatever kind it is of; with an empty text, it has none either."""
    plain = plain_value(text)
    texts = [value_text(text), *([] if isinstance(plain, str) else [value_text(plain)])]
    found = _any_of(dialect, name, texts, column)
    if text:
        return found
    unset = _negated(_is_set(dialect, name, column))
    return Condition(f"({found.sql} OR {unset.sql})", [*found.args, *unset.args])


def _negated(condition: Condition) -> Condition:
    return Condition(f"NOT {condition.sql}", condition.args)


def _contains(dialect: Dialect, column: str, parts: Iterable[str]) -> Condition:
    """One of the parts is in the column."""
    found = list(parts)
    one = f"instr({column}, ?) > 0" if dialect.is_sqlite else f"strpos({column}, ?) > 0"
    return Condition(f"({' OR '.join([one] * len(found))})", found)


def _is_set(dialect: Dialect, name: str, column: str) -> Condition:
    return _contains(dialect, column, [f'"{name}":'])


def _any_of(dialect: Dialect, name: str, values: Sequence[str], column: str) -> Condition:
    if len(values) <= _PARTS_MAX:
        return _contains(dialect, column, [part for value in values for part in _parts(name, value)])
    is_set = _is_set(dialect, name, column)
    if dialect.is_sqlite:
        listed = f"{column} -> '$.{name}' {dialect.in_list('text')}"
        return Condition(f"({is_set.sql} AND {listed})", [*is_set.args, dialect.list_arg(values)])
    # A number is as a database writes it only as a number: 1e+20 has other ways.
    listed = f"({column}::jsonb -> '{name}') = ANY(?::text[]::jsonb[])"
    return Condition(f"(CASE WHEN {is_set.sql} THEN {listed} ELSE FALSE END)", [*is_set.args, list(values)])


def _parts(name: str, value: str) -> list[str]:
    """How an attribute with this value stands in the column. A text ends with its quote, anything else before what
    follows it."""
    part = f'"{name}":{value}'
    return [part] if value.startswith('"') else [f"{part},", f"{part}}}"]


def _compared(dialect: Dialect, name: str, sign: str, value: str, column: str) -> Condition:
    compare = _compared_text if value.startswith('"') else _compared_number
    return compare(dialect, name, sign, value, column)


def _compared_text(dialect: Dialect, name: str, sign: str, value: str, column: str) -> Condition:
    is_text = _contains(dialect, column, [f'"{name}":"'])
    if dialect.is_sqlite:  # in the order of UTF-8's bytes, which is that of code points
        order = f"{column} ->> '$.{name}' {sign} ? ->> '$'"
    else:
        order = f"""({column}::jsonb ->> '{name}') COLLATE "C" {sign} (?::jsonb #>> '{{}}') COLLATE "C" """.rstrip()
    return Condition(f"(CASE WHEN {is_text.sql} THEN {order} ELSE FALSE END)", [*is_text.args, value])


def _compared_number(dialect: Dialect, name: str, sign: str, value: str, column: str) -> Condition:
    if dialect.is_sqlite:  # which keeps the parsed JSON from one function to the next: nothing needs to be looked for
        is_number = f"json_type({column}, '$.{name}') IN ('integer', 'real')"
        return Condition(
            f"(CASE WHEN {is_number} THEN {column} ->> '$.{name}' {sign} ? ->> '$' ELSE FALSE END)", [value]
        )
    is_set = _is_set(dialect, name, column)
    is_number = f"jsonb_typeof({column}::jsonb -> '{name}') = 'number'"
    order = f"({column}::jsonb ->> '{name}')::float8 {sign} ?::text::float8"
    return Condition(
        f"(CASE WHEN NOT {is_set.sql} THEN FALSE WHEN {is_number} THEN {order} ELSE FALSE END)", [*is_set.args, value]
    )
