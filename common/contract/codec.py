"""Messages of the contract as JSON, and back.

For each kind of message a function is written, as text, and compiled: what a person would write by hand, and as fast
(``docs/decisions/one-source.md``). ``python -m common.contract show Client`` prints it, and tracebacks show its lines.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from keyword import iskeyword
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from common.contract.reader import Descriptor, Field, Kind, fields_of
from common.contract.values import (
    Json,
    numbers,
    struct_json,
    struct_proto,
    time_json,
    time_proto,
    value_json,
    value_proto,
)

M = TypeVar("M", bound=Message)
Writer = Callable[[Any], Json]
"""A message's JSON object, ready for orjson."""

Reader = Callable[[Mapping[str, Any]], Any]
"""A message of a JSON object that a schema has let through."""

_DEFAULTS: Final = {Kind.TEXT: '""', Kind.WHOLE: "0", Kind.REAL: "0.0", Kind.FLAG: "False"}


def json_of(message: Message, *, detail: bool = False) -> Json:
    """A message as REST shows it; ``detail``: with the fields that lists leave out."""
    return writer_of(message.DESCRIPTOR, detail=detail)(message)


def message_of(kind: type[M], data: Mapping[str, Any]) -> M:
    """A message as a body or a query says it, which a schema has let through. What is not there, or null, is not set;
    what only the engine writes is left out.

    Raises:
        ValueError: a time is none.
        KeyError: a word is none of its enum's.
    """
    found: M = reader_of(kind.DESCRIPTOR)(data)
    return found


def paths_in(kind: Descriptor, data: Mapping[str, Any]) -> Iterator[str]:
    """Paths of an update mask for the keys that are there; within an object only those that it has (RFC 7396)."""
    for field in fields_of(kind):
        if field.is_output_only or field.name not in data:
            continue
        value = data[field.name]
        if field.kind is Kind.STRUCT and value is not None:
            yield from (f"{field.name}.{key}" for key in value)
        elif field.message is None or field.is_list or field.is_map or value is None:
            yield field.name
        else:
            yield from (f"{field.name}.{path}" for path in paths_in(field.message, value))


# -- out -----------------------------------------------------------------------------------------


@cache
def writer_of(kind: Descriptor, *, detail: bool = False) -> Writer:
    """The function that makes JSON of a kind of message."""
    names: dict[str, Any] = {"time_json": time_json, "struct_json": struct_json, "value_json": value_json}
    for field in fields_of(kind):
        if field.words:
            names[f"{field.name}_words"] = field.words.get
        if field.message is not None:
            names[f"{field.message.name}_json"] = writer_of(field.message)
    writer: Writer = compiled(f"{kind.name}_json", writer_source(kind, detail=detail), names)
    return writer


def writer_source(kind: Descriptor, *, detail: bool = False) -> str:
    """Its text."""
    shown = [field for field in fields_of(kind) if detail or not field.rules.detail]
    lines = [f'        "{field.name}": {_shown(field)},' for field in shown]
    return "\n".join([f"def {kind.name}_json(m):", "    return {", *lines, "    }", ""])


def _shown(field: Field) -> str:
    value = f'getattr(m, "{field.name}")' if iskeyword(field.name) else f"m.{field.name}"
    if field.is_map:
        return f"{{str(key): {_entry(field, 'value')} for key, value in sorted({value}.items())}}"
    if field.is_list:
        entry = _entry(field, "each")
        return f"list({value})" if entry == "each" else f"[{entry} for each in {value}]"
    shown = _entry(field, value)
    if not field.is_nullable or (field.kind is Kind.WORD and not field.has_presence):  # which has no word for 0
        return shown
    return f'{shown} if m.HasField("{field.name}") else None' if field.has_presence else f"{shown} or None"


def _entry(field: Field, value: str) -> str:
    if field.kind is Kind.WORD:
        return f"{field.name}_words({value})"
    if field.kind is Kind.TIME:
        return f"time_json({value})"
    if field.kind is Kind.STRUCT:
        return f"struct_json({value})"
    if field.kind is Kind.VALUE:
        return f"value_json({value})"
    if field.message is not None:
        return f"{field.message.name}_json({value})"
    return value


# -- in ------------------------------------------------------------------------------------------


@cache
def reader_of(kind: Descriptor) -> Reader:
    """The function that makes a kind of message of JSON."""
    free = {"time_proto": time_proto, "struct_proto": struct_proto, "value_proto": value_proto}
    names: dict[str, Any] = {kind.name: GetMessageClass(kind), **free}
    for field in _read(kind):
        if field.words:
            names[f"{field.name}_numbers"] = {None: 0, **numbers(field.words)}
        if field.message is not None:
            names[f"{field.message.name}_message"] = reader_of(field.message)
    reader: Reader = compiled(f"{kind.name}_message", reader_source(kind), names)
    return reader


def reader_source(kind: Descriptor) -> str:
    """Its text."""
    lines = []
    for field in _read(kind):
        said = f'**{{"{field.name}": {_said(field)}}}' if iskeyword(field.name) else f"{field.name}={_said(field)}"
        lines.append(f"        {said},")
    return "\n".join([f"def {kind.name}_message(data):", f"    return {kind.name}(", *lines, "    )", ""])


def _read(kind: Descriptor) -> list[Field]:
    left_out = (Kind.BYTES, Kind.MASK)
    return [field for field in fields_of(kind) if not (field.is_output_only or field.kind in left_out)]


def _said(field: Field) -> str:
    """An expression for a field's value; ``None`` is not set."""
    name, value = f'data.get("{field.name}")', f'data["{field.name}"]'
    if field.is_map:
        return name
    if field.kind is Kind.STRUCT:  # an empty one is not set: an update that has nothing else changes nothing
        return f"struct_proto({value}) if {name} else None"
    if field.is_list:
        entry = _made(field, "each")
        return f'data.get("{field.name}", ())' if entry == "each" else f"[{entry} for each in {name} or ()]"
    if field.kind is Kind.WORD:
        return _made(field, name)
    if field.message is not None or field.kind is Kind.TIME:
        return f"None if {name} is None else {_made(field, value)}"
    if field.rules.null_is_zero:
        return f'({value} or {_DEFAULTS[field.kind]}) if "{field.name}" in data else None'
    return name if field.has_presence else f'data.get("{field.name}", {_DEFAULTS[field.kind]})'


def _made(field: Field, value: str) -> str:
    if field.kind is Kind.WORD:
        return f"{field.name}_numbers[{value}]"
    if field.kind is Kind.TIME:
        return f"time_proto({value})"
    if field.kind is Kind.VALUE:
        return f"value_proto({value})"
    if field.message is not None:
        return f"{field.message.name}_message({value})"
    return value


# -- compiling -----------------------------------------------------------------------------------


def compiled(name: str, source: str, names: Mapping[str, Any]) -> Any:
    """The function ``name`` out of its source; debuggers and tracebacks can show its lines."""
    place = f"<contract: {name}>"
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    namespace = dict(names)
    exec(compile(source, place, "exec"), namespace)
    return namespace[name]
