"""A command line of flags, commands and their arguments; whatever is wrong with it is one line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn

from common.texts import is_text


class BadSettings(Exception):
    """The command line, the environment or ``.env`` can't be used: one line for each reason."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Flag(NamedTuple):
    """A flag that sets a setting; it may stand before or after the command."""

    field: str
    name: str
    help: str
    is_switch: bool = False
    """Whether it takes no value: ``--flag`` and ``--no-flag``."""


@dataclass(frozen=True, slots=True)
class Argument:
    """What one command takes beside the settings: a word (``NAME``) or an option (``--role``)."""

    name: str
    """``NAME`` is a word by its place, ``--role`` an option."""
    help: str
    read: Callable[[str], Any] = str
    """Reads the value; a ValueError or an ``argparse.ArgumentTypeError`` (which says why) refuses it."""
    choices: Sequence[str] = ()
    default: Any = None
    """Of an option that is not given."""
    required: bool = False
    """Of an option: a word by its place always is."""
    is_switch: bool = False
    """Of an option: it takes no value and is True when it is given, else False."""

    @property
    def key(self) -> str:
        """Its name among the arguments of an invocation: ``--expire-days`` -> ``expire_days``, ``NAME`` -> ``name``."""
        return self.name.lstrip("-").replace("-", "_").lower()


@dataclass(frozen=True, slots=True)
class Command:
    """What a program can be asked to do; words of a name are separated by a blank."""

    name: str
    help: str
    arguments: Sequence[Argument] = ()


class CommandLine(NamedTuple):
    """What a command line says."""

    command: str
    flags: Mapping[str, Any]
    """The settings that were given, by field."""
    arguments: Mapping[str, Any]
    """All arguments of the command, by key."""


_ARGUMENT: Final = "argument of the command: "
"""Before the key of an argument, so that it may be called like a setting."""


def read_command_line(
    program: str, description: str, flags: Sequence[Flag], commands: Sequence[Command], argv: Sequence[str]
) -> CommandLine:
    """Take ``argv`` (without the program's name) apart; the first of ``commands`` is meant when none is given.

    Raises:
        BadSettings: there is a word that is not known, or one is missing.
        SystemExit: after ``--help``.
    """
    known, unknown = _parser(program, description, flags, commands).parse_known_args(argv)
    if unknown:
        # Without its value, which may be a secret behind a mistyped flag.
        raise BadSettings(f"unknown flag or word: {unknown[0].partition('=')[0]}")
    found = vars(known)
    name = found.pop("command", commands[0].name if commands else "")
    command = next((each for each in commands if each.name == name), Command(name, ""))
    arguments = {}
    for each in command.arguments:
        value = found.pop(_ARGUMENT + each.key, False if each.is_switch else each.default)
        if isinstance(value, str) and not is_text(value):
            raise BadSettings(f"{each.name}: is not UTF-8: write it in UTF-8")
        arguments[each.key] = value
    return CommandLine(name, found, arguments)


class _Parser(argparse.ArgumentParser):
    """argparse, but an error is one line and nothing else."""

    def error(self, message: str) -> NoReturn:
        raise BadSettings(message.replace("\n", " "))


def _parser(program: str, description: str, flags: Sequence[Flag], commands: Sequence[Command]) -> _Parser:
    """Flags may stand before or after the command."""
    shared = _Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    group = shared.add_argument_group("settings", "each is shown with its environment variable and its default")
    for each in flags:
        text = each.help.replace("%", "%%")
        if each.is_switch:
            group.add_argument(each.name, dest=each.field, action=argparse.BooleanOptionalAction, help=text)
        else:
            group.add_argument(each.name, dest=each.field, metavar=each.field.rpartition("_")[2].upper(), help=text)
    root = _Parser(
        prog=program,
        description=f"{description} Settings come from flags, else the environment, else the file .env.",
        parents=[shared],
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    if commands:
        _add_commands(root, shared, commands)
    return root


def _add_commands(root: _Parser, shared: _Parser, commands: Sequence[Command]) -> None:
    """Add a subparser for each word of each command: ``account create`` lies under ``account``."""
    groups = {"": root.add_subparsers(title="commands", metavar="COMMAND")}
    for command in commands:
        *parents, word = command.name.split()
        path = ""
        for parent in parents:
            above, path = path, f"{path} {parent}".strip()
            if path not in groups:
                middle = groups[above].add_parser(parent, help=f"{parent} …", allow_abbrev=False)
                groups[path] = middle.add_subparsers(title="commands", metavar="COMMAND", required=True)
        leaf = groups[path].add_parser(
            word,
            help=command.help,
            description=command.help,
            parents=[shared],
            allow_abbrev=False,
            argument_default=argparse.SUPPRESS,
        )
        leaf.set_defaults(command=command.name)
        for argument in command.arguments:
            _add_argument(leaf, argument)


def _add_argument(parser: _Parser, argument: Argument) -> None:
    dest, text = _ARGUMENT + argument.key, argument.help.replace("%", "%%")
    if not argument.name.startswith("-"):
        parser.add_argument(
            dest, metavar=argument.name, type=argument.read, choices=argument.choices or None, help=text
        )
    elif argument.is_switch:
        parser.add_argument(argument.name, dest=dest, action="store_true", help=text)
    else:
        parser.add_argument(
            argument.name,
            dest=dest,
            metavar=argument.key.rpartition("_")[2].upper(),
            type=argument.read,
            choices=argument.choices or None,
            required=argument.required,
            help=text,
        )
