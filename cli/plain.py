"""Answers as plain values for `--json`: the names and forms of the REST API (numbers, lower-case words, UTC with Z)."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING, Any

import orjson
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from common.terminal import visible_json

if TYPE_CHECKING:  # protobuf's own types call these by two names
    from google._upb import _message
    from google.protobuf import descriptor as _pure

    EnumDescriptor = _pure.EnumDescriptor | _message.EnumDescriptor
    FieldDescriptor = _pure.FieldDescriptor | _message.FieldDescriptor


INT64_MAX = 2**63 - 1
"""No field of the API has room for more; the library's own words would be a traceback."""


def plain(message: Message) -> Any:
    """A protobuf message as dicts, lists, texts and numbers. Unlike MessageToDict, an int64 is a number."""
    if isinstance(message, Timestamp):
        return format_time(message)
    if isinstance(message, Struct):
        return _whole(MessageToDict(message))
    return {field.name: _field(message, field) for field in message.DESCRIPTOR.fields}


def format_time(value: Timestamp) -> str:
    """RFC 3339 in UTC with microseconds."""
    return value.ToDatetime(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def enum_word(descriptor: EnumDescriptor, number: int) -> str:
    """The word for an enum value: MAILING_STATE_ACTIVE is "active"; "" for the unspecified one."""
    if number == 0:
        return ""
    value = descriptor.values_by_number.get(number)
    if value is None:
        return str(number)
    prefix = descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return value.name.removeprefix(prefix).lower()


def dumps(value: object, *, indent: bool = True, in_ascii: bool = False) -> str:
    """JSON text; what acts on a terminal or hides in it is escaped there too, and all but ASCII if asked."""
    if in_ascii:
        return visible_json(json.dumps(value, indent=2 if indent else None))
    option = orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    try:
        return visible_json(orjson.dumps(value, option=option).decode())
    except TypeError:  # half of a surrogate pair, from a name that is not UTF-8
        return visible_json(json.dumps(value, indent=2 if indent else None))


def _whole(value: Any) -> Any:
    """A Struct has only floating-point numbers: those that are whole are written as such."""
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _field(message: Message, field: FieldDescriptor) -> Any:
    value = getattr(message, field.name)
    if field.is_repeated:
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return {key: _value(value[key], field.message_type.fields_by_name["value"]) for key in sorted(value)}
        return [_value(item, field) for item in value]
    if field.has_presence and not message.HasField(field.name):
        return None
    return _value(value, field)


def _value(value: Any, field: FieldDescriptor) -> Any:
    if field.message_type is not None:
        return plain(value)
    if field.enum_type is not None:
        return enum_word(field.enum_type, value) or None
    return value
