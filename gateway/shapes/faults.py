"""What is said of a bad field, by the code of the error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_SENTENCES: Final[Mapping[str, str]] = {
    "OUT_OF_RANGE": "must be {min} to {max}",
    "TOO_SMALL": "must be at least {min}",
    "TOO_LONG": "must have at most {max} characters",
    "BAD_LENGTH": "must have {min} to {max} characters",
    "TOO_MANY_ENTRIES": "must have at most {max} entries",
    "NOT_A_CHOICE": "must be one of {choices}",
    "NULL_CHARACTER": "must not contain the character U+0000",
    "NOT_TIME_OF_DAY": "must be HH:MM, 00:00 to 23:59",
    "NOT_DIGITS": "must be 1 to 16 digits",
    "NOT_DIGITS_OR_EMPTY": "must be 1 to 16 digits, or empty",
    "BAD_RATE": "must be above 0 and at most {max}",
    "BAD_RATE_OR_0": "must be 0 to {max}",
    "BAD_ACCOUNT_NAME": 'must be 1 to 64 Latin letters, digits or ". _ @ -"',
    "BAD_TOKEN_NAME": "must be 1 to 64 printable characters, with no blank at either end",
}


def said(code: str, **values: object) -> str:
    """The sentence about an error."""
    return _SENTENCES[code].format(**values)
