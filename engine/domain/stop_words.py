"""Is a text that somebody has sent us a request to be left alone?"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

STOP_WORDS: Final = ("STOP", "СТОП", "UNSUBSCRIBE", "ОТПИСАТЬСЯ", "ОТПИСКА")
"""Unless the settings say otherwise."""
_WORD_CATEGORIES: Final = frozenset("LN")


def bare(text: str) -> str:
    """A text without what tells nothing: case, blanks, and the punctuation and symbols around it."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    first, last = 0, len(folded)
    while first < last and not _is_of_word(folded[first]):
        first += 1
    while last > first and not _is_of_word(folded[last - 1]):
        last -= 1
    return " ".join(folded[first:last].split())


def _is_of_word(character: str) -> bool:
    return unicodedata.category(character)[0] in _WORD_CATEGORIES


class StopWords:
    """The words that put a number on the stop list."""

    def __init__(self, words: Iterable[str] = STOP_WORDS) -> None:
        self._words = frozenset(map(bare, words))
        self._longest = max(map(len, self._words), default=0)

    def has(self, text: str) -> bool:
        """Whether the whole text is one of them, whatever its case and the punctuation around it."""
        stripped = text.strip()
        # A long text is none, however it is written: four times as long leaves room for signs around a word.
        return len(stripped) <= 4 * self._longest + 100 and bare(stripped) in self._words
