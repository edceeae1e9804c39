"""How many SMS a text takes.

Alphabets and lengths: 3GPP TS 23.038, 6.2.1 (GSM 7 bit default alphabet and its extension table)
and 6.2.3 (UCS2); the user data header of concatenated messages: 3GPP TS 23.040, 9.2.3.24.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

GSM7_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""In the order of their codes. The 27th stands for the escape to the extension table, and for no character."""

GSM7_BASIC: Final = frozenset(GSM7_ALPHABET) - {"\x1b"}
"""One septet each."""

GSM7_EXTENSION_CODES: Final[Mapping[str, int]] = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
GSM7_EXTENSION: Final = frozenset(GSM7_EXTENSION_CODES)
"""Two septets each: the escape and a code."""

_GSM7: Final = GSM7_BASIC | GSM7_EXTENSION

# A message has 140 octets: 160 septets or 70 UTF-16 units. Each part of a longer text gives six of them
# to the header that puts the parts together, which leaves 134 octets: 153 septets or 67 units.
GSM7_SINGLE, GSM7_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67
SURE_LENGTH: Final = (UCS2_PART - 1) // 2
"""So many characters fit into each segment, whatever they are: two units each, and a unit left empty at the end."""


@dataclass(frozen=True, slots=True)
class Segments:
    """What a text costs."""

    encoding: Literal["gsm7", "ucs2"]
    """``gsm7`` when every character is in that alphabet, else ``ucs2`` for the whole text."""
    units: int
    """Septets, or UTF-16 code units."""
    segments: int
    """Messages the operator counts; 0 for an empty text."""


def count_segments(text: str) -> Segments:
    """Count units and segments of a text.

    A character of two units (one of the extension table, or a surrogate pair) is never split
    between two segments: it moves to the next one, and a unit is left empty.
    """
    # Nearly all texts have no character of two units: asking for that is thirty times quicker than adding up.
    if GSM7_BASIC.issuperset(text):
        return _even("gsm7", len(text), GSM7_SINGLE, GSM7_PART)
    if _GSM7.issuperset(text):
        return _counted("gsm7", [2 if char in GSM7_EXTENSION else 1 for char in text], GSM7_SINGLE, GSM7_PART)
    if max(text) <= "\uffff":
        return _even("ucs2", len(text), UCS2_SINGLE, UCS2_PART)
    return _counted("ucs2", [2 if char > "\uffff" else 1 for char in text], UCS2_SINGLE, UCS2_PART)


def _even(encoding: Literal["gsm7", "ucs2"], units: int, single: int, part: int) -> Segments:
    """Of characters of one unit each."""
    return Segments(encoding, units, -(-units // part) if units > single else int(units > 0))


def _counted(encoding: Literal["gsm7", "ucs2"], costs: list[int], single: int, part: int) -> Segments:
    units = sum(costs)
    if units <= single:
        return Segments(encoding, units, 1 if costs else 0)
    segments, used = 1, 0
    for cost in costs:
        if used + cost > part:
            segments, used = segments + 1, 0
        used += cost
    return Segments(encoding, units, segments)
