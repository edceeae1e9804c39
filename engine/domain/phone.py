"""Phone numbers of the Russian numbering plan: ``7XXXXXXXXXX``.

People write them in many ways, and table programs and exports damage them. A number that is damaged may be somebody
else's, so what is not surely whole is refused, with the reason and without the number in it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from common.error_codes import ErrorCode, Unfit

PHONE_LENGTH: Final = 11
_PART_LENGTH_MIN: Final = 3
"""Fewer digits are in nearly every number."""

_AS_STORED: Final = re.compile(r"[78][0-9]{10}", re.ASCII)
_EXPONENT: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?[EeЕе][+-]?[0-9]+")  # Latin and Cyrillic
_ROUND_DECIMAL: Final = re.compile(r"[0-9]+\.0+")
_GROUP: Final = re.compile(r"[0-9]+")
_FOREIGN: Final = re.compile(r"[^0-9 .()+-]")
_NAMED_EXTENSION: Final = re.compile(r"[0-9)][ ,;]*\(?(?:доб|вн|ext|x|#)[^0-9]*[0-9]{1,6}\)?$", re.IGNORECASE)
_PARENTHESES: Final = re.compile(r"[^()]*\([0-9]+\)[^()]*")


def normalise(text: str) -> int:
    """Return the number that ``+7 (916) 123-45-67``, ``8916…``, ``7916…`` or ``916…`` stands for.

    Raises:
        Unfit: it can't be one, or may be somebody else's; the text says why, without the number in it.
    """
    if _AS_STORED.fullmatch(text):  # nearly every number of an import
        return int("7" + text[1:])
    plain = _plain(text)
    if _EXPONENT.fullmatch(plain.replace(" ", "")):
        raise Unfit(ErrorCode.PHONE_SHORTENED.format())
    _check_characters(plain)
    digits = "".join(_GROUP.findall(plain))
    if not digits:
        raise Unfit(ErrorCode.EMPTY.format())
    _check_signs(plain)
    if plain.startswith("+") and digits[0] != "7":
        raise Unfit(ErrorCode.PHONE_COUNTRY.format())
    _check_groups(plain, len(digits))
    return int("7" + _without_prefix(digits))


def digits_of(text: str) -> str:
    """Return the digits that a search for a part of a number is for, in what somebody has typed.

    Raises:
        Unfit: they can't be a part of a number; the text says why.
    """
    plain = _plain(text)
    _check_characters(plain)
    digits = "".join(_GROUP.findall(plain))
    if not _PART_LENGTH_MIN <= len(digits) <= PHONE_LENGTH:
        raise Unfit(ErrorCode.PHONE_PART_LENGTH.format(min=_PART_LENGTH_MIN, max=PHONE_LENGTH, count=len(digits)))
    return str(normalise(text)) if len(digits) == PHONE_LENGTH else digits


def default_code(phone: int) -> str:
    """Return the operator code: digits 2 to 4 of a number as ``normalise`` returns it."""
    return str(phone)[1:4]


def _plain(text: str) -> str:
    """The text with plain spaces and dashes, without what nobody sees; blanks and line ends around it are dropped."""
    if not text.isascii():
        text = "".join(map(_plain_character, text))
    return text.strip(" \t\r\n").replace("\t", " ")


def _plain_character(character: str) -> str:
    match unicodedata.category(character):
        case "Zs":
            return " "
        case "Pd":
            return "-"
        case "Cf":
            return ""
    return character


def _check_characters(plain: str) -> None:
    if _are_several(plain):
        raise Unfit(ErrorCode.PHONE_SEVERAL.format())
    if _NAMED_EXTENSION.search(plain):
        raise Unfit(ErrorCode.PHONE_EXTENSION_NAMED.format())
    if found := _FOREIGN.search(plain):
        raise Unfit(ErrorCode.PHONE_CHARACTER.format(character=_in_words(found[0])))


def _are_several(plain: str) -> bool:
    """Whether the groups of digits, whatever is between them, make up numbers in their order, and more than one."""
    count, ends = 0, {0}
    for group in _GROUP.findall(plain):
        count += len(group)
        if ends & {count - PHONE_LENGTH, count - PHONE_LENGTH + 1}:
            ends.add(count)
    return count > PHONE_LENGTH and count in ends


def _in_words(character: str) -> str:
    """A character and its name, safe to print: what would not be seen, or join what is before it, is its code point."""
    name, code_point = unicodedata.name(character, ""), f"U+{ord(character):04X}"
    if character.isprintable() and name and not unicodedata.category(character).startswith("M"):
        return f'"{character}" ({name})'
    return f"{code_point} ({name})" if name else code_point


def _check_signs(plain: str) -> None:
    """Plus, parentheses, dashes and dots stand where they belong."""
    if "+" in plain[1:]:
        raise Unfit(ErrorCode.PHONE_PLUS.format())
    if ("(" in plain or ")" in plain) and not _PARENTHESES.fullmatch(plain):
        raise Unfit(ErrorCode.PHONE_PARENTHESES.format())
    first, last = plain.removeprefix("+").lstrip()[0], plain[-1]
    if first in "-.":
        raise Unfit(ErrorCode.PHONE_BEGINNING.format(character=_in_words(first)))
    if last in "-.":
        raise Unfit(ErrorCode.PHONE_END.format(character=_in_words(last)))


def _check_groups(plain: str, length: int) -> None:
    """A digit that stands alone is no part of a number, unless it is the 7 or 8 in front of the other ten.

    It is an extension, or the ``.0`` of a number that was a decimal somewhere: without it a digit is missing.
    """
    groups = _GROUP.findall(plain)
    if len(groups) > 1 and (len(groups[-1]) == 1 or _ROUND_DECIMAL.fullmatch(plain)):
        raise Unfit(ErrorCode.PHONE_EXTENSION.format())
    if any(len(group) == 1 for group in (groups if length < PHONE_LENGTH else groups[1:])):
        raise Unfit(ErrorCode.PHONE_SINGLE_DIGIT.format())


def _without_prefix(digits: str) -> str:
    """The ten digits after the 7, which may be written as 8, and may be left out before a 9."""
    if len(digits) == PHONE_LENGTH - 1:
        # Other ten digits are often eleven with one lost: a wrong guess texts a stranger.
        if digits[0] != "9":
            raise Unfit(ErrorCode.PHONE_TEN_DIGITS.format())
        return digits
    if len(digits) != PHONE_LENGTH:
        raise Unfit(ErrorCode.PHONE_DIGIT_COUNT.format(count=len(digits)))
    if digits[0] not in "78":
        raise Unfit(ErrorCode.PHONE_PREFIX.format())
    return digits[1:]
