"""Attributes of clients where all is text: in cells of a table, in a query, on the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
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
_TABLE_FLAGS: Final = {"TRUE": True, "FALSE": False, "ИСТИНА": True, "ЛОЖЬ": False}
"""As Excel writes them into a CSV."""
# Blanks between thousands: a plain one, one that does not break, a narrow one; one kind in a number. A billion and
# more in such groups is rather a phone number, a card or an account.
_WRITTEN_NUMBER: Final = re.compile(
    r"(?P<whole>-?(?:0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:(?P<blank>[ \xa0\u202f])[0-9]{3})(?:(?P=blank)[0-9]{3})?))"
    r"(?:[.,](?P<fraction>[0-9]+))?"
)
_ENGLISH_THOUSANDS: Final = re.compile(r"-?[1-9][0-9]{0,2},[0-9]{3}")
"""``1,200``: twelve hundred where English is spoken, one and a fifth in Russian."""


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


def russian_value(text: str) -> Value:
    """What a text of a table stands for whose program is a Russian one: ``1500,50``, ``1 200`` and ``ИСТИНА`` too."""
    if text in _TABLE_FLAGS:
        return _TABLE_FLAGS[text]
    if not text or text[-1] not in "0123456789" or (match := _WRITTEN_NUMBER.fullmatch(text)) is None:
        return plain_value(text)
    whole = match["whole"].replace(match["blank"] or " ", "")
    plain = whole if match["fraction"] is None else f"{whole}.{match['fraction']}"
    value = plain_value(plain)
    return text if isinstance(value, str) else value


def table_value(text: str) -> Value:
    """What a text of any table stands for: as ``russian_value`` says, where it can't be read in two ways."""
    return text if _ENGLISH_THOUSANDS.fullmatch(text) else russian_value(text)


def cell_value(cell: str, *, numbers_as_text: bool = False, read: Callable[[str], Value] = plain_value) -> Value | None:
    """What a cell says; ``None``: it is empty, or shows nothing.

    An apostrophe before what would be a number, a flag or nothing says that it is a text, as table programs have it.
    """
    if not shows(cell):
        return None
    if cell[0] == "'" and _needs_apostrophe(cell[1:]):
        return cell[1:]
    return cell if numbers_as_text else read(cell)


def cell_text(value: Value) -> str:
    """The cell that says this value, see ``cell_value``. A whole number of too many digits is read back as a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if _needs_apostrophe(value) else value
    return format(Decimal(repr(value)), "f")


def _needs_apostrophe(text: str) -> bool:
    bare = text.lstrip("'")
    return not shows(bare) or not isinstance(russian_value(bare), str)
