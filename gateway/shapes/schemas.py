"""marshmallow's schemas, made of the messages of the contract. Each is made once: apispec takes two for two things."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cache
from typing import Any, Final, cast

import orjson
from marshmallow import fields
from marshmallow.validate import OneOf, Range, Validator

from common.contract.reader import (
    OF_THE_CALL,
    Binding,
    Descriptor,
    Field,
    Kind,
    comment_of,
    field_of,
    fields_of,
    keys_min_of,
    name_of,
    words_of,
)
from common.error_codes import ErrorCode, Fault
from gateway.shapes.fields import (
    IGNORED,
    INT64_MAX,
    PAGE_SIZE_DEFAULT,
    Anything,
    Bounds,
    Flag,
    Input,
    Keyed,
    Lengths,
    ListOf,
    Moment,
    Nested,
    ObjectOf,
    Output,
    PageSize,
    Pattern,
    QueryFlag,
    QueryWhole,
    Real,
    Text,
    Whole,
)
from mailing.v1.options_pb2 import Rules

_TIME_EXAMPLE: Final = "2026-01-31T06:00:00.000000Z"
_PAGE_SIZE: Final = "page_size"
_PLAIN: Final = [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]
_PAGE_SIZE_WORDS: Final = "How many at most; more than 1000, or what the service has set, is lowered."


class Use(Enum):
    """What a schema is for; the value is the end of its name."""

    SHOWN = ""
    """An answer, or a part of one."""
    DETAIL = "Detail"
    """The answer about one object that was read by its id."""
    CREATE = "Create"
    REPLACE = "Replace"
    """What was read may be sent back: what only the engine writes is ignored."""
    PATCH = "Patch"
    """What is left out stays."""

    @property
    def is_input(self) -> bool:
        """Whether it checks what comes in."""
        return self not in (Use.SHOWN, Use.DETAIL)


_USES: Final = {"post": Use.CREATE, "put": Use.REPLACE, "patch": Use.PATCH}


@cache
def schema_of(kind: Descriptor, use: Use = Use.SHOWN) -> type[Input | Output]:
    """The schema of a message. A part that callers write whole, such as a filter, has one for all uses, but for a
    PATCH where something in it is required otherwise."""
    if not _is_part(kind):
        return _made(kind, use, name_of(kind) + use.value)
    if use is Use.PATCH and any(field.is_required for field in fields_of(kind)):
        return _made(kind, use, f"{name_of(kind)}Patch")
    return _part(kind)


@cache
def _part(kind: Descriptor) -> type[Input | Output]:
    return _made(kind, Use.CREATE, name_of(kind))


def _is_part(kind: Descriptor) -> bool:
    return all(field.is_written for field in fields_of(kind))


def _made(kind: Descriptor, use: Use, name: str) -> type[Input | Output]:
    members: dict[str, Any] = {field.name: _field(field, use) for field in fields_of(kind) if _has(field, use)}
    base: type[Input | Output] = Input if use.is_input else Output
    least = keys_min_of(kind)
    if least:
        members["Meta"] = type("Meta", (base.Meta,), {"min_properties": least})
    members["__doc__"] = comment_of(kind.full_name)
    return type(f"{name}Schema", (base,), members)


def _has(field: Field, use: Use) -> bool:
    if not field.is_in_rest or field.name in OF_THE_CALL:
        return False
    if field.is_output_only:
        return use is not Use.CREATE and use is not Use.PATCH and (use is not Use.SHOWN or not field.rules.detail)
    return True


@cache
def body_of(binding: Binding) -> type[Input]:
    """The schema of a route's body: of a field of the request, or of the request without what its path says."""
    request, use = binding.method.input_type, _USES[binding.verb]
    if binding.body != "*":
        return cast("type[Input]", schema_of(field_of(request, binding.body).message, use))
    whole = cast("type[Input]", schema_of(request, use))
    left = {name: field for name, field in whole._declared_fields.items() if name not in binding.path_fields}
    if len(left) == len(whole._declared_fields):
        return whole
    return type(whole.__name__, (Input,), {**left, "Meta": whole.Meta, "__doc__": whole.__doc__})


@cache
def query_of(binding: Binding) -> type[Input]:
    """The schema of a route's query: the request's fields that neither its path nor its body has."""
    elsewhere = {*binding.path_fields, *OF_THE_CALL, binding.body}
    asked = [] if binding.body == "*" else fields_of(binding.method.input_type)
    members = {field.name: _parameter(field) for field in asked if field.is_in_rest and field.name not in elsewhere}
    return type(f"{binding.method.name}Query", (Input,), {**members, "__doc__": "What is asked for."})


# -- fields of bodies and answers ----------------------------------------------------------------


def _field(field: Field, use: Use) -> fields.Field[Any]:
    if use.is_input and field.is_output_only:
        return _ignored(field)
    options: dict[str, Any] = {"required": field.is_required if use.is_input else True}
    if use is Use.PATCH:
        options["required"] = False
    if field.is_nullable or (use is Use.PATCH and field.kind is Kind.STRUCT):
        options["allow_none"] = True
    metadata = {"description": words_of(field.full_name)}
    if field.is_map:
        inner = _value(field, use, metadata, {}, is_ignored=True)
        return fields.Dict(keys=fields.String(), values=inner, metadata=metadata | _example(field, use), **options)
    if field.is_list:
        # A null among values is refused by the engine, with all else that is bad there.
        inner = _value(field, use, {"nullable": False} if field.kind is Kind.VALUE else {}, {})
        most = field.rules.entries_max
        least = 1 if field.is_required and use.is_input else None
        lengths = [Lengths(min=least, max=most or None)] if least or most else []
        return ListOf(inner, validate=lengths, metadata=metadata, **options)
    return _value(field, use, metadata, options)


def _ignored(field: Field) -> fields.Field[Any]:
    """What only the engine writes: whatever an answer can have there is taken, null and lists too."""
    metadata = {"description": IGNORED}
    options: dict[str, Any] = {"allow_none": True} if field.is_nullable else {}
    if field.is_list:
        return ListOf(_value(field, Use.SHOWN, {}, {}, is_ignored=True), metadata=metadata, **options)
    return _value(field, Use.SHOWN, metadata, options, is_ignored=True)


def _value(
    field: Field, use: Use, metadata: Mapping[str, Any], options: Mapping[str, Any], *, is_ignored: bool = False
) -> fields.Field[Any]:
    """One value: the field's own, or an entry of a list. What is ignored has neither limits nor example."""
    if field.message is not None:
        inner = use if use.is_input else Use.SHOWN
        said = {} if is_ignored else _example(field, use)
        return Nested(schema_of(field.message, inner), metadata={**metadata, **said}, **options)
    kind, more = CLASSES[field.kind], dict(metadata)
    if not is_ignored:
        more |= _example(field, use)
    validators: list[Validator] = []
    if field.kind is Kind.WORD:
        choices = list(field.words.values())
        validators.append(OneOf(choices, error=ErrorCode.NOT_A_CHOICE))
    elif field.kind in (Kind.WHOLE, Kind.REAL):
        validators += _range(field, use, more)
    elif field.kind is Kind.TIME:
        more["format"] = "date-time"
    elif field.kind is Kind.STRUCT and field.rules.HasField("entries_max"):
        more |= {"maxProperties": field.rules.entries_max, "additionalProperties": {"oneOf": _PLAIN}}
    elif field.kind is Kind.TEXT and not is_ignored and (use.is_input or not field.rules.rewritten):
        validators += _limits(field)
    if field.kind is Kind.VALUE:
        more["oneOf"], options = _PLAIN, {**options, "allow_none": True}
    made: fields.Field[Any] = kind(validate=validators, metadata=more, **options)
    return made


CLASSES: Final[Mapping[Kind, Any]] = {
    Kind.TEXT: Text,
    Kind.WORD: Text,
    Kind.TIME: Moment,
    Kind.WHOLE: Whole,
    Kind.REAL: Real,
    Kind.FLAG: Flag,
    Kind.STRUCT: ObjectOf,
    Kind.VALUE: Anything,
}
"""The field of each kind of value that a body has."""


def _fault(rules: Rules) -> Fault:
    """What is said of a value that the rules' own problem is about."""
    return ErrorCode[rules.problem.code].format(**rules.problem.values)


def _limits(field: Field) -> list[Validator]:
    rules = field.rules
    found: list[Validator] = []
    if rules.HasField("length_max"):
        least = rules.length_min if rules.HasField("length_min") else None
        found.append(Lengths(min=least, max=rules.length_max))
    if rules.pattern:
        found.append(Pattern(rules.pattern, error=_fault(rules)))
    return found


def _range(field: Field, use: Use, metadata: dict[str, Any]) -> list[Validator]:
    """The limits of a number; what the document says of them goes into ``metadata``."""
    rules = field.rules
    if field.kind is Kind.REAL:
        metadata["format"] = "double"
        if not rules.HasField("minimum"):
            return []
        if rules.above_minimum:
            metadata["exclusiveMinimum"] = True
        least, most = rules.minimum, rules.maximum
    else:
        metadata["format"] = rules.format or f"int{field.bits}"
        least, most = field.whole_range
    error = _fault(rules) if rules.HasField("problem") else None
    return [Bounds(min=least, max=most, min_inclusive=not rules.above_minimum, error=error)]


def _example(field: Field, use: Use) -> dict[str, Any]:
    if field.is_immutable and use in (Use.REPLACE, Use.PATCH):
        return {}
    rules = field.rules
    text = rules.example if rules.HasField("example") else None
    if use.is_input and rules.HasField("input_example"):
        text = rules.input_example
    if text is None:
        return {"example": _TIME_EXAMPLE} if field.kind is Kind.TIME else {}
    is_text = field.kind in (Kind.TEXT, Kind.WORD, Kind.TIME) and not field.is_map
    return {"example": text if is_text else orjson.loads(text)}


# -- parameters of queries -----------------------------------------------------------------------


def _parameter(field: Field) -> fields.Field[Any]:
    """It has no example: Swagger UI would fill it in, and show no more than what is so."""
    metadata: dict[str, Any] = {"description": words_of(field.full_name, "left out")}
    if field.name == _PAGE_SIZE:
        metadata = {"description": _PAGE_SIZE_WORDS, "default": PAGE_SIZE_DEFAULT}
        return PageSize(validate=Range(min=1, error=ErrorCode.TOO_SMALL), metadata=metadata)
    if field.is_map:
        return _keyed(field, metadata)
    if field.kind is Kind.WHOLE:
        metadata["format"] = f"int{field.bits}"
        least = int(field.rules.minimum) if field.rules.HasField("minimum") else 1  # mostly it is an id
        return QueryWhole(validate=Bounds(min=least, max=INT64_MAX), metadata=metadata)
    if field.kind is Kind.FLAG:
        return QueryFlag(metadata={**metadata, "default": False})
    parameter = _value(field, Use.CREATE, metadata, {})
    parameter.metadata = {key: value for key, value in parameter.metadata.items() if key != "example"}
    return parameter


def _keyed(field: Field, metadata: dict[str, Any]) -> Keyed:
    """Texts by names; the document shows one of them."""
    ((key, example),) = orjson.loads(field.rules.example).items()
    metadata |= {"example": example, "type": "string"}
    metadata["description"] += f" `{field.name}.{key}` stands for any name: `{field.name}.NAME`."
    return Keyed(example_key=key, data_key=f"{field.name}.", metadata=metadata)
