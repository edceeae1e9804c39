"""Which characters a person sees."""

from __future__ import annotations

import sys
import unicodedata
from typing import Final

import pytest

from common.shown import shows

ALIKE: Final = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u2800\u3164\ufe00\ufe0f\uffa0\ufff0\U0001d159"
)
"""Of other categories: default ignorable, or drawn as nothing."""
SEEN: Final = {*map(chr, [*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD])}
"""Format characters of Arabic, Syriac and Kaithi that are drawn (Prepended_Concatenation_Mark)."""
HIEROGLYPHS: Final = {*map(chr, range(0x13430, 0x13440))}


def test_what_unicode_says_shows_nothing() -> None:
    unseen = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in _UNSEEN}
    assert [each for each in sorted(unseen - SEEN - HIEROGLYPHS | {*ALIKE}) if shows(each)] == []
    assert not shows("".join(sorted(unseen - SEEN - HIEROGLYPHS)))
    assert not shows("")


_UNSEEN: Final = {"Zs", "Zl", "Zp", "Cc", "Cf"}


def test_letters_digits_and_signs_are_seen() -> None:
    seen = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in "LNPS"]
    assert {each for each in seen if not shows(each)} == {*"\u115f\u1160\u2800\u3164\uffa0\U0001d159"}


@pytest.mark.parametrize("text", ["Анна", " x", "\u200bя\u200b", "👨‍👩‍👧", "0", "\xa0.", "é"])
def test_one_seen_character_is_enough(text: str) -> None:
    assert shows(text)
