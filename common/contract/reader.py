"""The contract as the code reads it: messages, their fields and rules, methods and their routes.

Descriptors have all of it at run time but the comments, which ``scripts/gen_proto`` writes beside the stubs. A
descriptor is read once. It has no type here: protobuf has two, of which mypy sees a union that nothing fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any, Final

from google.api import annotations_pb2, field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.rpc import code_pb2

from common.contract.values import words
from mailing.v1 import access_pb2, options_pb2
from mailing.v1.comments import COMMENTS

Descriptor = Any
"""Of a message, a method or a service."""
PACKAGE: Final = "mailing.v1"
API: Final = "/api/v1"

_GRPC_ONLY: Final = frozenset({"order_by", "skip"})
"""For callers who turn pages by number: REST turns them by tokens (AIP-158)."""
OF_THE_CALL: Final = frozenset({"request_id", "validate_only"})
"""Fields of requests that are about the call, not about the thing: no part of a body or a query."""
_PAGE_EXAMPLES: Final = {"next_page_token": "", "total_size": "1"}
_OF_THE_ENGINE: Final = {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}
_ROLES: Final = words(access_pb2.Role.DESCRIPTOR)
_INT32_MAX: Final = 2**31 - 1
_INT64_MAX: Final = 2**63 - 1
_INT64: Final = frozenset({FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64})


class Kind(Enum):
    """What a value is."""

    TEXT = auto()
    BYTES = auto()
    FLAG = auto()
    WHOLE = auto()
    REAL = auto()
    WORD = auto()
    """One of an enum: JSON has its word."""
    TIME = auto()
    STRUCT = auto()
    """An object of any keys."""
    VALUE = auto()
    """Whatever JSON has."""
    MASK = auto()
    OBJECT = auto()
    """A message of ours."""


_SCALARS: Final = {
    FieldDescriptor.CPPTYPE_STRING: Kind.TEXT,
    FieldDescriptor.CPPTYPE_BOOL: Kind.FLAG,
    FieldDescriptor.CPPTYPE_INT32: Kind.WHOLE,
    FieldDescriptor.CPPTYPE_INT64: Kind.WHOLE,
    FieldDescriptor.CPPTYPE_DOUBLE: Kind.REAL,
    FieldDescriptor.CPPTYPE_ENUM: Kind.WORD,
}
_BY_MESSAGE: Final = {
    "google.protobuf.Timestamp": Kind.TIME,
    "google.protobuf.Struct": Kind.STRUCT,
    "google.protobuf.Value": Kind.VALUE,
    "google.protobuf.FieldMask": Kind.MASK,
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message."""

    name: str
    full_name: str
    kind: Kind
    """Of the value; of a list or map, of each entry."""
    is_list: bool
    is_map: bool
    """Its keys are shown as texts."""
    is_required: bool
    is_output_only: bool
    """Only the engine writes it: what callers say of it is ignored."""
    is_written: bool
    """The contract says that callers write it, or may."""
    is_immutable: bool
    """Callers write it once: it can't be changed later."""
    has_presence: bool
    """It can be told apart whether it is set."""
    message: Descriptor | None
    """Of an OBJECT."""
    words: Mapping[int, str]
    """Of a WORD: each number's."""
    bits: int
    """Of a WHOLE: 32 or 64."""
    rules: options_pb2.Rules

    @property
    def whole_range(self) -> tuple[int, int]:
        """The least and the most that a WHOLE may be: none is below zero, if its rules do not say so."""
        most = _INT64_MAX if (self.rules.format or f"int{self.bits}") == "int64" else _INT32_MAX
        return int(self.rules.minimum), int(self.rules.maximum) or most

    @property
    def is_nullable(self) -> bool:
        """Whether JSON has null for it when it is not set."""
        if self.rules.HasField("nullable"):
            return self.rules.nullable
        return (
            self.has_presence
            and self.message is None
            and self.kind not in (Kind.TIME, Kind.STRUCT, Kind.VALUE, Kind.MASK)
        )

    @property
    def is_in_rest(self) -> bool:
        """Whether REST knows it."""
        return not self.rules.grpc_only and self.name not in _GRPC_ONLY and self.kind is not Kind.MASK


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """One route of a method. Each is there once."""

    method: Descriptor
    verb: str
    """``get``, ``post``, ``put``, ``patch`` or ``delete``."""
    path: str
    """With the names of ids in braces: ``/api/v1/clients/{client_id}``."""
    path_fields: Sequence[str]
    """Where each of these ids goes: ``client_id``, or ``client.id`` within the request."""
    body: str
    """The field that the body is; ``*``: the body is the request; empty: there is none."""
    answer: str
    """The field that the answer is; empty: the whole of it."""
    rest: options_pb2.Rest
    role: str | None
    """The least role that may call it; ``None``: no token is needed."""
    also: str | None
    """A role without a rank that may call it too."""
    before_totp_setup: bool
    """Whether a session may call it whose account must set up two-step sign-in first."""


@cache
def fields_of(message: Descriptor) -> tuple[Field, ...]:
    """The fields of a message, in the order of the contract."""
    return tuple(_field(each) for each in message.fields)


@cache
def field_of(message: Descriptor, name: str) -> Field:
    """One field of a message. Raises KeyError: it has no such field."""
    return {field.name: field for field in fields_of(message)}[name]


def _field(descriptor: Any) -> Field:
    value, is_map = descriptor, _is_map(descriptor)
    if is_map:
        value = descriptor.message_type.fields_by_name["value"]
    kind = _kind(value)
    behaviors = set(descriptor.GetOptions().Extensions[field_behavior_pb2.field_behavior])
    return Field(
        name=descriptor.name,
        full_name=descriptor.full_name,
        kind=kind,
        is_list=descriptor.is_repeated and not is_map,
        is_map=is_map,
        is_required=field_behavior_pb2.REQUIRED in behaviors,
        is_output_only=bool(behaviors & _OF_THE_ENGINE),
        is_written=bool(behaviors) and not behaviors & _OF_THE_ENGINE,
        is_immutable=field_behavior_pb2.IMMUTABLE in behaviors,
        has_presence=descriptor.has_presence,
        message=value.message_type if kind is Kind.OBJECT else None,
        words=words(value.enum_type) if kind is Kind.WORD else {},
        bits=64 if value.cpp_type in _INT64 else 32,
        rules=_rules(descriptor),
    )


def _is_map(descriptor: Any) -> bool:
    kind = descriptor.message_type
    return kind is not None and kind.GetOptions().map_entry


def _kind(descriptor: Any) -> Kind:
    if descriptor.type == FieldDescriptor.TYPE_BYTES:
        return Kind.BYTES
    if descriptor.message_type is not None:
        return _BY_MESSAGE.get(descriptor.message_type.full_name, Kind.OBJECT)
    return _SCALARS[descriptor.cpp_type]


def _rules(descriptor: Any) -> options_pb2.Rules:
    """The field's rules, those of the field that it is like included."""
    own = descriptor.GetOptions().Extensions[options_pb2.rules]
    found = options_pb2.Rules()
    if own.like:
        message, _, name = own.like.rpartition(".")
        found.MergeFrom(_rules(_message_named(descriptor, message).fields_by_name[name]))
    found.MergeFrom(own)
    if descriptor.name in _PAGE_EXAMPLES and not found.HasField("example"):
        found.example = _PAGE_EXAMPLES[descriptor.name]
    return found


def _message_named(descriptor: Any, name: str) -> Descriptor:
    pool = descriptor.containing_type.file.pool
    return pool.FindMessageTypeByName(f"{PACKAGE}.{name}")


def name_of(message: Descriptor) -> str:
    """What REST's document calls a message; a page of a list after what it lists."""
    shape: options_pb2.Shape = message.GetOptions().Extensions[options_pb2.shape]
    listed = listed_in(message)
    if listed is not None and not shape.name:
        return f"{name_of(listed.message)}List"
    return shape.name or str(message.name)


def keys_min_of(message: Descriptor) -> int:
    """How many keys a body must have at least."""
    return int(message.GetOptions().Extensions[options_pb2.shape].keys_min)


def listed_in(message: Descriptor) -> Field | None:
    """The list that a message is a page of; ``None``: it is no page."""
    if "next_page_token" not in message.fields_by_name:
        return None
    return next(field for field in fields_of(message) if field.is_list)


def has_details(message: Descriptor) -> bool:
    """Whether a message has fields that lists leave out."""
    return any(field.rules.detail for field in fields_of(message))


# -- routes --------------------------------------------------------------------------------------


@cache
def bindings_of(service: Descriptor) -> tuple[Binding, ...]:
    """The routes of a service, in the order of the contract; methods without one are for gRPC only."""
    return tuple(binding for method in service.methods for binding in _bindings(method))


def _bindings(method: Descriptor) -> Iterator[Binding]:
    options = method.GetOptions()
    rule = options.Extensions[annotations_pb2.http]
    rest: options_pb2.Rest = options.Extensions[options_pb2.rest]
    rests = [rest, *rest.additional]
    for number, each in enumerate([rule, *rule.additional_bindings]):
        verb = each.WhichOneof("pattern")
        if verb is not None:
            path_fields = re.findall(r"\{([\w.]+)\}", getattr(each, verb))
            yield Binding(
                method,
                verb,
                re.sub(r"\{(\w+)\.id\}", r"{\1_id}", getattr(each, verb)),
                path_fields,
                each.body,
                each.response_body,
                rests[number] if number < len(rests) else options_pb2.Rest(),
                None
                if options.Extensions[access_pb2.open_to_all]
                else _ROLES[options.Extensions[access_pb2.required_role]],
                _ROLES.get(options.Extensions[access_pb2.also_role]),
                options.Extensions[access_pb2.before_totp_setup],
            )


# -- comments ------------------------------------------------------------------------------------

_STATUSES: Final = re.compile(rf"\b({'|'.join(sorted(code_pb2.Code.keys()))})\b|\bAIP-|`update_mask`|\bOver HTTP\b")
"""In a sentence that is about gRPC, or about both: REST's document does without it."""
_NOT_SET: Final = re.compile(r"\b(Not set|Unspecified)\b( or 0)?")
_not_set: Final = re.compile(r"\b(unspecified)\b")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"])")


def comment_of(full_name: str) -> str:
    """The comment of a message, field, method, service or value. Raises KeyError: there is nothing of this name."""
    return COMMENTS[full_name]


def sentences_of(full_name: str, unset: str = "null") -> list[str]:
    """The sentences of a comment for REST's document; ``unset``: what REST has for what gRPC does not set."""
    found = [each for each in _SENTENCE_END.split(COMMENTS.get(full_name, "")) if each and not _STATUSES.search(each)]
    capital = unset[0].upper() + unset[1:]
    return [_not_set.sub(unset, _NOT_SET.sub(capital, each)) for each in found]


def words_of(full_name: str, unset: str = "null") -> str:
    """The comment of a message or field for REST's document; see ``sentences_of``."""
    return " ".join(sentences_of(full_name, unset))
