"""The stop list: phone numbers that get no text, whatever matches."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class SuppressionReason(IntEnum):
    """Why a number is on the list. Numbers as in the contract, and as they are stored: never renumber."""

    OPT_OUT = 1
    COMPLAINT = 2
    INVALID = 3
    MANUAL = 4


@dataclass(frozen=True, slots=True)
class SuppressionInput:
    """A number to be put on the list."""

    phone_number: int
    reason: SuppressionReason = SuppressionReason.MANUAL
    note: str = ""
    source: str = ""
    """What put it there, such as ``api``, ``import`` or ``inbound``."""
