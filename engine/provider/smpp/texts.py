"""A text as octets for ``submit_sm``: alphabet, parts, and until when it is of use.

Numbers in comments are sections of the specification of SMPP 3.4 (12 October 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from engine.domain.segments import (
    GSM7_ALPHABET,
    GSM7_EXTENSION,
    GSM7_EXTENSION_CODES,
    GSM7_PART,
    GSM7_SINGLE,
    UCS2_PART,
    UCS2_SINGLE,
    count_segments,
)

PARTS_MAX: Final = 255
"""The header counts parts with one octet."""
_PAYLOAD_OCTETS_MAX: Final = 0xFFFF
_GSM7: Final = str.maketrans(
    {char: chr(code) for code, char in enumerate(GSM7_ALPHABET)}
    | {char: f"\x1b{chr(code)}" for char, code in GSM7_EXTENSION_CODES.items()}
)
_DEFAULT_ALPHABET: Final = 0x00  # 5.2.19: data_coding
_UCS2: Final = 0x08
_HAS_HEADER: Final = 0x40  # 5.2.12: esm_class, UDHI
_VALID_SECONDS_MAX: Final = 30 * 86_400
"""What the relative form says without months, which are of no fixed length."""


class LongTexts(StrEnum):
    """How a text that is longer than one SMS goes to the message centre."""

    UDH = "udh"
    """In parts, each with a header that puts them together: each centre takes that."""
    PAYLOAD = "payload"
    """As a whole, in ``message_payload``: the centre makes the parts."""


class Octets(NamedTuple):
    """A text, ready to be sent."""

    data_coding: int
    esm_class: int
    parts: tuple[bytes, ...]
    """One ``submit_sm`` each."""
    is_payload: bool
    """The one part goes into ``message_payload``."""


def octets_of(text: str, long_texts: LongTexts, reference: int) -> Octets:
    """Make octets of a text: GSM 7 bit, one septet an octet, where the alphabet has all of it, else UCS-2.

    Args:
        text: not empty.
        long_texts: what becomes of more than one SMS.
        reference: what the parts of one text have in common; its lowest octet is taken.

    Raises:
        ValueError: it has more than 255 parts, or 65,535 octets.
    """
    counted = count_segments(text)
    is_gsm7 = counted.encoding == "gsm7"
    encode, coding = (_gsm7, _DEFAULT_ALPHABET) if is_gsm7 else (_ucs2, _UCS2)
    if counted.units <= (GSM7_SINGLE if is_gsm7 else UCS2_SINGLE):
        return Octets(coding, 0, (encode(text),), False)
    if long_texts is LongTexts.PAYLOAD:
        octets = encode(text)
        if len(octets) > _PAYLOAD_OCTETS_MAX:
            raise ValueError(f"the text has {len(octets)} octets, and message_payload takes {_PAYLOAD_OCTETS_MAX}")
        return Octets(coding, 0, (octets,), True)
    if is_gsm7:
        pieces = _split(text, [2 if char in GSM7_EXTENSION else 1 for char in text], GSM7_PART)
    else:
        pieces = _split(text, [2 if char > "\uffff" else 1 for char in text], UCS2_PART)
    if len(pieces) > PARTS_MAX:
        raise ValueError(f"the text has {len(pieces)} parts, and {PARTS_MAX} can be put together")
    # 3GPP TS 23.040, 9.2.3.24.1: five octets follow; an element of kind 0 with three.
    header = bytes([5, 0, 3, reference & 0xFF, len(pieces)])
    parts = tuple(header + bytes([number]) + encode(piece) for number, piece in enumerate(pieces, 1))
    return Octets(coding, _HAS_HEADER, parts, False)


def validity_of(seconds: float) -> str:
    """The relative form of ``validity_period`` (7.1.1); empty for 0: as the centre likes."""
    if seconds <= 0:
        return ""
    minutes, second = divmod(max(1, min(int(seconds), _VALID_SECONDS_MAX)), 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    return f"0000{day:02}{hour:02}{minute:02}{second:02}000R"


def _gsm7(text: str) -> bytes:
    return text.translate(_GSM7).encode("latin-1")


def _ucs2(text: str) -> bytes:
    # Surrogate pairs, which UCS-2 does not know, are what telephones show emoji for. Half a pair is not let in.
    return text.encode("utf-16-be", "replace")


def _split(text: str, costs: Sequence[int], part: int) -> list[str]:
    """Cut into pieces of at most ``part`` units; a character is never split."""
    pieces, begin, used = [], 0, 0
    for place, cost in enumerate(costs):
        if used + cost > part:
            pieces.append(text[begin:place])
            begin, used = place, 0
        used += cost
    return [*pieces, text[begin:]]
