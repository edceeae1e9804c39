"""Options of a command that are plain fields of a message: made of the contract, with its comments as help."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from functools import wraps
from typing import Annotated, Any, Final

import typer

from cli.failures import UsageFailure
from common.attribute_cells import cell_value
from common.contract.reader import OF_THE_CALL, Descriptor, Field, Kind, fields_of, sentences_of
from common.contract.values import struct_proto

Given = dict[str, Any]
"""What was given, by field; a parameter of this type gets it."""
_OF_PAGES: Final = frozenset({"page_size", "page_token"})


def flags(message: Descriptor, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each text of a message that callers may write: ``--phone-code`` for ``phone_code``.

    The command has a parameter ``given`` of the type ``Given`` in their place; what was not given is not in it.
    """
    found = [field for field in _plain(message) if field.name not in without]
    keyed = [field for field in fields_of(message) if _is_keyed(field)]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(**arguments: Any) -> None:
            values = {field.name: arguments.pop(field.name) for field in found}
            values |= {field.name: _by_name(field, arguments.pop(field.name)) for field in keyed}
            command(**arguments, given={name: value for name, value in values.items() if value is not None})

        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "given"]
        parameters = [*own, *(_option(field) for field in found), *map(_keyed_option, keyed)]
        parameters.sort(key=lambda each: each.default is not inspect.Parameter.empty)
        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by typer
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        return called

    return decorate


def names(message: Descriptor) -> str:
    """The options, as people are told of them."""
    plain = [f"--{field.name.replace('_', '-')}" for field in _plain(message)]
    *others, last = [*plain, *(_keyed_flag(field) for field in fields_of(message) if _is_keyed(field))]
    return f"{', '.join(others)} or {last}"


def _plain(message: Descriptor) -> Iterator[Field]:
    for field in fields_of(message):
        is_of_the_thing = field.is_written and field.is_in_rest and field.name not in OF_THE_CALL | _OF_PAGES
        if is_of_the_thing and field.kind is Kind.TEXT and not (field.is_list or field.is_map):
            yield field


def _option(field: Field) -> inspect.Parameter:
    flag = f"--{field.name.replace('_', '-')}"
    help = " ".join(sentences_of(field.full_name, "left out")[:2])
    annotation = Annotated[str | None, typer.Option(flag, help=help)]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


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
    help = f"{sentences_of(field.full_name, 'left out')[0]}{kind} May be repeated."
    annotation = Annotated[list[str] | None, typer.Option(_keyed_flag(field), metavar="NAME=VALUE", help=help)]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
