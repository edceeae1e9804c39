"""Whom a text comes from. Numbers in comments are sections of the specification of SMPP 3.4 (12 October 1999)."""

from __future__ import annotations

from typing import Final, NamedTuple

_TON_UNKNOWN, TON_INTERNATIONAL, _TON_ALPHANUMERIC = 0, 1, 5  # 5.2.5
_NPI_UNKNOWN, NPI_ISDN = 0, 1  # 5.2.6
_ADDRESS_CHARACTERS_MAX: Final = 20  # 4.4.1
_SHORT_NUMBER_DIGITS: Final = 6


class Source(NamedTuple):
    """An address as the centre takes it."""

    address: str
    type_of_number: int
    numbering_plan: int

    @classmethod
    def of(cls, sender: str, type_of_number: int | None, numbering_plan: int | None) -> Source:
        """A sender's name or number; ``None``: what its characters say.

        Raises:
            ValueError: it can't be written as an address.
        """
        if not sender.isascii() or not sender.isprintable() or len(sender) > _ADDRESS_CHARACTERS_MAX:
            raise ValueError(f"a sender can have {_ADDRESS_CHARACTERS_MAX} visible ASCII characters")
        digits = sender.removeprefix("+")
        if not sender:
            ton, npi = _TON_UNKNOWN, _NPI_UNKNOWN
        elif digits.isdigit():
            ton, npi = (TON_INTERNATIONAL if len(digits) > _SHORT_NUMBER_DIGITS else _TON_UNKNOWN), NPI_ISDN
        else:
            ton, npi, digits = _TON_ALPHANUMERIC, _NPI_UNKNOWN, sender
        return cls(
            digits,
            ton if type_of_number is None else type_of_number,
            npi if numbering_plan is None else numbering_plan,
        )
