"""Phone numbers of the Russian numbering plan: ``7XXXXXXXXXX``."""

from __future__ import annotations

import re
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s().-]")
_LENGTH: Final = 11


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
    if len(digits) == _LENGTH - 1 and digits[0] not in "78":
        digits = "7" + digits
    if len(digits) != _LENGTH:
        raise ValueError(f"must have 11 digits, 7XXXXXXXXXX, not {len(digits)}")
    if digits[0] not in "78":
        raise ValueError("must begin with 7 (or 8)")
    return int("7" + digits[1:])


def default_code(phone: int) -> str:
    """Return the operator code: digits 2 to 4 of a number as ``normalise`` returns it."""
    return str(phone)[1:4]
