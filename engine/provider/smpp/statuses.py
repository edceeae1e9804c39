"""What a ``command_status`` means (SMPP 3.4, 5.1.3): for the message, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from engine.domain.outcome import Verdict

OK: Final = 0x00
SYSTEM_ERROR: Final = 0x08
UNKNOWN_ERROR: Final = 0xFF

_VERDICTS: Final[Mapping[int, Verdict]] = {
    0x01: Verdict.REJECTED,
    0x0A: Verdict.FORBIDDEN,
    0x0B: Verdict.REJECTED,
    0x14: Verdict.BUSY,
    0x48: Verdict.FORBIDDEN,
    0x49: Verdict.FORBIDDEN,
    0x50: Verdict.REJECTED,
    0x51: Verdict.REJECTED,
    0x58: Verdict.BUSY,
}
"""All others: certainly not taken, and another try may do. A sender that is refused is each message's failure, or all
messages': several in a row tell."""

_WORDS: Final[Mapping[int, str]] = {
    0x01: "the text is too long",
    0x02: "the length of the unit is wrong",
    0x03: "the command is not known",
    0x04: "not allowed in this state of the session",
    0x08: "system error",
    0x0A: "the sender is not allowed",
    0x0B: "the number is not valid",
    0x0C: "the message id is not valid",
    0x0D: "the bind failed",
    0x0E: "the password is wrong",
    0x0F: "the system_id is not known",
    0x14: "the queue is full",
    0x15: "the service_type is not valid",
    0x43: "the esm_class is not valid",
    0x45: "the message was not taken",
    0x48: "the sender's type of number is not valid",
    0x49: "the sender's numbering plan is not valid",
    0x50: "the number's type is not valid",
    0x51: "the number's numbering plan is not valid",
    0x53: "the system_type is not valid",
    0x58: "too many messages",
    0x61: "the scheduled time is not valid",
    0x62: "the validity is not valid",
    0x64: "the application is out of order just now",
    0x65: "the application is out of order for good",
    0x66: "the application refused it",
    0xC2: "a field has the wrong length",
    0xFF: "unknown error",
}


def verdict_of(status: int, rejected: frozenset[int] = frozenset(), busy: frozenset[int] = frozenset()) -> Verdict:
    """What follows from a response other than 0.

    Args:
        status: as it came.
        rejected: statuses that say of this provider that no further try will do.
        busy: statuses that say that it has too much to do.
    """
    if status in rejected:
        return Verdict.REJECTED
    if status in busy:
        return Verdict.BUSY
    return _VERDICTS.get(status, Verdict.RETRY)


def words_of(status: int) -> str:
    """For people, such as "SMPP 0x58: too many messages"."""
    words = _WORDS.get(status)
    return f"SMPP 0x{status:02X}: {words}" if words else f"SMPP 0x{status:02X}"
