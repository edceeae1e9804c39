"""Attributes of clients where all is text: in cells of a table, in a query, on the command line."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from common.shown import shows

Value = str | float | bool

PREFIX: Final = "attributes."
"""Before the name, in the name of a column or a parameter."""
RESERVED: Final = frozenset({"id", "phone_number", "phone_code", "tag", "time_zone"})
"""As in ``engine.domain.attributes``, which knows no other module; a test says that both are the same."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_PLAIN_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_DIGITS_MAX: Final = 15
"""A whole number of more may not be kept exactly, and may be no number at all: that of a card, a parcel, an account."""
_FRACTION_DIGITS_MAX: Final = 17
"""One of more is a number if it is written again as it was read: 0.00000000000000000001."""
_FLAGS: Final = {"true": True, "false": False}


def is_attribute_name(name: str) -> bool:
    """Whether an attribute may be called so."""
    return _NAME.fullmatch(name) is not None and name not in RESERVED


def plain_value(text: str) -> Value:
    """What a text stands for: a plain number is a number, ``true`` and ``false`` are flags, anything else stays a
    text."""
    if text in _FLAGS:
        return _FLAGS[text]
    if not text or text[-1] not in "0123456789" or (match := _PLAIN_NUMBER.fullmatch(text)) is None:
        return text
    number, digits = float(text), sum(each.isdecimal() for each in text)
    if digits > _DIGITS_MAX if match[2] is None else digits > _FRACTION_DIGITS_MAX and cell_text(number) != text:
        return text
    return int(number) if number.is_integer() else number


def cell_value(cell: str, *, numbers_as_text: bool = False) -> Value | None:
    """What a cell says; ``None``: it is empty, or shows nothing.

    An apostrophe before what would be a number, a flag or nothing says that it is a text, as table programs have it.
    """
    if not shows(cell):
        return None
    if cell[0] == "'" and _needs_apostrophe(cell[1:]):
        return cell[1:]
    return cell if numbers_as_text else plain_value(cell)


def cell_text(value: Value) -> str:
    """The cell that says this value, see ``cell_value``. A whole number of too many digits is read back as a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if _needs_apostrophe(value) else value
    return format(Decimal(repr(value)), "f")


def _needs_apostrophe(text: str) -> bool:
    bare = text.lstrip("'")
    return not shows(bare) or not isinstance(plain_value(bare), str)
