"""Free texts that people give a command: as an argument, or on standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from cli.failures import UsageFailure
from common.texts import is_text, read_text

Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding", help="Of a text from stdin, like windows-1251; default: UTF-8, or UTF-16 with its mark."
    ),
]
_FILE_OPTIONS = ("--errors-file", "--tls-ca", "--tls-cert", "--tls-key")
"""A file's name is bytes: it need not be text."""


def text_of(option: str, given: str, encoding: str | None) -> str:
    """The text that was given, or that comes from stdin for `-`. Raises UsageFailure when it is no text."""
    if given != "-":
        if encoding is not None:
            raise UsageFailure(f"--encoding is for a text from stdin: {option} -")
        return given
    try:
        return read_text(sys.stdin.buffer.read(), encoding).removesuffix("\n")
    except ValueError as error:
        raise UsageFailure(f"{option}: what came from stdin {error}: {_advice(encoding)}") from None


def first_line(option: str) -> str:
    """The first line of stdin. Raises UsageFailure when it is no text."""
    try:
        return read_text(sys.stdin.buffer.readline()).removesuffix("\n")
    except ValueError as error:
        raise UsageFailure(f"{option}: what came from stdin {error}") from None


def not_text(arguments: Sequence[str]) -> UsageFailure:
    """What to say when an argument can't be sent because it is no text: which one, and what to do."""
    before = ""
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        option = name if equals and name.startswith("--") else before
        before = argument if argument.startswith("-") else ""
        if not is_text(argument) and option not in _FILE_OPTIONS:
            break
    else:
        return UsageFailure("what is given is not UTF-8, in an argument or in a variable of the environment")
    advice = "write it in UTF-8"
    if option == "--text":
        advice += ", or have it read from stdin: --text - --encoding windows-1251"
    return UsageFailure(f"{option or 'argument ' + repr(argument)}: is not UTF-8: {advice}")


def _advice(encoding: str | None) -> str:
    return "say which encoding it is in, like --encoding windows-1251" if encoding is None else "say another --encoding"
