"""Placeholders of a described provider: ``{text}`` and others in the values of its URL, headers and body.

A value is encoded as a whole for the place where it stands (a text of JSON, a field of a form, a part of an address),
so nothing that a text contains can end it early. ``{{`` and ``}}`` are braces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, quote_plus

import orjson

from engine.ports import Request

_TOKEN: Final = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|[{}]")
_SECRET: Final = "secret."
_NUMBER: Final = ":number"
VALIDITY: Final = ("valid_seconds", "valid_minutes", "valid_hours", "valid_clock", "valid_until")
"""The time until the mailing's end: whole units of it, hours and minutes as hh:mm, and the end itself (RFC 3339)."""
FIELDS: Final = ("id", "phone", "text", "sender", "segments", *VALIDITY)
NUMBERS: Final = frozenset({"id", "phone", "segments", "valid_seconds", "valid_minutes", "valid_hours"})
"""Those that can also be numbers of JSON: ``{id:number}``."""
_MINUTE_SECONDS: Final = 60
_HOUR_SECONDS: Final = 3600

Encode = Callable[[str], str]
Get = Callable[[Request], str]


class Hole(NamedTuple):
    """A placeholder in a template."""

    name: str
    is_number: bool = False

    @property
    def secret(self) -> str:
        """The secret's name; empty: it is no secret."""
        return self.name.removeprefix(_SECRET) if self.name.startswith(_SECRET) else ""


Template = tuple[str | Hole, ...]
"""A text with its placeholders, in their order."""


def parse(text: str) -> Template:
    """Take a text with placeholders apart.

    Raises:
        ValueError: a placeholder is not known; the words follow the name of a key.
    """
    parts: list[str | Hole] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[end : token.start()])
        end = token.end()
        if token[0] in ("{{", "}}"):
            parts.append(token[0][0])
        elif token["name"] is None:
            raise ValueError(f"has a brace alone: a placeholder is {{text}}, a brace is {token[0] * 2}")
        else:
            parts.append(_hole(token["name"]))
    parts.append(text[end:])
    found = tuple(part for part in parts if part)
    if any(isinstance(each, Hole) and each.is_number for each in found) and len(found) > 1:
        raise ValueError("has a number with text around it: {…:number} stands alone")
    return found


def _hole(written: str) -> Hole:
    name = written.removesuffix(_NUMBER)
    if name not in FIELDS and not (name.startswith(_SECRET) and len(name) > len(_SECRET)):
        near = get_close_matches(name, FIELDS, 1)
        hint = f"did you mean {{{near[0]}}}?" if near else f"there are {', '.join(FIELDS)} and secret.NAME"
        raise ValueError(f"has {{{written}}}, which is no placeholder; {hint}")
    if name != written and name not in NUMBERS:
        raise ValueError(f"has {{{written}}}: {name} is no number")
    return Hole(name, name != written)


def names_in(templates: Iterable[Template]) -> set[str]:
    """The names of all placeholders."""
    return {each.name for template in templates for each in template if isinstance(each, Hole)}


@lru_cache(maxsize=64)  # a mailing's text is the same for most of its messages
def in_json(text: str) -> str:
    """As a part of a text of JSON, without its quotation marks."""
    return orjson.dumps(text)[1:-1].decode()


def in_header(text: str) -> str:
    """As it is."""
    return text


@lru_cache(maxsize=64)
def in_form(text: str) -> str:
    """As a part of a field of a form (application/x-www-form-urlencoded)."""
    return quote_plus(text)


@lru_cache(maxsize=64)
def in_address(text: str) -> str:
    """As a part of a path or a query."""
    return quote(text, safe="")


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


@lru_cache(maxsize=64)  # messages of one mailing end together
def _until(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_VALIDITY_WRITERS: Final[Mapping[str, Callable[[int, float], str]]] = {
    "valid_seconds": lambda seconds, _now: str(seconds),
    "valid_minutes": lambda seconds, _now: str(max(1, seconds // _MINUTE_SECONDS)),
    "valid_hours": lambda seconds, _now: str(max(1, seconds // _HOUR_SECONDS)),
    "valid_clock": lambda seconds, _now: _clock(max(1, seconds // _MINUTE_SECONDS)),
    "valid_until": lambda seconds, now: _until(int(now) + seconds),
}


@dataclass(frozen=True, slots=True)
class Filling:
    """What placeholders stand for, beside the message itself."""

    secrets: Mapping[str, str]
    default_sender: str
    """Where the mailing names none."""
    seconds_min: float
    """A shorter validity is made as long as this,"""
    seconds_max: float
    """and a longer one as short as this."""
    now: Callable[[], float]
    """Seconds since the Unix epoch."""

    def sender_of(self, request: Request) -> str:
        """The sender's name; empty: there is none."""
        return request.sender or self.default_sender

    def getter(self, hole: Hole, encode: Encode) -> Get:
        """What a placeholder other than a secret stands for in one message, encoded for its place."""
        match hole.name:
            case "id":
                return lambda request: str(request.message_id)
            case "phone":
                return lambda request: str(request.phone_number)
            case "text":
                return lambda request: encode(request.text)
            case "sender":
                return lambda request: encode(request.sender or self.default_sender)
            case "segments":
                return lambda request: str(request.segments)
        write, shortest, longest, now = _VALIDITY_WRITERS[hole.name], self.seconds_min, self.seconds_max, self.now
        return lambda request: encode(write(int(min(max(request.valid_seconds, shortest), longest)), now()))


class Format(NamedTuple):
    """A text with its holes, ready to be filled."""

    text: str
    """For ``%``."""
    getters: tuple[Get, ...]

    def fill(self, request: Request) -> str:
        """The text for one message."""
        return self.text % tuple([get(request) for get in self.getters])


class Writer:
    """Collects the parts of a ``Format``."""

    def __init__(self, filling: Filling) -> None:
        self._filling = filling
        self._parts: list[str] = []
        self._getters: list[Get] = []

    def literal(self, text: str) -> None:
        """Add a text as it is."""
        self._parts.append(text.replace("%", "%%"))

    def template(self, template: Template, encode: Encode) -> None:
        """Add a template, each of its parts encoded."""
        for each in template:
            if isinstance(each, str):
                self.literal(encode(each))
            elif each.secret:
                self.literal(encode(self._filling.secrets[each.secret]))
            else:
                self._parts.append("%s")
                self._getters.append(self._filling.getter(each, encode))

    def done(self) -> Format:
        """What was collected."""
        return Format("".join(self._parts), tuple(self._getters))
