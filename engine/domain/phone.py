"""Phone numbers of the Russian numbering plan: ``7XXXXXXXXXX``."""

from __future__ import annotations

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s().-]")
PHONE_LENGTH: Final = 11
_PART_LENGTH_MIN: Final = 3
"""Fewer digits are in nearly every number."""


def normalise(text: str) -> int:
    """Return the number that ``+7 (916) 123-45-67``, ``8916…``, ``7916…`` or ``916…`` stands for.

    Raises:
        ValueError: it can't be one; the text says why, without the number in it.
    """
    digits = _SEPARATORS.sub("", text)
    international = digits.startswith("+")
    digits = digits.removeprefix("+")
    if not digits:
        raise ValueError("must not be empty")
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("may contain only digits, spaces, ( ) . - and a leading +")
    if international and not digits.startswith("7"):
        raise ValueError("must be a number with the country code 7")
    # Ten digits that begin with 7 or 8 are far more often eleven with one lost: a wrong guess texts a stranger.
    if len(digits) == PHONE_LENGTH - 1 and digits[0] not in "78":
        digits = "7" + digits
    if len(digits) != PHONE_LENGTH:
        raise ValueError(f"must have 11 digits, 7XXXXXXXXXX, not {len(digits)}")
    if digits[0] not in "78":
        raise ValueError("must begin with 7 (or 8)")
    return int("7" + digits[1:])


def digits_of(text: str) -> str:
    """Return the digits that a search for a part of a number is for, in what somebody has typed.

    Raises:
        ValueError: they can't be a part of a number; the text says why.
    """
    digits = "".join(character for character in text if character.isascii() and character.isdigit())
    if not _PART_LENGTH_MIN <= len(digits) <= PHONE_LENGTH:
        raise ValueError(f"must have {_PART_LENGTH_MIN} to {PHONE_LENGTH} digits, not {len(digits)}")
    # A whole number as it is dialled inside the country.
    return "7" + digits[1:] if len(digits) == PHONE_LENGTH and digits[0] == "8" else digits


def default_code(phone: int) -> str:
    """Return the operator code: digits 2 to 4 of a number as ``normalise`` returns it."""
    return str(phone)[1:4]
