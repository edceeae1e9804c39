"""Rows as messages of the contract, field by field, by their names.

    client_message = message_from(ClientRow, client_pb2.Client)        # once: the function is compiled
    client_message(row)

A time ``create_time`` is the column ``create_us``; a text is made of a number too; anything else is as the row has it.
A field of the contract that the row lacks raises when the function is made: at the start, not in front of a caller.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from keyword import iskeyword
from types import NoneType
from typing import Any, Final, TypeVar, get_args, get_type_hints

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from common.contract.codec import compiled
from common.contract.reader import Field, Kind, fields_of

R = TypeVar("R")
M = TypeVar("M", bound=Message)
_SECOND_US: Final = 1_000_000
_AS_THEY_ARE: Final = frozenset({Kind.TEXT, Kind.FLAG, Kind.WHOLE, Kind.REAL})


def timestamp(us: int | None) -> Timestamp | None:
    """Microseconds since the epoch as a Timestamp; ``None`` stays: the field is not set."""
    if us is None:
        return None
    seconds, rest_us = divmod(us, _SECOND_US)
    return Timestamp(seconds=seconds, nanos=rest_us * 1_000)


def message_from(
    row: type[R],
    kind: type[M],
    *,
    later: Collection[str] = (),
    **made: Callable[[R], Any] | Mapping[Any, Any],
) -> Callable[[R], M]:
    """The function that makes a message of a row.

    Args:
        row: a dataclass.
        kind: a message of the contract.
        later: fields that the caller fills in.
        made: by field, what makes it of the row, or its value for each value of the row's field.

    Raises:
        TypeError: a field is forgotten, or a name is not a field's.
    """
    fields = fields_of(kind.DESCRIPTOR)
    if unknown := {*later, *made} - {field.name for field in fields}:
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(unknown))}")
    types = _types(row)
    known: dict[str, Any] = {kind.__name__: kind, "timestamp": timestamp}
    lines: list[str] = []
    for field in fields:
        if field.name in later:
            continue
        if field.name in made:
            known[f"{field.name}_of"] = made[field.name]
            value = f"{field.name}_of" + ("[row.{}]" if isinstance(made[field.name], Mapping) else "(row)")
            value = value.format(field.name)
        else:
            value = _plain(field, types, row)
        lines.append(f"**{{{field.name!r}: {value}}}" if iskeyword(field.name) else f"{field.name}={value}")
    name = f"{kind.__name__}_of_{row.__name__}"
    body = "".join(f"        {line},\n" for line in lines)
    function: Callable[[R], M] = compiled(name, f"def {name}(row):\n    return {kind.__name__}(\n{body}    )\n", known)
    return function


def _plain(field: Field, types: Mapping[str, Any], row: type) -> str:
    """The expression for a field that is the row's field of its name."""
    name = field.name.removesuffix("_time") + "_us" if field.kind is Kind.TIME else field.name
    if name not in types:
        raise TypeError(f"{row.__name__} has no {name}, which {field.full_name} is made of")
    if field.kind is Kind.TIME:
        return f"timestamp(row.{name})"
    if field.kind not in _AS_THEY_ARE or field.is_list or field.is_map:
        raise TypeError(f"{field.full_name} must be made of {row.__name__} by a function")
    if field.kind is Kind.TEXT and int in _kinds(types[name]):
        text = f"str(row.{name})"
        return f'"" if row.{name} is None else {text}' if NoneType in _kinds(types[name]) else text
    return f"row.{name}"


def _types(row: type) -> dict[str, Any]:
    """What a row has, by name: its fields and its properties."""
    return {**get_type_hints(row), **dict(_properties(row))}


def _properties(row: type) -> Iterator[tuple[str, Any]]:
    for name, value in vars(row).items():
        if isinstance(value, property):
            yield name, get_type_hints(value.fget)["return"]


def _kinds(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) or (kind,)
