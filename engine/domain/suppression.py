"""The stop list: phone numbers that get no text, whatever matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from engine.domain.stop_words import STOP_WORDS, bare

NOTE_CHARACTERS_MAX: Final = 500
"""As the contract has it."""


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


_SAID: Final[Mapping[SuppressionReason, tuple[str, ...]]] = {
    SuppressionReason.OPT_OUT: (
        *STOP_WORDS, "opt out", "opted out", "optout", "opt-out", "unsubscribed", "asked to stop", "do not contact",
        "отписался", "отписалась", "отписались", "отписан", "отписана", "просил не писать", "просила не писать",
        "не писать", "отказ", "отказался", "отказалась", "отказ от рассылки",
    ),
    SuppressionReason.COMPLAINT: ("complained", "spam", "жалоба", "пожаловался", "пожаловалась", "спам"),
    SuppressionReason.INVALID: (
        "does not exist", "wrong number", "invalid number", "номер не существует", "не существует", "неверный номер",
        "недействителен", "несуществующий",
    ),
    SuppressionReason.MANUAL: ("by hand", "вручную"),
}  # fmt: skip
"""What people and the panel call a reason, beside its name in the contract."""
_REASON_OF: Final = {bare(words): reason for reason, names in _SAID.items() for words in (reason.name, *names)}


def reason_and_note(said: str, note: str) -> tuple[SuppressionReason, str]:
    """The reason that a file's words mean, and the note. Words that mean none known are no cause to go on texting the
    number: the reason is ``MANUAL`` then, and the words stand before the note."""
    words = said.strip()
    if (reason := _REASON_OF.get(bare(words))) is not None:
        return reason, note
    return SuppressionReason.MANUAL, ": ".join(filter(None, (words, note)))[:NOTE_CHARACTERS_MAX]
