"""Regular expressions out of a providers' file, by RE2: the time that one takes grows as the text does, and no faster.

Texts come from strangers, and one that makes Python's ``re`` try all ways to fit ``(a+)+$`` holds the engine up for
ever. RE2 has no references back and no looking around instead.
"""

from __future__ import annotations

from typing import Any, Final

import re2

_OPTIONS: Final = re2.Options()
_OPTIONS.log_errors = False


class Expression:
    """A regular expression, compiled."""

    def __init__(self, text: str) -> None:
        """Compile it.

        Raises:
            ValueError: it is none, or RE2 can't do what it asks for; the words say why.
        """
        try:
            self._compiled: Final = re2.compile(text, _OPTIONS)
        except re2.error as error:
            raise ValueError(_words(error)) from None

    @property
    def groups(self) -> int:
        """How many groups it has that keep what they found."""
        return int(self._compiled.groups)

    def is_in(self, text: str) -> bool:
        """Whether it fits some part of a text."""
        return self._compiled.search(_whole(text)) is not None

    def part_of(self, text: str) -> str:
        """The first part of a text that it fits, or what its group found in it; empty: there is none."""
        return _found(self._compiled.search(_whole(text)))

    def all_of(self, text: str) -> str:
        """The same of a text that it fits as a whole."""
        return _found(self._compiled.fullmatch(_whole(text)))


def _whole(text: str) -> str:
    """RE2 reads UTF-8, which has no halves of a surrogate pair."""
    return text.encode("utf-8", "replace").decode()


def _found(match: Any) -> str:
    return "" if match is None else match[match.re.groups] or ""


def _words(error: Exception) -> str:
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
