"""Options of a command that are plain fields of a message: made of the contract, with its comments as help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Iterator
from functools import wraps
from typing import Annotated, Any, Final

import typer

from common.contract.reader import OF_THE_CALL, Descriptor, Field, Kind, fields_of, sentences_of

Given = dict[str, Any]
"""What was given, by field; a parameter of this type gets it."""
_CONTRACT_NAME: Final = re.compile(r"`[A-Z]\w*(\.\w+)?`")
"""In a sentence that sends readers to another place of the contract, which people at a terminal do not have."""
_OF_PAGES: Final = frozenset({"page_size", "page_token"})


def flags(message: Descriptor, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command an option for each text of a message that callers may write: ``--phone-code`` for ``phone_code``.

    The command has a parameter ``given`` of the type ``Given`` in their place; what was not given is not in it.
    """
    found = [field for field in _plain(message) if field.name not in without]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(**arguments: Any) -> None:
            values = {field.name: arguments.pop(field.name) for field in found}
            command(**arguments, given={name: value for name, value in values.items() if value is not None})

        signature = inspect.signature(command, eval_str=True)
        own = [each for each in signature.parameters.values() if each.name != "given"]
        parameters = [*own, *(_option(field) for field in found)]
        parameters.sort(key=lambda each: each.default is not inspect.Parameter.empty)
        called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # read by typer
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        return called

    return decorate


def names(message: Descriptor) -> str:
    """The options, as people are told of them."""
    *others, last = [f"--{field.name.replace('_', '-')}" for field in _plain(message)]
    return f"{', '.join(others)} or {last}"


def _plain(message: Descriptor) -> Iterator[Field]:
    for field in fields_of(message):
        is_of_the_thing = field.is_written and field.is_in_rest and field.name not in OF_THE_CALL | _OF_PAGES
        if is_of_the_thing and field.kind is Kind.TEXT and not field.is_list:
            yield field


def _option(field: Field) -> inspect.Parameter:
    flag = f"--{field.name.replace('_', '-')}"
    sentences = [each for each in sentences_of(field.full_name, "left out") if not _CONTRACT_NAME.search(each)]
    help = " ".join(sentences[:2]).replace("`", "")
    annotation = Annotated[str | None, typer.Option(flag, help=help)]
    return inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
