"""Places in JSON: pointers (RFC 6901), and what stands there as one word that descriptions can name."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

_FORM: Final = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)

Find = Callable[[Any], Any]
"""Returns what stands at one place of a JSON value; ``None``: nothing does, or a null."""


def check_pointer(text: str) -> str:
    """The pointer itself.

    Raises:
        ValueError: it is none; the words follow the name of a key.
    """
    if not text.startswith("/") or not _FORM.fullmatch(text):
        raise ValueError("should be a JSON pointer, such as /messages/0/status")
    return text


def compiled(pointer: str) -> Find:
    """What finds the value at a pointer that was checked; an empty one means the whole."""
    tokens = [each.replace("~1", "/").replace("~0", "~") for each in pointer.split("/")[1:]]
    if not tokens:
        return lambda value: value
    if len(tokens) == 1:  # nearly every pointer of an answer
        token = tokens[0]
        return lambda value: value.get(token) if type(value) is dict else _step(value, token)

    def find(value: Any) -> Any:
        for token in tokens:
            value = _step(value, token)
        return value

    return find


def _step(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return value.get(token)
    if isinstance(value, list) and _INDEX.fullmatch(token) and int(token) < len(value):
        return value[int(token)]
    return None


def word_of(value: Any) -> str | None:
    """A text, number or truth value as descriptions name it: ``7``, ``7.0`` and ``"7"`` are one word, and so are ``OK``
    and ``ok``; ``None``: it is a list, an object or null."""
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else str(value)
    return None
