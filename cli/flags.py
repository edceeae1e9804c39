"""Options of a command that are plain fields of a message: made of the contract, with its comments as help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from functools import wraps
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer

from cli.failures import UsageFailure
from cli.plain import INT64_MAX
from cli.values import moment, timestamp, word_number
from common.attribute_cells import cell_value
from common.contract.reader import OF_THE_CALL, Descriptor, Field, Kind, fields_of, sentences_of
from common.contract.values import struct_proto

Given = dict[str, Any]
"""What was given, by field, as the contract has it; a parameter of this type gets it."""
_CONTRACT_NAME: Final = re.compile(r"`[A-Z]\w*(\.\w+)?`")
"""In a sentence that sends readers to another place of the contract, which people at a terminal do not have."""
_NO_FILTER: Final = re.compile(r"(^|; )(left out|empty): (of |for )?(any|anything|all)\.$", re.IGNORECASE)
"""Says of a filter what goes without saying."""
_FIELD_NAME: Final = re.compile(r"`(\w+)`")
_OF_PAGES: Final = frozenset({"page_size", "page_token"})
_KINDS: Final = frozenset({Kind.TEXT, Kind.WORD, Kind.WHOLE, Kind.TIME, Kind.FLAG})
_TYPES: Final[Mapping[Kind, Any]] = {Kind.WHOLE: int, Kind.FLAG: bool}
_AS_THE_FIELD: Final[Mapping[str, str]] = MappingProxyType({})


def flags(
    message: Descriptor, without: Collection[str] = (), called: Mapping[str, str] = _AS_THE_FIELD
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each text, id, time, choice and flag that callers may write in a message.

    The command has a parameter ``given`` of the type ``Given`` in their place; what was not given is not in it.

    Args:
        message: the message.
        without: fields that the command does without, or has an option of its own for.
        called: names of options that are not the field's, without dashes: ``{"mailing_id": "mailing"}``.
    """
    found = [field for field in _plain(message) if field.name not in without]
    keyed = [field for field in fields_of(message) if _is_keyed(field) and field.name not in without]
    options = {field.name: f"--{called.get(field.name, field.name).replace('_', '-')}" for field in found}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_given(**arguments: Any) -> None:
            said = [(field, arguments.pop(field.name)) for field in found]
            given = {each.name: _read(each, options[each.name], value) for each, value in said if value is not None}
            pairs = {field.name: _by_name(field, arguments.pop(field.name)) for field in keyed}
            given |= {name: value for name, value in pairs.items() if value is not None}
            command(**arguments, given=given)

        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "given"]
        parameters = [*own, *(_option(field, options) for field in found), *map(_keyed_option, keyed)]
        parameters.sort(key=lambda each: each.default is not inspect.Parameter.empty)
        with_given.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by typer
        with_given.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_given

    return decorate


def names(message: Descriptor) -> str:
    """The options, as people are told of them."""
    plain = [f"--{field.name.replace('_', '-')}" for field in _plain(message)]
    *others, last = [*plain, *(_keyed_flag(field) for field in fields_of(message) if _is_keyed(field))]
    return f"{', '.join(others)} or {last}"


def _plain(message: Descriptor) -> Iterator[Field]:
    for field in fields_of(message):
        is_of_the_thing = field.is_written and field.is_in_rest and field.name not in OF_THE_CALL | _OF_PAGES
        if is_of_the_thing and field.kind in _KINDS and not field.is_list and not field.is_map:
            yield field


def _option(field: Field, options: Mapping[str, str]) -> inspect.Parameter:
    limits = {"min": 1, "max": INT64_MAX} if field.kind is Kind.WHOLE else {}
    kind: Any = _TYPES.get(field.kind, str)
    annotation = Annotated[kind | None, typer.Option(options[field.name], help=_help(field, options), **limits)]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _help(field: Field, options: Mapping[str, str]) -> str:
    """The comment's first sentences, in which a field is called by its option; of a choice also what there is."""
    said = [each for each in sentences_of(field.full_name, "left out") if not _CONTRACT_NAME.search(each)]
    sentences = [_NO_FILTER.sub(lambda match: "." if match[1] else "", each) for each in said[:2]]
    if field.words:
        *others, last = field.words.values()
        sentences.append(f"One of {', '.join(others)} or {last}.")
    return _FIELD_NAME.sub(lambda match: options.get(match[1], match[1]), " ".join(filter(None, sentences)))


def _read(field: Field, option: str, value: Any) -> Any:
    """A value as the contract has it. Raises UsageFailure."""
    if field.kind is Kind.WORD:
        return word_number(option, value, field.words)
    return timestamp(moment(option, value, datetime.now(UTC))) if field.kind is Kind.TIME else value


# -- values by names: --attribute city=Omsk, again and again ----------------------------------------


def pairs_of(option: str, texts: Collection[str]) -> dict[str, str]:
    """``NAME=VALUE`` taken apart. Raises UsageFailure."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise UsageFailure(f"{option}: {text!r} is not NAME=VALUE")
        found[name.strip()] = value
    return found


def _is_keyed(field: Field) -> bool:
    return field.is_written and (field.is_map or field.kind is Kind.STRUCT)


def _keyed_flag(field: Field) -> str:
    return f"--{field.name.removesuffix('s')}"


def _by_name(field: Field, texts: Collection[str] | None) -> Any:
    """Texts for a map; for an object what they stand for, see ``cell_value``: an empty one removes."""
    if not texts:
        return None
    pairs = pairs_of(_keyed_flag(field), texts)
    if field.is_map:
        return pairs
    return struct_proto({name: cell_value(text) for name, text in pairs.items()})


def _keyed_option(field: Field) -> inspect.Parameter:
    kind = "" if field.is_map else " A plain number is a number, true and false are flags, '5 is a text."
    help = f"{_help(field, _AS_THE_FIELD)}{kind} May be repeated."
    annotation = Annotated[list[str] | None, typer.Option(_keyed_flag(field), metavar="NAME=VALUE", help=help)]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
